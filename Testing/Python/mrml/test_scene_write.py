"""From the library to MRML nodes, against what Slicer's own logics say of the same nodes."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pytest
from cases import SHAPE, about_the_middle, boxes, crowd, placement, turned

import ACSegLib as acseg
from ACSegLib.errors import InputError
from ACSegLib.scene import (
    segmentation_from_node,
    volume_from_node,
    write_segmentation_to_node,
    write_volume_to_node,
)
from ACSegLib.segment_estimates import Interval, SegmentEstimate, volume_intervals, with_volume_intervals
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume


def test_new_node_by_slicers_own_export(mrml, volume):
    place = mrml.linear_transform(placement(degrees=40.0))
    volume.SetAndObserveTransformNodeID(place.GetID())
    rows = [Segment("cytoplasm", 7, (0.1, 0.2, 0.3), id="cyto", terminology="x~y"), Segment("bead", 9, (0.9, 0, 0))]
    labels = np.choose(boxes(), [0, 7, 9]).astype(np.uint16)
    geometry = volume_from_node(volume).geometry
    node = write_segmentation_to_node(Segmentation((labels,), rows, geometry, "filled"), volume_node=volume)
    table = node.GetSegmentation()
    assert node.GetName() == "filled"
    assert [table.GetSegment(s).GetName() for s in table.GetSegmentIDs()] == ["cytoplasm", "bead"]
    assert table.GetSegment("cyto").GetColor() == pytest.approx((0.1, 0.2, 0.3))
    assert table.GetSegment("cyto").GetTerminology() == "x~y"
    assert node.GetParentTransformNode() is place
    assert node.GetNodeReference("referenceImageGeometryRef") is volume
    assert table.GetNumberOfLayers() == 1
    for identifier, value in (("cyto", 1), (rows[1].id, 2)):
        assert np.array_equal(mrml.segment_array(node, identifier, volume), boxes() == value)


def test_result_lands_on_the_volume_under_another_transform(mrml, volume, segmentation):
    """Written into a node that hangs under a transform of its own, the voxels still lie on the image."""
    segmentation.SetAndObserveTransformNodeID(mrml.linear_transform(about_the_middle(volume, 33.0)).GetID())
    truth = Segmentation.from_labels(boxes(), volume_from_node(volume).geometry, {1: "cytoplasm", 2: "bead"})
    write_segmentation_to_node(truth, segmentation, volume_node=volume)
    assert np.array_equal(segmentation_from_node(segmentation, volume).labels, boxes())
    for identifier, value in (("S1", 1), ("S2", 2)):
        theirs = mrml.segment_array(segmentation, identifier, volume)
        assert np.mean(theirs != (boxes() == value)) < 0.01


def test_result_through_a_nonlinear_transform(mrml):
    volume = mrml.volume(np.zeros((20, 24, 28), np.float32), origin=(-14.0, -12.0, -10.0))
    node = mrml.segmentation(boxes((20, 24, 28)), volume)
    node.SetAndObserveTransformNodeID(mrml.bent_transform((4.0, 0.0, 0.0)).GetID())
    truth = Segmentation.from_labels(boxes((20, 24, 28)), volume_from_node(volume).geometry, {1: "S1", 2: "S2"})
    write_segmentation_to_node(truth, node, volume_node=volume)
    assert np.mean(segmentation_from_node(node, volume).labels != truth.labels) < 0.02


def test_existing_node_keeps_what_is_its_own(mrml, volume, segmentation):
    table, display = segmentation.GetSegmentation(), segmentation.GetDisplayNode()
    table.GetSegment("S1").SetColor(0.3, 0.6, 0.9)
    table.GetSegment("S1").SetTag("TerminologyEntry", "kept")
    display.SetSegmentOpacity3D("S1", 0.25)
    display.SetSegmentVisibility("S2", False)
    segmentation.SetNodeReferenceID("favourite", volume.GetID())
    read = segmentation_from_node(segmentation, volume)
    read.segments[0] = dataclasses.replace(read.segments[0], name="renamed", colour=(0, 0, 0), terminology="other")
    back = write_segmentation_to_node(read.with_labels(np.roll(boxes(), 1, 0)), segmentation, volume_node=volume)
    assert back is segmentation
    assert segmentation.GetDisplayNode() is display
    assert display.GetSegmentOpacity3D("S1") == 0.25
    assert not display.GetSegmentVisibility("S2")
    assert segmentation.GetNodeReference("favourite") is volume
    assert table.GetSegmentIDs() == ("S1", "S2")
    assert table.GetSegment("S1").GetName() == "cytoplasm"
    assert table.GetSegment("S1").GetColor() == pytest.approx((0.3, 0.6, 0.9))
    assert table.GetSegment("S1").GetTerminology() == "kept"
    assert np.array_equal(mrml.segment_array(segmentation, "S2", volume), np.roll(boxes(), 1, 0) == 2)


def test_rows_find_their_segments_by_name(volume, segmentation):
    """A prediction knows the names of its classes, not the ids of the scene; an unknown name becomes a new segment."""
    rows = {1: "bead", 2: "nucleus"}
    labels = Segmentation.from_labels(boxes(), volume_from_node(volume).geometry, rows)
    write_segmentation_to_node(labels, segmentation, volume_node=volume)
    read = segmentation_from_node(segmentation, volume)
    assert [s.name for s in read.segments] == ["cytoplasm", "bead", "nucleus"]
    assert np.array_equal(read.mask("bead"), boxes() == 1)
    assert np.array_equal(read.mask("nucleus"), boxes() == 2)
    assert np.array_equal(read.mask("cytoplasm"), boxes() == 1)  # not written: stays, and overlaps


def test_only_named_rows_are_written(volume, segmentation):
    read = segmentation_from_node(segmentation, volume)
    changed = read.with_labels(np.roll(boxes(), 2, 1))
    write_segmentation_to_node(changed, segmentation, volume_node=volume, segment_ids=["S2"])
    after = segmentation_from_node(segmentation, volume)
    assert np.array_equal(after.mask("S1"), boxes() == 1)
    assert np.array_equal(after.mask("S2"), np.roll(boxes(), 2, 1) == 2)


def test_voxels_outside_the_volume_survive(mrml, volume):
    """A volume cropped after drawing: what lies beyond its grid is not the fill's to erase."""
    import slicer

    from ACSegLib.scene import grid

    node = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    matrix = grid.volume_matrix(volume)
    image = grid.oriented_image(np.ones((30, 3, 4), np.uint8), matrix, (20, 6, -8))
    node.GetSegmentation().AddEmptySegment("S1", "S1")
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, node, "S1")
    new = np.zeros(SHAPE, np.uint8)
    new[2:4, 2:4, 2:4] = 1
    labels = Segmentation((new,), [Segment("S1", 1, id="S1")], volume_from_node(volume).geometry)
    write_segmentation_to_node(labels, node, volume_node=volume)
    wide = mrml.volume(np.zeros((40, 40, 60), np.uint8))
    shifted = matrix.copy()
    shifted[:3, 3] = (matrix @ [-10, -10, -10, 1])[:3]
    wide.SetIJKToRASMatrix(slicer.util.vtkMatrixFromArray(shifted))
    truth = np.zeros((40, 40, 60), bool)
    truth[2:32, 16:19, 30:34] = True
    truth[10:24, 10:28, 10:32] = False
    truth[12:14, 12:14, 12:14] = True
    assert np.array_equal(segmentation_from_node(node, wide).labels != 0, truth)


