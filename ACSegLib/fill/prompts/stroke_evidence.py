"""The prior of strokes: the appearance of the segments, and the place, where appearance alone cannot tell.

A cell among others of its look is at once cell and background to the appearance classifier. As in learning from
positive and unlabelled examples (Elkan and Noto, KDD 2008, doi:10.1145/1401890.1401920), the probability that it gives
to voxels of the cell tells how much of what looks like the cell is one. Divided by it, the probability says what looks
like the cell, and the first segmentation from the strokes says which part of that is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtr

from ACSegLib.distances import signed_distance
from ACSegLib.fill.constants import ALONE, AMBIGUOUS, MIN_PLACE, PLACE_SIGMA, WALL_PLACE_SIGMA
from ACSegLib.fill.prior.appearance import AppearanceClassifier
from ACSegLib.fill.prior.evidence import Evidence
from ACSegLib.fill.prior.features import smoothed
from ACSegLib.fill.prior.samples import Samples
from ACSegLib.fill.prompts.strokes import FirstSegmentation, classes_around_strokes
from ACSegLib.fill.seeds import Seeds
from ACSegLib.jobs import Progress


@dataclass(frozen=True)
class StrokeEvidence(Evidence):
    """Evidence of strokes, whose prior knows places.

    Attributes
    ----------
    around : ndarray of int16, (K, J, I), or None
        First segmentation, see `ACSegLib.fill.prompts.strokes`; None while no place counts.
    likeness : tuple of float
        Usual probability of each group by appearance, where the first segmentation has it.
    holes : bool
        Whether its classes may enclose background without a stroke of it.
    """

    around: np.ndarray | None = None
    likeness: tuple[float, ...] = ()
    holes: bool = False

    @classmethod
    def of(
        cls,
        evidence: Evidence,
        first: FirstSegmentation,
        samples: Samples,
        classifier: AppearanceClassifier,
        holes: bool = False,
    ) -> StrokeEvidence:
        """The evidence with the places of the first segmentation.

        Between walls, which are half of one cell and half of the next, the place decides alone.
        """
        likeness = usual_likeness(samples, classifier, len(evidence.groups))
        if first.walls:
            likeness = (0.0,) * len(likeness)
        known = {name: getattr(evidence, name) for name in Evidence.__dataclass_fields__}
        return cls(**known, around=first.classes, likeness=likeness, holes=holes)

    def _with_places(self, out: np.ndarray, first: int, without: int | None, progress: Progress | None) -> np.ndarray:
        if self.around is None:
            return out
        around = self.group_of.astype(np.int8)[self.around[first : first + out.shape[1]]]
        for g, value in enumerate(self.likeness):
            if g == 0:
                continue
            out[g] = np.minimum(out[g] / np.float32(max(value, 1e-3)), 1)
            if value > 0:  # the appearance finds the surface, the place only says which cell is meant
                here = smoothed((around == g).astype(np.float32), PLACE_SIGMA, self.features.spacing)
                here = np.minimum(2 * here, 1)
            else:
                here = _soft(around == g, self.features.spacing)
            out[g] *= 1 - np.float32(place_weight(value)) * (1 - here)
        total = out[1:].sum(axis=0)
        out[1:] /= np.maximum(total, 1)
        out[0] = np.maximum(1 - total, 0)
        return out

    @property
    def ends_at_edges(self) -> bool:
        """Not between walls: on both sides of these, the image looks the same."""
        return self.around is not None and not self._walls

    @property
    def _walls(self) -> bool:
        return not any(self.likeness[1:])

    def seen_in(self, seeds: np.ndarray) -> FirstSegmentation | None:
        """The first segmentation, if all strokes are among these too, so that a person has added to what it shows."""
        if self.around is None or self.classes.shape != seeds.shape:
            return None
        strokes = self.classes >= 0
        if not np.array_equal(self.classes[strokes], seeds[strokes]):
            return None
        return FirstSegmentation(self.around, self._walls)

    def after_edit(self, seeds: Seeds, dirty: Sequence[int]) -> Evidence:
        """See `Evidence.after_edit`; other strokes have other places."""
        edited = super().after_edit(seeds, dirty)
        seen = self.seen_in(edited.classes)
        around = classes_around_strokes(edited.features, edited.classes, self.holes, seen).classes
        return replace(edited, around=around)  # type: ignore[call-arg]  # it is of this class


def usual_likeness(samples: Samples, classifier: AppearanceClassifier, groups: int) -> tuple[float, ...]:
    """Median probability of each group by appearance, where the samples have it; 1 of groups without samples."""
    probabilities = classifier.probabilities(samples.x)
    own = [probabilities[samples.y == g, g] for g in range(groups)]
    return tuple(float(np.median(values)) if len(values) else 1.0 for values in own)


def _soft(region: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """A region whose border is soft but stays where it is: smoothed, a small convex one would shrink."""
    return ndtr(signed_distance(region, spacing, 4 * WALL_PLACE_SIGMA) / np.float32(WALL_PLACE_SIGMA))


def place_weight(likeness: float) -> float:
    """How far the place decides on a group: least where nothing else looks like it, 1 where much does."""
    return float(np.clip((ALONE - likeness) / (ALONE - AMBIGUOUS), MIN_PLACE, 1))
