"""Can the Dice and the volume that a fill expects of its segments be believed?

    python Testing/Benchmarks/fill_estimates.py --cache signs.json
    python Testing/Benchmarks/fill_estimates.py --cache signs.json --fit
    python Testing/Benchmarks/fill_estimates.py --cache signs.json --leave-out --rows voxels
    python Testing/Benchmarks/fill_estimates.py --cache signs.json --leave-out --fresh 4 --whole
    python Testing/Benchmarks/fill_estimates.py --few 3 4 5 --seeds 16

Volumes of `self_tuning_cases` are filled from slices at several distances along each axis, in cubic voxels and in
longer ones, and the estimates compared with the truth. Volumes of odd seeds calibrate, those of even seeds test. The
table has, for each kind of volume of the test, how many intervals hold the truth and how wide they are (median), and
below it precision and recall of the warning not to trust a segment. ``--fit`` prints the constants of
`ACSegLib.fill.constants` that follow from the calibrating volumes. ``--leave-out`` judges each kind by estimators that
are fitted to all volumes of the other kinds: that is what to expect on a kind of volume that nobody thought of.
``--fresh`` adds tables of simulated volumes of further seeds, on which nothing was chosen. ``--whole`` adds tables of
whole real volumes with labels on every 10th slice (every 20th along long axes) of each axis in turn; crops of some of
them calibrate, so believe those with ``--leave-out``. ``--rows voxels`` has rows for voxels and axes. ``--few`` judges
small simulated volumes of which so many slices are labelled, and nothing else.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import harness  # noqa: E402
from estimate_fits import BAD_DICE, Collected, Plan, fit_estimator, fit_trusted, table  # noqa: E402
from fill_cases import Case, drawn_mask, every_nth  # noqa: E402
from self_tuning import filled  # noqa: E402
from self_tuning_cases import few_slices, real, simulated, thinned, tomograms  # noqa: E402

from ACSegLib.files import open_segmentation, open_volume  # noqa: E402
from ACSegLib.fill import constants  # noqa: E402
from ACSegLib.fill.tuning.estimates import Signs, collect_signs, estimate, too_far_apart  # noqa: E402
from ACSegLib.segment_estimates import Estimator, SegmentEstimate  # noqa: E402

#: Factors on the usual distance of the labelled slices, and on that of volumes with many instances in addition.
DISTANCES, WIDE = (0.7, 1.0, 1.4), (2.0, 2.8)
#: Of each seed in turn: every so many planes along k are kept (voxels so many times as long), and the labelled axis.
VARIANTS = (((1, "k"), (2, "i"), (5, "k")), ((1, "j"), (3, "k"), (5, "i")), ((1, "i"), (2, "k"), (3, "j")))
#: Seeds that also have the real volumes: crops of their own for odd and for even ones, each with several `VARIANTS`.
REAL_SEEDS = 6
#: Volumes with more segments also have slices at the distances `WIDE`.
MANY = 8
#: Distances of the labelled slices of whole volumes: along axes of up to `LONG` slices, and longer ones.
WHOLE_STEPS, LONG = (10, 20), 110
#: Distance of the planes along k of nuclei and plant cells, in pixels: about that of the microscope. Their files say 1.
THICK = 2.5
#: Of fills without and with many instances; columns of `Signs.vector`. The usual deviations depend on the part that one
#: slice alone shows, and on how far the labelled areas tell another volume.
_PLAN = Plan(by_kind=True, odds=True, spread=(5, 6), above=0.02, ratio_part=0.93, strength=(0.03, 0.03))
PLANS = (
    replace(_PLAN, error=(1, 2, 3, 4, 5, 6), ratio_spread=(5, 8, 6), below=0.022),
    replace(_PLAN, error=(1, 3, 7), ratio_spread=(5, 9, 10), below=0.025, ratio_part=0.96),
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
    """Kind and case of one seed, with cubic and longer voxels, and slices along each axis and at several distances."""
    groups = [("", simulated(seed)), ("", simulated(seed, instances=True)), ("tomograms", tomograms(seed))]
    if data is not None:
        groups.append(("", real(data, spare=seed % 2 == 0)))
    for group, members in groups:
        for case in members:
            if len(case.slices) > 1:
                continue  # of planes in several directions, the truth is known on one slice alone
            kind = group or case.name.split(",")[0].split("_")[0]
            yield from ((kind, variant) for variant in variants(seed, case))


def variants(seed: int, case: Case) -> Iterator[Case]:
    """A case with longer voxels along k and slices along other axes, as it is the seed's turn."""
    plan = [(*variant, DISTANCES[(seed // 3 + number) % 3], 1.0) for number, variant in enumerate(VARIANTS[seed % 3])]
    axis = "kji"[seed // 2 % 3]
    if len(np.unique(case.truth)) > MANY + 1:
        plan.append((1, axis, WIDE[seed // 2 % 2], 1.0))
    if case.name.split(",")[0] in ("nuclei", "root cells"):
        plan.append((1, axis, DISTANCES[seed // 2 % 3], THICK))
    usual = float(np.median(np.diff(case.slices["k"])))
    judged = case.scored | drawn_mask(case.truth.shape, case.slices)
    for step, axis, factor, planes in plan:
        image, truth, scored = (array[step // 2 :: step] for array in (case.image, case.truth, judged))
        count, along = truth.shape["kji".index(axis)], step if axis == "k" else 1
        slices = {axis: every_nth(count, max(2 if along > 1 else 3, round(usual * factor / along)))}
        if len(slices[axis]) < 3:
            continue
        name = f"{case.name}, {axis}, {step}, {factor}, {planes}"
        scored = scored & ~drawn_mask(truth.shape, slices)
        spacing = (*case.spacing[:2], case.spacing[2] * step * planes)
        yield replace(case, name=name, image=image, truth=truth, slices=slices, scored=scored, spacing=spacing)


def whole(data: Path) -> Iterator[tuple[str, Case]]:
    """Kind and case of whole real volumes, labelled along each axis: many cells, and a cell at the glass."""
    import fill_cases
    import tifffile

    folder = data / "stardist3d_demo"
    image, truth = (tifffile.imread(folder / name) for name in ("img3d.tif", "mask3d.tif"))
    demo = thinned("stardist3d demo", image, truth, WHOLE_STEPS[0])
    folder = data / "sxt_mef_revolved"
    volume, cells = open_volume(folder / "4hpi_left_image.nrrd"), open_segmentation(folder / "4hpi_left_cells.nrrd")
    mef = thinned("mef revolved", np.asarray(volume.array), (cells.labels > 0).astype(np.uint8), WHOLE_STEPS[1])
    for case, steps in (
        (next(fill_cases.nuclei(data)), (1.0, THICK)),
        (next(fill_cases.root_cells(data)), (1.0, THICK)),
        (demo, (1.0,)),
        (mef, (1.0,)),
    ):
        name = case.name.split(",")[0]
        judged = case.scored | drawn_mask(case.truth.shape, case.slices)
        for planes, (count, axis) in itertools.product(steps, zip(case.truth.shape, "kji", strict=True)):
            slices = {axis: every_nth(count, WHOLE_STEPS[count > LONG])}
            scored = judged & ~drawn_mask(case.truth.shape, slices)
            kind = f"{name}, along {axis}" + (f", planes {planes:g} apart" if planes != 1 else "")
            yield kind, replace(case, name=kind, slices=slices, scored=scored, spacing=(1.0, 1.0, planes), unit="um")


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
        for kind, case in cases(seed, data if seed <= REAL_SEEDS else None):
            found += kept.get(f"{seed} {case.name}", functools.partial(segments_of, kind, seed, case))
    return _restored(found)


def collect_whole(data: Path, cache: Path | None) -> list[Segment]:
    """Segments of the whole real volumes, from the cache where it has them."""
    kept, found = Collected(cache), []
    for kind, case in whole(data):
        found += kept.get(f"whole {kind}", functools.partial(segments_of, kind, 0, case))
    return _restored(found)


def collect_few(seeds: Sequence[int], counts: Sequence[int], cache: Path | None) -> list[Segment]:
    """Segments of small volumes with few labelled slices; their kind is the number of slices and of segments."""
    kept, found = Collected(cache), []
    for count, seed in itertools.product(counts, seeds):
        for case in few_slices(seed, count):
            many = "many" if len(np.unique(case.truth)) > MANY + 1 else "few"
            kind = f"{count} slices, {many} segments"
            found += kept.get(f"{kind}, {case.name}", functools.partial(segments_of, kind, seed, case))
    return _restored(found)


def _restored(rows: Sequence[dict[str, Any]]) -> list[Segment]:
    return [Segment(**{**row, "signs": Signs(**row["signs"])}) for row in rows]


def fit(segments: list[Segment]) -> tuple[Estimator, ...]:
    """Estimators of fills without and with many instances; one regression decides on the warnings of both."""
    groups = [[s for s in segments if s.signs.many == kind] for kind in (False, True)]
    estimators = [fit_estimator(group, plan) for group, plan in zip(groups, PLANS, strict=True)]
    errors = [np.asarray(estimators[int(s.signs.many)].error_coefficients) @ s.signs.vector for s in segments]
    trusted = fit_trusted(np.array(errors), np.array([s.dice < BAD_DICE for s in segments]))
    return tuple(replace(estimator, trusted_from=trusted) for estimator in estimators)


def kept_back(segments: list[Segment]) -> Callable[[Segment], SegmentEstimate]:
    """Estimate a segment by estimators that know no volume of its kind; also one of a whole volume of this kind."""

    @functools.cache
    def judge_without(kind: str) -> Callable[[Segment], SegmentEstimate]:
        return judged_by(fit([s for s in segments if s.kind != kind]))

    return lambda segment: judge_without(segment.kind.split(",")[0])(segment)


def voxels_and_axis(segment: Segment) -> str:
    """Row of a segment in a table by the edges of the voxels, and by the labelled axis."""
    *_, axis, step, _, planes = segment.volume.split(", ")
    edge = float(step) * float(planes)
    return ("many" if segment.signs.many else "few") + f", edge along k {edge:g}, " + ("k" if axis == "k" else "j or i")


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
    parser.add_argument("--whole", action="store_true", help="also judge whole real volumes along each axis")
    parser.add_argument("--rows", choices=("kind", "voxels"), default="kind", help="rows of the tables")
    parser.add_argument(
        "--few", type=int, nargs="+", metavar="N", help="judge volumes with so many labelled slices alone"
    )
    parser.add_argument(
        "--fit", action="store_true", help="print the constants of the calibrating volumes, and use them"
    )
    parser.add_argument("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    options = parser.parse_args()
    data, last = harness.data_folder(options.data), options.seeds + 1
    if options.few:
        print(table(collect_few(range(1, last), options.few, options.cache), judged_by(constants.ESTIMATORS)))
        return
    segments = collect(range(1, last), data, options.cache)
    estimators: Sequence[Estimator] = constants.ESTIMATORS
    if options.fit:
        estimators = fit([s for s in segments if s.seed % 2 == 1])
        print(*estimators, sep="\n")
    tests = [("even seeds", [s for s in segments if s.seed % 2 == 0])]
    if options.fresh:
        tests.append(("further seeds", collect(range(last, last + options.fresh), data, options.cache)))
    if options.whole:
        if data is None:
            raise SystemExit("--whole needs the real volumes; name their folder with --data.")
        tests.append(("whole volumes", collect_whole(data, options.cache)))
    group = {"kind": lambda s: s.kind, "voxels": voxels_and_axis}[options.rows]
    for name, judged in tests:
        print(f"\n{name} judged by a fit to the odd ones\n\n{table(judged, judged_by(estimators), group)}")
        if options.leave_out:
            judged = segments if name == "even seeds" else judged
            print(f"\n{name}: each kind judged by a fit to the other kinds\n")
            print(table(judged, kept_back(segments), group))


if __name__ == "__main__":
    main()
