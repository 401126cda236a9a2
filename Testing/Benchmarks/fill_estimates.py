"""Can the Dice and the volume that a fill expects of its segments be believed?

    python Testing/Benchmarks/fill_estimates.py --cache signs.json
    python Testing/Benchmarks/fill_estimates.py --cache signs.json --fit
    python Testing/Benchmarks/fill_estimates.py --cache signs.json --leave-out
    python Testing/Benchmarks/fill_estimates.py --cache signs.json --leave-out --fresh 6
    python Testing/Benchmarks/fill_estimates.py --whole

Volumes of `self_tuning_cases` are filled from slices at several distances, and the estimates compared with the truth.
Volumes of odd seeds calibrate, those of even seeds test. The table has, for each kind of volume of the test, how many
intervals hold the truth and how wide they are (median), and below it precision and recall of the warning not to trust
a segment. ``--fit`` prints the constants of `ACSegLib.fill.constants` that follow from the calibrating volumes.
``--leave-out`` judges each kind by estimators that are fitted to all volumes of the other kinds: that is what to expect
on a kind of volume that nobody thought of. ``--fresh`` adds tables of simulated volumes of further seeds, on which
nothing was chosen. ``--whole`` judges whole real volumes of many cells instead, with labels on every 10th
slice (every 20th along long axes) of each axis in turn.
"""

from __future__ import annotations

import argparse
import functools
import itertools
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
from self_tuning_cases import real, simulated, thinned, tomograms  # noqa: E402

from ACSegLib.fill import constants  # noqa: E402
from ACSegLib.fill.tuning.estimates import Signs, collect_signs, estimate, too_far_apart  # noqa: E402
from ACSegLib.segment_estimates import Estimator, SegmentEstimate  # noqa: E402

#: Factors on the usual distance of the labelled slices.
DISTANCES = (0.7, 1.0, 1.4)
#: Distances of the labelled slices of whole volumes: along axes of up to `LONG` slices, and longer ones.
WHOLE_STEPS, LONG = (10, 20), 110
#: Distance of the planes along k of plant cells, in pixels: about that of the microscope, and 1 as in the other tables.
THICK = 2.5
#: Of fills without and with many instances; columns of `Signs.vector`. The usual deviation of the error depends on the
#: part that one slice alone shows, and with many instances on how far the labelled areas tell another volume. That of
#: the volume depends on this, on the jump, and on how far the estimates of the volume differ, too.
PLANS = (
    Plan(
        by_kind=True,
        odds=True,
        error=(1, 2, 3, 4),
        spread=(5,),
        ratio_spread=(5, 6, 8),
        above=0.02,
        below=0.03,
        ratio_part=0.93,
        strength=(0.03, 0.03),
    ),
    Plan(
        by_kind=True,
        odds=True,
        error=(1, 2, 3, 4, 5),
        spread=(7,),
        ratio_spread=(7, 8),
        above=0.02,
        below=0.04,
        ratio_part=0.93,
        strength=(0.03, 0.03),
    ),
)
#: Columns that tell, besides the expected error, whether a segment is warned of: how far the labelled areas tell
#: another volume, and the jump beside labelled slices.
DISTRUST = ((7, 8), (7, 9))


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


def whole(data: Path) -> Iterator[tuple[str, Case]]:
    """Kind and case of whole real volumes of many cells, labelled along each axis (turned so that it is k)."""
    import fill_cases
    import tifffile

    folder = data / "stardist3d_demo"
    image, truth = (tifffile.imread(folder / name) for name in ("img3d.tif", "mask3d.tif"))
    demo = thinned("stardist3d demo", image, truth, WHOLE_STEPS[0])
    for case, steps in (
        (next(fill_cases.nuclei(data)), (1,)),
        (next(fill_cases.root_cells(data)), (1, THICK)),
        (demo, (1,)),
    ):
        name = case.name.split(",")[0]
        for step, (number, axis) in itertools.product(steps, enumerate("kji")):
            image, truth = (np.ascontiguousarray(np.moveaxis(a, number, 0)) for a in (case.image, case.truth))
            slices = {"k": every_nth(len(truth), WHOLE_STEPS[len(truth) > LONG])}
            scored = np.moveaxis(case.scored | drawn_mask(case.truth.shape, case.slices), number, 0)
            planes = [1.0, 1.0]
            planes.insert(0 if number == 0 else 1, step)  # turned, the planes along k are the first or the second axis
            turned = Case(f"{name} {axis} {step}", image, truth, slices, scored & ~drawn_mask(truth.shape, slices))
            kind = f"{name}, along {axis}" + (f", planes {step:g} apart" if step != 1 else "")
            yield kind, replace(turned, spacing=tuple(planes[::-1]), unit="um")


