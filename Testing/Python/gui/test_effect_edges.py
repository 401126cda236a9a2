"""The effect where something is missing, changes meanwhile, or is forbidden: a plain message, and nothing is harmed."""

from __future__ import annotations

import numpy as np
import pytest
from desk import SHAPE, ball, effect_on, on_slices
from workbench import add_segmentation, add_volume, draw, pump, segment_array


def test_scene_closed_while_running(desk, fake):
    import slicer

    desk.draw()
    fake.gate.clear()
    desk.panel.fillButton.click()
    pump(lambda: desk.panel.progressBar.value > 0)
    slicer.mrmlScene.Clear(0)
    assert not desk.effect.session.running
    assert "closed" in desk.effect.message


def test_the_next_scene_keeps_its_own_opacity(desk):
    """Its display node may have the identifier of the one that the preview had made paler."""
    import slicer

    desk.draw()
    desk.fill()
    before = desk.segmentation.GetDisplayNode().GetID()
    slicer.mrmlScene.Clear(0)
    volume = add_volume(ball().astype(np.float32))
    segmentation = add_segmentation(volume)
    display = segmentation.GetDisplayNode()
    assert display.GetID() == before
    display.SetOpacity(0.5)
    slicer.mrmlScene.AddNode(desk.node)
    desk.node.SetAndObserveSegmentationNode(segmentation)
    desk.node.SetAndObserveSourceVolumeNode(volume)
    desk.effect.updateGUIFromMRML()
    desk.draw()
    desk.fill()
    desk.panel.cancelButton.click()
    assert display.GetOpacity() == pytest.approx(0.5)


def test_segment_deleted_and_renamed_while_running(desk, fake):
    desk.draw()
    desk.draw(
        segment="bead", numbers=(9, 21), mask=ball(centre=(15, 4, 4), radius=3) | ball(centre=(9, 3, 3), radius=3)
    )
    fake.gate.clear()
    desk.panel.fillButton.click()
    desk.segmentation.GetSegmentation().RemoveSegment("bead")
    desk.segmentation.GetSegmentation().GetSegment("cytoplasm").SetName("cell")
    fake.gate.set()
    pump(lambda: desk.effect.preview.node is not None)
    preview = desk.effect.preview.node.GetSegmentation()
    assert list(preview.GetSegmentIDs()) == ["cytoplasm"]
    assert preview.GetSegment("cytoplasm").GetName() == "cell"
    assert "bead" in desk.panel.messageLabel.text


def test_effect_switched_away_while_running(desk, fake):
    desk.draw()
    fake.gate.clear()
    desk.panel.fillButton.click()
    desk.host.deactivate()
    fake.gate.set()
    pump(lambda: desk.effect.preview.node is not None)
    assert desk.previewed()[11].any()


def test_geometry_changed_since_the_preview(desk):
    desk.draw()
    desk.fill()
    drawn = desk.array()
    desk.volume.SetSpacing(2.0, 2.0, 2.0)
    desk.panel.applyButton.click()
    assert "again" in desk.effect.message
    desk.volume.SetSpacing(1.0, 1.0, 1.0)
    assert np.array_equal(desk.array(), drawn)


def test_two_segmentations(desk):
    desk.draw()
    desk.fill()
    other = add_segmentation(desk.volume, name="second")
    desk.node.SetAndObserveSegmentationNode(other)
    assert desk.effect.preview.node is None
    assert not desk.panel.applyButton.enabled


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda d: d.node.SetAndObserveSourceVolumeNode(None), "source volume"),
        (lambda d: d.node.SetAndObserveSegmentationNode(None), "segmentation"),
        (lambda d: d.segmentation.GetDisplayNode().SetAllSegmentsVisibility(False), "hidden"),
        (lambda d: None, "Nothing is drawn"),
    ],
)
def test_what_is_missing_is_said(desk, spoil, expected):
    spoil(desk)
    desk.effect.onPreview()
    assert expected in desk.effect.message
    assert not desk.effect.session.running


def test_a_volume_with_channels_is_refused_also_by_the_guide(desk):
    """Segment Editor offers volumes of colours as well."""
    import slicer

    desk.draw()
    colours = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photo")
    slicer.util.updateVolumeFromArray(colours, np.zeros((*SHAPE, 3), np.uint8))
    desk.node.SetAndObserveSourceVolumeNode(colours)
    desk.effect.updateGUIFromMRML()
    desk.count()
    assert "'photo' has 3 channels" in desk.panel.guide.label.text
    desk.effect.onPreview()
    assert "'photo' has 3 channels" in desk.effect.message
    assert not desk.effect.session.running


