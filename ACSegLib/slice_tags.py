"""Which slices of a segmentation a person labelled, on its way to a later correction.

A fill keeps every voxel of its labelled slices, but its labels do not show which slices these are. So its segments have
a tag, which Slicer and every format with ACSeg's record keep. The tag has the area of the segment on each of these
slices. Where the area is another one, the slice was edited or the labels were resampled, and it does not count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ACSegLib.axes import AXES, both_names
from ACSegLib.volume import Segmentation

#: Tag of a segment with the labelled slices of its segmentation.
SLICES_TAG = "ACSegLabelledSlices"

_SIZE, _AXIS, _SLICE = "size", re.compile(r"[kji]"), re.compile(r"(\d+)(?:/(\d+))?")

_Areas = dict[tuple[str, int], int]


def with_labelled_slices(segmentation: Segmentation, slices: Mapping[str, Sequence[int]]) -> Segmentation:
    """The segmentation with its labelled slices in the tags of its segments, in place of those of earlier steps.

    Parameters
    ----------
    segmentation : Segmentation
    slices : mapping
        Axis name -> slices whose labels a person made or checked, counted from 0.
    """
    areas = _areas(segmentation, slices)
    size = ",".join(map(str, segmentation.shape))
    rows = []
    for segment in segmentation.segments:
        tags = {key: text for key, text in segment.tags.items() if key != SLICES_TAG}
        words = []
        for axis in AXES:
            own = {n: areas[axis, n].get((segment.layer, segment.value), 0) for n in slices.get(axis, ())}
            if own:
                words.append(f"{axis}=" + ",".join(f"{n}/{area}" if area else f"{n}" for n, area in own.items()))
        if words:
            tags[SLICES_TAG] = " ".join([f"{_SIZE}={size}", *words])
        rows.append(replace(segment, tags=tags))
    return replace(segmentation, segments=rows)


def stored_slices(segmentation: Segmentation) -> tuple[dict[str, list[int]], list[str]]:
    """The labelled slices that the tags of a segmentation tell, and what a person should know of the others.

    Parameters
    ----------
    segmentation : Segmentation
        On the grid of the image that it was made for.

    Returns
    -------
    slices : dict
        Axis name -> slices on which all segments are as they were labelled.
    notes : list of str
    """
    read = {(s.layer, s.value): _read(s.tags.get(SLICES_TAG, "")) for s in segmentation.segments}
    told = {row: stated for row, stated in read.items() if stated is not None}
    if not told:
        return {}, []
    listed = sorted({place for _, stated in told.values() for place in stated})
    if any(size != segmentation.shape for size, _ in told.values()):
        return {}, [
            f"{segmentation.name!r} names the slices that were labelled, but on another grid, so they may change; give "
            "the labels that it was filled from (--sparse)."
        ]
    areas = _areas(segmentation, {axis: [n for a, n in listed if a == axis] for axis in AXES})
    kept: dict[str, list[int]] = {}
    changed: dict[str, list[int]] = {}
    for axis, n in listed:
        same = (areas[axis, n].get(row, 0) == s[axis, n] for row, (_, s) in told.items() if (axis, n) in s)
        (kept if all(same) else changed).setdefault(axis, []).append(n)
    kept = {axis: kept[axis] for axis in AXES if axis in kept}
    if not changed:
        return kept, []
    return kept, [f"changed since they were labelled, so that corrections may change them again: {counted(changed)}."]


def counted(slices: Mapping[str, Sequence[int]]) -> str:
    """Numbers of slices in words: "12 slices along z (k)"."""
    return ", ".join(f"{len(n)} slice{'s' * (len(n) != 1)} along {both_names(axis)}" for axis, n in slices.items())


def _areas(
    segmentation: Segmentation, slices: Mapping[str, Sequence[int]]
) -> dict[tuple[str, int], dict[tuple[int, int], int]]:
    """Axis and slice -> layer and value -> voxels on this slice."""
    found: dict[tuple[str, int], dict[tuple[int, int], int]] = {}
    for axis, numbers in slices.items():
        for n in numbers:
            found[axis, n] = {}
            for number, layer in enumerate(segmentation.layers):
                values, counts = np.unique(np.take(layer, n, AXES.index(axis)), return_counts=True)
                found[axis, n] |= {(number, int(v)): int(c) for v, c in zip(values, counts, strict=True)}
    return found


def _read(text: str) -> tuple[tuple[int, ...], _Areas] | None:
    """Size of the grid, and axis and slice -> area, of a tag; None for a text that says neither."""
    parts = dict(part.split("=", 1) for part in text.split() if "=" in part)
    try:
        size = tuple(int(n) for n in parts.pop(_SIZE).split(","))
        areas: _Areas = {}
        for axis, numbers in parts.items():
            for word in numbers.split(","):
                match = _SLICE.fullmatch(word)
                if match is None or _AXIS.fullmatch(axis) is None or int(match[1]) >= size[AXES.index(axis)]:
                    return None
                areas[axis, int(match[1])] = int(match[2] or 0)
    except (KeyError, ValueError, IndexError):
        return None
    return (size, areas) if len(size) == 3 and areas else None
