"""The evidence of a correction: the prior that was learned passes into the segmentation with the distance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ACSegLib.fill.correcting.reliability import outline_probabilities
from ACSegLib.fill.prior.evidence import Evidence
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
    believed : ndarray of float32, (G, K, J, I), or None
        Signed distances of the groups but background in the segmentation.
    width : float
        Over which one of its outlines passes into the other, in voxels.
    weight : float
        Of the appearance, as a factor of its log-odds, 0 to 1.
    """

    trust: np.ndarray | None = None
    believed: np.ndarray | None = None
    width: float = STROKE_OUTLINE_WIDTH
    weight: float = 1.0

    @property
    def usual_gap(self) -> int:
        """0: what was segmented beyond the corrected slices is no neighbour."""
        return 0

    @cached_property
    def usual_areas(self) -> dict[int, float]:
        """Nothing: what was segmented beyond the corrected slices is no leak."""
        return {}

    @property
    def outlines_decide(self) -> bool:
        """False: the segmentation tells which of two segments is meant."""
        return False

    def _with_places(self, out: np.ndarray, first: int, without: int | None, progress: Progress | None) -> np.ndarray:
        if self.trust is None or self.believed is None:
            return out
        planes = slice(first, first + out.shape[1])
        if self.weight != 1:
            np.power(out, np.float32(self.weight), out=out)
            out /= np.maximum(out.sum(axis=0), np.float32(1e-12))
        segmented = outline_probabilities(self.believed[:, planes], self.width)
        segmented -= out
        segmented *= self.trust[planes]
        out += segmented
        return out
