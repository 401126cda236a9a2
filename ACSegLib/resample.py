"""Volumes and segmentations on another grid.

Grids that lie on each other to within a thousandth of a voxel (the same grid, a cropped one, one with axes flipped
or exchanged) are copied exactly; nothing is interpolated there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.volume import Geometry, Segmentation, Volume, unique_values

_TOLERANCE = 1e-3
_SLAB_VOXELS = 1 << 22


def index_map(source: Geometry, onto: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """Give the affine map from voxel indices of `onto` to those of `source`, both in (k, j, i) order.

    Returns
    -------
    matrix : ndarray, shape (3, 3)
    offset : ndarray, shape (3,)
        ``index_in_source = matrix @ index_in_onto + offset``.
    """
    if "px" not in (source.unit, onto.unit) and not source.matches(onto):
        source = source.in_unit(onto.unit)
    both = np.linalg.solve(source.ijk_to_lps, onto.ijk_to_lps)
    return both[2::-1, 2::-1], both[2::-1, 3]


def is_aligned(source: Geometry, onto: Geometry) -> bool:
    """Whether the voxels of two grids lie on each other, up to a crop and to flipped or exchanged axes.

    So does a segmentation that Slicer has cropped lie on its image.
    """
    matrix, offset = index_map(source, onto)
    return _whole(matrix, offset) is not None


def _whole(matrix: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Round a map to whole indices if it is a signed permutation with a whole offset, else None."""
    rounded = np.rint(matrix)
    permutation = np.all(np.abs(rounded).sum(axis=0) == 1) and np.all(np.abs(rounded).sum(axis=1) == 1)
    if not permutation or np.abs(matrix - rounded).max() > _TOLERANCE:
        return None
    if np.abs(offset - np.rint(offset)).max() > _TOLERANCE:
        return None
    return rounded.astype(int), np.rint(offset).astype(int)


