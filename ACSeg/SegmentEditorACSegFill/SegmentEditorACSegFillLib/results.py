"""The result of a fill, a correction or a split, as the preview shows it and as it is put into the segmentation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ACSegLib.volume import Segmentation
from ACSegLib.workflows import CorrectOutcome, FillOutcome, SplitOutcome
from SegmentEditorACSegFillLib.inputs import (
    drawnSegments,
    hiddenSegments,
    protectedVoxels,
    requireVisibleSegment,
    visibleSegments,
    withCurrentNames,
)
from SegmentEditorACSegFillLib.session import FillSession
from SegmentEditorACSegFillLib.splitting import Splitting

if TYPE_CHECKING:
    import numpy as np


class Results:
    """Brings the session's outcome up to date with the scene.

    Parameters
    ----------
    scriptedEffect : qSlicerSegmentEditorScriptedEffect
        Knows the nodes.
    session : FillSession
        Has the outcome.
    splitting : Splitting
        Names the cells of a split.
    """

    def __init__(self, scriptedEffect: Any, session: FillSession, splitting: Splitting) -> None:
        self._effect, self._session, self._splitting = scriptedEffect, session, splitting

    def shown(self, edited: bool) -> Segmentation:
        """What the preview shows; `edited` says whether labels changed since the work began."""
        outcome = self._session.outcome
        if isinstance(outcome, SplitOutcome):
            return self._splitting.result(outcome)
        editorNode = self._effect.parameterSetNode()
        requireVisibleSegment(editorNode)
        current = self._current(outcome, self._session.protected, edited)
        return withCurrentNames(current, visibleSegments(editorNode))

    def gone(self) -> list[str]:
        """Names of segments that were deleted while the work ran."""
        outcome = self._session.outcome
        if isinstance(outcome, SplitOutcome):
            return []
        here = set(self._effect.parameterSetNode().GetSegmentationNode().GetSegmentation().GetSegmentIDs())
        return [s.name for s in outcome.segmentation.segments if s.id not in here]

    def apply(self, edited: bool, surface: bool) -> Segmentation:
        """Put the result into the segmentation; gives what was put in.

        Parameters
        ----------
        edited : bool
            Whether labels changed since the work began.
        surface : bool
            Whether the segmentation is to be shown as surfaces.

        Raises
        ------
        InputError
            If a segment was edited after it was split.
        """
        outcome = self._session.outcome
        if isinstance(outcome, SplitOutcome):
            if edited:
                self._splitting.requireUnchanged(self._session.request)
            result = self._splitting.result(outcome)
        else:
            protected = protectedVoxels(self._effect, outcome.segmentation.shape)
            result = self._current(outcome, protected, edited)
        self._write(result, surface)
        if isinstance(outcome, SplitOutcome):
            self._splitting.rename(result)
        return result

    def _current(
        self, outcome: FillOutcome | CorrectOutcome, protected: np.ndarray | None, edited: bool
    ) -> Segmentation:
        """The outcome with what was drawn, hidden or masked since; the scene is read only where something changed."""
        editorNode, labels = self._effect.parameterSetNode(), outcome.drawn
        same = [s.id for s in visibleSegments(editorNode)] == [s.id for s in labels.segments]
        if edited or not same:
            labels = drawnSegments(editorNode)
            same = self._session.isCurrent(labels)
        if same and self._session.isProtected(protected):
            return outcome.segmentation
        return outcome.merged_with(labels, protected)

    def _write(self, segmentation: Segmentation, surface: bool) -> None:
        from ACSegLib.scene import write_segmentation_to_node

        editorNode = self._effect.parameterSetNode()
        segmentationNode = editorNode.GetSegmentationNode()
        write_segmentation_to_node(
            segmentation,
            segmentationNode,
            volume_node=editorNode.GetSourceVolumeNode(),
            segment_ids=[s.id for s in segmentation.segments],
            editor=editorNode,
            spared=hiddenSegments(editorNode),
            save_state=self._effect.saveStateForUndo,
        )
        if surface:
            segmentationNode.CreateClosedSurfaceRepresentation()
