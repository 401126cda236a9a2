"""The effect corrects what is there already: slices drawn right and strokes, previewed, applied, taken back."""

from __future__ import annotations

import numpy as np
import pytest
from desk import SHAPE, Desk, ball, on_slices
from workbench import add_segmentation, add_volume, draw, pump

from ACSegLib.scene import segmentation_from_node

TRUTH = ball(radius=9)
PREDICTED = ball(radius=7)


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.fixture
def desk(scene):
    """A prediction that is 2 voxels too small, in an effect that was opened after it was loaded."""
    import slicer

    desk = Desk(scene)
    image = TRUTH * 100.0 + np.random.default_rng(0).normal(0, 8, SHAPE)
    slicer.util.updateVolumeFromArray(desk.volume, image.astype(np.float32))
    draw(desk.host, "cytoplasm", PREDICTED)
    reopened(desk)
    yield desk
    desk.effect.cleanup()


def reopened(desk):
    """Choose another effect and this one again, as after a prediction was loaded."""
    desk.effect.correcting.memory.forget()
    desk.effect.deactivate()
    desk.effect.activate()
    pump(lambda: not desk.effect.counting)


def labels(desk):
    return segmentation_from_node(desk.segmentation, desk.volume).labels


def test_the_panel_says_that_solid_segments_can_be_corrected(desk):
    assert desk.panel.fillButton.text == "Correct"
    assert "draw a slice right" in desk.panel.guide.label.text
    desk.fill()
    assert "Nothing was changed yet" in desk.effect.message
    assert desk.effect.preview.node is None


def test_a_slice_drawn_right_is_previewed_applied_and_taken_back(desk):
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [15]))
    drawn = desk.array()
    desk.fill()
    assert "Took k = 15 as drawn right" in desk.effect.message
    preview = desk.previewed()
    assert np.array_equal(preview[15], TRUTH[15])
    assert dice(preview, TRUTH) > 0.96
    assert np.array_equal(desk.array(), drawn), "a preview changes nothing"
    desk.panel.applyButton.click()
    assert np.array_equal(desk.array(), preview)
    desk.editor.undo()
    assert np.array_equal(desk.array(), drawn)


@pytest.mark.parametrize("recording", [False, True])
def test_the_next_time_point_of_a_sequence_is_no_correction(desk, recording):
    """A browser puts another segmentation into the node; what differs from the one before, nobody drew."""
    import slicer

    sequences = slicer.vtkSlicerSequencesLogic()
    sequences.SetMRMLScene(slicer.mrmlScene)
    series = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode")
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode")
    series.SetDataNodeAtValue(desk.segmentation, "0")
    desk.effect._stopObserving()
    draw(desk.host, "cytoplasm", ball(centre=(15, 12, 15), radius=7))
    series.SetDataNodeAtValue(desk.segmentation, "1")
    browser.SetAndObserveMasterSequenceNodeID(series.GetID())
    browser.AddProxyNode(desk.segmentation, series, False)
    browser.SetSaveChanges(series, recording)
    browser.SetSelectedItemNumber(0)
    sequences.UpdateProxyNodesFromSequences(browser)
    reopened(desk)
    name_slices(desk, "15")
    browser.SetSelectedItemNumber(1)
    sequences.UpdateProxyNodesFromSequences(browser)
    pump(lambda: not desk.effect.counting)
    desk.fill()
    assert "Nothing was changed yet" in desk.effect.message
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [15]))
    desk.fill()
    assert "Took k = 15 as drawn right" in desk.effect.message


def name_slices(desk, text):
    edit = desk.effect.correcting.widgets["CorrectSlices"]
    edit.setText(text)
    edit.editingFinished.emit()


