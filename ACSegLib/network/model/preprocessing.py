"""Intensity normalisation, the same in training and inference: from any number type to float32 around 0.

``preprocessing["normalisation"]`` of a model says how:

============== =====================================================================================================
``kind``       "volume": with each volume's own figures, for images whose grey values have no fixed meaning;
               "fixed": with the figures of the training volumes, for calibrated ones; "none": the values as they are;
               "matched" (imported models): to the range 0 to 1, with ``target`` mean and deviation if given
``percentiles`` the two percentiles between which values are clipped, and within which mean and deviation are taken
``statistics``  for "fixed": ``low``, ``high``, ``mean``, ``deviation``
============== =====================================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.files.lazy import blocks
from ACSegLib.volume import Geometry, Volume

#: Percentiles that leave out dead and hot voxels yet keep small bright structures.
ROBUST_PERCENTILES = (0.5, 99.5)
#: Spacings closer than this (relative) count as equal.
SPACING_TOLERANCE = 0.02
_SAMPLE_VOXELS = 4_000_000


def normalisation(kind: str = "volume", statistics: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Describe a normalisation; see the module's text."""
    if kind not in ("volume", "fixed", "none"):
        raise InputError(f"normalisation must be volume, fixed or none, not {kind!r}.")
    if kind == "fixed" and not statistics:
        raise InputError("fixed normalisation needs the statistics of the training volumes.")
    described: dict[str, Any] = {"kind": kind, "percentiles": list(ROBUST_PERCENTILES)}
    if kind == "fixed":
        described["statistics"] = dict(statistics or {})
    return described


def intensity_statistics(array: np.ndarray, percentiles: tuple[float, float] = ROBUST_PERCENTILES) -> dict[str, float]:
    """Measure low and high percentile, and mean and deviation of what lies between.

    Parameters
    ----------
    array : ndarray, shape (k, j, i), numeric
        At most about four million evenly spread voxels of it are read; not-finite ones are left out.

    Raises
    ------
    InputError
        If no voxel is finite.
    """
    step = max(1, round((math.prod(array.shape) / _SAMPLE_VOXELS) ** (1 / 3)))
    sample = _every_nth(array, step).astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        raise InputError("the image holds no finite value; check how it was written.")
    low, high = np.percentile(sample, percentiles)
    inside = sample[(sample >= low) & (sample <= high)]
    return {"low": float(low), "high": float(high), "mean": float(inside.mean()), "deviation": float(inside.std())}


def _every_nth(array: np.ndarray, step: int) -> np.ndarray:
    """Every n-th voxel along each axis, in one row; images on the disk are read block by block."""
    if isinstance(array, np.ndarray):
        return array[::step, ::step, ::step].ravel()
    corner, found = [0, 0, 0], []
    for block in blocks(array):
        k, j, i = (slice(-start % step, None, step) for start in corner)
        found.append(block[k, j, i].ravel())
        for axis in (2, 1, 0):  # blocks come in this order
            corner[axis] += block.shape[axis]
            if corner[axis] < array.shape[axis]:
                break
            corner[axis] = 0
    return np.concatenate(found)


def statistics_for(array: np.ndarray, described: Mapping[str, Any]) -> dict[str, float] | None:
    """Give the figures that normalise one volume; None when the values are left as they are.

    For images too large for memory, pass a coarser level of the pyramid here and the full level, piece by piece, to
    `apply_statistics`.
    """
    kind = described.get("kind")
    if kind == "none":
        return None
    if kind == "fixed":
        return dict(described["statistics"])
    if kind == "volume":
        low, high = described.get("percentiles", ROBUST_PERCENTILES)
        return intensity_statistics(array, (float(low), float(high)))
    if kind == "matched":
        return _matched_statistics(array, described.get("target"))
    raise InputError(f"normalisation kind {kind!r} is unknown; update ACSeg.")


def _matched_statistics(array: np.ndarray, target: Mapping[str, float] | None) -> dict[str, float]:
    """Figures by which `apply_statistics` clips to 0..1, after matching mean and deviation to `target` if given."""
    found = intensity_statistics(array, (0.0, 100.0))
    if target is None or not found["deviation"] > 0:
        zero, unit = found["low"], found["high"] - found["low"]
    else:
        unit = found["deviation"] / target["deviation"]
        zero = found["mean"] - target["mean"] * unit
    return {"low": zero, "high": zero + unit, "mean": zero, "deviation": unit}


def apply_statistics(array: np.ndarray, statistics: Mapping[str, float] | None) -> np.ndarray:
    """Clip to [low, high], subtract the mean, divide by the deviation; float32 of the same shape.

    An image of one value becomes 0 everywhere; values that are not finite become the mean, 0.
    """
    result = np.array(array, np.float32)
    if statistics is not None:
        np.clip(result, statistics["low"], statistics["high"], out=result)
        result -= np.float32(statistics["mean"])
        if statistics["deviation"] > 0:
            result /= np.float32(statistics["deviation"])
    np.nan_to_num(result, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    return result


def normalise(array: np.ndarray, described: Mapping[str, Any]) -> np.ndarray:
    """Normalise one whole volume, shape (k, j, i), to float32."""
    return apply_statistics(array, statistics_for(array, described))


def resampled_shape(volume: Volume, spacing: Sequence[float], unit: str) -> tuple[int, int, int]:
    """Shape (k, j, i) that a volume has at another spacing (i, j, k, in `unit`) over the same space.

    Spacings that differ by less than 2 % count as equal, so that rounding in a file's header costs no interpolation.
    """
    return shape_at(volume.shape, volume.geometry, spacing, unit)


def shape_at(shape: Sequence[int], geometry: Geometry, spacing: Sequence[float], unit: str) -> tuple[int, int, int]:
    """As `resampled_shape`, of a grid of `shape` (k, j, i)."""
    if geometry.unit != "px" and unit != "px":
        geometry = geometry.in_unit(unit)
    sizes = []
    for size, own, wanted in zip(shape, geometry.spacing[::-1], tuple(spacing)[::-1], strict=True):
        ratio = own / wanted
        sizes.append(size if abs(ratio - 1) < SPACING_TOLERANCE else max(1, round(size * ratio)))
    return sizes[0], sizes[1], sizes[2]


def resample_image(array: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Resample an image to another grid over the same space: mean of the voxels down, trilinear up.

    Parameters
    ----------
    array : ndarray, shape (k, j, i), float32

    Returns
    -------
    ndarray of `shape`, float32
    """
    if array.shape == tuple(shape):
        return array
    import torch
    from torch.nn.functional import interpolate

    tensor = torch.from_numpy(np.ascontiguousarray(array, np.float32))[None, None]
    smaller = tuple(min(a, b) for a, b in zip(array.shape, shape, strict=True))
    if smaller != array.shape:
        tensor = interpolate(tensor, size=smaller, mode="area")
    if smaller != tuple(shape):
        tensor = interpolate(tensor, size=tuple(shape), mode="trilinear", align_corners=False)
    return tensor[0, 0].numpy()