def test_world_labels_without_a_volume(mrml):
    """A file's labels, without their image, lie in the world; a volume read from the same file fits them."""
    geometry = Geometry((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), tuple(turned(15.0).ravel()), "mm")
    node = write_segmentation_to_node(Segmentation.from_labels(boxes(), geometry), scene=mrml.scene)
    volume = write_volume_to_node(Volume(np.zeros(SHAPE, np.uint8), geometry), scene=mrml.scene)
    assert np.array_equal(mrml.segment_array(node, "Segment_2", volume), boxes() == 2)


def test_wrong_grid_is_refused_before_anything_changes(volume, segmentation):
    saved = []
    labels = Segmentation.from_labels(boxes()[:-1], volume_from_node(volume).geometry, {1: "a", 2: "b"})
    with pytest.raises(InputError, match="not on the grid"):
        write_segmentation_to_node(labels, segmentation, volume_node=volume, save_state=lambda: saved.append(1))
    assert not saved
    assert segmentation.GetSegmentation().GetNumberOfSegments() == 2


def test_a_wrong_node_is_refused(volume, segmentation):
    labels = segmentation_from_node(segmentation, volume)
    with pytest.raises(InputError, match="a volume node is needed, not vtkMRMLSegmentationNode"):
        write_segmentation_to_node(labels, volume_node=segmentation)
    with pytest.raises(InputError, match="a volume node is needed, not vtkMRMLSegmentationNode"):
        write_volume_to_node(volume_from_node(volume), segmentation)
    with pytest.raises(InputError, match="not the Slicer node vtkMRMLSegmentationNode; use ACSegLogic"):
        acseg.split(segmentation)


def test_surface_is_remade(mrml, volume, segmentation):
    assert segmentation.CreateClosedSurfaceRepresentation()
    import vtk

    surface = vtk.vtkPolyData()
    read = segmentation_from_node(segmentation, volume)
    write_segmentation_to_node(read.with_labels(np.roll(boxes(), 3, 2)), segmentation, volume_node=volume)
    assert segmentation.GetClosedSurfaceRepresentation("S1", surface)
    indices = np.argwhere(np.roll(boxes(), 3, 2) == 1)[:, ::-1]
    middle = (volume_from_node(volume).geometry.ijk_to_lps @ [*indices.mean(axis=0), 1.0])[:3] * [-1, -1, 1]
    assert np.reshape(surface.GetBounds(), (3, 2)).mean(axis=1) == pytest.approx(middle, abs=0.3)


