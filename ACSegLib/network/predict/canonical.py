"""A prediction in the canonical orientation: of models that reduce every image, and so see all of it in a tile or two.

A refinement network may correct the result on a finer grid; see `ACSegLib.network.refinement.finer_grid`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ACSegLib.compute import threads
from ACSegLib.jobs import Progress
from ACSegLib.missing_wedge import estimate_missing_wedge
from ACSegLib.network.predict import memory
from ACSegLib.network.predict.backends import Array, BackendUsed, choose_backend
from ACSegLib.network.predict.contrast import (
    SURE,
    UNKNOWN,
    looks_inverted,
    notes_on_contrast,
    notes_on_unknown_images,
    uncertainty,
)
from ACSegLib.network.predict.estimates import WIDER, Tally, is_pretrained
from ACSegLib.network.predict.job import Job, Normalise, Run
from ACSegLib.network.predict.orientation import canonical_orientation
from ACSegLib.network.predict.plane_sink import on_host, strongest
from ACSegLib.network.predict.recognition import (
    certainty_of,
    may_be_medium,
    note_on_medium,
    note_on_missing_wedge,
    note_on_no_cell,
    notes_on_uncertainty,
    why_no_cell,
)
from ACSegLib.network.predict.sharpness import VERY_BLURRED, Blur, find_blur
from ACSegLib.network.predict.slope import Slope, find_slope
from ACSegLib.network.predict.tiling import BACKEND_BYTES, Tiling
from ACSegLib.network.predict.working_grid import WorkingGrid
from ACSegLib.network.refinement.finer_grid import (
    bytes_to_correct_surface,
    correct_surface,
    corrects_on_finer_grid,
    finer_grid,
    onto,
)
from ACSegLib.threads import in_threads

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.predict.settings import PredictionSettings

#: Voxels of an image to whose grid a reduced result is brought between two looks at a cancel.
_TAKEN_VOXELS = 1 << 24
#: How much more an axis may be interpolated than another for the missing wedge to be looked for: what is interpolated
#: more lacks power up to a quarter of a period per voxel.
_MAX_UNEQUAL = 2.0


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

    Unless it is sure, the network is asked about the inverted image too; see `ACSegLib.network.predict.contrast`. Of a
    blurred image, it is asked about the sharpened one; see `ACSegLib.network.predict.sharpness`. A refinement network
    corrects the result on a finer grid; see `ACSegLib.network.refinement.finer_grid`. Where the pretrained network sees
    no cell, nothing is labelled; see `ACSegLib.network.predict.recognition`.
    """
    finer = finer_grid(grid, model) if settings.correct and corrects_on_finer_grid(model) else None
    if finer is not None and (note := _too_large_to_correct(finer, model, settings)):
        notes.append(note)
        finer = None
    weights = {
        "predict": 2,
        "predict_inverted": 2,
        "predict_sharpened": 2,
        "correct": 2 if finer else 0,
        "postprocess": 1,
    }
    stages = progress.stages(**weights)
    image, slope = _read_level(grid, array, normalise, model, progress)
    told = list[str]()
    first = _predicted(image, model, settings, stages.predict, notes)
    entropy = uncertainty(first.probabilities)
    if settings.contrast == "auto" and entropy > SURE:
        inverse = normalise.inverse()
        if inverse.own is normalise.own:
            inverted, inverted_slope = -image, slope and slope.inverse()
        else:
            inverted, inverted_slope = _read_level(grid, array, inverse, model, progress)
        other = _predicted(inverted, model, settings, stages.predict_inverted, [])
        inverted_entropy = uncertainty(other.probabilities)
        told = notes_on_contrast(entropy, inverted_entropy)
        if looks_inverted(entropy, inverted_entropy):
            first, entropy, image, normalise, slope = other, inverted_entropy, inverted, inverse, inverted_slope
        del other, inverted
    if slope is not None:
        notes.append(slope.note())
    blur, undone = _blur_of(grid, image, model, progress.check), None
    if blur is not None:
        sharpened = blur.taken_back(image, progress.check)
        other = _predicted(sharpened, model, settings, stages.predict_sharpened, [])
        if (surer := uncertainty(other.probabilities)) < entropy:
            first, entropy, image, undone = other, surer, sharpened, blur
            notes.append(blur.note(_coarseness(grid)))
        del other, sharpened
    probabilities, tally, used, regions = first.probabilities, first.tally, first.backend, None
    reason = ""
    if settings.needs_cell and is_pretrained(model):
        certainty = certainty_of(probabilities, progress.check)
        reason = why_no_cell(image, certainty, progress.check)
        told += notes_on_uncertainty(certainty)
        if not reason and may_be_medium(image, strongest(probabilities) > 0, progress.check):
            told.append(note_on_medium())
            tally = None
    if is_pretrained(model) and tally and (wider := _notes_on_intervals(grid, image, blur, progress.check)):
        told += wider
        tally.wider = WIDER
    if reason:
        probabilities, tally = _background_alone(probabilities), None
        notes.append(note_on_no_cell(reason, settings.contrast))
    else:
        notes += told + notes_on_unknown_images(entropy)
    inferring = memory.bytes_to_turn(image.size, model.spec) + first.needed
    needed = [memory.bytes_to_examine(array.shape), memory.bytes_to_read(grid)]
    if finer is not None and not reason:
        stages.correct(0.0, "bringing the result to a finer grid")
        orientation = canonical_orientation(image)
        coarse, grid = grid, finer
        image = read_whole(grid, array, normalise, progress)
        if slope is not None:
            slope.subtract(image)
        if undone is not None:
            image = undone.taken_back(image, progress.check)
        image = np.ascontiguousarray(orientation.enter(image))
        stages.correct.check()
        turned = onto(np.ascontiguousarray(orientation.enter(probabilities)), image.shape)
        stages.correct.check()
        is_finer = grid.shape != coarse.shape
        turned, regions = correct_surface(image, turned, model, settings, stages.correct, is_finer)
        probabilities = np.ascontiguousarray(orientation.leave(turned))
        correcting = bytes_to_correct_surface(image.size, model, used.name, used.precision)
        needed += [memory.bytes_to_read(grid), correcting]
        del image, turned
    worked, grid = grid, grid.no_finer()
    if grid is not worked:
        probabilities = onto(probabilities, grid.shape)
    job = Job(array, grid, model, settings, normalise)
    job.tally = tally if entropy <= UNKNOWN else None
    needed.append(memory.bytes_to_label(grid, model.spec) + job.labels_bytes())
    sink = job.make_sink()
    planes = max(1, int(_TAKEN_VOXELS * grid.shape[0] / math.prod(grid.box_shape)))
    for start in range(0, grid.shape[0], planes):
        stages.postprocess.check()
        sink.take(probabilities[:, start : start + planes])
    sink.finish(stages.postprocess)
    return Run(
        job, sink, used, first.tiling, worked, max(inferring, memory.KEPT_BYTES + max(needed)), normalise, regions
    )


