"""Segmentations from strokes and dabs: ACSeg, scikit-image's random walker and Slicer's Grow from seeds, side by side.

    python Testing/Benchmarks/strokes.py                        # five phantoms of 64^3, minutes with random_walker
    python Testing/Benchmarks/strokes.py --size 128 --peers grow
    python Testing/Benchmarks/strokes.py --peers none --prompts # real cells, dab after dab, up to a Dice of 0.95
    python Testing/Benchmarks/strokes.py --peers none --prompts --box  # the same, after a box around the object
    python Testing/Benchmarks/strokes.py --peers none --prompts --outlines  # outline after outline
    python Testing/Benchmarks/strokes.py --seconds --size 128   # processor time of each of five dabs on a phantom

A simulated person draws on the phantom's cell (`ACSegLib.phantom.strokes`): a stroke inside and one outside on each of
five slices; or one dab inside and one outside; or one dab inside alone; or the outline of the cell, one or three voxels
wide, on its middle slice. Every method gets the same strokes; the peers need strokes of two classes. Beads, wall and
debris are background. Grow from seeds (`vtkImageGrowCutSegment`) needs the package ``slicer-core``; random_walker runs
at its default beta and at 5000, and both rows are shown. Drawn voxels are not scored.

With ``--prompts``, dabs are placed one by one in the middle of the largest region of errors, the first one inside the
object. Each fill knows the one before (`previous`), as in the panel; with ``--forget``, none does. The table says after
how many dabs the Dice reached 0.95, the Dice after each, and the processor time of the slowest. With ``--outlines``,
the person draws the outline of the object instead: first on its middle slice, then each time on the slice of any axis
that has most errors. Slices with an outline are not scored. With ``--seconds``,
five such dabs are placed on each phantom, and the table has the processor time of each.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import harness
import numpy as np
from fill_cases import nuclei, root_cells

if TYPE_CHECKING:
    from ACSegLib.fill import FillResult

#: Smallest Dice of the issue, and largest volume error in percent, by kind of strokes.
TARGETS = {"strokes": (0.97, 3.0), "dabs": (0.93, None)}
PROMPTS_TARGET = 0.95
MAX_PROMPTS = 10

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Object:
    """One structure to segment; `known` is where its truth is known."""

    name: str
    image: np.ndarray
    truth: np.ndarray
    known: np.ndarray


def acseg(image: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    """`ACSegLib.fill.fill`; strokes are 1 inside, 2 on the background."""
    return _fill(image, strokes, None).segmentation.labels == 1


def with_memory() -> Method:
    """The same, dab after dab: each fill knows the one before, as in the panel and on the page."""
    previous: FillResult | None = None

    def fill_again(image: np.ndarray, strokes: np.ndarray) -> np.ndarray:
        nonlocal previous
        previous = _fill(image, strokes, previous)
        return previous.segmentation.labels == 1

    return fill_again


def _fill(image: np.ndarray, strokes: np.ndarray, previous: FillResult | None) -> FillResult:
    from ACSegLib.fill import fill
    from ACSegLib.fill.prompts.outlines import with_regions
    from ACSegLib.volume import Segmentation, Volume

    names = {1: "cell", **({2: "background"} if (strokes == 2).any() else {})}
    labels = Segmentation.from_labels(strokes, names=names)
    background = names.get(2)
    if background is None:
        labels, background, _notes = with_regions(labels, None, None)
    return fill(Volume(image), labels, mode="scribbles", background=background, previous=previous)


def random_walker(beta: float) -> Method:
    """scikit-image's random walker."""

    def walk(image: np.ndarray, strokes: np.ndarray) -> np.ndarray:
        from skimage.segmentation import random_walker

        data = (image.astype(float) - image.min()) / float(image.max() - image.min())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return random_walker(data, strokes.astype(np.int32), beta=beta, mode="cg_j", tol=1e-3) == 1

    return walk


def grow_from_seeds(image: np.ndarray, strokes: np.ndarray) -> np.ndarray:
    """Slicer's Grow from seeds."""
    import slicer_core
    import vtk
    from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

    def as_vtk(array: np.ndarray, kind: int) -> vtk.vtkImageData:
        data = vtk.vtkImageData()
        data.SetDimensions(*array.shape[::-1])
        data.GetPointData().SetScalars(numpy_to_vtk(array.ravel(), True, kind))
        return data

    grow = slicer_core.vtkImageGrowCutSegment()
    grow.SetIntensityVolume(as_vtk(image.astype(np.float32), vtk.VTK_FLOAT))
    grow.SetSeedLabelVolume(as_vtk(strokes.astype(np.int16), vtk.VTK_SHORT))
    grow.Update()
    return vtk_to_numpy(grow.GetOutput().GetPointData().GetScalars()).reshape(image.shape) == 1


