"""Which slices are drawn, how much of each segment is on them, and where to draw next. No Qt, no MRML."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.volume import Segmentation

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
    notes : list of str
        What a person should know about the labels.
    """

    names: list[str] = field(default_factory=list)
    shape: tuple[int, int, int] = (0, 0, 0)
    counts: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

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
    labels: Segmentation, axis: str = "auto", slices: Mapping[str, Sequence[int]] | None = None
) -> DrawnSlices:
    """Find the drawn slices and count the voxels of each segment on them.

    Parameters
    ----------
    labels : Segmentation
        The drawing, on the volume's grid.
    axis : {"auto", "k", "j", "i", "all"}
        As in `ACSegLib.labelled_slices.find_labelled_slices`.
    slices : dict, optional
        Axis -> slices, where they are known.

    Raises
    ------
    InputError
        If the labels are no slices: dense, or oblique to the volume.
    """
    from ACSegLib.labelled_slices import declared_slices, find_labelled_slices

    found = DrawnSlices([s.name for s in labels.segments], labels.shape)
    drawn = labels.occupied()
    if not drawn.any():
        return found
    highest = max(s.value for s in labels.segments)
    if slices is None:
        labelled = find_labelled_slices(drawn, axis, declared_slices(labels))
        problem = labelled.problem(labels.name)
        if problem:
            raise InputError(problem)
        slices, found.notes = labelled.slices, labelled.notes()
    for name, numbers in slices.items():
        planes = [np.moveaxis(layer, AXES.index(name), 0) for layer in labels.layers]
        for number in numbers:
            voxels = [np.bincount(plane[number].ravel(), minlength=highest + 1) for plane in planes]
            found.counts[name, int(number)] = [int(voxels[s.layer][s.value]) for s in labels.segments]
    return found
