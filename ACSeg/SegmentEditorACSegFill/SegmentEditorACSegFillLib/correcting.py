"""Corrections of a segmentation that is there already: whether there is one, and what it was before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ACSegPanels.slices import SliceCounts
from slicer.i18n import tr as _

from ACSegLib.errors import InputError
from SegmentEditorACSegFillLib.inputs import FillInputs, drawnSegments, inputKey
from SegmentEditorACSegFillLib.memory import Memory, Remembered

if TYPE_CHECKING:
    from ACSegLib.volume import Segmentation
    from ACSegLib.workflows import CorrectOutcome, FillOutcome


class Correcting:
    """Knows whether the segments are solid, so that they are corrected, and what they were before.

    Parameters
    ----------
    scriptedEffect : qSlicerSegmentEditorScriptedEffect
        Knows nodes and parameters.

    Attributes
    ----------
    dense : bool or None
        Whether the visible segments are solid; None while nobody has looked.
    """

    def __init__(self, scriptedEffect: Any) -> None:
        self._effect = scriptedEffect
        self.dense: bool | None = None
        self.memory = Memory()

    @property
    def active(self) -> bool:
        """Whether there is a segmentation to correct, rather than labels to fill between."""
        return bool(self.dense) and self._effect.parameter("Mode") != "scribbles"

    def remember(self) -> None:
        """Remember the segmentation as it is now, where nothing is remembered of it: corrections count from here."""
        editorNode = self._effect.parameterSetNode()
        key = inputKey(editorNode) if editorNode is not None else ()
        if not key or self.memory.holds(key):
            return
        try:
            labels = drawnSegments(editorNode)
        except InputError:  # there is nothing to correct; the panel says what is missing
            return
        if any(layer.any() for layer in labels.layers):
            self.memory.remember(key, Remembered(labels, self._existing()))

    def applied(self, key: tuple, segmentation: Segmentation, outcome: FillOutcome | CorrectOutcome) -> None:
        """Remember what a preview became: the next corrections count from there."""
        state = Remembered(segmentation, self._existing(), getattr(outcome, "decided", None))
        self.memory.remember(key, state, after=self.active)

    def before(self, inputs: FillInputs) -> Remembered:
        """What was there before the corrections; an InputError if there are none."""
        known = self.memory.before(inputs.key, inputs.drawn)
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
        self.dense = found.dense
        if not found.dense:
            if found.counts:
                self.memory.forget()
            return problem
        self.remember()
        return _(
            "The segments are solid, so there is nothing to fill between. To correct them, draw a slice right, or add "
            "and erase with a few strokes, then press Correct."
        )

    def _existing(self) -> list[str]:
        node = self._effect.parameterSetNode().GetSegmentationNode()
        return list(node.GetSegmentation().GetSegmentIDs())