PEERS: dict[str, dict[str, Method]] = {
    "grow": {"Grow from seeds": grow_from_seeds},
    "random_walker": {f"random_walker, beta {beta}": random_walker(beta) for beta in (130, 5000)},
}


def drawn(kind: str, truth: np.ndarray, scale: float, seed: int) -> np.ndarray:
    """Simulated strokes of a kind."""
    from ACSegLib.phantom.strokes import OUTSIDE, draw_dabs, draw_strokes

    if kind == "strokes":
        occupied = np.flatnonzero(truth.any(axis=(1, 2)))
        span = occupied[-1] - occupied[0]
        slices = [round(occupied[0] + span * (n + 0.5) / 5) for n in range(5)]
        return draw_strokes(truth, slices, scale, seed)
    if kind == "one outline":
        return outline(truth)
    if kind == "one thick outline":
        return widened(outline(truth))
    dabs = draw_dabs(truth, 2 * scale, seed)
    return np.where(dabs == OUTSIDE, 0, dabs).astype(np.uint8) if kind == "one dab" else dabs


def outline(truth: np.ndarray) -> np.ndarray:
    """The border of the largest component on the middle slice, without thin parts and holes."""
    from scipy import ndimage

    middle = int(np.median(np.argwhere(truth)[:, 0]))
    drawn_line = np.zeros(truth.shape, np.uint8)
    drawn_line[middle] = contour(ndimage.binary_opening(truth[middle], iterations=2))
    return drawn_line


def widened(line: np.ndarray) -> np.ndarray:
    """A line three voxels wide, of which a part lies outside of the cell."""
    from scipy import ndimage

    return ndimage.binary_dilation(line, np.ones((1, 3, 3))).astype(np.uint8)


def scores(truth: np.ndarray, result: np.ndarray, scored: np.ndarray) -> tuple[float, float]:
    """Dice, and error of the volume in percent, on the scored voxels."""
    a, b = truth & scored, result & scored
    return 2.0 * np.count_nonzero(a & b) / max(a.sum() + b.sum(), 1), 100.0 * (b.sum() / a.sum() - 1)


def compare(options: argparse.Namespace, methods: dict[str, Method]) -> tuple[list[tuple[str, ...]], bool]:
    """Rows of the table of all methods on the phantoms, and whether ACSeg met the targets."""
    from ACSegLib.phantom import simulate

    phantoms = [simulate(options.size, seed=seed) for seed in range(options.seeds)]
    rows, met = [], True
    acseg(phantoms[0].volume.array, drawn("dabs", phantoms[0].truth.labels == 1, 1, 0))  # compiles the loops
    for kind in ("strokes", "dabs", "one dab", "one outline", "one thick outline"):
        for name, method in methods.items():
            if kind.startswith("one ") and name != "ACSeg":
                continue  # the peers need two classes
            dice, error, seconds = [], [], []
            for seed, phantom in enumerate(phantoms):
                truth = phantom.truth.labels == 1
                strokes = drawn(kind, truth, options.size / 64, seed)
                start = time.perf_counter()
                result = method(phantom.volume.array, strokes)
                seconds.append(time.perf_counter() - start)
                score = scores(truth, result, strokes == 0)
                dice.append(score[0])
                error.append(score[1])
            worst = max(error, key=abs)
            harness.say(f"{kind}: {name}: Dice {np.mean(dice):.4f}, worst volume {worst:+.1f} %")
            rows.append(
                (kind, name, f"{np.mean(dice):.4f}", f"{min(dice):.4f}", f"{np.mean(error):+.1f} %",
                 f"{worst:+.1f} %", harness.seconds(float(np.median(seconds))))
            )  # fmt: skip
            if name == "ACSeg" and kind in TARGETS:
                least, largest = TARGETS[kind]
                met &= min(dice) >= least and (largest is None or abs(worst) <= largest)
    return rows, met


