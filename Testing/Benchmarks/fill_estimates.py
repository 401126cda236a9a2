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
import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import harness  # noqa: E402
from estimate_fits import Collected, fit_estimator, table  # noqa: E402
from fill_cases import Case, drawn_mask, every_nth  # noqa: E402
from self_tuning import filled  # noqa: E402
from self_tuning_cases import real, simulated, tomograms  # noqa: E402

from ACSegLib.fill import constants  # noqa: E402
from ACSegLib.fill.estimates import Signs, collect_signs  # noqa: E402
from ACSegLib.segment_estimates import Estimator, SegmentEstimate  # noqa: E402

#: Factors on the usual distance of the labelled slices.
DISTANCES = (0.7, 1.0, 1.4)


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
    kept = Collected(cache)
    for seed in range(1, seeds + 1):
        for kind, case in cases(seed, data if seed <= 2 * len(DISTANCES) else None):
            kept.get(f"{seed} {case.name} {len(case.slices['k'])}", functools.partial(segments_of, kind, seed, case))
    return [Segment(**{**s, "signs": Signs(**s["signs"])}) for part in kept.rows.values() for s in part]


def fit(segments: list[Segment]) -> tuple[Estimator, Estimator]:
    """Estimators of fills without and with many instances."""
    few, many = ([s for s in segments if s.signs.many == kind] for kind in (False, True))
    return fit_estimator(few), fit_estimator(many)


def judged_by(estimators: Sequence[Estimator]) -> Callable[[Segment], SegmentEstimate]:
    """Estimate a segment by the estimator of its kind of fill."""

    def judge(segment: Segment) -> SegmentEstimate:
        signs = segment.signs
        estimator = estimators[int(signs.many)]
        return estimator.estimate(segment.volume, signs.vector, signs.ratios, signs.filled)

    return judge


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
    estimators: Sequence[Estimator] = constants.ESTIMATORS
    if options.fit:
        estimators = fit([s for s in segments if s.seed % 2 == 1])
        print(*estimators, sep="\n")
    print(table(test, judged_by(estimators)))


if __name__ == "__main__":
    main()
