"""What the tests do again and again: run the event loop, add nodes, draw, save and reload."""

from __future__ import annotations

import stat
import sys
import time

import numpy as np


def pump(until, seconds: float = 60.0) -> None:
    """Run Qt's event loop until a condition holds."""
    from PySide6.QtWidgets import QApplication

    end = time.monotonic() + seconds
    while not until():
        QApplication.processEvents()
        time.sleep(0.005)
        assert time.monotonic() < end, "the condition did not come true"


def follow(runner, seconds=60.0):
    """Poll until the end; returns all events."""
    events, end = [], time.monotonic() + seconds
    while runner.running:
        events += runner.poll()
        time.sleep(0.01)
        assert time.monotonic() < end
    return events


def fake_worker(tmp_path, body: str) -> str:
    """An executable that behaves as a worker with this body."""
    script = tmp_path / "worker"
    script.write_text(f"#!{sys.executable}\nimport sys, os, json, time\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IEXEC)
    return str(script)


#: A worker that does its request at once, without a network: "trains" by writing a file, "predicts" by a threshold. It
#: notes its requests, and on a cancel keeps the state of a training, as the real one does.
QUICK_WORKER = """
request = json.loads(sys.stdin.readline())
sys.path.insert(0, {root!r})
from ACSegLib.commands import load
from ACSegLib.commands.options import from_mapping
options = from_mapping(load(request["command"]).Options, request["options"])
with open({hold!r} + ".requests", "a") as stream:
    stream.write(json.dumps(request) + "\\n")

def watch():
    sys.stdin.readline()
    if request["command"] == "train":
        open(options.output + ".checkpoint", "w").close()
    print(json.dumps(dict(event="cancelled")), flush=True)
    os._exit(130)

import threading
threading.Thread(target=watch, daemon=True).start()
print(json.dumps(dict(event="progress", fraction=0.5, message="at work")), flush=True)
while os.path.exists({hold!r}):
    time.sleep(0.01)
if request["command"] == "train":
    open(options.output, "w").write(open(options.table).read())
    outputs = dict(model=options.output)
else:
    from ACSegLib.files import open_volume, save_segmentation
    from ACSegLib.volume import Segmentation
    volume = open_volume(options.images[0])
    labels = (volume.array > 1).astype("uint8")
    save_segmentation(Segmentation.from_labels(labels, volume.geometry, {{1: "cytoplasm"}}), options.output)
    outputs = dict(segmentation=options.output)
print(json.dumps(dict(event="result", report=dict(results=dict(outputs=outputs)))))
"""


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
