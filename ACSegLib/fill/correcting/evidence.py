"""The evidence of a correction: the prior that was learned passes into the segmentation with the distance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ACSegLib.fill.correcting.reliability import groups_of, outline_probabilities, trust_at
from ACSegLib.fill.correcting.segment_distances import SegmentDistances
from ACSegLib.fill.prior.evidence import VOXELS_PER_CHECK, Evidence
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.jobs import Progress
from ACSegLib.threads import in_threads

#: Width of the outline of the segmentation around strokes, in voxels.
STROKE_OUTLINE_WIDTH = 1.5


@dataclass(frozen=True)
class CorrectionEvidence(Evidence):
    """Evidence whose prior is blended with the segmentation.

    Attributes
    ----------
    trust : ndarray of float32, (K, J, I), or None
        Part of the prior that the segmentation has around strokes.
    away : ndarray of float32, (K, J, I), or None
        Distance from the voxels of slices drawn right, which tells this part there.
    length : float
        Distance over which what was learned on these slices falls to 1/e.
    believed : SegmentDistances or None
        Those of the groups but background in the segmentation.
    width : float
        Over which one of its outlines passes into the other, in voxels.
    weight : float
        Of the appearance, as a factor of its log-odds, 0 to 1.
    names : ndarray of int16, (K, J, I), or None
        Which of many segments of one look the voxels belong to; see `believed_names`.
    lead : float
        Log-odds that the groups of the segmentation, which is `believed`, have more than the others.
    """

    trust: np.ndarray | None = None
    away: np.ndarray | None = None
    length: float = np.inf
    believed: SegmentDistances | None = None
    width: float = STROKE_OUTLINE_WIDTH
    weight: float = 1.0
    names: np.ndarray | None = None
    lead: float = 0.0

    def with_names(self, seeds: np.ndarray, first: int) -> np.ndarray:
        """Seeds of a slab, and where there are none, the believed names."""
        if self.names is None:
            return seeds
        return np.where(seeds == UNKNOWN, self.names[first : first + len(seeds)], seeds)

    def probabilities_at(
        self,
        layers: tuple[np.ndarray, ...],
        first: int,
        slab: tuple[np.ndarray, np.ndarray],
        places: np.ndarray,
        starts: np.ndarray,
        progress: Progress,
    ) -> np.ndarray:
        """Probability of each group at some voxels of a slab that begins at plane `first`, (G, N) float32.

        Parameters
        ----------
        layers : tuple of ndarray
            Of the appearance classifier.
        first : int
        slab : tuple of ndarray
            Its image and its smoothed image, as `ImageFeatures.slab` gives them.
        places, starts : ndarray of int64
            Positions of the voxels in the flattened slab, ascending, and where those of each row begin; see
            `ACSegLib.fill.correcting.open_walk.OpenVoxels`.
        progress : Progress
        """
        from ACSegLib.fill.prior import image_kernels as kernels

        edges, fine = slab
        channels: Any = self.shape  # a `Deviation`, which stands where a fill has its `ShapePrior`
        image = self.features.for_kernels(edges, fine, first)
        out = np.empty((len(self.groups), len(places)), np.float32)
        step = max(1, VOXELS_PER_CHECK // edges[0].size)

        def find(start: int) -> None:
            stop = min(start + step, len(edges))
            low, high = starts[[start * edges.shape[1], stop * edges.shape[1]]].tolist()
            own = places[low:high]
            within = own + first * edges[0].size
            found = np.empty((len(out), len(own)), np.float32)
            shape = channels.at(within), channels.margin
            kernels.group_probabilities_at(start, stop, image, shape, layers, own, starts - low, found)
            if self.believed is not None:
                self._mix(found, self.believed.at(within), self._trust_at(within))
            out[:, low:high] = found

        in_threads(find, range(0, len(edges), step), progress.check)
        return out

    def _trust_at(self, places: np.ndarray) -> np.ndarray | None:
        if self.away is not None:
            return trust_at(self.away.reshape(-1)[places], self.length)
        return None if self.trust is None else self.trust.reshape(-1)[places]

    def _mix(self, out: np.ndarray, distances: np.ndarray, trust: np.ndarray | None) -> None:
        """Give the segmentation, with distances (G, N), its part of the prior (G + 1, N) and its lead, in place."""
        if trust is not None:
            if self.weight != 1:
                np.power(out, np.float32(self.weight), out=out)
                out /= np.maximum(out.sum(axis=0), np.float32(1e-12))
            segmented = outline_probabilities(distances, self.width)
            segmented -= out
            segmented *= trust
            out += segmented
        if self.lead:
            before = groups_of(distances)
            out[before, np.arange(len(before))] *= np.float32(np.exp(self.lead))
            out /= np.maximum(out.sum(axis=0), np.float32(1e-12))
