"""The Segment Editor effect "Random walk fill", driven as a person drives it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from desk import SHAPE, ball, effect_on
from workbench import draw, pump, save_and_reload, segment_array

from ACSegLib.errors import InputError


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
    desk.editor.undo()
    assert np.array_equal(desk.array(), before)
    desk.editor.redo()
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


def other_effects_preview(desk, scene):
    """A preview that Grow from seeds shows."""
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "grown")
    desk.host.setCommonParameter("SegmentationResultPreviewOwnerEffect", "Grow from seeds")
    desk.host.setCommonNodeReference("SegmentationResultPreview", node)
    return node


def test_cancel_leaves_the_preview_of_another_effect_alone(desk, scene):
    grown = other_effects_preview(desk, scene)
    desk.effect.updateGUIFromMRML()
    assert desk.effect.preview.node is None
    assert not desk.panel.cancelButton.enabled
    desk.effect.onCancel()
    assert desk.node.GetNodeReference("SegmentationResultPreview") is grown
    assert grown.GetScene() is scene


def test_a_fill_takes_the_place_of_the_preview_of_another_effect(desk, scene):
    """As Slicer's effects do with one another: nothing else would remove that preview any more."""
    grown = other_effects_preview(desk, scene)
    display = desk.segmentation.GetDisplayNode()
    display.SetOpacity(0.4)
    desk.draw()
    desk.fill()
    assert grown.GetScene() is None
    assert desk.effect.preview.node is not None
    desk.panel.cancelButton.click()
    assert display.GetOpacity() == 1.0


def test_a_preview_without_an_owner_is_not_ours(desk, scene):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "left over")
    desk.host.setCommonNodeReference("SegmentationResultPreview", node)
    desk.effect.onCancel()
    assert node.GetScene() is scene


def test_the_drawing_is_as_opaque_after_the_preview_as_before(desk):
    display = desk.segmentation.GetDisplayNode()
    display.SetOpacity(0.85)
    desk.draw()
    desk.fill()
    desk.panel.opacitySlider.value = 0.25
    assert display.GetOpacity() == pytest.approx(0.75)
    desk.panel.cancelButton.click()
    assert display.GetOpacity() == pytest.approx(0.85)
    desk.fill()
    desk.panel.applyButton.click()
    assert display.GetOpacity() == pytest.approx(0.85)


def test_a_scene_saved_with_a_preview_knows_how_opaque_the_drawing_was(desk, scene):
    from SegmentEditorACSegFillLib.preview import Preview

    display = desk.segmentation.GetDisplayNode()
    display.SetOpacity(0.85)
    desk.draw()
    desk.fill()
    scene.SetSaveToXMLString(1)
    scene.Commit()
    assert "ACSeg.OpacityWithoutPreview:0.85" in scene.GetSceneXMLString()
    Preview(desk.host).remove()  # of an application that was started anew
    assert display.GetOpacity() == pytest.approx(0.85)


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
    """That this takes less than a second is counted in the tests of the worker."""
    desk.draw()
    fake.deaf = deaf
    fake.gate.clear()
    desk.panel.fillButton.click()
    pump(lambda: desk.panel.progressBar.value > 0)
    assert not desk.panel.fillButton.enabled
    assert not desk.panel.applyButton.enabled
    desk.panel.cancelButton.click()
    assert desk.panel.messageLabel.text == "Cancelling..."
    pump(lambda: not desk.effect.session.running, 30)
    assert "Cancelled" in desk.panel.messageLabel.text
    assert desk.effect.preview.node is None
    assert desk.panel.fillButton.enabled
    fake.gate.set()
    pump(lambda: not desk.effect._pollTimer.active)
    desk.fill()
    assert desk.previewed()[11].any()


def test_an_error_is_a_sentence(desk, fake):
    desk.draw()
    fake.error = MemoryError()
    desk.fill()
    assert "ot enough memory" in desk.panel.messageLabel.text
    assert desk.panel.fillButton.enabled


def test_an_error_names_the_widgets_of_the_effect(desk, fake):
    desk.draw()
    fake.error = InputError("--region holds no voxel (--slices); use --holes, --device cpu or --gamma.")
    desk.fill()
    slices, prior = "'Labelled slices' in the module ACSeg Fill", "'Strength of the prior' in the module ACSeg Fill"
    words = f"'Box' holds no voxel ({slices}); use 'Fill holes', 'Compute on' = cpu or {prior}."
    assert desk.effect.message == words


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
    values = desk.effect.options.values()
    assert (values["islands"], values["axis"], values["holes"]) == (50, "k", math.inf)


