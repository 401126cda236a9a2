"""Undo and redo of jobs: each is one step, and slices that were edited since are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ACSegLib.app.contract import FillInfo
from ACSegLib.app.images import axis_number, take_slice
from ACSegLib.app.labels import MAX_IN_MEMORY, Labels, Place, copy_slices

_MAX_STEPS, _MAX_BYTES = 20, 2 << 30


@dataclass(eq=False)
class Work:
    """What a job changes: the labels, and what the last fill says of them.

    Attributes
    ----------
    labels : Labels
    uncertainty : ndarray of uint8, shape (z, y, x), or None
    fill : FillInfo or None
    baseline : ndarray or None
        Complete labels as they were before the first edit; a correction compares with them.
    edited : set of Place
        Slices that were edited since.
    decided : ndarray of bool, shape (z, y, x), or None
        Voxels that were decided in earlier corrections.
    strokes : ndarray of uint8 or uint16, shape (z, y, x), or None
        What the user drew, where the labels were filled from strokes. Otherwise the labelled slices hold it.
    background : int
        Value of the segment whose strokes mark background; 0 for none.
    """

    labels: Labels
    uncertainty: np.ndarray | None = None
    fill: FillInfo | None = None
    baseline: np.ndarray | None = None
    edited: set[Place] = field(default_factory=set)
    decided: np.ndarray | None = None
    strokes: np.ndarray | None = None
    background: int = 0

    @property
    def nbytes(self) -> int:
        """Memory that its arrays take."""
        arrays = (self.labels.array, self.uncertainty, self.baseline, self.decided, self.strokes)
        return sum(array.nbytes for array in arrays if array is not None)

    def put(self, place: Place, body: bytes, labelled: bool) -> set[int]:
        """Replace a slice of labels; see `Labels.put`. After a fill from strokes, what is drawn on it is a stroke."""
        self.begin_edit()
        before = None if self.strokes is None else take_slice(self.labels.array, *place).copy()
        planes = self.labels.put(*place, body, labelled)
        if before is not None:
            self._draw(place, before)
        self.edited.add(place)
        return planes

    def begin_edit(self) -> None:
        """Keep complete labels as they are before the first edit."""
        if self.labels.complete and self.baseline is None and self.labels.array.nbytes <= MAX_IN_MEMORY:
            self.baseline = self.labels.array.copy()

    def without(self, value: int) -> Work:
        """The work without a segment: neither its voxels nor its strokes; what was deleted was not erased by hand."""
        baseline, strokes = (_without(array, value) for array in (self.baseline, self.strokes))
        background = 0 if self.background == value else self.background
        labels, edited = self.labels.without(value), set(self.edited)
        return replace(self, labels=labels, baseline=baseline, edited=edited, strokes=strokes, background=background)

    def _draw(self, place: Place, before: np.ndarray) -> None:
        """Note the strokes on a slice that was put. Where filled labels were erased, there is background."""
        assert self.strokes is not None
        axis, index = place
        after = take_slice(self.labels.array, axis, index)
        if self.strokes.dtype != after.dtype:
            self.strokes = self.strokes.astype(after.dtype)
        strokes = np.moveaxis(self.strokes, axis_number(axis), 0)[index]
        drawn, erased = (after != before) & (after != 0), (after != before) & (after == 0)
        strokes[erased] = np.where(strokes[erased] == 0, self.background, 0)
        strokes[drawn] = after[drawn]

    def sparse(self) -> np.ndarray:
        """What the user drew: a copy of the strokes, or of the labels of the labelled slices."""
        return self.labels.sparse() if self.strokes is None else self.strokes.copy()

    def take_edits(self, source: Work, places: set[Place]) -> None:
        """Bring what was drawn in another state of the work, and its names and colours, into this one.

        Strokes lie over the labels that were filled from them.
        """
        filled = {} if self.strokes is None else {p: take_slice(self.labels.array, *p).copy() for p in places}
        carry_over(source.labels, self.labels, places, source.strokes)
        if self.strokes is None:
            return
        self.strokes = self.strokes.astype(self.labels.array.dtype, copy=False)
        copy_slices(self.labels.array, self.strokes, places)
        for (axis, index), below in filled.items():
            plane = np.moveaxis(self.labels.array, axis_number(axis), 0)[index]
            plane[...] = np.where(plane == 0, below, np.where(plane == self.background, 0, plane))


def _without(array: np.ndarray | None, value: int) -> np.ndarray | None:
    """A copy with zeros in the place of a value."""
    return None if array is None else np.where(array == value, array.dtype.type(0), array)


@dataclass(eq=False)
class _Step:
    kind: str
    other: Work  # before the step where it can be undone, after it where it can be redone
    edited: set[Place] = field(default_factory=set)  # since `other` was the current work


class History:
    """The steps that can be undone and redone."""

    def __init__(self) -> None:
        self._undo: list[_Step] = []
        self._redo: list[_Step] = []

    @property
    def undo_kind(self) -> str:
        """Kind of the job that would be undone; "" for none."""
        return self._undo[-1].kind if self._undo else ""

    @property
    def redo_kind(self) -> str:
        """Kind of the job that would be redone; "" for none."""
        return self._redo[-1].kind if self._redo else ""

    @property
    def before(self) -> Work | None:
        """The work before the last job."""
        return self._undo[-1].other if self._undo else None

    @property
    def works(self) -> Iterator[Work]:
        """The states of the work that may come back."""
        return (step.other for step in (*self._undo, *self._redo))

    def edited(self, place: Place) -> None:
        """A slice was edited: it is kept in whatever is undone or redone."""
        for step in (*self._undo, *self._redo):
            step.edited.add(place)

    def push(self, kind: str, before: Work) -> None:
        """A job has changed the work."""
        self._undo.append(_Step(kind, before))
        self._redo.clear()
        while len(self._undo) > 1 and (
            len(self._undo) > _MAX_STEPS or sum(step.other.nbytes for step in self._undo) > _MAX_BYTES
        ):
            self._undo.pop(0)

    def undo(self, current: Work) -> Work | None:
        """Give the work before the last job, with what was edited since; None if there is no job."""
        return self._swap(self._undo, self._redo, current)

    def redo(self, current: Work) -> Work | None:
        """Give the work after the job that was undone last, with what was edited since; None if there is none."""
        return self._swap(self._redo, self._undo, current)

    def _swap(self, source: list[_Step], target: list[_Step], current: Work) -> Work | None:
        if not source:
            return None
        step = source.pop()
        target.append(_Step(step.kind, current))
        if step.edited:
            step.other.begin_edit()
            step.other.edited |= step.edited
        step.other.take_edits(current, step.edited)
        return step.other


def carry_over(source: Labels, target: Labels, places: set[Place], strokes: np.ndarray | None = None) -> None:
    """Bring edited slices, and names and colours of segments, from one state of the labels into another.

    Where the source was filled from strokes, the edited slices of the target show them alone.
    """
    shown = {s.value: s for s in source.segments}
    for segment in target.segments:
        if segment.value in shown:
            segment.name, segment.colour = shown[segment.value].name, shown[segment.value].colour
    if target.array.dtype.itemsize < source.array.dtype.itemsize:
        target.array = target.array.astype(source.array.dtype)
    if not places:
        return
    copy_slices(source.array if strokes is None else strokes, target.array, places)
    known = {s.value for s in target.segments}
    for segment in (s for s in source.segments if s.value not in known):
        target.segments.append(replace(segment, id=target.free_id(segment.id)))
    target.labelled = (target.labelled - places) | (source.labelled & places)