def _read_level(
    grid: WorkingGrid, array: np.ndarray, normalise: Normalise, model: Model, progress: Progress
) -> tuple[np.ndarray, Slope | None]:
    """Read all of the working grid, without the slope of the intensities: the pretrained network has seen none."""
    image = read_whole(grid, array, normalise, progress)
    slope = find_slope(image, progress.check) if is_pretrained(model) else None
    if slope is not None:
        slope.subtract(image)
    return image, slope


def _blur_of(grid: WorkingGrid, image: np.ndarray, model: Model, check: Callable[[], None]) -> Blur | None:
    """Blur of an image that the pretrained network shall see; an interpolated one is blurred by that, noise and all."""
    return find_blur(image, check) if is_pretrained(model) and grid.no_finer() is grid else None


def _notes_on_intervals(
    grid: WorkingGrid, image: np.ndarray, blur: Blur | None, check: Callable[[], None]
) -> list[str]:
    """Sentences on why the network may be surer than it is right.

    A missing wedge shows in fine structure alone, which blur hides.
    """
    if blur is not None:
        return [blur.note_on_intervals(_coarseness(grid))] if blur.edges > VERY_BLURRED else []
    finer = [n / m for n, m in zip(grid.shape, grid.box_shape, strict=True)]
    angle, axis = estimate_missing_wedge(image, check=check) if max(finer) <= _MAX_UNEQUAL * min(finer) else (0.0, 0)
    return [note_on_missing_wedge(angle, axis)] if angle else []


