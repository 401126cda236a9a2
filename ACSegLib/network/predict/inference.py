"""Prediction: a trained network over a volume of any size, in memory that does not grow with it.

Tiles run along j and i for one row after the other along k; once a row is done, the planes that no later tile touches
are finished, turned into labels, and dropped. What is kept is one row of probabilities and the labels themselves.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.compute import OutOfMemory, memory_errors, reuse_freed_memory, usable_memory
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.files.lazy import blocks, is_mapped
from ACSegLib.jobs import Progress
from ACSegLib.network.model.preprocessing import apply_statistics, shape_at, statistics_for
from ACSegLib.network.predict.backends import Array, Backend, choose_backend, make_backend
from ACSegLib.network.predict.plane_sink import Box, PlaneSink, assemble, labels_on_disk, size_of_labels
from ACSegLib.network.predict.tiling import Tiling, bytes_per_voxel, choose_tile, place_tiles
from ACSegLib.network.predict.working_grid import WorkingGrid, working_shape
from ACSegLib.volume import Segmentation, Volume

if TYPE_CHECKING:
    import torch

    from ACSegLib.network.model.model_file import Model

#: What reading, backend and statistics take, whatever the image; of the rest a quarter is freed memory that is held.
_FIXED_BYTES = 512 << 20
_COARSEST, _FINEST = 16.0, 1 / 64


@dataclass
class PredictionSettings:
    """Choices for `predict`.

    Parameters
    ----------
    device, backend, precision : str
        See `ACSegLib.network.predict.backends.make_backend`.
    tile : (k, j, i), optional
        Size of the tiles in working voxels; None takes the largest that fit.
    overlap : float
        What neighbouring tiles share, as a part of the training patch's side, 0 to 0.5.
    tta : bool
        Average over the eight mirror images: eight times slower, a little better.
    roi : ((k0, k1), (j0, j1), (i0, i1)), optional
        Voxels to predict, the ends excluded; elsewhere the result is background.
    keep_probabilities : bool
        Also give the probabilities (float16, memory-mapped).
    resample : bool
        Bring the image to the voxel size of the training.
    thin : float, optional
        Probability from which a voxel in a thin part belongs to its segment, up to 0.5: as everywhere; None: what the
        model's calibration found. See `ACSegLib.postprocess.thin_structures`.
    memory_limit : int, optional
        Bytes that may be used, the image not counted; None: 70 % of what is free.
    """

    device: str = "auto"
    backend: str = "auto"
    precision: str = "auto"
    tile: tuple[int, int, int] | None = None
    overlap: float = 0.25
    tta: bool = False
    roi: Box | None = None
    keep_probabilities: bool = False
    resample: bool = True
    thin: float | None = None
    memory_limit: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.overlap <= 0.5:
            raise InputError(f"overlap must be from 0 to 0.5, not {self.overlap}.")
        if self.thin is not None and not 0 < self.thin <= 0.5:
            raise InputError(f"thin must be above 0 and at most 0.5, not {self.thin}.")

    def thin_for(self, model: Model) -> float:
        """`thin` where it was given, else what the model's calibration found."""
        return model.thin_threshold if self.thin is None else self.thin


