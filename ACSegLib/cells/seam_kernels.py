"""Compiled loops that place seams. Imported where used: numba takes a second to load."""

from __future__ import annotations

import numpy as np

from ACSegLib.cells.voxel_kernels import describe_place
from ACSegLib.compiled import compiled

#: Successive overrelaxation: about the best factor for bands of twice `seam_places.REACH` voxels.
_FACTOR = 1.7
#: How far to both sides of a seam, in voxels of the finest axis, the image is compared. It is averaged over a
#: disc along the seam: radius and standard deviation.
_ACROSS, _RADIUS, _DEVIATION = 1.5, 3, 1.5


@compiled()
def walk(reached: np.ndarray, weights: np.ndarray, places: np.ndarray, strides: np.ndarray, along: np.ndarray) -> float:
    """One sweep over the free voxels, in place; gives the largest change.

    Each free voxel's probability is the mean of its neighbours', weighted by how likely a step onto each is.

    Parameters
    ----------
    reached, weights : ndarray of float32, (n,)
        Probability to reach the cell, and likelihood of a step onto each voxel, of a volume with a rim of weight 0.
    places : ndarray of int64, (m,)
        Free voxels, none of them in the rim.
    strides : ndarray of int64, shape (3,)
        From a voxel to the next along each axis.
    along : ndarray of float32, shape (3,)
        Factors of the weights along each axis.
    """
    largest = np.float32(0)
    for place in places:
        total, weight = np.float32(0), np.float32(0)
        for axis in range(3):
            low, high = place - strides[axis], place + strides[axis]
            before, after = along[axis] * weights[low], along[axis] * weights[high]
            total += before * reached[low] + after * reached[high]
            weight += before + after
        if weight > 0:
            change = np.float32(_FACTOR) * (total / weight - reached[place])
            reached[place] += change
            largest = max(largest, abs(change))
    return float(largest)


@compiled()
def add_sheets(image: np.ndarray, places: np.ndarray, step: np.ndarray, factor: float, out: np.ndarray) -> None:
    """Raise `out` to the largest curvature at each place times a factor, where that is higher.

    Parameters
    ----------
    image : ndarray of float32, shape (k, j, i)
        Smoothed; a sheet is darker than both sides.
    places : ndarray of int64, shape (n, 3)
    step : ndarray, shape (3,)
        Voxel size along (k, j, i).
    factor : float
    out : ndarray of float32, shape (n,)
    """
    row = np.zeros(4, np.float32)
    for n in range(len(places)):
        describe_place(image, places[n, 0], places[n, 1], places[n, 2], step, row, 0)
        out[n] = max(out[n], np.float32(factor) * row[0])


@compiled()
def take_steeper(share: np.ndarray, low: np.ndarray, places: np.ndarray, step: np.ndarray, normals: np.ndarray) -> None:
    """Replace the slope at each place that lies in a box by that of another field where it is steeper.

    Parameters
    ----------
    share : ndarray of float32, shape of the box
        The field.
    low : ndarray of int64, shape (3,)
        Where the box begins.
    places : ndarray of int64, shape (n, 3)
    step : ndarray, shape (3,)
        Voxel size along (k, j, i).
    normals : ndarray of float32, shape (n, 3)
        The slopes.
    """
    planes, rows, columns = share.shape
    for n in range(len(places)):
        k, j, i = places[n, 0] - low[0], places[n, 1] - low[1], places[n, 2] - low[2]
        if not (0 <= k < planes and 0 <= j < rows and 0 <= i < columns):
            continue
        x = (share[min(k + 1, planes - 1), j, i] - share[max(k - 1, 0), j, i]) / (2 * step[0])
        y = (share[k, min(j + 1, rows - 1), i] - share[k, max(j - 1, 0), i]) / (2 * step[1])
        z = (share[k, j, min(i + 1, columns - 1)] - share[k, j, max(i - 1, 0)]) / (2 * step[2])
        if x * x + y * y + z * z > normals[n, 0] ** 2 + normals[n, 1] ** 2 + normals[n, 2] ** 2:
            normals[n, 0], normals[n, 1], normals[n, 2] = x, y, z


