"""Compiled loops over the voxels that a correction may change, which are listed by their places in the flattened box.

Imported where used: numba takes a second to load.
"""

from __future__ import annotations

from ACSegLib.compiled import fast_loop as _loop
from ACSegLib.threads import spread


@_loop
def _distances_at(begin, end, places, rows, columns, boxes, values, starts, beyond, limits, out):
    for n in range(begin, end):
        line, i = places[n] // columns, places[n] % columns
        k, j = line // rows, line % rows
        for g in range(len(starts)):
            value = beyond
            if (
                boxes[g, 0, 0] <= k < boxes[g, 0, 1]
                and boxes[g, 1, 0] <= j < boxes[g, 1, 1]
                and boxes[g, 2, 0] <= i < boxes[g, 2, 1]
            ):
                row = (k - boxes[g, 0, 0]) * (boxes[g, 1, 1] - boxes[g, 1, 0]) + j - boxes[g, 1, 0]
                value = values[starts[g] + row * (boxes[g, 2, 1] - boxes[g, 2, 0]) + i - boxes[g, 2, 0]]
            out[g, n] = min(value, limits[g])


def distances_at(places, shape, distances, out):
    """Write the `SegmentDistances` at places (int64, (N,)) of an array (K, J, I) to out, float32 (G, N)."""
    from numpy import float32

    boxed = (distances.boxes, distances.values, distances.starts, float32(distances.beyond), distances.limits)
    spread(_distances_at, len(places), places, shape[1], shape[2], *boxed, out)
