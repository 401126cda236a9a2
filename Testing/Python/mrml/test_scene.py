"""From MRML nodes to the library, against what Slicer's own logics say of the same nodes."""

from __future__ import annotations

import numpy as np
import pytest
from cases import SHAPE, about_the_middle, boxes, placement, turned

from ACSegLib.errors import InputError
from ACSegLib.scene import (
    UNIT_ATTRIBUTE,
    display_unit,
    length_unit,
    segmentation_from_node,
    volume_from_node,
    write_segmentation_to_node,
    write_volume_to_node,
)
from ACSegLib.volume import Geometry, Segmentation, Volume


def test_voxels_lie_where_slicer_puts_them(mrml, volume):
    read = volume_from_node(volume)
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    for index in [(0, 0, 0), (3, 5, 7), (21, 17, 13)]:
        ras = matrix.MultiplyPoint((*map(float, index), 1.0))[:3]
        lps = (read.geometry.ijk_to_lps @ [*index, 1.0])[:3]
        assert lps == pytest.approx([-ras[0], -ras[1], ras[2]])
        assert read.array[index[::-1]] == pytest.approx(volume.GetImageData().GetScalarComponentAsFloat(*index, 0))
    assert read.geometry.spacing == pytest.approx((0.5, 1.0, 2.0))
    assert read.name == "tomogram"


def test_copy_is_independent_and_view_is_not(volume):
    view, copy = volume_from_node(volume), volume_from_node(volume, copy=True)
    volume.GetImageData().SetScalarComponentFromFloat(0, 0, 0, 0, 42.0)
    assert view.array[0, 0, 0] == 42.0
    assert copy.array[0, 0, 0] != 42.0


def test_nothing_to_read_is_said_plainly(mrml):
    empty = mrml.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "hollow")
    with pytest.raises(InputError, match=r"hollow.*no voxels"):
        volume_from_node(empty)
    with pytest.raises(InputError, match="no volume is chosen"):
        volume_from_node(None)
    import vtk

    allocated = vtk.vtkImageData()
    allocated.SetDimensions(2, 2, 2)  # but never given values
    empty.SetAndObserveImageData(allocated)
    with pytest.raises(InputError, match=r"hollow.*no voxels"):
        volume_from_node(empty)
    with pytest.raises(InputError, match="no segmentation is chosen"):
        segmentation_from_node(None, empty)
    colour = mrml.scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photo")
    image = vtk.vtkImageData()
    image.SetDimensions(2, 2, 2)
    image.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 3)
    colour.SetAndObserveImageData(image)
    with pytest.raises(InputError, match="3 channels"):
        volume_from_node(colour)


def test_a_sheared_volume_is_refused_in_a_sentence(mrml):
    """Its voxels are no boxes: surfaces and ratios of them would be wrong without a word."""
    from ACSegLib.scene.read import label_boxes

    sheared = np.array([[1, 0.4, 0], [0, 1, 0], [0, 0, 1]])
    volume = mrml.volume(boxes().astype(np.float32), directions=sheared)
    node = mrml.segmentation(boxes(), volume, ["cytoplasm", "bead"])
    for read in (
        lambda: volume_from_node(volume),
        lambda: segmentation_from_node(node, volume),
        lambda: label_boxes(node, volume),
    ):
        with pytest.raises(InputError, match=r"axes of volume 'tomogram' are not at right angles .* 68\.2 degrees"):
            read()


@pytest.mark.parametrize(
    ("linear", "told"),
    [
        (turned(), ""),
        (np.diag([-1.0, 1.0, 1.0]), ""),
        (np.diag([2.0, 0.5, 1.0]), "stretches it"),
        (np.array([[1, 0.4, 0], [0, 1, 0], [0, 0, 1]]), "stretches it"),
        (np.eye(3) * 2, "changes volumes by a factor of 8"),
    ],
)
def test_a_transform_that_changes_sizes_is_told(mrml, volume, linear, told):
    from ACSegLib.scene.placing import scaling_notes

    matrix = np.eye(4)
    matrix[:3, :3] = linear
    volume.SetAndObserveTransformNodeID(mrml.linear_transform(matrix).GetID())
    notes = scaling_notes(volume)
    assert bool(notes) == bool(told)
    assert told in "".join(notes)


