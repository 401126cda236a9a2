"""Which slices are drawn, how much of each segment is on them, and where to draw next. No Qt, no MRML."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ACSegLib.volume import Segment, Segmentation

AXES = ("k", "j", "i")

#: Distance between drawn slices that the workflow starts from.
DEFAULT_INTERVAL = 20


@dataclass
class DrawnSlices:
    """The drawn slices of a segmentation.

    Attributes
    ----------
    names : list of str
        Segment names, in table order.
    shape : tuple of int
        Number of slices along k, j, i.
    counts : dict
        (axis, slice) -> drawn voxels of each segment, in the order of `names`.
    """

    names: list[str] = field(default_factory=list)
    shape: tuple[int, int, int] = (0, 0, 0)
    counts: dict[tuple[str, int], list[int]] = field(default_factory=dict)

    def on(self, axis: str) -> list[int]:
        """Drawn slices of an axis, sorted."""
        return sorted(number for name, number in self.counts if name == axis)

    @property
    def axes(self) -> list[str]:
        """Axes with drawn slices, the one with most of them first."""
        used = [a for a in AXES if self.on(a)]
        return sorted(used, key=lambda a: (-len(self.on(a)), AXES.index(a)))

    def next_slice(self, axis: str, interval: int = DEFAULT_INTERVAL) -> int | None:
        """Give the slice to draw next: `interval` on from the last one, then in the middle of the widest gap.

        None when no gap is wider than `interval`.
        """
        size = self.shape[AXES.index(axis)]
        drawn = self.on(axis)
        if not drawn:
            return size // 2 if size else None
        if drawn[-1] + interval < size:
            return drawn[-1] + interval
        if drawn[0] - interval >= 0:
            return drawn[0] - interval
        gaps = [(b - a, (a + b) // 2) for a, b in itertools.pairwise(drawn)]
        widest = max(gaps, key=lambda gap: gap[0], default=(0, 0))
        return widest[1] if widest[0] > interval else None


def count_slices(
    labels: Segmentation, axis: str = "auto", slices: dict[str, Sequence[int]] | None = None
) -> DrawnSlices:
    """Find the drawn slices and count the voxels of each segment on them.

    Parameters
    ----------
    labels : Segmentation
        The drawing, on the volume's grid.
    axis : {"auto", "k", "j", "i", "all"}
        As in `ACSegLib.fill.labelled_slices.find_slices`.
    slices : dict, optional
        Axis -> slices, where they are known.
    """
    from ACSegLib.fill.labelled_slices import find_slices

    found = DrawnSlices([s.name for s in labels.segments], labels.shape)
    drawn = labels.occupied()
    if not drawn.any():
        return found
    highest = max(s.value for s in labels.segments)
    for name, numbers in (slices or find_slices(drawn, axis)).items():
        planes = [np.moveaxis(layer, AXES.index(name), 0) for layer in labels.layers]
        for number in numbers:
            voxels = [np.bincount(plane[number].ravel(), minlength=highest + 1) for plane in planes]
            found.counts[name, int(number)] = [int(voxels[s.layer][s.value]) for s in labels.segments]
    return found


def changed_slices(before: Segmentation, after: Segmentation) -> dict[str, list[int]]:
    """Slices of each axis on which two drawings of one table differ."""
    parts = _compared(before, after)
    planes = np.zeros(after.shape[0], bool)
    shadow = np.zeros(after.shape[1:], bool)
    for number in range(after.shape[0]):  # a plane at a time, so that nothing of the volume's size is made
        for old, new, values in parts:
            a, b = old[number], new[number]
            differs = a != b if values is None else (a == values[0]) != (b == values[1])
            planes[number] |= differs.any()
            shadow |= differs
    used = (planes, shadow.any(axis=1), shadow.any(axis=0))
    return {name: np.flatnonzero(found).tolist() for name, found in zip(AXES, used, strict=True)}


def _compared(before: Segmentation, after: Segmentation) -> list[tuple[np.ndarray, np.ndarray, tuple[int, int] | None]]:
    """Pairs of layers to compare whole (None), or by the values that a segment has in each."""
    rows = _by_id(before)
    if all((rows[s.id].layer, rows[s.id].value) == (s.layer, s.value) for s in after.segments):
        return [(old, new, None) for old, new in zip(before.layers, after.layers, strict=False)]
    return [
        (before.layers[rows[s.id].layer], after.layers[s.layer], (rows[s.id].value, s.value)) for s in after.segments
    ]


def _by_id(labels: Segmentation) -> dict[str, Segment]:
    """Rows by id alone: a person may have named one segment as another's id is."""
    return {s.id: s for s in labels.segments}


def merge(result: Segmentation, drawn: Segmentation, protected: np.ndarray | None) -> Segmentation:
    """Put what was drawn back into a result, and keep the result out of protected voxels.

    Parameters
    ----------
    result, drawn : Segmentation
        On one grid; segments are matched by id, and those that `drawn` lacks are left out.
    protected : ndarray of bool, shape (k, j, i), optional
        Voxels that may not be filled (masked, or held by a hidden segment).
    """
    found = _by_id(result)
    rows = [s for s in drawn.segments if s.id in found]
    if not result.overlapping and not drawn.overlapping:
        keep = drawn.labels > 0
        if protected is not None:
            keep |= protected
        table = np.zeros(int(result.labels.max(initial=0)) + 1, drawn.labels.dtype)
        for row in rows:
            value = found[row.id].value
            if value < len(table):
                table[value] = row.value
        labels = np.where(keep, drawn.labels, table[result.labels])
        return Segmentation((labels,), list(drawn.segments), drawn.geometry, drawn.name)
    free = True if protected is None else ~protected
    masks = [(result.mask(found[row.id]) & free) | drawn.mask(row) for row in rows]
    return Segmentation.from_masks(masks, rows, drawn.geometry, drawn.name)