def _map_of(
    content: Volume | Segmentation, onto: Geometry, shape: tuple[int, int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """As `index_map`; voxel by voxel where nothing is known of a grid of the same shape."""
    if content.shape == tuple(shape) and content.geometry.matches(onto):
        return np.eye(3), np.zeros(3)
    return index_map(content.geometry, onto)


def resample_volume(
    volume: Volume,
    onto: Geometry,
    shape: tuple[int, int, int],
    order: int = 1,
    *,
    outside: float = 0.0,
    antialias: bool = False,
    progress: Progress | None = None,
) -> Volume:
    """Bring an image onto another grid.

    Parameters
    ----------
    volume : Volume
    onto : Geometry
        Where the new grid lies.
    shape : tuple of int
        Voxels of the new grid along k, j, i.
    order : int
        0 nearest, 1 linear, 2 to 5 splines.
    outside : float
        Value of voxels further than half a voxel outside the image.
    antialias : bool
        Smooth by a Gaussian first along axes that become coarser (sigma = (factor - 1) / 2 voxels).

    Returns
    -------
    Volume
        Of the same number type. Values of whole-number types, and of masks, are rounded and kept in range.
    """
    matrix, offset = _map_of(volume, onto, shape)
    whole = _whole(matrix, offset)
    if whole is not None:
        array = _copied(volume.array, *whole, shape, fill=outside)
    else:
        source = _smoothed(volume.array, matrix) if antialias else volume.array
        array = _interpolated(source, matrix, offset, shape, order, outside, volume.array.dtype, progress)
    return replace(volume, array=array, geometry=onto, meta=dict(volume.meta))


def resample_segmentation(
    segmentation: Segmentation,
    onto: Geometry,
    shape: tuple[int, int, int],
    *,
    interpolation: str = "nearest",
    progress: Progress | None = None,
) -> Segmentation:
    """Bring labels onto another grid; every layer and the whole table are kept.

    Parameters
    ----------
    segmentation : Segmentation
    onto, shape
        As `resample_volume`. Voxels outside the source are background.
    interpolation : str
        "nearest", or "linear": each label is interpolated and the strongest wins, which keeps borders smooth where
        the new grid is finer.

    Raises
    ------
    InputError
        If the interpolation is neither of the two.
    """
    if interpolation not in ("nearest", "linear"):
        raise InputError(f"interpolation must be 'nearest' or 'linear', not {interpolation!r}.")
    matrix, offset = _map_of(segmentation, onto, shape)
    whole = _whole(matrix, offset)
    layers = []
    for number, layer in enumerate(segmentation.layers):
        part = (progress or Progress()).part(number / len(segmentation.layers), (number + 1) / len(segmentation.layers))
        if whole is not None:
            layers.append(_copied(layer, *whole, shape, fill=0))
        elif interpolation == "nearest":
            layers.append(_interpolated(layer, matrix, offset, shape, 0, 0, layer.dtype, part))
        else:
            layers.append(_strongest_label(layer, matrix, offset, shape, part))
    return replace(segmentation, layers=tuple(layers), geometry=onto, meta=dict(segmentation.meta))


def _copied(
    array: np.ndarray, matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, int, int], fill: float
) -> np.ndarray:
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
    result = np.full(shape, fill, array.dtype)
    result[tuple(target)] = view[tuple(source)]
    return result


def _smoothed(array: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    steps = np.linalg.norm(matrix, axis=1)
    sigma = np.maximum(0.0, (steps - 1) / 2)
    return gaussian_filter(array.astype(np.float32, copy=False), sigma) if sigma.any() else array


def _slabs(shape: tuple[int, int, int]) -> Iterator[slice]:
    depth = max(1, _SLAB_VOXELS // max(1, shape[1] * shape[2]))
    for start in range(0, shape[0], depth):
        yield slice(start, min(start + depth, shape[0]))


def _interpolated(
    array: np.ndarray,
    matrix: np.ndarray,
    offset: np.ndarray,
    shape: tuple[int, int, int],
    order: int,
    outside: float,
    dtype: np.dtype,
    progress: Progress | None = None,
) -> np.ndarray:
    """Interpolate slab by slab; nothing beyond half a voxel outside the source is made up."""
    from scipy.ndimage import affine_transform, spline_filter

    source: Any = array.astype(np.float32) if array.dtype == np.float16 else array
    if order > 1:
        source = spline_filter(source, order=order, output=np.float64, mode="nearest")
    result = np.empty(shape, dtype)
    limits = (np.iinfo(dtype).min, np.iinfo(dtype).max) if dtype.kind in "ui" else (0, 1) if dtype.kind == "b" else None
    for slab in _slabs(shape):
        if progress is not None:
            progress(slab.start / shape[0], "resampling")
        part_shape = (slab.stop - slab.start, *shape[1:])
        part_offset = offset + matrix[:, 0] * slab.start
        kind = source.dtype if order == 0 else np.float64 if source.dtype.itemsize > 2 else np.float32
        part = affine_transform(
            source, matrix, part_offset, part_shape, output=kind, order=order, mode="nearest", prefilter=False
        )
        if limits and order > 0:
            part = np.clip(np.rint(part), *limits)
        part = part.astype(dtype, copy=False)
        part[~_inside(matrix, part_offset, part_shape, array.shape)] = outside
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


def _strongest_label(
    labels: np.ndarray, matrix: np.ndarray, offset: np.ndarray, shape: tuple[int, int, int], progress: Progress
) -> np.ndarray:
    """Interpolate each label's mask linearly; the strongest wins, background among them, the lower value in a tie."""
    values = [int(v) for v in unique_values(labels)]
    best = np.zeros(shape, np.float32)  # all strengths are 0 outside the source, which stays background
    result = np.zeros(shape, labels.dtype)
    for value, part in progress.each(values):
        mask = (labels == value).astype(np.float32)
        strength = _interpolated(mask, matrix, offset, shape, 1, 0.0, mask.dtype, part)
        better = strength > best
        result[better] = value
        best[better] = strength[better]
    return result
