"""Where the drawn outlines would pass between the slices, by interpolated signed distances.

Between two drawn slices the signed distance to a segment's outline is interpolated linearly (Raya and Udupa 1990,
doi:10.1109/42.52980). It is a guess from shape alone; the appearance prior learns, by leaving slices out, how far to
trust it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

#: Distances are clipped here (in voxels of the finest axis): further away, the shape says nothing more.
FAR = 64.0


def signed_distance(mask: np.ndarray, spacing: tuple[float, float], absent: float = FAR) -> np.ndarray:
    """Signed distance to the outline of a 2D mask, positive inside, clipped to +-`FAR`; -`absent` if it is empty."""
    if not mask.any():
        return np.full(mask.shape, -absent, np.float32)
    if mask.all():
        return np.full(mask.shape, FAR, np.float32)
    low = np.maximum(np.array([n.min() for n in np.nonzero(mask)]) - int(FAR / min(spacing)), 0)
    high = np.array([n.max() for n in np.nonzero(mask)]) + int(FAR / min(spacing)) + 1
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    out = np.full(mask.shape, -FAR, np.float32)
    inner = mask[box]
    inside = ndimage.distance_transform_edt(inner, spacing) if not inner.all() else np.full(inner.shape, FAR)
    outside = ndimage.distance_transform_edt(~inner, spacing)
    out[box] = np.clip(np.where(inner, inside - 0.5, 0.5 - outside), -FAR, FAR)
    return out


@dataclass
class ShapeGuess:
    """Interpolated signed distances of some class groups along the axis of the drawn slices.

    Attributes
    ----------
    groups : list of list of int
        The classes of each group; a group's outline is that of their union.
    size : tuple of int
        Rows and columns of a plane.
    spacing : tuple of float
        Along slices (K), rows (J) and columns (I), in voxels of the finest axis.
    slices : list of int
        Drawn slices used.
    """

    groups: list[list[int]]
    size: tuple[int, int]
    spacing: tuple[float, float, float]
    slices: list[int] = field(default_factory=list)
    distances: dict[int, np.ndarray] = field(default_factory=dict)
    fixed_reach: np.float32 | None = None

    def add_slices(self, classes: np.ndarray, slices: list[int], threads: int = 2) -> None:
        """Compute the distances of drawn slices; `classes` is (K, J, I) with unknown voxels negative."""
        self.slices = sorted(set(self.slices) | set(slices))
        # where a segment is absent, its outline is taken to have closed half-way to here
        absent = 0.5 * float(self.reach) or FAR

        def compute(k: int) -> np.ndarray:
            plane = classes[k]
            found = [signed_distance(np.isin(plane, group), self.spacing[1:], absent) for group in self.groups]
            return np.stack(found).astype(np.float16) if found else np.zeros((0, *plane.shape), np.float16)

        with ThreadPoolExecutor(threads) as pool:
            for k, distances in zip(slices, pool.map(compute, slices), strict=True):
                self.distances[k] = distances

    def remove_slices(self, slices: list[int]) -> None:
        """Forget some slices."""
        for k in slices:
            self.slices.remove(k)
            del self.distances[k]

    @property
    def reach(self) -> np.float32:
        """How far the slices are from which a left-out slice is guessed, in voxels of the finest axis.

        The guess is trusted as little as it deserves then, also where the slices are nearer: what the prior learns
        from left-out slices holds for it.
        """
        if self.fixed_reach is not None:
            return self.fixed_reach
        gaps = np.diff(self.slices) if len(self.slices) > 1 else [0]
        return np.float32(float(np.median(gaps)) * self.spacing[0])

    def planes(self, numbers: list[int], without: int | None = None) -> np.ndarray:
        """Guess for some planes, optionally as if the drawn slice `without` were not there.

        Returns
        -------
        ndarray, (planes, groups, J, I), float32
            Signed distance to the outline, positive inside, in voxels of the finest axis.
        """
        known = [k for k in self.slices if k != without]
        guess = np.zeros((len(numbers), len(self.groups), *self.size), np.float32)
        for n, k in enumerate(numbers):
            before = max((s for s in known if s <= k), default=None)
            after = min((s for s in known if s >= k), default=None)
            for near, share in self._shares(k, before, after):
                guess[n] += np.float32(share) * self.distances[near].astype(np.float32)
        return guess

    def _shares(self, k: int, before: int | None, after: int | None) -> list[tuple[int, float]]:
        """Slices that a plane is guessed from, and their shares.

        Beyond the last slice the guess fades, and says nothing at the distance at which the next slice would lie.
        """
        if before is not None and after is not None:
            t = (k - before) / (after - before) if after != before else 0.0
            return [(before, 1 - t), (after, t)] if t else [(before, 1.0)]
        near = before if before is not None else after
        if near is None:
            return []
        return [(near, max(0.0, 1 - abs(k - near) * self.spacing[0] / max(float(self.reach), 1e-6)))]

    def cropped(self, keep: list[int], first: int, rows: slice, columns: slice) -> ShapeGuess:
        """Guess of a part of the volume that starts at plane `first`, from the slices `keep` alone."""
        size = (rows.stop - rows.start, columns.stop - columns.start)
        part = ShapeGuess(self.groups, size, self.spacing)
        for k in keep:
            if k in self.distances:
                part.distances[k - first] = self.distances[k][:, rows, columns]
        part.slices = sorted(part.distances)
        part.fixed_reach = self.reach
        return part
