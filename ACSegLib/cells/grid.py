"""The grid on which large masks are split: coarser than the volume, so that memory and time stay bounded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.float32 import levels_of
from ACSegLib.masks import Box, at_borders, bounding_box

#: Voxels of the grid at most; larger masks are reduced by whole numbers.
MAX_VOXELS = 1 << 24
#: Values that are looked at, the percentiles of usual ones, and how many of these float32 should tell apart.
_SAMPLED, _USUAL, _LEVELS = 20_000, (1, 99), 4096


@dataclass(frozen=True)
class WorkGrid:
    """A box of a volume, in blocks of voxels.

    Attributes
    ----------
    box : tuple of slice
        Of the volume.
    factors : (int, int, int)
        Voxels of a block along (k, j, i).
    step : (float, float, float)
        Size of a block along (k, j, i); the smallest is 1.
    """

    box: Box
    factors: tuple[int, int, int]
    step: tuple[float, float, float]

    @classmethod
    def around(cls, mask: np.ndarray, spacing: Sequence[float]) -> WorkGrid:
        """The grid around a mask that is not empty; `spacing` along (k, j, i)."""
        inner = bounding_box(mask)
        assert inner is not None
        box = tuple(slice(max(s.start - 1, 0), min(s.stop + 1, n)) for s, n in zip(inner, mask.shape, strict=True))
        sides = [s.stop - s.start for s in box]
        factors = [1, 1, 1]
        while math.prod(-(-n // f) for n, f in zip(sides, factors, strict=True)) > MAX_VOXELS:
            blocks = [f * s for f, s in zip(factors, spacing, strict=True)]
            free = [axis for axis in range(3) if sides[axis] >= 8 * (factors[axis] + 1)] or [0, 1, 2]
            finest = min(blocks[axis] for axis in free)
            for axis in free:
                factors[axis] += blocks[axis] <= 1.5 * finest
        blocks = [f * s for f, s in zip(factors, spacing, strict=True)]
        k, j, i = (b / min(blocks) for b in blocks)
        return cls((box[0], box[1], box[2]), (factors[0], factors[1], factors[2]), (k, j, i))

    @property
    def voxels_of_block(self) -> int:
        """Voxels of the volume in a voxel of the grid."""
        return int(np.prod(self.factors))

    def reduce_mask(self, mask: np.ndarray) -> np.ndarray:
        """Blocks that lie in the mask completely, so that gaps between cells stay open."""
        return self._reduced(mask[self.box], np.min) if self.voxels_of_block > 1 else mask[self.box].copy()

    def reduce_image(self, image: np.ndarray) -> np.ndarray:
        """Mean of each block, float32; missing values become the nearest one, so that no seam begins where they do.

        Values that float32 can hardly tell apart are taken from their median.
        """
        from scipy import ndimage

        values = self._reduced(image[self.box], np.mean)
        with np.errstate(over="ignore"):  # what float32 cannot hold is missing
            reduced = (values - _offset(values)).astype(np.float32)
        missing = ~np.isfinite(reduced)
        if missing.all():
            return np.zeros_like(reduced)
        if missing.any():
            nearest = ndimage.distance_transform_edt(missing, self.step, return_distances=False, return_indices=True)
            reduced[missing] = reduced[tuple(nearest[:, missing])]
        return reduced

    def reduce_seeds(self, seeds: np.ndarray) -> np.ndarray:
        """Largest seed of each block."""
        return self._reduced(seeds[self.box], np.max)

    def _reduced(self, array: np.ndarray, how: object) -> np.ndarray:
        """Apply a function to blocks, plane by plane; what is left over at the ends has no block."""
        if self.voxels_of_block == 1:
            return np.ascontiguousarray(array)
        a, b, c = self.factors
        planes, rows, columns = (n // f for n, f in zip(array.shape, self.factors, strict=True))
        out = []
        for k in range(planes):
            slab = np.asarray(array[k * a : (k + 1) * a, : rows * b, : columns * c])
            out.append(how(slab.reshape(a, rows, b, columns, c), axis=(0, 2, 4)))  # type: ignore[operator]
        return np.ascontiguousarray(np.stack(out))

    def enlarge(
        self,
        labels: np.ndarray,
        mask: np.ndarray,
        seeds: np.ndarray | None,
        seed_of_region: np.ndarray,
        check: Callable[[], None] = lambda: None,
    ) -> np.ndarray:
        """Put labels of the grid on the volume, each voxel of the mask having one; int32.

        Voxels that the grid left out, and those at boundaries, go to the label that is nearest within the mask.
        Components without any get labels of their own.
        """
        from scipy import ndimage

        out = np.zeros(mask.shape, np.int32)
        part, inside = out[self.box], np.ascontiguousarray(mask[self.box])
        if self.voxels_of_block == 1:
            part[:] = labels
            return out
        whole = np.zeros(inside.shape, np.int32)
        large = labels
        for axis, factor in enumerate(self.factors):
            large = np.repeat(large, factor, axis=axis)
        check()
        whole[tuple(slice(0, n) for n in large.shape)] = large
        check()
        whole[_at_boundaries(whole, max(self.factors) - 1)] = 0
        check()
        if seeds is not None:
            self._place_seeds(whole, seeds[self.box], seed_of_region)
        whole *= inside
        spread_through(whole, inside)
        check()
        left = inside & (whole == 0)
        if left.any():
            check()
            rest, _ = ndimage.label(left, np.ones((3, 3, 3)))
            np.add(rest, whole.max(), out=whole, where=rest > 0)
        check()
        part[:] = whole
        return out

    def _place_seeds(self, labels: np.ndarray, seeds: np.ndarray, seed_of_region: np.ndarray) -> None:
        region = {int(seed): n for n, seed in reversed(list(enumerate(seed_of_region))) if seed}
        present = np.unique(labels)
        top = int(max(labels.max(), len(seed_of_region)))
        for seed in np.unique(seeds[seeds > 0]).tolist():
            own = [n for n in present if n < len(seed_of_region) and seed_of_region[n] == seed]
            if not own and seed not in region:
                top += 1
            labels[seeds == seed] = own[0] if own else region.get(seed, top)


def spread_through(labels: np.ndarray, mask: np.ndarray) -> None:
    """Let labels spread through a mask until each voxel that can be reached has one; in place, contiguous arrays."""
    from scipy import ndimage

    from ACSegLib.cells import kernels

    free = mask & (labels == 0)
    edge = ndimage.binary_dilation(free) & (labels > 0)
    start = np.flatnonzero(edge)
    queue = np.empty(len(start) + int(np.count_nonzero(free)), np.int64)
    queue[: len(start)] = start
    kernels.spread_labels(labels, mask, queue, len(start))


def _at_boundaries(labels: np.ndarray, width: int) -> np.ndarray:
    """Voxels within `width` voxels, along the axes, of a voxel of another label; background is no label."""
    from scipy import ndimage

    found = at_borders(labels, with_background=False)
    return ndimage.binary_dilation(found, iterations=width - 1) if width > 1 else found


def _offset(values: np.ndarray) -> float | int:
    """What to subtract from values so that float32 holds their differences; 0 where it does."""
    found = levels_of(values.ravel()[:: max(1, values.size // _SAMPLED)], _USUAL)
    return found.middle if found and not found.are_too_large and found.steps < _LEVELS else 0