def test_three_hundred_segments_share_one_image(mrml):
    """One import, not three hundred; rewriting them all is one change too."""
    labels = np.zeros((20, 30, 60), np.int16)
    labels[:, :, :] = 1 + np.arange(20)[:, None, None] // 4 * 60 + np.arange(30)[:, None] // 5 * 10 + np.arange(60) // 6
    assert labels.max() == 300
    volume = mrml.volume(np.zeros(labels.shape, np.uint8))
    geometry = volume_from_node(volume).geometry
    changes = []
    node = write_segmentation_to_node(Segmentation.from_labels(labels, geometry), volume_node=volume)
    table = node.GetSegmentation()
    assert (table.GetNumberOfSegments(), table.GetNumberOfLayers()) == (300, 1)
    assert np.array_equal(segmentation_from_node(node, volume).labels, labels)
    table.AddObserver(table.SourceRepresentationModified, lambda *_: changes.append(1))
    turned_labels = labels[::-1]
    write_segmentation_to_node(Segmentation.from_labels(turned_labels, geometry), node, volume_node=volume)
    assert len(changes) == 1
    assert table.GetNumberOfLayers() == 1
    assert np.array_equal(segmentation_from_node(node, volume).labels, turned_labels)
    assert np.array_equal(mrml.segment_array(node, "Segment_299", volume), turned_labels == 299)


def test_repeated_writes_of_single_segments_share_layers(mrml, volume):
    """Writing segments one after the other does not heap up one image a segment."""
    node = mrml.segmentation(crowd(), volume)
    read = segmentation_from_node(node, volume)
    for identifier in ("S1", "S2", "S3", "S4"):
        write_segmentation_to_node(read, node, volume_node=volume, segment_ids=[identifier])
    assert np.array_equal(segmentation_from_node(node, volume).labels, crowd())
    assert node.GetSegmentation().GetNumberOfLayers() == 1


def test_seg_nrrd_round_trip(mrml, volume, segmentation, tmp_path):
    """Written by Slicer's storage node, read again, with names, colours and voxels in place."""
    read = segmentation_from_node(segmentation, volume)
    node = write_segmentation_to_node(read, volume_node=volume)
    path = str(tmp_path / "labels.seg.nrrd")
    store = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationStorageNode")
    store.SetFileName(path)
    assert store.WriteData(node)
    again = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    assert store.ReadData(again)
    back = segmentation_from_node(again, volume)
    assert np.array_equal(back.labels, boxes())
    assert [s.name for s in back.segments] == ["cytoplasm", "bead"]
    assert back.segments[1].colour == pytest.approx(read.segments[1].colour, abs=0.005)


def test_scene_bundle_round_trip(mrml, volume, segmentation, tmp_path):
    """Saved with the scene as .mrb and loaded into an empty one: labels, names and transform are as before."""
    import slicer

    place = mrml.linear_transform(placement(degrees=20.0))
    for node in (volume, segmentation):
        node.SetAndObserveTransformNodeID(place.GetID())
    read = segmentation_from_node(segmentation, volume)
    write_segmentation_to_node(read.with_labels(np.roll(boxes(), 1, 2)), segmentation, volume_node=volume)
    path = tmp_path / "scene.mrb"
    assert mrml.write_bundle(path)
    other = type(mrml)(tmp_path / "other")
    assert other.read_bundle(path)
    back_volume = other.scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode")
    back_node = other.scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    assert isinstance(back_node.GetParentTransformNode(), slicer.vtkMRMLLinearTransformNode)
    back = segmentation_from_node(back_node, back_volume)
    assert np.array_equal(back.labels, np.roll(boxes(), 1, 2))
    assert [s.name for s in back.segments] == ["cytoplasm", "bead"]
    assert np.array_equal(volume_from_node(back_volume).array, volume_from_node(volume).array)


def test_subject_hierarchy_parent(mrml, volume, segmentation):
    """A result goes into the folder of its volume."""
    import slicer

    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(mrml.scene)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "cell 7")
    hierarchy.CreateItem(folder, volume)
    read = segmentation_from_node(segmentation, volume)
    node = write_segmentation_to_node(read, volume_node=volume)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == folder
    other = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "sorted by hand")
    hierarchy.SetItemParent(hierarchy.GetItemByDataNode(node), other)
    write_segmentation_to_node(read, node, volume_node=volume)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == other


def test_the_interval_of_a_volume_goes_to_the_node_and_back_and_leaves_with_other_labels(mrml, volume, segmentation):
    labels = Segmentation.from_labels(boxes(), volume_from_node(volume).geometry, {1: "cytoplasm", 2: "bead"})
    labels = replace(labels, segments=[replace(s, id=f"S{s.value}") for s in labels.segments])
    count = float(np.count_nonzero(boxes() == 1))
    expected = [SegmentEstimate("cytoplasm", Interval(0.9, 0.8, 1.0), Interval(count, count - 9, count + 9), True)]
    known = with_volume_intervals(
        labels,
        expected,
        "fill",
    )
    write_segmentation_to_node(known, segmentation, volume_node=volume)
    assert list(volume_intervals(segmentation_from_node(segmentation, volume))[0]) == ["S1"]
    write_segmentation_to_node(labels, segmentation, volume_node=volume)
    assert volume_intervals(segmentation_from_node(segmentation, volume)) == ({}, [])
