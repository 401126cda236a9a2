"""How fast the page of ``acseg app`` is in a real Chromium: open, scroll, draw, 3D, and the memory of the browser.

``python Testing/Benchmarks/app_page.py`` writes a simulated image of 472 x 472 x 491 voxels (float32, ``--size Z Y X``
for another one), starts the server as a user does, and works on its page by mouse and wheel. `app.py` measures the
server alone. Times of the page are taken in the page: from the event to the frame that shows the change.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil
from app import write_specimen
from harness import ROOT, machine, markdown_table

sys.path.insert(0, str(ROOT / "Testing" / "Python" / "app"))
from browsercases import Desk, browser, serving, wait_for

REPEATS = 30
#: Records, for each event, the milliseconds until the frame that shows its effect (wheel), or that it costs (move).
RECORD = """() => {
    const canvas = document.querySelector('canvas.slice')
    window.scrolls = []; window.moves = []; window.strokes = []
    let [turned, start] = [0, 0]
    window.addEventListener('wheel', () => { turned = performance.now() }, true)
    new MutationObserver(() => window.scrolls.push(performance.now() - turned))
        .observe(canvas, {attributeFilter: ['data-drawn']})
    window.addEventListener('pointermove', () => { start = performance.now() }, true)
    window.addEventListener('pointermove', () => {
        const handler = performance.now() - start
        requestAnimationFrame((frame) => window.moves.push(handler + performance.now() - frame))
    })
    window.addEventListener('pointerup', () => {
        const start = performance.now()
        const look = () => document.body.dataset.settled === 'true'
            ? window.strokes.push(performance.now() - start) : setTimeout(look, 1)
        setTimeout(look, 1)
    }, true)
}"""


def measure(shape: tuple[int, int, int]) -> tuple[list[tuple[str, float, float, float]], float]:
    """Work on the page, and give rows (what, median, longest, bound in ms) and the browser's memory in GiB."""
    with TemporaryDirectory() as folder:
        write_specimen(Path(folder) / "tomogram.mha", shape)
        with serving(folder) as server, browser() as chrome:
            page = chrome.new_page(viewport={"width": 1600, "height": 1000})
            desk = Desk.__new__(Desk)
            desk.page, desk.server, desk.errors = page, server, []
            rows = [_open(desk)]
            page.evaluate(RECORD)
            rows += _scroll_and_draw(desk)
            memory = _memory()
            rows.append(_three_dimensions(desk))
            print(f"browser before 3D: {memory:.2f} GiB")
            return rows, _memory()


def _open(desk: Desk) -> tuple[str, float, float, float]:
    desk.page.goto(desk.server.address)
    desk.page.get_by_role("button", name="Open").click()
    entry = desk.page.locator(".files .pick").first
    entry.wait_for()
    start = time.perf_counter()
    entry.click()
    drawn = desk.page.locator("canvas.slice[data-drawn]")
    wait_for(desk.page, lambda: drawn.count() == 1, "the first slice")
    spent = 1000 * (time.perf_counter() - start)
    desk.settle()
    return "from the click to the first slice", spent, spent, 5000


def _scroll_and_draw(desk: Desk) -> list[tuple[str, float, float, float]]:
    page = desk.page
    x, y, _z = (n / 2 for n in reversed(desk.state()["volume"]["shape"]))
    page.mouse.move(*desk.pixel(x, y))
    for k in range(REPEATS):
        page.mouse.wheel(0, 120)
        wait_for(page, lambda k=k: len(page.evaluate("window.scrolls")) > k, "the next slice")
    page.keyboard.press("b")
    for k in range(5):
        page.mouse.move(*desk.pixel(x - 50, y + 20 * k))
        page.mouse.down()
        for step in range(REPEATS):
            page.mouse.move(*desk.pixel(x - 50 + 3 * step, y + 20 * k))
        page.mouse.up()
        wait_for(page, lambda k=k: len(page.evaluate("window.strokes")) > k, "the stroke in the server's labels")
    names = (
        ("scroll: from the wheel to the slice", "scrolls", 30),
        ("brush: work for a move", "moves", 16),
        ("from the end of a stroke to the server's labels", "strokes", 100),
    )
    found = [(name, page.evaluate(f"window.{key}"), bound) for name, key, bound in names]
    return [(name, median(times), max(times), bound) for name, times, bound in found]


def _three_dimensions(desk: Desk) -> tuple[str, float, float, float]:
    start = time.perf_counter()
    desk.page.keyboard.press("t")
    pane = desk.page.locator(".volume-pane")
    wait_for(desk.page, lambda: pane.get_attribute("data-ready") == "true", "3D")
    spent = 1000 * (time.perf_counter() - start)
    return "3D", spent, spent, 15000


def _memory() -> float:
    """Proportional memory of all processes of the browser, in GiB."""
    children = psutil.Process().children(recursive=True)
    return sum(p.memory_full_info().pss for p in children if "chrom" in p.name()) / 2**30


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=(491, 472, 472), metavar=("Z", "Y", "X"))
    options = parser.parse_args()
    rows, memory = measure(tuple(options.size))
    print(machine())
    shown = [[name, f"{mid:.1f}", f"{longest:.1f}", f"{bound:.0f}"] for name, mid, longest, bound in rows]
    print(markdown_table(["what", "median, ms", "longest, ms", "bound, ms"], shown))
    print(f"browser: {memory:.2f} GiB")


if __name__ == "__main__":
    main()
