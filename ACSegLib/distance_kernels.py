"""Compiled loops of distances. Imported where used: numba takes a second to load."""

from __future__ import annotations

import numpy as np

from ACSegLib.compiled import compiled


@compiled()
def plane_distance(
    target: np.ndarray,
    step_j: float,
    step_i: float,
    reach: int,
    limit: float,
    cap: float,
    out: np.ndarray,
    row_states: np.ndarray,
) -> None:
    """Squared distance to the nearest set voxel of the same plane, exact up to `reach` rows away, at most `cap`.

    Parameters
    ----------
    target : ndarray of bool, shape (k, j, i)
    step_j, step_i : float
        Voxel size.
    reach : int
        Rows to look at on either side.
    limit, cap : float
        The squared distance that will be asked for; any number well above it.
    out : ndarray of float32, shape (k, j, i)
    row_states : ndarray of uint8, shape (k, j)
        Of each row: 0 no voxel is at most `limit` away, 2 all are, 1 some.
    """
    planes, rows, columns = target.shape
    along = np.empty((rows, columns), np.float32)
    kinds = np.empty(rows, np.uint8)
    bound, most = np.float32(limit), np.float32(cap)
    for k in range(planes):
        for j in range(rows):
            kinds[j] = _row_distance(target[k, j], np.float32(step_i), most, along[j])
        for j in range(rows):
            row = out[k, j]
            for i in range(columns):
                row[i] = along[j, i]
            if kinds[j] == 2:
                row_states[k, j] = 2
                continue
            for other in range(max(j - reach, 0), min(j + reach + 1, rows)):
                if other == j or kinds[other] == 0:
                    continue
                across = np.float32(((other - j) * step_j) ** 2)
                source = along[other]
                for i in range(columns):
                    squared = source[i] + across
                    row[i] = squared if squared < row[i] else row[i]
            count = 0
            for i in range(columns):
                count += row[i] <= bound
            row_states[k, j] = 0 if count == 0 else 2 if count == columns else 1


@compiled()
def _row_distance(target: np.ndarray, step: np.float32, cap: np.float32, out: np.ndarray) -> int:
    """Squared distance along a row, at most `cap`; 0 if the row has no set voxel, 2 if all are set, else 1."""
    columns = len(target)
    count = 0
    for i in range(columns):
        count += target[i]
    if count == 0 or count == columns:
        out[:] = cap if count == 0 else np.float32(0)
        return 0 if count == 0 else 2
    steps = columns
    for i in range(columns):
        steps = 0 if target[i] else steps + 1
        out[i] = steps
    steps = columns
    for i in range(columns - 1, -1, -1):
        steps = 0 if target[i] else steps + 1
        if steps < out[i]:
            out[i] = steps
    for i in range(columns):
        squared = (out[i] * step) * (out[i] * step)
        out[i] = squared if squared < cap else cap
    return 1


@compiled()
def near_planes(
    squared: np.ndarray,
    row_states: np.ndarray,
    first: int,
    last: int,
    step_k: float,
    reach: int,
    limit: float,
    near: np.ndarray,
) -> None:
    """Set `near` in planes `first` to `last` where a plane within `reach` makes the squared distance at most `limit`.

    Parameters
    ----------
    squared, row_states : ndarray of float32, shape (k, j, i), and of uint8, shape (k, j)
        From `plane_distance`.
    near : ndarray of bool, shape (k, j, i)
    """
    _, rows, columns = squared.shape
    least = np.empty(columns, np.float32)
    bound = np.float32(limit)
    for k in range(first, last):
        for j in range(rows):
            if row_states[k, j] == 2:
                near[k, j] = True
                continue
            least[:] = np.inf
            _lower(squared, row_states, k, j, step_k, reach, least)
            row = near[k, j]
            for i in range(columns):
                row[i] = least[i] <= bound


@compiled()
def capped_planes(
    squared: np.ndarray,
    row_states: np.ndarray,
    first: int,
    last: int,
    step_k: float,
    reach: int,
    cap: float,
    out: np.ndarray,
) -> None:
    """Write the distance in planes `first` to `last`, at most `cap`, from the squared ones within planes.

    Parameters
    ----------
    squared, row_states : ndarray of float32, shape (k, j, i), and of uint8, shape (k, j)
        From `plane_distance`.
    out : ndarray of float32, shape (k, j, i)
    """
    _, rows, columns = squared.shape
    least = np.empty(columns, np.float32)
    most = np.float32(cap * cap)
    for k in range(first, last):
        for j in range(rows):
            least[:] = most
            _lower(squared, row_states, k, j, step_k, reach, least)
            row = out[k, j]
            for i in range(columns):
                row[i] = np.sqrt(least[i])


@compiled()
def _lower(
    squared: np.ndarray, row_states: np.ndarray, k: int, j: int, step_k: float, reach: int, least: np.ndarray
) -> None:
    """Lower `least` to the squared distances of row j of plane k by the planes within `reach`."""
    for other in range(max(k - reach, 0), min(k + reach + 1, len(squared))):
        if row_states[other, j] == 0:
            continue
        away = np.float32(((other - k) * step_k) ** 2)
        source = squared[other, j]
        for i in range(len(least)):
            total = source[i] + away
            least[i] = total if total < least[i] else least[i]
