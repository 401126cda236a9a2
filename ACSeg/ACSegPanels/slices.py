"""Which slices are labelled, how much of each segment is on them, and where to label next. No Qt, no MRML."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from ACSegLib.axes import AXES

#: Distance between labelled slices that the workflow starts from.
DEFAULT_INTERVAL = 20


@dataclass
class SliceCounts:
    """The labelled slices of a segmentation.

    Attributes
    ----------
    names : list of str
        Segment names, in table order.
    shape : tuple of int
        Number of slices along k, j, i.
    counts : dict
        (axis, slice) -> labelled voxels of each segment, in the order of `names`.
    notes : list of str
        What a user should know about the labels.
    dense : bool
        The labels are solid in three dimensions: there are no labelled slices.
    """

    names: list[str] = field(default_factory=list)
    shape: tuple[int, int, int] = (0, 0, 0)
    counts: dict[tuple[str, int], list[int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    dense: bool = False

    def on(self, axis: str) -> list[int]:
        """Labelled slices of an axis, sorted."""
        return sorted(number for name, number in self.counts if name == axis)

    @property
    def axes(self) -> list[str]:
        """Axes with labelled slices, the one with most of them first."""
        used = [a for a in AXES if self.on(a)]
        return sorted(used, key=lambda a: (-len(self.on(a)), AXES.index(a)))

    def next_slice(self, axis: str, interval: int = DEFAULT_INTERVAL) -> int | None:
        """Give the slice to label next: `interval` on from the last one, then in the middle of the widest gap.

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
