"""Can the Dice and the volume that a fill expects of its segments be believed?

    python Testing/Benchmarks/fill_estimates.py --cache signs.json
    python Testing/Benchmarks/fill_estimates.py --cache signs.json --fit

Volumes of `self_tuning_cases` are filled from slices at several distances, and the estimates compared with the truth.
Volumes of odd seeds calibrate, those of even seeds test. The table has, for each kind of volume of the test, how many
intervals hold the truth and how wide they are (median), and below it precision and recall of the warning not to trust
a segment. ``--fit`` prints the constants of `ACSegLib.fill.constants` that follow from the calibrating volumes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import harness  # noqa: E402
from fill_cases import Case, drawn_mask, every_nth  # noqa: E402
from self_tuning import filled  # noqa: E402
from self_tuning_cases import real, simulated, tomograms  # noqa: E402

from ACSegLib.fill import constants  # noqa: E402
from ACSegLib.fill.estimates import Signs, collect_signs, estimate  # noqa: E402

#: Factors on the usual distance of the labelled slices.
DISTANCES = (0.7, 1.0, 1.4)
#: Part of the calibrating segments that the intervals hold.
NOMINAL = 0.9
#: Groups of fills; the deviations of each are of a fit to the others.
FOLDS = 8
#: A segment with a smaller Dice should not be trusted.
BAD_DICE = 0.8


@dataclass(frozen=True)
class Segment:
    """One segment of one fill: what told how right it is, and how right it was."""

    volume: str
    kind: str
    seed: int
    signs: Signs
    dice: float
    voxels: float


def cases(seed: int, data: Path | None) -> Iterator[tuple[str, Case]]:
    """Kind and case of one seed, each with slices at one of the distances."""
    factor = DISTANCES[seed % len(DISTANCES)]
    groups = [("simulated", simulated(seed)), ("tomograms", tomograms(seed))]
    if data is not None:
        groups.append(("real", real(data, spare=seed % 2 == 0)))
    for kind, members in groups:
        for case in members:
            if len(case.slices) > 1:
                continue  # of planes in several directions, the truth is known on one slice alone
            step = int(np.median(np.diff(case.slices["k"])))
            slices = {"k": every_nth(len(case.truth), max(3, round(step * factor)))}
            name = case.name.split(",")[0].split("_")[0] if kind == "real" else kind
            thin = replace(case, slices=slices, scored=~drawn_mask(case.truth.shape, slices))
            yield name, thin


def segments_of(kind: str, seed: int, case: Case) -> list[Segment]:
    """Fill a case, and judge each of its segments."""
    result = filled(case)
    state, labels = result.state, result.segmentation.labels
    if state.choice.overlap is None:
        return []
    judged = []
    for row, signs in collect_signs(state.context.evidence, state.seeds, state.tallies, state.choice.overlap).items():
        segment = state.seeds.segments[row]
        truth, found = case.truth == segment.value, labels == segment.value
        a, b = truth[case.scored], found[case.scored]
        if not (a.any() or b.any()):
            continue
        dice = 2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
        judged.append(Segment(case.name, kind, seed, signs, dice, float(truth.sum())))
    return judged


def collect(seeds: int, data: Path | None, cache: Path | None) -> list[Segment]:
    """Segments of all volumes, from the cache where it has them."""
    kept = json.loads(cache.read_text()) if cache and cache.exists() else {}
    for seed in range(1, seeds + 1):
        for kind, case in cases(seed, data if seed <= 2 * len(DISTANCES) else None):
            key = f"{seed} {case.name} {len(case.slices['k'])}"
            if key not in kept:
                harness.say(key)
                kept[key] = [asdict(segment) for segment in segments_of(kind, seed, case)]
                if cache:
                    cache.write_text(json.dumps(kept))
    return [Segment(**{**s, "signs": Signs(**s["signs"])}) for part in kept.values() for s in part]


def fit(segments: list[Segment]) -> dict[str, tuple[object, ...]]:
    """Constants from segments whose truth is known: those of fills without and with many instances.

    The deviations, of which the ends of the intervals are quantiles, are of fits to other fills (cross-conformal
    prediction, Vovk 2015, doi:10.1007/s10472-013-9368-4). Those of the fit itself would be too small.
    """
    kinds = [[s for s in segments if s.signs.many == many] for many in (False, True)]
    fits = [{**_fit_error(members), **_fit_ratio(members)} for members in kinds]
    return {name: tuple(fitted[name] for fitted in fits) for name in fits[0]}


def _fit_error(segments: list[Segment]) -> dict[str, object]:
    x, weights = np.array([s.signs.vector for s in segments]), _weights(segments)
    error = np.log(np.maximum([1 - s.dice for s in segments], 0.002))
    deviation = _held_out(x, error, segments)
    spread, relative = _relative(x, deviation, segments, 0.05)
    count = len(segments)
    rank = min(1.0, np.ceil((count + 1) * (1 + NOMINAL) / 2) / count)
    return {
        "ERROR_COEFFICIENTS": _rounded(_ridge(x, error, weights)),
        "ERROR_SPREAD": _rounded(spread),
        "ERROR_INTERVAL": _rounded([-_quantile(-relative, weights, rank), _quantile(relative, weights, rank)]),
    }


def _fit_ratio(segments: list[Segment]) -> dict[str, object]:
    x, weights = np.array([s.signs.vector for s in segments]), _weights(segments)
    ratios = np.array([[1.0, s.signs.expected_ratio] for s in segments])
    ratio = np.log([max(s.voxels, 1.0) / s.signs.filled for s in segments])
    within = np.clip(ratio, -1, 1)  # a segment that was lost must not count for more than all others
    deviation = _held_out(np.clip(ratios, -1, 1), within, segments) + ratio - within
    spread, relative = _relative(x, deviation, segments, 0.002)
    count = len(segments)
    rank = min(1.0, np.ceil((count + 1) * NOMINAL) / count)
    return {
        "RATIO_COEFFICIENTS": _rounded(_ridge(np.clip(ratios, -1, 1), within, weights)),
        "RATIO_SPREAD": _rounded(spread),
        "RATIO_INTERVAL": round(_quantile(np.abs(relative), weights, rank), 2),
    }


def _relative(
    x: np.ndarray, deviation: np.ndarray, segments: list[Segment], least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the usual deviation, and the deviations in units of it."""
    size = np.log(np.maximum(np.abs(deviation), least))
    usual = size - _held_out(x, size, segments, 0.01)
    return _ridge(x, size, _weights(segments), 0.01), deviation / np.exp(usual)


