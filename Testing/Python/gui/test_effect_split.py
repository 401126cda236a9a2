"""The effect splits touching cells: found in the image, or one for each dab; previewed, applied, taken back."""

from __future__ import annotations

import numpy as np
import pytest
from desk import SHAPE, Desk, ball, on_slices
from workbench import draw, pump

CENTRES = ((15, 12, 7), (15, 12, 19))
LEFT, RIGHT = (ball(centre=c, radius=7) for c in CENTRES)
SEAM = np.arange(SHAPE[2]) == 13
CELLS = (LEFT | RIGHT) | (ball(centre=(15, 12, 13), radius=4))


@pytest.fixture
def desk(scene):
    """Two touching cells with a dark seam between them, in one segment, and the effect at work."""
    import slicer

    desk = Desk(scene)
    image = CELLS * 100.0 - (CELLS & SEAM) * 70 + np.random.default_rng(0).normal(0, 4, SHAPE)
    slicer.util.updateVolumeFromArray(desk.volume, image.astype(np.float32))
    draw(desk.host, "cytoplasm", CELLS)
    desk.node.SetSelectedSegmentID("cytoplasm")
    desk.count()
    yield desk
    desk.effect.cleanup()


def split(desk):
    desk.effect.splitting.button.click()
    pump(lambda: not desk.effect.session.running)


def choose(desk, name, value):
    box = desk.effect.splitting.widgets[name]
    if hasattr(box, "findData"):
        box.setCurrentIndex(box.findData(value))
    else:
        box.value = value


def dabs(desk, centres=CENTRES, radius=2):
    """Paint a dab in each cell with a segment of its own, which takes the voxels from the cells, as Paint does."""
    desk.segmentation.GetSegmentation().AddEmptySegment("dabs", "dabs")
    painted = np.zeros(SHAPE, bool)
    for centre in centres:
        painted |= ball(centre=centre, radius=radius)
    draw(desk.host, "dabs", painted)
    draw(desk.host, "cytoplasm", painted, mode="Remove")
    choose(desk, "SplitSeeds", "dabs")
    return painted


def names(node):
    table = node.GetSegmentation()
    return [table.GetSegment(s).GetName() for s in table.GetSegmentIDs()]


def test_beads_are_split_where_they_are_selected(desk):
    draw(desk.host, "bead", CELLS)
    desk.node.SetSelectedSegmentID("bead")
    split(desk)
    assert names(desk.effect.preview.node) == ["bead 1", "bead 2"]


def test_cells_found_in_the_image_are_previewed_applied_and_taken_back(desk):
    before = desk.array()
    split(desk)
    assert "2 cells" in desk.effect.message
    preview = desk.effect.preview.node
    assert names(preview) == ["cytoplasm 1", "cytoplasm 2"]
    one, two = (desk.previewed(s) for s in preview.GetSegmentation().GetSegmentIDs())
    assert np.array_equal(one | two, before), "every voxel of the segment is in a cell"
    assert not (one & two).any()
    left = max((one, two), key=lambda cell: (cell & LEFT).sum())
    assert (left & (np.arange(SHAPE[2]) > 14)).sum() == 0
    assert np.array_equal(desk.array(), before), "a preview changes nothing"

    desk.panel.applyButton.click()
    assert names(desk.segmentation) == ["cytoplasm 1", "bead", "cytoplasm 2"]
    assert np.array_equal(desk.array(), one)
    assert np.array_equal(desk.array("cytoplasm_cell_2"), two)
    desk.editor.undo()
    assert names(desk.segmentation) == ["cytoplasm", "bead"]
    assert np.array_equal(desk.array(), before)


