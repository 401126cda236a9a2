"""Which slices of a segmentation a person labelled, on its way to a later correction.

A fill keeps every voxel of its labelled slices, but its labels do not show which slices these are. So its segments have
a tag, which Slicer and every format with ACSeg's record keep. The tag has the area of the segment on each of these
slices, and a checksum of where it lies. Where they are others, the slice was edited or the labels were resampled, and
it does not count.
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

_SIZE, _AXIS = "size", re.compile(r"[kji]")
_SLICE = re.compile(r"(\d+)(?:/(\d+)/([0-9a-f]+))?")

#: Number by which the places of pixels are scattered (Knuth 1973, The Art of Computer Programming 3), and their bound.
_SCATTER, _BOUND = np.uint64(2654435761), np.uint64(2**24)

#: Area and checksum of a segment on a slice; zeros where it has no voxel.
_Print = tuple[int, int]
_NOWHERE: _Print = (0, 0)


def with_labelled_slices(segmentation: Segmentation, slices: Mapping[str, Sequence[int]]) -> Segmentation:
    """The segmentation with its labelled slices in the tags of its segments, in place of those of earlier steps.

    Parameters
    ----------
    segmentation : Segmentation
    slices : mapping
        Axis name -> slices whose labels a person made or checked, counted from 0.
    """
    prints = _prints(segmentation, slices)
    size = ",".join(map(str, segmentation.shape))
    rows = []
    for segment in segmentation.segments:
        tags = {key: text for key, text in segment.tags.items() if key != SLICES_TAG}
        words = []
        for axis in AXES:
            own = {n: prints[axis, n].get((segment.layer, segment.value), _NOWHERE) for n in slices.get(axis, ())}
            if own:
                words.append(f"{axis}=" + ",".join(_word(n, *one) for n, one in own.items()))
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
    prints = _prints(segmentation, {axis: [n for a, n in listed if a == axis] for axis in AXES})
    kept: dict[str, list[int]] = {}
    changed: dict[str, list[int]] = {}
    for axis, n in listed:
        same = (prints[axis, n].get(row, _NOWHERE) == s[axis, n] for row, (_, s) in told.items() if (axis, n) in s)
        (kept if all(same) else changed).setdefault(axis, []).append(n)
    kept = {axis: kept[axis] for axis in AXES if axis in kept}
    if not changed:
        return kept, []
    return kept, [f"changed since they were labelled, so that corrections may change them again: {counted(changed)}."]


def counted(slices: Mapping[str, Sequence[int]]) -> str:
    """Numbers of slices in words: "12 slices along z (k)"."""
    return ", ".join(f"{len(n)} slice{'s' * (len(n) != 1)} along {both_names(axis)}" for axis, n in slices.items())


def _word(number: int, area: int, checksum: int) -> str:
    return f"{number}/{area}/{checksum:x}" if area else f"{number}"


def _prints(
    segmentation: Segmentation, slices: Mapping[str, Sequence[int]]
) -> dict[tuple[str, int], dict[tuple[int, int], _Print]]:
    """Axis and slice -> layer and value -> area and checksum on this slice."""
    found: dict[tuple[str, int], dict[tuple[int, int], _Print]] = {}
    for axis, numbers in slices.items():
        sides = [n for a, n in zip(AXES, segmentation.shape, strict=True) if a != axis]
        places = (np.arange(1, sides[0] * sides[1] + 1, dtype=np.uint64) * _SCATTER % _BOUND).astype(float)
        for n in numbers:
            found[axis, n] = {}
            for number, layer in enumerate(segmentation.layers):
                values, rows = np.unique(np.take(layer, n, AXES.index(axis)).ravel(), return_inverse=True)
                sums = np.bincount(rows, places, len(values))  # exact for up to 2^29 pixels
                counts = np.bincount(rows, minlength=len(values))
                found[axis, n] |= {
                    (number, int(v)): (int(area), int(total) % 2**32)
                    for v, area, total in zip(values, counts, sums, strict=True)
                }
    return found


def _read(text: str) -> tuple[tuple[int, ...], dict[tuple[str, int], _Print]] | None:
    """Size of the grid, and axis and slice -> area and checksum, of a tag; None for a text that says neither."""
    parts = dict(part.split("=", 1) for part in text.split() if "=" in part)
    try:
        size = tuple(int(n) for n in parts.pop(_SIZE).split(","))
        prints: dict[tuple[str, int], _Print] = {}
        for axis, numbers in parts.items():
            for word in numbers.split(","):
                match = _SLICE.fullmatch(word)
                if match is None or _AXIS.fullmatch(axis) is None or int(match[1]) >= size[AXES.index(axis)]:
                    return None
                prints[axis, int(match[1])] = (int(match[2] or 0), int(match[3] or "0", 16))
    except (KeyError, ValueError, IndexError):
        return None
    return (size, prints) if len(size) == 3 and prints else None
