"""Compiled loops of splitting. Imported where used: numba takes a second to load."""

from __future__ import annotations

import numpy as np

from ACSegLib.compiled import compiled

#: Stands for infinity in lower envelopes.
_FAR = 1e30


@compiled()
def lower_envelope(values: np.ndarray, weight: float, out: np.ndarray, at: np.ndarray, start: np.ndarray) -> None:
    """``out[x] = min over y of weight * (x - y) ** 2 + values[y]``; `at` and `start` are work arrays (n, n + 1)."""
    n = len(values)
    k = 0
    at[0], start[0], start[1] = 0, -_FAR, _FAR
    for q in range(1, n):
        meet = _meeting(values, weight, q, at[k])
        while meet <= start[k]:
            k -= 1
            meet = _meeting(values, weight, q, at[k])
        k += 1
        at[k], start[k], start[k + 1] = q, meet, _FAR
    k = 0
    for q in range(n):
        while start[k + 1] < q:
            k += 1
        out[q] = weight * (q - at[k]) ** 2 + values[at[k]]


@compiled()
def _meeting(values: np.ndarray, weight: float, q: int, p: int) -> float:
    """Where the parabolas at `q` and `p` < `q` have the same value."""
    return (values[q] - values[p] + weight * (q * q - p * p)) / (2 * weight * (q - p))


@compiled()
def envelope_along(lines: np.ndarray, weight: float, first: int, last: int) -> None:
    """Replace lines ``lines[n, :, m]``, n from `first` to `last`, by their lower envelopes; float32, in place."""
    _, length, width = lines.shape
    values, out = np.empty(length), np.empty(length)
    at, start = np.empty(length, np.int64), np.empty(length + 1)
    for n in range(first, last):
        for m in range(width):
            for q in range(length):
                values[q] = lines[n, q, m]
            lower_envelope(values, weight, out, at, start)
            for q in range(length):
                lines[n, q, m] = out[q]


@compiled()
def climb(height: np.ndarray, mask: np.ndarray, first: int, last: int, above: np.ndarray) -> None:
    """Flat index of the highest of each voxel's 26 neighbours and itself, in planes `first` to `last`; -1 outside.

    Of equal heights the later voxel counts as higher, so that every way up ends.
    """
    planes, rows, columns = height.shape
    for k in range(first, last):
        for j in range(rows):
            for i in range(columns):
                here = (k * rows + j) * columns + i
                above[here] = -1
                if not mask[k, j, i]:
                    continue
                best, place = height[k, j, i], here
                for a in range(max(k - 1, 0), min(k + 2, planes)):
                    for b in range(max(j - 1, 0), min(j + 2, rows)):
                        for c in range(max(i - 1, 0), min(i + 2, columns)):
                            other = (a * rows + b) * columns + c
                            value = height[a, b, c]
                            if mask[a, b, c] and (value > best or (value == best and other > place)):
                                best, place = value, other
                above[here] = place


@compiled()
def number_basins(above: np.ndarray, labels: np.ndarray) -> int:
    """Number the voxels by the summit that `above` leads them to; `labels` (flat int32, zeros) is filled."""
    count = 0
    for voxel in range(len(above)):
        if above[voxel] == voxel:
            count += 1
            labels[voxel] = count
    for voxel in range(len(above)):
        if above[voxel] < 0 or labels[voxel]:
            continue
        end = voxel
        while labels[end] == 0:
            end = above[end]
        label, end = labels[end], voxel
        while labels[end] == 0:
            labels[end] = label
            end = above[end]
    return count


@compiled()
def unite_shallow(a: np.ndarray, b: np.ndarray, saddles: np.ndarray, summits: np.ndarray, depth: float) -> np.ndarray:
    """Unite basins whose lower summit is less than `depth` above their saddle; pairs come by falling saddle.

    Returns
    -------
    ndarray of int64
        The basin that each basin belongs to.
    """
    parent = np.arange(len(summits))
    for n in range(len(a)):
        x, y = a[n], b[n]
        while parent[x] != x:
            parent[x] = parent[parent[x]]
            x = parent[x]
        while parent[y] != y:
            parent[y] = parent[parent[y]]
            y = parent[y]
        if x == y:
            continue
        if summits[x] < summits[y]:
            x, y = y, x
        if summits[y] - saddles[n] < depth:
            parent[y] = x
    for n in range(len(parent)):
        x = n
        while parent[x] != x:
            x = parent[x]
        parent[n] = x
    return parent


@compiled()
def spread_labels(labels: np.ndarray, mask: np.ndarray, queue: np.ndarray, count: int) -> None:
    """Let labels spread through the mask, voxel by voxel from all labelled ones at the same speed, in place.

    `queue` (flat indices, as long as the mask has voxels) begins with the `count` labelled voxels that spread.
    """
    planes, rows, columns = labels.shape
    flat = labels.reshape(-1)
    inside = mask.reshape(-1)
    head, tail = 0, count
    while head < tail:
        voxel = queue[head]
        head += 1
        i = voxel % columns
        j = voxel // columns % rows
        k = voxel // (columns * rows)
        for n in range(6):
            step = 1 if n % 2 else -1
            a, b, c = k, j, i
            if n < 2:
                a += step
            elif n < 4:
                b += step
            else:
                c += step
            if 0 <= a < planes and 0 <= b < rows and 0 <= c < columns:
                other = (a * rows + b) * columns + c
                if inside[other] and flat[other] == 0:
                    flat[other] = flat[voxel]
                    queue[tail] = other
                    tail += 1


@compiled()
def largest_by_label(values: np.ndarray, labels: np.ndarray, out: np.ndarray) -> None:
    """Raise ``out[label]`` to the largest value of the label's voxels; flat arrays, in place."""
    for voxel in range(len(labels)):
        if values[voxel] > out[labels[voxel]]:
            out[labels[voxel]] = values[voxel]