def test_a_dab_makes_a_cell(desk):
    painted = dabs(desk, [(15, 12, 3), (15, 12, 9), (15, 12, 20)])
    split(desk)
    assert "3 cells" in desk.effect.message
    ids = list(desk.effect.preview.node.GetSegmentation().GetSegmentIDs())
    cells = [desk.previewed(s) for s in ids]
    assert np.array_equal(np.logical_or.reduce(cells), CELLS), "the dabs belong to the cells"
    assert all((cell & painted).any() for cell in cells)
    assert not desk.effect.splitting.widgets["SplitCount"].enabled
    desk.panel.applyButton.click()
    assert not desk.array("dabs").any(), "the cells took the place of the dabs"
    assert np.array_equal(desk.array() | desk.array("cytoplasm_cell_2") | desk.array("cytoplasm_cell_3"), CELLS)


def test_segments_that_swapped_their_names_are_told_apart(desk):
    """The id of each is the name of the other then."""
    dabs(desk)
    table = desk.segmentation.GetSegmentation()
    table.GetSegment("cytoplasm").SetName("dabs")
    table.GetSegment("dabs").SetName("cytoplasm")
    split(desk)
    assert "dabs: 2 cells" in desk.effect.message
    desk.panel.applyButton.click()
    assert np.array_equal(desk.array() | desk.array("cytoplasm_cell_2"), CELLS)


@pytest.mark.parametrize("selected", ["dabs", "bead"])
def test_a_further_dab_updates_the_preview_and_can_be_applied(desk, selected):
    """Who paints it has the dabs selected by then."""
    dabs(desk)
    split(desk)
    desk.node.SetSelectedSegmentID(selected)
    more = ball(centre=(15, 7, 7), radius=1)
    draw(desk.host, "dabs", more)
    pump(lambda: "3 cells" in desk.effect.message)
    desk.panel.applyButton.click()
    assert names(desk.segmentation)[-2:] == ["cytoplasm 2", "cytoplasm 3"]
    assert np.array_equal(desk.array() | desk.array("cytoplasm_cell_2") | desk.array("cytoplasm_cell_3"), CELLS)


def test_update_split_while_the_dabs_are_selected(desk):
    desk.panel.autoUpdateBox.click()
    dabs(desk)
    split(desk)
    desk.node.SetSelectedSegmentID("dabs")
    draw(desk.host, "dabs", ball(centre=(15, 7, 7), radius=1))
    split(desk)
    assert "3 cells" in desk.effect.message


def test_a_second_split_makes_new_segments(desk):
    """Ids and names of the cells of the first split are not taken again."""
    split(desk)
    desk.panel.applyButton.click()
    desk.count()
    first, second = desk.array(), desk.array("cytoplasm_cell_2")
    j, _i = np.nonzero(first.any(axis=0))
    middle = int(np.median(j))
    dabs(desk, [(15, middle - 4, 7 if first[15, 12, 7] else 19), (15, middle + 4, 7 if first[15, 12, 7] else 19)], 1)
    split(desk)
    assert "2 cells" in desk.effect.message
    desk.panel.applyButton.click()
    ids = list(desk.segmentation.GetSegmentation().GetSegmentIDs())
    assert len(ids) == 5, desk.effect.message
    assert len(set(names(desk.segmentation))) == 5
    assert np.array_equal(desk.array("cytoplasm_cell_2"), second), "the other cell is as it was"
    assert np.array_equal(desk.array() | desk.array(ids[-1]), first)


def test_after_a_split_a_cell_can_be_corrected_and_undo_is_followed(desk):
    split(desk)
    desk.panel.applyButton.click()
    desk.count()
    assert desk.panel.fillButton.text == "Correct"
    desk.fill()
    assert "Nothing was changed yet" in desk.effect.message
    desk.editor.undo()
    desk.count()
    desk.fill()
    assert "Nothing was changed yet" in desk.effect.message, "not the split is the correction"


def test_a_split_is_known_before_anything_is_counted(desk):
    """A person presses Correct, or goes on with Paint, within the second in which nothing is counted yet."""
    split(desk)
    desk.panel.applyButton.click()
    desk.fill()
    assert "Nothing was changed yet" in desk.effect.message


def test_a_dab_right_after_a_split_is_a_correction(desk):
    split(desk)
    desk.panel.applyButton.click()
    desk.effect.deactivate()
    draw(desk.host, "cytoplasm", ball(centre=(15, 3, 4), radius=2))
    desk.effect.activate()
    desk.count()
    desk.fill()
    assert "Took your changes as strokes" in desk.effect.message
    assert "is new" not in desk.effect.message


