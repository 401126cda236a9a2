"""Watches a segmentation's edits, and the closing of its scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer


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
        segmentation = node.GetSegmentation()
        events = (
            slicer.vtkSegmentation.SegmentAdded,
            slicer.vtkSegmentation.SegmentRemoved,
            slicer.vtkSegmentation.SegmentModified,
            slicer.vtkSegmentation.SourceRepresentationModified,
        )
        self._tags = [(segmentation, segmentation.AddObserver(event, self._onEdited)) for event in events]
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
