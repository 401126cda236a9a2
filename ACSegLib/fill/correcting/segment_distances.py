"""Signed distances to the outlines of a segmentation, each group of classes in a box of its own.

Beyond some distance it does not matter how far away a group is, so that its distances vary around it alone: those of
eight cells take no more room than those of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from ACSegLib.distances import signed_distance
from ACSegLib.masks import Box, box_size, grown_box
from ACSegLib.threads import look_up


@dataclass(frozen=True)
class SegmentDistances:
    """Signed distances of groups of classes, positive inside.

    Attributes
    ----------
    shape : tuple of int
        (K, J, I) of the segmentation.
    boxes : ndarray of int64, (G, 3, 2)
        First voxel, and the one after the last, of the box of each group along K, J, I.
    values : ndarray of float32
        The distances in the boxes, one after the other.
    starts : ndarray of int64, (G,)
        Where in `values` those of each group begin.
    beyond : float
        Distance of all other voxels.
    limits : ndarray of float32, (G,)
        Distance that each group has at most.
    """

    shape: tuple[int, int, int]
    boxes: np.ndarray
    values: np.ndarray
    starts: np.ndarray
    beyond: float
    limits: np.ndarray

    @classmethod
    def of(
        cls,
        groups: Sequence[Sequence[int]],
        classes: np.ndarray,
        spacing: Sequence[float],
        far: float,
        check: Callable[[], None] = lambda: None,
    ) -> SegmentDistances:
        """Compute the distances, clipped near +-`far`; see `ACSegLib.distances.signed_distance`.

        Parameters
        ----------
        groups : sequence of sequence of int
            Classes of each group, background not among them.
        classes : ndarray of int16, (K, J, I)
        spacing : sequence of float
            Along K, J, I.
        far : float
        check : callable, optional
            Called often; may raise `Cancelled`.
        """
        highest = max(int(classes.max()), *(max(members) for members in groups))
        found = ndimage.find_objects(classes, highest)
        boxes = [_around([found[c - 1] for c in members], spacing, far, classes.shape) for members in groups]
        sizes = [box_size(box) for box in boxes]
        starts = np.cumsum([0, *sizes])
        values = np.empty(int(starts[-1]), np.float32)
        for members, box, start, size in zip(groups, boxes, starts, sizes, strict=False):
            if size:
                inside = np.zeros(1 + highest, bool)
                inside[list(members)] = True
                mask = look_up(inside, classes[box])
                signed_distance(mask, spacing, far, check, values[start : start + size].reshape(mask.shape))
        corners = np.array([[(side.start, side.stop) for side in box] for box in boxes], np.int64)
        limits = np.full(len(groups), np.inf, np.float32)
        return cls(classes.shape, corners, values, starts[:-1].astype(np.int64), 0.5 - far, limits)

    def __len__(self) -> int:
        """Number of groups."""
        return len(self.starts)

    def at(self, places: np.ndarray) -> np.ndarray:
        """Distances at some voxels, (G, N) float32; `places` are positions in the flattened array, int64 (N,)."""
        from ACSegLib.fill.correcting import kernels

        out = np.empty((len(self), len(places)), np.float32)
        kernels.distances_at(places, self.shape, self, out)
        return out

    def planes(self, numbers: Sequence[int]) -> np.ndarray:
        """Distances on some planes, (planes, G, J, I) float32."""
        out = np.full((len(numbers), len(self), *self.shape[1:]), np.float32(self.beyond))
        for group, ((k, j, i), start) in enumerate(zip(self.boxes.tolist(), self.starts.tolist(), strict=True)):
            rows, columns = slice(*j), slice(*i)
            size = (j[1] - j[0]) * (i[1] - i[0])
            for plane, number in zip(out[:, group], numbers, strict=True):
                if k[0] <= number < k[1]:
                    first = start + (number - k[0]) * size
                    plane[rows, columns] = self.values[first : first + size].reshape(j[1] - j[0], -1)
        return np.minimum(out, self.limits[:, None, None], out=out)

    def none(self) -> SegmentDistances:
        """Those of no group."""
        return replace(self, boxes=self.boxes[:0], starts=self.starts[:0], limits=self.limits[:0])

    def limited(self, limits: np.ndarray) -> SegmentDistances:
        """The same, where each group has at most a distance, (G,)."""
        return replace(self, limits=np.minimum(self.limits, limits.astype(np.float32)))


def _around(boxes: Sequence[Box | None], spacing: Sequence[float], far: float, shape: tuple[int, ...]) -> Box:
    """The box that holds some boxes, and all voxels that lie nearer to it than `far`; empty without any."""
    present = [box for box in boxes if box is not None]
    if not present:
        return slice(0, 0), slice(0, 0), slice(0, 0)
    sides = [slice(min(s.start for s in a), max(s.stop for s in a)) for a in zip(*present, strict=True)]
    return grown_box((sides[0], sides[1], sides[2]), far, spacing, shape)


def places_of(shape: tuple[int, ...], points: Sequence[np.ndarray]) -> np.ndarray:
    """Positions of points (k, j, i) in the flattened array of a shape, int64 (N,)."""
    return np.ravel_multi_index(tuple(points), shape).astype(np.int64)
