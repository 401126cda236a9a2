"""What a person sees after a fill: the result, with the labels drawn since, and without protected voxels."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ACSegLib.masks import relabelled
from ACSegLib.segment_estimates import with_label_tags_of
from ACSegLib.volume import Segment, Segmentation, label_dtype


def same_labels(before: Segmentation, after: Segmentation) -> bool:
    """Whether two hold the same segments, by id, with the same voxels; they may be packed differently."""
    if before is after:
        return True
    rows = _by_id(before)
    if list(rows) != [s.id for s in after.segments] or before.shape != after.shape:
        return False
    if len(before.layers) == len(after.layers) and all(_place(rows[s.id]) == _place(s) for s in after.segments):
        return all(np.array_equal(old, new) for old, new in zip(before.layers, after.layers, strict=True))
    return all(np.array_equal(before.mask(rows[s.id]), after.mask(s)) for s in after.segments)


def merge(
    result: Segmentation,
    labels: Segmentation,
    protected: np.ndarray | None = None,
    *,
    cleared: Collection[str] = (),
    ignored: Collection[str] = (),
) -> Segmentation:
    """Put sparse labels into a result, and keep the result out of protected voxels.

    Parameters
    ----------
    result : Segmentation
        Of a fill; its segments are matched by id. Those that `labels` lacks are left out.
    labels : Segmentation
        Sparse labels on the same grid, perhaps drawn on since the fill.
    protected : ndarray of bool, shape (k, j, i), optional
        Voxels that may not be filled; they keep what is drawn there.
    cleared, ignored : collection of str
        Ids of segments of `labels` that are not segments of the result: voxels of the first are background, those of
        the others are as the result has them.

    Returns
    -------
    Segmentation
        With the segments of `labels`, the cleared and the ignored ones apart.
    """
    rows = [s for s in labels.segments if s.id not in cleared and s.id not in ignored]
    marks = [s for s in labels.segments if s.id in cleared]
    found = _by_id(result)
    rows = with_label_tags_of(rows, found)
    if not result.overlapping and not labels.overlapping:
        drawn = {s.value: s.value for s in rows}
        values = relabelled(labels.labels, drawn, label_dtype(drawn))
        keep = relabelled(labels.labels, {s.value: 1 for s in (*rows, *marks)}, bool)
        if protected is not None:
            keep |= protected
        kept = {found[s.id].value: s.value for s in rows if s.id in found}
        filled = relabelled(result.labels, kept, labels.labels.dtype)
        merged = np.where(keep, values, filled)
        return Segmentation((merged,), rows, labels.geometry, result.name, dict(result.meta))
    closed = np.zeros(result.shape, bool) if protected is None else protected.copy()
    for segment in marks:
        closed |= labels.mask(segment)
    rows = [s for s in rows if s.id in found]
    masks = [(result.mask(found[s.id]) & ~closed) | labels.mask(s) for s in rows]
    return Segmentation.from_masks(masks, rows, labels.geometry, result.name)


def changed_voxels(before: Segmentation, after: Segmentation) -> np.ndarray:
    """Where two segmentations on one grid differ, segments matched by id; bool, (k, j, i)."""
    old, new = _by_id(before), _by_id(after)
    changed = np.zeros(after.shape, bool)
    if len(before.layers) == len(after.layers) and {k: _place(s) for k, s in old.items()} == {
        k: _place(s) for k, s in new.items()
    }:
        for one, other in zip(before.layers, after.layers, strict=True):
            changed |= one != other
        return changed
    for key in {**old, **new}:
        masks = [part.mask(rows[key]) for part, rows in ((before, old), (after, new)) if key in rows]
        changed |= masks[0] ^ masks[1] if len(masks) == 2 else masks[0]
    return changed


def replaced_where(result: Segmentation, labels: Segmentation, where: np.ndarray) -> Segmentation:
    """The result with some voxels as `labels` has them: the segments of `labels`, matched by id."""
    found = _by_id(result)
    rows = with_label_tags_of(labels.segments, found)
    if not result.overlapping and not labels.overlapping:
        values = {found[s.id].value: s.value for s in rows if s.id in found}
        kept = relabelled(result.labels, values, labels.labels.dtype)
        merged = np.where(where, labels.labels, kept)
        return Segmentation((merged,), rows, labels.geometry, result.name, dict(result.meta))
    nothing = np.zeros(labels.shape, bool)
    masks = [np.where(where, labels.mask(s), result.mask(found[s.id]) if s.id in found else nothing) for s in rows]
    return Segmentation.from_masks(masks, rows, labels.geometry, result.name)


def _by_id(segmentation: Segmentation) -> dict[str, Segment]:
    """Rows by id alone: a person may have given one segment the id of another as its name."""
    return {s.id: s for s in segmentation.segments}


def _place(segment: Segment) -> tuple[int, int]:
    return segment.layer, segment.value
