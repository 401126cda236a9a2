"""From finished planes of probabilities to labels on the image's grid, and to a segmentation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.compute import threads, usable_memory
from ACSegLib.files.lazy import scratch
from ACSegLib.jobs import Progress
from ACSegLib.network.predict.working_grid import WorkingGrid
from ACSegLib.network.predict.working_probabilities import InterpolatedChannel
from ACSegLib.postprocess.rules import Labelling, RestoreThinStructures, apply_rules
from ACSegLib.threads import chunks_of, in_threads
from ACSegLib.volume import Segmentation, Volume, label_dtype

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model

#: Voxels that are labelled at a time.
LABELLED_VOXELS = 1 << 21
#: Labels that need more than this part of the memory are kept in a mapped file.
_LABELS_SHARE = 0.25
#: A numpy array on a processor, a torch tensor on a GPU.
Array = Any
Box = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def labels_on_disk(size: int, limit: int | None = None) -> bool:
    """Whether labels of `size` bytes are kept in a mapped file instead of memory, of which `limit` may be used."""
    return size > _LABELS_SHARE * (limit or usable_memory())


def size_of_labels(grid: WorkingGrid, model: Model, thin: float) -> int:
    """Bytes of the labels, a layer a segment where segments may overlap, and of the candidates for thin structures."""
    channels, sigmoid = model.spec.out_channels, model.spec.overlapping
    layers = channels if sigmoid else 1 + (thin < 0.5)
    return layers * math.prod(grid.box_shape) * np.dtype(_type_of_labels(channels)).itemsize


def _type_of_labels(channels: int) -> np.dtype:
    """The type of channel numbers."""
    return label_dtype([channels - 1])


class PlaneSink:
    """Takes finished working planes, brings them to the image's grid, and keeps labels (and probabilities)."""

    def __init__(
        self,
        grid: WorkingGrid,
        model: Model,
        keep_probabilities: bool,
        memory_limit: int | None = None,
        thin: float = 0.5,
        keep_working: bool = False,
    ) -> None:
        self.grid = grid
        self.sigmoid = model.spec.overlapping
        channels = model.spec.out_channels
        shape = grid.box_shape
        dtype = _type_of_labels(channels)
        layers = (channels if self.sigmoid else 1, *shape)
        on_disk = labels_on_disk(size_of_labels(grid, model, thin), memory_limit)
        self.classes = scratch(layers, dtype) if on_disk else np.zeros(layers, dtype)
        interpolates = keep_working and grid.resampled and grid.finer_axes is not None
        keep_probabilities |= keep_working and not interpolates
        self.probabilities = scratch_array((channels, *shape)) if keep_probabilities else None
        #: Working planes, if they are kept instead of the probabilities of the image's grid.
        self._working: list[np.ndarray] | None = [] if interpolates else None
        self._thin = 0.5 if self.sigmoid else thin
        bulky = model.preprocessing.without_thin or ()
        #: Classes whose voxels may be restored in thin structures.
        self._may_be_thin = np.array([False, *(segment.name not in bulky for segment in model.segments)])
        self._candidates = (scratch if on_disk else np.zeros)(shape, dtype) if self._thin < 0.5 else None
        self._pending = np.zeros((channels, 0, *grid.shape[1:]), np.float32)
        self._first = self._written = self._received = 0
        #: Whether planes can be labelled as they are interpolated, and their probabilities be forgotten.
        self._labels_alone = grid.finer_axes is not None and not self.sigmoid and self.probabilities is None

    def take(self, planes: Array) -> None:
        """Take the next working planes, (channels, n, j, i) probabilities: an array, or a tensor on a GPU."""
        if not self.grid.resampled:
            step = max(1, LABELLED_VOXELS // max(1, math.prod(planes.shape[2:])))
            for start in range(0, planes.shape[1], step):
                self._write(planes[:, start : start + step])
            return
        self._received += planes.shape[1]
        planes = on_host(planes)
        if self._working is not None:
            self._working.append(planes.copy())
        self._pending = np.concatenate([self._pending, planes], axis=1)
        ready = self.grid.planes_ready(self._received)
        if self._labels_alone:
            self._label(self._written, ready)
        else:
            step = max(1, LABELLED_VOXELS // math.prod(self.grid.box_shape[1:]))
            for start in range(self._written, ready, step):
                stop = min(start + step, ready)
                self._write(self.grid.back(self._pending, self._first, start, stop))
        keep = max(self._first, min(self.grid.first_needed(ready), self._received))
        self._pending = self._pending[:, keep - self._first :].copy()
        self._first = keep

    def _label(self, start: int, stop: int) -> None:
        """Label planes of the image's grid, from the pending working planes."""
        from ACSegLib.network.predict.interpolation_kernels import label_planes

        self._written = stop
        source, axes, thin = self._pending, self.grid.finer_axes, self._may_be_thin
        assert axes is not None

        def label(part: slice) -> None:
            candidates = self.classes[0, :0] if self._candidates is None else self._candidates[part]
            classes = self.classes[0, part]
            label_planes(source, *axes, self._first, part.start, self._thin, thin, classes, candidates)

        thickness = max(1, -(-(stop - start) // threads()))
        in_threads(label, [slice(k, min(k + thickness, stop)) for k in range(start, stop, thickness)])

    def _write(self, slab: Array) -> None:
        """Keep what the next planes of the image's grid, (channels, n, j, i), are."""
        first, count = self._written, slab.shape[1]
        self._written += count
        thickness = -(-count // threads()) if isinstance(slab, np.ndarray) else count

        def keep(start: int) -> None:
            part = slab[:, start : start + thickness]
            self._keep(part, slice(first + start, first + start + part.shape[1]))

        in_threads(keep, range(0, count, thickness))

    def _keep(self, slab: Array, place: slice) -> None:
        classes = (slab > 0.5) if self.sigmoid else strongest(slab)[None]
        self.classes[:, place] = on_host(classes)
        if self._candidates is not None:
            segments, in_memory = slab[1:], isinstance(slab, np.ndarray)
            top = segments.max(0) if in_memory else segments.amax(0)
            nearly = (self.classes[0, place] == 0) & on_host(top > self._thin)
            likeliest = 1 + (segments[:, nearly].argmax(0) if in_memory else on_host(segments.argmax(0))[nearly])
            self._candidates[place][nearly] = likeliest * self._may_be_thin[likeliest]
        if self.probabilities is not None:
            self.probabilities[:, place] = on_host(slab)

    def interpolated(self) -> list[InterpolatedChannel] | None:
        """Probabilities of each channel, interpolated where they are asked for; None without working planes."""
        if self._working is None:
            return None
        k, j, i = (slice(a, b) for a, b in zip(self.grid.start, self.grid.stop, strict=True))
        whole = np.concatenate(self._working, axis=1)
        return [InterpolatedChannel(self.grid, channel, (k, j, i)) for channel in whole]

    def finish(self, progress: Progress) -> int:
        """Once all planes are there: restore thin structures; gives how many voxels that changed."""
        if self._candidates is None:
            return 0
        labelling = Labelling(self.classes[0], self._candidates)
        return apply_rules([RestoreThinStructures(self._thin)], labelling, progress)


def on_host(array: Array) -> np.ndarray:
    """The array itself, or a tensor's values as one."""
    return array if isinstance(array, np.ndarray) else array.cpu().numpy()


def strongest(slab: Array) -> Array:
    """Channel of the largest of the probabilities (channels, n, j, i), the first of equals; shape (n, j, i).

    On a CPU, argmax over the few channels of the first axis takes ten times as long as comparing plane by plane, and
    arithmetic on one plane in the cache a sixth of a masked assignment.
    """
    if not isinstance(slab, np.ndarray):
        return slab.argmax(0)
    classes = np.zeros(slab.shape[1:], _type_of_labels(slab.shape[0]))

    def compare(part: slice) -> None:
        for plane, values in zip(classes[part], slab[:, part].swapaxes(0, 1), strict=True):
            best = values[0].copy()
            for channel in range(1, len(values)):
                plane += (values[channel] > best) * (classes.dtype.type(channel) - plane)
                np.maximum(best, values[channel], out=best)

    in_threads(compare, chunks_of(classes))
    return classes


def scratch_array(shape: tuple[int, ...]) -> np.ndarray:
    """A float16 array in a file that vanishes with it; MemoryLimitError if the disk has no room for it."""
    return scratch(shape, np.float16)


def assemble(
    volume: Volume, model: Model, roi: Box | None, grid: WorkingGrid, sink: PlaneSink
) -> tuple[Segmentation, np.ndarray | None]:
    """Cut to the ROI, and give classes their segments' values."""
    whole = roi is None
    roi = roi or ((0, volume.shape[0]), (0, volume.shape[1]), (0, volume.shape[2]))
    place = tuple(slice(a, b) for a, b in roi)
    inner = tuple(slice(a - s, b - s) for (a, b), s in zip(roi, grid.start, strict=True))
    values = [s.value for s in model.segments]
    dtype = label_dtype(values)
    probabilities = sink.probabilities
    if probabilities is not None and not whole:
        full = scratch_array((probabilities.shape[0], *volume.shape))
        full[(slice(None), *place)] = probabilities[(slice(None), *inner)]
        probabilities = full

    def at_home(part: np.ndarray) -> np.ndarray:
        if whole:
            return part
        full = (scratch if labels_on_disk(math.prod(volume.shape)) else np.zeros)(volume.shape, part.dtype)
        full[place] = part[inner]
        return full

    if sink.sigmoid:
        masks = [at_home(c) for c in sink.classes]
        return Segmentation.from_masks(masks, model.segments, volume.geometry, volume.name), probabilities
    table = np.array([0, *values], dtype)
    labels = sink.classes[0] if sink.classes.dtype == dtype else sink.classes[0].astype(dtype)
    if not np.array_equal(table, np.arange(len(table))):
        for plane in labels:  # in place: a second volume of labels may not fit
            plane[...] = table[plane]
    return Segmentation((at_home(labels),), list(model.segments), volume.geometry, volume.name), probabilities