def test_a_slice_that_is_named_is_taken_as_drawn_right_whatever_changed_on_it(desk):
    """One voxel was added; the rest of the slice was looked at and is right."""
    stroke = np.zeros(SHAPE, bool)
    stroke[15, 12, 13 + 8] = True
    draw(desk.host, "cytoplasm", stroke)
    desk.fill()
    assert "as strokes" in desk.effect.message
    desk.panel.cancelButton.click()
    name_slices(desk, "k = 15, 16")
    desk.fill()
    assert "Took k = 15, 16 as drawn right" in desk.effect.message
    assert np.array_equal(desk.previewed()[15:17], desk.array()[15:17])
    desk.panel.applyButton.click()
    assert desk.host.parameter("CorrectSlices") == "", "the next correction begins anew"


def test_slices_that_are_named_are_those_of_one_segmentation(desk):
    name_slices(desk, "k = 15")
    other = add_segmentation(desk.volume, name="second")
    desk.node.SetAndObserveSegmentationNode(other)
    draw(desk.host, "cytoplasm", PREDICTED)
    desk.effect.updateGUIFromMRML()
    desk.count()
    assert desk.host.parameter("CorrectSlices") == ""
    draw(desk.host, "cytoplasm", ball(centre=(15, 3, 13), radius=1))
    desk.fill()
    assert "Took your changes as strokes" in desk.effect.message


def test_the_shown_slice_is_named_by_a_button(desk):
    desk.panel.guide.jump("k", 15)
    desk.effect.correcting.addButton.click()
    assert desk.effect.correcting.widgets["CorrectSlices"].text == "k:15"
    desk.panel.guide.jump("k", 19)
    desk.effect.correcting.addButton.click()
    assert desk.host.parameter("CorrectSlices") == "k:15 k:19"
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [15, 19]))
    desk.fill()
    assert "Took k = 15, 19 as drawn right" in desk.effect.message


def test_oblique_views_are_told_before_a_slice_is_drawn_there(desk):
    from ACSegPanels.views import sliceViews

    assert "obliquely" not in desk.panel.guide.label.text
    for view in sliceViews():
        turned = view.GetSliceToRAS()
        normal, tilted = (0.0, 0.6, 0.8), (0.0, 0.8, -0.6)
        for row in range(3):
            turned.SetElement(row, 0, float(row == 0))
            turned.SetElement(row, 1, tilted[row])
            turned.SetElement(row, 2, normal[row])
        view.UpdateMatrices()
    desk.count()
    assert "All slice views lie obliquely" in desk.panel.guide.label.text
    desk.effect.correcting.addButton.click()
    assert "No slice view shows a slice of the volume" in desk.effect.message
    assert desk.effect.correcting.widgets["CorrectSlices"].text == ""


def test_slices_that_are_no_numbers_are_told(desk):
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [15]))
    name_slices(desk, "fifteen")
    desk.fill()
    assert desk.effect.message.startswith("'Slices drawn right' 'fifteen' is not a list of slice numbers")
    assert desk.effect.preview.node is None


def test_slices_are_named_only_where_there_is_something_to_correct(desk):
    widgets = desk.effect.options.widgets
    assert not desk.effect.correcting.row.isHidden()
    assert widgets["Smooth"].isHidden()
    assert not widgets["Mode"].isHidden(), "strokes that were taken for solid segments can be said to be strokes"
    draw(desk.host, "cytoplasm", np.ones(SHAPE, bool), mode="Remove")
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [8, 15, 22]))
    desk.count()
    assert desk.effect.correcting.row.isHidden()
    assert not widgets["Smooth"].isHidden()


def test_a_stroke_is_taken_for_a_stroke(desk):
    missed = TRUTH & (np.arange(SHAPE[2]) > 17)
    draw(desk.host, "cytoplasm", TRUTH)
    draw(desk.host, "cytoplasm", missed, mode="Remove")
    reopened(desk)
    stroke = missed & ball(centre=(15, 12, 19), radius=2) & (np.arange(SHAPE[0]) == 15)[:, None, None]
    draw(desk.host, "cytoplasm", stroke)
    desk.fill()
    assert "as strokes" in desk.effect.message
    added = desk.previewed() & ~desk.array()
    assert (added & missed).sum() > 0.5 * missed.sum()
    assert (added & ~missed).sum() < 0.1 * missed.sum()


