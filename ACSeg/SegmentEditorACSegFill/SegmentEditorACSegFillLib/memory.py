"""What a segmentation was before a person corrected it. No Qt, no MRML."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ACSegLib.masks import Box, bounding_box
from ACSegLib.volume import Segment, Segmentation
from ACSegLib.workflows.merging import changed_voxels

#: Segmentations that are remembered: Segment Editor has 10 steps of undo, and each Apply follows on a stroke.
STATES = 6


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


class _Earlier:
    """What was otherwise in a segmentation before a `later` one, which takes less memory than all of it."""

    def __init__(self, state: Remembered, later: Remembered) -> None:
        layers, after = state.labels.layers, later.labels.layers
        self._existing = state.existing
        self._decided = None if state.decided is None else np.packbits(state.decided)
        self._rest = {field.name: getattr(state.labels, field.name) for field in fields(Segmentation)}
        if [a.dtype for a in layers] == [a.dtype for a in after]:
            self._rest["layers"] = None
        self._patches = []
        for old, new in zip(layers, after, strict=False):
            box = bounding_box(old != new)
            self._patches.append(None if box is None else (box, old[box].copy()))

    def before(self, later: Remembered) -> Remembered:
        """Give the segmentation back, from the later one."""
        layers = self._rest["layers"] or tuple(map(_patched, later.labels.layers, self._patches))
        labels, decided = Segmentation(**{**self._rest, "layers": layers}), None
        if self._decided is not None:
            decided = np.unpackbits(self._decided, count=layers[0].size).view(bool).reshape(labels.shape)
        return Remembered(labels, self._existing, decided)


def _patched(layer: np.ndarray, patch: tuple[Box, np.ndarray] | None) -> np.ndarray:
    if patch is None:
        return layer
    patched = layer.copy()
    patched[patch[0]] = patch[1]
    return patched


class Memory:
    """Remembers a segmentation before corrections, and those before that: undo may bring them back."""

    def __init__(self) -> None:
        self._key: tuple = ()
        self._last: Remembered | None = None
        self._older: list[_Earlier] = []  # the first one before the last state, and so on

    def holds(self, key: tuple) -> bool:
        """Whether anything is remembered of these inputs."""
        return self._last is not None and self._key == key

    def remember(self, key: tuple, state: Remembered, *, after: bool = False) -> None:
        """Remember a segmentation; `after` keeps those before it."""
        if not (after and self._key == key):
            self.forget()
        if self._last is not None:
            state = state.with_hidden_of(self._last)
            self._older = [_Earlier(self._last, state), *self._older][: STATES - 1]
        self._key, self._last = key, state

    def forget(self) -> None:
        """Drop everything."""
        self._key, self._last, self._older = (), None, []

    def before(self, key: tuple, now: Segmentation) -> tuple[Remembered, int] | None:
        """What was there before the corrections in `now`, and how many voxels differ; None if it is not known.

        Of what is remembered it is that which differs least: after an undo, an earlier one. Segments that are hidden
        now take no part. Back from the last one, the search ends where the difference grows.
        """
        found: tuple[Remembered, int] | None = None
        for state in self._newest_first() if self.holds(key) else ():
            part = state.seen_from(now)
            count = int(np.count_nonzero(changed_voxels(part.labels, now)))
            if found is not None and count > found[1]:
                break
            if found is None or count < found[1]:
                found = part, count
        return found

    def _newest_first(self) -> Iterator[Remembered]:
        state = self._last
        for earlier in (None, *self._older):
            assert state is not None
            state = state if earlier is None else earlier.before(state)
            yield state
