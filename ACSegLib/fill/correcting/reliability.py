"""How far from the decided slices what was learned on them holds better than the segmentation itself.

A slice that was drawn right shows the errors on it, and nothing proves that they are the same elsewhere. So half of
the decided voxels are hidden, a classifier is trained on the other half, and its probabilities of the true classes are
compared with those of the segmentation, at each distance from the voxels that it was trained on. An error reaches as
far across slices as along them. So where the image shows the borders, the learned prior is better at all distances;
where it repeats the errors of one slice, it is better close by only.

Of the ranges that explain the hidden voxels, the shortest counts that is not worse than the best one by more than a
standard error (Breiman et al. 1984, Classification and Regression Trees): a correction should not change what it does
not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.fill.prior.appearance import train_classifier
from ACSegLib.fill.prior.samples import Samples
from ACSegLib.jobs import Progress

#: Distances in voxels over which the learned prior falls to 1/e, among which the hidden voxels choose.
#: `Testing/Benchmarks/correct.py`.
LENGTHS = (4.0, 8.0, 16.0, 32.0, 64.0, 1e6)
#: The one that says that it holds at all distances.
EVERYWHERE = LENGTHS[-1]

#: Width, in voxels, of the outline of the segmentation as a prior. A wider one blurs what is right.
OUTLINE_WIDTH = 0.5

#: Widths as which the outline of the segmentation is compared with what was learned: as wrong as it proved to be.
WIDTHS = (0.5, 1.0, 2.0, 4.0)

#: Log-odds by which another class must be likelier than that of the segmentation, among which the hidden voxels choose,
#: and the mended voxels that one spoiled voxel costs: what holds on a slice holds less on others.
#: `Testing/Benchmarks/correct_fills.py`.
LEADS, SPOILED_COST = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0), 2.0

#: Parts of the decided voxels that are hidden in turn, and updates of the classifier that is trained on the rest.
FOLDS, TRIAL_STEPS = 2, 250

#: Hidden voxels that lie farther from every outline of the segmentation, and from every error, do not count, since
#: hardly anything changes there, in voxels.
MAX_DEPTH = 8.0

#: Depth, in voxels, up to which errors are those of an outline, and not of a part.
RIM = 2.0

#: Decided voxels of a group that tell what it looks like, and wrong voxels that tell more than a local error, at least.
MIN_SHOWN = 20

#: Side, in voxels, of the cells whose voxels err together, for the standard error.
CELL = 8.0

#: Probability that a hidden voxel counts with at least, so that no single one decides.
MIN_PROBABILITY = 0.02


def outline_probabilities(distances: np.ndarray, width: float) -> np.ndarray:
    """Probabilities of the groups by a segmentation alone.

    Parameters
    ----------
    distances : ndarray of float32, (G, ...)
        Signed distances of the groups but background.
    width : float
        Over which one outline passes into the other, in voxels.

    Returns
    -------
    ndarray of float32, (G + 1, ...)
        Background first.
    """
    scores = np.concatenate([-distances.max(axis=0, keepdims=True), distances])
    scores -= scores.max(axis=0)
    scores *= np.float32(1 / width)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=0)
    return scores


def groups_of(distances: np.ndarray) -> np.ndarray:
    """Group of each voxel in the segmentation, 0 for background, by its signed distances (G, ...)."""
    return np.where(distances.max(axis=0) > 0, distances.argmax(axis=0) + 1, 0)


def trust_at(away: np.ndarray, length: float) -> np.ndarray:
    """Part of the prior that the segmentation has at some distances from the decided voxels, float32."""
    return np.asarray(1 - np.exp(-away / np.float32(length)), np.float32)


@dataclass(frozen=True)
class Reliability:
    """How far what was learned on decided slices may be followed.

    Attributes
    ----------
    length : float
        Distance over which the learned prior falls to 1/e, in voxels of the finest axis; one of `LENGTHS`.
    lead : float
        Log-odds by which another class must be likelier than that of the segmentation; one of `LEADS`.
    """

    length: float
    lead: float = 0.0


@dataclass(frozen=True)
class _Hidden:
    """What hidden voxels say of themselves.

    Attributes
    ----------
    probabilities : ndarray, (N, G)
        Of the groups, as learned on the other voxels.
    segmented : ndarray, (N,)
        Probability of the true group by the segmentation.
    away : ndarray, (N,)
        Distance from the voxels that were learned from.
    weight : ndarray, (N,)
    cell : ndarray of int, (N,)
        Voxels of a cell err together.
    true, before : ndarray of int, (N,)
        True group, and that of the segmentation.
    """

    probabilities: np.ndarray
    segmented: np.ndarray
    away: np.ndarray
    weight: np.ndarray
    cell: np.ndarray
    true: np.ndarray
    before: np.ndarray

    def likelihoods(self, length: float) -> np.ndarray:
        """Log likelihood of each cell with a range of the learned prior."""
        trust = trust_at(self.away, length)
        learned = self.probabilities[np.arange(len(self.true)), self.true]
        mixed = trust * self.segmented + (1 - trust) * learned
        return np.bincount(self.cell, self.weight * np.log(np.maximum(mixed, MIN_PROBABILITY)))

    def lead(self) -> float:
        """The lead of the segmentation with which most is gained where the learned prior holds everywhere.

        Of leads that do not differ by more than a standard error, the least one counts.
        """
        rows = np.arange(len(self.true))
        was_right = self.before == self.true
        gains = []
        for lead in LEADS:
            odds = self.probabilities.copy()
            odds[rows, self.before] *= np.exp(lead)
            found = odds.argmax(axis=1)
            mended, spoiled = ~was_right & (found == self.true), was_right & (found != self.true)
            gains.append(np.bincount(self.cell, self.weight * (mended - SPOILED_COST * spoiled)))
        return LEADS[_first_as_good(np.array(gains))]


def _first_as_good(gains: np.ndarray) -> int:
    """The first of some choices that is not worse than the best one by more than a standard error.

    `gains` are those of each choice (rows) in each cell.
    """
    lost = gains[int(gains.sum(axis=1).argmax())] - gains
    error = np.sqrt(lost.shape[1]) * lost.std(axis=1)
    return int(np.flatnonzero(lost.sum(axis=1) <= error)[0])


def find_reliability(
    samples: Samples,
    believed: Samples | None,
    depth: np.ndarray,
    spacing: Sequence[float],
    progress: Progress | None = None,
) -> Reliability:
    """Choose how far what was learned is followed.

    Parameters
    ----------
    samples : Samples
        Of the decided voxels.
    believed : Samples, optional
        Others to learn from, which are never hidden.
    depth : ndarray of float32, (G, N)
        Signed distances of the groups but background in the segmentation, at the samples.
    spacing : sequence of float
        Along (K, J, I), in voxels of the finest axis.
    progress : Progress, optional

    Returns
    -------
    Reliability
        With `EVERYWHERE` if it holds at all distances, and the shortest length if a group that was wrong is right
        hardly anywhere: a slice on which nearly all of a cell is erased does not tell what is a cell. Errors at its rim
        alone do: deeper inside, the segmentation is believed. Also the shortest one if few voxels were wrong, or if the
        decided voxels hardly show the group that is right there.

        The segmentation has a lead where it has no other part in the prior, which is where that holds everywhere.
    """
    if not _shows_both_sides(samples, depth) or _shows_too_little(samples, depth):
        return Reliability(LENGTHS[0])
    hidden = _hide(samples, believed, depth, spacing, progress)
    likelihoods = np.array([hidden.likelihoods(length) for length in LENGTHS])
    length = LENGTHS[_first_as_good(likelihoods)]
    return Reliability(length, hidden.lead() if length == EVERYWHERE else 0.0)


def _hide(
    samples: Samples,
    believed: Samples | None,
    depth: np.ndarray,
    spacing: Sequence[float],
    progress: Progress | None,
) -> _Hidden:
    from scipy.spatial import cKDTree

    points = np.stack([samples.plane, *samples.place]).astype(np.int64)
    places = (points * np.asarray(spacing, float)[:, None]).T
    count = np.arange(len(samples.y))
    learned, away = np.zeros((len(count), len(depth) + 1)), np.zeros(len(count), np.float32)
    fold = _folds(samples, places)
    for number in range(FOLDS):
        out = fold == number
        if out.all() or not out.any():
            continue
        rest = samples.part(~out)
        rest = rest if believed is None else rest.joined(believed)
        classifier = train_classifier(rest, len(depth) + 1, steps=TRIAL_STEPS, progress=progress)
        learned[out] = classifier.probabilities(samples.x[out])
        away[out] = cKDTree(places[~out]).query(places[out])[0]
    weight = samples.weight * _near_errors(samples, depth, places) * (away > 0)
    blurred = [outline_probabilities(depth, width)[samples.y, count] for width in WIDTHS]
    segmented = max(blurred, key=lambda p: float(weight @ np.log(np.maximum(p, MIN_PROBABILITY))))
    cell = np.unique(np.floor(places / CELL), axis=0, return_inverse=True)[1].ravel()
    return _Hidden(learned, segmented, away, weight, cell, samples.y, groups_of(depth))


def _shows_both_sides(samples: Samples, depth: np.ndarray) -> bool:
    """Whether the decided voxels show each group that the segmentation has at the wrong place, but for its rim."""
    segmented = groups_of(depth)
    held = np.bincount(samples.y, samples.weight, minlength=len(depth) + 1)
    unseen = (segmented != samples.y) & (held[segmented] < MIN_SHOWN)
    return bool((np.abs(depth[:, unseen]).min(axis=0) <= RIM).all())


def _shows_too_little(samples: Samples, depth: np.ndarray) -> bool:
    """Whether few voxels were wrong, or a group that is right there holds fewer decided voxels than tell its look."""
    held = np.bincount(samples.y, samples.weight)
    wrong = groups_of(depth) != samples.y
    return bool(samples.weight[wrong].sum() < MIN_SHOWN or (held[samples.y[wrong]] < MIN_SHOWN).any())


def _near_errors(samples: Samples, depth: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Whether each voxel is near an outline of the segmentation, or near a voxel that the segmentation has wrong.

    A missing object lies far from all outlines.
    """
    from scipy.spatial import cKDTree

    near = np.abs(depth).min(axis=0) < MAX_DEPTH
    wrong = groups_of(depth) != samples.y
    if (wrong & ~near).any():
        near |= cKDTree(places[wrong]).query(places, distance_upper_bound=MAX_DEPTH)[0] < MAX_DEPTH
    return np.asarray(near)


def _folds(samples: Samples, places: np.ndarray) -> np.ndarray:
    """Fold of each voxel: halves of the slices, the other half of every second slice."""
    _, rank = np.unique(samples.plane, return_inverse=True)
    axis = 1 + int(np.ptp(places[:, 2]) > np.ptp(places[:, 1]))
    half = places[:, axis] > np.median(places[:, axis])
    return np.asarray((half + rank.ravel()) % FOLDS)
