"""The evidence of a correction: the prior that was learned passes into the segmentation with the distance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ACSegLib.fill.correcting.reliability import groups_of, outline_probabilities
from ACSegLib.fill.correcting.segment_distances import SegmentDistances
from ACSegLib.fill.prior.evidence import Evidence
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.jobs import Progress

#: Width of the outline of the segmentation around strokes, in voxels.
STROKE_OUTLINE_WIDTH = 1.5


@dataclass(frozen=True)
class CorrectionEvidence(Evidence):
    """Evidence whose prior is blended with the segmentation.

    Attributes
    ----------
    trust : ndarray of float32, (K, J, I), or None
        Part of the prior that the segmentation has; None until it is learned.
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
    believed: SegmentDistances | None = None
    width: float = STROKE_OUTLINE_WIDTH
    weight: float = 1.0
    names: np.ndarray | None = None
    lead: float = 0.0

    @property
    def usual_gap(self) -> int:
        """0: what was segmented beyond the corrected slices is no neighbour."""
        return 0

    @cached_property
    def usual_areas(self) -> dict[int, float]:
        """Nothing: what was segmented beyond the corrected slices is no leak."""
        return {}

    def with_names(self, seeds: np.ndarray, first: int) -> np.ndarray:
        """Seeds of a slab, and where there are none, the believed names."""
        if self.names is None:
            return seeds
        return np.where(seeds == UNKNOWN, self.names[first : first + len(seeds)], seeds)

    @property
    def outlines_decide(self) -> bool:
        """False: the segmentation tells which of two segments is meant."""
        return False

    def _with_places(self, out: np.ndarray, first: int, without: int | None, progress: Progress | None) -> np.ndarray:
        out = self._mixed(out, first)
        if self.lead:
            assert self.believed is not None
            before = groups_of(self.believed.planes(range(first, first + out.shape[1])).swapaxes(0, 1))
            factor = np.float32(np.exp(self.lead))
            for group, values in enumerate(out):
                values[before == group] *= factor
            out /= np.maximum(out.sum(axis=0), np.float32(1e-12))
        return out

    def _mixed(self, out: np.ndarray, first: int) -> np.ndarray:
        """The prior of a slab that begins at plane `first`, with the part that the segmentation has."""
        if self.trust is None or self.believed is None:
            return out
        planes = slice(first, first + out.shape[1])
        if self.weight != 1:
            np.power(out, np.float32(self.weight), out=out)
            out /= np.maximum(out.sum(axis=0), np.float32(1e-12))
        segmented = outline_probabilities(
            self.believed.planes(range(first, first + out.shape[1])).swapaxes(0, 1), self.width
        )
        segmented -= out
        segmented *= self.trust[planes]
        out += segmented
        return out