def test_labels_names_and_colours(volume, segmentation):
    segmentation.GetSegmentation().GetSegment("S2").SetColor(0.1, 0.2, 0.3)
    segmentation.GetSegmentation().GetSegment("S2").SetTag("TerminologyEntry", "a~b^c")
    read = segmentation_from_node(segmentation, volume)
    assert np.array_equal(read.labels, boxes())
    assert [(s.id, s.name, s.value) for s in read.segments] == [("S1", "cytoplasm", 1), ("S2", "bead", 2)]
    assert read.segment("bead").colour == pytest.approx((0.1, 0.2, 0.3))
    assert read.segment("bead").terminology == "a~b^c"
    assert read.geometry.matches(volume_from_node(volume).geometry)


def test_only_some_segments(mrml, volume, segmentation):
    some = segmentation_from_node(segmentation, volume, ["S2"])
    assert np.array_equal(some.labels != 0, boxes() == 2)
    assert np.array_equal(segmentation_from_node(segmentation, volume, "S2").labels, some.labels)
    segmentation.GetDisplayNode().SetSegmentVisibility("S2", False)
    seen = segmentation_from_node(segmentation, volume, visible=True)
    assert [s.id for s in seen.segments] == ["S1"]
    assert np.array_equal(seen.labels != 0, boxes() == 1)
    with pytest.raises(InputError, match="no segment 'gone'"):
        segmentation_from_node(segmentation, volume, ["gone"])


def test_segment_without_voxels_has_a_row(volume, segmentation):
    segmentation.GetSegmentation().AddEmptySegment("E", "still empty")
    read = segmentation_from_node(segmentation, volume)
    assert np.array_equal(read.labels, boxes())
    assert not read.mask("still empty").any()


def test_overlapping_segments_take_two_layers(mrml, volume, segmentation):
    import slicer

    over = np.zeros(SHAPE, np.uint8)
    over[5:7, 5:7, 6:14] = 1
    extra = mrml.segmentation(over, volume)
    segmentation.GetSegmentation().CopySegmentFromSegmentation(extra.GetSegmentation(), "S1", False)
    new = segmentation.GetSegmentation().GetNthSegmentID(2)
    assert segmentation.GetSegmentation().GetNumberOfLayers() == 2
    read = segmentation_from_node(segmentation, volume)
    assert read.overlapping
    rows = {row.id: row for row in read.segments}  # the name of the new one is the id of the first
    for identifier, truth in [("S1", boxes() == 1), ("S2", boxes() == 2), (new, over != 0)]:
        assert np.array_equal(read.mask(rows[identifier]), truth)
    back = write_segmentation_to_node(read, volume_node=volume)
    assert isinstance(back, slicer.vtkMRMLSegmentationNode)
    for identifier, truth in [("S1", boxes() == 1), ("S2", boxes() == 2), (new, over != 0)]:
        assert np.array_equal(mrml.segment_array(back, identifier, volume), truth)


def test_layers_that_do_not_overlap_are_merged(mrml, volume, segmentation):
    segmentation.GetSegmentation().SeparateSegmentLabelmap("S2")
    assert segmentation.GetSegmentation().GetNumberOfLayers() == 2
    assert np.array_equal(segmentation_from_node(segmentation, volume).labels, boxes())


def assert_boxes_are_what_is_read(node, volume):
    """Pasted onto the grid, the boxes hold each segment's voxels."""
    from ACSegLib.scene.read import label_boxes
    from ACSegLib.worker.counting import paste_box

    read = segmentation_from_node(node, volume)
    found = label_boxes(node, volume)
    assert {s for box in found for s in box.values} == {s.id for s in read.segments if read.mask(s).any()}
    for box in found:
        on_grid = paste_box(box.labels, box.start, read.shape)
        for identifier, value in box.values.items():
            assert np.array_equal(on_grid == value, read.mask(identifier))


