"""The compiled loops of `ACSegLib.cells.seam_places`. Imported where used: numba takes a second to load."""

from __future__ import annotations

import numpy as np

from ACSegLib.cells.voxel_kernels import describe_place
from ACSegLib.compiled import compiled

#: Successive overrelaxation: about the best factor for bands of twice `seam_places.REACH` voxels.
_FACTOR = 1.7


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
