"""Overlapping tiles: as large as memory allows, weighted by Gaussians that sum to 1 everywhere.

Tiles lie on a regular grid, so the sum of their three-dimensional Gaussians is the product of three sums along the
axes: each axis is normalised by itself, and no volume of weights is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.errors import MemoryLimitError
from ACSegLib.geometry import size_text
from ACSegLib.network.model.spec import NetworkSpec

#: Standard deviation of the windows as a fraction of the tile (as nnU-Net, Isensee et al. 2021).
_SIGMA = 0.125
#: Bytes of activations for each voxel of the tile and filter of the finest level, measured, by backend.
BYTES_PER_VOXEL_AND_FILTER: Mapping[str, float] = {"openvino": 20.0, "pytorch": 36.0}
#: Bytes that a backend takes whatever the tile: compiled kernels, memory of its threads, and freed blocks that fit no
#: later layer. PyTorch: 11 to 45 MB on tiles of 16 to 64 voxels a side, and in float32 up to 120 MB, which
#: differs from run to run. OpenVINO plans its memory beforehand.
BACKEND_BYTES: Mapping[str, int] = {"openvino": 16 << 20, "pytorch": 128 << 20}
#: Memory of activations in 16 bits, as a part of those in 32: some are kept in 32 all the same.
HALF_PRECISION = 0.6
#: Channels are kept in vectors of at least so many.
MIN_CHANNELS = 8
#: The tile, the one that is read meanwhile, and what reading it takes.
_BYTES_TO_READ = 24
#: Most voxels of a tile, by what runs it: more save little overlap, and PyTorch notices a cancel only between layers.
MAX_TILE = {"openvino": 8_000_000, "pytorch": 6_000_000, "cuda": 24_000_000}


@dataclass(frozen=True)
class Tiling:
    """Where tiles begin along each axis, and how large they are.

    Parameters
    ----------
    shape : tuple of int
        Voxels covered, (k, j, i).
    tile : tuple of int
        Voxels of each tile, (k, j, i); may exceed `shape`.
    starts : tuple of three tuples of int
        First voxel of each tile along k, j, i.
    """

    shape: tuple[int, int, int]
    tile: tuple[int, int, int]
    starts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

    @property
    def count(self) -> int:
        """Number of tiles."""
        return math.prod(len(s) for s in self.starts)

    def windows(self, axis: int) -> list[np.ndarray]:
        """Weights of each tile along an axis, float32; those that fall on one voxel sum to 1."""
        size, length = self.shape[axis], self.tile[axis]
        centred = np.arange(length) - (length - 1) / 2
        gauss = np.exp(-0.5 * (centred / (_SIGMA * length)) ** 2)
        total = np.zeros(size)
        for start in self.starts[axis]:
            total[start : start + length] += gauss[: size - start]
        return [(gauss[: size - s] / total[s : s + length]).astype(np.float32) for s in self.starts[axis]]


def place_tiles(shape: Sequence[int], tile: Sequence[int], overlap: Sequence[int]) -> Tiling:
    """Spread tiles evenly, so that neighbours share at least `overlap` voxels and the whole border is covered."""
    starts: list[tuple[int, ...]] = []
    for size, length, shared in zip(shape, tile, overlap, strict=True):
        if length >= size:
            starts.append((0,))
            continue
        count = 1 + math.ceil((size - length) / max(1, length - min(shared, length // 2)))
        starts.append(tuple(int(v) for v in np.linspace(0, size - length, count).round()))
    return Tiling(_three(shape), _three(tile), (starts[0], starts[1], starts[2]))


def bytes_per_voxel(spec: NetworkSpec, backend: str, precision: str = "float32") -> float:
    """Estimate the memory for one voxel of a tile."""
    scale = (1.4 if spec.residual else 1.0) * (1.0 if precision == "float32" else HALF_PRECISION)
    activations = BYTES_PER_VOXEL_AND_FILTER[backend] * scale * max(spec.filters[0], MIN_CHANNELS)
    return activations + 8 * spec.out_channels + _BYTES_TO_READ


def choose_tile(
    shape: Sequence[int],
    spec: NetworkSpec,
    overlap: Sequence[int],
    budget: int,
    *,
    backend: str,
    device: str,
) -> Tiling:
    """Choose the largest tile that fits, among those that cover the shape evenly.

    Parameters
    ----------
    shape : (k, j, i)
        The working grid.
    overlap : (k, j, i)
        Voxels that neighbours should share.
    budget : int
        Bytes for the activations of one tile and the rows of probabilities above it.

    Raises
    ------
    MemoryLimitError
        If not even the smallest tile fits.

    Notes
    -----
    Among the splits of each axis into 1, 2, 3, ... tiles that fit, the one that runs the fewest voxels through the
    network is taken: large tiles share less, and their instance norm sees more of the image.
    """
    divisor = spec.patch_divisor
    each = bytes_per_voxel(spec, backend)
    largest = MAX_TILE["cuda" if device.startswith("cuda") else backend]
    options = [_sides(n, d, o) for n, d, o in zip(shape, divisor, overlap, strict=True)]
    best: tuple[int, int, Tiling] | None = None
    for k in options[0]:
        row = 4 * spec.out_channels * k * math.prod(shape[1:])
        for j in options[1]:
            for i in options[2]:
                voxels = k * j * i
                if voxels > largest or voxels * each + row > budget:
                    continue
                tiling = place_tiles(shape, (k, j, i), overlap)
                work = tiling.count * voxels
                if best is None or (work, -voxels) < best[:2]:
                    best = (work, -voxels, tiling)
    if best is None:
        smallest = [min(side) for side in options]
        needed = math.prod(smallest) * each + 4 * spec.out_channels * smallest[0] * math.prod(shape[1:])
        raise MemoryLimitError(
            f"predicting a volume of {size_text(shape)} voxels needs at least {needed / 2**30:.1f} GiB and "
            f"{max(budget, 0) / 2**30:.1f} GiB may be used; close other programs, or predict a part with --roi."
        )
    return best[2]


def _sides(size: int, divisor: int, overlap: int) -> list[int]:
    """Sides that cover `size` by 1, 2, 3, ... tiles with the overlap, multiples of the divisor, the largest first."""
    sides = set()
    least = max(divisor, 2 * min(overlap, size))
    for count in range(1, max(2, math.ceil(size / max(1, least // 2))) + 1):
        side = math.ceil((size + (count - 1) * overlap) / count / divisor) * divisor
        sides.add(max(side, min(math.ceil(least / divisor) * divisor, math.ceil(size / divisor) * divisor)))
    return sorted(sides, reverse=True)


def _three(values: Sequence[int]) -> tuple[int, int, int]:
    k, j, i = (int(v) for v in values)
    return k, j, i