def test_corrections_go_on_after_apply_and_earlier_ones_stay(desk):
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [13]))
    desk.fill()
    desk.panel.applyButton.click()
    desk.count()
    applied = desk.array()
    extra = np.zeros(SHAPE, bool)
    extra[20, 2:5, 2:5] = True
    draw(desk.host, "cytoplasm", extra)
    desk.fill()
    assert "as strokes" in desk.effect.message, desk.effect.message
    assert np.array_equal(desk.previewed()[13], TRUTH[13])
    assert np.array_equal(desk.previewed()[:10], applied[:10])
    assert desk.effect.outcome.decided[13].all()


def test_after_undo_the_correction_can_be_made_again(desk):
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [15]))
    desk.fill()
    first = desk.previewed()
    desk.panel.applyButton.click()
    desk.editor.undo()
    desk.count()
    desk.fill()
    assert "Took k = 15 as drawn right" in desk.effect.message
    assert np.array_equal(desk.previewed(), first)


def test_after_several_undos_the_first_correction_can_be_made_again(desk):
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [15]))
    drawn = desk.array()
    for centre in ((15, 12, 13), (5, 3, 3), (25, 20, 22)):
        draw(desk.host, "cytoplasm", ball(centre=centre, radius=1))
        desk.fill()
        desk.panel.applyButton.click()
        assert "Applied" in desk.effect.message
    for _ in range(3):
        desk.editor.undo()
    assert np.array_equal(desk.array(), drawn)
    desk.count()
    desk.fill()
    assert "Took k = 15 as drawn right" in desk.effect.message
    assert dice(desk.previewed(), TRUTH) > 0.96


def test_an_edit_while_the_preview_is_shown_updates_it(desk):
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [15]))
    desk.fill()
    first = dice(desk.previewed(), TRUTH)
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [19]))
    desk.fill()
    assert "k = 15, 19" in desk.effect.message
    assert dice(desk.previewed(), TRUTH) >= first - 0.01
    assert np.array_equal(desk.previewed()[19], TRUTH[19])


def test_a_filled_segmentation_can_be_corrected_after_apply(desk):
    draw(desk.host, "cytoplasm", np.ones(SHAPE, bool), mode="Remove")
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [8, 15, 22]))
    desk.count()
    assert desk.panel.fillButton.text == "Fill"
    desk.fill()
    desk.panel.applyButton.click()
    desk.count()
    assert desk.panel.fillButton.text == "Correct"
    erased = np.zeros(SHAPE, bool)
    erased[15, 8:16, 8:10] = True
    draw(desk.host, "cytoplasm", erased, mode="Remove")
    desk.fill()
    assert desk.effect.preview.node is not None, desk.effect.message
    assert not desk.previewed()[erased].any()


def test_hidden_segments_take_no_part_and_keep_their_voxels(desk):
    bead = ball(centre=(15, 12, 22), radius=2) & ~PREDICTED
    draw(desk.host, "bead", bead)
    desk.segmentation.GetDisplayNode().SetSegmentVisibility("bead", False)
    reopened(desk)
    draw(desk.host, "cytoplasm", on_slices(TRUTH & ~bead, [15]))
    desk.fill()
    assert not (desk.previewed() & bead).any()
    desk.panel.applyButton.click()
    assert np.array_equal(desk.array("bead"), bead)


def test_a_segment_that_was_hidden_at_the_start_is_not_new(desk):
    bead = ball(centre=(5, 5, 5), radius=2)
    draw(desk.host, "bead", bead)
    desk.segmentation.GetDisplayNode().SetSegmentVisibility("bead", False)
    reopened(desk)
    desk.segmentation.GetDisplayNode().SetSegmentVisibility("bead", True)
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [15]))
    desk.fill()
    assert "is new" not in desk.effect.message
    assert "Took k = 15 as drawn right" in desk.effect.message
    assert np.array_equal(desk.previewed("bead"), bead)


