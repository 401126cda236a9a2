"""Compiled loops from a coarse grid to a finer one. Imported where used: numba takes a second to load.

Each axis is a triple of arrays: the place of the coarse voxel below each fine one (uint32: numba does not ask whether
it counts from the end), and the weights of that voxel and of the next (float32). The axes are applied in the order
k, j, i, in float32, as products of matrices would.
"""

from __future__ import annotations

import numpy as np

from ACSegLib.compiled import compiled

Axis = tuple[np.ndarray, np.ndarray, np.ndarray]


@compiled()
def _between_planes(source: np.ndarray, axis: Axis, k: int, first: int, out: np.ndarray) -> None:
    """Interpolate plane `k` from planes of a source whose first is number `first`."""
    low, below, above = axis
    a = np.int64(low[k]) - first
    rows, columns = out.shape
    for j in range(rows):
        if above[k] == 0:
            for i in range(columns):
                out[j, i] = below[k] * source[a, j, i]
        else:
            for i in range(columns):
                out[j, i] = below[k] * source[a, j, i] + above[k] * source[a + 1, j, i]


@compiled()
def _between_rows(plane: np.ndarray, axis: Axis, j: int, out: np.ndarray) -> None:
    """Interpolate row `j`; the last value of `out` repeats the one before it."""
    low, below, above = axis
    a = np.int64(low[j])
    last = len(out) - 1
    if above[j] == 0:
        for i in range(last):
            out[i] = below[j] * plane[a, i]
    else:
        for i in range(last):
            out[i] = below[j] * plane[a, i] + above[j] * plane[a + 1, i]
    out[last] = out[last - 1]


@compiled()
def _along_row(row: np.ndarray, axis: Axis, first: int, out: np.ndarray) -> None:
    low, below, above = axis[0][first:], axis[1][first:], axis[2][first:]
    for i in range(len(out)):
        a = low[i]
        out[i] = below[i] * row[a] + above[i] * row[a + np.uint32(1)]


@compiled()
def interpolate(
    source: np.ndarray,
    along_k: Axis,
    along_j: Axis,
    along_i: Axis,
    first: int,
    start: tuple[int, int, int],
    out: np.ndarray,
) -> None:
    """Write a box of the fine grid, whose first voxel is `start`, from coarse planes from number `first` on.

    Parameters
    ----------
    source, out : ndarray of float32, shape (k, j, i)
    """
    plane = np.empty(source.shape[1:], np.float32)
    row = np.empty(source.shape[2] + 1, np.float32)
    for k in range(out.shape[0]):
        _between_planes(source, along_k, start[0] + k, first, plane)
        for j in range(out.shape[1]):
            _between_rows(plane, along_j, start[1] + j, row)
            _along_row(row, along_i, start[2], out[k, j])


@compiled()
def interpolate_at(
    begin: int,
    end: int,
    source: np.ndarray,
    along_k: Axis,
    along_j: Axis,
    along_i: Axis,
    start: tuple[int, int, int],
    k: np.ndarray,
    j: np.ndarray,
    i: np.ndarray,
    out: np.ndarray,
) -> None:
    """Write the voxels number `begin` to `end` of those that lie at (k, j, i) of a box of the fine grid.

    Parameters
    ----------
    source : ndarray of float32, shape (k, j, i)
        All coarse planes.
    start : tuple of int
        First voxel of the box.
    k, j, i : ndarray of int64, (n,)
    out : ndarray of float32, (n,)
    """
    rows, columns = source.shape[1] - 1, source.shape[2] - 1
    for n in range(begin, end):
        a, b, c = start[0] + k[n], start[1] + j[n], start[2] + i[n]
        plane, row, column = int(along_k[0][a]), int(along_j[0][b]), int(along_i[0][c])
        next_row, next_column = min(row + 1, rows), min(column + 1, columns)
        first, second = source[plane], source[min(plane + 1, len(source) - 1)]
        below, above = along_k[1][a], along_k[2][a]
        low = below * first[row, column] + above * second[row, column]
        high = below * first[row, next_column] + above * second[row, next_column]
        next_low = below * first[next_row, column] + above * second[next_row, column]
        next_high = below * first[next_row, next_column] + above * second[next_row, next_column]
        low = along_j[1][b] * low + along_j[2][b] * next_low
        high = along_j[1][b] * high + along_j[2][b] * next_high
        out[n] = along_i[1][c] * low + along_i[2][c] * high


@compiled()
def label_planes(
    source: np.ndarray,
    along_k: Axis,
    along_j: Axis,
    along_i: Axis,
    first: int,
    start: int,
    threshold: float,
    may_be_thin: np.ndarray,
    classes: np.ndarray,
    candidates: np.ndarray,
) -> None:
    """Write the most probable channel of planes from `start` on, and the candidates for thin structures.

    Parameters
    ----------
    source : ndarray of float32, shape (channels, k, j, i)
        Probabilities, background first, of coarse planes from number `first` on.
    threshold : float
        Probability above which a segment that loses to the background is a candidate.
    may_be_thin : ndarray of bool, (channels,)
    classes : ndarray of int, shape (k, j, i)
        The first of equals.
    candidates : ndarray of int, shape (k, j, i)
        Likeliest segment, or 0; without planes if none are wanted.
    """
    channels = source.shape[0]
    planes = np.empty((channels, *source.shape[2:]), np.float32)
    rows = np.empty((channels, source.shape[3] + 1), np.float32)
    fine = np.empty((channels, classes.shape[2]), np.float32)
    bound = np.float32(threshold)
    none = np.float32(0.99) * min(bound, np.float32(0.5))  # what rounding does not bring to a threshold
    for k in range(classes.shape[0]):
        for c in range(channels):
            _between_planes(source[c], along_k, start + k, first, planes[c])
        for j in range(classes.shape[1]):
            for c in range(channels):
                _between_rows(planes[c], along_j, j, rows[c])
            if rows[1:].max() < none and rows[0].min() > np.float32(0.5):
                classes[k, j] = 0
                if len(candidates):
                    candidates[k, j] = 0
                continue
            for c in range(channels):
                _along_row(rows[c], along_i, 0, fine[c])
            for i in range(classes.shape[2]):
                top, likeliest = fine[1, i], 1
                for c in range(2, channels):
                    if fine[c, i] > top:
                        top, likeliest = fine[c, i], c
                wins = top > fine[0, i]
                classes[k, j, i] = likeliest if wins else 0
                if len(candidates):
                    candidates[k, j, i] = likeliest if not wins and top > bound and may_be_thin[likeliest] else 0
