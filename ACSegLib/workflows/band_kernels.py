"""Compiled loops that read the band of a walk. Imported where used: numba takes a second to load."""

from __future__ import annotations

import numpy as np

from ACSegLib.compiled import compiled, fast_loop


@compiled()
def _mirrored(place: int, size: int) -> int:
    """A place within 0 to size - 1; beyond an end the values run backwards, the outermost one twice."""
    while place < 0 or place >= size:
        place = -place - 1 if place < 0 else 2 * size - 1 - place
    return place


@fast_loop
def smooth_planes(image: np.ndarray, weights: np.ndarray, first: int, planes: int, start: int, out: np.ndarray) -> None:
    """Smooth planes from `start` on by a symmetric kernel of five weights along each axis; ends are `_mirrored`.

    Sums are taken in single precision: twice as fast, and the rounding lies far below the noise of any image.

    Parameters
    ----------
    image : ndarray of float32, shape (k, j, i)
        Planes from number `first` on, of a volume of `planes`: two more on either side than are smoothed.
    weights : ndarray of float32, (3,)
        Of a voxel, its neighbours, and those after them.
    out : ndarray of float32, shape (k, j, i)
    """
    _, rows, columns = image.shape
    w0, w1, w2 = weights
    across = np.empty((rows, columns), np.float32)
    row = np.empty(columns + 4, np.float32)
    for n in range(len(out)):
        k = start + n
        a, b = _mirrored(k - 2, planes) - first, _mirrored(k - 1, planes) - first
        d, e = _mirrored(k + 1, planes) - first, _mirrored(k + 2, planes) - first
        for j in range(rows):
            far, near, here = image[a, j], image[b, j], image[k - first, j]
            after, beyond = image[d, j], image[e, j]
            for i in range(columns):
                total = here[i] * w0
                total += (far[i] + beyond[i]) * w2
                total += (near[i] + after[i]) * w1
                across[j, i] = total
        for j in range(rows):
            far, near, here = across[_mirrored(j - 2, rows)], across[_mirrored(j - 1, rows)], across[j]
            after, beyond = across[_mirrored(j + 1, rows)], across[_mirrored(j + 2, rows)]
            for i in range(columns):
                total = here[i] * w0
                total += (far[i] + beyond[i]) * w2
                total += (near[i] + after[i]) * w1
                row[i + 2] = total
            for end in (0, 1, columns + 2, columns + 3):
                row[end] = row[_mirrored(end - 2, columns) + 2]
            for i in range(columns):
                total = row[i + 2] * w0
                total += (row[i] + row[i + 4]) * w2
                total += (row[i + 1] + row[i + 3]) * w1
                out[n, j, i] = total


@fast_loop
def moments_of_plane(plane: np.ndarray, known: np.ndarray, moments: np.ndarray) -> None:
    """Count, mean and sum of the squared deviations of each class's values in a plane.

    Parameters
    ----------
    plane : ndarray of float32, shape (j, i)
    known : ndarray of int, shape (j, i)
        Class of each voxel; those below 0 do not count.
    moments : ndarray of float64, shape (classes, 3)
        Written.
    """
    moments[:] = 0.0
    pivots = np.zeros(len(moments), np.float64)
    rows, columns = plane.shape
    for j in range(rows):
        begin = 0
        while begin < columns:
            c, end = known[j, begin], begin + 1
            while end < columns and known[j, end] == c:
                end += 1
            if c >= 0:
                if moments[c, 0] == 0:
                    pivots[c] = plane[j, begin]
                total = squares = 0.0
                for i in range(begin, end):
                    away = plane[j, i] - pivots[c]
                    total += away
                    squares += away * away
                moments[c, 0] += end - begin
                moments[c, 1] += total
                moments[c, 2] += squares
            begin = end
    for c in range(len(moments)):
        if moments[c, 0] > 0:
            mean = moments[c, 1] / moments[c, 0]
            moments[c, 2] -= mean * moments[c, 1]
            moments[c, 1] = mean + pivots[c]
