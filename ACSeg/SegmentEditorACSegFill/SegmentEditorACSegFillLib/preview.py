"""Slicer's standard preview node: other effects and the editor know it by its reference role."""

from __future__ import annotations

from typing import Any

import slicer

ROLE = "SegmentationResultPreview"
OWNER = "SegmentationResultPreviewOwnerEffect"
DEFAULT_OPACITY = 0.6
#: Attribute of the display node of sparse labels that a preview made paler: their own opacity. A scene saved meanwhile
#: has it, too.
OWN_OPACITY = "ACSeg.OpacityWithoutPreview"


class Preview:
    """Owns the preview segmentation of one effect.

    Parameters
    ----------
    scriptedEffect : qSlicerSegmentEditorScriptedEffect
        The host.
    """

    def __init__(self, scriptedEffect: Any) -> None:
        self._effect = scriptedEffect
        self._paled: str | None = None  # ID of the display node of the sparse labels that this preview made paler

    @property
    def node(self) -> Any:
        """The preview node, or None where there is none or another effect owns it."""
        return self._effect.nodeReference(ROLE) if self._isOwner else None

    @property
    def _isOwner(self) -> bool:
        if self._effect.parameterSetNode() is None or not self._effect.commonParameterDefined(OWNER):
            return False
        return self._effect.parameter(OWNER) == self._effect.name

    @property
    def wasDeleted(self) -> bool:
        """Whether this effect's preview was deleted by others, in the module Data, say."""
        return self._isOwner and self._effect.nodeReference(ROLE) is None

    def show(self, segmentation: Any, volumeNode: Any, segmentationNode: Any) -> Any:
        """Write a segmentation into the preview node, and make the node on first use."""
        from ACSegLib.scene import write_segmentation_to_node

        node = self.node
        opacity, show3D = self.opacity, self.show3D
        if node is None:
            self._removeOther(segmentationNode)
            show3D = self._hasSurface(segmentationNode)
        else:
            node.RemoveClosedSurfaceRepresentation()
            self._dropOtherSegments(node, {s.id for s in segmentation.segments})
        name = f"{segmentationNode.GetName()} preview"
        fresh = node is None
        node = write_segmentation_to_node(segmentation, node, volume_node=volumeNode, name=name)
        if fresh:
            self._prepare(node)
        for row in segmentation.segments:
            node.GetSegmentation().GetSegment(row.id).SetName(row.name)
        self.setOpacity(opacity)
        self.setShow3D(show3D)
        return node

    def _removeOther(self, segmentationNode: Any) -> None:
        """Remove the preview of another effect, as Slicer's own effects do: there is one, and nobody else would."""
        other = self._effect.nodeReference(ROLE)
        if other is None:
            return
        slicer.mrmlScene.RemoveNode(other)
        if segmentationNode.GetDisplayNode() is not None:
            segmentationNode.GetDisplayNode().SetOpacity(1.0)  # that effect made it paler

    def _prepare(self, node: Any) -> None:
        node.GetDisplayNode().SetVisibility2DOutline(False)
        rule = slicer.vtkBinaryLabelmapToClosedSurfaceConversionRule
        node.GetSegmentation().SetConversionParameter(rule.GetSmoothingFactorParameterName(), "-0.5")
        self._effect.setCommonNodeReference(ROLE, node)
        self._effect.setCommonParameter(OWNER, self._effect.name)

    @staticmethod
    def _dropOtherSegments(node: Any, wanted: set[str]) -> None:
        for identifier in list(node.GetSegmentation().GetSegmentIDs()):
            if identifier not in wanted:
                node.GetSegmentation().RemoveSegment(identifier)

    @staticmethod
    def _hasSurface(node: Any) -> bool:
        name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        return node is not None and bool(node.GetSegmentation().ContainsRepresentation(name))

    def remove(self) -> Any:
        """Remove the preview, show the sparse labels as they were, and give the node: its memory takes time to free."""
        if not self._isOwner:
            return None
        node = self.node  # None where it was deleted
        self._effect.setCommonParameter(OWNER, "")
        self._effect.setCommonNodeReference(ROLE, None)
        if node is not None:
            slicer.mrmlScene.RemoveNode(node)
        self._restoreInputOpacity()
        return node

    @property
    def opacity(self) -> float:
        """Opacity of the preview, 0 to 1; the sparse labels have the rest."""
        node = self.node
        return node.GetDisplayNode().GetOpacity() if node is not None else DEFAULT_OPACITY

    def setOpacity(self, opacity: float) -> None:
        """Blend between the sparse labels (0) and the preview (1)."""
        node = self.node
        if node is None:
            return
        node.GetDisplayNode().SetOpacity(opacity)
        node.GetDisplayNode().SetOpacity3D(opacity)
        self._setInputOpacity(1.0 - opacity)

    def _setInputOpacity(self, opacity: float) -> None:
        segmentationNode = self._effect.parameterSetNode().GetSegmentationNode()
        display = segmentationNode.GetDisplayNode() if segmentationNode is not None else None
        if display is None:
            return
        if self._paled not in (None, display.GetID()):
            self._restoreInputOpacity()
        if display.GetAttribute(OWN_OPACITY) is None:
            display.SetAttribute(OWN_OPACITY, repr(display.GetOpacity()))
        self._paled = display.GetID()
        display.SetOpacity(opacity)

    def _restoreInputOpacity(self) -> None:
        """Make the sparse labels that it paled, or all in a scene that was read, as opaque as before the preview."""
        for display in slicer.util.getNodesByClass("vtkMRMLSegmentationDisplayNode"):
            opacity = display.GetAttribute(OWN_OPACITY)
            if opacity is not None and self._paled in (None, display.GetID()):
                display.SetOpacity(float(opacity))
                display.RemoveAttribute(OWN_OPACITY)
        self._paled = None

    @property
    def show3D(self) -> bool:
        """Whether the preview is shown as surfaces."""
        return self._hasSurface(self.node)

    def setShow3D(self, show: bool) -> None:
        """Make, or remove, the preview's surfaces."""
        node = self.node
        if node is None or show == self._hasSurface(node):
            return
        if show:
            node.CreateClosedSurfaceRepresentation()
        else:
            node.RemoveClosedSurfaceRepresentation()
