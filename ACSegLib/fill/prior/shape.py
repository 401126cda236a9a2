"""The shape prior: where the outlines would pass between labelled slices, by interpolated signed distances.

Between two labelled slices the signed distance to a segment's outline is interpolated linearly (Raya and Udupa 1990,
doi:10.1109/42.52980). It knows shape alone; the appearance classifier learns how far to trust it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy import ndimage

from ACSegLib.fill.constants import MAX_DISTANCE, OUTLINE_MARGIN
from ACSegLib.jobs import Progress
from ACSegLib.threads import in_threads

Shape = TypeVar("Shape", bound="ShapePrior")


def signed_distance(mask: np.ndarray, spacing: tuple[float, float], absent: float = MAX_DISTANCE) -> np.ndarray:
    """Signed distance to the outline of a 2D mask, positive inside, clipped to +-`MAX_DISTANCE`.

    It is -`absent` everywhere if the mask is empty.
    """
    if not mask.any():
        return np.full(mask.shape, -absent, np.float32)
    if mask.all():
        return np.full(mask.shape, MAX_DISTANCE, np.float32)
    margin = int(MAX_DISTANCE / min(spacing))
    low = np.maximum(np.array([n.min() for n in np.nonzero(mask)]) - margin, 0)
    high = np.array([n.max() for n in np.nonzero(mask)]) + margin + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    out = np.full(mask.shape, -MAX_DISTANCE, np.float32)
    inner = mask[box]
    inside = ndimage.distance_transform_edt(inner, spacing) if not inner.all() else np.full(inner.shape, MAX_DISTANCE)
    outside = ndimage.distance_transform_edt(~inner, spacing)
    out[box] = np.clip(np.where(inner, inside - 0.5, 0.5 - outside), -MAX_DISTANCE, MAX_DISTANCE)
    return out


@dataclass(frozen=True)
class ShapePrior:
    """Interpolated signed distances of some class groups along the axis of the labelled slices.

    Attributes
    ----------
    groups : list of list of int
        The classes of each group; a group's outline is that of their union.
    size : tuple of int
        Rows and columns of a plane.
    spacing : tuple of float
        Along slices (K), rows (J) and columns (I), in voxels of the finest axis.
    gap : float32
        Usual distance of labelled slices, in voxels of the finest axis. The interpolation is trusted as it deserves at
        that distance also where slices are nearer, so that what is learned from left-out slices holds for it.
    distances : dict
        Labelled slice -> signed distances of the groups, float16, (groups, J, I).
    """

    groups: list[list[int]]
    size: tuple[int, int]
    spacing: tuple[float, float, float]
    gap: np.float32
    distances: dict[int, np.ndarray]

    @property
    def margin(self) -> np.float32:
        """Distance from the interpolated outline within which it says nothing."""
        return np.float32(OUTLINE_MARGIN) * self.gap

    @classmethod
    def of_slices(
        cls,
        groups: list[list[int]],
        classes: np.ndarray,
        spacing: Sequence[float],
        slices: Sequence[int],
        check: Callable[[], None] = lambda: None,
    ) -> ShapePrior:
        """Compute the distances of labelled slices; `classes` is (K, J, I) with unknown voxels negative.

        `check` is called after each of them, and may raise `Cancelled`.
        """
        numbers = sorted(slices)
        gaps = np.diff(numbers) if len(numbers) > 1 else [0]
        along, rows, columns = (float(h) for h in spacing)
        gap = np.float32(float(np.median(gaps)) * along)
        empty = cls(groups, (classes.shape[1], classes.shape[2]), (along, rows, columns), gap, {})
        return empty.updated(classes, numbers, [], check)

    def updated(
        self: Shape,
        classes: np.ndarray | Mapping[int, np.ndarray],
        slices: Sequence[int],
        changed: Sequence[int],
        check: Callable[[], None] = lambda: None,
    ) -> Shape:
        """The shape prior of other labelled slices; those that are new or `changed` are computed, the gap stays."""
        kept = {k: d for k, d in self.distances.items() if k in slices and k not in changed}
        missing = [k for k in slices if k not in kept]
        fresh = dict(zip(missing, in_threads(lambda k: self._distances_of(classes[k]), missing, check), strict=True))
        distances = dict(sorted({**kept, **fresh}.items()))
        return replace(self, distances=distances)

    def _distances_of(self, plane: np.ndarray) -> np.ndarray:
        # where a group is absent, its outline is taken to have closed half-way to here
        absent = 0.5 * float(self.gap) or MAX_DISTANCE
        maps = [signed_distance(np.isin(plane, group), self.spacing[1:], absent) for group in self.groups]
        return np.stack(maps).astype(np.float16) if maps else np.zeros((0, *plane.shape), np.float16)

    def single(self: Shape, place: int) -> Shape:
        """The shape prior of one of its groups, the one at a place of `groups`."""
        distances = {k: planes[place : place + 1] for k, planes in self.distances.items()}
        return replace(self, groups=[self.groups[place]], distances=distances)

    def planes(
        self, numbers: Sequence[int], without: int | None = None, progress: Progress | None = None
    ) -> np.ndarray:
        """Interpolate for some planes, optionally as if the slice `without` were not labelled.

        Returns
        -------
        ndarray, (planes, groups, J, I), float32
            Signed distance to the outline, positive inside, in voxels of the finest axis.
        """
        known = [k for k in self.distances if k != without]
        out = np.zeros((len(numbers), len(self.groups), *self.size), np.float32)
        for n, k in enumerate(numbers):
            if progress is not None:
                progress.check()
            before = max((s for s in known if s <= k), default=None)
            after = min((s for s in known if s >= k), default=None)
            for near, share in self._shares(k, before, after):
                out[n] += np.float32(share) * self.distances[near].astype(np.float32)
        return out

    def as_between(self, k: int, planes: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Distances at pixels of labelled slice `k`, as wrong as interpolated ones on planes between labelled slices.

        Interpolated between slices a and b, a curve is wrong by (x - a) (x - b) times half its curvature. How far the
        distances of `k` are from a line through those of two other slices tells the curvature. One of these lies on
        either side of `k`, or both on one side of an outermost slice.

        Parameters
        ----------
        k : int
            One of three labelled slices or more.
        planes : ndarray of int, (N,)
            For each pixel, the plane between labelled slices at which it is as wrong.
        pixels : ndarray of int, (2, N)
            Rows and columns.

        Returns
        -------
        ndarray, (groups, N), float32
        """
        slices = np.array(sorted(self.distances))
        place = int(np.clip(np.searchsorted(slices, k), 1, len(slices) - 2))
        first, last = (int(n) for n in slices[place - 1 : place + 2] if n != k)
        own, begin, end = (self.distances[n][(slice(None), *pixels)].astype(np.float32) for n in (k, first, last))
        t = np.float32((k - first) / (last - first))
        after = np.searchsorted(slices, planes)
        products = (planes - slices[after - 1]) * (planes - slices[after])
        share = (products / ((k - first) * (k - last))).astype(np.float32)
        return np.asarray(own + share * ((1 - t) * begin + t * end - own))

    def _shares(self, k: int, before: int | None, after: int | None) -> list[tuple[int, float]]:
        """Slices that a plane is interpolated from, and their shares.

        Beyond the last slice the prior fades, and says nothing at the distance at which the next slice would lie.
        """
        if before is not None and after is not None:
            t = (k - before) / (after - before) if after != before else 0.0
            return [(before, 1 - t), (after, t)] if t else [(before, 1.0)]
        near = before if before is not None else after
        if near is None:
            return []
        return [(near, max(0.0, 1 - abs(k - near) * self.spacing[0] / max(float(self.gap), 1e-6)))]

    def cropped(self: Shape, keep: Sequence[int], first: int, rows: slice, columns: slice) -> Shape:
        """Shape prior of a part of the volume that starts at plane `first`, from the slices `keep` alone."""
        size = (rows.stop - rows.start, columns.stop - columns.start)
        distances = {k - first: self.distances[k][:, rows, columns] for k in keep if k in self.distances}
        return replace(self, size=size, distances=distances)


