"""Compiled loops of contacts. Imported where used: numba takes a second to load."""

from __future__ import annotations

import numpy as np

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
