"""One prediction: tiled at native resolution or as in Biomedisa, then refined, then postprocessed."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.arrays import is_mapped
from ACSegLib.compute import reuse_freed_memory
from ACSegLib.distances import load_compiled_loops
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.heavy_imports import import_ahead
from ACSegLib.jobs import Progress
from ACSegLib.padding import box_without_constant_planes
from ACSegLib.segment_estimates import trust_warnings, with_volume_intervals
from ACSegLib.volume import Segmentation, Volume
from ACSegLib.workflows.packing import from_options
from ACSegLib.workflows.split import SplitRequest, bytes_to_split, run_split

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.predict.inference import Prediction, PredictionSettings
    from ACSegLib.network.predict.report import PredictionReport

_DATA = ("volume", "model")
#: Bytes per voxel to clean labels: the labels twice, masks; and components, of which islands are removed.
_BYTES_TO_CLEAN, _BYTES_TO_COUNT = 3, 2
#: Compiled loops that a prediction comes to late.
_LOOPS = (
    "ACSegLib.network.predict.interpolation_kernels",
    "ACSegLib.run_kernels",
    "ACSegLib.workflows.band_kernels",
    "ACSegLib.fill.walk.sparse_kernels",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictRequest:
    """What to predict, and how. The fields after the first two are the options of ``acseg predict`` of the same names.

    Parameters
    ----------
    volume : Volume
        The image; it may be mapped from a file.
    model : Model
        See `ACSegLib.network.model.pretrained.open_model`.
    probabilities : bool
        Whether to give the probabilities of all segments.
    tta : bool
        Average over the eight mirror images.
    refine : str
        "none" (what the main network labels, also where it sees no cell), "network" (by the model's refinement
        network), "walk" (by a random walk), or "auto": for models that reduce images, by the network, then by the walk
        where the image is finer still.
    thin : float, optional
        Probability from which voxels of thin structures belong to their segment; that of the calibration if None.
    contrast : str
        Which intensities absorb: "bright" or "dark" ones, or "auto".
    device, backend, precision : str
        Where, by which library and with which number type to compute.
    roi : sequence of int
        Region I0 I1 J0 J1 K0 K1, ends excluded; everything if empty.
    largest : sequence of str
        Segments of which only the largest component is kept.
    islands, holes : float, optional
        Remove components smaller than this; fill enclosed holes up to this (None: all holes of segments that had none
        in the training). Voxels, or a fraction below 1.
    cells : bool
        Whether touching cells become segments of their own; see `ACSegLib.cells`.
    native : bool
        Run a Biomedisa model at native resolution; otherwise patches are `stride` voxels apart, as in Biomedisa.
    stride : int
    resample : bool
        Bring the image to the voxel size of the training.
    tile : sequence of int
        Tile size I J K; the largest that fits if empty. Tiles overlap by the part `overlap` of the training's patch.
    overlap : float
    memory : float, optional
        GiB that may be used.
    """

    volume: Volume
    model: Model
    probabilities: bool = False
    tta: bool = False
    refine: str = "auto"
    thin: float | None = None
    contrast: str = "auto"
    device: str = "auto"
    roi: Sequence[int] = ()
    largest: Sequence[str] = ()
    islands: float | None = None
    holes: float | None = None
    cells: bool = False
    native: bool = False
    stride: int = 32
    resample: bool = True
    backend: str = "auto"
    precision: str = "auto"
    tile: Sequence[int] = ()
    overlap: float = 0.25
    memory: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "probabilities", bool(self.probabilities))  # an option names a file instead
        for name in ("roi", "largest", "tile"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @classmethod
    def from_options(cls, volume: Volume, model: Model, options: Any) -> PredictRequest:
        """Make the request from options of ``acseg predict``, field by field."""
        return cls(volume=volume, model=model, **from_options(cls, options, _DATA))


def import_for_prediction() -> None:
    """Import in the background what a prediction needs, while its image is read for example."""
    import_ahead(("scipy.sparse", "scipy.ndimage", "ACSegLib.distance_kernels"), _load_loops)


def _load_loops() -> None:
    load_compiled_loops()
    for name in _LOOPS:
        importlib.import_module(name)


@reuse_freed_memory()
def run_predict(request: PredictRequest, progress: Progress | None = None) -> Prediction:
    """Predict one volume: natively tiled, or as Biomedisa does; refined if asked for; cleaned.

    Raises
    ------
    InputError
        If model, image and options do not fit together.
    MemoryLimitError, Cancelled
    """
    from ACSegLib.network.predict.estimates import estimate
    from ACSegLib.network.refinement.network import without_refinement_network
    from ACSegLib.terminology import with_standard_codes

    clock = time.perf_counter()
    import_for_prediction()
    progress = progress or Progress()
    stages = progress.stages(predict=90, clean=5, split=5)
    prediction = _predicted(request, stages.predict)
    refined = prediction.report.surface_regions is not None
    networks = request.model if refined else without_refinement_network(request.model)
    estimates = estimate(prediction.tally, prediction.segmentation, networks)
    segmentation = with_standard_codes(_cleaned(prediction, request, stages.clean))
    if removed := _removed(prediction.segmentation, segmentation, request):
        prediction.report.notes.append(f"--islands removed all voxels of {', '.join(removed)}; use a smaller number")
        estimates = [e for e in estimates if e.segment not in removed]
    prediction.report.estimates = estimates
    advice = "look at it, and correct it, or delete it if there is none", "look at them, and correct or delete them"
    prediction.report.notes += trust_warnings(estimates, *advice)
    if request.cells and not any(layer.any() for layer in segmentation.layers):
        prediction.report.notes.append("no cell was found, so that there is none to split")
    elif request.cells:
        whole = SplitRequest(labels=segmentation, volume=request.volume, outlines="predicted")
        _add_estimate(prediction.report, sum(layer.nbytes for layer in segmentation.layers) + bytes_to_split(whole))
        split = run_split(whole, stages.split)
        segmentation = split.segmentation
        prediction.report.notes += split.notes
    segmentation = with_volume_intervals(segmentation, estimates, "prediction")
    prediction.report.seconds = round(time.perf_counter() - clock, 3)
    return replace(prediction, segmentation=segmentation)


def _predicted(request: PredictRequest, progress: Progress) -> Prediction:
    from ACSegLib.network.predict.inference import predict
    from ACSegLib.workflows.walk_refinement import refine_by_walk

    volume, model = request.volume, request.model
    settings = _settings(request)
    _check_refinement(request)
    reduces = model.reduces_images and request.resample
    left_out = _leave_constant_planes_out(volume, settings) if reduces else []
    automatic = request.refine == "auto" and reduces
    too_large = _too_large_to_walk(volume, settings) if automatic else ""
    automatic = automatic and not too_large
    settings.keep_working = automatic
    stages = progress.stages(network=7, refine=3 if request.refine != "none" else 0)
    biomedisa = model.preprocessing.biomedisa is not None and not request.native
    if biomedisa:
        if request.refine == "network" or settings.tta or settings.tile:
            raise InputError("--refine network, --tta and --tile need --native with a Biomedisa model.")
        from ACSegLib.network.biomedisa.prediction import predict_biomedisa

        prediction = predict_biomedisa(volume, model, settings, request.stride, stages.network)
    else:
        prediction = predict(volume, model, settings, stages.network)
    prediction.report.notes[:0] = left_out
    if request.refine == "network" and prediction.report.surface_regions is None:
        from ACSegLib.network.refinement.refine import refine_surface

        return refine_surface(volume, prediction, model, settings, stages.refine)
    if request.refine == "walk":
        return refine_by_walk(volume, prediction, model, stages.refine, settings.roi, settings.memory_limit)
    reduced = prediction.report.is_reduced
    if too_large and reduced:
        prediction.report.notes.append(too_large)
    labelled = any(plane.any() for layer in prediction.segmentation.layers for plane in layer)
    if automatic and reduced and labelled:
        return _walk_if_it_fits(volume, prediction, model, stages.refine, settings)
    return prediction


def _leave_constant_planes_out(volume: Volume, settings: PredictionSettings) -> list[str]:
    """Set the ROI, unless there is one, to what lies within planes of one value; gives what a user should know."""
    if settings.roi is not None or not isinstance(volume.array, np.ndarray):
        return []
    box = box_without_constant_planes(volume.array)
    if box is None:
        return []
    k, j, i = ((side.start, side.stop) for side in box)
    settings.roi, settings.surroundings = (k, j, i), False
    ends = " ".join(f"{low} {high}" for low, high in (i, j, k))
    return [f"planes at the border hold one value alone, so they were left out: the image is region {ends} (I J K)"]


def _check_refinement(request: PredictRequest) -> None:
    """Raise an InputError before the prediction if the refinement is not possible."""
    if request.refine == "network":
        from ACSegLib.network.refinement.network import require_refinement_network

        network = require_refinement_network(request.model)
        if network.spec.additive and not request.resample:
            raise InputError("this model's refinement network works on a reduced image; leave --no-resample out.")
    elif request.refine == "walk":
        from ACSegLib.workflows.walk_refinement import require_exclusive

        require_exclusive(request.model)


def _too_large_to_walk(volume: Volume, settings: PredictionSettings) -> str:
    """Why the surface will not be refined, known before the probabilities of a huge image fill the disk; or nothing."""
    from ACSegLib.workflows.walk_refinement import require_memory_to_prepare

    shape = [b - a for a, b in settings.roi] if settings.roi else volume.shape
    try:
        require_memory_to_prepare(math.prod(shape), settings.memory_limit)
    except MemoryLimitError as error:
        return _not_refined(error)
    return ""


def _not_refined(error: MemoryLimitError) -> str:
    return f"the surface was not refined: {error}"


def _walk_if_it_fits(
    volume: Volume, prediction: Prediction, model: Model, progress: Progress, settings: PredictionSettings
) -> Prediction:
    from ACSegLib.workflows.walk_refinement import refine_by_walk

    try:
        return refine_by_walk(volume, prediction, model, progress, settings.roi, settings.memory_limit)
    except MemoryLimitError as error:
        prediction.report.notes.append(_not_refined(error))
        return prediction


def _settings(request: PredictRequest) -> PredictionSettings:
    from ACSegLib.network.predict.inference import PredictionSettings

    tile, roi = request.tile, request.roi
    if tile and (len(tile) != 3 or min(tile) < 1):
        raise InputError(f"--tile must be three whole numbers (I J K), not {tile}.")
    if roi and len(roi) != 6:
        raise InputError(f"--roi must be six whole numbers (I0 I1 J0 J1 K0 K1), not {roi}.")
    return PredictionSettings(
        device=request.device,
        backend=request.backend,
        precision=request.precision,
        tile=(tile[2], tile[1], tile[0]) if tile else None,
        overlap=request.overlap,
        tta=request.tta,
        roi=((roi[4], roi[5]), (roi[2], roi[3]), (roi[0], roi[1])) if roi else None,
        thin=request.thin,
        keep_probabilities=request.probabilities or request.refine in ("network", "walk"),
        resample=request.resample,
        contrast=request.contrast,
        correct=request.refine in ("network", "auto"),
        needs_cell=request.refine != "none",
        memory_limit=int(request.memory * 2**30) if request.memory else None,
    )


def _cleaned(prediction: Prediction, request: PredictRequest, progress: Progress) -> Segmentation:
    """Postprocess as the options ask. Without --holes, fill the holes of segments that had none in the training."""
    from ACSegLib.postprocess.cleanup import clean

    segmentation = prediction.segmentation
    holes: dict[str | int, float] | float | None = request.holes or None
    if request.holes is None and (whole := request.model.segments_without_holes):
        if any(is_mapped(layer) for layer in segmentation.layers):
            prediction.report.notes.append(
                "the labels do not fit in memory, so enclosed holes were not filled; use --holes to fill them"
            )
        else:
            holes = dict.fromkeys(whole, math.inf)
    if request.largest or request.islands or holes:
        each = _BYTES_TO_CLEAN + (_BYTES_TO_COUNT if request.largest or request.islands else 0)
        _add_estimate(prediction.report, each * math.prod(segmentation.shape))
    if request.largest:
        almost = math.nextafter(1.0, 0.0)
        segmentation = clean(segmentation, islands={key: almost for key in request.largest}, progress=progress)
    if request.islands or holes:
        segmentation = clean(segmentation, islands=request.islands or None, holes=holes, progress=progress)
    return segmentation


def _add_estimate(report: PredictionReport, needed: int) -> None:
    """Take a later stage into account, which needs so many bytes beside what is kept."""
    from ACSegLib.network.predict.memory import KEPT_BYTES

    report.estimated_memory_bytes = max(report.estimated_memory_bytes or 0, KEPT_BYTES + needed)


def _removed(before: Segmentation, after: Segmentation, request: PredictRequest) -> list[str]:
    """Names of the segments of which the removal of islands left nothing."""
    if not request.islands:
        return []
    pairs = zip(before.segments, after.segments, strict=True)
    return [old.name for old, new in pairs if before.mask(old).any() and not after.mask(new).any()]
