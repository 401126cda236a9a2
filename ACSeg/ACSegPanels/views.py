"""Slice views and overlays: MRML only, so that it also works where no view is shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer

from ACSegPanels.slices import AXES


def _ijkToWorld(volumeNode: Any) -> np.ndarray:
    import vtk

    matrix, above = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    volumeNode.GetIJKToRASMatrix(matrix)
    transform = volumeNode.GetParentTransformNode()
    if transform is not None and transform.IsTransformToWorldLinear():
        transform.GetMatrixTransformToWorld(above)
        vtk.vtkMatrix4x4.Multiply4x4(above, matrix, matrix)
    return np.array([[matrix.GetElement(r, c) for c in range(4)] for r in range(4)])


def sliceViews() -> list[Any]:
    """Give the slice nodes of the scene."""
    return list(slicer.util.getNodesByClass("vtkMRMLSliceNode"))


def _axisOf(view: Any, ijkToWorld: np.ndarray) -> int | None:
    """Column of the matrix along which a view looks; None where it is oblique to the voxels."""
    toRas = view.GetSliceToRAS()
    direction = np.array([toRas.GetElement(row, 2) for row in range(3)])
    for column, axis in enumerate(ijkToWorld[:3, :3].T):
        if abs(direction @ axis) > 0.999 * np.linalg.norm(direction) * np.linalg.norm(axis):
            return column
    return None


def allOblique(volumeNode: Any) -> bool:
    """Whether there are slice views, and all are oblique to the voxels of a volume."""
    matrix, views = _ijkToWorld(volumeNode), sliceViews()
    return bool(views) and all(_axisOf(view, matrix) is None for view in views)


def jumpToSlice(volumeNode: Any, axis: str, number: int) -> bool:
    """Show a slice of a volume in every view that lies along its axis.

    Parameters
    ----------
    volumeNode : vtkMRMLScalarVolumeNode
    axis : {"k", "j", "i"}
    number : int
        Index of the slice on that axis, from 0.

    Returns
    -------
    bool
        False where no view lies along the axis (an oblique volume): then all views are moved to its centre.
    """
    matrix = _ijkToWorld(volumeNode)
    column = 2 - AXES.index(axis)
    size = volumeNode.GetImageData().GetDimensions()
    position = [(n - 1) / 2 for n in size]
    position[column] = float(number)
    ras = (matrix @ [*position, 1.0])[:3]
    parallel = [view for view in sliceViews() if _axisOf(view, matrix) == column]
    for view in parallel or sliceViews():
        view.JumpSliceByOffsetting(*ras)
    return bool(parallel)


def shownSlice(volumeNode: Any) -> tuple[str, int] | None:
    """Axis and number of the slice that the first view along an axis of the volume shows; None where none does."""
    matrix = _ijkToWorld(volumeNode)
    size = volumeNode.GetImageData().GetDimensions()
    for view in sliceViews():
        column = _axisOf(view, matrix)
        if column is None:
            continue
        toRas = view.GetSliceToRAS()
        position = np.linalg.solve(matrix, [*(toRas.GetElement(row, 3) for row in range(3)), 1.0])
        number = round(float(position[column]))
        if 0 <= number < size[column]:
            return AXES[2 - column], number
    return None


def alignViews(volumeNode: Any) -> None:
    """Turn the slice views to the volume's own axes."""
    for view in sliceViews():
        view.RotateToVolumePlane(volumeNode)


def showVolume(volumeNode: Any) -> None:
    """Show a volume in all slice views, at a size that fits them."""
    slicer.util.setSliceViewerLayers(background=volumeNode, fit=True)


def shownVolumes() -> set[str]:
    """IDs of the volumes in the background of the slice views."""
    layers = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    return {layer.GetBackgroundVolumeID() for layer in layers if layer.GetBackgroundVolumeID()}


class UncertaintyOverlay:
    """Shows how unsure a fill is, as a coloured foreground in the slice views; puts back what was there.

    Parameters
    ----------
    scriptedEffect : qSlicerSegmentEditorScriptedEffect
        Keeps the reference to the node, so that it is found again in a scene that was saved meanwhile.
    """

    #: Role of the node among the references of the effect.
    ROLE = "Uncertainty"

    #: Slicer's map from black to magenta: no usual colour of segments is near it, also for the colour-blind, who see
    #: dark blue, or grey.
    colours = "vtkMRMLColorTableNodeMagenta"
    #: Values below this (of 255) are not shown, and those from `full` on have the full colour.
    threshold, full = 40, 128
    opacity = 0.6

    def __init__(self, scriptedEffect: Any) -> None:
        self._effect = scriptedEffect
        self._before: dict[str, tuple[Any, float]] = {}

    @property
    def node(self) -> Any:
        """The scalar volume node, or None."""
        return self._effect.nodeReference(self.ROLE) if self._effect.parameterSetNode() is not None else None

    def show(self, uncertainty: np.ndarray, volumeNode: Any, geometry: Any) -> None:
        """Show an array of shape (k, j, i), 0 (sure) to 255, on the grid of a volume node."""
        from ACSegLib.scene import write_volume_to_node
        from ACSegLib.volume import Volume

        name = f"{volumeNode.GetName()} fill uncertainty"
        fresh = self.node is None
        node = write_volume_to_node(Volume(uncertainty, geometry, name), self.node, volume_node=volumeNode, name=name)
        display = node.GetDisplayNode()
        if fresh:
            self._effect.setNodeReference(self.ROLE, node)
            node.SetAttribute("ACSeg.Role", "uncertainty")
            display.SetAndObserveColorNodeID(self.colours)
            display.AutoWindowLevelOff()
            display.SetWindowLevelMinMax(0, self.full)
            display.SetThreshold(self.threshold, 255)
            display.SetApplyThreshold(True)
            self._remember()
        for layers in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            layers.SetForegroundVolumeID(node.GetID())
            layers.SetForegroundOpacity(self.opacity)

    def _remember(self) -> None:
        for layers in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
            self._before[layers.GetID()] = (layers.GetForegroundVolumeID(), layers.GetForegroundOpacity())

    def hide(self) -> None:
        """Remove the overlay and show again what was in the foreground."""
        node = self.node
        if node is not None:
            for layers in slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode"):
                if layers.GetForegroundVolumeID() == node.GetID():
                    foreground, opacity = self._before.get(layers.GetID(), (None, 0.0))
                    if foreground is not None and slicer.mrmlScene.GetNodeByID(foreground) is None:
                        foreground, opacity = None, 0.0  # gone meanwhile: the overlay of another editor, say
                    layers.SetForegroundVolumeID(foreground)
                    layers.SetForegroundOpacity(opacity)
            self._effect.setNodeReference(self.ROLE, None)
            slicer.mrmlScene.RemoveNode(node)
        self._before = {}
