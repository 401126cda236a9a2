"""How many slices does a person have to draw right until a weak prediction is good? Compared with two other ways.

A simulated person draws the worst slice as the truth has it, again and again:

- correct: `acseg correct` carries each slice into the volume;
- repaint: the slice is repaired, and nothing follows from it;
- from nothing: the prediction is thrown away, and the drawn slices are filled.

Predictions are the truth, degraded as weak networks err (`weak_predictions.py`), those of a model (--model), or of
a network that was trained briefly on two filled phantoms (--train). Of the real soft X-ray tomogram only planes are
labelled: `--only sxt_cell` takes the fill of all of them as the truth, and --planes scores planes that are left out.

    python Testing/Benchmarks/correct.py --data ../shared/data            # all sets
    python Testing/Benchmarks/correct.py --only phantom --count 3
    python Testing/Benchmarks/correct.py --only phantom --size 64 --train 8
    python Testing/Benchmarks/correct.py --data ../shared/data --planes
    python Testing/Benchmarks/correct.py --time 472 472 491               # seconds of single corrections
    python Testing/Benchmarks/correct.py --time 128 128 128 --cells 60    # the same where many cells are segments
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import harness
from correct_cases import KINDS, Case, cases, sxt_cell_filled, sxt_planes, to_volume
from weak_predictions import mean_dice, weak_prediction

from ACSegLib.fill import correct, fill
from ACSegLib.volume import Segmentation, Volume

#: Mean Dice that counts as good, or what the fill from nothing reaches at its best, if that is less.
GOAL = 0.98


def corrected(case: Case) -> Iterator[tuple[np.ndarray, float]]:
    """Results after one slice more each, drawn into a copy of the prediction, and the seconds of each."""
    result, drawn = case.prediction, []
    labels = case.prediction.copy()
    while len(drawn) < len(labels):
        drawn.append(case.worst_slice(result, drawn))
        labels[drawn[-1]] = case.truth[drawn[-1]]
        start = time.perf_counter()
        before, after = case.segmentation(case.prediction), case.segmentation(labels)
        slices = {"k": sorted(drawn)}
        probabilities = None if case.probability is None else {before.segments[0].id: case.probability}
        outcome = correct(case.volume, before, after, slices=slices, probabilities=probabilities)
        result = outcome.segmentation.labels
        yield result, time.perf_counter() - start


def repainted(case: Case) -> Iterator[tuple[np.ndarray, float]]:
    """The prediction with one slice more repaired each."""
    result, drawn = case.prediction.copy(), []
    for _ in range(len(result)):
        drawn.append(case.worst_slice(result, drawn))
        result[drawn[-1]] = case.truth[drawn[-1]]
        yield result, 0.0


def from_nothing(case: Case) -> Iterator[tuple[np.ndarray, float]]:
    """Fills of one slice more each: the middle of the object, then the worst slice."""
    middle = int(np.average(np.arange(len(case.truth)), weights=np.count_nonzero(case.truth, axis=(1, 2))))
    drawn = [middle]
    while len(drawn) < len(case.truth) // 2:
        labels = np.zeros_like(case.truth)
        labels[drawn] = case.truth[drawn]
        start = time.perf_counter()
        result = fill(case.volume, case.segmentation(labels), slices={"k": sorted(drawn)}).segmentation.labels
        yield result, time.perf_counter() - start
        drawn.append(case.worst_slice(result, drawn))


Way = Callable[[Case], Iterator[tuple[np.ndarray, float]]]


def course(way: Way, case: Case, goal: float, limit: int) -> tuple[list[float], list[float]]:
    """Mean Dice after each slice, until the goal or the limit is reached, and the seconds of each step."""
    values, seconds = [], []
    for result, took in way(case):
        values.append(mean_dice(result, case.truth))
        seconds.append(took)
        if values[-1] >= goal or len(values) >= limit:
            break
    return values, seconds


def slices_to(values: list[float], goal: float) -> float:
    """Number of slices after which the goal is reached; infinity if it is not."""
    return next((n for n, value in enumerate(values, start=1) if value >= goal), np.inf)


def compare(case: Case, limit: int) -> dict[str, object]:
    """Slices needed by each way."""
    filled, _ = course(from_nothing, case, GOAL, limit)
    goal = min(GOAL, max(filled))
    ours, seconds = course(corrected, case, goal, limit)
    painted, _ = course(repainted, case, goal, len(case.truth))
    row: dict[str, object] = {
        "case": case.name,
        "prediction": round(mean_dice(case.prediction, case.truth), 3),
        "goal": round(goal, 3),
        "correct": slices_to(ours, goal),
        "repaint": slices_to(painted, goal),
        "from nothing": slices_to(filled, goal),
        "dice after each": [round(v, 3) for v in ours],
        "seconds each": round(float(np.median(seconds)), 2),
    }
    return row


def compare_planes(data: Path) -> list[list[str]]:
    """Dice on labelled planes of the real cell in a capillary, while the others are drawn one by one.

    Nothing but these planes is known. A row for each plane that is left out: the prediction, then `correct` and the
    fill from nothing after one, two and three of the other planes that show the cell, the worst one first.
    """
    case, known = sxt_planes(data)
    truth = sxt_cell_filled(data).truth
    shown = [(axis, n) for axis in "ki" for n in case.slices[axis] if (_plane(case.truth, axis, n) == 1).any()]
    rows = []
    for number, (axis, left_out) in enumerate(shown):
        prediction = weak_prediction(truth, 0.9, number)
        scored = np.zeros(truth.shape, bool)
        _plane(scored, axis, left_out)[:] = _plane(known, axis, left_out)
        others = [plane for plane in shown if plane != (axis, left_out)]
        others.sort(key=lambda plane: -np.count_nonzero(_plane(prediction, *plane) != _plane(case.truth, *plane)))
        row = [f"{axis} = {left_out}", f"{mean_dice(prediction[scored], case.truth[scored]):.3f}"]
        for count in range(1, len(others) + 1):
            drawn = {a: sorted(n for b, n in others[:count] if a == b) for a in "ki"}
            drawn = {a: numbers for a, numbers in drawn.items() if numbers}
            results = _drawn_planes(Case(case.name, to_volume(case), case.truth, prediction), drawn)
            row.append(" / ".join(f"{mean_dice(result[scored], case.truth[scored]):.3f}" for result in results))
        rows.append(row)
    return rows


def _plane(array: np.ndarray, axis: str, number: int) -> np.ndarray:
    return np.moveaxis(array, "kji".index(axis), 0)[number]


def _drawn_planes(case: Case, drawn: dict[str, list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """The corrected prediction, and the fill from nothing, with some planes drawn as the truth has them."""
    labels, sparse = case.prediction.copy(), np.zeros_like(case.prediction)
    for axis, numbers in drawn.items():
        for n in numbers:
            _plane(labels, axis, n)[:] = _plane(sparse, axis, n)[:] = _plane(case.truth, axis, n)
    corrected = correct(case.volume, case.segmentation(case.prediction), case.segmentation(labels), slices=drawn)
    several = {"axis": "all"} if len(drawn) > 1 else {"axis": next(iter(drawn))}
    slices = drawn if len(drawn) > 1 else next(iter(drawn.values()))
    return corrected.segmentation.labels, fill(
        case.volume, case.segmentation(sparse), slices=slices, **several
    ).segmentation.labels


def one_cell(shape: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """A large cell, and the same with an outline that is off all the way."""
    k, j, i = (np.arange(n, dtype=np.float32) - n / 2 for n in shape)
    distance = np.sqrt((k / shape[0])[:, None, None] ** 2 + (j / shape[1])[None, :, None] ** 2 + (i / shape[2]) ** 2)
    return (distance < 0.3).astype(np.uint8), (distance < 0.29).astype(np.uint8)


def many_cells(shape: list[int], count: int) -> tuple[np.ndarray, np.ndarray]:
    """About so many cells side by side, each a segment, and the same with outlines that are off by a voxel or more."""
    rng = np.random.default_rng(0)
    pitch = (np.prod(shape) / count) ** (1 / 3)
    numbers = [max(1, round(n / pitch)) for n in shape]
    truth, before = np.zeros((2, *shape), np.uint16)
    for value, place in enumerate(np.ndindex(*numbers), start=1):
        low = [n * p // parts for n, p, parts in zip(shape, place, numbers, strict=True)]
        high = [n * (p + 1) // parts for n, p, parts in zip(shape, place, numbers, strict=True)]
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        axes = (
            np.arange(b - a, dtype=np.float32) - (b - a) / 2 + rng.uniform(-1, 1)
            for a, b in zip(low, high, strict=True)
        )
        k, j, i = np.ix_(*axes)
        distance = np.sqrt(k * k + j * j + i * i)
        radius = 0.5 * min(b - a for a, b in zip(low, high, strict=True)) - 1
        truth[box][distance < radius] = value
        before[box][distance < radius - rng.uniform(1, 2)] = value
    return truth, before


def time_corrections(shape: list[int], cells: int) -> None:
    """Seconds of corrections of a simulated cell, or of many: a slice drawn right, and a stroke."""
    truth, before = one_cell(shape) if cells == 1 else many_cells(shape, cells)
    image = (truth > 0).astype(np.float32)
    rng = np.random.default_rng(0)
    image += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(0.2)
    worst = int(np.count_nonzero(truth != before, axis=(1, 2)).argmax())
    volume, result = Volume(image), before
    repeated = ("first slice (compiles loops)", "slice")
    for name in (*repeated, "the same slice again", "slice 20 on", "stroke"):
        labels = result.copy()
        if name == "stroke":
            wrong = labels != truth  # a row that is wrong, in the plane that is most wrong
            plane = int(wrong.sum(axis=(1, 2)).argmax())
            row = int(wrong[plane].sum(axis=1).argmax())
            rows = slice(max(row - 4, 0), row + 4)
            labels[plane, rows] = truth[plane, rows]
        else:
            at = worst + (20 if name == "slice 20 on" else 0)
            labels[at] = truth[at]
        original, edited = Segmentation.from_labels(result), Segmentation.from_labels(labels)
        start, cpu = time.perf_counter(), time.process_time()
        outcome = correct(volume, original, edited)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(
            f"{name}: {wall:.2f} s, {cpu:.2f} s of processor time, {outcome.report.corrected_voxels} voxels, "
            f"Dice {mean_dice(result, truth):.4f} -> {mean_dice(outcome.segmentation.labels, truth):.4f}",
            flush=True,
        )
        if name not in repeated:
            result = outcome.segmentation.labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the real volumes")
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--count", type=int, default=10, help="phantoms; half as many hippocampi")
    parser.add_argument("--size", type=int, default=96, help="voxels along a side of a phantom")
    parser.add_argument("--limit", type=int, default=16, help="slices after which a way gives up")
    parser.add_argument("--cache", type=Path, help="folder that keeps the phantoms")
    parser.add_argument("--model", help="model file whose predictions are corrected")
    parser.add_argument(
        "--train", type=int, metavar="STEPS", help="train a network first, and correct what it predicts"
    )
    parser.add_argument("--planes", action="store_true", help="only labelled planes of the real cell in a capillary")
    parser.add_argument("--time", type=int, nargs=3, metavar=("K", "J", "I"), help="only measure seconds on this shape")
    parser.add_argument("--cells", type=int, default=1, help="number of cells in this shape, each a segment")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    options = parser.parse_args()
    if options.time:
        time_corrections(options.time, options.cells)
        return
    if options.planes:
        header = ["plane left out", "prediction", *(f"{n} drawn: correct / from nothing" for n in (1, 2, 3))]
        print(harness.markdown_table(header, compare_planes(options.data)))
        return
    rows = []
    for case in cases(options):
        rows.append(compare(case, options.limit))
        print("  ".join(f"{key}: {value}" for key, value in rows[-1].items()), flush=True)
    if not rows:
        parser.error(f"no volume of {options.only}; --data names the folder of the real ones")
    for other in ("repaint", "from nothing"):
        ratios = [float(row["correct"]) / float(row[other]) for row in rows]  # type: ignore[arg-type]
        print(f"slices of correct / {other}: median {np.median(ratios):.2f}, largest {max(ratios):.2f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1, default=str))


if __name__ == "__main__":
    main()
