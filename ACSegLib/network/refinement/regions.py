"""Where the refinement network looks: overlapping regions of a volume through which a surface passes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from ACSegLib.network.predict.tiling import Tiling, place_tiles

#: Side of a region, and what neighbouring regions share, in voxels (side 64: Erozan et al. 2024).
REGION, OVERLAP = 64, 16
#: Where a region lies: its indices in the tiling, and its first voxel (k, j, i).
Region = tuple[tuple[int, int, int], tuple[int, int, int]]


def surface_tiling(shape: Sequence[int], side: int = REGION, overlap: int = OVERLAP) -> Tiling:
    """Where regions of a side may lie in a volume."""
    return place_tiles(shape, (side,) * 3, (overlap,) * 3)


def surface_regions(layers: Sequence[np.ndarray], tiling: Tiling, overlap: int = OVERLAP) -> Iterator[Region]:
    """Regions of the tiling, made for an overlap, whose inner part a surface of these labels passes."""
    places = itertools.product(*(enumerate(s) for s in tiling.starts))
    inset = overlap // 4
    for (a, k), (b, j), (c, i) in places:
        start = (k, j, i)
        inner = tuple(
            slice(s + (inset if s else 0), min(s + n - inset if s + n < m else m, m))
            for s, n, m in zip(start, tiling.tile, tiling.shape, strict=True)
        )
        if any(layer[inner].min() != layer[inner].max() for layer in layers):
            yield (a, b, c), start


def pad_region(array: np.ndarray, size: Sequence[int], fill: int | None = None) -> np.ndarray:
    """Continue an array (C, k, j, i) at its far ends to `size` (k, j, i): by its edge, or by `fill`."""
    missing = [(0, 0)] + [(0, n - m) for n, m in zip(size, array.shape[1:], strict=True)]
    if fill is None:
        return np.pad(array, missing, mode="edge")
    return np.pad(array, missing, constant_values=fill)


def cut_region(array: np.ndarray, start: Sequence[int], size: Sequence[int], fill: int | None = None) -> np.ndarray:
    """Cut a region of `size` (k, j, i) from an array (C, k, j, i); beyond the array as in `pad_region`."""
    box = tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))
    return pad_region(array[(slice(None), *box)], size, fill)
