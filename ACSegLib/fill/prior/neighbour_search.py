"""Finds neighbours that nobody drew, and takes them into account; see `ACSegLib.fill.prior.neighbours`.

As in learning from positive and unlabelled examples (Elkan and Noto, KDD 2008, doi:10.1145/1401890.1401920), what was
labelled background is not believed at first. Background that looks like a segment more than background usually does, in
parts as wide as a cell, is left out, and the classifier is trained again without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import ndimage

from ACSegLib.fill import constants
from ACSegLib.fill.prior.appearance import AppearanceClassifier
from ACSegLib.fill.prior.evidence import Evidence
from ACSegLib.fill.prior.neighbours import Neighbours, mark_lookalikes
from ACSegLib.fill.prior.samples import Samples, collect_samples
from ACSegLib.fill.prior.screening import Screening, train_for_screening
from ACSegLib.fill.prior.shape import NearestOutlines
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.jobs import Progress


def with_neighbours(
    evidence: Evidence, samples: Samples, screening: Screening, progress: Progress | None = None
) -> tuple[Evidence, Samples]:
    """The evidence with neighbours that nobody drew, and samples of it; both are as they were where there are none.

    Parameters
    ----------
    evidence : Evidence
        Of labelled slices.
    samples : Samples
        Of its known voxels.
    screening : Screening
        Of these samples.
    progress : Progress, optional
    """
    if len(screening.folds) < 2:
        return evidence, samples
    progress = progress or Progress()
    found = find_neighbours(evidence, screening, progress)
    if found is None:
        return evidence, samples
    neighbours, marked = found
    groups = [[*group, *_neighbour(neighbours.looks, g)] for g, group in enumerate(evidence.groups)]
    shape = replace(evidence.shape, groups=groups[1:], distances={}).updated(marked, sorted(marked), [], progress.check)
    classes = evidence.classes.copy()
    for k, plane in marked.items():
        classes[k] = np.where(_around_neighbours(evidence, plane, constants.RIM) & (plane == 0), UNKNOWN, plane)
    samples = collect_samples(replace(evidence, classes=classes, groups=groups, shape=shape))
    return replace(evidence, shape=shape, neighbours=neighbours), samples


def _neighbour(looks: Mapping[int, int], group: int) -> list[int]:
    return [looks[group]] if group in looks else []


def find_neighbours(
    evidence: Evidence, screening: Screening, progress: Progress
) -> tuple[Neighbours, dict[int, np.ndarray]] | None:
    """Find neighbours that nobody drew.

    Returns
    -------
    (Neighbours, dict) or None
        The dict has the labelled slices with the neighbours as classes of their own. None without any neighbour.
    """
    samples = screening.samples
    looks = {g: evidence.count + g for g in range(1, len(evidence.groups))}
    marked = _first_marked(evidence, screening, looks, progress)
    looks = _fitting(evidence, marked, looks)
    for threshold in constants.NEIGHBOUR_THRESHOLDS:
        if not looks:
            return None
        classifier = train_for_screening(samples.part(_believed(evidence, samples, marked)), screening.groups, progress)
        clear = _usual_likeness(samples, classifier, constants.UNCLEAR_SHARE)
        looks = {g: c for g, c in looks.items() if clear[g] >= constants.MIN_CLEAR}
        thresholds = dict.fromkeys(looks, threshold)
        for k in marked:
            progress.check()
            marked[k] = mark_lookalikes(evidence.features, evidence.classes[k], k, classifier.layers, thresholds, looks)
        looks = _fitting(evidence, marked, looks)
    if not looks:
        return None
    for plane in marked.values():
        plane[(plane >= evidence.count) & ~np.isin(plane, list(looks.values()))] = 0
    pairs = [pair for g, c in looks.items() for pair in (list(evidence.groups[g]), [c])]
    shape = evidence.shape
    outlines = NearestOutlines(pairs, shape.size, shape.spacing, shape.gap, {})
    outlines = outlines.updated(marked, sorted(marked), [], progress.check)
    return Neighbours(looks, classifier.layers, outlines), marked


def _first_marked(
    evidence: Evidence, screening: Screening, looks: Mapping[int, int], progress: Progress
) -> dict[int, np.ndarray]:
    """The labelled slices with all that might be a neighbour marked.

    Each is looked at by a classifier that did not learn on it that its background is background.
    """
    marked = {}
    for fold in screening.folds:
        layers = fold.classifier.layers
        usual = _usual_likeness(fold.training, fold.classifier)
        thresholds = {g: constants.SUSPECT_SHARE * value for g, value in usual.items()}
        here = {g: looks[g] for g in usual}
        for k in fold.slices:
            progress.check()
            marked[k] = mark_lookalikes(evidence.features, evidence.classes[k], k, layers, thresholds, here)
    return marked


def _usual_likeness(samples: Samples, classifier: AppearanceClassifier, quantile: float = 0.5) -> dict[int, float]:
    """Quantile, the median by default, of the probability of each group but background, where it was labelled."""
    usual = {}
    for g in np.unique(samples.y[samples.y > 0]).tolist():
        own = np.flatnonzero(samples.y == g)
        some = own[:: max(1, len(own) // constants.TYPICAL_SAMPLES)]
        usual[g] = float(np.quantile(classifier.probabilities(samples.x[some])[:, g], quantile))
    return usual


def _believed(evidence: Evidence, samples: Samples, marked: Mapping[int, np.ndarray]) -> np.ndarray:
    """Samples that may be believed: all but background in and around what is marked; bool, (N,)."""
    believed = np.ones(len(samples.y), bool)
    for k, plane in marked.items():
        around = _around_neighbours(evidence, plane) & (evidence.classes[k] == 0)
        here = samples.plane == k
        believed[here] = ~around[tuple(samples.place[:, here])]
    return believed


def _around_neighbours(evidence: Evidence, plane: np.ndarray, width: int = constants.UNCERTAIN_RIM) -> np.ndarray:
    """Pixels in and around neighbours of a marked slice, bool, (J, I)."""
    return np.asarray(ndimage.binary_dilation(plane >= evidence.count, iterations=width))


def _fitting(evidence: Evidence, marked: Mapping[int, np.ndarray], looks: Mapping[int, int]) -> dict[int, int]:
    """Groups whose neighbours are large in relation to them, but not most of the background; the class of each."""
    area = np.sum(
        [np.bincount(plane[plane >= 0], minlength=evidence.count + len(evidence.groups)) for plane in marked.values()],
        axis=0,
    )
    own = {g: int(area[evidence.groups[g]].sum()) for g in looks}
    least, most = constants.MIN_NEIGHBOUR_SHARE, constants.MAX_NEIGHBOUR_SHARE
    background = area[0] + area[evidence.count :].sum()
    return {g: c for g, c in looks.items() if least * own[g] < area[c] <= most * background}