@dataclass
class Prediction:
    """What a network made of a volume.

    Parameters
    ----------
    segmentation : Segmentation
        On the image's grid.
    probabilities : ndarray of float16, shape (channels, k, j, i), or None
        By output channel: background first (softmax), or one a segment (sigmoid). Memory-mapped.
    report : dict
        Backend, precision, tiles, working grid, seconds, notes; plain JSON values.
    """

    segmentation: Segmentation
    probabilities: np.ndarray | None
    report: dict[str, Any] = field(default_factory=dict)


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
        If the person has asked to stop.
    """
    settings, progress = settings or PredictionSettings(), progress or Progress()
    clock = time.perf_counter()
    if model.spec["in_channels"] != 1:
        raise InputError(
            f"the model takes images of {model.spec['in_channels']} channels, but {volume.name!r} has one; "
            "choose a model trained on images like this one."
        )
    notes: list[str] = []
    progress(0.0, "examining the image")
    grid = plan_grid(volume, model, settings, notes)
    statistics = statistics_for(volume.array, model.preprocessing.get("normalisation", {"kind": "volume"}))
    _note_not_finite(volume.array, notes)
    job = _Job(volume.array, grid, model, settings, lambda array: apply_statistics(array, statistics))
    sink, backend, tiling = job.run(progress, notes)
    report = {
        "backend": backend.name,
        "backend_reason": job.reason,
        "device": backend.device,
        "precision": backend.precision,
        "tile": list(tiling.tile),
        "tiles": tiling.count,
        "working_shape": list(grid.shape),
        "region_shape": list(grid.box_shape),
        "resampled": grid.resampled,
        "mirrored": settings.tta,
        "thin_threshold": job.thin,
        "voxels": int(np.prod(grid.box_shape)),
        "estimated_memory_bytes": job.estimate(tiling, backend.name),
        "image_on_disk": not isinstance(volume.array, np.ndarray) or is_mapped(volume.array),
        "seconds": round(time.perf_counter() - clock, 3),
        "notes": notes,
    }
    segmentation, probabilities = assemble(volume, model, settings.roi, grid, sink)
    progress(1.0, "predicted")
    return Prediction(segmentation, probabilities, report)


def plan_grid(volume: Volume, model: Model, settings: PredictionSettings, notes: list[str]) -> WorkingGrid:
    """Decide where the network works: the region, and the voxel size of the training where both are known."""
    start, stop = _region(volume.shape, model, settings)
    shape = (stop[0] - start[0], stop[1] - start[1], stop[2] - start[2])
    side = model.preprocessing.get("longest_side")
    if side and settings.resample:
        shape = working_shape(shape, int(side))
    elif model.spacing is not None and settings.resample:
        if volume.geometry.unit == "px" or model.unit == "px":
            notes.append("the image tells no voxel size; it was taken to be that of the training")
        else:
            _check_spacing(volume, model)
            shape = shape_at(shape, volume.geometry, model.spacing, model.unit)
    return WorkingGrid(start, stop, shape)


def _region(
    shape: tuple[int, int, int], model: Model, settings: PredictionSettings
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Start and stop (k, j, i) of what the network sees: the ROI and a margin of surroundings."""
    if settings.roi is None:
        return (0, 0, 0), shape
    for axis, (low, high), size in zip("kji", settings.roi, shape, strict=True):
        if not 0 <= low < high <= size:
            raise InputError(f"roi {low}..{high} along {axis} must lie within 0..{size} and not be empty.")
    patch = model.preprocessing.get("patch_size") or (64, 64, 64)
    starts = [max(0, low - n // 2) for (low, _), n in zip(settings.roi, patch, strict=True)]
    stops = [min(size, high + n // 2) for (_, high), n, size in zip(settings.roi, patch, shape, strict=True)]
    return (starts[0], starts[1], starts[2]), (stops[0], stops[1], stops[2])


def _check_spacing(volume: Volume, model: Model) -> None:
    own = volume.geometry.in_unit(model.unit).spacing
    assert model.spacing is not None
    ratios = [a / b for a, b in zip(own, model.spacing, strict=True)]
    if max(ratios) > _COARSEST or min(ratios) < _FINEST:
        raise InputError(
            f"the voxels of {volume.name!r} are {own} {model.unit}, those of the training {model.spacing}: "
            "too different to be the same kind of image; correct the image's voxel size or use --no-resample."
        )


def _note_not_finite(array: np.ndarray, notes: list[str]) -> None:
    if array.dtype.kind == "f":
        count = sum(block.size - int(np.count_nonzero(np.isfinite(block))) for block in blocks(array))
        if count:
            notes.append(f"{count} voxels are not finite; they were taken as the mean")


class _Job:
    """One prediction: tries the largest tile, and smaller ones when memory runs out."""

    def __init__(
        self,
        array: np.ndarray,
        grid: WorkingGrid,
        model: Model,
        settings: PredictionSettings,
        normalise: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        self.array, self.grid, self.model, self.settings = array, grid, model, settings
        self.normalise = normalise
        choice = choose_backend(settings.device, settings.backend)
        self.kind, self.place, self.reason = choice.backend, choice.device, choice.reason
        self.notes = choice.notes
        patch = model.preprocessing.get("patch_size") or (64, 64, 64)
        self.overlap = [round(n * settings.overlap) for n in patch]
        self.thin = settings.thin_for(model)

    def estimate(self, tiling: Tiling, backend: str) -> int:
        """Bytes beyond the image itself: a tile's activations, a row of probabilities, and the labels."""
        tile = math.prod(tiling.tile)
        row = 4 * self.model.spec["out_channels"] * tiling.tile[0] * math.prod(tiling.shape[1:])
        return int(tile * bytes_per_voxel(self.model.spec, backend) + row + self._labels_bytes())

    def _labels_bytes(self) -> int:
        size = size_of_labels(self.grid, self.model, self.thin)
        return 0 if labels_on_disk(size, self.settings.memory_limit) else size

    def run(self, progress: Progress, notes: list[str]) -> tuple[PlaneSink, Backend, Tiling]:
        """Predict; gives the filled sink, and what it was done with."""
        notes += self.notes
        budget = self._budget()
        while True:
            tiling = self._tiling(budget)
            try:
                with memory_errors(), reuse_freed_memory():
                    backend = make_backend(
                        self.model, tiling.tile, device=self.place, backend=self.kind, precision=self.settings.precision
                    )
                    keep, limit = self.settings.keep_probabilities, self.settings.memory_limit
                    sink = PlaneSink(self.grid, self.model, keep, limit, self.thin)
                    self._rows(backend, tiling, sink, progress.part(0.02, 0.98))
                progress(0.98, "putting thin parts right")
                sink.finish(progress)
                return sink, backend, tiling
            except OutOfMemory as error:
                size = " x ".join(str(n) for n in tiling.tile)
                budget = self.estimate(tiling, self.kind) // 2
                if self.settings.tile is not None or not self._fits(budget):
                    raise MemoryLimitError(
                        f"a tile of {size} voxels does not fit in memory; choose a smaller --tile, or close programs."
                    ) from error
                notes.append(f"a tile of {size} voxels did not fit in memory; a smaller one was taken")
                progress(0.0, notes[-1])

    def _fits(self, budget: int) -> bool:
        try:
            self._tiling(budget)
        except MemoryLimitError:
            return False
        return True

    def _budget(self) -> int:
        if self.settings.memory_limit is not None:
            limit = int(self.settings.memory_limit)
            return max((limit - _FIXED_BYTES) * 3 // 4, limit // 4) - self._labels_bytes()
        return usable_memory(self.place) - (self._labels_bytes() if self.place == "cpu" else 0)

    def _tiling(self, budget: int) -> Tiling:
        spec, tile = self.model.spec, self.settings.tile
        if tile is None:
            return choose_tile(self.grid.shape, spec, self.overlap, budget, backend=self.kind, device=self.place)
        from ACSegLib.network.model.architecture import patch_divisor

        if any(n < 1 or n % d for n, d in zip(tile, patch_divisor(spec), strict=True)):
            raise InputError(f"tile {tuple(tile)} must be multiples of {patch_divisor(spec)} for this network.")
        return place_tiles(self.grid.shape, tile, self.overlap)

    def _rows(self, backend: Backend, tiling: Tiling, sink: PlaneSink, progress: Progress) -> None:
        on_gpu = backend.device != "cpu"
        windows: list[list[Array]] = [list(tiling.windows(axis)) for axis in range(3)]
        if on_gpu:
            import torch

            windows = [[torch.from_numpy(w).to(backend.device) for w in row] for row in windows]
        starts, (depth, height, width) = tiling.starts, tiling.shape
        size = (self.model.spec["out_channels"], min(tiling.tile[0], depth), height, width)
        rows: Array = torch.zeros(size, device=backend.device) if on_gpu else np.zeros(size, np.float32)
        tiles = self._read_ahead(tiling)
        columns = list(itertools.product(range(len(starts[1])), range(len(starts[2]))))
        for n, k in enumerate(starts[0]):
            for m, (b, c) in enumerate(columns):
                progress((n * len(columns) + m) / tiling.count, f"tile {n * len(columns) + m + 1} of {tiling.count}")
                result = self._mirrored(backend, next(tiles), progress)
                wk, wj, wi = windows[0][n], windows[1][b], windows[2][c]
                result = result[0, :, : len(wk), : len(wj), : len(wi)] * (wj[:, None] * wi)
                result *= wk[:, None, None]
                j, i = starts[1][b], starts[2][c]
                rows[:, : len(wk), j : j + len(wj), i : i + len(wi)] += result
            done = starts[0][n + 1] if n + 1 < len(starts[0]) else depth
            sink.take(rows[:, : done - k])
            shared = rows[:, done - k :] + 0  # a copy: what the next row of tiles adds to
            rows[:, : shared.shape[1]] = shared
            rows[:, shared.shape[1] :] = 0

    def _read_ahead(self, tiling: Tiling) -> Iterator[Array]:
        """Read the next tile while the network works on this one."""
        if self.place.startswith("cuda"):
            yield from self._read_ahead_to_gpu(tiling)
            return

        def read(start: tuple[int, ...]) -> np.ndarray:
            return self.grid.read(self.array, start, tiling.tile, self.normalise)[None, None]

        places = itertools.product(*tiling.starts)
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(read, next(places))
            for place in places:
                tile, ahead = ahead.result(), pool.submit(read, place)
                yield tile
            yield ahead.result()

    def _read_ahead_to_gpu(self, tiling: Tiling) -> Iterator[torch.Tensor]:
        """As `_read_ahead`; copied beside the stream that computes, so that the copy takes no time of its own."""
        import torch

        copies = torch.cuda.Stream(self.place)

        def read(start: tuple[int, ...]) -> torch.Tensor:
            tile = torch.from_numpy(self.grid.read(self.array, start, tiling.tile, self.normalise))[None, None]
            with memory_errors(), torch.cuda.stream(copies):
                tile = tile.pin_memory().to(self.place, non_blocking=True)
                copies.synchronize()
            return tile

        def handed_over(ahead: Future[torch.Tensor]) -> torch.Tensor:
            tile = ahead.result()  # its memory must not be given to a later copy while the network still reads it
            tile.record_stream(torch.cuda.current_stream(self.place))
            return tile

        places = itertools.product(*tiling.starts)
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(read, next(places))
            for place in places:
                tile, ahead = handed_over(ahead), pool.submit(read, place)
                yield tile
            yield handed_over(ahead)

    def _mirrored(self, backend: Backend, tile: Array, progress: Progress) -> Array:
        if not self.settings.tta:
            return backend(tile, progress)
        total = backend(tile, progress) + 0  # a copy: the next call may overwrite it
        for count in range(1, 4):
            for axes in itertools.combinations((2, 3, 4), count):
                total += _flipped(backend(_flipped(tile, axes), progress), axes)
        return total / 8


def _flipped(array: Array, axes: tuple[int, ...]) -> Array:
    return np.flip(array, axes) if isinstance(array, np.ndarray) else array.flip(axes)
