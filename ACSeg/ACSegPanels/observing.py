"""Watches a segmentation's edits, the choice of nodes in an editor, and the closing of a scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer


class ModifiedObserver:
    """Calls back when a node, one at a time, is modified; for an editor's node, when its nodes change or are deleted.

    Parameters
    ----------
    modified : callable
        Called without arguments.
    """

    def __init__(self, modified: Callable[[], None]) -> None:
        self._modified = modified
        self._node: Any = None
        self._tag = 0

    def observe(self, node: Any) -> None:
        """Watch this node (None: no one), and no other."""
        if node is self._node:
            return
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        if node is not None:
            self._tag = node.AddObserver("ModifiedEvent", lambda caller, event: self._modified())


class SegmentationObserver:
    """Calls back on edits of one segmentation node at a time.

    Parameters
    ----------
    edited : callable
        Called when a segment is added, removed or drawn on.
    closing : callable, optional
        Called when the scene is about to be closed.
    """

    def __init__(self, edited: Callable[[], None], closing: Callable[[], None] = lambda: None) -> None:
        self._edited, self._closing = edited, closing
        self._node: Any = None
        self._tags: list[tuple[Any, int]] = []

    def observe(self, node: Any) -> None:
        """Watch this node (None: no one), and no other."""
        if node is self._node:
            return
        self.stop()
        if node is None:
            return
        self._node = node
        events = (  # of the node: it passes on those of its segmentation, which a file read into it replaces
            slicer.vtkSegmentation.SegmentAdded,
            slicer.vtkSegmentation.SegmentRemoved,
            slicer.vtkSegmentation.SegmentModified,
            slicer.vtkSegmentation.SourceRepresentationModified,
            slicer.vtkMRMLSegmentationNode.SegmentationChangedEvent,
        )
        self._tags = [(node, node.AddObserver(event, self._onEdited)) for event in events]
        scene = node.GetScene()
        if scene is not None:
            self._tags.append((scene, scene.AddObserver(scene.StartCloseEvent, self._onClosing)))

    def stop(self) -> None:
        """Watch nothing."""
        for subject, tag in self._tags:
            subject.RemoveObserver(tag)
        self._node, self._tags = None, []

    def _onEdited(self, caller: Any, event: Any) -> None:
        self._edited()

    def _onClosing(self, caller: Any, event: Any) -> None:
        self._closing()