def _held_out(x: np.ndarray, y: np.ndarray, segments: list[Segment], strength: float = 1e-3) -> np.ndarray:
    """What is left of `y` after fits to the other fills."""
    weights, left = _weights(segments), np.empty(len(y))
    _, fill = np.unique([f"{s.seed} {s.volume}" for s in segments], return_inverse=True)
    for fold in range(FOLDS):
        out = fill % FOLDS == fold
        left[out] = y[out] - x[out] @ _ridge(x[~out], y[~out], weights[~out], strength)
    return left


def _rounded(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(v), 4) for v in values)


def _weights(segments: list[Segment]) -> np.ndarray:
    """Each fill counts the same, however many segments it has."""
    _, inverse, counts = np.unique([f"{s.seed} {s.volume}" for s in segments], return_inverse=True, return_counts=True)
    weights: np.ndarray = 1.0 / counts[inverse]
    return weights / weights.sum()


def _ridge(x: np.ndarray, y: np.ndarray, weights: np.ndarray, strength: float = 1e-3) -> np.ndarray:
    """Coefficients by least squares; those of the columns after the first are kept small, in units of their SD."""
    centre, scale = x[:, 1:].mean(axis=0), x[:, 1:].std(axis=0) + 1e-9
    z = np.column_stack([np.ones(len(x)), (x[:, 1:] - centre) / scale])
    weights = weights / weights.sum()
    penalty = strength * np.eye(z.shape[1])
    penalty[0, 0] = 0
    slopes = np.linalg.solve((z.T * weights) @ z + penalty, (z.T * weights) @ y)
    slopes[1:] /= scale
    slopes[0] -= slopes[1:] @ centre
    result: np.ndarray = slopes
    return result


def _quantile(values: np.ndarray, weights: np.ndarray, rank: float) -> float:
    order = np.argsort(values)
    place = int(np.searchsorted(np.cumsum(weights[order]), rank - 1e-12))
    return float(values[order[min(place, len(values) - 1)]])


def table(segments: list[Segment]) -> str:
    """Coverage and width for each kind of volume, and the warning's precision and recall."""
    rows = []
    kinds = {s.kind: [t for t in segments if t.kind == s.kind] for s in segments}
    for kind, members in [*kinds.items(), ("all", segments)]:
        estimates = [estimate(s.volume, s.signs) for s in members]
        dice = [e.dice.low <= s.dice <= e.dice.high for e, s in zip(estimates, members, strict=True)]
        volume = [e.voxels.low <= s.voxels <= e.voxels.high for e, s in zip(estimates, members, strict=True)]
        deviation = [abs(e.dice.value - s.dice) for e, s in zip(estimates, members, strict=True)]
        widths = [e.dice.high - e.dice.low for e in estimates]
        parts = [(e.voxels.high - e.voxels.low) / 2 / e.voxels.value for e in estimates]
        rows.append(
            [
                kind,
                len(members),
                f"{np.mean(dice):.0%}",
                f"{np.median(widths):.3f}",
                f"{np.median(deviation):.3f}",
                f"{np.mean(volume):.0%}",
                f"+-{np.median(parts):.1%}",
            ]
        )
    header = ["volumes", "segments", "Dice in", "width", "deviation", "volume in", "half width"]
    warned = np.array([not estimate(s.volume, s.signs).trusted for s in segments])
    bad = np.array([s.dice < BAD_DICE for s in segments])
    both = np.count_nonzero(warned & bad)
    words = f"do not trust: precision {both / max(warned.sum(), 1):.2f}, recall {both / max(bad.sum(), 1):.2f}"
    return f"{harness.markdown_table(header, rows)}\n\n{words} of {bad.sum()} segments with a Dice below {BAD_DICE}"


def main() -> None:
    """Collect, fit if asked, and print the table of the volumes that calibrate nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, metavar="FILE", help="keeps what was collected")
    parser.add_argument("--seeds", type=int, default=6, help="volumes of each kind (default: %(default)s)")
    parser.add_argument(
        "--fit", action="store_true", help="print the constants of the calibrating volumes, and use them"
    )
    parser.add_argument("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    options = parser.parse_args()
    segments = collect(options.seeds, harness.data_folder(options.data), options.cache)
    test = [s for s in segments if s.seed % 2 == 0]
    if options.fit:
        found = fit([s for s in segments if s.seed % 2 == 1])
        print(*(f"{name} = {value}" for name, value in found.items()), sep="\n")
        with patch.multiple(constants, **found):
            print(table(test))
    else:
        print(table(test))


if __name__ == "__main__":
    main()
