"""How long Segment Editor stands still: each step of the effect on Slicer's main thread, at full size.

``python Testing/Benchmarks/main_thread.py`` works on 236 x 236 x 236 voxels, ``--size 472 472 491`` on a full tomogram.
It drives the effect through its buttons on the tests' stand-in of Slicer's application, whose event loop keeps Python's
interpreter lock as Slicer's does, over the real scene and segmentation logic of slicer-core. It tells for each step the
longest time in which no event was handled, and the longest time that one turn of the event loop computed (where the
computer has other work to do, the first says little). The fill is at work in the worker process; `--instant` puts one
in its place that answers at once, so that only what the effect adds is measured. "Slicer's own" names steps that are
Slicer's code. What Slicer's views need to draw is not in it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from harness import ROOT, machine, markdown_table

sys.path[:0] = [str(ROOT), str(ROOT / "Testing" / "Python"), str(ROOT / "Testing" / "Python" / "gui")]

EVERY = 20

#: Step, its longest stand-still, the longest computing in one turn of the event loop, the whole step; seconds.
Row = tuple[str, float, float, float]


def specimen(shape: tuple[int, int, int]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A noisy image of a lumpy cell and a bead, and their masks; (k, j, i)."""
    rng = np.random.default_rng(0)
    size = np.array(shape)
    k, j, i = np.ogrid[: shape[0], : shape[1], : shape[2]]

    def ball(centre: np.ndarray, radius: float) -> np.ndarray:
        return (k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2 <= radius**2

    cell = ball(size / 2, 0.3 * min(shape))
    for offset in rng.normal(0, 0.14, (6, 3)):
        cell |= ball(size * (0.5 + offset), 0.15 * min(shape))
    bead = ball(size * 0.12, 0.06 * min(shape)) & ~cell
    image = rng.standard_normal(shape, np.float32) * 0.1
    image[cell] += 1
    image[bead] += 2
    return image, {"cytoplasm": cell, "bead": bead}


class Watch:
    """Runs the event loop, and notes the longest time that one turn of it takes."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def step(self, name: str, action: Callable[[], object], until: Callable[[], bool] = lambda: True) -> None:
        """Do something as a person does, and go on until a condition holds."""
        from standin.idle import idle, process_events

        began, busy = time.perf_counter(), time.thread_time()
        action()
        longest, computing = time.perf_counter() - began, time.thread_time() - busy
        while True:
            turn, busy = time.perf_counter(), time.thread_time()
            process_events()
            longest = max(longest, time.perf_counter() - turn)
            computing = max(computing, time.thread_time() - busy)
            if until():
                break
            idle(0.001)
        self.rows.append((name, longest, computing, time.perf_counter() - began))


def open_effect(shape: tuple[int, int, int], worker):
    """A scene with the specimen, drawn on every `EVERY`-th slice, and the effect at work on it."""
    import standin

    standin.install()
    from ACSegPanels import working
    from desk import Desk, on_slices
    from standin import application
    from workbench import add_segmentation, add_volume, draw

    working.setWorker(worker)
    image, masks = specimen(shape)
    desk = Desk(application.start_scene())
    desk.volume = add_volume(image, "tomogram")
    desk.segmentation = add_segmentation(desk.volume, tuple(masks), "cell")
    desk.node.SetAndObserveSourceVolumeNode(desk.volume)
    desk.node.SetAndObserveSegmentationNode(desk.segmentation)
    for name, mask in masks.items():
        draw(desk.host, name, on_slices(mask, range(EVERY // 2, shape[0], EVERY)))
    return desk, masks


def measure(shape: tuple[int, int, int], instant: bool) -> list[Row]:
    """Draw, fill, correct, refill, apply and take back; gives the steps' times."""
    from ACSegLib.worker import Worker

    with TemporaryDirectory() as folder:
        script = Path(__file__).resolve().parents[1] / "Python" / "gui" / "deskworker.py"
        worker = Worker([sys.executable, str(script), folder])
        if instant:
            (Path(folder) / "fake").touch()
        desk, masks = open_effect(shape, worker)
        try:
            return _steps(desk, masks, shape)
        finally:
            desk.effect.cleanup()
            worker.stop(10.0)


def _steps(desk, masks: dict[str, np.ndarray], shape: tuple[int, int, int]) -> list[Row]:
    from desk import on_slices
    from workbench import draw

    watch, effect, panel = Watch(), desk.effect, desk.panel
    between = EVERY // 2 + EVERY * (shape[0] // EVERY // 2) + EVERY // 2

    def idle() -> bool:
        return not effect.session.running

    def counted() -> bool:
        return not effect.counting

    for name, observer in (("without the extension", None), ("with it", desk.segmentation)):
        effect._observer.observe(observer)
        watch.step(f"a stroke of Paint, {name}", lambda: paint(desk, between), after(1.0))
    desk.editor.setActiveEffectByName(effect.scriptedEffect.name)
    watch.step("choose the effect", lambda: desk.editor.setActiveEffectByName(effect.scriptedEffect.name), counted)
    effect, panel = desk.editor.activeEffect().self(), desk.editor.activeEffect().self().panel
    watch.step("a stroke while the guide is shown", lambda: paint(desk, between), after(1.0))
    watch.step("Fill, until the preview is shown", panel.fillButton.click, idle)
    if effect.preview.node is None:
        raise SystemExit(f"the fill failed: {effect.message}")
    watch.step("uncertainty on", panel.uncertaintyBox.click)
    draw(desk.host, "cytoplasm", on_slices(masks["cytoplasm"], [between]))
    watch.step("count after an edit", effect.updateGuide, counted)
    watch.step("Update (refill), until the preview is shown", panel.fillButton.click, idle)
    watch.step("Show 3D (Slicer's own surfaces)", panel.show3DButton.click)
    watch.step("Update with surfaces", panel.fillButton.click, idle)
    watch.step("hide 3D", panel.show3DButton.click)
    watch.step("Apply", panel.applyButton.click)
    watch.step("undo (Slicer's own)", desk.editor.undo)
    return watch.rows


def paint(desk, k: int) -> None:
    """A stroke of the effect Paint: a small brush, given to the editor's logic as that gives it."""
    import slicer

    from ACSegLib.scene import grid

    _, j, i = (n // 4 for n in grid.image_array(desk.volume.GetImageData()).shape)
    place = (i + next(_strokes), j, k)
    brush = grid.oriented_image(np.ones((1, 8, 8), np.uint8), grid.volume_matrix(desk.volume), place)
    logic = slicer.vtkSlicerSegmentEditorLogic
    desk.host._logic.ModifySegmentByLabelmap(
        desk.segmentation, "cytoplasm", brush, logic.ModificationModeAdd, True, False
    )


_strokes = itertools.count()


def after(seconds: float) -> Callable[[], bool]:
    """A condition that comes true so long after it was first asked for."""
    ends: list[float] = []

    def reached() -> bool:
        ends.append(time.perf_counter() + seconds)
        return time.perf_counter() > ends[0]

    return reached


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs="+", default=[236], help="voxels per side, or along i, j and k")
    parser.add_argument("--instant", action="store_true", help="a fill that answers at once, in the library's place")
    options = parser.parse_args()
    sides = options.size * 3 if len(options.size) == 1 else options.size
    if len(sides) != 3:
        parser.error("--size takes one number, or three")
    rows = measure((sides[2], sides[1], sides[0]), options.instant)
    facts = machine()
    print(f"{' x '.join(map(str, sides))} voxels; {facts['processor']}, {facts['cores']} cores")
    cells = [(name, *(f"{seconds:.3f}" for seconds in times)) for name, *times in rows]
    print(markdown_table(("step", "longest stand-still, s", "longest computing, s", "whole step, s"), cells))


if __name__ == "__main__":
    main()
