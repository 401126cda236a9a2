"""Corrections that another program saved: as plain numbers, perhaps new ones, and perhaps of a part of the volume."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.fill.correcting.decisions import is_number, match_segments
from ACSegLib.masks import relabelled
from ACSegLib.segment_estimates import LABEL_TAGS
from ACSegLib.volume import Segmentation, label_boxes, label_dtype


def identified(
    segmentation: Segmentation, corrected: Segmentation, unseen: np.ndarray | None = None
) -> tuple[Segmentation, list[str]]:
    """Give segments that are numbers alone the ids, names and colours that they had before the corrections.

    Parameters
    ----------
    segmentation, corrected : Segmentation
        Before and after the corrections, on one grid.
    unseen : ndarray of bool, shape (k, j, i), optional
        Voxels that the file of the corrections does not hold.

    Returns
    -------
    corrected : Segmentation
        Itself if its segments have ids of their own. Else its segments are those of the same numbers, or those that lie
        in their place if the numbers are others.
    notes : list of str
        A sentence if the numbers are others.

    Raises
    ------
    InputError
        If segments overlapped before, which numbers alone cannot say.
    """
    taken = {s.id for s in segmentation.segments}
    if corrected.overlapping or not corrected.segments or not all(map(is_number, corrected.segments)):
        return corrected, []
    if segmentation.overlapping:
        if taken.isdisjoint(s.id for s in corrected.segments):
            raise InputError(
                f"segments of {segmentation.name!r} overlap, but {corrected.name!r} has one value for each voxel; "
                "save the corrections as .seg.nrrd, which keeps overlaps."
            )
        return corrected, []
    partners = match_segments(segmentation, corrected)[0]
    seen = segmentation.labels if unseen is None else np.where(unseen, 0, segmentation.labels)
    moved = _partners_in_place(replace(segmentation, layers=(seen,)), corrected, partners)
    known = {b: segmentation.segments[a] for a, b in moved.items()}
    rows = []
    for row, segment in enumerate(corrected.segments):
        if row in known:
            tags = {key: text for key, text in known[row].tags.items() if key not in LABEL_TAGS} | segment.tags
            rows.append(replace(known[row], value=segment.value, layer=segment.layer, tags=tags))
        else:
            rows.append(replace(segment, id=_free(segment.id, taken)))
            taken.add(rows[-1].id)
    new = replace(corrected, segments=rows)
    if moved == partners:
        return new, []
    note = (
        f"the label values of {corrected.name!r} are others than those of {segmentation.name!r}; its segments were "
        "found by where they lie."
    )
    return new, [note]


def completed(segmentation: Segmentation, corrected: Segmentation, unseen: np.ndarray) -> Segmentation:
    """The corrections, with the segmentation where they say nothing.

    Parameters
    ----------
    segmentation, corrected : Segmentation
        Before and after the corrections, on one grid.
    unseen : ndarray of bool, shape (k, j, i)
        Voxels that the file of the corrections does not hold.
    """
    partners = match_segments(segmentation, corrected)[0]
    rows, own = list(corrected.segments), {b: segmentation.segments[a] for a, b in partners.items()}
    used, taken = {s.value for s in rows}, {s.id for s in rows}
    free = (v for v in itertools.count(1) if v not in used)
    for row, segment in enumerate(segmentation.segments):
        if row not in partners and bool((segmentation.mask(segment) & unseen).any()):
            own[len(rows)] = segment
            rows.append(replace(segment, value=next(free), layer=0, id=_free(segment.id, taken)))
            taken.add(rows[-1].id)
    if not segmentation.overlapping and not corrected.overlapping:
        dtype = label_dtype((s.value for s in rows), corrected.labels.dtype)
        beyond = relabelled(segmentation.labels, {s.value: rows[row].value for row, s in own.items()}, dtype)
        return replace(corrected, layers=(np.where(unseen, beyond, corrected.labels),), segments=rows)
    nothing = np.zeros(corrected.shape, bool)
    masks = [
        np.where(
            unseen,
            segmentation.mask(own[row]) if row in own else nothing,
            corrected.mask(segment) if row < len(corrected.segments) else nothing,
        )
        for row, segment in enumerate(rows)
    ]
    return Segmentation.from_masks(masks, rows, corrected.geometry, corrected.name)


def _free(identifier: str, taken: Iterable[str]) -> str:
    names = (f"{identifier}_new{n if n > 1 else ''}" for n in itertools.count(1))
    return next(name for name in itertools.chain([identifier], names) if name not in taken)


def _partners_in_place(segmentation: Segmentation, corrected: Segmentation, partners: dict[int, int]) -> dict[int, int]:
    """The partners, but for segments that share no voxel with theirs, and more than half of their own with another."""
    old, new = segmentation.labels, corrected.labels
    boxes, new_boxes = label_boxes(old), label_boxes(new)
    before, after = segmentation.segments, corrected.segments

    def values_in(a: int) -> dict[int, int]:
        box = boxes.get(before[a].value)
        if box is None:
            return {}
        values, counts = np.unique(new[box][old[box] == before[a].value], return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))

    lost = {}
    for a in range(len(before)):
        shares = values_in(a)
        if a not in partners or not shares.get(after[partners[a]].value):
            lost[a] = shares
    kept = {b for a, b in partners.items() if a not in lost}
    rows = {s.value: b for b, s in enumerate(after) if b not in kept and s.value in new_boxes}
    sizes = {value: int(np.count_nonzero(new[new_boxes[value]] == value)) for value in rows}
    moved = {
        a: rows[value]
        for a, shares in lost.items()
        for value, count in shares.items()
        if value in rows and 2 * count > max(sum(shares.values()), sizes[value])
    }
    if not moved:
        return partners
    return {a: b for a, b in partners.items() if a not in moved and b not in moved.values()} | moved
