"""The grid on which a network works, and the way to it and back, part by part: never a whole volume at a time.

Voxels are taken as boxes that fill space: coarser voxels are the mean of what they cover, finer ones are interpolated
linearly between centres, each axis by itself. One sparse matrix an axis holds the weights, so a part of the result
needs only the planes that its rows name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.geometry import Geometry
from ACSegLib.network.model.preprocessing import Preprocessing
from ACSegLib.threads import chunks_of, in_threads

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


#: Ratio of the longest side of a voxel to the shortest from which on a network is shown cubes instead, and beyond which
#: the voxel size must be wrong.
UNEQUAL, IMPOSSIBLE = 1.1, 8.0
#: Voxels a side of a network's grid over those of an image, between which the image is interpolated to the grid. Below,
#: nothing is gained. Above, the image shows too little, and the network would be surer than it is right.
ENLARGED = 2.0, 3.5


def ratio_of_sides(geometry: Geometry) -> float:
    """Longest side of a voxel over the shortest."""
    return max(geometry.spacing) / min(geometry.spacing)


def sides_of_voxels(geometry: Geometry) -> tuple[float, float, float]:
    """Sides (k, j, i) of a voxel over its shortest one; 1 each if they hardly differ, or too much to be right."""
    if not UNEQUAL <= ratio_of_sides(geometry) <= IMPOSSIBLE:
        return 1.0, 1.0, 1.0
    i, j, k = (side / min(geometry.spacing) for side in geometry.spacing)
    return k, j, i


def in_cubes(shape: Sequence[int], sides: Sequence[float]) -> tuple[int, int, int]:
    """Shape (k, j, i) of a box in cubes of side 1, from the `sides` (k, j, i) of its voxels."""
    k, j, i = (max(1, round(n * side)) for n, side in zip(shape, sides, strict=True))
    return k, j, i


def enlargement(shape: Sequence[int], mean_side: float) -> float:
    """By what an image of `shape` (k, j, i) is enlarged for a network that expects `mean_side` voxels; 1: it is not."""
    factor = mean_side / math.prod(shape) ** (1 / 3)
    return factor if ENLARGED[0] <= factor <= ENLARGED[1] else 1.0


def working_shape(shape: Sequence[int], longest_side: int) -> tuple[int, int, int]:
    """Shape (k, j, i) reduced so that no side exceeds `longest_side`; the aspect is kept, and nothing is enlarged."""
    factor = min(1.0, longest_side / max(shape))
    k, j, i = (max(1, round(n * factor)) for n in shape)
    return k, j, i


def reduced_shape(shape: Sequence[int], preprocessing: Preprocessing) -> tuple[int, int, int] | None:
    """Shape (k, j, i) that a model reduces any image to; None if it takes images at a voxel size or as they are.

    Parameters
    ----------
    preprocessing : Preprocessing
        Of the model: ``longest_side``, or ``mean_side``, the geometric mean of the sides. Nothing is enlarged.
    """
    if preprocessing.longest_side:
        return working_shape(shape, preprocessing.longest_side)
    if preprocessing.mean_side:
        factor = min(1.0, float(preprocessing.mean_side) / math.prod(shape) ** (1 / 3))
        k, j, i = (max(1, round(n * factor)) for n in shape)
        return k, j, i
    return None


def axis_weights(size: int, wanted: int) -> csr_matrix:
    """Weights that resample an axis of `size` voxels to `wanted` voxels over the same length.

    Returns
    -------
    csr_matrix, shape (wanted, size), float32
        Rows sum to 1. Coarser: shares of overlap; finer: linear between centres, constant beyond the outer ones.
    """
    from scipy.sparse import coo_matrix

    ratio = size / wanted
    rows, columns, values = [], [], []
    if ratio > 1:
        for n in range(wanted):
            low, high = n * ratio, min((n + 1) * ratio, size)
            inside = np.arange(int(low), int(np.ceil(high - 1e-9)))
            share = np.minimum(inside + 1, high) - np.maximum(inside, low)
            rows += [n] * len(inside)
            columns += inside.tolist()
            values += (share / share.sum()).tolist()
    else:
        at = np.clip((np.arange(wanted) + 0.5) * ratio - 0.5, 0, size - 1)
        low = np.minimum(at.astype(int), max(size - 2, 0))
        for index, share in ((low, 1 - (at - low)), (np.minimum(low + 1, size - 1), at - low)):
            rows += list(range(wanted))
            columns += index.tolist()
            values += share.tolist()
    matrix = coo_matrix((np.array(values, np.float32), (rows, columns)), shape=(wanted, size)).tocsr()
    matrix.eliminate_zeros()
    return matrix


def support(weights: csr_matrix, start: int, stop: int) -> tuple[int, int]:
    """Range of source planes that rows `start` to `stop` need."""
    columns = weights.indices[weights.indptr[start] : weights.indptr[stop]]
    return int(columns.min()), int(columns.max()) + 1


def two_weights(weights: csr_matrix | None, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Weights with at most two neighbouring entries a row, for `ACSegLib.network.predict.interpolation_kernels`.

    Parameters
    ----------
    weights : csr_matrix or None
        None stands for an axis of `size` voxels that stays as it is.

    Returns
    -------
    tuple of ndarray, or None
        First column (uint32) of each row, its weight, and that of the next column (float32); None if a row has more
        entries, as where an axis becomes coarser.
    """
    if weights is None:
        return np.arange(size, dtype=np.uint32), np.ones(size, np.float32), np.zeros(size, np.float32)
    starts, counts = weights.indptr[:-1], np.diff(weights.indptr)
    if counts.max() > 2:
        return None
    last = starts + counts - 1
    second = np.where(counts > 1, weights.data[last], np.float32(0))
    return weights.indices[starts].astype(np.uint32), weights.data[starts], second.astype(np.float32)