def test_cropped_extent(mrml, volume):
    """A segment drawn in Segment Editor holds its own small box only."""
    import slicer

    from ACSegLib.scene import grid

    node = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    image = grid.oriented_image(np.ones((2, 3, 4), np.uint8), grid.volume_matrix(volume), (5, 6, 7))
    node.GetSegmentation().AddEmptySegment("S1", "S1")
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, node, "S1")
    truth = np.zeros(SHAPE, bool)
    truth[7:9, 6:9, 5:9] = True
    assert_boxes_are_what_is_read(node, volume)
    assert np.array_equal(segmentation_from_node(node, volume).labels != 0, truth)


def test_box_that_sticks_out_of_the_volume(mrml, volume):
    import slicer

    from ACSegLib.scene import grid

    node = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    image = grid.oriented_image(np.ones((30, 3, 4), np.uint8), grid.volume_matrix(volume), (20, 6, -8))
    node.GetSegmentation().AddEmptySegment("S1", "S1")
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, node, "S1")
    truth = np.zeros(SHAPE, bool)
    truth[:, 6:9, 20:] = True
    assert_boxes_are_what_is_read(node, volume)
    assert np.array_equal(segmentation_from_node(node, volume).labels != 0, truth)


def test_boxes_of_labels_are_what_is_read(mrml, volume, segmentation):
    """As they are stored, or resampled where they lie on another grid."""
    assert_boxes_are_what_is_read(segmentation, volume)
    segmentation.SetAndObserveTransformNodeID(mrml.linear_transform(about_the_middle(volume, 20.0)).GetID())
    assert_boxes_are_what_is_read(segmentation, volume)


@pytest.mark.parametrize("degrees", [0.0, 25.0])
def test_transforms_of_both_nodes_are_accounted_for(mrml, volume, segmentation, degrees):
    """Moving volume and segmentation together changes nothing; moving one agrees with Slicer's own export."""
    move = mrml.linear_transform(about_the_middle(volume, degrees))
    volume.SetAndObserveTransformNodeID(move.GetID())
    segmentation.SetAndObserveTransformNodeID(move.GetID())
    assert np.array_equal(segmentation_from_node(segmentation, volume).labels, boxes())

    segmentation.SetAndObserveTransformNodeID(None)
    mine = segmentation_from_node(segmentation, volume)
    for identifier in ("S1", "S2"):
        theirs = mrml.segment_array(segmentation, identifier, volume)
        assert theirs.any()
        assert np.mean(mine.mask(identifier) != theirs) < 0.002, identifier


def test_whole_voxel_transform_is_exact(mrml, volume, segmentation):
    step = np.array(volume_from_node(volume).geometry.ijk_to_lps[:3, :3] @ [2.0, -1.0, 1.0]) * [-1, -1, 1]
    segmentation.SetAndObserveTransformNodeID(mrml.linear_transform(placement(step)).GetID())
    assert np.array_equal(segmentation_from_node(segmentation, volume).labels, np.roll(boxes(), (1, -1, 2), (0, 1, 2)))


def test_nonlinear_transform(mrml):
    """Shared by both nodes it changes nothing; on the segmentation alone the labels move by what it says."""
    volume = mrml.volume(np.zeros((20, 24, 28), np.float32), origin=(-14.0, -12.0, -10.0))
    labels = boxes((20, 24, 28))
    node = mrml.segmentation(labels, volume)
    bend = mrml.bent_transform((4.0, 0.0, 0.0))
    node.SetAndObserveTransformNodeID(bend.GetID())
    moved = segmentation_from_node(node, volume).labels
    assert np.mean(moved != np.roll(labels, 4, axis=2)) < 0.02
    assert np.mean(moved != labels) > 0.03
    volume.SetAndObserveTransformNodeID(bend.GetID())
    assert np.array_equal(segmentation_from_node(node, volume).labels, labels)