def test_an_undo_of_all_segments_is_not_called_hidden(desk):
    desk.draw()
    desk.fill()
    desk.segmentation.GetSegmentation().RemoveAllSegments()
    desk.effect.onPreview(automatic=True)
    assert "Add a segment" in desk.effect.message


def test_a_volume_that_the_editor_lets_go_of_while_the_preview_is_made_is_told(desk):
    """Its selector does not list label maps: it forgets the volume when the node of the preview is added."""
    import slicer

    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    slicer.util.updateVolumeFromArray(labels, ball().astype(np.int16))
    desk.draw()
    desk.node.SetAndObserveSourceVolumeNode(labels)
    desk.effect.updateGUIFromMRML()
    desk.fill()
    assert "Unexpected" not in desk.effect.message
    assert "changed" in desk.effect.message


def test_one_drawn_slice_is_pointed_out(desk):
    desk.draw([15])
    desk.count()
    assert "at least one more" in desk.panel.guide.label.text


def test_a_segmentation_on_another_grid_is_refused(desk):
    desk.draw()
    other = add_volume(np.zeros((60, 48, 52), np.float32), "finer", (0.5, 0.5, 0.5))
    desk.segmentation.SetReferenceImageGeometryParameterFromVolumeNode(other)
    desk.effect.onPreview()
    assert "Specify geometry" in desk.effect.message


def test_a_common_transform_is_followed(desk, scene):
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, 12.5)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "placement")
    transform.SetMatrixTransformToParent(matrix)
    for node in (desk.volume, desk.segmentation):
        node.SetAndObserveTransformNodeID(transform.GetID())
    desk.draw()
    desk.fill()
    assert desk.effect.preview.node is not None, desk.effect.message
    assert desk.effect.preview.node.GetParentTransformNode() is transform
    assert desk.previewed()[11].any()
    desk.count()
    desk.panel.guide.jump("i", 4)
    yellow = slicer.mrmlScene.GetSingletonNode("Yellow", "vtkMRMLSliceNode")
    assert abs(yellow.GetSliceOffset()) == pytest.approx(abs(4 + 12.5))


def test_oblique_views_are_pointed_out(desk):
    import slicer

    for view in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        matrix = view.GetSliceToRAS()
        matrix.SetElement(0, 2, 0.6)
        matrix.SetElement(1, 2, 0.0)
        matrix.SetElement(2, 2, 0.8)
        view.UpdateMatrices()
    desk.draw()
    desk.count()
    desk.panel.guide.jump("k", 15)
    assert "obliquely" in desk.panel.guide.label.text


