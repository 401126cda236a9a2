"""Which slices to label next: those that should raise the Dice most.

The Dice that a fill lacks has three parts, each spread over the planes of the volume:

- Voxels that are wrong in segments that a labelled slice shows. The uncertainty tells where. A voxel counts for more in
  a small segment, as it does in the mean of the segments' Dice. The walk is too certain far from labelled slices, so
  the uncertainty counts for more there.
- Segments that no labelled slice shows, though others are labelled. How many are left follows from how many one slice
  alone shows, and how many two (Chao 1984, "Nonparametric estimation of the number of classes in a population").
- Objects that look like nothing on any labelled slice. A fill is certain about things that it has never seen: a bead
  that no labelled slice met is background (or cell) to it.

A slice settles its own part. It settles the more of another plane, the closer it brings labelled slices to it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy import ndimage

from ACSegLib.axes import AXES
from ACSegLib.errors import InputError
from ACSegLib.fill import constants
from ACSegLib.fill.constants import MAX_PLACES, MAX_REFERENCES
from ACSegLib.fill.prior.features import ImageFeatures
from ACSegLib.fill.result import FillResult
from ACSegLib.fill.seeds import OUTSIDE, count_classes
from ACSegLib.volume import unique_values

#: Borders as segments meet them that no slice shows: these may lie anywhere.
_ALL_CUT = (1.0, 1.0)


def suggest_slices(result: FillResult, n: int = 3) -> list[int]:
    """Suggest slices whose labels together should improve the fill most, best first.

    Parameters
    ----------
    result : FillResult
    n : int
        How many will be labelled before the next fill; fewer are suggested where nothing is uncertain.

    Returns
    -------
    list of int
        Indices along the axis in use (``result.report.axis``), none of them labelled.
    """
    if n < 1:
        raise InputError(f"the number of slices to suggest must be at least 1, not {n}.")
    losses = expected_losses(result)
    return best_first(losses, choose_together(losses, n))


def choose_together(losses: Losses, n: int) -> list[int]:
    """Choose up to n planes that together leave the least.

    Each is first chosen as if those before it were labelled. But slices that halve gaps one after the other leave some
    gaps twice as wide as others, so each then moves to where it leaves the least beside the other ones.
    """
    chosen: list[int] = []
    for _ in range(n):
        gains = losses.after(*chosen).gains()
        if gains.max() <= 0:
            return chosen
        chosen.append(int(np.argmax(gains)))
    moves = True
    while moves:
        moves = False
        for plane in list(chosen):
            others = [k for k in chosen if k != plane]
            moved = [*others, int(np.argmax(losses.after(*others).gains()))]
            if losses.after(*moved).total < losses.after(*chosen).total:
                chosen, moves = moved, True
    return chosen


def best_first(losses: Losses, planes: list[int]) -> list[int]:
    """The planes in the order in which they should be labelled, each with the greatest gain after those before it."""
    ordered: list[int] = []
    while rest := [k for k in planes if k not in ordered]:
        gains = losses.after(*ordered).gains()
        ordered.append(max(rest, key=lambda k: gains[k]))
    return ordered


@dataclass(frozen=True)
class Losses:
    """The mean Dice of the segments that a fill is expected to lack, plane by plane.

    Attributes
    ----------
    labelled : list of int
        Planes that are known, in ascending order.
    outlines : ndarray of float64, (K,)
        Wrong voxels of segments that a labelled slice shows.
    hidden : ndarray of float64, (K,)
        Segments that no labelled slice shows.
    new : ndarray of float64, (K,)
        What looks like nothing on the labelled slices.
    cut : (float, float)
        Part of the segments that the borders of the volume cut: at its first plane, and at its last one.
    without_values : list of int
        Planes in which the image has no value, so that nobody can label them.
    """

    labelled: list[int]
    outlines: np.ndarray
    hidden: np.ndarray
    new: np.ndarray
    cut: tuple[float, float] = (0.0, 0.0)
    without_values: list[int] = field(default_factory=list)

    @property
    def total(self) -> float:
        """The Dice that is expected to be missing."""
        return float(self.outlines.sum() + self.hidden.sum() + self.new.sum())

    def gains(self) -> np.ndarray:
        """The Dice that labelling each plane alone is expected to gain; 0 for those that are, or cannot be."""
        gains = np.zeros(len(self.outlines))
        for gap in self._gaps():
            left = self._left(gap, gap[:, None])
            losses = (self.outlines, self.hidden, self.new)
            gains[gap] = sum(((1 - part) * loss[gap]).sum(axis=1) for part, loss in zip(left, losses, strict=True))
        gains[self.without_values] = 0
        return gains

    def after(self, *planes: int) -> Losses:
        """What is left once these planes are labelled."""
        losses = self
        for plane in sorted(planes):
            gap = next(gap for gap in losses._gaps() if plane in gap)
            outlines, hidden, new = losses.outlines.copy(), losses.hidden.copy(), losses.new.copy()
            for part, loss in zip(losses._left(gap, plane), (outlines, hidden, new), strict=True):
                loss[gap] *= part
            losses = replace(
                losses, labelled=sorted([*losses.labelled, plane]), outlines=outlines, hidden=hidden, new=new
            )
        return losses

    def _gaps(self) -> list[np.ndarray]:
        """The planes between labelled slices, and between these and the borders."""
        known = [-1, *self.labelled, len(self.outlines)]
        return [np.arange(low + 1, high) for low, high in pairwise(known) if high > low + 1]

    def _left(self, gap: np.ndarray, chosen: np.ndarray | int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Parts of the outlines, hidden and new that are left in a gap once one of its planes is labelled."""
        planes, low, high = len(self.outlines), gap[0] - 1, gap[-1] + 1
        first, last = low < 0, high == planes

        def known(outermost: tuple[Any, Any], cut: tuple[float, float]) -> tuple[Any, Any]:
            start, stop = _ends(*outermost, planes, cut)
            return start if first else low, stop if last else high

        def settled(cut: tuple[float, float]) -> np.ndarray:
            was = _bridge(gap, *known((0 if last else high, planes - 1 if first else low), cut))
            (start, stop), before = known((chosen, chosen), cut), gap < chosen
            now = _bridge(gap, np.where(before, start, chosen), np.where(before, chosen, stop))
            return np.minimum(now / np.maximum(was, 1e-9), 1.0) ** constants.LOSS_POWER

        reach = np.minimum(planes if first else chosen - low, planes if last else high - chosen)
        return settled(self.cut), settled(_ALL_CUT), np.minimum(np.abs(gap - chosen) / reach, 1.0)


