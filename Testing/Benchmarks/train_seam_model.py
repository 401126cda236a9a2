"""Learn the trees that say where cells touch, from simulated cells alone; writes `ACSegLib/cells/seams.npz`.

    python Testing/Benchmarks/train_seam_model.py CACHE --mean-with BEFORE.npz
    python Testing/Benchmarks/train_seam_model.py CACHE --predicted

Needs scikit-learn, which ACSeg itself does not: the trees are written as tables of numbers. CACHE is a folder for the
simulated cells and the graphs, kept between runs. Seeds are fixed; `split_cases` scores others. There are two models:

* "voxels" says how likely a voxel lies at a seam. Half of the cases learn it for the other half, so that what the
  second model sees is as wrong as on new volumes. The model that ships learns from all.
* "seams" says how likely the boundary of two regions is one. It learns from merging that the truth steers, and then
  from merging that the model itself steers. It is the mean of several, whose errors differ: one for each weight that
  some of the cases have.
* "tissue" says so in drawn tissue. It learns without the further phantoms.

With ``--predicted`` they are those for outlines that a network predicted, in `predicted_seams.npz`. They learn from
predictions of the pretrained network in place of the further phantoms. ``--mean-with FILE`` takes the mean with the
model of boundaries in FILE, and its models of voxels and of tissue. So a training with newer outlines does not swing.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from split_cases import Case
from touching_cells import MORE, PREDICTED, TRAINED, training_case

from ACSegLib.cells import trees
from ACSegLib.cells.basins import Faces, find_basins
from ACSegLib.cells.merging import Merging
from ACSegLib.cells.regions import RegionGraph, connect
from ACSegLib.cells.seam_voxels import scene_of
from ACSegLib.cells.seams import Seams, depth_of, distance_from_background
from ACSegLib.cells.trees import Trees

T = TypeVar("T")
STEP = (1.0, 1.0, 1.0)
#: Voxels of a case at seams and elsewhere that are learned from.
AT_SEAMS, ELSEWHERE = 700, 1400
#: Every n-th case is learned from without its image as well.
EVERY_SHAPE = 7
#: How much a prediction, or one of the further phantoms, counts beside another case in each model that is averaged.
PREDICTED_WEIGHTS, MORE_WEIGHTS = (3.0, 8.0), (0.25, 1.0)
#: Trees of the models of boundaries. Those for drawn outlines see half of the features at each node, so they differ.
PREDICTED_TREES: dict[str, float] = {"max_iter": 200, "max_leaf_nodes": 31}
DRAWN_TREES = PREDICTED_TREES | {"max_features": 0.5}
TISSUE_TREES: dict[str, float] = {"max_iter": 120, "max_leaf_nodes": 24}
#: Types of the tables of `Trees`, in their order.
TABLE_KINDS = (np.int32, np.int16, np.float32, np.int32, np.int32, np.float32)
#: Log odds from which on a merging that the truth steers stops.
_NEVER = 1e3


@dataclass(frozen=True)
class Lesson:
    """The graph of one case, and the voxels of each region (rows) that lie in each true cell (columns)."""

    graph: RegionGraph
    truth: np.ndarray


@dataclass(frozen=True)
class Gathered:
    """Cases with and without their images, the half that each is in, and voxels of each to learn from."""

    items: list[tuple[Case, bool]]
    half: list[int]
    samples: list[tuple[np.ndarray, np.ndarray]]


class Teacher(Merging):
    """A merging that keeps the features of every boundary that it meets, and whether it is a seam in truth."""

    def __init__(self, lesson: Lesson, model: Trees | None) -> None:
        self._truth = lesson.truth.astype(float)
        self._steered = model is None
        self.features_met: list[np.ndarray] = []
        self.seam_met: list[bool] = []
        self.pure: list[float] = []
        super().__init__(lesson.graph, model or Trees(*(np.zeros(0, kind) for kind in TABLE_KINDS)))

    def odds(self, a: int, b: int) -> float:
        """Log odds of the model; without one, the likelihood of a seam, and what no merging reaches at true seams."""
        one, two = self._truth[a], self._truth[b]
        seam = bool(one.argmax() != two.argmax())
        features = self.features(a, b)
        self.features_met.append(features)
        self.seam_met.append(seam)
        self.pure.append(float(one.max() / one.sum() * two.max() / two.sum()))
        return float(features[0]) + _NEVER * seam if self._steered else super().odds(a, b)

    def merge(self, a: int, b: int) -> int:
        """Merge, and add up the truth."""
        both = self._truth[a] + self._truth[b]
        kept = super().merge(a, b)
        self._truth[kept] = both
        return kept


def met(lesson: Lesson, model: Trees | None, weight: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, truth and weights of the boundaries that a merging meets; every case has about the same weight."""
    teacher = Teacher(lesson, model)
    limit = 0 if model is not None else _NEVER / 2
    teacher.run(lambda odds, cells: odds >= limit)
    weights = weight * np.array(teacher.pure) / len(teacher.pure) ** 0.7
    return np.array(teacher.features_met), np.array(teacher.seam_met), weights


