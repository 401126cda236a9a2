"""How right is a fill, segment by segment? Dice and volume to expect, each with a 90 % interval.

Several things tell: how well hidden parts of the labels came back (`ACSegLib.fill.trials`), how certain the
probabilities are, whether the area of a segment between two labelled slices leaves the line between their areas (a leak
appears and vanishes there), and how large the segment is against the distance of the slices. The labelled areas alone
give a second estimate of the volume (Cavalieri's; Gundersen and Jensen 1987, doi:10.1111/j.1365-2818.1987.tb02837.x),
which no leak disturbs. Where there are many instances, the error of all of them together tells more of each.

A linear model joins these. Its coefficients and the widths of its intervals come from fills of volumes whose truth is
known, by conformal prediction (Vovk, Gammerman and Shafer 2005, doi:10.1007/b106715):
``Testing/Benchmarks/fill_estimates.py``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ACSegLib.axes import AXES
from ACSegLib.fill import constants
from ACSegLib.fill.evidence import Evidence
from ACSegLib.fill.holdout import mean_dice
from ACSegLib.fill.seeds import UNKNOWN, Seeds, count_classes
from ACSegLib.segment_estimates import MIN_ERROR, Interval, SegmentEstimate

#: Smaller leaks are not told apart.
_MIN_LEAK = 0.005
#: Volumes by the labelled areas that differ by less from the filled ones (logarithm) are not told apart.
_MIN_DIFFERENCE = 0.03
#: Hidden voxels as which the usual Dice of all segments counts.
_USUAL = 60


@dataclass(frozen=True)
class SlabTally:
    """What was filled in the unknown voxels of a slab.

    Attributes
    ----------
    areas : ndarray, (K, classes)
        Filled voxels of each class on each plane.
    right : ndarray, (classes,)
        Sum of the probabilities of the filled class: as many of these voxels are expected to be right.
    expected : ndarray, (classes,)
        Sum of the probabilities of each class over all unknown voxels.
    """

    areas: np.ndarray
    right: np.ndarray
    expected: np.ndarray


@dataclass(frozen=True)
class Signs:
    """What tells how right a segment is.

    Attributes
    ----------
    hidden_error, expected_error : float
        One minus the Dice of hidden parts, and of the fill if its probabilities are right.
    leak : float
        Part of the filled area that leaves the line between the areas of the labelled slices.
    change : float
        One minus the Dice of adjacent labelled slices: how much its outline changes from one to the next.
    size : float
        Root of the segment's mean area on labelled slices, in distances of these slices.
    slices : int
        Labelled slices with the segment.
    hidden : float
        Its voxels in the hidden parts.
    many : bool
        Whether whole slices were hidden, since there are many instances. Such fills have models of their own.
    fill_error : float
        One minus the mean Dice of the hidden parts of all segments.
    expected_ratio, area_ratio : float
        Logarithm of true over filled volume if the probabilities are right, and if areas change evenly from one
        labelled slice to the next.
    filled : float
        Voxels of the filled segment, the labelled ones included.
    least, most : float
        Voxels that it has at least, because they are labelled, and at most, because all others are labelled otherwise
        or lie outside of the image.
    """

    hidden_error: float
    expected_error: float
    leak: float
    change: float
    size: float
    slices: int
    hidden: float
    many: bool
    fill_error: float
    expected_ratio: float
    area_ratio: float
    filled: float
    least: float = 0.0
    most: float = float("inf")

    @property
    def vector(self) -> np.ndarray:
        """Inputs of the linear models, (10,), or (12,) where there are many instances."""
        hidden, expected = np.log([self.hidden_error, self.expected_error])
        others = np.log([min(self.leak, 1.0), self.change, self.size, self.slices, self.hidden + 10])
        values = [1.0, hidden, expected, *others, hidden**2, expected**2]
        if self.many:
            values += np.log([abs(self.area_ratio) + _MIN_DIFFERENCE, self.fill_error]).tolist()
        return np.array(values)

    @property
    def ratios(self) -> tuple[float, float]:
        """Estimates of the logarithm of true over filled volume."""
        return self.expected_ratio, self.area_ratio


@dataclass(frozen=True)
class LabelTally:
    """What was labelled.

    Attributes
    ----------
    areas : dict
        Labelled slice -> voxels of each class, (classes,).
    known : ndarray, (classes,)
        Known voxels of each class in the whole volume.
    shared, joined : ndarray, (classes,)
        Of all pairs of adjacent labelled slices: voxels that have the class on both, and its voxels on both together.
    """

    areas: dict[int, np.ndarray]
    known: np.ndarray
    shared: np.ndarray
    joined: np.ndarray

    @classmethod
    def of(cls, evidence: Evidence, seeds: Seeds) -> LabelTally:
        """Count the voxels of the labelled slices along the primary axis."""
        classes, count = evidence.classes, evidence.count
        planes = seeds.slices.get(AXES[seeds.primary], [])
        areas = {k: count_classes(classes[k : k + 1], count) for k in planes}
        shared, joined = np.zeros(count), np.zeros(count)
        for below, above in itertools.pairwise(planes):
            same = classes[below][classes[below] == classes[above]]
            shared += np.bincount(same[same >= 0], minlength=count)
            joined += areas[below] + areas[above]
        return cls(areas, count_classes(classes, count), shared, joined)


def collect_signs(
    evidence: Evidence, seeds: Seeds, tallies: Mapping[tuple[int, int], SlabTally], overlap: np.ndarray
) -> dict[int, Signs]:
    """Signs of each segment (row of the table of segments) that a labelled slice shows.

    Parameters
    ----------
    overlap : ndarray, (classes, 3)
        Of hidden parts; see `ACSegLib.fill.trials.overlap`.
    """
    labelled = LabelTally.of(evidence, seeds)
    areas = np.sum([tally.areas.sum(axis=0) for tally in tallies.values()], axis=0)
    right = np.sum([tally.right for tally in tallies.values()], axis=0)
    expected = np.sum([tally.expected for tally in tallies.values()], axis=0)
    usual = 2 * overlap[1:, 0].sum() / max(overlap[1:, 1:].sum(), 1.0)
    gap = float(np.median(np.diff(list(labelled.areas)))) * evidence.features.spacing[0]
    unknown = sum(np.count_nonzero(plane == UNKNOWN) for plane in evidence.classes)
    pixel = evidence.features.spacing[1] * evidence.features.spacing[2]
    signs = {}
    for row in range(len(seeds.segments)):
        members = seeds.classes_of(row)
        shown = [float(a[members].sum()) for a in labelled.areas.values() if a[members].any()]
        if not shown:
            continue
        common, truth, found = overlap[members].sum(axis=0)
        known, filled = labelled.known[members].sum(), areas[members].sum()
        beside, more, total = _beside(members, labelled.areas, tallies)
        likely, sure = expected[members].sum(), right[members].sum()
        change = 1 - 2 * labelled.shared[members].sum() / max(labelled.joined[members].sum(), 1.0)
        signs[row] = Signs(
            # of a small segment hardly anything was hidden: then what is usual for the others counts
            hidden_error=max(float(1 - (2 * common + _USUAL * usual) / (truth + found + _USUAL)), MIN_ERROR),
            expected_error=max(float(1 - (2 * sure + 1) / (filled + likely + 1)), MIN_ERROR),
            leak=max(beside / max(total, 1.0), _MIN_LEAK),
            change=max(float(change), _MIN_LEAK),
            size=float(np.sqrt(np.mean(shown) * pixel)) / gap,
            slices=len(shown),
            hidden=float(truth),
            many=evidence.instances is not None,
            fill_error=max(1 - mean_dice(overlap), MIN_ERROR),
            expected_ratio=float(np.log((known + likely + 1) / (known + filled + 1))),
            area_ratio=float(np.log(max(known + filled - more, 1.0) / max(known + filled, 1.0))),
            filled=float(known + filled),
            least=float(known),
            most=float(known + unknown),
        )
    return signs


def _beside(
    members: Sequence[int], labelled: Mapping[int, np.ndarray], tallies: Mapping[tuple[int, int], SlabTally]
) -> tuple[float, float, float]:
    """Filled area beside the line between the labelled slices' areas, what of it is above the line, and all of it."""
    beside = more = total = 0.0
    for (first, last), tally in tallies.items():
        if first in labelled and last in labelled and last - first > 1:
            areas = tally.areas[1:-1, members].sum(axis=1)
            ends = labelled[first][members].sum(), labelled[last][members].sum()
            difference = areas - np.linspace(*ends, last - first + 1)[1:-1]
            beside += float(np.abs(difference).sum())
            more += float(difference.sum())
            total += float(areas.sum())
    return beside, more, total


def estimate(name: str, signs: Signs) -> SegmentEstimate:
    """Dice on voxels that were not labelled, and volume, with 90 % intervals."""
    estimator = constants.ESTIMATORS[int(signs.many)]
    found = estimator.estimate(name, signs.vector, signs.ratios, signs.filled)
    if found.voxels is None:
        return found
    ends = (found.voxels.value, found.voxels.low, found.voxels.high)
    return replace(found, voxels=Interval(*(min(max(v, signs.least), signs.most) for v in ends)))