def resample_axis(array: np.ndarray, weights: csr_matrix, axis: int) -> np.ndarray:
    """Apply weights along one axis of a float32 array."""
    moved = np.moveaxis(array, axis, 0)
    flat = weights @ np.ascontiguousarray(moved).reshape(moved.shape[0], -1)
    return np.moveaxis(flat.reshape(weights.shape[0], *moved.shape[1:]), 0, axis)


@dataclass
class WorkingGrid:
    """The grid of the network over a box of an image.

    Parameters
    ----------
    start, stop : tuple of int
        The box of the image, (k, j, i).
    shape : tuple of int
        Working voxels of the box, (k, j, i).
    sides : tuple of float
        Of a voxel of the image, (k, j, i), in the finest working voxels that are wanted: see `sides_of_voxels` and
        `enlargement`.
    """

    start: tuple[int, int, int]
    stop: tuple[int, int, int]
    shape: tuple[int, int, int]
    sides: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        sizes = self.box_shape
        self.resampled = sizes != self.shape
        self._forward = [axis_weights(n, m) if n != m else None for n, m in zip(sizes, self.shape, strict=True)]
        self._back = [axis_weights(m, n) if n != m else None for n, m in zip(sizes, self.shape, strict=True)]
        axes = [two_weights(weights, n) for weights, n in zip(self._back, sizes, strict=True)]
        #: How each axis is interpolated on the way back; None if one of them becomes coarser.
        finer = [axis for axis in axes if axis is not None]
        self.finer_axes = finer if len(finer) == len(axes) else None

    @property
    def box_shape(self) -> tuple[int, int, int]:
        """Image voxels of the box, (k, j, i)."""
        k, j, i = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return k, j, i

    def no_finer(self) -> WorkingGrid:
        """This grid, but along no axis finer than the image."""
        k, j, i = (min(n, m) for n, m in zip(self.shape, self.box_shape, strict=True))
        return self if (k, j, i) == self.shape else WorkingGrid(self.start, self.stop, (k, j, i), self.sides)

    def read(
        self, array: Any, start: tuple[int, ...], size: tuple[int, ...], normalise: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray:
        """Read a tile of the working grid, float32, shape `size`; beyond the grid its edge is repeated.

        Parameters
        ----------
        array : array-like
            The whole image; only the slices that are needed are taken (numpy, memory map, or Zarr).
        normalise : callable
            Turns image values into the network's.
        """
        stop = [min(a + n, m) for a, n, m in zip(start, size, self.shape, strict=True)]
        source = []
        for axis, weights in enumerate(self._forward):
            low, high = (start[axis], stop[axis]) if weights is None else support(weights, start[axis], stop[axis])
            source.append((low, high))
        place = tuple(slice(a + low, a + high) for a, (low, high) in zip(self.start, source, strict=True))
        tile = normalise(np.asarray(array[place]))
        for axis in sorted(range(3), key=lambda axis: self.shape[axis] > self.box_shape[axis]):  # what grows comes last
            weights = self._forward[axis]
            if weights is not None:
                low, high = source[axis]
                tile = resample_axis(tile, weights[start[axis] : stop[axis], low:high], axis)
        missing = [(0, n - (b - a)) for a, b, n in zip(start, stop, size, strict=True)]
        return np.pad(tile, missing, mode="edge") if any(after for _, after in missing) else tile

    def planes_ready(self, done: int) -> int:
        """Number of image planes of the box that `done` finished working planes determine."""
        weights = self._back[0]
        if weights is None or done >= self.shape[0]:
            return done if weights is None else self.box_shape[0]
        last = np.maximum.reduceat(weights.indices, weights.indptr[:-1])
        return int(np.searchsorted(last, done))

    def first_needed(self, plane: int) -> int:
        """First working plane that image plane `plane` of the box and those after it need."""
        weights = self._back[0]
        if weights is None or plane >= self.box_shape[0]:
            return min(plane, self.shape[0]) if weights is None else self.shape[0]
        return support(weights, plane, plane + 1)[0]

    def back(self, slab: np.ndarray, first: int, start: int, stop: int) -> np.ndarray:
        """Bring working planes to image planes `start` to `stop` of the box.

        Parameters
        ----------
        slab : ndarray, shape (channels, planes, j, i), float32
            Working planes from `first` on.

        Returns
        -------
        ndarray, shape (channels, stop - start, j, i), float32
        """
        if self.finer_axes is not None:
            return self._interpolated(slab, first, start, stop)
        if self._back[0] is None:
            slab = slab[:, start - first : stop - first]
        else:
            low, high = support(self._back[0], start, stop)
            slab = slab[:, low - first : high - first]
            slab = resample_axis(slab, self._back[0][start:stop, low:high], 1)
        for axis in (1, 2):
            weights = self._back[axis]
            if weights is not None:
                slab = resample_axis(slab, weights, axis + 1)
        return slab

    def _interpolated(self, slab: np.ndarray, first: int, start: int, stop: int) -> np.ndarray:
        out = np.empty((len(slab), stop - start, *self.box_shape[1:]), np.float32)
        for channel, result in zip(slab, out, strict=True):
            self.back_in_box(channel, first, (start, 0, 0), result)
        return out

    def back_in_box(self, channel: np.ndarray, first: int, start: Sequence[int], out: np.ndarray) -> None:
        """Write the box of the image's grid that begins at `start`; no axis may become coarser.

        Parameters
        ----------
        channel : ndarray of float32, shape (planes, j, i)
            Working planes from `first` on.
        out : ndarray of float32, shape (k, j, i)
        """
        from ACSegLib.network.predict.interpolation_kernels import interpolate

        axes = self.finer_axes
        assert axes is not None
        source = np.ascontiguousarray(channel)
        k, j, i = (int(n) for n in start)

        def write(part: slice) -> None:
            interpolate(source, *axes, first, (k + part.start, j, i), out[part])

        in_threads(write, chunks_of(out))
