"""How a segmentation enters the class prior: by its signed distances.

Each group of classes has a channel: the signed distance to its outline in the segmentation that is corrected. The
appearance classifier learns on the slices that were drawn right how far to trust it, beside the image. So the
segmentation counts for as much as it proved to be worth, with the width and the bias that its errors have. Where
probabilities of a network are given, they are channels of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.fill.correcting.segment_distances import SegmentDistances

#: Distance from an outline beyond which it does not matter how far away it is, in voxels.
FAR = 16.0

#: Distance that a probability moves in log-odds.
DISTANCE_PER_LOG_ODDS = 2.0

#: The outlines count right up to themselves; see `ShapePrior.margin`.
_NOWHERE = np.float32(0)


@dataclass(frozen=True)
class Deviation:
    """The channels of a segmentation that is corrected; it stands where a fill has its `ShapePrior`.

    Attributes
    ----------
    groups : list of list of int
        One entry per channel; see `ACSegLib.fill.prior.shape.ShapePrior`.
    distances : SegmentDistances
        Signed distances of the segmentation; that of no group where they do not count.
    evidence : ndarray of float32, (P, K, J, I)
        Log-odds of the network's probabilities, in voxels; P is 0 without them.
    """

    groups: list[list[int]]
    distances: SegmentDistances
    evidence: np.ndarray
    margin: np.float32 = _NOWHERE

    @classmethod
    def of(
        cls,
        groups: Sequence[Sequence[int]],
        before: np.ndarray,
        spacing: Sequence[float],
        probabilities: np.ndarray | None,
        check: Callable[[], None] = lambda: None,
    ) -> Deviation:
        """Compute the channels in a box; arrays are (K, J, I), `groups` without background."""
        distances = SegmentDistances.of(groups, before, spacing, FAR, check)
        evidence = np.zeros((0, *before.shape), np.float32)
        if probabilities is not None:
            p = np.clip(probabilities, 1e-4, 1 - 1e-4)
            evidence = (DISTANCE_PER_LOG_ODDS * np.log(p / (1 - p))).astype(np.float32)
        return cls([*map(list, groups), *([0] for _ in evidence)], distances, evidence)

    def within_what_is_shown(self, before: np.ndarray, learned: np.ndarray) -> Deviation:
        """The channels, where groups that are nowhere among what is learned are no nearer than they are seen there.

        Of such a group nothing is learned: what lies nearer to it would be taken for whatever else is learned nearby.

        Parameters
        ----------
        before, learned : ndarray of int, (K, J, I)
            Classes of the segmentation, and those to learn from; negative where nothing is known.
        """
        shown = learned >= 0
        present = np.union1d(before[shown], learned[shown])
        groups = self.groups[: len(self.distances)]  # those of the probabilities come last
        absent = [n for n, members in enumerate(groups) if not np.isin(members, present).any()]
        if not absent or not shown.any():
            return self
        limits = np.full(len(groups), np.inf)
        limits[absent] = self.distances.at(np.flatnonzero(shown))[absent].max(axis=1)
        return Deviation(self.groups, self.distances.limited(limits), self.evidence)

    def without_distances(self) -> Deviation:
        """The channels of the probabilities alone."""
        return Deviation([[0] for _ in self.evidence], self.distances.none(), self.evidence)

    def at(self, places: np.ndarray) -> np.ndarray:
        """The channels at some voxels, (channels, N) float32; `places` are positions in the flattened box."""
        distances = self.distances.at(places)
        if not len(self.evidence):
            return distances
        return np.concatenate([distances, self.evidence.reshape(len(self.evidence), -1)[:, places]])

    def planes(self, numbers: Sequence[int], without: int | None = None) -> np.ndarray:
        """The channels of some planes, (planes, channels, J, I) float32; the same whatever slice is left out."""
        distances = self.distances.planes(numbers)
        if not len(self.evidence):
            return distances
        return np.concatenate([distances, self.evidence[:, list(numbers)].swapaxes(0, 1)], axis=1)
