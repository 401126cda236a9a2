"""Writes the pictures of the page in Resources/Screenshots: each step, light and dark, and one on a large screen.

``python Testing/page_screenshots.py [FOLDER] [--size N]``. It runs ``acseg app`` on a simulated cell, and works on its
page in Chromium without a window.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "Testing" / "Python" / "app"), str(ROOT)]

from browsercases import Desk, browser, serving, wait_for  # noqa: E402

SMALL, LARGE = {"width": 1280, "height": 800}, {"width": 2560, "height": 1440}


def shoot(desk: Desk, name: str, folder: Path) -> None:
    """Write the page as NAME.png and NAME-dark.png."""
    for theme, ending in (("light", ""), ("dark", "-dark")):
        desk.page.emulate_media(color_scheme=theme)
        desk.page.wait_for_timeout(400)
        desk.page.screenshot(path=folder / f"{name}{ending}.png")


def steps(desk: Desk, size: int, folder: Path) -> None:
    """Do the steps one after the other, and write a picture of each."""
    page = desk.page
    labelled = desk.state()["labels"]["labelled"]["z"]
    desk.go_to(labelled[len(labelled) // 2])
    page.keyboard.press("b")
    page.mouse.move(*desk.pixel(0.62 * size, 0.4 * size))
    shoot(desk, "page-draw", folder)
    desk.go_to(size // 2)
    desk.start_job("fill", "Fill")
    desk.job_done("fill")
    desk.open_step("fill")
    shoot(desk, "page-fill", folder)
    desk.open_step("correct")
    page.keyboard.press("u")
    desk.settle()
    shoot(desk, "page-correct", folder)
    page.keyboard.press("u")
    desk.open_step("predict")
    shoot(desk, "page-predict", folder)
    desk.start_job("measure", "Measure")
    desk.job_done("measure")
    page.locator(".drawer tbody tr").first.wait_for()
    shoot(desk, "page-measure", folder)
    page.locator(".drawer").get_by_role("button", name="Close the table").click()
    desk.open_step("view")
    page.keyboard.press("t")
    pane = page.locator(".volume-pane")
    wait_for(page, lambda: pane.get_attribute("data-ready") == "true", "3D")
    page.wait_for_timeout(2000)
    shoot(desk, "page-view", folder)
    page.set_viewport_size(LARGE)
    page.wait_for_timeout(3000)
    shoot(desk, "page-large", folder)
    page.set_viewport_size(SMALL)
    page.keyboard.press("t")
    desk.open_step("save")
    shoot(desk, "page-save", folder)


def main() -> None:
    """Simulate a cell, and write the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "Resources" / "Screenshots")
    parser.add_argument("--size", type=int, default=128)
    options = parser.parse_args()
    from ACSegLib.files import save_segmentation, save_volume
    from ACSegLib.phantom import label_slices, simulate

    with TemporaryDirectory() as place:
        cell = simulate(options.size, seed=0)
        labels, _slices = label_slices(cell.truth, every=max(2, options.size // 8))
        image, drawn = Path(place) / "t-cell.nrrd", Path(place) / "labelled.seg.nrrd"
        save_volume(cell.volume, image)
        save_segmentation(labels, drawn)
        with serving(image, "--labels", drawn, "--root", place) as server, browser() as chrome:
            steps(Desk(chrome.new_page(viewport=SMALL), server), options.size, options.folder)


if __name__ == "__main__":
    main()
