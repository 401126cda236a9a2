"""Can the Dice and the volume that a fill expects of its segments be believed?

    python Testing/Benchmarks/fill_estimates.py --cache signs.json
    python Testing/Benchmarks/fill_estimates.py --cache signs.json --fit
    python Testing/Benchmarks/fill_estimates.py --cache signs.json --leave-out

Volumes of `self_tuning_cases` are filled from slices at several distances, and the estimates compared with the truth.
Volumes of odd seeds calibrate, those of even seeds test. The table has, for each kind of volume of the test, how many
intervals hold the truth and how wide they are (median), and below it precision and recall of the warning not to trust
a segment. ``--fit`` prints the constants of `ACSegLib.fill.constants` that follow from the calibrating volumes.
``--leave-out`` judges each kind by estimators that are fitted to all volumes of the other kinds: that is what to expect
on a kind of volume that nobody thought of.
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
from estimate_fits import BAD_DICE, Collected, Plan, fit_distrust, fit_estimator, rounded, table  # noqa: E402
from fill_cases import Case, drawn_mask, every_nth  # noqa: E402
from self_tuning import filled  # noqa: E402
from self_tuning_cases import real, simulated, tomograms  # noqa: E402

from ACSegLib.fill import constants  # noqa: E402
from ACSegLib.fill.estimates import Signs, collect_signs, estimate  # noqa: E402
from ACSegLib.segment_estimates import Estimator, SegmentEstimate  # noqa: E402

#: Factors on the usual distance of the labelled slices.
DISTANCES = (0.7, 1.0, 1.4)
#: The error depends on all but the estimates of the volume, its usual deviation on the part that one slice alone shows,
#: that of the volume also on the expected error and on the volume that the probabilities expect; see `Signs.vector`.
PLAN = Plan(
    by_kind=True,
    odds=True,
    error=-2,
    spread=(-3,),
    ratio_spread=(-3, -2),
    above=0.01,
    below=0.04,
    ratio_part=0.95,
    strength=(0.03, 0.03),
)


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
            name = "tomograms" if kind == "tomograms" else case.name.split(",")[0].split("_")[0]
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


def fit(segments: list[Segment]) -> tuple[Estimator, ...]:
    """Estimators of fills without and with many instances.

    Whether a segment is warned of depends on its expected error, and on how far the labelled areas tell another volume.
    """
    few, many = ([s for s in segments if s.signs.many == kind] for kind in (False, True))
    estimators = fit_estimator(few, PLAN), fit_estimator(many, PLAN)
    own = [np.asarray(estimators[int(s.signs.many)].error_coefficients) for s in segments]
    inputs = [(c @ s.signs.vector, s.signs.vector[-1]) for c, s in zip(own, segments, strict=True)]
    offset, error, area = fit_distrust(np.array(inputs), np.array([s.dice < BAD_DICE for s in segments]))
    # the two inputs are linear in those of each estimator
    return tuple(
        replace(e, distrust=rounded(error * np.asarray(e.error_coefficients) + offset * first + area * last))
        for e in estimators
        for first, last in [np.eye(len(e.error_coefficients))[[0, -1]]]
    )


def kept_back(segments: list[Segment]) -> Callable[[Segment], SegmentEstimate]:
    """Estimate a segment by estimators that know no volume of its kind."""
    kinds = sorted({s.kind for s in segments})
    judges = {kind: judged_by(fit([s for s in segments if s.kind != kind])) for kind in kinds}
    return lambda segment: judges[segment.kind](segment)


def judged_by(estimators: Sequence[Estimator]) -> Callable[[Segment], SegmentEstimate]:
    """Estimate a segment by the estimator of its kind of fill."""

    def judge(segment: Segment) -> SegmentEstimate:
        signs = segment.signs
        return estimate(segment.volume, signs, estimators)

    return judge


def main() -> None:
    """Collect, fit if asked, and print the table of the volumes that calibrate nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, metavar="FILE", help="keeps what was collected")
    parser.add_argument("--seeds", type=int, default=10, help="volumes of each kind (default: %(default)s)")
    parser.add_argument("--leave-out", action="store_true", help="judge each kind by a fit to the other kinds")
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
    if options.leave_out:
        print("\neach kind judged by a fit to the other kinds\n")
        print(table(segments, kept_back(segments)))


if __name__ == "__main__":
    main()
