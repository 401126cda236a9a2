"""Can the Dice and the volume that a prediction expects of its segments be believed?

    python Testing/Benchmarks/predict_estimates.py --cache signs.json
    python Testing/Benchmarks/predict_estimates.py --cache signs.json --fit
    python Testing/Benchmarks/predict_estimates.py --cache signs.json --leave-out

Simulated tomograms that the model was not trained on are predicted, and the estimates compared with the truth. Odd
seeds calibrate, even ones test. Real volumes, whose truth is a threshold, only test. The table has, for each kind of
volume, how many intervals hold the truth and how wide they are (median). ``--fit`` prints the entry of
`ACSegLib.network.predict.estimates.ESTIMATORS` for the model. A new model needs one: without it nothing is said.
``--leave-out`` judges each kind, of odd and even seeds, by estimators that are fitted to the other kinds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import harness  # noqa: E402
from estimate_fits import Collected, Plan, fit_estimator, table  # noqa: E402

from ACSegLib.files import open_segmentation, open_volume  # noqa: E402
from ACSegLib.network.model.model_file import Model  # noqa: E402
from ACSegLib.network.model.pretrained import open_model  # noqa: E402
from ACSegLib.network.predict import estimates  # noqa: E402
from ACSegLib.network.refinement.network import without_refinement_network  # noqa: E402
from ACSegLib.phantom import KINDS, simulate, vary, vary_packed  # noqa: E402
from ACSegLib.segment_estimates import Estimator, SegmentEstimate  # noqa: E402
from ACSegLib.volume import Volume  # noqa: E402
from ACSegLib.workflows import PredictRequest, run_predict  # noqa: E402

#: Seeds that no training of the pretrained model used begin here.
FIRST_SEED = 81_001
#: Of the cytoplasm, with a refinement network and without; columns of `estimates.Signs.vector`.
CYTOPLASM = Plan(
    by_kind=True,
    odds=True,
    error=(4, 5),
    spread=(4,),
    ratio_spread=(5, 6),
    above=0.01,
    below=0.04,
    ratio_part=0.9,
    strength=(0.03, 0.03),
)
UNREFINED = replace(CYTOPLASM, error=(4, 7), spread=(2,), ratio_spread=(2, 7))
#: Of the other segments.
OTHERS = Plan(error=(1, 2, 3), spread=(1, 2, 3), ratio_spread=(1, 2, 3), above=0.03)
#: Voxels a side of the simulated tomograms, in turn.
SIZES = (64, 80, 96)


@dataclass(frozen=True)
class Segment:
    """One segment of one prediction: what told how right it is, and how right it was."""

    volume: str
    kind: str
    seed: int
    name: str
    signs: estimates.Signs
    dice: float
    voxels: float


@dataclass(frozen=True)
class Case:
    """A volume and the masks of its segments, by name."""

    name: str
    kind: str
    seed: int
    volume: Volume
    truth: Mapping[str, np.ndarray]


def simulated(number: int) -> Iterator[Case]:
    """Loose cells of a type, varied loose cells, and packed cells, of one seed."""
    seed, size = FIRST_SEED + number, SIZES[number // 2 % len(SIZES)]
    kinds = sorted(KINDS)
    for kind, options in (
        ("loose", {"kind": kinds[number % len(kinds)]}),
        ("varied", {"recipe": vary(seed)}),
        ("packed", {"recipe": vary_packed(seed)}),
    ):
        made = simulate(size, seed=seed, **options)
        masks = {s.name: made.truth.mask(s) for s in made.truth.segments}
        yield Case(f"{kind} {seed}", kind, number, made.volume, masks)


def real(data: Path) -> Iterator[Case]:
    """A cell by optical diffraction tomography (Otsu's threshold as truth), and revolved slices (a threshold)."""
    folder = data / "hl60_odt"
    mask = open_segmentation(folder / "hl60_otsu_cell.nrrd").labels > 0
    yield Case("hl60", "hl60 (Otsu)", 0, open_volume(folder / "hl60_ri.nrrd"), {"cytoplasm": mask})
    for path in sorted((data / "sxt_mef_revolved").glob("*_image.nrrd")):
        mask = open_segmentation(path.with_name(path.name.replace("_image", "_cells"))).labels > 0
        yield Case(path.name, "mef, revolved (threshold)", 0, open_volume(path), {"cytoplasm": mask})


def segments_of(case: Case, model: Model) -> list[Segment]:
    """Predict a case, and judge each segment that was found."""
    refine = "auto" if model.spec.refinement else "walk"
    found = run_predict(PredictRequest(volume=case.volume, model=model, holes=0, refine=refine))
    if found.tally is None:  # the network does not recognise the image, and nothing is said of it
        return []
    judged = []
    for name, signs in estimates.collect_signs(found.tally, found.segmentation, model).items():
        truth = case.truth.get(name, np.zeros(case.volume.shape, bool))
        mask = found.segmentation.mask(name)
        dice = 2.0 * np.count_nonzero(truth & mask) / (np.count_nonzero(truth) + np.count_nonzero(mask))
        judged.append(Segment(case.name, case.kind, case.seed, name, signs, dice, float(truth.sum())))
    return judged


def collect(count: int, data: Path | None, cache: Path | None, model: Model) -> list[Segment]:
    """Segments of all volumes, from the cache where it has them."""
    kept, rows = Collected(cache), []
    identity = estimates.identity(model)
    groups: list[tuple[str, Callable[[], Iterator[Case]]]] = []
    for number in range(1, count + 1):
        groups.append((f"{identity} {number}", lambda number=number: simulated(number)))
    if data is not None:
        groups.append((f"{identity} real", lambda: real(data)))
    for key, make in groups:
        rows += kept.get(key, lambda make=make: [s for case in make() for s in segments_of(case, model)])
    return [Segment(**{**row, "signs": estimates.Signs(**row["signs"])}) for row in rows]


def fit(segments: list[Segment], refined: bool) -> dict[str, Estimator]:
    """An estimator for each segment of the model."""
    plans = {"cytoplasm": CYTOPLASM if refined else UNREFINED}
    groups = {
        name: [s for s in segments if s.name == name and s.voxels] for name in dict.fromkeys(s.name for s in segments)
    }
    return {name: fit_estimator(group, plans.get(name, OTHERS)) for name, group in groups.items()}


def kept_back(segments: list[Segment], refined: bool) -> Callable[[Segment], SegmentEstimate]:
    """Estimate a segment by estimators that know no volume of its kind; real volumes never calibrate."""
    simulated_ones = [s for s in segments if s.seed]
    kinds = {s.kind for s in segments}
    judges = {kind: judged_by(fit([s for s in simulated_ones if s.kind != kind], refined)) for kind in kinds}
    return lambda segment: judges[segment.kind](segment)


def judged_by(estimators: Mapping[str, Estimator]) -> Callable[[Segment], SegmentEstimate]:
    """Estimate a segment by the estimator of its name."""

    def judge(segment: Segment) -> SegmentEstimate:
        signs = segment.signs
        return estimators[segment.name].estimate(segment.name, signs.vector, signs.ratios, signs.filled)

    return judge


def main() -> None:
    """Collect, fit if asked, and print the tables of the volumes that calibrate nothing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="model file; default: the pretrained one")
    parser.add_argument("--unrefined", action="store_true", help="leave its refinement network out")
    parser.add_argument("--cache", type=Path, metavar="FILE", help="keeps what was collected")
    parser.add_argument("--seeds", type=int, default=40, help="volumes of each kind (default: %(default)s)")
    parser.add_argument("--fit", action="store_true", help="print and use the estimators of the calibrating volumes")
    parser.add_argument("--leave-out", action="store_true", help="judge each kind by a fit to the other kinds")
    parser.add_argument("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    options = parser.parse_args()
    model = open_model(options.model)
    if options.unrefined:
        model = without_refinement_network(model)
    refined = model.spec.refinement is not None
    segments = collect(options.seeds, harness.data_folder(options.data), options.cache, model)
    estimators = estimates.ESTIMATORS.get(estimates.identity(model), {})
    if options.fit:
        estimators = fit([s for s in segments if s.seed % 2 == 1], refined)
        print(f"{estimates.identity(model)!r}: {estimators!r}")
    for name in estimators:
        known = [s for s in segments if s.name == name]
        print(f"\n{name}\n{table([s for s in known if s.seed % 2 == 0], judged_by(estimators))}")
        if options.leave_out:
            print(
                f"\n{name}, each kind judged by a fit to the other kinds\n{table(known, kept_back(segments, refined))}"
            )


if __name__ == "__main__":
    main()
