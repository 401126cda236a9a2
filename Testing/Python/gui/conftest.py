"""Fixtures of the tests that drive ACSeg's panels and effect on the stand-in of Slicer's application."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

with contextlib.suppress(ImportError):
    # slicer-core imports whatever lies in a folder "slicer" on the path, and one of tests is beside this one: import
    # it before their parent comes onto the path.
    import slicer  # noqa: F401
sys.path.append(str(Path(__file__).resolve().parent.parent))


def pump(until, seconds: float = 60.0) -> None:
    """Run Qt's event loop until a condition holds."""
    from PySide6.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not until():
        QApplication.processEvents()
        time.sleep(0.005)
        assert time.monotonic() < end, "the condition did not come true"


@pytest.fixture
def scene(tmp_path):
    """A fresh scene behind `slicer.mrmlScene`; touching MRML or Qt from another thread fails the test."""
    for package in ("slicer", "PySide6"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    import standin

    standin.install()
    from standin import application

    scene = application.start_scene()
    threading.setprofile(application.watch)
    application.thread_violations()
    gc.disable()  # an abandoned thread must not be the one that collects this test's widgets
    yield scene
    threading.setprofile(None)
    gc.collect()
    gc.enable()
    assert application.thread_violations() == []


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
