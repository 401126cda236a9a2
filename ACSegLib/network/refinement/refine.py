"""The refinement of a prediction: a network looks again at 64^3 regions along its surface, at the image's resolution.

The idea is that of Erozan et al., iScience 27 (2024) 109856 (a network on regions along the surface). Here its input is
the image and the probabilities of the first network, so it corrects rather than segments anew, and where no surface
passes nothing changes. Regions overlap and are blended by windows that sum to 1.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ACSegLib.compute import reuse_freed_memory
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.preprocessing import IntensityStatistics, apply_statistics, statistics_for
from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.network.predict.backends import Backend, choose_backend, make_backend
from ACSegLib.network.predict.inference import Prediction, PredictionSettings
from ACSegLib.network.predict.plane_sink import PlaneSink, assemble, on_host, scratch_array
from ACSegLib.network.predict.tiling import Tiling
from ACSegLib.network.predict.working_grid import WorkingGrid
from ACSegLib.network.refinement.network import require_refinement_network, segment_channels
from ACSegLib.network.refinement.regions import Region, pad_region, surface_regions, surface_tiling
from ACSegLib.volume import Segmentation, Volume

if TYPE_CHECKING:
    pass

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
    _correct(probabilities, prediction.probabilities, volume, place, model, backend, tiling, regions, stages.correct)
    segmentation = labels_from_probabilities(probabilities, volume, model, settings, stages.label)
    seconds = round(time.perf_counter() - clock, 3)
    report = replace(prediction.report, surface_regions=len(regions), surface_seconds=seconds)
    return Prediction(segmentation, probabilities, report, prediction.tally)


def _correct(
    new: np.ndarray,
    old: np.ndarray,
    volume: Volume,
    place: tuple[slice, ...],
    model: Model,
    backend: Backend,
    tiling: Tiling,
    regions: Sequence[Region],
    progress: Progress,
) -> None:
    """Blend the refinement network's change of each region (within `place`) into the new probabilities, in place."""
    statistics = statistics_for(volume.array, model.preprocessing.normalisation)
    old, new = old[(slice(None), *place)], new[(slice(None), *place)]
    corner = tuple(p.start for p in place)
    windows = [tiling.windows(axis) for axis in range(3)]
    for n, (where, start) in enumerate(regions):
        progress(n / len(regions), f"refining surface region {n + 1} of {len(regions)}")
        before, inputs = _inputs(volume.array, corner, old, start, tiling, statistics, model.spec)
        after = on_host(backend(inputs, progress))[0]
        size = before.shape[1:]
        weights = [windows[axis][where[axis]] for axis in range(3)]
        change = (after[:, : size[0], : size[1], : size[2]] - before) * (weights[1][:, None] * weights[2])
        change *= weights[0][:, None, None]
        box = tuple(slice(s, s + m) for s, m in zip(start, size, strict=True))
        new[(slice(None), *box)] += change.astype(np.float16)


def _inputs(
    array: np.ndarray,
    corner: tuple[int, ...],
    probabilities: np.ndarray,
    start: tuple[int, int, int],
    tiling: Tiling,
    statistics: IntensityStatistics | None,
    spec: NetworkSpec,
) -> tuple[np.ndarray, np.ndarray]:
    """First probabilities (channels, k, j, i) of a region, and the refinement network's input (1, 1 + segments, ...).

    The probabilities' first voxel is the image's voxel `corner`.
    """
    box = tuple(slice(s, s + n) for s, n in zip(start, tiling.tile, strict=True))
    before = np.asarray(probabilities[(slice(None), *box)], np.float32)
    seen = tuple(slice(c + s, c + s + n) for c, s, n in zip(corner, start, before.shape[1:], strict=True))
    image = apply_statistics(array[seen], statistics)
    joined = np.concatenate([image[None], segment_channels(before, spec)])
    return before, pad_region(joined, tiling.tile)[None]


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
