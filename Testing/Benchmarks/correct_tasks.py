"""How much of one typical error do one, two and three corrections mend, and how much do they spoil?

A segmentation is right but for one error: a part is missing or included wrongly, the surface is displaced, there are
holes, a blob lies in the background, two segments are swapped in a region, an object has the name of another one, or an
object is missing. A simulated person mends it in one of two ways:

- slice: the worst slice is drawn as the truth has it;
- dab: a disc of three voxels in the middle of the worst error, on one slice.

"Mended" is the share of the wrong voxels that are right afterwards, "spoiled" the number of voxels that were right and
are wrong afterwards, as a share of the error.

    python Testing/Benchmarks/correct_tasks.py                              # simulated cells
    python Testing/Benchmarks/correct_tasks.py --data ../shared/data        # and hippocampi, nuclei, the real cell
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fill_cases
import harness
from correct_cases import KINDS, Case, sxt_cell_filled, to_volume
from weak_predictions import mean_dice

from ACSegLib.fill import correct

#: Radius of a dab, in voxels, and number of corrections.
RADIUS, CORRECTIONS = 3, 3

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray | None]


def _lump(shape: tuple[int, ...], centre: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """A ball with an uneven surface."""
    distance = np.sqrt(sum((x - c) ** 2 for x, c in zip(np.indices(shape), centre, strict=True)))
    bumps = ndimage.gaussian_filter(rng.standard_normal(shape), 4)
    return distance + 0.3 * radius * bumps / bumps.std() <= radius


def _main(truth: np.ndarray) -> tuple[int, np.ndarray, float]:
    """The largest segment: its value, its mask, and the radius of an error in it."""
    value = int(np.bincount(truth.ravel())[1:].argmax()) + 1
    mask = truth == value
    return value, mask, max(4.0, 0.45 * (np.count_nonzero(mask) * 0.75 / np.pi) ** (1 / 3))


def _at_surface(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    inner = np.zeros(mask.shape, bool)
    inner[6:-6, 6:-6, 6:-6] = True
    return rng.choice(np.argwhere(mask & inner & ~ndimage.binary_erosion(mask)))


def _missing_part(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    _, mask, radius = _main(truth)
    return np.where(mask & _lump(truth.shape, _at_surface(mask, rng), radius, rng), 0, truth)


def _false_part(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    value, mask, radius = _main(truth)
    return np.where((truth == 0) & _lump(truth.shape, _at_surface(mask, rng), radius, rng), value, truth)


def _displaced(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    value, mask, _ = _main(truth)
    return np.where((truth == 0) & ndimage.binary_dilation(mask, iterations=2), value, truth)


def _holes(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    _, mask, _ = _main(truth)
    depth = ndimage.distance_transform_edt(mask)
    radius = max(3.0, 0.35 * float(depth.max()))
    places = np.argwhere(depth > radius + 1)
    if not len(places):
        return None
    holes = [_lump(truth.shape, rng.choice(places), radius, rng) for _ in range(2)]
    return np.where(mask & (holes[0] | holes[1]), 0, truth)


def _false_blob(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    value, _, radius = _main(truth)
    radius = max(4.0, 0.6 * radius)
    places = np.argwhere(ndimage.distance_transform_edt(truth == 0) > 1.3 * radius + 2)
    if not len(places):
        return None
    return np.where((truth == 0) & _lump(truth.shape, rng.choice(places), radius, rng), value, truth)


def _swapped(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    touching = np.argwhere((truth == 1) & ndimage.binary_dilation(truth == 2))
    if truth.max() != 2 or len(touching) < 20:
        return None
    place = _lump(truth.shape, rng.choice(touching), 0.9 * _main((truth > 0).astype(int))[2], rng)
    return np.where(place & (truth > 0), 3 - truth.astype(int), truth)


def _wrong_name(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    if truth.max() < 3:
        return None
    sizes = np.bincount(truth.ravel())
    sizes[0] = 0
    one = int(rng.choice(np.flatnonzero(sizes > 0.5 * sizes.max())))
    away, nearest = ndimage.distance_transform_edt((truth == 0) | (truth == one), return_indices=True)
    place = np.unravel_index(int(np.where(truth == one, away, np.inf).argmin()), truth.shape)
    return np.where(truth == one, truth[tuple(nearest[(slice(None), *place)])], truth)


def _missing_object(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
    if truth.max() < 2:
        return None
    objects, _ = ndimage.label(truth == np.bincount(truth.ravel())[1:].argmin() + 1)
    sizes = np.bincount(objects.ravel())
    sizes[0] = 0
    large = np.flatnonzero(sizes > 30)
    return np.where(objects == rng.choice(large), 0, truth) if len(large) else None


ERRORS: dict[str, Change] = {
    "missing part": _missing_part,
    "false part": _false_part,
    "displaced surface": _displaced,
    "holes": _holes,
    "false blob": _false_blob,
    "swapped in a region": _swapped,
    "name of another object": _wrong_name,
    "missing object": _missing_object,
}


def dab(truth: np.ndarray, result: np.ndarray) -> np.ndarray | None:
    """The result with a disc of the true class in the middle of the worst error; None if nothing is wrong."""
    parts, count = ndimage.label(result != truth)
    if not count:
        return None
    size = np.bincount(truth.ravel(), minlength=int(max(truth.max(), result.max())) + 1)
    cost = np.where(size > 0, 1 / np.maximum(size, 1), 0.0)
    cost[0] = 0
    worst = parts == np.bincount(parts.ravel(), np.where(parts > 0, cost[truth] + cost[result], 0).ravel()).argmax()
    worst &= truth == np.bincount(truth[worst]).argmax()
    depth = ndimage.distance_transform_edt(np.pad(worst, 1))[1:-1, 1:-1, 1:-1]
    k, j, i = np.unravel_index(int(depth.argmax()), worst.shape)
    rows, columns = np.ogrid[: truth.shape[1], : truth.shape[2]]
    disc = ((rows - j) ** 2 + (columns - i) ** 2 <= RADIUS**2) & (truth[k] == truth[k, j, i])
    drawn = result.copy()
    drawn[k][disc] = truth[k, j, i]
    return drawn


def by_slices(case: Case) -> Iterator[np.ndarray]:
    """Results after one slice more each, drawn into a copy of the segmentation."""
    result, labels, drawn = case.prediction, case.prediction.copy(), []
    while True:
        drawn.append(case.worst_slice(result, drawn))
        labels[drawn[-1]] = case.truth[drawn[-1]]
        before, after = case.segmentation(case.prediction), case.segmentation(labels)
        result = correct(case.volume, before, after, slices={"k": sorted(drawn)}).segmentation.labels
        yield result


def by_dabs(case: Case) -> Iterator[np.ndarray]:
    """Results after one dab more each, drawn into the last result."""
    result, decided = case.prediction, None
    while (drawn := dab(case.truth, result)) is not None:
        before, after = case.segmentation(result), case.segmentation(drawn)
        outcome = correct(case.volume, before, after, decided=decided)
        result, decided = outcome.segmentation.labels, outcome.decided
        yield result


WAYS = {"slice": by_slices, "dab": by_dabs}


def course(way: str, case: Case) -> np.ndarray:
    """Dice, mended and spoiled share after each correction, (CORRECTIONS, 3); the last ones hold on at the end."""
    wrong = case.prediction != case.truth
    rows = []
    for result in itertools.islice(WAYS[way](case), CORRECTIONS):
        right = result == case.truth
        shares = [np.count_nonzero(wrong & right), np.count_nonzero(~wrong & ~right)]
        rows.append([mean_dice(result, case.truth), *(n / np.count_nonzero(wrong) for n in shares)])
        if right.all():
            break
    return np.array([*rows, *[rows[-1]] * (CORRECTIONS - len(rows))])


def volumes(kind: str, options: argparse.Namespace) -> Iterator[fill_cases.Case]:
    """The volumes of a kind, with whole numbers from 0 on as truth."""
    seeds = range(options.seed, options.seed + options.count)
    if kind == "phantom":
        for seed in seeds:
            case = fill_cases.phantom((options.size,) * 3, seed, cache=options.cache)
            case.truth = np.where(case.truth <= 2, case.truth, 0)
            yield case
    elif kind == "hippocampus":
        yield from itertools.islice(fill_cases.hippocampus(options.data), options.count)
    elif kind == "nuclei":
        case = next(fill_cases.nuclei(options.data))
        case.image, truth = case.image[:, 40:200, 40:200], case.truth[:, 40:200, 40:200]
        case.truth = np.unique(truth, return_inverse=True)[1].reshape(truth.shape)
        yield from [case] * options.count
    else:
        yield from [sxt_cell_filled(options.data)] * options.count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the real volumes")
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--way", choices=WAYS, help="only this way to mend")
    parser.add_argument("--count", type=int, default=3, help="volumes, or errors where there is one volume")
    parser.add_argument("--size", type=int, default=72, help="voxels along a side of a phantom")
    parser.add_argument("--seed", type=int, default=0, help="of the first phantom, and of the errors")
    parser.add_argument("--cache", type=Path, help="folder that keeps the phantoms")
    options = parser.parse_args()
    kinds = [options.only] if options.only else KINDS if options.data else KINDS[:1]
    found: dict[tuple[str, str, str], list[np.ndarray]] = defaultdict(list)
    for kind in kinds:
        for number, raw in enumerate(volumes(kind, options)):
            for error, change in ERRORS.items():
                made = change(raw.truth, np.random.default_rng(options.seed + number))
                if made is None or np.array_equal(made, raw.truth):
                    continue
                case = Case(raw.name, to_volume(raw), raw.truth.astype(np.uint16), made.astype(np.uint16))
                before = [mean_dice(case.prediction, case.truth), 0.0, 0.0]
                for way in [options.way] if options.way else WAYS:
                    found[kind, error, way].append(np.array([before, *course(way, case)]))
    rows = []
    for (kind, error, way), values in found.items():
        mean = np.mean(values, axis=0)
        shares = [f"{mended:.2f} / {spoiled:.2f}" for _, mended, spoiled in mean[[1, CORRECTIONS]]]
        rows.append([kind, error, way, " / ".join(f"{dice:.3f}" for dice in mean[:, 0]), *shares])
    header = ["volumes", "error", "mended by", "Dice before / after 1 / 2 / 3"]
    print(harness.markdown_table([*header, "mended / spoiled by the first", "by three"], rows))


if __name__ == "__main__":
    main()
