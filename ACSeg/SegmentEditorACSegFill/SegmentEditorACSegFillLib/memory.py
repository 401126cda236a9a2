"""What a segmentation was before a person corrected it. No Qt, no MRML."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ACSegLib.volume import Segment, Segmentation
from ACSegLib.workflows.merging import changed_voxels


@dataclass(frozen=True)
class Remembered:
    """A segmentation as it was.

    Attributes
    ----------
    labels : Segmentation
        Its visible segments.
    existing : collection of str
        Ids of all segments that there were, the hidden ones too.
    decided : ndarray of bool, shape (k, j, i), or None
        Voxels that the person had decided by then.
    """

    labels: Segmentation
    existing: Collection[str] = ()
    decided: np.ndarray | None = None

    def with_hidden_of(self, earlier: Remembered) -> Remembered:
        """With the segments that are hidden now, as they were before: corrections of them are still to be made."""
        known = {s.id for s in self.labels.segments}
        hidden = [s for s in earlier.labels.segments if s.id in self.existing and s.id not in known]
        return replace(self, labels=_joined(self.labels, earlier.labels, hidden)) if hidden else self

    def seen_from(self, now: Segmentation) -> Remembered:
        """With the segments that take part now; of one that was hidden then, nothing counts as changed."""
        ids = {s.id for s in now.segments}
        rows = [s for s in self.labels.segments if s.id in ids]
        labels = replace(self.labels, segments=rows)
        known = {s.id for s in rows}
        shown = [s for s in now.segments if s.id in self.existing and s.id not in known]
        return replace(self, labels=_joined(labels, now, shown) if shown else labels)


def _joined(labels: Segmentation, other: Segmentation, rows: Sequence[Segment]) -> Segmentation:
    """Labels, and some segments of others on the same grid."""
    masks = [labels.mask(s) for s in labels.segments] + [other.mask(s) for s in rows]
    return Segmentation.from_masks(masks, [*labels.segments, *rows], labels.geometry, labels.name)


class Memory:
    """Remembers a segmentation before corrections, and the one before that: undo may bring it back."""

    def __init__(self) -> None:
        self._key: tuple = ()
        self._states: list[Remembered] = []

    def holds(self, key: tuple) -> bool:
        """Whether anything is remembered of these inputs."""
        return bool(self._states) and self._key == key

    def remember(self, key: tuple, state: Remembered, *, after: bool = False) -> None:
        """Remember a segmentation; `after` keeps the one before it."""
        kept = self._states[-1:] if after and self._key == key else []
        if kept:
            state = state.with_hidden_of(kept[0])
        self._key, self._states = key, [*kept, state]

    def forget(self) -> None:
        """Drop everything."""
        self._key, self._states = (), []

    def before(self, key: tuple, now: Segmentation) -> tuple[Remembered, int] | None:
        """What was there before the corrections in `now`, and how many voxels differ; None if it is not known.

        Of what is remembered it is that which differs least: after an undo, the earlier one. Segments that are hidden
        now take no part.
        """
        if not self.holds(key):
            return None
        parts = [state.seen_from(now) for state in self._states]
        counts = [int(np.count_nonzero(changed_voxels(part.labels, now))) for part in parts]
        nearest = min(range(len(parts)), key=lambda n: (counts[n], -n))
        return parts[nearest], counts[nearest]
