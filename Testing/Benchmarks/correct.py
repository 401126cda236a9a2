"""How many slices does a person have to draw right until a weak prediction is good? Compared with two other ways.

A simulated person draws the worst slice as the truth has it, again and again:

- correct: `acseg correct` carries each slice into the volume;
- repaint: the slice is repaired, and nothing follows from it;
- from nothing: the prediction is thrown away, and the drawn slices are filled.

Predictions are the truth, degraded as weak networks err (`weak_predictions.py`), or those of a model (--model).

    python Testing/Benchmarks/correct.py --data ../shared/data            # all sets
    python Testing/Benchmarks/correct.py --only phantom --count 3
    python Testing/Benchmarks/correct.py --time 472 472 491               # seconds of single corrections
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fill_cases
from weak_predictions import mean_dice, weak_prediction

from ACSegLib.fill import correct, fill
from ACSegLib.volume import Geometry, Segmentation, Volume

#: Mean Dice that counts as good, or what the fill from nothing reaches at its best, if that is less.
GOAL = 0.98


@dataclass
class Case:
    """A volume with its truth and a weak prediction."""

    name: str
    volume: Volume
    truth: np.ndarray
    prediction: np.ndarray

    def segmentation(self, labels: np.ndarray) -> Segmentation:
        names = {int(v): f"segment {v}" for v in np.unique(self.truth) if v}
        return Segmentation.from_labels(labels.astype(np.uint16), self.volume.geometry, names)

    def worst_slice(self, result: np.ndarray, drawn: list[int]) -> int:
        """The slice along k, among those not drawn, whose errors cost most of the mean Dice."""
        size = np.bincount(self.truth.ravel()).astype(float)
        weight = np.where(size > 0, 1 / np.maximum(size, 1), 0.0)
        weight[0] = 0
        wrong = np.where(result != self.truth, weight[self.truth] + weight[result], 0.0).sum(axis=(1, 2))
        wrong[drawn] = -1
        return int(wrong.argmax())


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Phantoms and real volumes, with predictions whose Dice varies between 0.85 and 0.95."""
    for number, case in enumerate(_raw_cases(options)):
        truth = case.truth.astype(np.uint16)
        i, j, k = case.spacing
        volume = Volume(case.image, Geometry((float(i), float(j), float(k)), unit=case.unit), case.name)
        target = float(np.linspace(0.85, 0.95, 5)[number % 5])
        made = _by_model(volume, truth, options.model) if options.model else weak_prediction(truth, target, number)
        yield Case(case.name.split(", every")[0], volume, truth, made)


def _raw_cases(options: argparse.Namespace) -> Iterator[fill_cases.Case]:
    if options.only in (None, "phantom"):
        for seed in range(options.count):
            case = fill_cases.phantom((options.size,) * 3, seed, cache=options.cache)
            case.truth = np.where(case.truth == 1, 1, 0)  # the cell; a bead of 150 voxels would rule the mean
            yield case
    data = options.data
    if data and options.only in (None, "hippocampus"):
        for number, case in enumerate(fill_cases.hippocampus(data)):
            if number < options.count // 2:
                yield case
    if data and options.only in (None, "nuclei"):
        yield from fill_cases.nuclei(data)


def _by_model(volume: Volume, truth: np.ndarray, model: str) -> np.ndarray:
    """The prediction of a model, its first segment as the first of the truth."""
    from ACSegLib import predict

    return np.where(predict(volume, model).labels > 0, truth[truth > 0].min(), 0).astype(truth.dtype)


def corrected(case: Case) -> Iterator[tuple[np.ndarray, float]]:
    """Results after one slice more each, drawn into a copy of the prediction, and the seconds of each."""
    result, drawn = case.prediction, []
    labels = case.prediction.copy()
    while len(drawn) < len(labels):
        drawn.append(case.worst_slice(result, drawn))
        labels[drawn[-1]] = case.truth[drawn[-1]]
        start = time.perf_counter()
        before, after = case.segmentation(case.prediction), case.segmentation(labels)
        result = correct(case.volume, before, after, slices={"k": sorted(drawn)}).segmentation.labels
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


def time_corrections(shape: list[int]) -> None:
    """Seconds of corrections of a large simulated cell: a slice drawn right, and a stroke."""
    k, j, i = (np.arange(n, dtype=np.float32) - n / 2 for n in shape)
    distance = np.sqrt((k / shape[0])[:, None, None] ** 2 + (j / shape[1])[None, :, None] ** 2 + (i / shape[2]) ** 2)
    rng = np.random.default_rng(0)
    image = (distance < 0.3).astype(np.float32)
    image += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(0.2)
    truth, before = distance < 0.3, distance < 0.29
    middle = shape[0] // 2
    volume, result = Volume(image), before.astype(np.uint8)
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
            at = middle + (20 if name == "slice 20 on" else 0)
            labels[at] = truth[at]
        original, edited = Segmentation.from_labels(result), Segmentation.from_labels(labels)
        start, cpu = time.perf_counter(), time.process_time()
        outcome = correct(volume, original, edited)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        print(
            f"{name}: {wall:.2f} s, {cpu:.2f} s of processor time, {outcome.report.corrected_voxels} voxels", flush=True
        )
        if name not in repeated:
            result = outcome.segmentation.labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the real volumes")
    parser.add_argument("--only", choices=("phantom", "hippocampus", "nuclei"))
    parser.add_argument("--count", type=int, default=10, help="phantoms; half as many hippocampi")
    parser.add_argument("--size", type=int, default=96, help="voxels along a side of a phantom")
    parser.add_argument("--limit", type=int, default=16, help="slices after which a way gives up")
    parser.add_argument("--cache", type=Path, help="folder that keeps the phantoms")
    parser.add_argument("--model", help="model file whose predictions are corrected")
    parser.add_argument("--time", type=int, nargs=3, metavar=("K", "J", "I"), help="only measure seconds on this shape")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    options = parser.parse_args()
    if options.time:
        time_corrections(options.time)
        return
    rows = []
    for case in cases(options):
        rows.append(compare(case, options.limit))
        print("  ".join(f"{key}: {value}" for key, value in rows[-1].items()), flush=True)
    for other in ("repaint", "from nothing"):
        ratios = [float(row["correct"]) / float(row[other]) for row in rows]  # type: ignore[arg-type]
        print(f"slices of correct / {other}: median {np.median(ratios):.2f}, largest {max(ratios):.2f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1, default=str))


if __name__ == "__main__":
    main()
