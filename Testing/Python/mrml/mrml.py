"""A real MRML scene, made with the package slicer-core, for the tests of everything that touches MRML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


class MrmlWorld:
    """A scene with the logics that segmentations and scene files need.

    Parameters
    ----------
    folder : Path
        For temporary files of the scene's readers and writers.
    """

    def __init__(self, folder: Path) -> None:
        import slicer

        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.scene = slicer.vtkMRMLScene()
        self.application = slicer.vtkSlicerApplicationLogic()
        self.application.SetMRMLScene(self.scene)
        self.application.SetTemporaryPath(str(folder))
        self.scene.SetRootDirectory(str(folder))
        self.colours = slicer.vtkMRMLColorLogic()
        self.colours.SetMRMLScene(self.scene)
        self.application.SetModuleLogic("Colors", self.colours)
        self.segmentations = slicer.vtkSlicerSegmentationsModuleLogic()
        self.segmentations.SetMRMLApplicationLogic(self.application)
        self.segmentations.SetMRMLScene(self.scene)
        self.units = slicer.vtkSlicerUnitsLogic()
        self.units.SetMRMLScene(self.scene)

    def volume(
        self, array: np.ndarray, spacing: Any = (1.0, 1.0, 1.0), origin: Any = (0.0, 0.0, 0.0), directions: Any = None
    ) -> Any:
        """Add a scalar volume node; `directions` is a (3, 3) array whose columns are the axes i, j, k in RAS."""
        import slicer

        node = self.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "tomogram")
        matrix = np.eye(4)
        matrix[:3, :3] = (np.eye(3) if directions is None else np.asarray(directions)) * np.asarray(spacing)
        matrix[:3, 3] = origin
        node.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(matrix))
        slicer.util.updateVolumeFromArray(node, array)
        node.CreateDefaultDisplayNodes()
        return node

    def labelmap(self, array: np.ndarray, like: Any) -> Any:
        """Add a label map node on the grid of a volume node."""
        import slicer

        node = self.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
        node.CopyOrientation(like)
        slicer.util.updateVolumeFromArray(node, array)
        node.SetAndObserveTransformNodeID(like.GetTransformNodeID())
        return node

    def segmentation(self, array: np.ndarray, like: Any, names: Any = ()) -> Any:
        """Add a segmentation node by Slicer's own import: one segment "S<n>" a value, on the grid of a volume node."""
        import vtk

        node = self.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "segmentation")
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(like)
        node.SetAndObserveTransformNodeID(like.GetTransformNodeID())
        ids = vtk.vtkStringArray()
        for value in range(1, max(int(array.max()), len(names)) + 1):
            ids.InsertNextValue(f"S{value}")
        labelmap = self.labelmap(array, like)
        assert self.segmentations.ImportLabelmapToSegmentationNode(labelmap, node, ids)
        self.scene.RemoveNode(labelmap)
        for value, name in enumerate(names, start=1):
            node.GetSegmentation().GetSegment(f"S{value}").SetName(name)
        return node

    def segment_array(self, node: Any, identifier: str, like: Any) -> np.ndarray:
        """One segment as a boolean array on a volume's grid, by Slicer's own export."""
        import slicer
        import vtk

        ids = vtk.vtkStringArray()
        ids.InsertNextValue(identifier)
        out = self.scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "export")
        assert self.segmentations.ExportSegmentsToLabelmapNode(node, ids, out, like)
        array = np.array(slicer.util.arrayFromVolume(out)) != 0
        self.scene.RemoveNode(out)
        return array

    def linear_transform(self, matrix: np.ndarray) -> Any:
        """Add a linear transform node."""
        import slicer

        node = self.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "placement")
        node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
        return node

    def bent_transform(self, shift: Any = (2.0, 0.0, 0.0)) -> Any:
        """Add a non-linear (thin-plate spline) transform node whose points all move by `shift`, two a little more."""
        import vtk

        spline = vtk.vtkThinPlateSplineTransform()
        spline.SetBasisToR()
        here, there = vtk.vtkPoints(), vtk.vtkPoints()
        for number, corner in enumerate(np.ndindex(2, 2, 2)):
            point = np.array(corner) * 40.0 - 20.0
            here.InsertNextPoint(point)
            there.InsertNextPoint(point + shift + (0.3 if number in (0, 7) else 0.0))
        spline.SetSourceLandmarks(here)
        spline.SetTargetLandmarks(there)
        node = self.scene.AddNewNodeByClass("vtkMRMLTransformNode", "bend")
        node.SetAndObserveTransformToParent(spline)
        return node

    def editor(self, volume: Any, segmentation: Any) -> Any:
        """Make a real vtkSlicerSegmentEditorLogic, without widget, with undo."""
        import slicer

        parameters = self.scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
        parameters.SetAndObserveSegmentationNode(segmentation)
        parameters.SetAndObserveSourceVolumeNode(volume)
        logic = slicer.vtkSlicerSegmentEditorLogic()
        logic.SetMRMLApplicationLogic(self.application)
        logic.SetMRMLScene(self.scene)
        logic.SetSegmentEditorNode(parameters)
        history = slicer.vtkSegmentationHistory()
        history.SetSegmentation(segmentation.GetSegmentation())
        logic.SetSegmentationHistory(history)
        logic.SetVerbose(True)
        return logic

    def _with_data_io(self) -> None:
        """Readers and writers of bundles look for the data manager of the scene."""
        import slicer

        self._remote = slicer.vtkMRMLRemoteIOLogic()
        self._remote.SetMRMLScene(self.scene)
        self._remote.SetMRMLApplicationLogic(self.application)
        self._remote.GetCacheManager().SetRemoteCacheDirectory(str(self.folder))
        self._data_io = slicer.vtkDataIOManagerLogic()
        self._data_io.SetMRMLApplicationLogic(self.application)
        self._data_io.SetAndObserveDataIOManager(self._remote.GetDataIOManager())
        self._remote.AddDataIOToScene()

    def write_bundle(self, path: Path) -> bool:
        """Save the scene as .mrb."""
        self._with_data_io()
        return bool(self.scene.WriteToMRB(str(path)))

    def read_bundle(self, path: Path) -> bool:
        """Load a .mrb into the scene."""
        self._with_data_io()
        return bool(self.scene.ReadFromMRB(str(path), True))
