"""How right is a fill, segment by segment? Dice and volume to expect, each with a 90 % interval.

Five things tell:

- the Dice that the fill has if its probabilities are right;
- whether they are: hidden parts of the labels (`ACSegLib.fill.tuning.trials`) have so many wrong voxels, and the
  probabilities expect so many there; the parts that were filled with the segment itself are counted once
  more, where it does not end;
- how far the fill is from its prior, that is from what the appearance alone says;
- how far the fill jumps from a labelled slice to the plane beside it: nothing changes as much between two planes;
- how much of the segment lies where only one of the two labelled slices around shows it, so that its end is unknown.

The labelled areas alone give a second estimate of the volume (Cavalieri's; Gundersen and Jensen 1987,
doi:10.1111/j.1365-2818.1987.tb02837.x). A leak between two labelled slices appears and vanishes there, and does not
disturb it.

A linear model joins these. Its coefficients and the widths of its intervals come from fills of volumes whose truth is
known, by conformal prediction (Vovk, Gammerman and Shafer 2005, doi:10.1007/b106715). The deviations of a kind of
volumes are those of a model that saw no volume of this kind, and each kind counts the same (Lee, Barber and Willett
2023, arXiv:2306.06342): ``Testing/Benchmarks/fill_estimates.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.fill.prior.evidence import Evidence
from ACSegLib.fill.seeds import UNKNOWN, Seeds, count_classes
from ACSegLib.segment_estimates import MAX_RATIO, MIN_ERROR, Estimator, SegmentEstimate, log_odds

#: Smaller differences of the fill from its prior are not told apart.
_MIN_PRIOR_ERROR = 0.005
#: Other estimates of the volume that differ by less from the filled one (logarithm) are not told apart.
_MIN_DIFFERENCE = 0.01


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
    common, claimed : ndarray, (classes,)
        Voxels that the fill and the prior alone both give to a class, and those that the prior gives to it.
    jumps : ndarray, (classes, 2)
        Where an end of the slab is known whole: voxels in which it and the filled plane beside it differ, and voxels of
        both.
    """

    areas: np.ndarray
    right: np.ndarray
    expected: np.ndarray
    common: np.ndarray
    claimed: np.ndarray
    jumps: np.ndarray


@dataclass(frozen=True)
class Signs:
    """What tells how right a segment is.

    Attributes
    ----------
    expected_error : float
        One minus the Dice of the fill, if its probabilities are right.
    calibration : float
        Logarithm of the number of wrong voxels in the hidden parts over the number that the probabilities expect.
    own_calibration : float
        The same of the hidden voxels that were filled with the segment, between slices that both show what was filled
        and what is true.
    prior_error : float
        One minus the Dice of the fill and its prior alone.
    one_sided : float
        Part of the filled voxels between slices of which at most one shows the segment.
    size : float
        Root of the segment's mean area on labelled slices, in distances of these slices.
    many : bool
        Whether whole slices were hidden, since there are many instances. Such fills have models of their own.
    expected_ratio, area_ratio : float
        Logarithm of true over filled volume if the probabilities are right, and if areas change evenly from one
        labelled slice to the next.
    jump : float
        Part of the voxels in which labelled slices and the filled planes beside them differ.
    filled : float
        Voxels of the filled segment, the labelled ones included.
    least, most : float
        Voxels that it has at least, because they are labelled, and at most, because all others are labelled otherwise
        or lie outside of the image.
    slices : int
        Labelled slices that show the segment.
    """

    expected_error: float
    calibration: float
    own_calibration: float
    prior_error: float
    one_sided: float
    size: float
    many: bool
    expected_ratio: float
    area_ratio: float
    jump: float
    filled: float
    least: float = 0.0
    most: float = float("inf")
    slices: int = 2

    @property
    def vector(self) -> np.ndarray:
        """Inputs of the linear models, (11,); those of `constants.ESTIMATORS` use a part each."""
        expected, prior = log_odds(self.expected_error), log_odds(self.prior_error)
        likely, even = np.clip(self.ratios, -MAX_RATIO, MAX_RATIO)
        leaked = np.clip(self.area_ratio, -MAX_RATIO, MAX_RATIO)
        apart = np.clip([self.expected_ratio, self.area_ratio, likely - even], -MAX_RATIO, MAX_RATIO)
        error = [expected + self.calibration, self.own_calibration - self.calibration, prior, self.jump**1.5]
        volume = np.log(np.abs(apart) + _MIN_DIFFERENCE)
        return np.array([1.0, *error, self.one_sided, abs(leaked), even, *volume])

    @property
    def ratios(self) -> tuple[float, float]:
        """Estimates of the logarithm of true over filled volume; areas tell nothing beyond the last slice with it."""
        return self.expected_ratio, self.area_ratio * (1 - self.one_sided)


