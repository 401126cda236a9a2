"""The Segment Editor effect "Random walk fill", driven as a person drives it."""

from __future__ import annotations

import numpy as np
import pytest
from desk import SHAPE, Desk, ball
from workbench import add_segmentation, add_volume, draw, pump, save_and_reload, segment_array


@pytest.fixture
def desk(scene, fake):
    desk = Desk(scene)
    yield desk
    desk.effect.cleanup()


def test_draw_preview_edit_refill_apply_undo(desk, fake):
    desk.draw()
    drawn = desk.array()
    desk.fill()
    assert fake.calls[0][0] == "fill"
    assert np.array_equal(desk.array(), drawn), "a preview does not touch the segmentation"
    assert desk.previewed()[11].sum() == ball()[9].sum()
    assert "9, 15, 21" in desk.panel.messageLabel.text

    desk.draw([12])
    pump(lambda: len(fake.calls) > 1 and not desk.effect.session.running)
    assert fake.calls[1][0] == "refill"
    assert fake.calls[1][1] == [12]
    assert np.array_equal(desk.previewed()[12], ball()[12])
    before = desk.array()
    desk.panel.applyButton.click()
    assert desk.effect.preview.node is None
    assert np.array_equal(desk.array()[12], ball()[12])
    assert desk.array()[11].any()
    applied = desk.array()
    desk.host.undo()
    assert np.array_equal(desk.array(), before)
    desk.host.redo()
    assert np.array_equal(desk.array(), applied)


def test_preview_is_slicers_own(desk):
    desk.draw()
    desk.fill()
    node = desk.node.GetNodeReference("SegmentationResultPreview")
    assert node is desk.effect.preview.node
    assert desk.node.GetAttribute("SegmentationResultPreviewOwnerEffect") == "ACSeg random walk fill"
    desk.panel.opacitySlider.value = 0.25
    assert node.GetDisplayNode().GetOpacity() == pytest.approx(0.25)
    assert desk.segmentation.GetDisplayNode().GetOpacity() == pytest.approx(0.75)
    desk.panel.show3DButton.checked = True
    assert desk.effect.preview.show3D
    desk.panel.cancelButton.click()
    assert desk.node.GetNodeReference("SegmentationResultPreview") is None
    assert desk.segmentation.GetDisplayNode().GetOpacity() == 1.0


def test_hidden_and_masked_voxels_stay(desk):
    hidden = np.zeros(SHAPE, bool)
    hidden[10:14, 8:16, 8:16] = True
    draw(desk.host, "bead", hidden)
    desk.segmentation.GetDisplayNode().SetSegmentVisibility("bead", False)
    desk.draw()
    desk.fill()
    desk.panel.applyButton.click()
    assert np.array_equal(desk.array("bead"), hidden)
    assert not (desk.array() & hidden).any()
    assert desk.array()[10].any()


def test_intensity_mask_is_respected(desk):
    desk.node.SetSourceVolumeIntensityMask(True)
    desk.node.SetSourceVolumeIntensityMaskRange(50.0, 200.0)
    desk.draw((9, 21))
    drawn = desk.array()
    desk.fill()
    new = desk.previewed() & ~drawn
    assert new.any()
    assert not (new & ~ball()).any()
    desk.panel.applyButton.click()
    assert not (desk.array() & ~drawn & ~ball()).any()


@pytest.mark.parametrize("deaf", [False, True], ids=["that looks up", "that does not look up"])
def test_cancel_ends_a_running_fill(desk, fake, deaf):
    """That this takes less than a second is counted in test_cancelling."""
    from ACSegPanels.background import PATIENCE, BackgroundJob

    now = [0.0]
    desk.effect.session.job = BackgroundJob(lambda: now[0])
    desk.draw()
    fake.deaf = deaf
    fake.gate.clear()
    desk.panel.fillButton.click()
    pump(lambda: desk.panel.progressBar.value > 0)
    assert not desk.panel.fillButton.enabled
    assert not desk.panel.applyButton.enabled
    desk.panel.cancelButton.click()
    assert desk.panel.messageLabel.text == "Cancelling..."
    now[0] += PATIENCE if deaf else 0.0
    pump(lambda: not desk.effect.session.running, 30)
    assert "Cancelled" in desk.panel.messageLabel.text
    assert desk.effect.preview.node is None
    assert desk.panel.fillButton.enabled
    assert desk.effect._pollTimer.active == deaf, "what was let go of is watched to its end"
    fake.gate.set()
    pump(lambda: not desk.effect._pollTimer.active)
    assert desk.effect.preview.node is None, "its result comes too late"
    desk.fill()
    assert desk.previewed()[11].any()