def test_labels_on_another_grid_are_resampled(mrml):
    """Labels drawn on a grid of half the voxel size cover the same box."""
    fine = mrml.volume(np.zeros((20, 20, 20), np.uint8), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    coarse = mrml.volume(np.zeros((10, 10, 10), np.uint8), origin=(0.5, 0.5, 0.5))
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[4:12, 6:10, 2:18] = 1
    truth = np.zeros((10, 10, 10), bool)
    truth[2:6, 3:5, 1:9] = True
    assert np.array_equal(segmentation_from_node(mrml.segmentation(labels, fine), coarse).labels != 0, truth)


@pytest.mark.parametrize("degrees", [0.0, 25.0])
def test_what_a_volume_cuts_off_is_told(mrml, volume, segmentation, degrees):
    """Labels that are moved along i by five voxels, and turned, with the share that Slicer's own export loses."""
    from ACSegLib.scene.placing import placement_notes

    assert placement_notes(segmentation, volume) == []
    step = np.array(volume_from_node(volume).geometry.ijk_to_lps[:3, :3] @ [-7.0, 0.0, 0.0]) * [-1, -1, 1]
    move = placement(step) @ about_the_middle(volume, degrees, (0.0, 0.0, 0.0))
    segmentation.SetAndObserveTransformNodeID(mrml.linear_transform(move).GetID())
    notes = placement_notes(segmentation, volume)
    kept = sum(np.count_nonzero(mrml.segment_array(segmentation, s, volume)) for s in ("S1", "S2"))
    lost = 100 * (1 - kept / np.count_nonzero(boxes()))
    assert lost > 3
    assert float(notes[0].split(" %")[0]) == pytest.approx(lost, abs=1.5)
    assert [("another grid" in note) for note in notes[1:]] == [True] * (degrees > 0)


def test_surface_segmentation_is_converted_in_a_copy(mrml):
    import vtk

    volume = mrml.volume(np.zeros((30, 30, 30), np.uint8), origin=(-15.0, -15.0, -15.0))
    node = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mesh")
    node.SetSourceRepresentationToClosedSurface()
    ball = vtk.vtkSphereSource()
    ball.SetRadius(9.0)
    ball.SetPhiResolution(40)
    ball.SetThetaResolution(40)
    ball.Update()
    node.AddSegmentFromClosedSurfaceRepresentation(ball.GetOutput(), "ball", [1, 0, 0])
    read = segmentation_from_node(node, volume)
    assert int((read.labels != 0).sum()) == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.03)
    assert not node.GetSegmentation().ContainsRepresentation("Binary labelmap")
    with pytest.raises(InputError, match="Closed surface"):
        write_segmentation_to_node(read, node, volume_node=volume)


def test_surfaces_are_read_apart_and_where_they_overlap(mrml):
    """A converted copy shares an image among segments, and clears it with its own end."""
    import vtk

    volume = mrml.volume(np.zeros((40, 40, 40), np.uint8), origin=(-20.0, -20.0, -20.0))
    node = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "mesh")
    node.SetSourceRepresentationToClosedSurface()
    spheres = {"one": (6.0, -9.0), "two": (7.0, 9.0), "across": (5.0, 4.0)}
    for name, (radius, place) in spheres.items():
        ball = vtk.vtkSphereSource()
        ball.SetRadius(radius)
        ball.SetCenter(place, 0.0, 0.0)
        ball.SetPhiResolution(40)
        ball.SetThetaResolution(40)
        ball.Update()
        node.AddSegmentFromClosedSurfaceRepresentation(ball.GetOutput(), name, [1, 0, 0], name)
    read = segmentation_from_node(node, volume)
    for name, (radius, _place) in spheres.items():
        assert np.count_nonzero(read.mask(name)) == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.1)


