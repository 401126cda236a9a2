"""One prediction's work: tiles of the working grid through the network, and their probabilities into a sink.

Tiles run along j and i for one row after the other along k; once a row is done, the planes that no later tile touches
are finished and handed to the sink. What is kept is one row of probabilities.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.compute import OutOfMemory, memory_errors, reuse_freed_memory
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.geometry import size_text
from ACSegLib.jobs import Progress
from ACSegLib.network.model.preprocessing import IntensityStatistics, apply_statistics
from ACSegLib.network.predict import memory
from ACSegLib.network.predict.backends import Array, Backend, BackendUsed, choose_backend, make_backend
from ACSegLib.network.predict.estimates import Tally
from ACSegLib.network.predict.plane_sink import PlaneSink, labels_on_disk, size_of_labels
from ACSegLib.network.predict.tiling import BACKEND_BYTES, Tiling, bytes_per_voxel, choose_tile, place_tiles
from ACSegLib.network.predict.working_grid import WorkingGrid
from ACSegLib.padding import Padding
from ACSegLib.threads import in_threads

if TYPE_CHECKING:
    import torch

    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.predict.settings import PredictionSettings

#: Voxels whose values stay in the cache of the processor.
_CACHED_VOXELS = 1 << 17


@dataclass(frozen=True)
class Normalise:
    """Makes of parts of an image what a network sees of them, float32.

    Parameters
    ----------
    statistics : IntensityStatistics or None
        See `ACSegLib.network.model.preprocessing.apply_statistics`.
    dark_absorbs : bool
        Whether dark intensities absorb: the signs are changed.
    """

    statistics: IntensityStatistics | None
    dark_absorbs: bool = False

    def __call__(self, array: np.ndarray) -> np.ndarray:
        """Normalise a part of the image."""
        values = apply_statistics(array, self.own)
        return np.negative(values, out=values) if self.dark_absorbs else values

    @property
    def own(self) -> IntensityStatistics | None:
        """The statistics for the intensities that absorb."""
        dark = self.statistics.where_dark_absorbs if self.statistics is not None and self.dark_absorbs else None
        return dark or self.statistics

    @property
    def padding(self) -> Padding | None:
        """Of the image; `None` where there is none."""
        return None if self.own is None else self.own.padding

    def inverse(self) -> Normalise:
        """With the other intensities absorbing."""
        return replace(self, dark_absorbs=not self.dark_absorbs)


class Job:
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
        patch = model.preprocessing.patch
        self.overlap = [round(n * settings.overlap) for n in patch]
        self.thin = settings.thin_for(model)
        self.tally: Tally | None = None

    def estimate(self, tiling: Tiling, backend: str, precision: str = "float32") -> int:
        """Bytes beyond the image itself: the backend, a tile's activations, a row of probabilities, and the labels."""
        return BACKEND_BYTES[backend] + self.bytes_to_run(tiling, backend, precision) + self.labels_bytes()

    def bytes_to_run(self, tiling: Tiling, backend: str, precision: str = "float32") -> int:
        """Bytes of a tile's activations and of a row of probabilities."""
        tile = math.prod(tiling.tile)
        row = 4 * self.model.spec.out_channels * tiling.tile[0] * math.prod(tiling.shape[1:])
        return int(tile * bytes_per_voxel(self.model.spec, backend, precision) + row)

    def labels_bytes(self) -> int:
        """Bytes of the labels, if they are kept in memory."""
        size = size_of_labels(self.grid, self.model, self.thin)
        return 0 if labels_on_disk(size, self.settings.memory_limit) else size

    def make_sink(self) -> PlaneSink:
        """An empty sink for the planes of probabilities."""
        own = self.settings
        return PlaneSink(self.grid, self.model, own.keep_probabilities, own.memory_limit, self.thin, own.keep_working)

    def run(
        self, progress: Progress, notes: list[str], make_sink: Callable[[], Any] | None = None
    ) -> tuple[Any, Backend, Tiling]:
        """Predict; gives the filled sink, and what it was done with."""
        make_sink = make_sink or self.make_sink
        notes += self.notes
        budget = self._budget()
        stages = progress.stages(predict=98, postprocess=2)
        while True:
            tiling = self._tiling(budget)
            try:
                with memory_errors(), reuse_freed_memory():
                    backend = make_backend(
                        self.model, tiling.tile, device=self.place, backend=self.kind, precision=self.settings.precision
                    )
                    sink = make_sink()
                    self._rows(backend, tiling, sink, stages.predict)
                stages.postprocess(0.0, "restoring thin structures")
                sink.finish(stages.postprocess)
                return sink, backend, tiling
            except OutOfMemory as error:
                size = size_text(tiling.tile)
                budget = self.bytes_to_run(tiling, self.kind) // 2
                if self.settings.tile is not None or not self._fits(budget):
                    raise MemoryLimitError(
                        f"a tile of {size} voxels does not fit in memory; choose a smaller --tile, or close programs."
                    ) from error
                notes.append(f"a tile of {size} voxels did not fit in memory; a smaller one is used")
                stages.predict(0.0, notes[-1])

    def _fits(self, budget: int) -> bool:
        try:
            self._tiling(budget)
        except MemoryLimitError:
            return False
        return True

    def _budget(self) -> int:
        limit = self.settings.memory_limit
        in_main_memory = limit is not None or self.place == "cpu"
        return memory.budget(limit, self.place) - (self.labels_bytes() if in_main_memory else 0)

    def _tiling(self, budget: int) -> Tiling:
        spec, tile = self.model.spec, self.settings.tile
        if tile is None:
            return choose_tile(self.grid.shape, spec, self.overlap, budget, backend=self.kind, device=self.place)
        if any(n < 1 or n % d for n, d in zip(tile, spec.patch_divisor, strict=True)):
            raise InputError(
                f"--tile {size_text(tile)} must be multiples of {size_text(spec.patch_divisor)} for this network."
            )
        return place_tiles(self.grid.shape, tile, self.overlap)

    def _rows(self, backend: Backend, tiling: Tiling, sink: PlaneSink, progress: Progress) -> None:
        self.tally = tally = Tally(self.model.spec.out_channels, self.model.spec.overlapping)
        on_gpu = backend.device != "cpu"
        windows: list[list[Array]] = [list(tiling.windows(axis)) for axis in range(3)]
        if on_gpu:
            import torch

            windows = [[torch.from_numpy(w).to(backend.device) for w in row] for row in windows]
        starts, (depth, height, width) = tiling.starts, tiling.shape
        size = (self.model.spec.out_channels, min(tiling.tile[0], depth), height, width)
        rows: Array = torch.zeros(size, device=backend.device) if on_gpu else np.zeros(size, np.float32)
        tiles = self._read_ahead(tiling)
        columns = list(itertools.product(range(len(starts[1])), range(len(starts[2]))))
        for n, k in enumerate(starts[0]):
            for m, (b, c) in enumerate(columns):
                progress((n * len(columns) + m) / tiling.count, f"tile {n * len(columns) + m + 1} of {tiling.count}")
                wk, wj, wi = windows[0][n], windows[1][b], windows[2][c]
                result = self._mirrored(backend, next(tiles), (wk, wj, wi), tally, progress)
                j, i = starts[1][b], starts[2][c]
                place = rows[:, : len(wk), j : j + len(wj), i : i + len(wi)]
                _add_weighted(place, result[0, :, : len(wk), : len(wj), : len(wi)], (wk, wj, wi))
            done = starts[0][n + 1] if n + 1 < len(starts[0]) else depth
            sink.take(rows[:, : done - k])
            tally.add(rows[:, : done - k])
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

    def _mirrored(
        self, backend: Backend, tile: Array, windows: tuple[Array, Array, Array], tally: Tally, progress: Progress
    ) -> Array:
        if not self.settings.tta:
            return backend(tile, progress)
        total = backend(tile, progress) + 0  # a copy: the next call may overwrite it
        tally.add_mirrored(0, total[0], windows)
        turns = [axes for count in range(1, 4) for axes in itertools.combinations((2, 3, 4), count)]
        for number, axes in enumerate(turns, start=1):
            turned = _flipped(backend(_flipped(tile, axes), progress), axes)
            tally.add_mirrored(number, turned[0], windows)
            total += turned
        return total / 8


