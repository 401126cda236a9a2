"""Gaps: labelled slices that lack a segment, though those before and behind show it at the same place.

Programs that interpolate each segment by itself have people draw it on slices of its own. Here, what is not drawn on a
labelled slice is background, so that such a segment would be cut there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from ACSegLib.axes import AXES, both_names
from ACSegLib.volume import Segment

#: Slices that a note names.
_LISTED = 5


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
        planes = np.moveaxis(classes, AXES.index(axis), 0)
        present = [set(np.unique(planes[n]).tolist()) for n in numbers]
        for row, segment in enumerate(segments):
            members = [c for c, rows in enumerate(table) if row in rows]
            gaps = _gaps(planes, numbers, [not here.isdisjoint(members) for here in present], members)
            if gaps:
                more = f" and {len(gaps) - _LISTED} more" if len(gaps) > _LISTED else ""
                named = f"slice{'s' * (len(gaps) > 1)} {', '.join(map(str, gaps[:_LISTED]))}{more}"
                notes.append(
                    f"segment {segment.name!r} is missing on {named} on axis {both_names(axis)} (slices count from 0), "
                    "though the labelled slices before and behind show it at the same place, so it is background "
                    "there; if nobody drew it there, draw it, or fill it from labels of its own."
                )
    return notes


def _gaps(planes: np.ndarray, numbers: Sequence[int], shown: Sequence[bool], members: Sequence[int]) -> list[int]:
    """The labelled slices that are gaps of the classes of a segment."""
    found = []
    for first, last in pairwise(n for n, here in enumerate(shown) if here):
        if last == first + 1:
            continue
        common = np.isin(planes[numbers[first]], members) & np.isin(planes[numbers[last]], members)
        size = np.count_nonzero(common)
        found += [n for n in numbers[first + 1 : last] if 2 * np.count_nonzero(planes[n][common] == 0) > size]
    return found