def test_an_error_is_a_sentence(desk, fake):
    desk.draw()
    fake.error = MemoryError()
    desk.fill()
    assert "not enough memory" in desk.panel.messageLabel.text
    assert desk.panel.fillButton.enabled


def test_scene_closed_while_running(desk, fake):
    import slicer

    desk.draw()
    fake.gate.clear()
    desk.panel.fillButton.click()
    pump(lambda: desk.panel.progressBar.value > 0)
    slicer.mrmlScene.Clear(0)
    assert not desk.effect.session.running
    assert "closed" in desk.effect.message


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
    desk.effect.updateGUIFromMRML()
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


def test_typing_starts_nothing_and_is_stored(desk, fake):
    desk.draw()
    desk.fill()
    count = len(fake.calls)
    widgets = desk.effect.options.widgets
    widgets["Islands"].value = 50
    widgets["Axis"].setCurrentIndex(widgets["Axis"].findData("k"))
    widgets["Holes"].checked = True
    pump(lambda: True)
    assert len(fake.calls) == count
    assert not desk.effect._editTimer.active
    assert desk.node.GetAttribute("ACSeg random walk fill.Islands") == "50"
    assert desk.effect.options.cleaning()["islands"] == 50
    assert desk.effect.options.settings()["axis"] == "k"


def test_slice_guide(desk):
    import slicer

    desk.draw()
    desk.effect.updateGuide()
    guide = desk.panel.guide
    assert guide.table.rowCount == 3
    assert guide.table.item(1, 0).text() == "k = 15"
    assert guide.table.item(1, 1).text() == f"{ball()[15].sum():,}"
    guide.jump("k", 21)
    red = slicer.mrmlScene.GetSingletonNode("Red", "vtkMRMLSliceNode")
    assert red.GetSliceOffset() == pytest.approx(21.0)
    guide.intervalBox.value = 4
    assert desk.node.GetAttribute("ACSeg random walk fill.Interval") == "4"
    guide.nextButton.click()
    assert red.GetSliceOffset() == pytest.approx(25.0)
    assert not guide.suggestButton.enabled
    desk.fill()
    guide.suggestButton.click()
    assert "12" in guide.label.text
    assert red.GetSliceOffset() == pytest.approx(12.0)


def test_uncertainty_overlay(desk):
    import slicer

    desk.draw()
    desk.fill()
    desk.panel.uncertaintyBox.checked = True
    node = desk.effect.overlay.node
    assert np.array_equal(slicer.util.arrayFromVolume(node), desk.effect.outcome.result.uncertainty)
    layers = slicer.mrmlScene.GetFirstNodeByName("RedComposite")
    assert layers.GetForegroundVolumeID() == node.GetID()
    desk.panel.uncertaintyBox.checked = False
    assert layers.GetForegroundVolumeID() is None
    assert desk.effect.overlay.node is None


def test_result_and_options_survive_saving(desk, scene, tmp_path):
    import slicer

    desk.draw()
    desk.effect.options.widgets["Islands"].value = 25
    desk.fill()
    desk.panel.applyButton.click()
    applied = desk.array()
    save_and_reload(scene, tmp_path / "scene.mrb")
    volume = slicer.mrmlScene.GetFirstNodeByName("tomogram")
    segmentation = slicer.mrmlScene.GetFirstNodeByName("drawing")
    assert np.array_equal(segment_array(segmentation, "cytoplasm", volume), applied)
    node = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentEditorNode")
    assert node.GetAttribute("ACSeg random walk fill.Islands") == "25"


def test_one_drawn_slice_is_pointed_out(desk):
    desk.draw([15])
    desk.effect.updateGuide()
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
    desk.effect.updateGuide()
    desk.panel.guide.jump("k", 15)
    assert "obliquely" in desk.panel.guide.label.text
