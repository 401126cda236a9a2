"""What the tests do again and again: run the event loop, add nodes, draw, save and reload."""

from __future__ import annotations

import time

import numpy as np


def pump(until, seconds: float = 240.0) -> None:
    """Run Qt's event loop until a condition holds."""
    from standin.idle import idle, process_events

    end = time.monotonic() + seconds
    while not until():
        process_events()
        idle(0.005)
        assert time.monotonic() < end, "the condition did not come true"


def add_volume(array: np.ndarray, name: str = "tomogram", spacing=(1.0, 1.0, 1.0)):
    """Add a volume node."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
    slicer.util.updateVolumeFromArray(node, array)
    node.SetSpacing(*spacing)
    node.CreateDefaultDisplayNodes()
    return node


def add_segmentation(volume, names=("cytoplasm", "bead"), name: str = "drawing"):
    """Add a segmentation node with empty segments on the grid of a volume."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for segment in names:
        node.GetSegmentation().AddEmptySegment(segment, segment)
    return node


def segment_array(node, segment: str, volume) -> np.ndarray:
    """One segment on a volume's grid, by Slicer's own export."""
    import slicer
    import vtk

    ids = vtk.vtkStringArray()
    ids.InsertNextValue(segment)
    out = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "export")
    logic = slicer.modules.segmentations.logic()
    assert logic.ExportSegmentsToLabelmapNode(node, ids, out, volume)
    array = np.array(slicer.util.arrayFromVolume(out)) != 0
    slicer.mrmlScene.RemoveNode(out)
    return array


def draw(host, segment: str, mask: np.ndarray, mode: str = "Add") -> None:
    """Draw, or erase, as a person does with the Paint effect: through the editor's logic."""
    import slicer
    from standin.effecthost import label_image

    node = host.parameterSetNode()
    logic = slicer.vtkSlicerSegmentEditorLogic
    modes = {"Add": logic.ModificationModeAdd, "Remove": logic.ModificationModeRemove}
    image = label_image(mask, node.GetSourceVolumeNode())
    host._logic.ModifySegmentByLabelmap(node.GetSegmentationNode(), segment, image, modes[mode], True, False)


def _data_io(scene):
    """Readers and writers of bundles look for the data manager of the scene."""
    import slicer

    remote = slicer.vtkMRMLRemoteIOLogic()
    remote.SetMRMLScene(scene)
    remote.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    remote.GetCacheManager().SetRemoteCacheDirectory(slicer.app.temporaryPath)
    logic = slicer.vtkDataIOManagerLogic()
    logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
    logic.SetAndObserveDataIOManager(remote.GetDataIOManager())
    remote.AddDataIOToScene()
    return remote, logic


def save_and_reload(scene, path) -> None:
    """Save the scene as .mrb, close it, and load it again."""
    _keep = _data_io(scene)
    assert scene.WriteToMRB(str(path))
    scene.Clear(0)
    assert scene.ReadFromMRB(str(path), True)
