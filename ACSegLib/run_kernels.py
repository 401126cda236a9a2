"""Compiled loops over runs of voxels; see `components`. Imported where used: numba takes a second to load."""

from __future__ import annotations

import numpy as np

from ACSegLib.compiled import compiled


@compiled()
def count_runs(mask: np.ndarray, counts: np.ndarray) -> None:
    """Runs of set voxels in each row: `mask` is bool (k, j, i), `counts` int64 (k, j)."""
    planes, rows, columns = mask.shape
    for k in range(planes):
        for j in range(rows):
            count = 0
            before = False
            for i in range(columns):
                here = mask[k, j, i]
                count += here and not before
                before = here
            counts[k, j] = count


@compiled()
def find_runs(mask: np.ndarray, first: np.ndarray, starts: np.ndarray, stops: np.ndarray) -> None:
    """Write where each row's runs start and stop (int32), from the row's place in `first` (k, j) on."""
    planes, rows, columns = mask.shape
    for k in range(planes):
        for j in range(rows):
            place = first[k, j]
            inside = False
            for i in range(columns):
                if mask[k, j, i] != inside:
                    if inside:
                        stops[place] = i
                        place += 1
                    else:
                        starts[place] = i
                    inside = not inside
            if inside:
                stops[place] = columns


@compiled()
def _root(parents: np.ndarray, run: int) -> int:
    while parents[run] != run:
        parents[run] = parents[parents[run]]
        run = parents[run]
    return run


@compiled()
def _join_rows(
    parents: np.ndarray, starts: np.ndarray, stops: np.ndarray, a: int, a_end: int, b: int, b_end: int, slack: int
) -> None:
    """Unite the runs a to a_end of a row with those of b to b_end of a neighbouring row that they touch."""
    while a < a_end and b < b_end:
        if starts[a] < stops[b] + slack and starts[b] < stops[a] + slack:
            one, other = _root(parents, a), _root(parents, b)
            if one < other:
                parents[other] = one
            else:
                parents[one] = other
        # Runs of a row are at least a voxel apart: what ends first cannot touch the other row's next run.
        if stops[a] < stops[b]:
            a += 1
        else:
            b += 1


@compiled()
def unite_runs(
    first: np.ndarray, starts: np.ndarray, stops: np.ndarray, height: int, slack: np.ndarray
) -> tuple[np.ndarray, int]:
    """Number of each run's part (int32), and how many parts there are.

    Parameters
    ----------
    first : ndarray of int64, shape (k * j + 1,)
        Number of each row's first run.
    height : int
        Rows of a plane.
    slack : ndarray of int, shape (4,)
        See `components._SLACK`.
    """
    parents = np.arange(len(starts))
    for row in range(len(first) - 1):
        begin, end = first[row], first[row + 1]
        if begin == end:
            continue
        j = row % height
        for n in range(4):
            if slack[n] < 0:
                continue
            across = j - 1 if n < 2 else j + n - 2
            other = row - 1 if n == 0 else row - height + n - 2
            if across < 0 or across >= height or other < 0:
                continue
            _join_rows(parents, starts, stops, begin, end, first[other], first[other + 1], slack[n])
    parts = np.empty(len(starts), np.int32)
    count = 0
    for run in range(len(starts)):
        root = _root(parents, run)
        if root == run:  # the least run of its part, hence met first
            parts[run] = count
            count += 1
        else:
            parts[run] = parts[root]
    return parts, count


@compiled()
def describe_parts(
    rows: np.ndarray, starts: np.ndarray, stops: np.ndarray, parts: np.ndarray, height: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Voxels of each part (int64), and its box as first and end along k, j, i (int64, (count, 6))."""
    sizes = np.zeros(count, np.int64)
    boxes = np.empty((count, 6), np.int64)
    boxes[:, 0::2] = np.iinfo(np.int64).max
    boxes[:, 1::2] = 0
    for run in range(len(starts)):
        box = boxes[parts[run]]
        k, j = rows[run] // height, rows[run] % height
        sizes[parts[run]] += stops[run] - starts[run]
        box[0], box[1] = min(box[0], k), max(box[1], k + 1)
        box[2], box[3] = min(box[2], j), max(box[3], j + 1)
        box[4], box[5] = min(box[4], starts[run]), max(box[5], stops[run])
    return sizes, boxes


@compiled()
def find_marked(
    rows: np.ndarray, starts: np.ndarray, stops: np.ndarray, parts: np.ndarray, marks: np.ndarray, held: np.ndarray
) -> None:
    """Set `held` (bool, by part) where a run holds a voxel of `marks`, bool (rows, columns)."""
    for run in range(len(starts)):
        if held[parts[run]]:
            continue
        for i in range(starts[run], stops[run]):
            if marks[rows[run], i]:
                held[parts[run]] = True
                break


@compiled()
def paint_labels(rows: np.ndarray, starts: np.ndarray, stops: np.ndarray, parts: np.ndarray, out: np.ndarray) -> None:
    """Write each run's part, counted from 1, into `out`, int32 (rows, columns)."""
    for run in range(len(starts)):
        out[rows[run], starts[run] : stops[run]] = parts[run] + 1


@compiled()
def paint_part(
    rows: np.ndarray, starts: np.ndarray, stops: np.ndarray, height: int, k: int, j: int, i: int, out: np.ndarray
) -> None:
    """Set runs in `out`, bool, whose first voxel lies at (k, j, i) of the whole array."""
    for run in range(len(starts)):
        out[rows[run] // height - k, rows[run] % height - j, starts[run] - i : stops[run] - i] = True
