"""By what the region is chosen that dabs mean: candidates, what tells the good ones, and how well the choice does.

    python Testing/Benchmarks/dab_choice.py                   # all kinds, minutes on one core
    python Testing/Benchmarks/dab_choice.py --kinds fibroblast nuclei --objects 2
    python Testing/Benchmarks/dab_choice.py --falls           # the whole fill: how often one more dab makes it worse
    python Testing/Benchmarks/dab_choice.py --falls --box     # the same in a box that is drawn loosely, or too tight
    python Testing/Benchmarks/dab_choice.py --falls --outlines  # the same by outlines (see ``strokes.py``)

A simulated person dabs one object after the other (`ACSegLib.phantom.strokes.next_dab`, or loosely: anywhere deep in
the largest error). After each dab all candidates between edges are listed (`StrokeSearch.choices`), with their Dice and
with what might tell the good ones: how clearly they stand out (`distinctness`), how plausibly the dabs lie in them,
how many dabs they do not explain, how much of them the dabs had to correct, how well the paths close them,
and their size.

The first table has the mean Dice of the choice by each of these alone; by all of them, with weights fitted to the other
kinds (pairwise logistic regression: of two candidates the better one should have the larger sum); by the older chain of
rules; and of the best candidate. The weights of the border of the image and of the size are fitted in the same way. The
kinds are not the objects of ``strokes.py --prompts``.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import harness
import numpy as np
import split_cases
from fill_cases import hippocampus, nuclei, root_cells
from strokes import Method, Object, acseg, outlines, scores, with_memory, within_box

#: Touching cells of `split_cases`, one of each volume.
TOUCHING = ("blobs", "membranes", "packed")
PHANTOMS = ("t-cell", "beta-cell", "fibroblast", "huh-7", "bv-2")
REAL = ("nuclei", "root cells", "hippocampus", "stardist3d")
KINDS = (*PHANTOMS, *TOUCHING, *REAL)
#: Largest objects of a volume that ``strokes.py --prompts`` does not use, by rank.
RANKS = {
    "nuclei": (0, 2, 3, 4, 6, 7, 8, 10, 11, 12),
    "root cells": (0, 3, 4, 5, 7, 12, 14, 15, 17, 18),
    "stardist3d": tuple(range(10)),
}
MARGIN = 16
DABS = 5
#: A dab that lowers the Dice by more is a fall, or a deep one; a Dice below this one after the last dab is low.
FALLS, LOW = (0.02, 0.2), 0.8
#: Names of what might tell the good candidates, larger is better; the first three are `distinctness.evidence`.
SIGNS = ("step", "border", "large", "plausible", "explained", "uncorrected", "closed")


#: From the truth of an object, and its number, to a method.
MethodOf = Callable[[np.ndarray, int], Method]


@dataclass(frozen=True)
class Choice:
    """The candidates after one dab: a row of signs for each, its Dice, and the number of the rules' choice."""

    kind: str
    signs: np.ndarray
    dice: np.ndarray
    by_rules: int