@compiled()
def curve_across(
    image: np.ndarray, mask: np.ndarray, places: np.ndarray, normals: np.ndarray, step: np.ndarray, out: np.ndarray
) -> None:
    """How much darker the image is at each place than on both sides of it, averaged along the seam.

    Parameters
    ----------
    image : ndarray of float32, shape (k, j, i)
    mask : ndarray of bool, shape (k, j, i)
        Voxels that are averaged.
    places : ndarray of int64, shape (n, 3)
    normals : ndarray of float32, shape (n, 3)
        Unit vectors across the seam, in voxels of the finest axis; zeros leave a place out.
    step : ndarray, shape (3,)
        Voxel size along (k, j, i), the smallest being 1.
    out : ndarray of float32, shape (n,)
        0 where one side lies outside of the mask.
    """
    normal, one, other, at = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(3)
    for n in range(len(places)):
        for axis in range(3):
            normal[axis] = normals[n, axis]
        if normal[0] == 0 and normal[1] == 0 and normal[2] == 0:
            continue
        _span(normal, one, other)
        value = 0.0
        for side in range(-1, 2):
            total, weight = 0.0, 0.0
            for u in range(-_RADIUS, _RADIUS + 1):
                for v in range(-_RADIUS, _RADIUS + 1):
                    if u * u + v * v > _RADIUS * _RADIUS:
                        continue
                    for axis in range(3):
                        away = side * _ACROSS * normal[axis] + u * one[axis] + v * other[axis]
                        at[axis] = places[n, axis] + away / step[axis]
                    if _is_in(mask, at):
                        share = np.exp(-(u * u + v * v) / (2 * _DEVIATION * _DEVIATION))
                        total += share * _interpolated(image, at)
                        weight += share
            if weight == 0:
                value = 0.0
                break
            value += (0.5 if side else -1.0) * total / weight
        out[n] = value


@compiled()
def _span(normal: np.ndarray, one: np.ndarray, other: np.ndarray) -> None:
    """Two unit vectors across a third and each other."""
    axis = 0 if abs(normal[0]) < 0.6 else (1 if abs(normal[1]) < 0.6 else 2)
    for n in range(3):
        one[n] = (n == axis) - normal[axis] * normal[n]
    one /= np.sqrt(one[0] ** 2 + one[1] ** 2 + one[2] ** 2)
    for n in range(3):
        a, b = (n + 1) % 3, (n + 2) % 3
        other[n] = normal[a] * one[b] - normal[b] * one[a]


@compiled()
def _is_in(mask: np.ndarray, at: np.ndarray) -> bool:
    """Whether the voxel at a place lies in a mask."""
    k, j, i = int(np.rint(at[0])), int(np.rint(at[1])), int(np.rint(at[2]))
    planes, rows, columns = mask.shape
    return 0 <= k < planes and 0 <= j < rows and 0 <= i < columns and mask[k, j, i]


@compiled()
def _interpolated(image: np.ndarray, at: np.ndarray) -> float:
    """The image at a place, linearly along each axis."""
    total = 0.0
    k, j, i = int(np.floor(at[0])), int(np.floor(at[1])), int(np.floor(at[2]))
    x, y, z = at[0] - k, at[1] - j, at[2] - i
    planes, rows, columns = image.shape
    for corner in range(8):
        a, b, c = corner // 4, corner // 2 % 2, corner % 2
        share = (x if a else 1 - x) * (y if b else 1 - y) * (z if c else 1 - z)
        place = (
            min(max(k + a, 0), planes - 1), min(max(j + b, 0), rows - 1), min(max(i + c, 0), columns - 1),
        )  # fmt: skip
        total += share * image[place[0], place[1], place[2]]
    return total
