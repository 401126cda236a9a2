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

from ACSegLib.compute import OutOfMemory, memory_errors, reuse_freed_memory, usable_memory
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.jobs import Progress
from ACSegLib.network.predict.backends import Array, Backend, choose_backend, make_backend
from ACSegLib.network.predict.contrast import (
    SURE,
    UNKNOWN,
    looks_inverted,
    notes_on_contrast,
    notes_on_unknown_images,
    uncertainty,
)
from ACSegLib.network.predict.estimates import Tally, is_pretrained
from ACSegLib.network.predict.orientation import canonical_orientation
from ACSegLib.network.predict.plane_sink import PlaneSink, labels_on_disk, on_host, size_of_labels
from ACSegLib.network.predict.recognition import certainty_of, note_on_no_cell, notes_on_uncertainty, why_no_cell
from ACSegLib.network.predict.tiling import Tiling, bytes_per_voxel, choose_tile, place_tiles
from ACSegLib.network.predict.working_grid import WorkingGrid
from ACSegLib.network.refinement.finer_grid import correct_surface, corrects_on_finer_grid, finer_grid, onto

if TYPE_CHECKING:
    import torch

    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.predict.settings import PredictionSettings

#: What reading, backend and statistics take, whatever the image; of the rest a quarter is freed memory that is held.
_FIXED_BYTES = 512 << 20
#: Voxels of an image that are read at a time to reduce it.
_BLOCK_VOXELS = 1 << 25
#: Voxels of an image to whose grid a reduced result is brought between two looks at a cancel.
_TAKEN_VOXELS = 1 << 22
Normalise = Callable[[np.ndarray], np.ndarray]


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

    def estimate(self, tiling: Tiling, backend: str) -> int:
        """Bytes beyond the image itself: a tile's activations, a row of probabilities, and the labels."""
        tile = math.prod(tiling.tile)
        row = 4 * self.model.spec.out_channels * tiling.tile[0] * math.prod(tiling.shape[1:])
        return int(tile * bytes_per_voxel(self.model.spec, backend) + row + self._labels_bytes())

    def _labels_bytes(self) -> int:
        size = size_of_labels(self.grid, self.model, self.thin)
        return 0 if labels_on_disk(size, self.settings.memory_limit) else size

    def make_sink(self) -> PlaneSink:
        """An empty sink for the planes of probabilities."""
        return PlaneSink(self.grid, self.model, self.settings.keep_probabilities, self.settings.memory_limit, self.thin)

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
                size = " x ".join(str(n) for n in tiling.tile)
                budget = self.estimate(tiling, self.kind) // 2
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
        if self.settings.memory_limit is not None:
            limit = int(self.settings.memory_limit)
            return max((limit - _FIXED_BYTES) * 3 // 4, limit // 4) - self._labels_bytes()
        return usable_memory(self.place) - (self._labels_bytes() if self.place == "cpu" else 0)

    def _tiling(self, budget: int) -> Tiling:
        spec, tile = self.model.spec, self.settings.tile
        if tile is None:
            return choose_tile(self.grid.shape, spec, self.overlap, budget, backend=self.kind, device=self.place)
        if any(n < 1 or n % d for n, d in zip(tile, spec.patch_divisor, strict=True)):
            raise InputError(f"tile {tuple(tile)} must be multiples of {spec.patch_divisor} for this network.")
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
    """Add a tile (channels, k, j, i), weighted along its axes; plane by plane on a processor, in its cache."""
    wk, wj, wi = windows
    plane = wj[:, None] * wi
    if not isinstance(tile, np.ndarray):
        rows += tile * (wk[:, None, None] * plane)
        return
    for k, weight in enumerate(wk):
        weights = weight * plane
        for channel in range(len(tile)):
            rows[channel, k] += tile[channel, k] * weights


def _flipped(array: Array, axes: tuple[int, ...]) -> Array:
    return np.flip(array, axes) if isinstance(array, np.ndarray) else array.flip(axes)


@dataclass
class Run:
    """What ran, and the sink that it filled.

    Parameters
    ----------
    grid : WorkingGrid
        The grid of what the sink was given.
    regions : int, optional
        Regions of the surface that a refinement network corrected; None if there was none.
    """

    job: Job
    sink: PlaneSink
    backend: Backend
    tiling: Tiling
    grid: WorkingGrid
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
    return Run(job, *job.run(progress, notes), grid)


def run_canonical(
    array: np.ndarray,
    grid: WorkingGrid,
    model: Model,
    settings: PredictionSettings,
    normalise: Normalise,
    progress: Progress,
    notes: list[str],
) -> Run:
    """Read the reduced image as a whole, predict it in its canonical orientation, and turn the result back.

    Unless it is sure, the network is asked about the inverted image too; see `ACSegLib.network.predict.contrast`. A
    refinement network corrects the result on a finer grid; see `ACSegLib.network.refinement.finer_grid`. Where the
    pretrained network sees no cell, nothing is labelled; see `ACSegLib.network.predict.recognition`.
    """
    corrects = settings.correct and corrects_on_finer_grid(model)
    stages = progress.stages(predict=2, predict_inverted=2, correct=2 if corrects else 0, postprocess=1)
    image = read_whole(grid, array, normalise, progress)
    direction, told = 1, list[str]()
    probabilities, tally, backend, tiling = _probabilities_of(image, model, settings, stages.predict, notes)
    entropy = uncertainty(probabilities)
    if settings.contrast == "auto" and entropy > SURE:
        other, other_tally, *_ = _probabilities_of(-image, model, settings, stages.predict_inverted, [])
        inverted_entropy = uncertainty(other)
        told = notes_on_contrast(entropy, inverted_entropy)
        if looks_inverted(entropy, inverted_entropy):
            probabilities, tally, entropy = other, other_tally, inverted_entropy
            direction = -1
    reason = ""
    if settings.needs_cell and is_pretrained(model):
        certainty = certainty_of(probabilities)
        reason = why_no_cell(image, certainty)
        told += notes_on_uncertainty(certainty)
    if reason:
        probabilities, tally = _background_alone(probabilities), None
        notes.append(note_on_no_cell(reason))
    else:
        notes += told + notes_on_unknown_images(entropy)
    regions = None
    if corrects and not reason:
        stages.correct(0.0, "bringing the result to a finer grid")
        orientation = canonical_orientation(direction * image)
        coarse, grid = grid, finer_grid(grid, model)
        image = orientation.apply(direction * read_whole(grid, array, normalise, progress))
        turned = onto(np.ascontiguousarray(orientation.apply(probabilities)), image.shape)
        stages.correct.check()
        finer = grid.shape != coarse.shape
        turned, regions = correct_surface(np.ascontiguousarray(image), turned, model, settings, stages.correct, finer)
        probabilities = np.ascontiguousarray(orientation.undo(turned))
    job = Job(array, grid, model, settings, normalise)
    job.tally = tally if entropy <= UNKNOWN else None
    sink = job.make_sink()
    planes = max(1, int(_TAKEN_VOXELS * grid.shape[0] / math.prod(grid.box_shape)))
    for start in range(0, grid.shape[0], planes):
        stages.postprocess.check()
        sink.take(probabilities[:, start : start + planes])
    sink.finish(stages.postprocess)
    return Run(job, sink, backend, tiling, grid, regions)


def _background_alone(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities (channels, k, j, i) of an image without a segment."""
    nothing = np.zeros_like(probabilities)
    nothing[0] = 1
    return nothing


def read_whole(grid: WorkingGrid, array: np.ndarray, normalise: Normalise, progress: Progress) -> np.ndarray:
    """Read all of the working grid, block by block: a large image may not fit in memory, its reduction does."""
    coarseness = math.prod(grid.box_shape) / math.prod(grid.shape)
    block = list(grid.shape)
    for axis in range(3):
        others = math.prod(block) // block[axis]
        block[axis] = max(1, min(block[axis], int(_BLOCK_VOXELS / (coarseness * others))))
    image = np.empty(grid.shape, np.float32)
    for start in itertools.product(*(range(0, n, b) for n, b in zip(grid.shape, block, strict=True))):
        progress.check()
        size = tuple(min(b, n - s) for b, n, s in zip(block, grid.shape, start, strict=True))
        place = tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))
        image[place] = grid.read(array, start, size, normalise)
    return image


def _probabilities_of(
    image: np.ndarray, model: Model, settings: PredictionSettings, progress: Progress, notes: list[str]
) -> tuple[np.ndarray, Tally | None, Backend, Tiling]:
    """Probabilities (channels, k, j, i) of an image on the working grid, by way of its canonical orientation."""
    orientation = canonical_orientation(image)
    turned = np.ascontiguousarray(orientation.apply(image))
    # A reduced image is small, so that the mean over its mirror images, which is better, takes a second or two.
    within = replace(settings, keep_probabilities=False, roi=None, tta=True)
    inner = WorkingGrid((0, 0, 0), turned.shape, turned.shape)
    collected = _Collected()
    job = Job(turned, inner, model, within, lambda part: part)
    _, backend, tiling = job.run(progress, notes, lambda: collected.empty())
    return np.ascontiguousarray(orientation.undo(collected.array)), job.tally, backend, tiling


class _Collected:
    """Takes planes of probabilities, and keeps them as one array (channels, k, j, i)."""

    def __init__(self) -> None:
        self._planes: list[np.ndarray] = []

    def empty(self) -> _Collected:
        """Drop what was taken, for another try."""
        self._planes.clear()
        return self

    def take(self, planes: Array) -> None:
        """Take the next planes."""
        self._planes.append(np.array(on_host(planes)))

    def finish(self, progress: Progress) -> int:
        """Nothing is left to do."""
        return 0

    @property
    def array(self) -> np.ndarray:
        """All planes."""
        return np.concatenate(self._planes, axis=1)