def made_case(name: tuple[str, int]) -> Case | None:
    """The case of a kind and seed."""
    return training_case(*name)


def sampled_voxels(item: tuple[Case, bool]) -> tuple[np.ndarray, np.ndarray]:
    """Features of voxels of a case, and whether each lies at a seam."""
    made, with_image = item
    rng, mask = np.random.default_rng(int(made.cells.max())), made.cells > 0
    scene = scene_of(made.image if with_image else None, mask, distance_from_background(mask, STEP), STEP)
    faces = Faces.between(made.cells.astype(np.int32), int(made.cells.max()))
    at = np.zeros(mask.size, bool)
    at[faces.one] = at[faces.other] = True
    found, other = np.flatnonzero(at), np.flatnonzero(mask.ravel() & ~at)
    chosen = np.concatenate([rng.permutation(found)[:AT_SEAMS], rng.permutation(other)[:ELSEWHERE]])
    return scene.describe(np.stack(np.unravel_index(chosen, mask.shape), axis=1)), at[chosen]


def lesson_of(item: tuple[Case, bool, Trees]) -> Lesson:
    """The graph of a case, with seams as the trees see them."""
    made, with_image, model = item
    mask = made.cells > 0
    distance = distance_from_background(mask, STEP)
    scene = scene_of(made.image if with_image else None, mask, distance, STEP)
    odds = scene.judge(mask, model)
    seams = Seams(odds, depth_of(odds, mask, STEP), distance, scene)
    basins = find_basins(seams.depth, mask)
    count, cells = int(basins.max()) + 1, int(made.cells.max()) + 1
    overlap = np.bincount(basins.ravel().astype(np.int64) * cells + made.cells.ravel(), minlength=count * cells)
    truth = overlap.reshape(count, cells)
    truth[:, 0] = 0
    return Lesson(connect(basins, seams), truth)


