"""A box around the object that strokes mark: an ROI of the scene, chosen or created in the effect."""

from __future__ import annotations

import numpy as np
import pytest
from desk import SHAPE, Desk, ball
from workbench import draw, segment_array


@pytest.fixture
def desk(scene):
    """Two alike balls of which one has a dab inside, and the effect at work."""
    import slicer

    desk = Desk(scene)
    image = (ball(centre=(15, 12, 7), radius=5) | ball(centre=(15, 12, 19), radius=5)) * 100.0
    noise = np.random.default_rng(0).normal(0, 4, SHAPE)
    slicer.util.updateVolumeFromArray(desk.volume, (image + noise).astype(np.float32))
    draw(desk.host, "cytoplasm", ball(centre=(15, 12, 7), radius=2))
    desk.segmentation.GetSegmentation().RemoveSegment("bead")
    mode = desk.effect.options.widgets["Mode"]
    mode.setCurrentIndex(mode.findData("scribbles"))
    yield desk
    desk.effect.cleanup()


def roi_of(scene, box):
    """An ROI around voxels I0 I1 J0 J1 K0 K1 of the desk's volume, half a voxel beyond their centres."""
    node = scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "around the cell")
    low, high = np.array(box[::2]) - 0.5, np.array(box[1::2]) - 0.5
    return node, (low + high) / 2, high - low


def in_world(desk, node, centre, size):
    import slicer

    matrix = slicer.util.arrayFromVTKMatrix(node_matrix(desk.volume))
    node.SetCenter(*(matrix[:3, :3] @ centre + matrix[:3, 3]))
    node.SetSize(*np.abs(matrix[:3, :3] @ size))
    return node


def node_matrix(volume):
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return matrix


def test_nothing_is_filled_outside_of_the_box(desk, scene):
    box = (1, 14, 5, 19, 8, 23)
    node = in_world(desk, *roi_of(scene, box))
    desk.effect.options.widgets["Box"].setCurrentNode(node)
    assert desk.host.nodeReference("Box") is node
    desk.fill()
    found = desk.previewed()
    truth = ball(centre=(15, 12, 7), radius=5)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.95, desk.effect.message
    assert not found[:, :, 14:].any()


@pytest.mark.parametrize("as_node", [True, False])
def test_a_script_gives_the_box_as_an_roi_or_as_numbers(desk, scene, as_node):
    from ACSeg import ACSegLogic

    box = (1, 14, 5, 19, 8, 23)
    node = in_world(desk, *roi_of(scene, box))
    filled = ACSegLogic().fill(desk.volume, desk.segmentation, box=node if as_node else list(box))
    found = segment_array(filled, "cytoplasm", desk.volume)
    truth = ball(centre=(15, 12, 7), radius=5)
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.95
    assert not found[:, :, 14:].any()


def test_a_box_created_in_the_effect_lies_in_the_middle(desk):
    node = desk.effect.options.widgets["Box"].addNode()
    assert desk.host.nodeReference("Box") is node
    assert desk.effect.options.box(desk.volume).box == (6, 20, 6, 18, 7, 23)


def test_an_roi_that_the_person_placed_is_not_moved(desk, scene):
    node = in_world(desk, *roi_of(scene, (1, 14, 5, 19, 8, 23)))
    centre = tuple(node.GetCenter())
    desk.effect.options.widgets["Box"].setCurrentNode(node)
    assert tuple(node.GetCenter()) == centre


def test_a_box_that_is_deleted_is_no_longer_used(desk, scene):
    box = desk.effect.options.widgets["Box"]
    scene.RemoveNode(box.addNode())
    desk.effect.updateGUIFromMRML()
    assert box.currentNode() is None
    assert desk.effect.options.box(desk.volume) is None


def test_complete_slices_use_no_box(desk):
    box = desk.effect.options.widgets["Box"]
    box.addNode()
    mode = desk.effect.options.widgets["Mode"]
    mode.setCurrentIndex(mode.findData("slices"))
    desk.effect.updateGUIFromMRML()
    assert not box.enabled
    assert "need none" in box.toolTip
    assert desk.effect.options.box(desk.volume) is None


def turned_roi(desk, scene):
    """An ROI in the scene that is turned by 20 degrees."""
    import slicer

    node = in_world(desk, *roi_of(scene, (3, 12, 8, 17, 10, 21)))
    turn = np.eye(4)
    angle = np.radians(20)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    centre = np.array(node.GetCenter())
    turn[:3, 3] = centre - turn[:3, :3] @ centre
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(turn))
    node.SetAndObserveTransformNodeID(transform.GetID())
    return node


def test_a_turned_box_is_told(desk, scene):
    desk.effect.options.widgets["Box"].setCurrentNode(turned_roi(desk, scene))
    desk.fill()
    assert "The ROI is turned against the voxels" in desk.effect.message


def test_a_script_is_told_of_a_turned_box(desk, scene):
    from ACSeg import ACSegLogic

    logic = ACSegLogic()
    logic.fill(desk.volume, desk.segmentation, box=turned_roi(desk, scene))
    assert any("The ROI is turned against the voxels" in warning for warning in logic.lastFill.report.warnings)


def test_a_box_beside_the_volume_is_refused_in_a_sentence(desk, scene):
    node = in_world(desk, *roi_of(scene, (100, 110, 5, 19, 8, 23)))
    desk.effect.options.widgets["Box"].setCurrentNode(node)
    desk.panel.fillButton.click()
    assert "holds no voxel of volume" in desk.effect.message
    assert not desk.effect.session.running


def test_the_effect_stays_chosen_while_a_box_is_placed_with_the_mouse(desk, scene):
    interaction = scene.GetNodeByID("vtkMRMLInteractionNodeSingleton")
    interaction.SetCurrentInteractionMode(interaction.Place)
    assert desk.editor.activeEffect() is desk.host
