"""Undo and masking of writes into segmentations, against Segment Editor's own logic."""

from __future__ import annotations

import numpy as np
import pytest
from cases import SHAPE, boxes, crowd

from ACSegLib.errors import InputError
from ACSegLib.scene import (
    segmentation_from_node,
    volume_from_node,
    write_segmentation_to_node,
)
from ACSegLib.volume import Segment, Segmentation


def test_one_undo_brings_everything_back(mrml, volume, segmentation):
    editor = mrml.editor(volume, segmentation)
    read = segmentation_from_node(segmentation, volume)
    write_segmentation_to_node(
        read.with_labels(np.roll(boxes(), 1, 0)), segmentation, volume_node=volume, editor=editor
    )
    assert np.array_equal(segmentation_from_node(segmentation, volume).labels, np.roll(boxes(), 1, 0))
    editor.Undo()
    assert np.array_equal(segmentation_from_node(segmentation, volume).labels, boxes())
    assert not editor.CanUndo()
    editor.Redo()
    assert np.array_equal(segmentation_from_node(segmentation, volume).labels, np.roll(boxes(), 1, 0))


def test_state_is_saved_once_and_before_the_change(volume, segmentation):
    seen = []
    read = segmentation_from_node(segmentation, volume)
    write_segmentation_to_node(
        read.with_labels(np.roll(boxes(), 1, 0)),
        segmentation,
        volume_node=volume,
        save_state=lambda: seen.append(segmentation_from_node(segmentation, volume).labels),
    )
    assert len(seen) == 1
    assert np.array_equal(seen[0], boxes())


MASKS = [
    "EditAllowedEverywhere",
    "EditAllowedInsideAllSegments",
    "EditAllowedInsideVisibleSegments",
    "EditAllowedOutsideAllSegments",
    "EditAllowedOutsideVisibleSegments",
    "EditAllowedInsideSingleSegment",
]


@pytest.mark.parametrize("overwrite", ["OverwriteAllSegments", "OverwriteVisibleSegments", "OverwriteNone"])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("intensity", [False, True])
def test_masking_is_that_of_segment_editor(mrml, volume, mask, overwrite, intensity):
    """Every mask and overwrite mode: all segments end as ModifySegmentByLabelmap of the editor's logic leaves them."""
    mine, theirs = mrml.segmentation(crowd(), volume), mrml.segmentation(crowd(), volume)
    wanted = np.zeros(SHAPE, np.uint8)
    wanted[1:12, 2:14, 3:15] = 1
    for node in (mine, theirs):
        node.GetDisplayNode().SetSegmentVisibility("S3", False)
        editor = mrml.editor(volume, node)
        parameters = editor.GetSegmentEditorNode()
        parameters.SetMaskMode(getattr(node, mask))
        parameters.SetMaskSegmentID("S2")
        parameters.SetOverwriteMode(getattr(parameters, overwrite))
        parameters.SetSourceVolumeIntensityMask(intensity)
        parameters.SetSourceVolumeIntensityMaskRange(0.25, 0.75)
        if node is mine:
            labels = Segmentation((wanted,), [Segment("S1", 1, id="S1")], volume_from_node(volume).geometry)
            write_segmentation_to_node(labels, node, volume_node=volume, editor=editor)
        else:
            from ACSegLib.scene import grid

            image = grid.oriented_image(wanted, grid.volume_matrix(volume))
            # Slicer spares a visible segment that shares its image with a hidden one; give the hidden one its own
            node.GetSegmentation().SeparateSegmentLabelmap("S3")
            editor.ModifySegmentByLabelmap(node, "S1", image, editor.ModificationModeSet, False, False)
    for identifier in ("S1", "S2", "S3", "S4"):
        expected = mrml.segment_array(theirs, identifier, volume)
        assert np.array_equal(mrml.segment_array(mine, identifier, volume), expected), identifier


def test_locked_neighbours_and_mask_together_with_several_segments(mrml, volume):
    """Two segments rewritten at once, outside all others: they may swap places, the rest is untouched."""
    node = mrml.segmentation(crowd(), volume)
    parameters = mrml.editor(volume, node).GetSegmentEditorNode()
    parameters.SetMaskMode(node.EditAllowedOutsideAllSegments)
    new = np.choose(crowd(), [0, 2, 1, 1, 2]).astype(np.uint8)
    rows = [Segment("S1", 1, id="S1"), Segment("S2", 2, id="S2")]
    labels = Segmentation((new,), rows, volume_from_node(volume).geometry)
    write_segmentation_to_node(labels, node, volume_node=volume, editor=parameters)
    assert np.array_equal(segmentation_from_node(node, volume).labels, np.choose(crowd(), [0, 2, 1, 3, 4]))


def test_overlap_outside_the_mask_is_kept(mrml, volume, segmentation):
    """Segments that overlap where nothing may change still overlap there after both were rewritten elsewhere."""
    over = np.zeros(SHAPE, np.uint8)
    over[5:7, 5:7, 6:14] = 1
    extra = mrml.segmentation(over, volume)
    segmentation.GetSegmentation().CopySegmentFromSegmentation(extra.GetSegmentation(), "S1", False)
    new_id = segmentation.GetSegmentation().GetNthSegmentID(2)
    parameters = mrml.editor(volume, segmentation).GetSegmentEditorNode()
    parameters.SetSourceVolumeIntensityMask(True)
    parameters.SetSourceVolumeIntensityMaskRange(0.0, 0.3)
    new = np.zeros(SHAPE, np.uint8)
    new[:7], new[7:] = 1, 2
    rows = [Segment("S1", 1, id="S1"), Segment("x", 2, id=new_id)]
    labels = Segmentation((new,), rows, volume_from_node(volume).geometry)
    write_segmentation_to_node(labels, segmentation, volume_node=volume, editor=parameters)
    allowed = volume_from_node(volume).array <= 0.3
    after = segmentation_from_node(segmentation, volume)
    masks = {row.id: after.mask(row) for row in after.segments}  # the name of the new one is the id of the first
    assert np.array_equal(masks["S1"], np.where(allowed, new == 1, boxes() == 1))
    assert np.array_equal(masks[new_id], np.where(allowed, new == 2, over != 0))
    newly_taken = allowed & (boxes() != 1) & (over == 0)
    assert np.array_equal(masks["S2"], (boxes() == 2) & ~newly_taken), "where it overlapped before it still does"


def test_mask_without_segment_and_volume_elsewhere_are_refused(mrml, volume, segmentation):
    parameters = mrml.editor(volume, segmentation).GetSegmentEditorNode()
    read = segmentation_from_node(segmentation, volume)
    parameters.SetMaskMode(segmentation.EditAllowedInsideSingleSegment)
    parameters.SetMaskSegmentID("")
    with pytest.raises(InputError, match="no segment is chosen"):
        write_segmentation_to_node(read, segmentation, volume_node=volume, editor=parameters)
    parameters.SetMaskMode(segmentation.EditAllowedEverywhere)
    parameters.SetSourceVolumeIntensityMask(True)
    parameters.SetAndObserveSourceVolumeNode(mrml.volume(np.zeros((4, 4, 4), np.uint8)))
    with pytest.raises(InputError, match="another grid"):
        write_segmentation_to_node(read, segmentation, volume_node=volume, editor=parameters)
    with pytest.raises(InputError, match="needs volume_node"):
        write_segmentation_to_node(read, segmentation, editor=parameters)