def test_cells_that_are_hidden_right_after_a_split_are_no_corrections(desk):
    split(desk)
    desk.panel.applyButton.click()
    display = desk.segmentation.GetDisplayNode()
    for visible in (False, True):
        for identifier in desk.segmentation.GetSegmentation().GetSegmentIDs():
            display.SetSegmentVisibility(identifier, visible)
        (desk.effect.activate if visible else desk.effect.deactivate)()
    desk.count()
    desk.fill()
    assert "Nothing was changed yet" in desk.effect.message


def test_an_empty_segment_is_named(desk):
    desk.node.SetSelectedSegmentID("bead")
    split(desk)
    assert "'bead' has no labelled voxel" in desk.effect.message


def test_a_nucleus_inside_of_a_cell_stays_where_the_cells_are_split(desk):
    """It lies in a layer of its own, and a split takes nothing that the segment did not have."""
    nucleus = ball(centre=CENTRES[0], radius=3)
    desk.node.SetOverwriteMode(desk.node.OverwriteNone)
    draw(desk.host, "bead", nucleus)
    desk.node.SetOverwriteMode(desk.node.OverwriteAllSegments)
    split(desk)
    desk.panel.applyButton.click()
    assert np.array_equal(desk.array("bead"), nucleus)
    assert np.array_equal(desk.array() | desk.array("cytoplasm_cell_2"), CELLS)


def test_masked_voxels_and_hidden_segments_stay(desk):
    bead = np.zeros(SHAPE, bool)
    bead[:, :12] = True
    draw(desk.host, "bead", bead)
    desk.segmentation.GetDisplayNode().SetSegmentVisibility("bead", False)
    before, bead = desk.array(), desk.array("bead")
    desk.node.SetMaskMode(desk.segmentation.EditAllowedInsideSingleSegment)
    desk.node.SetMaskSegmentID("bead")
    desk.node.SetOverwriteMode(desk.node.OverwriteNone)
    split(desk)
    desk.panel.applyButton.click()
    assert np.array_equal(desk.array()[:, 12:], before[:, 12:]), "outside the editable area nothing changes"
    assert np.array_equal(desk.array("bead"), bead)


def only_bright(desk):
    """The editable intensity range, as Threshold leaves it behind."""
    desk.node.SourceVolumeIntensityMaskOn()
    desk.node.SetSourceVolumeIntensityMaskRange(98, 1000)


def only_left(desk):
    draw(desk.host, "bead", np.broadcast_to(np.arange(SHAPE[2]) < 19, SHAPE))
    draw(desk.host, "cytoplasm", CELLS)
    desk.node.SetSelectedSegmentID("cytoplasm")
    desk.node.SetMaskMode(desk.segmentation.EditAllowedInsideSingleSegment)
    desk.node.SetMaskSegmentID("bead")


@pytest.mark.parametrize("mask", [only_bright, only_left])
def test_the_preview_shows_what_masking_leaves_of_a_split(desk, mask):
    desk.node.SetOverwriteMode(desk.node.OverwriteNone)
    mask(desk)
    before = desk.array()
    split(desk)
    assert "Masking keep" in desk.effect.message
    ids = list(desk.effect.preview.node.GetSegmentation().GetSegmentIDs())
    shown = [desk.previewed(s) for s in ids]
    assert all(cell.any() for cell in shown)
    assert np.array_equal(np.logical_or.reduce(shown), before)
    desk.panel.applyButton.click()
    assert all(np.array_equal(desk.array(s), cell) for s, cell in zip(ids, shown, strict=True))


def test_a_split_that_masking_forbids_is_refused(desk):
    desk.node.SetMaskMode(desk.segmentation.EditAllowedInsideSingleSegment)
    desk.node.SetMaskSegmentID("bead")
    before = desk.array()
    split(desk)
    assert "Masking leave nothing to split" in desk.effect.message
    assert desk.effect.preview.node is None
    assert names(desk.segmentation) == ["cytoplasm", "bead"]
    assert np.array_equal(desk.array(), before)