@dataclass(frozen=True)
class NearestOutlines(ShapePrior):
    """Outlines that are compared with each other: they tell which of two groups is nearer."""

    @classmethod
    def of(cls, shape: ShapePrior, places: Sequence[int]) -> NearestOutlines:
        """The outlines of some of the groups of a shape prior."""
        distances = {k: planes[list(places)] for k, planes in shape.distances.items()}
        return cls([shape.groups[n] for n in places], shape.size, shape.spacing, shape.gap, distances)

    def at(self, k: int, pixels: np.ndarray, without: int | None = None) -> np.ndarray:
        """Interpolate at some pixels of plane `k`; see `planes`.

        Parameters
        ----------
        pixels : ndarray of int, (N,)
            Positions in the flattened plane.

        Returns
        -------
        ndarray, (groups, N), float32
        """
        known = [s for s in self.distances if s != without]
        low = max((s for s in known if s <= k), default=None)
        high = min((s for s in known if s >= k), default=None)
        ends = [s for s in (low, high) if s is not None]
        out = np.full((len(self.groups), len(pixels)), -2 * MAX_DISTANCE, np.float32)
        for g in range(len(self.groups)):
            near = [s for s in ends if float(self.distances[s][g].max()) > 0]
            if near:
                out[g] = self._between(k, g, ends, near, pixels)
        return out

    def planes(
        self, numbers: Sequence[int], without: int | None = None, progress: Progress | None = None
    ) -> np.ndarray:
        """Interpolate for some planes, so that what is absent on a slice is not nearer than what is shown there.

        In contrast to `ShapePrior.planes`, an outline counts undiminished beyond the last slice. Where one of the two
        slices around does not show a group, its outline is as far from there as from the other one, and closes
        half-way. Where neither does, it is farther away than anything.
        """
        everywhere = np.arange(self.size[0] * self.size[1])
        planes = []
        for k in numbers:
            if progress is not None:
                progress.check()
            planes.append(self.at(k, everywhere, without))
        return np.reshape(planes, (len(numbers), len(self.groups), *self.size))

    def _between(self, k: int, g: int, ends: list[int], shown: list[int], pixels: np.ndarray) -> np.ndarray:
        """Distances to the outline of a group in plane `k`, which lies between labelled slices that show it or not."""
        low, high = ends[0], ends[-1]
        first, last = (self.distances[s][g].reshape(-1)[pixels].astype(np.float32) for s in (low, high))
        if low not in shown:
            first = np.minimum(first, last)
        elif high not in shown:
            last = np.minimum(first, last)
        t = np.float32((k - low) / max(high - low, 1))
        return (1 - t) * first + t * last