def fitted(rows: np.ndarray, truth: np.ndarray, weights: np.ndarray | None = None, **settings: Any) -> Trees:
    """Boosted trees of scikit-learn, as tables."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(l2_regularization=1.0, early_stopping=False, random_state=0, **settings)
    model.fit(rows, truth, sample_weight=weights)
    parts: list[list[float]] = [[] for _ in range(6)]
    roots, *columns = parts
    start = float(np.ravel(model._baseline_prediction)[0])
    for number, (tree,) in enumerate(model._predictors):
        first = len(columns[0])
        roots.append(first)
        for node in tree.nodes:
            leaf = bool(node["is_leaf"])
            value = float(node["value"]) + (start if number == 0 else 0)
            row = (-1, 0, 0, 0, value) if leaf else (
                int(node["feature_idx"]), float(node["num_threshold"]),
                first + int(node["left"]), first + int(node["right"]), 0,
            )  # fmt: skip
            for column, entry in zip(columns, row, strict=True):
                column.append(entry)
    return Trees(*(np.array(part, kind) for part, kind in zip(parts, TABLE_KINDS, strict=True)))


def fit_voxels(samples: Sequence[tuple[np.ndarray, np.ndarray]]) -> Trees:
    """The model of voxels."""
    rows, truth = (np.concatenate(part) for part in zip(*samples, strict=True))
    return fitted(rows, truth, max_iter=60, max_leaf_nodes=24, learning_rate=0.15, min_samples_leaf=100, max_bins=64)


def fit_seams(lessons: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], size: Mapping[str, float]) -> Trees:
    """The model of boundaries."""
    rows, truth, weights = (np.concatenate(part) for part in zip(*lessons, strict=True))
    return fitted(rows, truth, weights / weights.mean(), **size, learning_rate=0.1, min_samples_leaf=60)


def mean_of(models: Sequence[Trees]) -> Trees:
    """Trees whose log odds are the mean of those of the models."""
    starts = np.cumsum([0] + [len(model.feature) for model in models[:-1]])
    shifted = [
        (model.roots + first, model.feature, model.threshold, model.left + first, model.right + first)
        for model, first in zip(models, starts, strict=True)
    ]
    values = np.concatenate([model.value for model in models]) / len(models)
    parts = [*(np.concatenate(part) for part in zip(*shifted, strict=True)), values]
    return Trees(*(part.astype(kind) for part, kind in zip(parts, TABLE_KINDS, strict=True)))


def read_model(path: Path, name: str) -> Trees:
    """The model "voxels" or "seams" of a file."""
    with np.load(path, allow_pickle=False) as file:
        return Trees(*(file[f"{name}_{part}"] for part in Trees.__dataclass_fields__))


def taught(lessons: Sequence[Sequence[Lesson]], weights: Sequence[float], size: Mapping[str, float]) -> Trees:
    """The model of boundaries from sets of lessons, each of which has a weight."""
    weighed = [(lesson, weight) for part, weight in zip(lessons, weights, strict=False) for lesson in part]
    steered = [met(lesson, None, weight) for lesson, weight in weighed]
    first = fit_seams(steered, size)
    return fit_seams(steered + [met(lesson, first, weight) for lesson, weight in weighed], size)


def kept(path: Path, make: Callable[[], T]) -> T:
    """What a file of the cache holds, made and written if it is not there."""
    if not path.exists():
        made = make()
        path.write_bytes(pickle.dumps(made))
    return pickle.loads(path.read_bytes())


def gathered(pool: Executor, cache: Path, name: str, kinds: Mapping[str, range], every: int) -> Gathered:
    """Make the cases of some kinds; each `every`-th is also learned from without its image, none if 0."""
    names = [(kind, seed) for kind, seeds in kinds.items() for seed in seeds]
    made = kept(cache / f"{name}_cases.pickle", lambda: list(pool.map(made_case, names)))
    cases = [case for case in made if case is not None]
    half = [seed % 2 for (_, seed), case in zip(names, made, strict=True) if case is not None]
    shapes = range(0, len(cases), every) if every else ()
    items = [(case, True) for case in cases] + [(cases[n], False) for n in shapes]
    samples = kept(cache / f"{name}_voxels.pickle", lambda: list(pool.map(sampled_voxels, items)))
    return Gathered(items, half + [half[n] for n in shapes], samples)


def lessons_of(pool: Executor, those: Gathered, known: Sequence[Gathered]) -> list[Lesson]:
    """Graphs of cases, with seams as a model sees them that has learned from the other half of what is known."""
    folds = [
        fit_voxels([s for part in known for s, side in zip(part.samples, part.half, strict=True) if side != fold])
        for fold in (0, 1)
    ]
    tasks = [(*item, folds[side]) for item, side in zip(those.items, those.half, strict=True)]
    return [lesson for lesson in pool.map(lesson_of, tasks) if len(lesson.graph.a)]


def main() -> None:
    """Learn both models, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cache", type=Path, help="folder for what is kept between runs")
    parser.add_argument("--predicted", action="store_true", help="learn those for outlines that a network predicted")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--mean-with", type=Path, metavar="FILE", help="average with a model that was learned before")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    name, kinds, every, weights, size = (
        ("predicted", PREDICTED, 0, PREDICTED_WEIGHTS, PREDICTED_TREES)
        if options.predicted
        else ("more", MORE, EVERY_SHAPE, MORE_WEIGHTS, DRAWN_TREES)
    )
    with ProcessPoolExecutor(options.processes) as pool:
        sets = [
            gathered(pool, options.cache, "drawn", TRAINED, EVERY_SHAPE),
            gathered(pool, options.cache, name, kinds, every),
        ]
        graphs = options.cache / f"{name}_graphs.pickle"
        lessons = kept(graphs, lambda: [lessons_of(pool, part, sets) for part in sets])
        models = {"voxels": fit_voxels([sample for part in sets for sample in part.samples])}
    print(f"voxels of {sum(len(part.items) for part in sets)} cases are learned", flush=True)
    models["seams"] = mean_of([taught(lessons, (1.0, weight), size) for weight in weights])
    if not options.predicted:
        models["tissue"] = taught(lessons[:1], (1.0,), TISSUE_TREES)
    if options.mean_with:
        before = {name: read_model(options.mean_with, name) for name in models}
        models = before | {"seams": mean_of([before["seams"], models["seams"]])}
    tables = {f"{name}_{part}": table for name, model in models.items()
              for part, table in zip(Trees.__dataclass_fields__, astuple(model), strict=True)}  # fmt: skip
    target = Path(trees.__file__).with_name(trees.PREDICTED if options.predicted else trees.DRAWN)
    np.savez_compressed(target, **tables)
    print(f"written: {target}, {target.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
