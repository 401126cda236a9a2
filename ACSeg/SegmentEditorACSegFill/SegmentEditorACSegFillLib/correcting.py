"""Corrections of a segmentation that is there already: whether there is one, and what it was before."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt
from ACSegPanels.slices import SliceCounts
from ACSegPanels.views import allOblique, shownSlice
from slicer.i18n import tr as _

from ACSegLib.errors import InputError
from ACSegLib.workflows import SplitOutcome
from SegmentEditorACSegFillLib.inputs import FillInputs, drawnSegments, inputKey
from SegmentEditorACSegFillLib.memory import Memory, Remembered
from SegmentEditorACSegFillLib.parameterwidgets import EffectOption, ParameterWidgets

if TYPE_CHECKING:
    from ACSegLib.volume import Segmentation
    from SegmentEditorACSegFillLib.session import Outcome


def correctOptions() -> list[EffectOption]:
    """List the options of a correction."""
    return [
        EffectOption(
            "CorrectSlices",
            "",
            _("Slices drawn right:"),
            _(
                "Slices that you checked or drew as a whole, counted from 0: 40, 60 along z, or z:40,60 x:30. Slices "
                "that you clearly redrew are found."
            ),
            off=_("found automatically"),
            option="slices",
        )
    ]


class Correcting(ParameterWidgets):
    """Knows whether the segments are solid, so that they are corrected, and what they were before.

    Parameters
    ----------
    scriptedEffect : qSlicerSegmentEditorScriptedEffect
        Knows nodes and parameters.
    say : callable
        Shows a sentence in the panel.

    Attributes
    ----------
    dense : bool or None
        Whether the visible segments are solid; None while nobody has looked.
    """

    def __init__(self, scriptedEffect: Any, say: Callable[[str], None]) -> None:
        super().__init__(scriptedEffect, correctOptions())
        self._say = say
        self.dense: bool | None = None
        self.memory = Memory()
        self._unread: tuple = ()
        self._named = ""  # ID of the segmentation for which slices are named
        self._segments: dict[str, Any] = {}  # ID -> weak reference to the segment that is remembered

    @property
    def active(self) -> bool:
        """Whether there is a segmentation to correct, rather than labels to fill between."""
        return bool(self.dense) and self._effect.parameter("Mode") != "scribbles"

    def build(self) -> None:
        """Add the row in which slices are named to the effect's frame."""
        self.row = qt.QWidget()
        layout = qt.QHBoxLayout(self.row)
        layout.setContentsMargins(0, 0, 0, 0)
        for option in self.table:
            label, widget = self.make(option)
            layout.addWidget(qt.QLabel(label))
            layout.addWidget(widget)
        self.addButton = qt.QPushButton(_("Add shown slice"))
        self.addButton.objectName = "ACSegFillAddSlice"
        self.addButton.setToolTip(_("Add the slice that the first slice view shows."))
        self.connect(self.addButton, "clicked()", self.addShownSlice)
        layout.addWidget(self.addButton)
        self._effect.addOptionsWidget(self.row)

    def update(self) -> None:
        """Show the row where there is something to correct."""
        self.row.setVisible(self.active)

    def addShownSlice(self) -> None:
        """Name the slice that is shown as one that is drawn right."""
        volumeNode = self._effect.parameterSetNode().GetSourceVolumeNode()
        shown = shownSlice(volumeNode) if volumeNode is not None else None
        if volumeNode is None:
            self._say(_("Choose a source volume first."))
        elif shown is None:
            self._say(
                _("No slice view shows a slice of the volume: press 'Rotate to volume plane' in one, then add it.")
            )
        else:
            named = self.text("CorrectSlices")
            word = "{}:{}".format(*shown)
            self._effect.setParameter("CorrectSlices", f"{named} {word}" if named else word)

    def options(self) -> dict[str, str]:
        """Options of ``acseg correct``."""
        slices = self.text("CorrectSlices")
        return {"slices": re.sub(r"\s*[:=]\s*", ":", slices)} if slices else {}  # "k = 15" as well, as the guide says

    def remember(self) -> None:
        """Remember the segmentation as it is now, where nothing is remembered of it: corrections count from here."""
        editorNode = self._effect.parameterSetNode()
        key = inputKey(editorNode) if editorNode is not None else ()
        if not key:
            return
        place = _place(key)
        if self._named not in ("", place[0]):  # the slices that are named were checked in another segmentation
            self._effect.setParameter("CorrectSlices", "")
        self._named = place[0]
        self._forgetReplaced()
        if self.memory.holds(place):
            return
        try:
            labels = drawnSegments(editorNode)
        except InputError:  # there is nothing to correct; the panel says what is missing
            return
        if any(layer.any() for layer in labels.layers):
            self.memory.remember(place, Remembered(labels, self._existing()))

    def applied(self, key: tuple, segmentation: Segmentation, outcome: Outcome) -> None:
        """Remember what a preview became: the next corrections count from there, and name slices anew."""
        self._effect.setParameter("CorrectSlices", "")
        if isinstance(outcome, SplitOutcome):  # the other segments are still to be read: see `readCells`
            self._unread = key
            return
        state = Remembered(segmentation, self._existing(), getattr(outcome, "decided", None))
        self.memory.remember(_place(key), state, after=self.active)

    def readCells(self) -> None:
        """Remember all segments after a split, and what was before it: undo may bring that back.

        It takes a while, and is done in a turn of its own, but before anything can be drawn.
        """
        key, self._unread = self._unread, ()
        editorNode = self._effect.parameterSetNode()
        if not key or editorNode is None or key != inputKey(editorNode):
            return
        try:
            labels = drawnSegments(editorNode)
        except InputError:  # all cells were hidden meanwhile: corrections count from when one is shown
            self.memory.forget()
            return
        self.memory.remember(_place(key), Remembered(labels, self._existing()), after=True)

    def before(self, inputs: FillInputs) -> Remembered:
        """What was there before the corrections; an InputError if there are none."""
        self.readCells()
        self.remember()
        known = self.memory.before(_place(inputs.key), inputs.drawn)
        if known is None or not known[1]:
            raise InputError(
                _(
                    "Nothing was changed yet: draw a slice right, or add and erase with a few strokes, then press "
                    "Correct (changes from before this effect was opened do not count)."
                )
            )
        return known[0]

    def counted(self, found: SliceCounts, problem: str) -> str:
        """Take note of what a count found, and give the sentence that the guide shows above its list."""
        if problem and not any(found.shape):  # nothing was counted: what is known still holds
            return problem
        self.dense = found.dense
        self.readCells()
        if not found.dense:
            if found.counts:
                self.memory.forget()
            return problem
        self.remember()
        said = _(
            "The segments are solid, so there is nothing to fill between. To correct them, draw a slice right, or add "
            "and erase with a few strokes, then press Correct."
        )
        volumeNode = self._effect.parameterSetNode().GetSourceVolumeNode()
        if volumeNode is None or not allOblique(volumeNode):
            return said
        hint = _(
            "All slice views lie obliquely in the volume, so slices drawn there count as strokes: press 'Rotate to "
            "volume plane' in a slice view first."
        )
        return f"{said} {hint}"

    def _existing(self) -> list[str]:
        """Ids of the segments that there are, of which is noted which they are."""
        import vtk

        table = self._effect.parameterSetNode().GetSegmentationNode().GetSegmentation()
        self._segments = {identifier: vtk.vtkWeakReference() for identifier in table.GetSegmentIDs()}
        for identifier, reference in self._segments.items():
            reference.Set(table.GetSegment(identifier))
        return list(self._segments)

    def _forgetReplaced(self) -> None:
        """Forget segments of which others of the same ids took the place, as by the next time point of a sequence.

        What differs between them, nobody drew. An edit and undo leave the segments what they are.
        """
        table = self._effect.parameterSetNode().GetSegmentationNode().GetSegmentation()
        here = [table.GetSegment(identifier) for identifier in self._segments]
        known = [reference.Get() for reference in self._segments.values()]
        if not known or any(a is b is not None for a, b in zip(here, known, strict=True)):
            return
        self._segments = {}
        self.memory.forget()
        if self.text("CorrectSlices"):
            self._effect.setParameter("CorrectSlices", "")


def _place(key: tuple) -> tuple:
    """What identifies a segmentation and its grid, whatever volume of this grid is chosen; see `inputKey`."""
    _volume, *rest = key
    return tuple(rest)
