"""Gaps: labelled slices that lack most of a segment, though those before and behind show it at the same place.

Programs that interpolate each segment by itself have people label it on slices of its own, and slices stay unfinished.
Here, what has no label on a labelled slice is background, so that such a segment would be cut there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ACSegLib.axes import AXES, both_names
from ACSegLib.volume import Segment

#: Slices that a note names.
_LISTED = 5
#: What two slices show of a segment at the same place is this share of it, at least, on one of them; and this share of
#: it is background on the slice between them, at least.
MIN_COMMON, MIN_MISSING = 0.5, 0.5
#: What is smaller than this share of a segment's area on the other slices (their median) is the tip of it, and no gap.
MIN_SIZE = 0.1


def notes_on_gaps(
    classes: np.ndarray,
    table: Sequence[Sequence[int]],
    slices: Mapping[str, Sequence[int]],
    segments: Sequence[Segment],
) -> list[str]:
    """Give a sentence for each segment and axis that has gaps.

    Parameters
    ----------
    classes : ndarray of int, shape (k, j, i)
        0 is background, negative values are unknown.
    table : sequence of sequences of int
        Rows of `segments` that each class is made of.
    slices : mapping
        Axis -> sorted indices of the labelled slices.
    segments : sequence of Segment
    """
    notes = []
    for axis, numbers in slices.items():
        shown = _Slices.of(np.moveaxis(classes, AXES.index(axis), 0), numbers, len(table))
        for row, segment in enumerate(segments):
            gaps = shown.gaps([c for c, rows in enumerate(table) if row in rows])
            if gaps:
                more = f" and {len(gaps) - _LISTED} more" if len(gaps) > _LISTED else ""
                named = f"slice{'s' * (len(gaps) > 1)} {', '.join(map(str, gaps[:_LISTED]))}{more}"
                notes.append(
                    f"segment {segment.name!r} is missing, or most of it, on {named} on axis {both_names(axis)} "
                    "(slices count from 0), though the labelled slices before and behind show it at the same place, "
                    "so it is background there; label all of it there, or nothing, or fill the segment from labels of "
                    "its own."
                )
    return notes


@dataclass(frozen=True)
class _Slices:
    """What labelled slices along one axis show of each class.

    Parameters
    ----------
    planes : ndarray of int
        All slices along the axis.
    numbers : sequence of int
        Those that are labelled.
    areas, common, lost : ndarray of int, shape (labelled slices, classes)
        Voxels of the class; those of the slices before and behind at the same place; background among these.
    """

    planes: np.ndarray
    numbers: Sequence[int]
    areas: np.ndarray
    common: np.ndarray
    lost: np.ndarray

    @classmethod
    def of(cls, planes: np.ndarray, numbers: Sequence[int], count: int) -> _Slices:
        areas = np.array([_areas(planes[n], count) for n in numbers])
        common, lost = np.zeros_like(areas), np.zeros_like(areas)
        for n in range(1, len(numbers) - 1):
            before, here, behind = (planes[numbers[m]] for m in (n - 1, n, n + 1))
            same = np.where(before == behind, before, -1)
            common[n], lost[n] = _areas(same, count), _areas(np.where(here == 0, same, -1), count)
        return cls(planes, numbers, areas, common, lost)

    def gaps(self, members: Sequence[int]) -> list[int]:
        """The slices that lack most of a segment, which is made of these classes."""
        areas, common, lost = (values[:, members].sum(axis=1) for values in (self.areas, self.common, self.lost))
        if np.count_nonzero(areas) < 2:
            return []
        smallest = MIN_SIZE * float(np.median(areas[areas > 0]))
        beside = np.minimum(np.roll(areas, 1), np.roll(areas, -1))
        found = (common > smallest) & (common >= MIN_COMMON * beside) & (lost > MIN_MISSING * common)
        for first, last in pairwise(np.flatnonzero(areas).tolist()):
            if last > first + 1:
                found[first + 1 : last] |= self._absent(first, last, members, smallest)
        return [self.numbers[n] for n in np.flatnonzero(found).tolist()]

    def _absent(self, first: int, last: int, members: Sequence[int], smallest: float) -> list[bool]:
        """Which slices between two lack most of what both show at the same place."""
        common = np.isin(self.planes[self.numbers[first]], members) & np.isin(self.planes[self.numbers[last]], members)
        size = np.count_nonzero(common)
        lost = [np.count_nonzero(self.planes[n][common] == 0) for n in self.numbers[first + 1 : last]]
        return [bool(size > smallest and n > MIN_MISSING * size) for n in lost]


def _areas(values: np.ndarray, count: int) -> np.ndarray:
    """Number of voxels of each class; those of no class do not count."""
    return np.bincount(values[values >= 0], minlength=count)
