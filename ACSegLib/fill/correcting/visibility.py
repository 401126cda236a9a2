"""How well the image shows what strokes mended.

A person knows more than an image may show. So the appearance is learned without the strokes, from the segmentation
around them, and asked twice: whether the strokes look like what they became, and whether the voxels that nobody
touched look like what they are. Where both are so, the appearance tells how far the error reaches. Where it is not (a
neighbour of the same look, two segments that differ by their place), only edges and the distance do.
"""

from __future__ import annotations

import numpy as np

from ACSegLib.fill.prior.appearance import train_classifier
from ACSegLib.fill.prior.samples import Samples
from ACSegLib.jobs import Progress

#: Updates of the classifier that has not seen the strokes.
TRIAL_STEPS = 250

#: Voxels beside the strokes that are enough to judge by; with fewer, all of their group count.
ENOUGH = 20


def visibility(
    rest: Samples, strokes: Samples, origin: np.ndarray, near: np.ndarray, groups: int, progress: Progress | None = None
) -> float:
    """How well the image tells the groups of strokes from those they had before, from 0 (not at all) to 1.

    Parameters
    ----------
    rest, strokes : Samples
        Of the segmentation, and of the strokes with the groups that these gave.
    origin : ndarray of int, shape (N,)
        Group of each sample of the strokes before.
    near : ndarray of bool
        Which samples of `rest` lie within reach of the strokes.
    groups : int
    progress : Progress, optional

    Returns
    -------
    float
        1 if the segmentation has too little of a group to compare with.
    """
    if not (np.isin(strokes.y, rest.y).all() and np.isin(origin, rest.y).all()):
        return 1.0
    classifier = train_classifier(rest, groups, steps=TRIAL_STEPS, progress=progress)
    new, old = np.bincount(strokes.y).argmax(), np.bincount(origin).argmax()
    untouched = rest.y == old
    if np.count_nonzero(untouched & near) > ENOUGH:
        untouched &= near
    became = _preferred(classifier.probabilities(strokes.x), strokes.y, origin)
    stayed = _preferred(
        classifier.probabilities(rest.x[untouched]), *(np.full(np.count_nonzero(untouched), g) for g in (old, new))
    )
    return max(0.0, became + stayed - 1)


def _preferred(probabilities: np.ndarray, groups: np.ndarray, others: np.ndarray) -> float:
    """Mean probability of some groups against others, one of each per row."""
    rows = np.arange(len(groups))
    right, wrong = probabilities[rows, groups], probabilities[rows, others]
    return float(np.mean(right / np.maximum(right + wrong, 1e-12)))