def objects(kind: str, data: Path | None, count: int) -> Iterator[tuple[Object, float]]:
    """Objects of a kind, and the radius of a dab in each."""
    from ACSegLib.phantom import simulate

    if kind in PHANTOMS:
        for seed in range(201, 201 + count):
            made = simulate(48, seed=seed, kind=kind)
            image = made.volume.array.astype(np.float32)
            yield Object(f"{kind} {seed}", image, made.truth.labels == 1, np.ones(image.shape, bool)), 2.0
    elif kind in TOUCHING:
        for seed in range(200, 200 + count):
            make = getattr(split_cases, kind, None)
            made = make(seed) if make else split_cases.phantom(seed, seed, 48)
            sizes = np.bincount(made.cells.ravel())
            sizes[0] = 0
            large = np.argsort(-sizes)[: max(np.count_nonzero(sizes) * 2 // 3, 1)]
            value = np.random.default_rng(seed).choice(large)
            yield _cut_out(f"{kind} {seed}", made.image, made.cells == value), 2.0
    elif data is None:
        harness.say(f"no folder of real volumes was found, so {kind} are left out; name it with --data")
    elif kind == "hippocampus":
        for case, _n in zip(hippocampus(data), range(count), strict=False):
            image = case.image.astype(np.float32)
            yield Object(case.name, image, case.truth > 0, np.ones(image.shape, bool)), 2.0
    else:
        image, truth = _instances(kind, data)
        sizes = np.bincount(truth.ravel())
        sizes[0] = 0
        for value in np.argsort(-sizes)[list(RANKS[kind][:count])]:
            yield _cut_out(f"{kind} {value}", image, truth == value), 1.5 if kind == "stardist3d" else 3.0


def _instances(kind: str, data: Path) -> tuple[np.ndarray, np.ndarray]:
    if kind == "stardist3d":
        import tifffile

        folder = data / "stardist3d_demo"
        return tifffile.imread(folder / "img3d.tif"), tifffile.imread(folder / "mask3d.tif")
    case = next((nuclei if kind == "nuclei" else root_cells)(data))
    return case.image, case.truth


def _cut_out(name: str, image: np.ndarray, truth: np.ndarray) -> Object:
    from ACSegLib.masks import bounding_box

    box = bounding_box(truth, MARGIN)
    part = np.ascontiguousarray(image[box]).astype(np.float32)
    return Object(name, part, np.ascontiguousarray(truth[box]), np.ones(part.shape, bool))


def loose_dab(truth: np.ndarray, result: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """A dab anywhere deep in the largest error; values as those of `ACSegLib.phantom.strokes`."""
    from scipy import ndimage

    from ACSegLib.phantom.strokes import INSIDE, OUTSIDE, ball_at

    dab = np.zeros(truth.shape, np.uint8)
    errors, count = ndimage.label(truth != result)
    if count:
        largest = errors == 1 + np.argmax(np.bincount(errors.ravel())[1:])
        depth = ndimage.distance_transform_edt(largest)
        middle = rng.choice(np.argwhere(depth >= 0.6 * depth.max()))
        inside = truth[tuple(middle)]
        dab[ball_at(middle, radius, truth.shape) & (truth == inside)] = INSIDE if inside else OUTSIDE
    return dab


def follow(kind: str, case: Object, radius: float, rng: np.random.Generator | None) -> Iterator[Choice]:
    """What could be chosen after each dab of a person who sees the choice of `distinctness`."""
    from ACSegLib.fill.prior.features import intensity_range, prepare
    from ACSegLib.fill.prompts.strokes import StrokeSearch
    from ACSegLib.fill.seeds import UNKNOWN
    from ACSegLib.jobs import Progress
    from ACSegLib.phantom.strokes import INSIDE, OUTSIDE, next_dab

    truth, strokes, result = case.truth, np.zeros(case.truth.shape, np.uint8), np.zeros(case.truth.shape, bool)
    for _ in range(DABS):
        dab = next_dab(truth, result, radius) if rng is None else loose_dab(truth, result, radius, rng)
        strokes = np.where(dab > 0, dab, strokes)
        seeds = np.select([strokes == INSIDE, strokes == OUTSIDE], [1, 0], UNKNOWN).astype(np.int16)
        features = prepare(case.image, [1.0] * 3, intensity_range(case.image, seeds), Progress())
        search = StrokeSearch.of(features, seeds)
        single = search.singles()
        if single[0].grown.costs.ends_at_walls:
            result = search.on_image(search.best()[1], truth.shape) == 1
            continue
        choices = search.choices(single)
        image = search.rim_image
        corrected = [search.corrected(meaning) for meaning in choices]
        masks = [search.on_image(classes, truth.shape) == 1 for classes in corrected]
        signs = np.array([_signs(*pair, image) for pair in zip(choices, corrected, strict=True)])
        dice = np.array([2 * np.count_nonzero(m & truth) / (m.sum() + truth.sum()) for m in masks])
        rules = search.first_explaining(single)
        by_rules = min(range(len(choices)), key=lambda n: np.count_nonzero(choices[n].classes != rules.classes))
        yield Choice(kind, signs, dice, by_rules)
        result = masks[int(np.argmax(_distinct(signs)))]


def filled(case: Object, radius: float, rng: np.random.Generator | None, method: Method) -> list[float]:
    """Dice of the fill after each dab of a person who sees it."""
    from ACSegLib.phantom.strokes import next_dab

    truth, strokes, result = case.truth, np.zeros(case.truth.shape, np.uint8), np.zeros(case.truth.shape, bool)
    history = []
    for _ in range(DABS):
        dab = next_dab(truth, result, radius) if rng is None else loose_dab(truth, result, radius, rng)
        strokes = np.where(dab > 0, dab, strokes)
        result = method(case.image, strokes)
        history.append(scores(truth, result, strokes == 0)[0])
    return history


def method_of(options: argparse.Namespace) -> MethodOf:
    """What fills an object with this truth and number."""
    if options.box:
        return lambda truth, number: within_box(truth, np.random.default_rng(number))
    return lambda _truth, _number: acseg if options.forget else with_memory()


def falls(kinds: list[str], data: Path | None, count: int, method: MethodOf, outlined: bool) -> list[tuple[str, ...]]:
    """Rows of the table of falls: one for each kind."""
    rows = []
    for kind in kinds:
        histories = []
        for number, (case, radius) in enumerate(objects(kind, data, count)):
            for rng in (None,) if outlined else (None, np.random.default_rng(number)):
                fill = method(case.truth, number)
                drawn = itertools.islice(outlines(case, fill), DABS) if outlined else ()
                histories.append([dice for dice, _s in drawn] or filled(case, radius, rng, fill))
                harness.say(f"{case.name}: " + " ".join(f"{dice:.3f}" for dice in histories[-1]))
        if histories:
            dice = np.array(histories)
            fallen = (str(int((np.diff(dice) < -fall).sum())) for fall in FALLS)
            low = int((dice[:, -1] < LOW).sum())
            means = (f"{dice[:, n].mean():.3f}" for n in (0, -1))
            rows.append((kind, str(len(dice)), *fallen, str(low), *means))
    return rows


def _signs(meaning, classes: np.ndarray, image: np.ndarray) -> list[float]:  # type: ignore[no-untyped-def]
    """See `SIGNS`."""
    from ACSegLib.fill.prompts.distinctness import border_share, step

    region = classes == 1
    voxels = max(int(np.count_nonzero(region)), 1)
    changed = np.count_nonzero((meaning.classes == 1) != region) / voxels
    closed = np.log(max(meaning.grown.usual("contrast"), 0.1))
    return [
        step(image, region), -border_share(region), np.log(voxels), meaning.plausibility + sum(meaning.depths),
        -len(meaning.wrong), -changed, closed,
    ]  # fmt: skip


def _distinct(signs: np.ndarray) -> np.ndarray:
    from ACSegLib.fill.constants import OPEN_WEIGHT, SIZE_WEIGHT

    return signs[:, :3] @ [1.0, OPEN_WEIGHT, SIZE_WEIGHT]


def fitted(choices: list[Choice], columns: list[int], decay: float = 1e-3) -> np.ndarray:
    """Weights of signs; each kind counts the same, and each pair by how much its Dice differ."""
    from scipy.optimize import minimize

    spread = np.concatenate([c.signs[:, columns] for c in choices]).std(axis=0) + 1e-9
    kinds = [c.kind for c in choices]
    rows, weights = [], []
    for choice in choices:
        better, worse = np.nonzero(choice.dice[:, None] > choice.dice[None, :] + 0.005)
        rows.append((choice.signs[better] - choice.signs[worse])[:, columns] / spread)
        weights.append((choice.dice[better] - choice.dice[worse]) / len(choice.dice) / kinds.count(choice.kind))
    apart, weight = np.concatenate(rows), np.concatenate(weights)
    weight /= weight.sum()

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = apart @ w
        value = weight @ np.logaddexp(0, -z) + decay * w @ w
        return float(value), -apart.T @ (weight / (1 + np.exp(z))) + 2 * decay * w

    return minimize(loss, np.zeros(len(columns)), jac=True, method="L-BFGS-B").x / spread


def picked(choices: list[Choice], columns: list[int], kinds: list[str]) -> dict[str, float]:
    """Mean Dice by kind of the choice with weights that were fitted to the other kinds."""
    means = {}
    for kind in kinds:
        others = [c for c in choices if c.kind != kind]
        weights = fitted(others, columns) if len(columns) > 1 and others else np.ones(len(columns))
        own = [c for c in choices if c.kind == kind]
        means[kind] = float(np.mean([c.dice[np.argmax(c.signs[:, columns] @ weights)] for c in own]))
    return means


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--objects", type=int, default=4, help="objects of each kind, at most ten")
    parser.add_argument("--falls", action="store_true", help="count the dabs that make the fill worse")
    parser.add_argument("--forget", action="store_true", help="with --falls: no fill knows the one before")
    parser.add_argument("--box", action="store_true", help="with --falls: in a random box around each object")
    parser.add_argument("--outlines", action="store_true", help="with --falls: outlines instead of dabs")
    parser.add_argument("--data", help="folder of the real volumes")
    options = parser.parse_args()
    data = harness.data_folder(options.data)
    if options.falls:
        fallen = (f"falls by more than {fall}, of {DABS - 1} each" for fall in FALLS)
        header = ("kind", "persons", *fallen, f"below {LOW}", "mean Dice after the first", "after the last")
        print(
            harness.markdown_table(
                header, falls(options.kinds, data, options.objects, method_of(options), options.outlines)
            )
        )
        return 0
    choices: list[Choice] = []
    for kind in options.kinds:
        for number, (case, radius) in enumerate(objects(kind, data, options.objects)):
            for rng in (None, np.random.default_rng(number)):
                choices += [c for c in follow(kind, case, radius, rng) if len(c.dice) > 1]
            harness.say(f"{case.name}: {len(choices)} choices so far")
    kinds = [kind for kind in options.kinds if any(c.kind == kind for c in choices)]
    methods = {name: picked(choices, [n], kinds) for n, name in enumerate(SIGNS)}
    methods["step and border, fitted"] = picked(choices, [0, 1], kinds)
    methods["step, border and size, fitted"] = picked(choices, [0, 1, 2], kinds)
    methods["all, fitted"] = picked(choices, list(range(len(SIGNS))), kinds)
    means = {
        "the fill": lambda c: c.dice[np.argmax(_distinct(c.signs))],
        "the rules": lambda c: c.dice[c.by_rules],
        "the best candidate": lambda c: c.dice.max(),
    }
    for name, dice in means.items():
        methods[name] = {kind: float(np.mean([dice(c) for c in choices if c.kind == kind])) for kind in kinds}
    rows = [
        (name, *(f"{values[kind]:.3f}" for kind in kinds), f"{np.mean(list(values.values())):.3f}")
        for name, values in methods.items()
    ]
    print(harness.markdown_table(("choice by", *kinds, "mean"), rows))
    weights = fitted(choices, [0, 1, 2])
    border, size = weights[1:] / weights[0]
    print(f"{len(choices)} choices; in units of the weight of the step: border {border:.2f}, size {size:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