def real_objects(data: Path) -> Iterator[Object]:
    """Single nuclei and root cells, each with 20 voxels around it, and the cell in a capillary."""
    from scipy import ndimage

    from ACSegLib.files import open_segmentation, open_volume

    for case, ranks in ((next(nuclei(data)), (1, 5, 9, 13)), (next(root_cells(data)), (2, 10, 20, 30))):
        sizes = np.bincount(case.truth.ravel())
        sizes[0] = 0
        for value in np.argsort(-sizes)[list(ranks)]:
            truth = case.truth == value
            box = ndimage.find_objects(truth.astype(np.uint8))[0]
            cut = tuple(slice(max(side.start - 20, 0), side.stop + 20) for side in box)
            image = np.ascontiguousarray(case.image[cut]).astype(np.float32)
            name = f"{case.name.split(',')[0]} {value}"
            yield Object(name, image, np.ascontiguousarray(truth[cut]), np.ones(image.shape, bool))
    folder = data / "sxt_cell_in_capillary"
    labels = open_segmentation(folder / "cell.labels").labels
    yield Object("sxt cell", open_volume(folder / "cell.rec").array.astype(np.float32), labels == 1, labels != 2)


def within_box(truth: np.ndarray, rng: np.random.Generator | None = None) -> Method:
    """ACSeg with a box around the object: two voxels wider on each side, or on each by a random number from -2 to 8."""
    from ACSegLib.volume import Segmentation, Volume
    from ACSegLib.workflows import FillOutcome, FillRequest, run_fill

    sides = []
    for axis in (2, 1, 0):
        occupied = np.flatnonzero(truth.any(axis=tuple(other for other in range(3) if other != axis)))
        before, after = (2, 2) if rng is None else rng.integers(-2, 9, 2)
        sides += [max(int(occupied[0] - before), 0), min(int(occupied[-1] + after) + 1, truth.shape[axis])]

    previous: FillOutcome | None = None

    def fill_in_box(image: np.ndarray, strokes: np.ndarray) -> np.ndarray:
        nonlocal previous
        names = {1: "cell", **({2: "background"} if (strokes == 2).any() else {})}
        labels = Segmentation.from_labels(strokes, names=names)
        request = FillRequest(volume=Volume(image), labels=labels, box=sides, background=names.get(2), suggest=0)
        previous = run_fill(request, previous)
        return previous.segmentation.mask("cell")

    return fill_in_box


def prompts(case: Object, method: Method, radius: float = 3.0) -> Iterator[tuple[float, float]]:
    """Dice after each dab of a simulated person, and its processor time in seconds."""
    from ACSegLib.phantom.strokes import next_dab

    strokes = np.zeros(case.truth.shape, np.uint8)
    result = np.zeros(case.truth.shape, bool)
    while True:
        dab = next_dab(case.truth, result, radius, case.known)
        strokes = np.where(dab > 0, dab, strokes)
        start = time.process_time()
        result = method(case.image, strokes)
        seconds = time.process_time() - start
        yield scores(case.truth, result, case.known & (strokes == 0))[0], seconds


def outlines(case: Object, method: Method) -> Iterator[tuple[float, float]]:
    """Dice after each outline of a simulated person, and its processor time in seconds."""
    lines = np.zeros(case.truth.shape, np.uint8)
    result, scored = np.zeros(case.truth.shape, bool), case.known.copy()
    taken: set[tuple[int, int]] = set()
    while where := next_slice(case, result, taken) if taken else middle_slice(case):
        axis, number = where
        taken.add((axis, number))
        place = (slice(None),) * axis + (number,)
        lines[place][contour(case.truth[place])] = 1
        scored[place] = False
        start = time.process_time()
        result = method(case.image, lines)
        yield scores(case.truth, result, scored)[0], time.process_time() - start


def contour(area: np.ndarray) -> np.ndarray:
    """The border of the largest part of an area, without its holes."""
    from scipy import ndimage

    parts, _count = ndimage.label(area)
    region = ndimage.binary_fill_holes(parts == 1 + np.argmax(np.bincount(parts.ravel())[1:]))
    return region & ~ndimage.binary_erosion(region)


def known_slices(case: Object) -> Iterator[tuple[int, int]]:
    """Axis and number of the slices that show the object and whose truth is known."""
    for axis, size in enumerate(case.truth.shape):
        for number in range(size):
            if case.known.take(number, axis).mean() > 0.98 and case.truth.take(number, axis).sum() >= 30:
                yield axis, number


