"""How a segmentation enters the class prior: by its signed distances, and by how far its outline was moved.

Each group of classes has two channels. The first is the signed distance to its outline in the segmentation that is
corrected. The second is by how much this distance changed on the slices that were drawn right, interpolated between
them. The appearance classifier learns on these slices how far to trust either, the second as if the slice that it
learns from had not been drawn. So the segmentation counts for as much as it proved to be worth. Where probabilities of
a network are given, they are a third channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ACSegLib.distances import capped_distance
from ACSegLib.fill.shape import signed_distance

#: Standard deviation of the smoothing of displacements within a slice, in voxels.
DISPLACEMENT_SIGMA = 2.0

#: Distance from an outline beyond which it does not matter how far it moved, in voxels.
FAR = 16.0

#: Distance that a probability moves in log-odds.
DISTANCE_PER_LOG_ODDS = 2.0


def signed_distances(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Signed distance to the surface of a mask, positive inside, clipped to +-`FAR`, float32."""
    inside, outside = capped_distance(~mask, spacing, FAR), capped_distance(mask, spacing, FAR)
    return np.where(mask, inside - np.float32(0.5), np.float32(0.5) - outside)


#: The outlines count right up to themselves; see `ShapePrior.margin`.
_NOWHERE = np.float32(0)


@dataclass(frozen=True)
class Deviation:
    """The channels of a segmentation that is corrected; it stands where a fill has its `ShapePrior`.

    Attributes
    ----------
    groups : list of list of int
        One entry per channel; see `ACSegLib.fill.shape.ShapePrior`.
    distances : ndarray of float32, (G, K, J, I)
        Signed distances of the segmentation.
    displacements : dict
        Slice that was drawn right -> by how much the distances changed on it, (G, J, I).
    evidence : ndarray of float32, (P, K, J, I)
        Log-odds of the network's probabilities, in voxels; P is 0 without them.
    reach : float
        Planes beyond the outermost slices at which a displacement has faded.
    """

    groups: list[list[int]]
    distances: np.ndarray
    displacements: dict[int, np.ndarray]
    evidence: np.ndarray
    reach: float
    margin: np.float32 = _NOWHERE

    @classmethod
    def of(
        cls,
        groups: Sequence[Sequence[int]],
        before: np.ndarray,
        after: np.ndarray,
        slices: Sequence[int],
        spacing: Sequence[float],
        probabilities: np.ndarray | None,
        reach: float,
    ) -> Deviation:
        """Compute the channels in a box; arrays are (K, J, I), `groups` without background."""
        distances = np.stack([signed_distances(np.isin(before, g), spacing) for g in groups])
        displacements = {
            k: np.stack([_displacement(np.isin(before[k], g), np.isin(after[k], g), spacing) for g in groups])
            for k in slices
        }
        evidence = np.zeros((0, *before.shape), np.float32)
        if probabilities is not None:
            p = np.clip(probabilities, 1e-4, 1 - 1e-4)
            evidence = (DISTANCE_PER_LOG_ODDS * np.log(p / (1 - p))).astype(np.float32)
        channels = [list(g) for g in groups] * (2 if len(displacements) > 1 else 1)
        channels += [[0]] * len(evidence)
        return cls(channels, distances, displacements, evidence, reach)

    def without_distances(self) -> Deviation:
        """The channels of the probabilities alone."""
        nothing = np.zeros((0, *self.distances.shape[1:]), np.float32)
        return Deviation([[0]] * len(self.evidence), nothing, {}, self.evidence, self.reach)

    def planes(self, numbers: Sequence[int], without: int | None = None) -> np.ndarray:
        """The channels of some planes, (planes, channels, J, I) float32; `without`: as if that slice was not drawn."""
        known = sorted(k for k in self.displacements if k != without)
        moved = len(self.displacements) > 1
        count = len(self.distances)
        out = np.zeros((len(numbers), len(self.groups), *self.distances.shape[2:]), np.float32)
        for n, k in enumerate(numbers):
            out[n, :count] = self.distances[:, k]
            if moved:
                for near, share in self._shares(k, known):
                    out[n, count : 2 * count] += np.float32(share) * self.displacements[near]
            out[n, count * (1 + moved) :] = self.evidence[:, k]
        return out

    def _shares(self, k: int, known: list[int]) -> list[tuple[int, float]]:
        before = max((s for s in known if s <= k), default=None)
        after = min((s for s in known if s >= k), default=None)
        if before is not None and after is not None:
            if before == after:
                return [(before, 1.0)]
            t = (k - before) / (after - before)
            return [(before, 1 - t), (after, t)]
        near = before if before is not None else after
        return [] if near is None else [(near, max(0.0, 1 - abs(k - near) / max(self.reach, 1.0)))]


def _displacement(before: np.ndarray, after: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """By how much the signed distance changed in a plane, smoothed; where both outlines are far, by nothing."""
    rows, columns = float(spacing[1]), float(spacing[2])
    old, new = (np.clip(signed_distance(mask, (rows, columns)), -FAR, FAR) for mask in (before, after))
    return np.asarray(ndimage.gaussian_filter(new - old, DISPLACEMENT_SIGMA), np.float32)