def shift(scene, volume_node, by=12.5):
    """A linear transform node that moves what is put under it."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, by)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "placement")
    transform.SetMatrixTransformToParent(matrix)
    volume_node.SetAndObserveTransformNodeID(transform.GetID())
    return transform


def reach(node):
    """From where to where a segmentation reaches along R."""
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    return bounds[:2]


def test_the_preview_of_a_volume_with_a_transform_of_its_own_lies_on_the_labels(desk, scene):
    """A segmentation may lie on the voxels of a volume without sharing its transform."""
    desk.draw(mask=np.ones_like(ball()))
    desk.volume.SetOrigin(-12.5, 0, 0)
    shift(scene, desk.volume, by=12.5)
    desk.fill()
    assert desk.effect.preview.node is not None, desk.effect.message
    assert reach(desk.effect.preview.node) == pytest.approx(reach(desk.segmentation))


def test_a_file_read_into_the_segmentation_is_an_edit(desk):
    """It brings another vtkSegmentation."""
    import slicer

    desk.draw()
    desk.fill()
    read = slicer.vtkSegmentation()
    read.AddEmptySegment("nucleus", "nucleus")
    desk.segmentation.SetAndObserveSegmentation(read)
    assert desk.effect._edited
    assert [name for _, name in desk.effect._listed] == ["nucleus"]
    read.AddEmptySegment("bead", "bead")
    assert [name for _, name in desk.effect._listed] == ["nucleus", "bead"]


def test_a_second_editor_leaves_the_opacity_of_the_first_alone(desk, scene):
    """The module and Segment Editor may each show a preview."""
    desk.draw()
    desk.fill()
    node = scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    other = add_segmentation(desk.volume, name="second")
    node.SetAndObserveSegmentationNode(other)
    node.SetAndObserveSourceVolumeNode(desk.volume)
    host = effect_on(node)
    effect = host.self()
    draw(host, "cytoplasm", on_slices(ball(), (9, 15, 21)))
    effect.panel.fillButton.click()
    pump(lambda: not effect.session.running)
    pale = desk.segmentation.GetDisplayNode().GetOpacity()
    assert other.GetDisplayNode().GetOpacity() == pytest.approx(pale)
    assert pale < 1.0
    effect.panel.cancelButton.click()
    assert desk.segmentation.GetDisplayNode().GetOpacity() == pale
    assert other.GetDisplayNode().GetOpacity() == 1.0
    effect.cleanup()


def test_a_volume_that_alone_is_transformed(desk, scene):
    """It lies elsewhere than the sparse labels: a plain message, and no fill of the wrong place."""
    desk.draw()
    shift(scene, desk.volume)
    desk.effect.onPreview()
    assert not desk.effect.session.running
    assert "same transform" in desk.effect.message


def test_a_transform_that_comes_while_running(desk, scene, fake):
    desk.draw()
    fake.gate.clear()
    desk.panel.fillButton.click()
    shift(scene, desk.volume)
    fake.gate.set()
    pump(lambda: not desk.effect.session.watched)
    assert "changed while filling" in desk.effect.message
    assert desk.effect.preview.node is None


def test_the_volumes_own_transform_changes_while_the_preview_is_shown(desk, scene):
    """Its voxels are no longer those of the labels; an apply would write the result beside them."""
    import vtk

    transform = shift(scene, desk.volume, by=0.0)
    desk.draw()
    desk.fill()
    moved = vtk.vtkMatrix4x4()
    moved.SetElement(0, 3, 3.0)
    transform.SetMatrixTransformToParent(moved)
    before = reach(desk.segmentation)
    desk.panel.applyButton.click()
    assert "changed since the preview" in desk.effect.message
    assert reach(desk.segmentation) == pytest.approx(before)


def replace_voxels(desk):
    """Other voxels on the same grid, as the next frame of a sequence has them."""
    import slicer

    slicer.util.updateVolumeFromArray(desk.volume, np.zeros(SHAPE, np.float32))


def test_other_voxels_of_the_volume_while_running(desk, fake):
    desk.draw()
    fake.gate.clear()
    desk.panel.fillButton.click()
    replace_voxels(desk)
    fake.gate.set()
    pump(lambda: not desk.effect.session.watched)
    assert "changed while filling" in desk.effect.message
    assert desk.effect.preview.node is None


def test_the_fill_of_other_voxels_is_not_applied(desk):
    desk.draw()
    desk.fill()
    drawn = desk.array()
    replace_voxels(desk)
    desk.panel.applyButton.click()
    assert "changed since the preview" in desk.effect.message
    assert np.array_equal(desk.array(), drawn)
    desk.fill()
    desk.panel.applyButton.click()
    assert "Applied" in desk.effect.message
    assert np.count_nonzero(desk.array()) > np.count_nonzero(drawn)


def test_another_segmentation_chosen_while_running(desk, fake):
    desk.draw()
    fake.gate.clear()
    desk.panel.fillButton.click()
    other = add_segmentation(desk.volume, name="second")
    desk.node.SetAndObserveSegmentationNode(other)
    desk.effect.updateGUIFromMRML()
    assert not desk.effect.session.running
    assert "The work was stopped" in desk.effect.message
    fake.gate.set()
    pump(lambda: not desk.effect._pollTimer.active)
    assert desk.effect.preview.node is None
    assert not segment_array(other, "cytoplasm", desk.volume).any()


def test_no_preview_is_said_to_be_removed_where_there_was_none(desk, fake):
    desk.draw()
    fake.error = MemoryError()
    desk.fill()
    other = add_segmentation(desk.volume, name="second")
    desk.node.SetAndObserveSegmentationNode(other)
    desk.effect.updateGUIFromMRML()
    assert desk.effect.message == ""


def test_the_volume_deleted_while_running(desk, fake):
    import slicer

    desk.draw()
    fake.gate.clear()
    desk.panel.fillButton.click()
    slicer.mrmlScene.RemoveNode(desk.volume)
    assert not desk.effect.session.running
    assert "The work was stopped" in desk.effect.message
    assert "source volume" in desk.panel.fillButton.toolTip
    fake.gate.set()
    pump(lambda: not desk.effect.session.watched)
    assert desk.effect.preview.node is None


@pytest.mark.parametrize("what", ["volume", "segmentation"])
def test_a_node_deleted_while_a_preview_is_shown_takes_the_preview_along(desk, what):
    """Segment Editor does not tell the effect, which may be another one by then."""
    import slicer

    desk.draw()
    desk.fill()
    desk.host.deactivate()
    preview, display = desk.effect.preview.node, desk.segmentation.GetDisplayNode()
    slicer.mrmlScene.RemoveNode(getattr(desk, what))
    assert not slicer.mrmlScene.IsNodePresent(preview)
    assert "The preview was removed" in desk.effect.message
    assert display.GetOpacity() == 1.0


def test_the_preview_deleted_by_hand(desk):
    """In the module Data, say: the next fill makes a new one."""
    import slicer

    desk.draw()
    desk.fill()
    slicer.mrmlScene.RemoveNode(desk.effect.preview.node)
    assert not desk.panel.applyButton.enabled
    assert "was deleted" in desk.effect.message
    assert desk.segmentation.GetDisplayNode().GetOpacity() == 1.0
    desk.fill()
    assert desk.previewed()[11].any()


def test_editing_only_inside_a_segment_that_is_hidden(desk):
    """As a cell is hidden while its nucleus is filled: the fill overlaps it, and takes nothing from it."""
    inside = np.zeros(SHAPE, bool)
    inside[:, :12] = True
    draw(desk.host, "bead", inside)
    desk.segmentation.GetDisplayNode().SetSegmentVisibility("bead", False)
    desk.draw()
    drawn, inside = desk.array(), desk.array("bead")
    desk.node.SetMaskMode(desk.segmentation.EditAllowedInsideSingleSegment)
    desk.node.SetMaskSegmentID("bead")
    desk.fill()
    assert desk.effect.preview.node is not None, desk.effect.message
    desk.panel.applyButton.click()
    assert np.array_equal(desk.array()[:, 12:], drawn[:, 12:]), "nothing changes outside"
    assert (desk.array() & ~drawn).sum() > drawn.sum(), "it is filled inside"
    assert np.array_equal(desk.array("bead"), inside), "a hidden segment is never erased"


def test_a_fill_overlaps_a_hidden_segment_where_overlap_is_allowed(desk):
    draw(desk.host, "bead", np.ones(SHAPE, bool))
    desk.segmentation.GetDisplayNode().SetSegmentVisibility("bead", False)
    desk.node.SetOverwriteMode(desk.node.OverwriteNone)
    desk.draw()
    desk.fill()
    desk.panel.applyButton.click()
    assert desk.array()[11].any()
    assert desk.array("bead").all()


@pytest.mark.parametrize(
    ("mode", "segment"), [("InsideAllSegments", None), ("InsideVisibleSegments", None), ("InsideSingleSegment", "gone")]
)
def test_masking_that_leaves_nothing_to_fill_is_told_at_once(desk, fake, mode, segment):
    desk.draw()
    desk.node.SetMaskMode(getattr(desk.segmentation, f"EditAllowed{mode}"))
    desk.node.SetMaskSegmentID(segment)
    desk.panel.fillButton.click()
    assert "leave no voxel to fill" in desk.effect.message
    assert not fake.calls


def test_a_hidden_segment_keeps_what_it_shares_with_the_drawn_slices(desk):
    desk.node.SetOverwriteMode(desk.node.OverwriteNone)
    desk.draw()
    draw(desk.host, "bead", ball(radius=4))
    desk.segmentation.GetDisplayNode().SetSegmentVisibility("bead", False)
    desk.node.SetOverwriteMode(desk.node.OverwriteAllSegments)
    desk.fill()
    desk.panel.applyButton.click()
    assert np.array_equal(desk.array("bead"), ball(radius=4))


def test_a_segment_added_while_a_preview_is_shown_takes_part_in_the_next_fill(desk, fake):
    desk.draw()
    desk.fill()
    desk.segmentation.GetSegmentation().AddEmptySegment("new", "new")
    draw(desk.host, "new", on_slices(ball(centre=(15, 4, 4), radius=3), (15,)))
    pump(lambda: len(fake.calls) > 1 and not desk.effect.session.running)
    assert fake.calls[1][0] == "fill", "the segments changed: all is filled anew"
    assert segment_array(desk.effect.preview.node, "new", desk.volume).any()


def test_applying_without_a_fill_does_nothing(desk):
    desk.draw()
    before = desk.array()
    desk.effect.onApply()
    desk.effect.onCancel()
    assert np.array_equal(desk.array(), before)


def test_scribbles_need_a_visible_background(desk, fake):
    desk.draw()
    corner = np.zeros(SHAPE, bool)
    corner[2:6, 2:6, 2:6] = True
    draw(desk.host, "bead", corner)
    widgets = desk.effect.options.widgets
    widgets["Mode"].setCurrentIndex(widgets["Mode"].findData("scribbles"))
    desk.panel.fillButton.click()
    assert "choose a visible one as 'Background segment'" in desk.effect.message
    widgets["BackgroundSegment"].setCurrentIndex(widgets["BackgroundSegment"].findData("bead"))
    desk.segmentation.GetDisplayNode().SetSegmentVisibility("bead", False)
    desk.panel.fillButton.click()
    assert "choose a visible one as 'Background segment'" in desk.effect.message
    assert not fake.calls
    desk.segmentation.GetDisplayNode().SetSegmentVisibility("bead", True)
    desk.fill()
    assert fake.calls[0][4]["background"] == "bead"