def test_a_dab_that_masking_protects_stays_a_dab(desk):
    painted = dabs(desk)
    only_bright(desk)
    bright = np.array(__import__("slicer").util.arrayFromVolume(desk.volume)) >= 98
    split(desk)
    desk.panel.applyButton.click()
    assert np.array_equal(desk.array("dabs"), painted & ~bright)
    assert np.array_equal(desk.array() | desk.array("cytoplasm_cell_2"), CELLS & ~(painted & ~bright))


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (lambda d: d.node.SetSelectedSegmentID(""), "Select the segment to split"),
        (lambda d: d.segmentation.GetDisplayNode().SetSegmentVisibility("cytoplasm", False), "Select the segment"),
        (lambda d: d.node.SetSelectedSegmentID("bead"), "no labelled voxel"),
        (lambda d: choose(d, "SplitSeeds", "cytoplasm"), "holds the dabs"),
        (lambda d: choose(d, "SplitSeeds", "bead"), "draw a dab in each cell"),
        (lambda d: d.segmentation.GetDisplayNode().SetAllSegmentsVisibility(False), "hidden"),
        (lambda d: d.node.SetAndObserveSourceVolumeNode(None), "source volume"),
    ],
)
def test_what_is_missing_is_said_and_nothing_changes(desk, spoil, expected):
    before = desk.array() if desk.node.GetSourceVolumeNode() else None
    spoil(desk)
    desk.effect.updateGUIFromMRML()
    desk.effect.onSplit()
    pump(lambda: not desk.effect.session.running)
    assert expected in desk.effect.message
    assert desk.effect.preview.node is None
    assert np.array_equal(desk.array(), before)


def test_a_single_cell_is_told_and_not_previewed(desk):
    draw(desk.host, "cytoplasm", ~LEFT, mode="Remove")
    split(desk)
    assert "Nothing is split" in desk.effect.message
    assert desk.effect.preview.node is None
    assert not desk.panel.applyButton.enabled


def test_an_edit_without_an_update_is_not_overwritten(desk):
    desk.panel.autoUpdateBox.click()
    split(desk)
    draw(desk.host, "cytoplasm", on_slices(LEFT, [15]), mode="Remove")
    edited = desk.array()
    desk.panel.applyButton.click()
    assert "press Split again" in desk.effect.message
    assert np.array_equal(desk.array(), edited)


def test_a_segment_deleted_and_a_scene_closed_while_splitting(desk, desk_worker):
    import os
    import signal

    import slicer

    pump(lambda: desk_worker.pump() or desk_worker.ready)
    os.killpg(desk_worker.pid, signal.SIGSTOP)
    try:
        desk.effect.splitting.button.click()
        desk.segmentation.GetSegmentation().RemoveSegment("cytoplasm")
    finally:
        os.killpg(desk_worker.pid, signal.SIGCONT)
    pump(lambda: not desk.effect.session.running)
    assert "deleted meanwhile" in desk.effect.message
    assert desk.effect.preview.node is None
    draw(desk.host, "bead", CELLS)
    desk.node.SetSelectedSegmentID("bead")
    desk.effect.onSplit()
    slicer.mrmlScene.Clear(0)
    assert not desk.effect.session.running
    assert "closed" in desk.effect.message


def test_a_fill_takes_the_place_of_the_preview_of_a_split(desk, fake):
    split(desk)
    assert desk.panel.fillButton.text == "Correct"
    desk.panel.cancelButton.click()
    assert desk.effect.preview.node is None
    draw(desk.host, "cytoplasm", np.ones(SHAPE, bool), mode="Remove")
    draw(desk.host, "cytoplasm", on_slices(LEFT, [9, 15, 21]))
    desk.count()
    split(desk)
    desk.fill()
    assert names(desk.effect.preview.node)[0] == "cytoplasm"
    assert fake.calls[-1][0] == "fill"
