"""Which slices to label next."""

from __future__ import annotations

import numpy as np

from ACSegLib.axes import AXES
from ACSegLib.errors import InputError
from ACSegLib.fill.constants import MAX_NEW_WEIGHT, MAX_PLACES, MAX_REFERENCES, NEW_SHARE
from ACSegLib.fill.features import ImageFeatures
from ACSegLib.fill.result import FillResult


def suggest_slices(result: FillResult, n: int = 3) -> list[int]:
    """Suggest slices whose labels should improve the fill most, best first.

    The gain of labelling a slice is what it would settle: what is uncertain in it and around it, and what looks like
    nothing on any labelled slice. The second is needed because a fill is certain about things that it has never seen:
    beads that no labelled slice met are background (or cell) to it. Both are weighted by a window that falls to 0 at
    the distance of the nearest labelled slice. After each choice, what it would settle is taken away, so that
    suggestions keep apart.

    Parameters
    ----------
    result : FillResult
    n : int
        How many at most; fewer where nothing is uncertain.

    Returns
    -------
    list of int
        Indices along the axis in use (``result.report.axis``), none of them labelled.
    """
    if n < 1:
        raise InputError(f"the number of slices to suggest must be at least 1, not {n}.")
    axis = AXES.index(result.report.axis)
    others = tuple(a for a in range(3) if a != axis)
    # an error is more likely than not only near 255, so certain and half-certain voxels should count little
    uncertain = (result.uncertainty.astype(np.float32) / 255) ** 2
    profile = uncertain.sum(axis=others, dtype=np.float64)
    labelled = set(result.slices.get(AXES[axis], []))
    new = new_appearance(result.state.context.evidence.features, sorted(labelled))
    if new.any():
        # few slices have met little: what they have not met is then worth more than what is uncertain
        share = NEW_SHARE / (len(labelled) - 1)
        profile += new * min(share * profile.sum() / new.sum(), MAX_NEW_WEIGHT)
    profile[sorted(labelled)] = 0
    chosen: list[int] = []
    planes = np.arange(len(profile))
    while len(chosen) < n:
        known = np.array(sorted(labelled | set(chosen)), float)
        gain = np.zeros(len(profile))
        for k in planes:
            if k in labelled or k in chosen:
                continue
            reach = max(1.0, np.min(np.abs(known - k)) if len(known) else len(profile))
            window = np.clip(1 - np.abs(planes - k) / reach, 0, None)
            gain[k] = window @ profile
        best = int(np.argmax(gain))
        if gain[best] <= 0:
            break
        chosen.append(best)
        reach = max(1.0, np.min(np.abs(known - best)) if len(known) else len(profile))
        profile = profile * np.clip(np.abs(planes - best) / reach, 0, 1)
    return chosen


def new_appearance(features: ImageFeatures, labelled: list[int]) -> np.ndarray:
    """How much of each plane looks like nothing on the labelled slices.

    Places of the finer of the two coarse levels are compared by intensity, gradient and second derivatives with their
    nearest neighbour among those of the labelled slices. What is usual is learned by doing the same for each labelled
    slice with the other ones.

    Parameters
    ----------
    features : ImageFeatures
    labelled : list of int
        Planes, at least two, or nothing can be called unusual.

    Returns
    -------
    ndarray of float64, (K,)
        Voxels that look new.
    """
    from scipy.spatial import cKDTree

    level, factor = features.levels[0], features.factors[0]
    planes = len(features.image)
    if len(labelled) < 2:
        return np.zeros(planes)
    step = max(1, int(np.ceil((level[0].size / MAX_PLACES) ** (1 / 3))))
    places = level[:, :, ::step, ::step] / (level.std(axis=(1, 2, 3), keepdims=True) + 1e-12)
    rows = [min(k // int(factor[0]), level.shape[1] - 1) for k in labelled]
    seen = [places[:, row].reshape(len(places), -1).T for row in rows]
    usual = []
    for number in range(len(seen)):
        rest = np.concatenate([s for other, s in enumerate(seen) if rows[other] != rows[number]] or [seen[number]])
        distances, _ = cKDTree(_thinned(rest)).query(seen[number])
        usual.append(np.percentile(distances, 99.9))
    usual_distance = max(float(np.median(usual)), 1e-6)
    tree = cKDTree(_thinned(np.concatenate(seen)))
    novelty = np.zeros(level.shape[1])
    for row in range(0, level.shape[1], step):
        distances, _ = tree.query(places[:, row].reshape(len(places), -1).T)
        novelty[row : row + step] = np.clip(distances / usual_distance - 1, 0, 1).sum()
    size = float(np.prod(factor[1:])) * step * step
    return novelty[np.minimum(np.arange(planes) // int(factor[0]), len(novelty) - 1)] * size


def _thinned(places: np.ndarray) -> np.ndarray:
    """Every n-th of the places, so that they are not too many."""
    return places[:: -(-len(places) // MAX_REFERENCES)]
