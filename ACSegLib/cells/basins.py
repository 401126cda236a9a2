"""Basins of a mask, and the faces at which they touch.

Each voxel belongs to the summit of the depth that the steepest way up leads to (Bieniek, Moga, "An efficient watershed
algorithm based on connected components", Pattern Recognition 33 (2000) 907-916). Shallow basins are united at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ACSegLib.threads import chunks_of, in_threads

#: Basins whose summit is less than this above the saddle are one, in voxels of depth.
_SHALLOW = 0.3


def find_basins(height: np.ndarray, mask: np.ndarray, check: Callable[[], None] = lambda: None) -> np.ndarray:
    """Number the basins of a height from 1; int32, shape (k, j, i), 0 outside the mask."""
    from ACSegLib.cells import kernels

    above = np.empty(height.size, np.int64)
    in_threads(lambda part: kernels.climb(height, mask, part.start, part.stop, above), chunks_of(height), check)
    flat = np.zeros(height.size, np.int32)
    count = int(kernels.number_basins(above, flat))
    check()
    labels = flat.reshape(height.shape)
    if count < 2:
        return labels
    pairs = Faces.between(labels, count, check)
    saddles = pairs.largest(height)
    summits = largest_by_region(height, labels, count).astype(np.float64)
    check()
    order = np.argsort(-saddles, kind="stable")
    parent = kernels.unite_shallow(pairs.a[order], pairs.b[order], saddles[order], summits, _SHALLOW)
    check()
    numbers = np.unique(parent[1:], return_inverse=True)[1].ravel()
    return np.concatenate([[0], numbers + 1]).astype(np.int32)[labels]


def largest_by_region(values: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Largest value in each region, 0 or more; of region 0 as well, which nothing reads."""
    from ACSegLib.cells import kernels

    out = np.zeros(count + 1, np.float32)
    kernels.largest_by_label(np.ascontiguousarray(values).reshape(-1), labels.reshape(-1), out)
    return out.astype(np.float64)


@dataclass(frozen=True)
class Faces:
    """Faces between voxels of different regions: the pair of each, and where both voxels lie (flat), and its axis."""

    a: np.ndarray
    b: np.ndarray
    pair: np.ndarray
    one: np.ndarray
    other: np.ndarray
    axis: np.ndarray

    @classmethod
    def between(cls, labels: np.ndarray, count: int, check: Callable[[], None] = lambda: None) -> Faces:
        keys, ones, others, axes = [], [], [], []
        strides = (labels.shape[1] * labels.shape[2], labels.shape[2], 1)
        for axis, stride in enumerate(strides):
            check()
            low = labels[tuple(slice(0, -1) if n == axis else slice(None) for n in range(3))]
            high = labels[tuple(slice(1, None) if n == axis else slice(None) for n in range(3))]
            k, j, i = np.nonzero((low != high) & (low > 0) & (high > 0))
            x, y = low[k, j, i].astype(np.int64), high[k, j, i].astype(np.int64)
            keys.append(np.minimum(x, y) * (count + 1) + np.maximum(x, y))
            one = k * strides[0] + j * strides[1] + i
            ones.append(one)
            others.append(one + stride)
            axes.append(np.full(len(one), axis, np.int8))
        check()
        found, pair = np.unique(np.concatenate(keys), return_inverse=True)
        ends = np.concatenate(ones), np.concatenate(others), np.concatenate(axes)
        return cls(found // (count + 1), found % (count + 1), pair.ravel(), *ends)

    def largest(self, values: np.ndarray) -> np.ndarray:
        """For each pair the largest of the lower values of its faces."""
        flat = values.ravel()
        out = np.zeros(len(self.a))
        np.maximum.at(out, self.pair, np.minimum(flat[self.one], flat[self.other]).astype(np.float64))
        return out