def _add_weighted(rows: Array, tile: Array, windows: tuple[Array, Array, Array]) -> None:
    """Add a tile (channels, k, j, i), weighted along its axes; a few planes at a time on a processor, in its cache."""
    wk, wj, wi = windows
    plane = wj[:, None] * wi
    if not isinstance(tile, np.ndarray):
        rows += tile * (wk[:, None, None] * plane)
        return

    def add(part: slice) -> None:
        weights = wk[part, None, None] * plane
        for row, values in zip(rows[:, part], tile[:, part], strict=True):
            row += values * weights

    step = max(1, _CACHED_VOXELS // plane.size)
    in_threads(add, [slice(k, min(k + step, len(wk))) for k in range(0, len(wk), step)])


def _flipped(array: Array, axes: tuple[int, ...]) -> Array:
    return np.flip(array, axes) if isinstance(array, np.ndarray) else array.flip(axes)


@dataclass
class Run:
    """What ran, and the sink that it filled.

    Parameters
    ----------
    grid : WorkingGrid
        The grid of what the sink was given.
    needed : int
        Bytes that it took, estimated.
    normalise : Normalise
        By which the image was read.
    regions : int, optional
        Regions of the surface that a refinement network corrected; None if there was none.
    """

    job: Job
    sink: PlaneSink
    backend: BackendUsed
    tiling: Tiling
    grid: WorkingGrid
    needed: int
    normalise: Normalise
    regions: int | None = None


def run_in_tiles(
    array: np.ndarray,
    grid: WorkingGrid,
    model: Model,
    settings: PredictionSettings,
    normalise: Normalise,
    progress: Progress,
    notes: list[str],
) -> Run:
    """Predict tile by tile, in the orientation of the image."""
    job = Job(array, grid, model, settings, normalise)
    sink, backend, tiling = job.run(progress, notes)
    used = BackendUsed.of(backend)
    return Run(job, sink, used, tiling, grid, job.estimate(tiling, used.name, used.precision), normalise)
