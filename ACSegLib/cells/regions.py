"""Basins of a mask, and the graph of which touch: what the seams between them are like.

Each voxel belongs to the summit of the depth that the steepest way up leads to (Bieniek, Moga, "An efficient watershed
algorithm based on connected components", Pattern Recognition 33 (2000) 907-916). Shallow basins are united at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ACSegLib.cells.seams import Seams
from ACSegLib.threads import chunks_of, in_threads

#: Basins whose summit is less than this above the saddle are one, in voxels of depth.
_SHALLOW = 0.4


@dataclass(frozen=True)
class RegionGraph:
    """Sums over regions (index 0 is unused) and over the faces between two of them.

    Attributes
    ----------
    voxels, valleys, intensity, summit, depth : ndarray, shape (regions + 1,)
        Number of voxels; sum of valleys and of the image; largest distance from background, and depth.
    a, b : ndarray of int64, shape (pairs,)
        The regions of a pair, a < b.
    area, seam, saddle, pass_depth : ndarray, shape (pairs,)
        Number of voxel faces between them; sum of the valleys at these; largest distance from background, and depth,
        on the way from one to the other.
    contrast : float
        Standard deviation of the smoothed image in the mask.
    scale : float
        That of the seams: what valleys are multiples of, as a part of the contrast between cell and background.
    """

    voxels: np.ndarray
    valleys: np.ndarray
    intensity: np.ndarray
    summit: np.ndarray
    depth: np.ndarray
    a: np.ndarray
    b: np.ndarray
    area: np.ndarray
    seam: np.ndarray
    saddle: np.ndarray
    pass_depth: np.ndarray
    contrast: float
    scale: float


def find_basins(seams: Seams, mask: np.ndarray, check: Callable[[], None] = lambda: None) -> np.ndarray:
    """Number the basins of the depth from 1; int32, shape (k, j, i), 0 outside the mask."""
    from ACSegLib.cells import kernels

    height = seams.depth
    above = np.empty(height.size, np.int64)
    in_threads(lambda part: kernels.climb(height, mask, part.start, part.stop, above), chunks_of(height), check)
    flat = np.zeros(height.size, np.int32)
    count = int(kernels.number_basins(above, flat))
    check()
    labels = flat.reshape(height.shape)
    if count < 2:
        return labels
    pairs = _Faces.between(labels, count)
    saddles = pairs.largest(height)
    summits = _largest(height, labels, count).astype(np.float64)
    order = np.argsort(-saddles, kind="stable")
    parent = kernels.unite_shallow(pairs.a[order], pairs.b[order], saddles[order], summits, _SHALLOW)
    check()
    numbers = np.unique(parent[1:], return_inverse=True)[1].ravel()
    return np.concatenate([[0], numbers + 1]).astype(np.int32)[labels]


def connect(labels: np.ndarray, seams: Seams, mask: np.ndarray) -> RegionGraph:
    """Measure the regions of a label array and the pairs that touch."""
    count = int(labels.max())
    pairs = _Faces.between(labels, count)
    flat = labels.ravel()
    within = seams.image[mask]
    return RegionGraph(
        voxels=np.bincount(flat, minlength=count + 1).astype(np.float64),
        valleys=np.bincount(flat, seams.valleys.ravel(), minlength=count + 1),
        intensity=np.bincount(flat, seams.image.ravel(), minlength=count + 1),
        summit=_largest(seams.distance, labels, count),
        depth=_largest(seams.depth, labels, count),
        a=pairs.a,
        b=pairs.b,
        area=np.bincount(pairs.pair, minlength=len(pairs.a)).astype(np.float64),
        seam=pairs.summed(seams.valleys),
        saddle=pairs.largest(seams.distance),
        pass_depth=pairs.largest(seams.depth),
        contrast=float(within.std()) if within.size else 0.0,
        scale=seams.scale,
    )


def _largest(values: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """Largest value in each region, 0 or more; of region 0 as well, which nothing reads."""
    from ACSegLib.cells import kernels

    out = np.zeros(count + 1, np.float32)
    kernels.largest_by_label(np.ascontiguousarray(values).reshape(-1), labels.reshape(-1), out)
    return out.astype(np.float64)


@dataclass(frozen=True)
class _Faces:
    """Faces between voxels of different regions: the pair of each, and where both voxels lie (flat)."""

    a: np.ndarray
    b: np.ndarray
    pair: np.ndarray
    one: np.ndarray
    other: np.ndarray

    @classmethod
    def between(cls, labels: np.ndarray, count: int) -> _Faces:
        keys, ones, others = [], [], []
        strides = (labels.shape[1] * labels.shape[2], labels.shape[2], 1)
        for axis, stride in enumerate(strides):
            low = labels[tuple(slice(0, -1) if n == axis else slice(None) for n in range(3))]
            high = labels[tuple(slice(1, None) if n == axis else slice(None) for n in range(3))]
            k, j, i = np.nonzero((low != high) & (low > 0) & (high > 0))
            x, y = low[k, j, i].astype(np.int64), high[k, j, i].astype(np.int64)
            keys.append(np.minimum(x, y) * (count + 1) + np.maximum(x, y))
            one = k * strides[0] + j * strides[1] + i
            ones.append(one)
            others.append(one + stride)
        found, pair = np.unique(np.concatenate(keys), return_inverse=True)
        return cls(
            found // (count + 1), found % (count + 1), pair.ravel(), np.concatenate(ones), np.concatenate(others)
        )

    def largest(self, values: np.ndarray) -> np.ndarray:
        """For each pair the largest of the lower values of its faces."""
        flat = values.ravel()
        out = np.zeros(len(self.a))
        np.maximum.at(out, self.pair, np.minimum(flat[self.one], flat[self.other]).astype(np.float64))
        return out

    def summed(self, values: np.ndarray) -> np.ndarray:
        """For each pair the sum of the higher values of its faces."""
        flat = values.ravel()
        return np.bincount(self.pair, np.maximum(flat[self.one], flat[self.other]), minlength=len(self.a))
