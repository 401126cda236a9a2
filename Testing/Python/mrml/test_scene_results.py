"""Results in a node of their own: a later one takes the place of an earlier one, and of nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from cases import SHAPE, boxes

from ACSegLib.errors import InputError
from ACSegLib.scene import segmentation_from_node, volume_from_node, write_result_to_node
from ACSegLib.volume import Geometry, Segmentation

CELL = np.uint8(boxes() == 1)


def result(volume, labels, *names):
    return Segmentation.from_labels(labels, volume_from_node(volume).geometry, dict(enumerate(names, start=1)))


def held(mrml, node, volume):
    """Name of each segment -> its voxels, by Slicer's own export."""
    table = node.GetSegmentation()
    return {table.GetSegment(s).GetName(): mrml.segment_array(node, s, volume) for s in table.GetSegmentIDs()}


def test_a_model_with_other_classes_leaves_nothing_of_the_first(mrml, volume):
    """Ids of predicted segments are made of their values: the same id is the nucleus of one and the cell of another."""
    node = write_result_to_node(result(volume, boxes(), "cytoplasm", "bead"), None, volume_node=volume, name="out")
    nucleus = np.uint8(boxes() == 2)
    same = write_result_to_node(result(volume, nucleus, "nucleus"), node, volume_node=volume, name="out")
    assert same is node
    found = held(mrml, node, volume)
    assert list(found) == ["nucleus"]
    assert np.array_equal(found["nucleus"], nucleus != 0)


def test_a_segment_of_the_same_name_keeps_its_look_and_none_of_its_voxels(mrml, volume):
    """The second volume lies elsewhere, where the first result would otherwise stay beside the second."""
    node = write_result_to_node(result(volume, CELL, "cytoplasm"), None, volume_node=volume, name="out")
    (identifier,) = node.GetSegmentation().GetSegmentIDs()
    node.GetSegmentation().GetSegment(identifier).SetColor(1.0, 0.0, 0.0)
    node.CreateClosedSurfaceRepresentation()
    second = mrml.volume(np.zeros(SHAPE, np.float32), origin=(500.0, 0.0, 0.0))
    write_result_to_node(result(second, CELL, "cytoplasm"), node, volume_node=second, name="out")
    assert list(node.GetSegmentation().GetSegmentIDs()) == [identifier]
    assert node.GetSegmentation().GetSegment(identifier).GetColor() == (1.0, 0.0, 0.0)
    assert node.GetNodeReference("referenceImageGeometryRef") is second
    assert node.GetSegmentation().ContainsRepresentation("Closed surface")
    assert np.array_equal(segmentation_from_node(node, second).labels, CELL)
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)
    assert bounds[0] > 400, "nothing is left where the first volume lies"


def test_segments_of_the_user_stay_whatever_their_ids(mrml, volume, segmentation):
    both = result(volume, boxes(), "bead", "glass")
    node = write_result_to_node(both, segmentation, volume_node=volume, name="out")
    table = node.GetSegmentation()
    table.GetSegment("S1").SetName("drawn by hand")
    write_result_to_node(result(volume, CELL, "membrane"), node, volume_node=volume, name="out")
    found = held(mrml, node, volume)
    assert set(found) == {"drawn by hand", "membrane"}
    assert np.array_equal(found["drawn by hand"], boxes() == 1)


def test_an_id_that_the_user_has_for_something_else_is_not_taken(mrml, volume, segmentation):
    table = segmentation.GetSegmentation()
    table.GetSegment("S1").SetName("mine")
    rows = result(volume, boxes(), "theirs", "bead")
    rows.segments[0].id = "S1"
    write_result_to_node(rows, segmentation, volume_node=volume, name="out")
    found = held(mrml, segmentation, volume)
    assert set(found) == {"mine", "bead", "theirs"}
    assert np.array_equal(found["mine"], boxes() == 1)


def test_a_result_that_does_not_fit_harms_nothing(volume):
    node = write_result_to_node(result(volume, CELL, "cytoplasm"), None, volume_node=volume, name="out")
    wrong = Segmentation.from_labels(np.ones((2, 2, 2), np.uint8), Geometry(), {1: "nucleus"})
    with pytest.raises(InputError, match="not on the grid"):
        write_result_to_node(wrong, node, volume_node=volume, name="out")
    assert segmentation_from_node(node, volume).segments[0].name == "cytoplasm"
    assert np.array_equal(segmentation_from_node(node, volume).labels, CELL)