def collect_signs(
    evidence: Evidence, seeds: Seeds, tallies: Mapping[tuple[int, int], SlabTally], overlap: np.ndarray
) -> dict[int, Signs]:
    """Signs of each segment (row of the table of segments) that a labelled slice shows.

    Parameters
    ----------
    overlap : ndarray, (classes, 6)
        Of hidden parts; see `ACSegLib.fill.tuning.trials.Trial.overlap`.
    """
    classes, count = evidence.classes, evidence.count
    planes = evidence.labelled(seeds)
    labelled = {k: count_classes(classes[k : k + 1], count) for k in planes}
    known_voxels = count_classes(classes, count)
    filled_areas, right, expected, same, claimed, jumps = _sums(list(tallies.values()))
    wrong, likely_wrong = overlap[:, 2].sum() - overlap[:, 0].sum(), overlap[:, 3].sum()
    gap = float(np.median(np.diff(planes))) * evidence.features.spacing[0]
    unknown = sum(np.count_nonzero(plane == UNKNOWN) for plane in classes)
    pixel = evidence.features.spacing[1] * evidence.features.spacing[2]
    signs = {}
    for row in range(len(seeds.segments)):
        members = seeds.classes_of(row)
        shown = [float(a[members].sum()) for a in labelled.values() if a[members].any()]
        if not shown:
            continue
        known, filled = known_voxels[members].sum(), filled_areas[members].sum()
        more, ended = _beside(members, labelled, tallies)
        likely, sure = expected[members].sum(), right[members].sum()
        both, either = same[members].sum(), filled + claimed[members].sum()
        own_wrong, own_likely = overlap[members, 4:].sum(axis=0)
        differing, beside = jumps[members].sum(axis=0)
        signs[row] = Signs(
            expected_error=max(float(1 - (2 * sure + 1) / (filled + likely + 1)), MIN_ERROR),
            calibration=float(np.log((wrong + 1) / (likely_wrong + 1))),
            own_calibration=float(np.log((own_wrong + 1) / (own_likely + 1))),
            prior_error=max(float(1 - 2 * both / max(either, 1)), _MIN_PRIOR_ERROR),
            one_sided=float(ended / max(filled, 1)),
            size=float(np.sqrt(np.mean(shown) * pixel)) / gap,
            many=evidence.instances is not None,
            expected_ratio=float(np.log((known + likely + 1) / (known + filled + 1))),
            area_ratio=float(np.log(max(known + filled - more, 1.0) / max(known + filled, 1.0))),
            jump=float(differing / max(beside, 1)),
            filled=float(known + filled),
            least=float(known),
            most=float(known + unknown),
            slices=len(shown),
        )
    return signs


def too_far_apart(signs: Sequence[Signs]) -> bool:
    """Whether instances probably lie unseen between the labelled slices, so that others swallow them.

    Then nearly all that are seen lie on a single slice, and the slices are farther apart than instances are long. The
    probabilities do not know of the unseen ones, nor does the cross-validation, as a hidden slice has few segments that
    others show.
    """
    if not (signs and signs[0].many):
        return False
    alone = np.mean([found.slices == 1 for found in signs])
    return bool(alone >= constants.SINGLE_SHARE and _middle_size(signs) < constants.MIN_INSTANCE_SIZE)


def useful_distance(signs: Sequence[Signs], distance: float) -> int:
    """Distance of labelled slices, in voxels, at which few instances lie unseen between them; now it is `distance`."""
    return max(1, int(distance * _middle_size(signs) / constants.MIN_INSTANCE_SIZE))


def _middle_size(signs: Sequence[Signs]) -> float:
    return float(np.median([found.size for found in signs]))


def _sums(tallies: Sequence[SlabTally]) -> list[np.ndarray]:
    """Areas, right, expected, common and claimed voxels of all slabs, each (classes,), and jumps, (classes, 2)."""
    areas = [tally.areas.sum(axis=0) for tally in tallies]
    names = ("right", "expected", "common", "claimed", "jumps")
    others = [[getattr(tally, name) for tally in tallies] for name in names]
    return [np.sum(parts, axis=0) for parts in (areas, *others)]


def _beside(
    members: Sequence[int], labelled: Mapping[int, np.ndarray], tallies: Mapping[tuple[int, int], SlabTally]
) -> tuple[float, float]:
    """Filled area above the line between the labelled slices' areas, and that of slabs with the segment on one end."""
    more = ended = 0.0
    for (first, last), tally in tallies.items():
        areas = tally.areas[:, members].sum(axis=1)
        start, stop = (float(labelled[k][members].sum()) if k in labelled else 0.0 for k in (first, last))
        if not (start and stop):
            ended += float(areas.sum())
        if first in labelled and last in labelled and last - first > 1:
            more += float((areas[1:-1] - np.linspace(start, stop, last - first + 1)[1:-1]).sum())
    return more, ended


def estimate(name: str, signs: Signs, estimators: Sequence[Estimator] = constants.ESTIMATORS) -> SegmentEstimate:
    """Dice on voxels that were not labelled, and volume, with 90 % intervals; that of the volume holds the filled one.

    Parameters
    ----------
    estimators : (Estimator, Estimator)
        For fills without and with many instances.
    """
    found = estimators[int(signs.many)].estimate(name, signs.vector, signs.ratios, signs.filled)
    return found.within(signs.least, signs.most)
