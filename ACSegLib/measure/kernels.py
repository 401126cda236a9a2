"""Compiled loops of the measures. Imported where used: numba takes a second to load."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def row_distance(target: np.ndarray, cap: int, out: np.ndarray) -> None:
    """Steps along i to the nearest set voxel of the same row, at most `cap`.

    Parameters
    ----------
    target : ndarray of bool, shape (k, j, i)
    cap : int
    out : ndarray of int16, shape (k, j, i)
    """
    planes, rows, columns = target.shape
    for k in range(planes):
        for j in range(rows):
            steps = cap
            for i in range(columns):
                steps = 0 if target[k, j, i] else min(steps + 1, cap)
                out[k, j, i] = steps
            steps = cap
            for i in range(columns - 1, -1, -1):
                steps = 0 if target[k, j, i] else min(steps + 1, cap)
                if steps < out[k, j, i]:
                    out[k, j, i] = steps


@numba.njit(cache=True, nogil=True)
def plane_distance(steps: np.ndarray, step_j: float, step_i: float, reach: int, out: np.ndarray) -> None:
    """Squared distance within each plane from `row_distance`, exact up to `reach` rows away.

    Parameters
    ----------
    steps : ndarray of int16, shape (k, j, i)
    step_j, step_i : float
        Voxel size.
    reach : int
        Rows to look at on either side.
    out : ndarray of float32, shape (k, j, i)
    """
    planes, rows, columns = steps.shape
    for k in range(planes):
        for j in range(rows):
            for i in range(columns):
                along = np.float32(steps[k, j, i] * step_i)
                out[k, j, i] = along * along
            for other in range(max(j - reach, 0), min(j + reach + 1, rows)):
                across = np.float32(((other - j) * step_j) ** 2)
                for i in range(columns):
                    along = np.float32(steps[k, other, i] * step_i)
                    squared = along * along + across
                    if squared < out[k, j, i]:
                        out[k, j, i] = squared


@numba.njit(cache=True, nogil=True)
def near_planes(
    squared: np.ndarray, first: int, last: int, step_k: float, reach: int, limit: float, near: np.ndarray
) -> None:
    """Set `near` in planes `first` to `last` where a plane within `reach` makes the squared distance at most `limit`.

    Parameters
    ----------
    squared : ndarray of float32, shape (k, j, i)
        From `plane_distance`.
    near : ndarray of bool, shape (k, j, i)
    """
    planes, rows, columns = squared.shape
    for k in range(first, last):
        for other in range(max(k - reach, 0), min(k + reach + 1, planes)):
            rest = np.float32(limit - ((other - k) * step_k) ** 2)
            for j in range(rows):
                for i in range(columns):
                    near[k, j, i] |= squared[other, j, i] <= rest
