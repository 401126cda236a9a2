"""Compiled loops of contacts. Imported where used: numba takes a second to load."""

from __future__ import annotations

import numpy as np
from numba import types
from numba.typed import Dict

from ACSegLib.compiled import compiled


@compiled()
def contacts(
    mask: np.ndarray, labels: np.ndarray, offsets: np.ndarray, areas: np.ndarray, first: int, last: int
) -> tuple[np.ndarray, np.ndarray]:
    """Labelled voxels next to a mask in planes `first` to `last`, and the area over which each touches it.

    Parameters
    ----------
    mask : ndarray of bool, shape (k, j, i)
    labels : ndarray of unsigned int, shape (k, j, i)
    offsets : ndarray of int64, shape (n, 3)
        Neighbours (k, j, i), no component beyond 1.
    areas : ndarray of float64, shape (n,)
        Area that a change from mask to label along each offset stands for.

    Returns
    -------
    labels : ndarray of int64, (m,)
    areas : ndarray of float64, (m,)
    """
    planes, rows, columns = mask.shape
    close = np.zeros(columns + 2, np.bool_)
    found = [np.int64(0) for _ in range(0)]
    touched = [np.float64(0) for _ in range(0)]
    for k in range(first, last):
        for j in range(rows):
            if not _columns_near(mask, k, j, close[1:-1]):
                continue
            for i in range(columns):
                value = labels[k, j, i]
                if value == 0 or mask[k, j, i] or not (close[i] or close[i + 1] or close[i + 2]):
                    continue
                area = 0.0
                for n in range(len(offsets)):
                    a, b, c = k + offsets[n, 0], j + offsets[n, 1], i + offsets[n, 2]
                    if 0 <= a < planes and 0 <= b < rows and 0 <= c < columns and mask[a, b, c]:
                        area += areas[n]
                found.append(np.int64(value))
                touched.append(np.float64(area))
    return np.array(found, np.int64), np.array(touched, np.float64)


@compiled()
def _columns_near(mask: np.ndarray, k: int, j: int, close: np.ndarray) -> bool:
    """Whether the nine rows about (k, j) hold a set voxel, and for each column (`close`) whether one is there."""
    planes, rows, columns = mask.shape
    close[:] = False
    for a in range(max(k - 1, 0), min(k + 2, planes)):
        for b in range(max(j - 1, 0), min(j + 2, rows)):
            for i in range(columns):
                close[i] |= mask[a, b, i]
    return bool(close.any())


@compiled()
def pairs(
    labels: np.ndarray, offsets: np.ndarray, areas: np.ndarray, first: int, last: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels that meet, in planes `first` to `last`, and the area over which they do.

    Parameters
    ----------
    labels : ndarray of uint32, shape (k, j, i)
    offsets : ndarray of int64, shape (n, 3)
        From a voxel (k, j, i) to those that it meets, each line in one direction.
    areas : ndarray of float64, shape (n,)
        Area that a change of label along each offset stands for.

    Returns
    -------
    one, other : ndarray of int64, (m,)
        Each pair once or twice: also in the other order.
    areas : ndarray of float64, (m,)
    """
    planes, rows, columns = labels.shape
    found = Dict.empty(types.uint64, types.float64)
    latest, total = np.uint64(0), 0.0  # neighbouring voxels mostly meet the same pair
    for k in range(first, last):
        for j in range(rows):
            for i in range(columns):
                here = labels[k, j, i]
                if here == 0:
                    continue
                for n in range(len(offsets)):
                    a, b, c = k + offsets[n, 0], j + offsets[n, 1], i + offsets[n, 2]
                    if not (0 <= a < planes and 0 <= b < rows and 0 <= c < columns):
                        continue
                    there = labels[a, b, c]
                    if there == 0 or there == here:
                        continue
                    pair = (np.uint64(here) << np.uint64(32)) | np.uint64(there)
                    if pair != latest:
                        if total > 0:
                            found[latest] = found.get(latest, 0.0) + total
                        latest, total = pair, 0.0
                    total += areas[n]
    if total > 0:
        found[latest] = found.get(latest, 0.0) + total
    one, other = np.empty(len(found), np.int64), np.empty(len(found), np.int64)
    met = np.empty(len(found), np.float64)
    for n, (pair, area) in enumerate(found.items()):
        one[n], other[n], met[n] = pair >> np.uint64(32), pair & np.uint64(0xFFFFFFFF), area
    return one, other, met