def middle_slice(case: Object) -> tuple[int, int]:
    """The slice through the middle, or the one of those known that shows most of the object."""
    middle = 0, int(np.median(np.argwhere(case.truth)[:, 0]))
    known = [*known_slices(case)]
    return middle if middle in known else max(known, key=lambda where: case.truth.take(where[1], where[0]).sum())


def next_slice(case: Object, result: np.ndarray, taken: set[tuple[int, int]]) -> tuple[int, int] | None:
    """The slice with most errors, of those that are three or more away from all with an outline; None if none is."""
    errors = (result != case.truth) & case.known

    def is_free(axis: int, number: int) -> bool:
        return all(axis != other or abs(number - n) > 2 for other, n in taken)

    free = [where for where in known_slices(case) if is_free(*where)]
    return max(free, key=lambda where: np.count_nonzero(errors.take(where[1], where[0])), default=None)


def until_reached(dabs: Iterator[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Dice and seconds after each prompt, until `PROMPTS_TARGET` is reached."""
    history: list[float] = []
    times: list[float] = []
    for dice, seconds in itertools.islice(dabs, MAX_PROMPTS):
        history.append(dice)
        times.append(seconds)
        if dice >= PROMPTS_TARGET:
            break
    return history, times


def timed(options: argparse.Namespace) -> list[tuple[str, ...]]:
    """Rows of the table of processor times."""
    from ACSegLib.phantom import simulate

    rows = []
    for seed in range(options.seeds):
        made = simulate(options.size, seed=seed)
        truth = made.truth.labels == 1
        case = Object(f"seed {seed}", made.volume.array.astype(np.float32), truth, np.ones(truth.shape, bool))
        if not seed:
            next(prompts(case, acseg))  # compiles the loops
        dabs = list(itertools.islice(prompts(case, with_memory(), 4.0 * options.size / 128), 5))
        rows.append((case.name, *(f"{seconds:.2f}" for _dice, seconds in dabs), f"{dabs[-1][0]:.3f}"))
    return rows


def main() -> int:
    """Run the command line; the exit code is 1 if a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="voxels a side of the phantoms")
    parser.add_argument("--seeds", type=int, default=5, help="number of phantoms")
    parser.add_argument("--peers", default="grow,random_walker", help="comma-separated, or none")
    parser.add_argument("--prompts", action="store_true", help="real cells, dab after dab")
    parser.add_argument("--seconds", action="store_true", help="processor time of five dabs on each phantom")
    parser.add_argument("--box", action="store_true", help="with --prompts: a box around the object first")
    parser.add_argument("--outlines", action="store_true", help="with --prompts: outlines instead of dabs")
    parser.add_argument("--forget", action="store_true", help="with --prompts: no fill knows the one before")
    parser.add_argument("--data", help="folder of the real volumes")
    options = parser.parse_args()
    methods: dict[str, Method] = {"ACSeg": acseg}
    for peer in options.peers.split(","):
        methods |= PEERS.get(peer, {})
    if options.seconds:
        header = ("phantom", *(f"dab {n}" for n in range(1, 6)), "Dice after the last")
        print(harness.markdown_table(header, timed(options)))
        return 0
    if not options.prompts:
        rows, met = compare(options, methods)
        header = ("drawn", "method", "mean Dice", "smallest", "mean volume", "worst volume", "seconds")
        print(harness.markdown_table(header, rows))
        return 0 if met else 1
    data = harness.data_folder(options.data)
    if data is None:
        harness.say("no folder of real volumes was found; name it with --data")
        return 1
    table = []
    for case in real_objects(data):
        method = within_box(case.truth) if options.box else acseg if options.forget else with_memory()
        drawn_by = outlines if options.outlines else prompts
        history, times = until_reached(drawn_by(case, method))
        reached = str(len(history)) if history[-1] >= PROMPTS_TARGET else f"more than {len(history)}"
        voxels = f"{case.truth.size / 1e6:.2f}"
        table.append((case.name, reached, " ".join(f"{value:.3f}" for value in history), voxels, f"{max(times):.2f}"))
        harness.say(f"{case.name}: {table[-1][2]}")
    kind = "outline" if options.outlines else "dab"
    header = ("object", f"{kind}s to 0.95", "Dice after each", "million voxels", f"slowest {kind}, s")
    print(harness.markdown_table(header, table))
    return 0


if __name__ == "__main__":
    sys.exit(main())