def test_slice_guide(desk):
    import slicer

    desk.draw()
    desk.count()
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
    pump(lambda: not desk.effect.session.watched)
    assert "12" in guide.label.text
    assert red.GetSliceOffset() == pytest.approx(12.0)


def test_the_guide_counts_only_while_it_is_shown(desk):
    """A stroke of Paint, which is the active effect then, costs nothing."""
    desk.draw()
    pump(lambda: desk.panel.guide.table.rowCount == 3)
    desk.host.deactivate()
    desk.draw([12])
    assert not desk.effect._counter._delayed._timer.active
    assert not desk.effect.counting
    assert not desk.effect._observer._tags
    assert desk.panel.guide.table.rowCount == 3
    desk.host.activate()
    pump(lambda: desk.panel.guide.table.rowCount == 4)


def test_uncertainty_overlay(desk):
    import slicer

    desk.draw()
    desk.fill()
    desk.panel.uncertaintyBox.checked = True
    node = desk.effect.overlay.node
    assert np.array_equal(slicer.util.arrayFromVolume(node), desk.effect.outcome.uncertainty)
    layers = slicer.mrmlScene.GetFirstNodeByName("RedComposite")
    assert layers.GetForegroundVolumeID() == node.GetID()
    desk.panel.uncertaintyBox.checked = False
    assert layers.GetForegroundVolumeID() is None
    assert desk.effect.overlay.node is None


def test_overlays_of_two_editors_leave_no_volume_that_is_gone(desk, scene):
    from ACSegPanels.views import UncertaintyOverlay

    from ACSegLib.scene import volume_from_node

    place, shown = volume_from_node(desk.volume).geometry, np.zeros(ball().shape, np.uint8)
    nodes = [scene.AddNewNodeByClass("vtkMRMLSegmentEditorNode") for _ in range(2)]
    for node in nodes:
        node.SetAndObserveSegmentationNode(desk.segmentation)
    hosts = [effect_on(node) for node in nodes]
    first, second = (UncertaintyOverlay(host) for host in hosts)
    first.show(shown, desk.volume, place)
    second.show(shown, desk.volume, place)
    first.hide()
    second.hide()
    layers = scene.GetFirstNodeByName("RedComposite")
    assert layers.GetForegroundVolumeID() is None
    assert layers.GetForegroundOpacity() == 0


def test_the_overlay_has_the_colour_of_no_segment(desk):
    from ACSegPanels.label import STARTING_SEGMENTS

    from ACSegLib.volume import DEFAULT_COLOURS

    desk.draw()
    desk.fill()
    desk.panel.uncertaintyBox.checked = True
    display = desk.effect.overlay.node.GetDisplayNode()
    table, shown = display.GetColorNode().GetLookupTable(), np.linspace(display.GetLowerThreshold(), 255)
    colours = []
    for value in np.clip(shown / display.GetWindowLevelMax(), 0, 1) * 255:
        colours.append(table.GetTableValue(int(value))[:3])
    segments = [*DEFAULT_COLOURS, *(colour for _name, colour in STARTING_SEGMENTS)]
    apart = np.linalg.norm(np.array(colours)[:, None] - np.array(segments)[None], axis=-1)
    assert apart.min() > 0.5, "of 1.73 from black to white"


def test_preview_and_overlay_of_a_saved_scene_go_when_they_are_cancelled(desk, scene, tmp_path):
    """The effect of the application that reads the scene has made neither of them."""
    import slicer

    desk.draw()
    desk.fill()
    desk.panel.uncertaintyBox.checked = True
    save_and_reload(scene, tmp_path / "scene.mrb")
    host = effect_on(slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentEditorNode"))
    host.self().panel.cancelButton.click()
    volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
    assert [node.GetName() for node in volumes] == ["tomogram"]
    assert not slicer.mrmlScene.GetFirstNodeByName("drawing preview")
    layers = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert {node.GetForegroundVolumeID() for node in layers} == {None}
    host.self().cleanup()


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
