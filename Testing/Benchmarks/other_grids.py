"""Images and labels on coarser grids and back, as programs make them that scale volumes to a fixed size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter

from ACSegLib.resample import index_map
from ACSegLib.volume import Geometry, Segmentation, Volume, unique_values


def coarser_grid(volume: Volume, factor: float) -> tuple[Geometry, tuple[int, int, int]]:
    """The grid that covers a volume with voxels about `factor` times as large, and its shape (k, j, i)."""
    k, j, i = (max(1, round(n / factor)) for n in volume.shape)
    factors = [n / m for n, m in zip(volume.shape[::-1], (i, j, k), strict=True)]
    start = [(f - 1) / 2 for f in factors] + [1.0]
    origin = tuple(float(v) for v in (volume.geometry.ijk_to_lps @ start)[:3])
    spacing = tuple(s * f for s, f in zip(volume.geometry.spacing, factors, strict=True))
    return replace(volume.geometry, spacing=spacing, origin=origin), (k, j, i)


def smoothed_onto(volume: Volume, onto: Geometry, shape: Sequence[int]) -> Volume:
    """An image on a coarser grid: a Gaussian of (factor - 1) / 2 voxels along each axis, then linear interpolation."""
    matrix, offset = index_map(volume.geometry, onto)
    sigma = np.maximum(0.0, (np.linalg.norm(matrix, axis=1) - 1) / 2)
    smooth = gaussian_filter(volume.array.astype(np.float32, copy=False), sigma)
    array = affine_transform(smooth, matrix, offset, tuple(shape), order=1, mode="nearest")
    if volume.array.dtype.kind in "ui":
        limits = np.iinfo(volume.array.dtype)
        array = np.clip(np.rint(array), limits.min, limits.max)
    return replace(volume, array=array.astype(volume.array.dtype, copy=False), geometry=onto)


def interpolated_onto(segmentation: Segmentation, onto: Geometry, shape: Sequence[int]) -> Segmentation:
    """Labels on another grid: each one is interpolated and the strongest wins, so that borders stay smooth."""
    matrix, offset = index_map(segmentation.geometry, onto)

    def strength(mask: np.ndarray) -> np.ndarray:
        return np.asarray(
            affine_transform(mask.astype(np.float32), matrix, offset, tuple(shape), order=1, mode="nearest")
        )

    layers = tuple(_strongest(layer, strength) for layer in segmentation.layers)
    return replace(segmentation, layers=layers, geometry=onto)


def _strongest(labels: np.ndarray, strength: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The value of the strongest mask at each voxel, background among them; the lower value in a tie."""
    values = unique_values(labels)
    result = np.full_like(best := strength(labels == values[0]), values[0], labels.dtype)
    for value in values[1:]:
        here = strength(labels == value)
        result[here > best] = value
        best = np.maximum(best, here)
    return result
