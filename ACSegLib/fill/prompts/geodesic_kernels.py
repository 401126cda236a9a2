"""Compiled loop of geodesic distances: how much a path changes in intensity, what walls it crosses, and its length."""

from __future__ import annotations

import numpy as np

from ACSegLib.compiled import compiled

#: Largest cost of a step between neighbours: the number of buckets less one. A power of two less one.
MAX_COST = 2047


@compiled(boundscheck=False)
def spread_classes(
    image: np.ndarray, walls: np.ndarray, lengths: np.ndarray, classes: np.ndarray, distances: np.ndarray
) -> None:
    """Give each voxel the class of the seed to which the cheapest path leads, and the cost of that path.

    Dial's algorithm: Dijkstra's, with buckets for costs that are whole numbers. A step to one of the 26 neighbours
    costs the difference in intensity, the higher wall of the two voxels, and the length of the step.

    Parameters
    ----------
    image : ndarray of int32, (K, J, I)
        Intensity, in units of the cost.
    walls : ndarray of int32, (K, J, I)
        Cost of a step into or out of each voxel.
    lengths : ndarray of int32, (3, 3, 3)
        Cost of the length of each step; 1 or more, apart from the middle.
    classes : ndarray of int16, (K, J, I)
        Seeds, negative elsewhere; every voxel gets a class.
    distances : ndarray of int32, (K, J, I)
        Written.
    """
    nk, nj, ni = image.shape
    values, barriers, kinds, flat = image.ravel(), walls.ravel(), classes.ravel(), distances.ravel()
    count = flat.size
    far = np.int32(2147483647)
    head = np.full(MAX_COST + 1, -1, np.int32)
    after = np.full(count, -1, np.int32)
    before = np.full(count, -1, np.int32)
    waiting = 0
    for n in range(count):
        flat[n] = far
        if kinds[n] >= 0:
            flat[n] = 0
            after[n] = head[0]
            if head[0] >= 0:
                before[head[0]] = n
            head[0] = n
            waiting += 1
    now = 0
    while waiting:
        n = head[now & MAX_COST]
        if n < 0:
            now += 1
            continue
        head[now & MAX_COST] = after[n]
        if after[n] >= 0:
            before[after[n]] = -1
        waiting -= 1
        here = values[n]
        k, j, i = n // (nj * ni), (n // ni) % nj, n % ni
        for u in range(max(k - 1, 0), min(k + 2, nk)):
            for v in range(max(j - 1, 0), min(j + 2, nj)):
                for w in range(max(i - 1, 0), min(i + 2, ni)):
                    m = (u * nj + v) * ni + w
                    old = flat[m]
                    if old <= now:
                        continue
                    cost = abs(values[m] - here) + max(barriers[m], barriers[n])
                    cost += lengths[u - k + 1, v - j + 1, w - i + 1]
                    reached = now + min(cost, MAX_COST)
                    if reached >= old:
                        continue
                    if old == far:
                        waiting += 1
                    else:  # out of the bucket it waits in
                        if before[m] >= 0:
                            after[before[m]] = after[m]
                        else:
                            head[old & MAX_COST] = after[m]
                        if after[m] >= 0:
                            before[after[m]] = before[m]
                    flat[m] = reached
                    kinds[m] = kinds[n]
                    slot = reached & MAX_COST
                    before[m] = -1
                    after[m] = head[slot]
                    if head[slot] >= 0:
                        before[head[slot]] = m
                    head[slot] = m


@compiled(boundscheck=False)
def flood(heights: np.ndarray, classes: np.ndarray) -> None:
    """Give each voxel without a class that of the basin it lies in, so that borders run along crests.

    Flooding from markers with a queue for each height, first in, first out (Meyer, Topographic distance and watershed
    lines, Signal Processing 38 (1994) 113, doi:10.1016/0165-1684(94)90060-4). Water passes to the 6 neighbours.

    Parameters
    ----------
    heights : ndarray of int32, (K, J, I)
        From 0 to `MAX_COST`.
    classes : ndarray of int16, (K, J, I)
        Markers, negative elsewhere; every voxel gets a class if any has one.
    """
    nk, nj, ni = heights.shape
    high, kinds = heights.ravel(), classes.ravel()
    first = np.full(MAX_COST + 1, -1, np.int32)
    last = np.full(MAX_COST + 1, -1, np.int32)
    after = np.full(high.size, -1, np.int32)
    for n in range(high.size):
        if kinds[n] >= 0:
            level = high[n]
            if first[level] < 0:
                first[level] = n
            else:
                after[last[level]] = n
            last[level] = n
    level = 0
    while level <= MAX_COST:
        n = first[level]
        if n < 0:
            level += 1
            continue
        first[level] = after[n]
        k, j, i = n // (nj * ni), (n // ni) % nj, n % ni
        for side in range(6):
            step = 2 * (side % 2) - 1
            u, v, w = k + step * (side // 2 == 0), j + step * (side // 2 == 1), i + step * (side // 2 == 2)
            if u < 0 or v < 0 or w < 0 or u >= nk or v >= nj or w >= ni:
                continue
            m = (u * nj + v) * ni + w
            if kinds[m] >= 0:
                continue
            kinds[m] = kinds[n]
            reached = max(high[m], level)
            after[m] = -1
            if first[reached] < 0:
                first[reached] = m
            else:
                after[last[reached]] = m
            last[reached] = m