def distances(labelled: list[int], planes: int, cut: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """Distance of each plane from the labelled slices around it: the product of both distances over their sum.

    This is the variance of a random outline that is known at both (a Brownian bridge). A border before which all
    segments end counts as labelled. Behind one that cuts them all, the outermost slice is repeated, as in a mirror.

    Parameters
    ----------
    labelled : list of int
        In ascending order.
    planes : int
        Of the volume.
    cut : (float, float)
        Part of the segments that are cut by the volume's first and last border.
    """
    k = np.arange(planes)
    start, stop = _ends(*((labelled[0], labelled[-1]) if labelled else (0, planes - 1)), planes, cut)
    known = np.array([start, *labelled, stop])
    low = np.searchsorted(known, k, side="right") - 1
    return _bridge(k, known[low], known[low + 1])


def _ends(first: Any, last: Any, planes: int, cut: tuple[float, float]) -> tuple[Any, Any]:
    """Where outlines count as known before and behind the volume, by its outermost labelled planes."""
    return -1 - cut[0] * first, planes + cut[1] * (planes - 1 - last)


def _bridge(k: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Variance of a Brownian bridge at k that is known at both ends."""
    return (k - low) * (high - k) / (high - low)


def expected_losses(result: FillResult) -> Losses:
    """Estimate the Dice that a fill lacks, and on which planes."""
    labelled = sorted(result.slices.get(result.report.axis, []))
    evidence = result.state.context.evidence
    planes = len(evidence.classes)
    cut = _cut(result, labelled)
    far = np.ones(planes)
    if labelled:  # strokes know no plane as a whole
        far = (distances(labelled, planes, cut) * constants.LOSS_PLANES / planes) ** constants.LOSS_GROWTH
    outlines = constants.LOSS_SHARE * _uncertain_shares(result) * far
    outlines /= max(1.0, outlines.sum())
    times = _times_shown(result, labelled)
    missing = missing_segments(times)
    weight = distances(labelled, planes, _ALL_CUT) ** constants.LOSS_GROWTH
    hidden = missing / (len(times) + missing) * weight / weight.sum() if missing else np.zeros(planes)
    # Good and Turing's probability that the next slice shows another segment (by Laplace's rule), which is one of all
    another = (np.count_nonzero(times == 1) + 1) / (times.sum() + 2) / (len(times) + 1)
    # what is close to a labelled slice and not on it is thin
    orientation = evidence.orientation
    new = orientation.along(new_appearance(evidence.features, orientation.slices(labelled))) * np.minimum(far, 1)
    new = another * new / (new.sum() + constants.FEW_NEW)
    blank = [k for k, plane in enumerate(evidence.classes) if (plane == OUTSIDE).all()]
    return Losses(labelled, outlines, hidden, new, cut, orientation.slices(blank))


def _cut(result: FillResult, labelled: list[int]) -> tuple[float, float]:
    """Part of the segments that the borders cut: their area there, over that on the outermost labelled slice."""
    if not labelled:
        return 0.0, 0.0
    axis = AXES.index(result.report.axis)
    first, start, stop, last = (
        sum(np.count_nonzero(layer.take(k, axis)) for layer in result.segmentation.layers)
        for k in (0, labelled[0], labelled[-1], -1)
    )
    return min(first / max(start, 1), 1.0), min(last / max(stop, 1), 1.0)


def missing_segments(times: np.ndarray) -> float:
    """Estimate how many segments no labelled slice shows, from the number of slices that show each other one."""
    once, twice = (int(np.count_nonzero(times == number)) for number in (1, 2))
    return once * (once - 1) / (2 * (twice + 1))


def _times_shown(result: FillResult, labelled: list[int]) -> np.ndarray:
    """On how many labelled slices each segment is shown; without those that none shows."""
    evidence, seeds = result.state.context.evidence, result.state.seeds
    times = np.zeros(len(seeds.segments), int)
    for k in evidence.orientation.slices(labelled):
        shown = count_classes(evidence.classes[k : k + 1], evidence.count)
        rows = {row for c in np.flatnonzero(shown) for row in seeds.table[c]}
        times[sorted(rows)] += 1
    return times[times > 0]


def _uncertain_shares(result: FillResult) -> np.ndarray:
    """Uncertainty of each plane, where a voxel counts as its share of the segment that it belongs to or borders on.

    An error is more likely than not only near 255, so the uncertainty is squared: certain and half-certain voxels
    should count little.
    """
    axis = AXES.index(result.report.axis)
    uncertainty = np.moveaxis(result.uncertainty, axis, 0)
    step = max(1, int(np.ceil((uncertainty.size / constants.MAX_LOSS_VOXELS) ** 0.5)))
    thin = (slice(None), slice(None, None, step), slice(None, None, step))
    shares = _segment_shares([np.moveaxis(layer, axis, 0)[thin] for layer in result.segmentation.layers])
    return ((uncertainty[thin].astype(np.float32) / 255) ** 2 * shares).sum(axis=(1, 2), dtype=np.float64)


def _segment_shares(layers: list[np.ndarray]) -> np.ndarray:
    """What each voxel is of the segment that it belongs to or borders on, over the number of segments."""
    values = [unique_values(layer) for layer in layers]
    count = max(sum(np.count_nonzero(each) for each in values), 1)
    shares = np.zeros(layers[0].shape, np.float32)
    for layer, each in zip(layers, values, strict=True):
        places = np.searchsorted(each, layer)
        sizes = np.bincount(places.ravel(), minlength=len(each)).astype(np.float32)
        shares += np.where(each > 0, 1 / (sizes * count), 0).astype(np.float32)[places]
    return ndimage.maximum_filter(shares, size=(3, 5, 5))


def new_appearance(features: ImageFeatures, labelled: list[int]) -> np.ndarray:
    """How much of each plane looks like nothing on the labelled slices.

    Places of the finer of the two coarse levels are compared by intensity, gradient and second derivatives with their
    nearest neighbour among those of the labelled slices. What is usual is learned by doing the same for each labelled
    slice with the other ones.

    Parameters
    ----------
    features : ImageFeatures
    labelled : list of int
        Planes. On a single coarse plane, nothing can be called unusual.

    Returns
    -------
    ndarray of float64, (K,)
        Voxels that look new.
    """
    from scipy.spatial import cKDTree

    level, factor = features.levels[0], features.factors[0]
    planes = len(features.image)
    step = max(1, int(np.ceil((level[0].size / MAX_PLACES) ** (1 / 3))))
    places = level[:, :, ::step, ::step] / (level.std(axis=(1, 2, 3), keepdims=True) + 1e-12)
    rows = [min(k // int(factor[0]), level.shape[1] - 1) for k in labelled]
    if len(set(rows)) < 2:
        return np.zeros(planes)
    seen = [places[:, row].reshape(len(places), -1).T for row in rows]
    usual = []
    for number in range(len(seen)):
        rest = np.concatenate([s for other, s in enumerate(seen) if rows[other] != rows[number]])
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