def test_units(mrml, volume):
    assert (display_unit(mrml.scene), length_unit(volume)) == ("mm", "mm")
    unit = mrml.scene.GetNodeByID(mrml.scene.GetNodeByID("vtkMRMLSelectionNodeSingleton").GetUnitNodeID("length"))
    unit.SetSuffix("nm")  # a scene whose numbers are nanometres
    assert (display_unit(mrml.scene), length_unit(volume)) == ("nm", "nm")
    unit.SetSuffix("\u00b5m")  # Slicer's own micrometre: shows a thousand times the millimetres that are stored
    unit.SetDisplayCoefficient(1000.0)
    assert (display_unit(mrml.scene), length_unit(volume)) == ("um", "mm")
    volume.SetAttribute(UNIT_ATTRIBUTE, "nm")
    assert volume_from_node(volume).geometry.unit == "nm"
    volume.SetAttribute(UNIT_ATTRIBUTE, "furlong")
    with pytest.raises(InputError, match="furlong"):
        volume_from_node(volume)


def test_new_nodes_keep_the_unit(mrml):
    """A volume in nanometres keeps its numbers in a scene in millimetres, and comes back in nanometres."""
    geometry = Geometry((32.0, 32.0, 64.0), (100.0, -200.0, 300.0), unit="nm")
    node = write_volume_to_node(Volume(np.ones(SHAPE, np.float32), geometry, "sim"), scene=mrml.scene)
    assert node.GetSpacing() == pytest.approx((32.0, 32.0, 64.0))
    assert volume_from_node(node).geometry == geometry
    labels = Segmentation.from_labels(boxes(), geometry, {1: "cell", 2: "bead"})
    assert segmentation_from_node(write_segmentation_to_node(labels, volume_node=node), node).geometry == geometry


@pytest.mark.parametrize(
    ("high", "kind", "values"),
    [
        (3, np.uint8, {1: 1, 2: 2, 3: 3}),
        (3, np.uint8, {1: 1, 2: 2, 3: 3, 7: 7}),
        (3, np.uint8, {1: 1, 3: 3}),
        (3, np.uint8, {1: 300, 2: 1}),
        (9, np.int16, {n: 10 - n for n in range(1, 10)}),
        (9, np.int32, {-2: 1, 0: 2, 9: 3}),
        (1 << 22, np.int32, {1 << 22: 5, 2: 1}),
    ],
)
def test_labels_are_replaced_one_by_one(high, kind, values):
    """Every short cut gives what the definition says, in an array of its own."""
    from ACSegLib.scene.grid import relabelled

    labels = np.random.default_rng(1).integers(-2 if kind == np.int32 else 0, high + 1, (5, 6, 7)).astype(kind)
    labels[0, 0, :2] = [high, 2]
    found = relabelled(labels, values)
    assert found.tolist() == [[[values.get(v, 0) for v in row] for row in plane] for plane in labels.tolist()]
    assert not np.shares_memory(found, labels)
    assert found.dtype == (np.int16 if max(values.values()) > 255 else np.uint8)


def test_a_file_that_slicer_has_cropped_tells_where_its_image_ends(mrml, volume, segmentation, tmp_path):
    """Its cells do not touch the border of the volume, and a comparison counts what lies beyond it."""
    import slicer

    from ACSegLib import measure, open
    from ACSegLib.scene import segmentation_from_node

    storage = slicer.vtkMRMLSegmentationStorageNode()
    mrml.scene.AddNode(storage)
    storage.SetCropToMinimumExtent(True)
    storage.SetFileName(str(tmp_path / "cropped.seg.nrrd"))
    assert storage.WriteData(segmentation) == 1
    found, whole = open(tmp_path / "cropped.seg.nrrd"), segmentation_from_node(segmentation, volume)
    assert found.meta["reference_extent"] == tuple(n for size in whole.shape[::-1] for n in (0, size - 1))
    assert found.shape != whole.shape
    rows = [measure(labels, table_unit="px", cells=False, thin_structures=False) for labels in (found, whole)]
    assert [row["touches_border"] for row in rows[0]] == [row["touches_border"] for row in rows[1]]
    assert [row["voxels"] for row in rows[0]] == [row["voxels"] for row in rows[1]]
