"""What the image alone tells of labelled slices that a classifier did not learn from.

Where segments look alike, a classifier still tells them apart on the voxels that it learned from, because it remembers
them. On other slices it cannot. So two small classifiers see the image, but no outlines, and each one looks at the
slices that the other one learned from. They show which segments look alike, and which background looks like a segment
(`ACSegLib.fill.prior.neighbour_search`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.fill.prior.appearance import AppearanceClassifier, mean_probabilities, train_classifier
from ACSegLib.fill.prior.evidence import Evidence
from ACSegLib.fill.prior.samples import Samples
from ACSegLib.jobs import Progress


@dataclass(frozen=True)
class Fold:
    """Some labelled slices, and a classifier that learned from the others.

    Attributes
    ----------
    slices : list of int
        Along the primary axis.
    classifier : AppearanceClassifier
        Of image features alone.
    training : Samples
        What it learned from: all samples, if the other slices do not show all groups.
    """

    slices: list[int]
    classifier: AppearanceClassifier
    training: Samples


@dataclass(frozen=True)
class Screening:
    """The folds of the labelled slices, and the samples that they share; see the module.

    Attributes
    ----------
    samples : Samples
        Image features alone.
    folds : list of Fold
        None where the shape tells segments apart anyway (many instances).
    groups : int
        Number of appearance groups, background among them.
    """

    samples: Samples
    folds: list[Fold]
    groups: int

    def confusion(self) -> np.ndarray:
        """Mean probability of each group (columns) where each one (rows) was labelled, on slices held out; (G, G)."""
        held_out = [
            (fold.classifier, self.samples.part(np.isin(self.samples.plane, fold.slices))) for fold in self.folds
        ]
        return mean_probabilities(held_out, self.groups)

    def rivals(self, evidence: Evidence, progress: Progress) -> list[list[int]]:
        """Families of groups but background between which the outlines decide.

        Either the image alone can hardly tell them apart, or it can a little, but the outlines are better at it.
        """
        alike = rivalries(self.confusion())
        joined = alike >= constants.RIVALS
        doubtful = (alike >= constants.DOUBTFUL) & ~joined
        if doubtful[1:, 1:].any():
            joined |= doubtful & (outline_errors(evidence, self.samples, progress) <= constants.BETTER_OUTLINES * alike)
        return families_of(joined)


def screen(evidence: Evidence, samples: Samples, progress: Progress) -> Screening:
    """Train the classifiers of the two folds, on some of the samples of labelled slices."""
    shown = samples.x.shape[1] - samples.shapes
    samples = samples.part(np.arange(len(samples.y)) % max(1, len(samples.y) // constants.SCREENING_SAMPLES) == 0)
    samples = replace(samples, x=samples.x[:, :shown], shapes=0)
    groups, folds = len(evidence.groups), []
    order = sorted(evidence.shape.distances) if evidence.instances is None else []
    for own in filter(None, (order[::2], order[1::2])):
        others = samples.part(~np.isin(samples.plane, own))
        if len(np.unique(others.y)) < len(np.unique(samples.y)):
            others = samples
        folds.append(Fold(own, train_for_screening(others, groups, progress), others))
    return Screening(samples, folds, groups)


def train_for_screening(samples: Samples, groups: int, progress: Progress) -> AppearanceClassifier:
    """Train a small classifier."""
    return train_classifier(samples, groups, steps=constants.SCREENING_STEPS, progress=progress)


def rivalries(confusion: np.ndarray) -> np.ndarray:
    """Share of one of two groups that is taken for the other one, the smaller of both directions; (G, G).

    Parameters
    ----------
    confusion : ndarray, (G, G)
        See `Screening.confusion`.
    """
    share = confusion / np.maximum(confusion + np.diag(confusion)[:, None], 1e-12)
    smaller: np.ndarray = np.minimum(share, share.T)
    return smaller


def outline_errors(evidence: Evidence, samples: Samples, progress: Progress) -> np.ndarray:
    """How often the outlines of two groups are wrong on a slice that counts as not labelled; (G, G).

    The nearer outline decides, as it is interpolated from the other slices. Beyond the outermost of these there is a
    tie, which is half an error. The result is the mean share of both groups.

    Parameters
    ----------
    evidence : Evidence
    samples : Samples
        Voxels of its labelled slices.
    progress : Progress
    """
    groups = len(evidence.groups)
    wrong, total = np.zeros((groups, groups)), np.zeros((groups, 1))
    for k in evidence.shape.distances:
        progress.check()
        here = samples.part(samples.plane == k)
        distances = evidence.shape.planes([k], without=k)[0][(slice(None), *here.place)]
        for g in range(1, groups):
            others, weight = distances[:, here.y == g], here.weight[here.y == g]
            wrong[g, 1:] += np.where(others == others[g - 1], 0.5, others > others[g - 1]) @ weight
            total[g] += weight.sum()
    share = wrong / np.maximum(total, 1e-12)
    mean: np.ndarray = (share + share.T) / 2
    return mean


def families_of(alike: np.ndarray) -> list[list[int]]:
    """Families of groups but background of which each is joined to another one (bool, (G, G))."""
    families: list[list[int]] = []
    for g in range(1, len(alike)):
        joined = [family for family in families if alike[g, family].any()]
        families = [family for family in families if family not in joined]
        families.append(sorted([g, *(member for family in joined for member in family)]))
    return [family for family in families if len(family) > 1]