def segments_of(kind: str, seed: int, case: Case) -> list[Segment]:
    """Fill a case, and judge each of its segments."""
    result = filled(case)
    state, labels = result.state, result.segmentation.labels
    if state.choice.overlap is None:
        return []
    judged, found_signs = [], collect_signs(state.context.evidence, state.seeds, state.tallies, state.choice.overlap)
    if too_far_apart(list(found_signs.values())):
        return []  # the fill tells nothing then
    for row, signs in found_signs.items():
        segment = state.seeds.segments[row]
        truth, found = case.truth == segment.value, labels == segment.value
        a, b = truth[case.scored], found[case.scored]
        if not (a.any() or b.any()):
            continue
        dice = 2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))
        judged.append(Segment(case.name, kind, seed, signs, dice, float(truth.sum())))
    return judged


def collect(seeds: Sequence[int], data: Path | None, cache: Path | None) -> list[Segment]:
    """Segments of all volumes of some seeds, from the cache where it has them."""
    kept, found = Collected(cache), []
    for seed in seeds:
        for kind, case in cases(seed, data if seed <= 2 * len(DISTANCES) else None):
            key = f"{seed} {case.name} {len(case.slices['k'])}"
            found += kept.get(key, functools.partial(segments_of, kind, seed, case))
    return [Segment(**{**s, "signs": Signs(**s["signs"])}) for s in found]


def fit(segments: list[Segment]) -> tuple[Estimator, ...]:
    """Estimators of fills without and with many instances; one regression decides on the warnings of both."""
    groups = [[s for s in segments if s.signs.many == kind] for kind in (False, True)]
    estimators = [fit_estimator(group, plan) for group, plan in zip(groups, PLANS, strict=True)]
    # the inputs of the warning are linear in those of each estimator
    linear = []
    for estimator, columns in zip(estimators, DISTRUST, strict=True):
        error = np.asarray(estimator.error_coefficients)
        linear.append(np.vstack([error, np.eye(len(error))[list(columns)]]))
    inputs = np.array([linear[int(s.signs.many)] @ s.signs.vector for s in segments])
    offset, *slopes = fit_distrust(inputs, np.array([s.dice < BAD_DICE for s in segments]))
    return tuple(
        replace(e, distrust=rounded(offset * np.eye(matrix.shape[1])[0] + slopes @ matrix))
        for e, matrix in zip(estimators, linear, strict=True)
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
    parser.add_argument("--fresh", type=int, default=0, metavar="N", help="also judge volumes of N further seeds")
    parser.add_argument("--whole", action="store_true", help="judge whole real volumes along each axis instead")
    parser.add_argument(
        "--fit", action="store_true", help="print the constants of the calibrating volumes, and use them"
    )
    parser.add_argument("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    options = parser.parse_args()
    data, last = harness.data_folder(options.data), options.seeds + 1
    if options.whole:
        if data is None:
            raise SystemExit("--whole needs the real volumes; name their folder with --data.")
        judged = [segment for kind, case in whole(data) for segment in segments_of(kind, 0, case)]
        print(table(judged, judged_by(constants.ESTIMATORS)))
        return
    segments = collect(range(1, last), data, options.cache)
    fresh = collect(range(last, last + options.fresh), data, options.cache)
    estimators: Sequence[Estimator] = constants.ESTIMATORS
    if options.fit:
        estimators = fit([s for s in segments if s.seed % 2 == 1])
        print(*estimators, sep="\n")
    tables = [
        ("even seeds judged by a fit to the odd ones", [s for s in segments if s.seed % 2 == 0], judged_by(estimators))
    ]
    if options.leave_out:
        tables.append(("each kind judged by a fit to the other kinds", segments, kept_back(segments)))
    if fresh:
        tables += [(f"further seeds: {name}", fresh, judge) for name, _, judge in tables]
    for name, judged, judge in tables:
        print(f"\n{name}\n\n{table(judged, judge)}")


if __name__ == "__main__":
    main()
