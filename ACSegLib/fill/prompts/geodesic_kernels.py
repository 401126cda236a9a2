"""Compiled loop of geodesic distances: how much a path changes in intensity, what walls it crosses, and its length."""

from __future__ import annotations

import numpy as np

from ACSegLib.compiled import compiled

#: Largest cost of a step between neighbours: the number of buckets less one. A power of two less one.
MAX_COST = 2047


@compiled(boundscheck=False)
def spread_classes(
    values: np.ndarray, at_walls: bool, lengths: np.ndarray, classes: np.ndarray, distances: np.ndarray
) -> None:
    """Give each voxel the class of the seed to which the cheapest path leads, and the cost of that path.

    Dial's algorithm: Dijkstra's, with buckets for costs that are whole numbers. A step to one of the 26 neighbours
    costs the difference of their values, or the higher one, and the length of the step.

    The loop runs on a grid with a rim of one voxel that is never reached, so that no step is tested for the border. A
    voxel to which a cheaper path was found waits in both buckets, and is passed over in the second. Entries are used
    again, so that those that wait stay in the cache of the processor.

    Parameters
    ----------
    values : ndarray of int16, (K, J, I)
        Intensity or height of walls, in units of the cost.
    at_walls : bool
        Whether a step costs the higher of both values, and not their difference.
    lengths : ndarray of int32, (3, 3, 3)
        Cost of the length of each step; 1 or more, apart from the middle.
    classes : ndarray of int16, (K, J, I)
        Seeds, negative elsewhere; every voxel gets a class.
    distances : ndarray of int32, (K, J, I)
        Written.
    """
    nk, nj, ni = classes.shape
    row, plane = ni + 2, (nj + 2) * (ni + 2)
    count = (nk + 2) * plane
    steps, extra = np.empty(26, np.int64), np.empty(26, np.int32)
    s = 0
    for u in range(3):
        for v in range(3):
            for w in range(3):
                if u != 1 or v != 1 or w != 1:
                    steps[s] = (u - 1) * plane + (v - 1) * row + w - 1
                    extra[s] = lengths[u, v, w]
                    s += 1
    far = np.int32(2147483647)
    levels, kinds, reached = np.zeros(count, np.int16), np.zeros(count, np.int16), np.full(count, -1, np.int32)
    head = np.full(MAX_COST + 1, -1, np.int32)
    size = count
    voxel, after = np.empty(size, np.int32), np.empty(size, np.int32)
    used, free = 0, -1
    for k in range(nk):
        for j in range(nj):
            n = (k + 1) * plane + (j + 1) * row + 1
            for i in range(ni):
                levels[n + i] = values[k, j, i]
                kinds[n + i] = classes[k, j, i]
                reached[n + i] = far
                if classes[k, j, i] >= 0:
                    reached[n + i] = 0
                    voxel[used] = n + i
                    after[used] = head[0]
                    head[0] = used
                    used += 1
    waiting, now = used, 0
    while waiting:
        e = head[now & MAX_COST]
        if e < 0:
            now += 1
            continue
        n = voxel[e]
        head[now & MAX_COST] = after[e]
        after[e] = free
        free = e
        waiting -= 1
        if reached[n] != now:
            continue
        if used + 26 > size:
            voxel = np.concatenate((voxel, np.empty(size, np.int32)))
            after = np.concatenate((after, np.empty(size, np.int32)))
            size *= 2
        here = np.int32(levels[n])
        for s in range(26):
            m = n + steps[s]
            old = reached[m]
            if old <= now:
                continue
            there = np.int32(levels[m])
            cost = (max(here, there) if at_walls else abs(here - there)) + extra[s]
            total = now + min(cost, MAX_COST)
            if total >= old:
                continue
            reached[m] = total
            kinds[m] = kinds[n]
            if free >= 0:
                e = free
                free = after[e]
            else:
                e = used
                used += 1
            voxel[e] = m
            after[e] = head[total & MAX_COST]
            head[total & MAX_COST] = e
            waiting += 1
    for k in range(nk):
        for j in range(nj):
            n = (k + 1) * plane + (j + 1) * row + 1
            for i in range(ni):
                classes[k, j, i] = kinds[n + i]
                distances[k, j, i] = reached[n + i]