def test_a_segment_that_is_hidden_before_apply_is_still_to_be_corrected(desk):
    draw(desk.host, "bead", ball(centre=(25, 12, 20), radius=3))
    reopened(desk)
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [15]))
    desk.fill()
    drawn, display = desk.array(), desk.segmentation.GetDisplayNode()
    display.SetSegmentVisibility("cytoplasm", False)
    desk.panel.applyButton.click()
    assert np.array_equal(desk.array(), drawn)
    display.SetSegmentVisibility("cytoplasm", True)
    desk.fill()
    assert "Took k = 15 as drawn right" in desk.effect.message


def test_another_volume_on_the_same_grid_forgets_no_correction(desk):
    """A filtered copy, or another channel, is chosen as source volume, and perhaps the first one again."""
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [15]))
    for volume in (add_volume(TRUTH.astype(np.float32), "filtered"), desk.volume):
        desk.node.SetAndObserveSourceVolumeNode(volume)
        desk.effect.sourceVolumeNodeChanged()
        desk.count()
        desk.fill()
        assert "Took k = 15 as drawn right" in desk.effect.message


def test_cancel_and_closing_the_scene_forget(desk):
    import slicer

    draw(desk.host, "cytoplasm", on_slices(TRUTH, [15]))
    desk.fill()
    desk.panel.cancelButton.click()
    assert desk.effect.preview.node is None
    slicer.mrmlScene.Clear(0)
    assert not desk.effect.correcting.memory.holds(desk.effect.session.key)


def test_correct_before_the_labels_were_looked_at(desk):
    """Fill was pressed before the guide had counted: what is solid is corrected all the same."""
    desk.effect.deactivate()
    desk.effect.correcting.dense = None
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [15]))
    desk.effect.activate()
    desk.panel.fillButton.click()
    pump(lambda: desk.effect.preview.node is not None)
    assert "Took k = 15 as drawn right" in desk.effect.message


DRAWN = [10, 15, 20]


def filled(desk):
    """A fill of slices that were drawn two voxels too small, applied; and what was drawn on them."""
    draw(desk.host, "cytoplasm", np.ones(SHAPE, bool), mode="Remove")
    draw(desk.host, "cytoplasm", on_slices(PREDICTED, DRAWN))
    desk.count()
    desk.fill()
    desk.panel.applyButton.click()
    desk.count()
    return desk.array()[DRAWN]


def test_drawn_slices_of_a_fill_stay_when_it_is_corrected(desk):
    drawn = filled(desk)
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [12]))
    desk.fill()
    assert "Took k = 12 as drawn right" in desk.effect.message
    assert "Kept k = 10, 15, 20" in desk.effect.message
    preview = desk.previewed()
    assert (preview[13] & ~desk.array()[13]).any(), "the correction reaches farther than to the next slice"
    assert np.array_equal(preview[DRAWN], drawn)


def saved_and_loaded(node, path):
    """The segmentation from a file that Slicer cropped to its labels."""
    import slicer

    storage = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    storage.SetFileName(str(path))
    storage.SetCropToMinimumExtent(True)
    assert storage.WriteData(node)
    loaded = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert storage.ReadData(loaded)
    loaded.CreateDefaultDisplayNodes()
    return loaded


def test_drawn_slices_of_a_fill_that_was_saved_stay(desk, tmp_path):
    drawn = filled(desk)
    desk.segmentation = saved_and_loaded(desk.segmentation, tmp_path / "filled.seg.nrrd")
    desk.node.SetAndObserveSegmentationNode(desk.segmentation)
    desk.node.SetAndObserveSourceVolumeNode(desk.volume)  # the file names none
    reopened(desk)
    draw(desk.host, "cytoplasm", on_slices(TRUTH, [12]))
    desk.fill()
    assert "Kept k = 10, 15, 20" in desk.effect.message
    assert np.array_equal(desk.previewed()[DRAWN], drawn)
