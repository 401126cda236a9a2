"""The refinement of a prediction: a network looks again at 64^3 regions along its surface, at the image's resolution.

The idea is that of Erozan et al., iScience 27 (2024) 109856 (a network on regions along the surface). Here its input is
the image and the probabilities of the main network, so it corrects rather than segments anew, and where no surface
passes nothing changes. Regions overlap and are blended by windows that sum to 1.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from ACSegLib.compute import reuse_freed_memory
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.preprocessing import apply_statistics, statistics_for
from ACSegLib.network.predict.backends import choose_backend, make_backend
from ACSegLib.network.predict.inference import Prediction, PredictionSettings
from ACSegLib.network.predict.plane_sink import PlaneSink, assemble, scratch_array
from ACSegLib.network.predict.working_grid import WorkingGrid
from ACSegLib.network.refinement.correction import correct_regions
from ACSegLib.network.refinement.network import require_refinement_network
from ACSegLib.network.refinement.regions import surface_regions, surface_tiling
from ACSegLib.volume import Segmentation, Volume

_PLANES = 16


@reuse_freed_memory()
def refine_surface(
    volume: Volume,
    prediction: Prediction,
    model: Model,
    settings: PredictionSettings | None = None,
    progress: Progress | None = None,
) -> Prediction:
    """Let the refinement network correct the surface of a prediction.

    Parameters
    ----------
    volume : Volume
        The image that was predicted.
    prediction : Prediction
        Of the same model, with probabilities.
    model : Model
        With a refinement network.

    Returns
    -------
    Prediction
        New labels and probabilities; the report gains ``surface_regions`` and ``surface_seconds``.

    Raises
    ------
    InputError
        If the model has no refinement network, or the prediction no probabilities.
    """
    settings, progress = settings or PredictionSettings(), progress or Progress()
    second = require_refinement_network(model)
    if prediction.probabilities is None:
        raise InputError("the surface can be refined only with probabilities; predict with keep_probabilities.")
    clock = time.perf_counter()
    # Beyond the ROI the probabilities are 0, which is no opinion: the ROI is refined as an image of its own.
    place = tuple(slice(a, b) for a, b in settings.roi or [(0, n) for n in volume.shape])
    tiling = surface_tiling(tuple(p.stop - p.start for p in place))
    regions = list(surface_regions([layer[place] for layer in prediction.segmentation.layers], tiling))
    choice = choose_backend(settings.device, settings.backend)
    backend = make_backend(
        second, tiling.tile, device=choice.device, backend=choice.backend, precision=settings.precision
    )
    probabilities = scratch_array(prediction.probabilities.shape)
    for k in range(probabilities.shape[1]):
        probabilities[:, k] = prediction.probabilities[:, k]
    stages = progress.stages(correct=95, label=5)
    corner = tuple(p.start for p in place)
    statistics = statistics_for(volume.array, model.preprocessing.normalisation, progress.check)

    def image(box: tuple[slice, ...]) -> np.ndarray:
        seen = tuple(slice(c + b.start, c + b.stop) for c, b in zip(corner, box, strict=True))
        return apply_statistics(volume.array[seen], statistics)

    new, old = (array[(slice(None), *place)] for array in (probabilities, prediction.probabilities))
    correct_regions(new, old, image, second.spec, backend, tiling, regions, stages.correct)
    segmentation = labels_from_probabilities(probabilities, volume, model, settings, stages.label)
    seconds = round(time.perf_counter() - clock, 3)
    report = replace(prediction.report, surface_regions=len(regions), surface_seconds=seconds)
    return replace(prediction, segmentation=segmentation, probabilities=probabilities, report=report, interpolated=None)


def labels_from_probabilities(
    probabilities: np.ndarray, volume: Volume, model: Model, settings: PredictionSettings, progress: Progress
) -> Segmentation:
    """Make the segmentation that probabilities (channels, k, j, i) stand for, as a prediction makes it of its own."""
    (k0, k1), (j0, j1), (i0, i1) = settings.roi or [(0, n) for n in volume.shape]
    grid = WorkingGrid((k0, j0, i0), (k1, j1, i1), (k1 - k0, j1 - j0, i1 - i0))
    sink = PlaneSink(grid, model, False, settings.memory_limit, settings.thin_for(model))
    for k in range(k0, k1, _PLANES):
        progress((k - k0) / (k1 - k0), "labelling the refined surface")
        planes = probabilities[:, k : min(k + _PLANES, k1), j0:j1, i0:i1]
        sink.take(np.asarray(planes, np.float32))
    sink.finish(progress)
    return assemble(volume, model, settings.roi, grid, sink)[0]
