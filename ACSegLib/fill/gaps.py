"""Gaps: labelled slices that lack most of a segment, though those before and behind show it at the same place.

Programs that interpolate each segment by itself have people label it on slices of its own, and slices stay unfinished.
Here, what has no label on a labelled slice is background, so that such a segment would be cut there.

And slices that show another segment in the place of one: the wrong segment was selected while they were drawn.
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
    classes_of: list[list[int]] = [[] for _ in segments]
    for c, rows in enumerate(table):
        for row in rows:
            classes_of[row].append(c)
    for axis, numbers in slices.items():
        shown = _Slices.of(np.moveaxis(classes, AXES.index(axis), 0), numbers, len(table))
        for segment, members in zip(segments, classes_of, strict=True):
            if gaps := shown.gaps(members):
                notes.append(
                    f"segment {segment.name!r} is missing, or most of it, on {_named(gaps)} on axis {both_names(axis)} "
                    "(slices count from 0), though the labelled slices before and behind show it at the same place, "
                    "so it is background there; label all of it there, or nothing, or fill the segment from labels of "
                    "its own."
                )
            for other, taken in shown.exchanged(members).items():
                names = ", ".join(segments[r].name for r in table[other])
                notes.append(
                    f"segment {names!r} lies in the place of segment {segment.name!r} on {_named(taken)} on axis "
                    f"{both_names(axis)} (slices count from 0), though the labelled slices before and behind show "
                    f"{segment.name!r} there; check whether the wrong segment was selected when it was drawn."
                )
    return notes


def _named(numbers: Sequence[int]) -> str:
    """Numbers of slices, the first few of many."""
    more = f" and {len(numbers) - _LISTED} more" if len(numbers) > _LISTED else ""
    return f"slice{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers[:_LISTED]))}{more}"


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
        areas, common, smallest = self._expected(members)
        found = (common > 0) & (self.lost[:, members].sum(axis=1) > MIN_MISSING * common)
        for first, last in pairwise(np.flatnonzero(areas).tolist()):
            if last > first + 1:
                found[first + 1 : last] |= self._absent(first, last, members, smallest)
        return [self.numbers[n] for n in np.flatnonzero(found).tolist()]

    def exchanged(self, members: Sequence[int]) -> dict[int, list[int]]:
        """Slices that show another class in the place of a segment: class -> the slices.

        The segment is not on them. The other class is on other slices as well: one that is new there may lie within it.
        """
        areas, common, smallest = self._expected(members)
        found: dict[int, list[int]] = {}
        for n in np.flatnonzero((common > 0) & (areas <= smallest)).tolist():
            before, here, behind = (self.planes[self.numbers[m]] for m in (n - 1, n, n + 1))
            place = np.isin(before, members) & np.isin(behind, members)
            counts = _areas(here[place], self.areas.shape[1])
            counts[0] = 0
            other = int(counts.argmax())
            if counts[other] > MIN_MISSING * common[n] and self.areas[:, other].sum() > self.areas[n, other]:
                found.setdefault(other, []).append(self.numbers[n])
        return found

    def _expected(self, members: Sequence[int]) -> tuple[np.ndarray, np.ndarray, float]:
        """Voxels of a segment on each slice, those that it should show since the slices beside it do, and a tip's."""
        areas, common = self.areas[:, members].sum(axis=1), self.common[:, members].sum(axis=1)
        if not areas.any():
            return areas, common, 0.0
        smallest = MIN_SIZE * float(np.median(areas[areas > 0]))
        beside = np.minimum(np.roll(areas, 1), np.roll(areas, -1))
        return areas, np.where((common > smallest) & (common >= MIN_COMMON * beside), common, 0), smallest

    def _absent(self, first: int, last: int, members: Sequence[int], smallest: float) -> list[bool]:
        """Which slices between two lack most of what both show at the same place."""
        common = np.isin(self.planes[self.numbers[first]], members) & np.isin(self.planes[self.numbers[last]], members)
        size = np.count_nonzero(common)
        lost = [np.count_nonzero(self.planes[n][common] == 0) for n in self.numbers[first + 1 : last]]
        return [bool(size > smallest and n > MIN_MISSING * size) for n in lost]


def _areas(values: np.ndarray, count: int) -> np.ndarray:
    """Number of voxels of each class; those of no class do not count."""
    return np.bincount(values[values >= 0], minlength=count)