def _coarseness(grid: WorkingGrid) -> float:
    """Side of a working voxel, in voxels of the image."""
    return float((math.prod(grid.box_shape) / math.prod(grid.shape)) ** (1 / 3))


def _background_alone(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities (channels, k, j, i) of an image without a segment."""
    nothing = np.zeros_like(probabilities)
    nothing[0] = 1
    return nothing


def _too_large_to_correct(grid: WorkingGrid, model: Model, settings: PredictionSettings) -> str:
    """Why the refinement network will not run, known before anything is predicted; or nothing."""
    kind = choose_backend(settings.device, settings.backend).backend
    needed = bytes_to_correct_surface(math.prod(grid.shape), model, kind)
    allowed = memory.budget(settings.memory_limit)
    if needed <= allowed:
        return ""
    return (
        f"the refinement network did not run: it needs {needed / 2**30:.2g} GiB and {max(allowed, 0) / 2**30:.2g} GiB "
        "may be used; close other programs, or allow more by --memory"
    )


def read_whole(grid: WorkingGrid, array: np.ndarray, normalise: Normalise, progress: Progress) -> np.ndarray:
    """Read all of the working grid, block by block: a large image may not fit in memory, its reduction does."""
    coarseness = math.prod(grid.box_shape) / math.prod(grid.shape)
    block, most = list(grid.shape), memory.READ_VOXELS / threads()
    for axis in range(3):
        others = math.prod(block) // block[axis]
        block[axis] = max(1, min(block[axis], int(most / (coarseness * others))))
    starts = [range(0, n, b) for n, b in zip(grid.shape, block, strict=True)]
    image = np.empty(grid.shape, np.float32)

    def read(start: tuple[int, ...]) -> None:
        size = tuple(min(b, n - s) for b, n, s in zip(block, grid.shape, start, strict=True))
        place = tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))
        image[place] = grid.read(array, start, size, normalise)

    in_threads(read, list(itertools.product(*starts)), progress.check)
    return image


@dataclass
class _Predicted:
    """What the main network makes of an image on the working grid; `needed` are bytes."""

    probabilities: np.ndarray
    tally: Tally | None
    backend: BackendUsed
    tiling: Tiling
    needed: int


def _predicted(
    image: np.ndarray, model: Model, settings: PredictionSettings, progress: Progress, notes: list[str]
) -> _Predicted:
    """Probabilities (channels, k, j, i) of an image on the working grid, by way of its canonical orientation."""
    orientation = canonical_orientation(image)
    turned = np.ascontiguousarray(orientation.enter(image))
    # A reduced image is small, so that the mean over its mirror images, which is better, takes a second or two.
    within = replace(settings, keep_probabilities=False, keep_working=False, roi=None, tta=True)
    inner = WorkingGrid((0, 0, 0), turned.shape, turned.shape)
    collected = _Collected()
    job = Job(turned, inner, model, within, lambda part: part)
    _, backend, tiling = job.run(progress, notes, lambda: collected.empty())
    used = BackendUsed.of(backend)
    needed = BACKEND_BYTES[used.name] + job.bytes_to_run(tiling, used.name, used.precision)
    return _Predicted(np.ascontiguousarray(orientation.leave(collected.array)), job.tally, used, tiling, needed)


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
