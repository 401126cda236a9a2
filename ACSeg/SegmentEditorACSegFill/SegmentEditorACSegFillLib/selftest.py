"""Self test of the effect in a Segment Editor: the same body in Slicer under CTest and in pytest."""

import contextlib

import numpy as np
import slicer
from ACSegPanels.selftest import waitFor


def addLabelledBall():
    """Add a noisy ball and a segmentation of it on every eighth slice; gives both nodes, the ball and its labels."""
    from ACSegLib.scene import write_segmentation_to_node, write_volume_to_node
    from ACSegLib.volume import Geometry, Segmentation, Volume

    k, j, i = np.indices((32, 32, 32)) - 15.5
    ball = k**2 + j**2 + i**2 <= (32 / 3) ** 2
    noise = np.random.default_rng(1).normal(0, 0.05, ball.shape)
    geometry = Geometry((2.0,) * 3, unit="mm")
    image = Volume((ball * 0.5 + 0.1 + noise).astype(np.float32), geometry, "ball")
    drawn = np.zeros(ball.shape, np.uint8)
    drawn[4::8] = ball[4::8]
    volume = write_volume_to_node(image, scene=slicer.mrmlScene)
    labels = Segmentation.from_labels(drawn, geometry, {1: "ball"}, name="sparse labels")
    return volume, write_segmentation_to_node(labels, volume_node=volume), ball, drawn


def checkFill():
    """Preview, apply and undo a fill through Segment Editor's widget."""
    volume, segmentation, ball, drawn = addLabelledBall()
    with _editor(volume, segmentation) as widget:
        _checkSteps(widget, widget.activeEffect().self(), segmentation, volume, ball, drawn)


def checkPanel():
    """The labelled slices are listed, Fill can be pressed, Apply cannot; nothing is filled, so no package is needed."""
    volume, segmentation, _ball, drawn = addLabelledBall()
    with _editor(volume, segmentation) as widget:
        effect = widget.activeEffect().self()
        waitFor(lambda: not effect.counting, "the labelled slices were not counted")
        assert effect.panel.guide.table.rowCount == np.count_nonzero(drawn.any(axis=(1, 2)))
        assert effect.panel.fillButton.enabled
        assert not effect.panel.applyButton.enabled


@contextlib.contextmanager
def _editor(volume, segmentation):
    """A Segment Editor with the effect at work."""
    widget = slicer.qMRMLSegmentEditorWidget()
    widget.setMRMLScene(slicer.mrmlScene)
    widget.setMRMLSegmentEditorNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode"))
    widget.setSegmentationNode(segmentation)
    widget.setSourceVolumeNode(volume)
    widget.setActiveEffectByName("ACSeg random walk fill")
    try:
        yield widget
    finally:
        widget.setActiveEffectByName("")
        widget.setMRMLSegmentEditorNode(None)


def _checkSteps(widget, effect, segmentation, volume, ball, drawn):
    effect.onPreview()
    waitFor(lambda: not effect.session.running, "the fill did not end")
    assert effect.preview.node is not None, effect.message
    assert np.array_equal(_voxels(segmentation, volume), drawn), "a preview changes nothing"
    previewed = _voxels(effect.preview.node, volume)
    assert previewed[drawn > 0].all(), "what was drawn stays"
    dice = 2 * np.count_nonzero(previewed & ball) / (np.count_nonzero(previewed) + np.count_nonzero(ball))
    assert dice > 0.9, dice
    effect.onApply()
    assert effect.preview.node is None
    assert np.array_equal(_voxels(segmentation, volume), previewed)
    widget.undo()
    assert np.array_equal(_voxels(segmentation, volume), drawn)


def _voxels(segmentation, volume):
    """The one segment on the volume's grid."""
    from ACSegLib.scene import segmentation_from_node

    return segmentation_from_node(segmentation, volume).labels > 0
