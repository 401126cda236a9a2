"""Compiled loops of the nearest seed. Imported where used: numba takes a second to load."""

from __future__ import annotations

import numpy as np

from ACSegLib.compiled import compiled

#: Squared distance where there is no seed.
FAR = np.float32(3e38)


@compiled()
def within_planes(
    seeds: np.ndarray, step_j: float, step_i: float, first: int, last: int, squared: np.ndarray, nearest: np.ndarray
) -> None:
    """Squared distance to the nearest seed of the same plane, and its class, for planes `first` to `last`.

    Parameters
    ----------
    seeds : ndarray of int16, shape (k, j, i)
        Class of the seeds, 0 elsewhere.
    step_j, step_i : float
        Voxel size.
    squared, nearest : ndarray of float32 and of int16, shape (k, j, i)
        `FAR` and 0 in planes without a seed.
    """
    rows, columns = seeds.shape[1:]
    for k in range(first, last):
        for j in range(rows):
            far, near = squared[k, j], nearest[k, j]
            place = -1
            for i in range(columns):
                if seeds[k, j, i]:
                    place = i
                far[i] = FAR if place < 0 else np.float32(((i - place) * step_i) ** 2)
                near[i] = 0 if place < 0 else seeds[k, j, place]
            place = -1
            for i in range(columns - 1, -1, -1):
                if seeds[k, j, i]:
                    place = i
                if place >= 0:
                    away = np.float32(((place - i) * step_i) ** 2)
                    if away < far[i]:
                        far[i], near[i] = away, seeds[k, j, place]
        _along_first(squared[k], nearest[k], step_j)


@compiled()
def across_planes(squared: np.ndarray, nearest: np.ndarray, step: float, first: int, last: int) -> None:
    """Let rows `first` to `last` of what `within_planes` gave take the nearest seed of all planes, in place."""
    for j in range(first, last):
        _along_first(squared[:, j], nearest[:, j], step)


@compiled()
def _along_first(squared: np.ndarray, nearest: np.ndarray, step: float) -> None:
    """Lower envelope of parabolas along axis 0 of (n, i) (Felzenszwalb and Huttenlocher 2012), with their classes.

    Seeds keep their own class, and those between two others are the nearest ones of no other voxel.
    """
    count, columns = squared.shape
    values, classes = np.empty(count), np.empty(count, np.int16)
    places, ends = np.empty(count, np.int64), np.empty(count + 1)
    square = step * step
    for i in range(columns):
        last = -1
        for q in range(count):
            value = squared[q, i]
            if value >= FAR:
                continue
            if value == 0 and 0 < q < count - 1 and squared[q - 1, i] == 0 and squared[q + 1, i] == 0:
                continue
            height = value + square * q * q
            start = -np.inf
            while last >= 0:
                p = places[last]
                start = (height - values[last] - square * p * p) / (2 * square * (q - p))
                if start > ends[last]:
                    break
                last -= 1
                start = -np.inf
            last += 1
            places[last], values[last], classes[last], ends[last] = q, value, nearest[q, i], start
        if last < 0:
            continue
        at = 0
        for q in range(count):
            if squared[q, i] == 0:
                continue
            while at < last and ends[at + 1] < q:
                at += 1
            squared[q, i] = np.float32(values[at] + square * (q - places[at]) ** 2)
            nearest[q, i] = classes[at]
