"""Prediction: a trained network over a volume of any size, in memory that does not grow with it.

Tiles run along j and i for one row after the other along k (`ACSegLib.network.predict.job`); the planes that no later
tile touches are finished, turned into labels, and dropped. What is kept is one row of probabilities and the labels.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ACSegLib.arrays import is_mapped
from ACSegLib.errors import InputError
from ACSegLib.files.lazy import blocks
from ACSegLib.geometry import size_text, spacing_text
from ACSegLib.jobs import Progress
from ACSegLib.network.model.preprocessing import UNLIKELY_RATIO, shape_at, statistics_for
from ACSegLib.network.predict.canonical import run_canonical
from ACSegLib.network.predict.estimates import Tally, is_pretrained
from ACSegLib.network.predict.job import Normalise, run_in_tiles
from ACSegLib.network.predict.plane_sink import assemble
from ACSegLib.network.predict.report import PredictionReport
from ACSegLib.network.predict.settings import PredictionSettings
from ACSegLib.network.predict.working_grid import (
    IMPOSSIBLE,
    WorkingGrid,
    enlargement,
    in_cubes,
    ratio_of_sides,
    reduced_shape,
    sides_of_voxels,
)
from ACSegLib.network.predict.working_probabilities import InterpolatedChannel
from ACSegLib.padding import Padding
from ACSegLib.volume import Segmentation, Volume

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model

#: Voxel size of an image relative to the training's; beyond, a unit is wrong.
MAX_RATIO, MIN_RATIO = 16.0, 1 / 64
#: Voxels along the longest side of a resampled image, below which a unit is wrong as well.
MIN_VOXELS = 4


@dataclass
class Prediction:
    """What a network made of a volume.

    Parameters
    ----------
    segmentation : Segmentation
        On the image's grid.
    probabilities : ndarray of float16, shape (channels, k, j, i), or None
        By output channel: background first (softmax), or one per segment (sigmoid). Memory-mapped.
    report : PredictionReport
        Backend, precision, tiles, working grid, seconds, notes.
    tally : Tally or None
        What the network says of the volume as a whole, from which the accuracy is estimated.
    interpolated : list of InterpolatedChannel, or None
        The same probabilities, interpolated where they are asked for.
    padding : Padding or None
        Of the image, where its intensities were normalised.
    """

    segmentation: Segmentation
    probabilities: np.ndarray | None
    report: PredictionReport = field(default_factory=PredictionReport)
    tally: Tally | None = None
    interpolated: list[InterpolatedChannel] | None = None
    padding: Padding | None = None

    def __repr__(self) -> str:
        return f"<Prediction: {self.segmentation!r}>"

    @property
    def labels(self) -> np.ndarray:
        """The labels as an array, shape (k, j, i); an InputError if segments overlap."""
        return self.segmentation.labels


def predict(
    volume: Volume, model: Model, settings: PredictionSettings | None = None, progress: Progress | None = None
) -> Prediction:
    """Segment a volume with a trained model.

    Parameters
    ----------
    volume : Volume
        One channel, any number type; values that are not finite count as the mean. If it lies on the disk
        (``open_volume(..., lazy_from=...)``), tiles are read from there, and memory is bounded whatever its size.
    model : Model
    settings : PredictionSettings, optional
    progress : Progress, optional
        Called for every tile; a cancel is noticed within a tile, too.

    Returns
    -------
    Prediction

    Raises
    ------
    InputError
        If image and model do not fit, or a setting is out of range.
    MemoryLimitError
        If not even the smallest tile fits in memory.
    Cancelled
        If the user has asked to stop.
    """
    settings, progress = settings or PredictionSettings(), progress or Progress()
    clock = time.perf_counter()
    if model.spec.in_channels != 1:
        raise InputError(
            f"the model takes images of {model.spec.in_channels} channels, but {volume.name!r} has one; "
            "choose a model trained on images like this one."
        )
    notes: list[str] = []
    stages = progress.stages(examine=2, predict=98)
    stages.examine(0.0, "examining the image")
    grid = plan_grid(volume, model, settings, notes)
    check = stages.examine.check
    seen = volume.array
    if settings.roi is not None and not settings.surroundings:
        seen = seen[tuple(slice(low, high) for low, high in settings.roi)]
    statistics = statistics_for(seen, model.preprocessing.normalisation, check)
    if statistics is not None and not statistics.deviation > 0:
        require_contrast(volume, check)
    _note_not_finite(seen, notes, check)
    normalise = Normalise(statistics, settings.contrast == "dark")
    run = run_canonical if model.preprocessing.canonical_axes and settings.resample else run_in_tiles
    done = run(volume.array, grid, model, settings, normalise, stages.predict, notes)
    job, sink, backend, tiling, grid = done.job, done.sink, done.backend, done.tiling, done.grid
    padding = done.normalise.padding
    if padding is not None:
        notes.insert(0, padding.note_on_replacement())
    report = PredictionReport(
        backend=backend.name,
        backend_reason=job.reason,
        device=backend.device,
        precision=backend.precision,
        tile=list(tiling.tile),
        tiles=tiling.count,
        working_shape=list(grid.shape),
        region_shape=list(grid.box_shape),
        resampled=grid.resampled,
        mirrored=settings.tta or run is run_canonical,
        thin_threshold=job.thin,
        voxels=math.prod(grid.box_shape),
        estimated_memory_bytes=done.needed,
        surface_regions=done.regions,
        image_on_disk=not isinstance(volume.array, np.ndarray) or is_mapped(volume.array),
        seconds=round(time.perf_counter() - clock, 3),
        notes=notes,
    )
    if job.tally is not None:
        job.tally.coarseness = math.prod(grid.box_shape) / job.tally.voxels
    segmentation, probabilities = assemble(volume, model, settings.roi, grid, sink)
    progress(1.0, "predicted")
    return Prediction(segmentation, probabilities, report, job.tally, sink.interpolated(), padding)


def plan_grid(volume: Volume, model: Model, settings: PredictionSettings, notes: list[str]) -> WorkingGrid:
    """Decide where the network works: the region, and the voxel size of the training where both are known."""
    start, stop = _region(volume.shape, model, settings)
    shape = (stop[0] - start[0], stop[1] - start[1], stop[2] - start[2])
    sides = _sides(volume, shape, model, notes) if settings.resample else (1.0, 1.0, 1.0)
    reduced = reduced_shape(in_cubes(shape, sides), model.preprocessing)
    if reduced and settings.resample:
        shape = reduced
    elif model.spacing is not None and settings.resample:
        if volume.geometry.unit == "px" or model.unit == "px":
            notes.append("the image has no voxel size; that of the training is assumed")
        else:
            notes += filter(None, [_check_spacing(volume, shape, model)])
            shape = shape_at(shape, volume.geometry, model.spacing, model.unit)
    return WorkingGrid(start, stop, shape, sides)


def _sides(volume: Volume, shape: tuple[int, int, int], model: Model, notes: list[str]) -> tuple[float, float, float]:
    """Sides (k, j, i) of a voxel in the finest working voxels that are wanted: the pretrained network expects cubes.

    Another model that reduces images was trained on voxels as they are, whatever their sides.
    """
    mean_side = model.preprocessing.mean_side
    if not (mean_side and is_pretrained(model)):
        return 1.0, 1.0, 1.0
    k, j, i = sides_of_voxels(volume.geometry)
    size = f"{' x '.join(f'{v:g}' for v in volume.geometry.spacing)} {volume.geometry.unit}"
    if max(k, j, i) > 1:
        notes.append(f"the voxels are {size} (x, y, z), so the image was interpolated to cubes for the network")
    elif ratio_of_sides(volume.geometry) > IMPOSSIBLE:
        notes.append(
            f"voxels of {size} (x, y, z) are too long to be right, so the network took them as cubes; correct the "
            "voxel size of the image"
        )
    factor = enlargement(in_cubes(shape, (k, j, i)), mean_side)
    if factor > 1:
        notes.append(
            f"{size_text(shape)} voxels are few, so the image was interpolated to {factor:.1f} times as many a side "
            "for the network"
        )
    return k * factor, j * factor, i * factor


def _region(
    shape: tuple[int, int, int], model: Model, settings: PredictionSettings
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Start and stop (k, j, i) of what the network sees: the ROI and a margin of surroundings."""
    if settings.roi is None:
        return (0, 0, 0), shape
    for axis, (low, high), size in zip("kji", settings.roi, shape, strict=True):
        if not 0 <= low < high <= size:
            raise InputError(f"--roi {low}..{high} along {axis} must lie within 0..{size} and not be empty.")
    patch = model.preprocessing.patch if settings.surroundings else (0, 0, 0)
    starts = [max(0, low - n // 2) for (low, _), n in zip(settings.roi, patch, strict=True)]
    stops = [min(size, high + n // 2) for (_, high), n, size in zip(settings.roi, patch, shape, strict=True)]
    return (starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2])


def _check_spacing(volume: Volume, shape: tuple[int, int, int], model: Model) -> str:
    """Raise InputError where a unit must be wrong; give a note where it may be, or nothing."""
    own = volume.geometry.in_unit(model.unit).spacing
    assert model.spacing is not None
    ratios = [a / b for a, b in zip(own, model.spacing, strict=True)]
    sizes = (
        f"the voxels of {volume.name!r} are {spacing_text(volume.geometry.spacing, volume.geometry.unit)}, those of "
        f"the training {spacing_text(model.spacing, model.unit)}"
    )
    vanishes = max(shape_at(shape, volume.geometry, model.spacing, model.unit)) < min(MIN_VOXELS, max(shape))
    if max(ratios) > MAX_RATIO or min(ratios) < MIN_RATIO or vanishes:
        raise InputError(
            f"{sizes}: too different; correct the voxel size of the image (--voxel-size, --unit), or use --no-resample."
        )
    factor = math.prod(ratios) ** (1 / 3)
    if not 1 / UNLIKELY_RATIO < factor < UNLIKELY_RATIO:
        ratio, than = (factor, "larger") if factor > 1 else (1 / factor, "smaller")
        return f"{sizes}, so {ratio:.0f} times {than}; correct the voxel size or the unit of the image if it is wrong"
    return ""


def require_contrast(volume: Volume, check: Callable[[], None] = lambda: None) -> None:
    """Raise InputError for an image of one value, or of none: a network would label what shows nothing."""
    value: float | None = None
    for block in blocks(volume.array):
        check()
        finite = block[np.isfinite(block)]
        if finite.size:
            value = float(finite.flat[0]) if value is None else value
            if (finite != value).any():
                return
    if value is None:
        raise InputError("the image holds no finite value; check how it was written.")
    raise InputError(
        f"the image {volume.name!r} has the value {value:g} everywhere, so there is nothing to segment; check how it "
        "was written."
    )


def _note_not_finite(array: np.ndarray, notes: list[str], check: Callable[[], None]) -> None:
    if array.dtype.kind == "f":
        count = 0
        for block in blocks(array):
            check()
            count += block.size - int(np.count_nonzero(np.isfinite(block)))
        if count:
            notes.append(f"{count} voxels are not finite; they were replaced by the mean")
