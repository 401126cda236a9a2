"""Volumes and segmentations on another grid.

Grids that lie on each other to within a fraction of a voxel (the same grid, a cropped one, one with axes flipped or
exchanged; see `ACSegLib.geometry.MAX_SHIFT`) are copied exactly; nothing is interpolated there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ACSegLib.geometry import MAX_SHIFT, compared, largest_shift
from ACSegLib.volume import Geometry, Segmentation, Volume

_SLAB_VOXELS = 1 << 22


def index_map(source: Geometry, onto: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Give the affine map from voxel indices of `onto` to those of `source`, both in (k, j, i) order.

    Returns
    -------
    matrix : ndarray, shape (3, 3)
    offset : ndarray, shape (3,)
        ``index_in_source = matrix @ index_in_onto + offset``.
    """
    if "px" not in (source.unit, onto.unit) and not source.matches(replace(onto, unit=source.unit)):
        source = source.in_unit(onto.unit)
    both = np.linalg.solve(source.ijk_to_lps, onto.ijk_to_lps)
    return both[2::-1, 2::-1], both[2::-1, 3]


def is_aligned(source: Geometry, onto: Geometry, shape: Sequence[int] = ()) -> bool:
    """Whether the voxels of two grids lie on each other, up to a crop and to flipped or exchanged axes.

    So does a segmentation that Slicer has cropped lie on its image. `shape` (k, j, i) is that of `onto`.
    """
    return _whole(*index_map(source, onto), shape) is not None


def shift_beside(source: Geometry, onto: Geometry, shape: Sequence[int]) -> float:
    """How far the voxels of aligned grids lie beside each other at most, in voxels; `shape` as in `is_aligned`."""
    matrix, offset = index_map(source, onto)
    return largest_shift(matrix - np.rint(matrix), offset - np.rint(offset), shape)


def _whole(matrix: np.ndarray, offset: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, np.ndarray] | None:
    """Round a map to whole indices, for a grid of a shape; None unless it is a signed permutation with whole offset."""
    rounded = np.rint(matrix)
    permutation = np.all(np.abs(rounded).sum(axis=0) == 1) and np.all(np.abs(rounded).sum(axis=1) == 1)
    if not permutation or largest_shift(matrix - rounded, offset - np.rint(offset), compared(shape)) > MAX_SHIFT:
        return None
    return rounded.astype(int), np.rint(offset).astype(int)


def _map_of(
    content: Volume | Segmentation, onto: Geometry, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """As `index_map`; voxel by voxel where nothing is known of a grid of the same shape."""
    if content.shape == tuple(shape) and content.geometry.matches(onto, shape):
        return np.eye(3), np.zeros(3)
    return index_map(content.geometry, onto)


def resample_volume(volume: Volume, onto: Geometry, shape: tuple[int, int, int]) -> Volume:
    """Bring an image or a mask onto another grid; each voxel takes the value of the nearest one.

    Parameters
    ----------
    volume : Volume
    onto : Geometry
        Where the new grid lies.
    shape : tuple of int
        Voxels of the new grid along k, j, i.

    Returns
    -------
    Volume
        Of the same number type; 0 further than half a voxel outside the image.
    """
    array = _nearest(volume.array, *_map_of(volume, onto, shape), shape)
    return replace(volume, array=array, geometry=onto, meta=dict(volume.meta))


def resample_segmentation(segmentation: Segmentation, onto: Geometry, shape: tuple[int, int, int]) -> Segmentation:
    """Bring labels onto another grid, as `resample_volume`; every layer and the whole table are kept."""
    placed = _map_of(segmentation, onto, shape)
    layers = tuple(_nearest(layer, *placed, shape) for layer in segmentation.layers)
    return replace(segmentation, layers=layers, geometry=onto, meta=dict(segmentation.meta))


def _copied(array: np.ndarray, matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Copy the part that both grids share; `matrix` is a signed permutation and `offset` whole."""
    order = [int(np.flatnonzero(column)[0]) for column in matrix.T]  # source axis that each output axis runs along
    signs = [int(matrix[axis, n]) for n, axis in enumerate(order)]
    target, source = [], []
    for n, axis in enumerate(order):
        size = array.shape[axis]
        if signs[n] > 0:
            start, stop = max(0, -offset[axis]), min(shape[n], size - offset[axis])
        else:
            start, stop = max(0, offset[axis] - size + 1), min(shape[n], offset[axis] + 1)
        stop = max(start, stop)
        target.append(slice(start, stop))
        first = offset[axis] + signs[n] * start
        last = first + signs[n] * (stop - start)
        source.append(slice(first, None if last < 0 else last, signs[n]) if stop > start else slice(0, 0))
    view = array.transpose(order)
    result = np.zeros(shape, array.dtype)
    result[tuple(target)] = view[tuple(source)]
    return result


def _slabs(shape: tuple[int, int, int]) -> Iterator[slice]:
    depth = max(1, _SLAB_VOXELS // max(1, shape[1] * shape[2]))
    for start in range(0, shape[0], depth):
        yield slice(start, min(start + depth, shape[0]))


def _nearest(array: np.ndarray, matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Take the nearest values, slab by slab; nothing beyond half a voxel outside the source is made up."""
    from scipy.ndimage import affine_transform

    whole = _whole(matrix, offset, shape)
    if whole is not None:
        return _copied(array, *whole, shape)
    source: Any = array.astype(np.float32) if array.dtype == np.float16 else array
    result = np.empty(shape, array.dtype)
    for slab in _slabs(shape):
        part_shape = (slab.stop - slab.start, *shape[1:])
        part_offset = offset + matrix[:, 0] * slab.start
        part = affine_transform(source, matrix, part_offset, part_shape, order=0, mode="nearest")
        part[~_inside(matrix, part_offset, part_shape, array.shape)] = 0
        result[slab] = part
    return result


def _inside(matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, ...], limits: tuple[int, ...]) -> np.ndarray:
    """Which voxels of a slab lie in the source or within half a voxel of it."""
    k, j, i = (np.arange(n, dtype=float) for n in shape)
    inside = np.ones(shape, bool)
    for axis, size in enumerate(limits):
        row = matrix[axis]
        at = (row[0] * k)[:, None, None] + (row[1] * j)[:, None] + (row[2] * i + offset[axis])
        inside &= (at >= -0.5) & (at <= size - 0.5)
    return inside
