"""Boxes of voxels from Slicer's ROIs, against what the ROI itself says of each voxel's centre."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ACSegLib.errors import InputError
from ACSegLib.scene.roi import box_of_roi, centre_roi

SHAPE = (9, 11, 13)


@pytest.fixture
def roi(mrml):
    return mrml.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "around the cell")


def matrix_node(mrml, matrix):
    import slicer

    node = mrml.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(matrix))
    return node


def place(roi, centre, size):
    roi.SetCenter(*centre)
    roi.SetSize(*size)


def inside(roi, volume):
    """Voxels (k, j, i) whose centres the ROI says are inside, in world coordinates."""
    import slicer
    import vtk

    matrix, shape = vtk.vtkMatrix4x4(), volume.GetImageData().GetDimensions()[::-1]
    volume.GetIJKToRASMatrix(matrix)
    world = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(volume.GetParentTransformNode(), None, world)
    found = np.zeros(shape, bool)
    for k, j, i in np.ndindex(shape):
        point = world.TransformPoint(matrix.MultiplyPoint((i, j, k, 1))[:3])
        found[k, j, i] = roi.IsPointInROIWorld(point)
    return found


def as_mask(box, shape):
    i0, i1, j0, j1, k0, k1 = box
    mask = np.zeros(shape, bool)
    mask[k0:k1, j0:j1, i0:i1] = True
    return mask


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
@pytest.mark.parametrize("moved", ["none", "both", "volume", "roi"])
def test_an_roi_along_the_voxels_gives_the_voxels_inside(mrml, roi, order, moved):
    directions = np.eye(3)[:, list(order)] * [1, -1, 1]
    volume = mrml.volume(np.zeros(SHAPE, np.float32), (0.5, 1.0, 2.0), (3.0, -4.0, 5.0), directions)
    middle = directions * [0.5, 1.0, 2.0] @ [6.2, 5.3, 4.1] + [3.0, -4.0, 5.0]
    place(roi, middle, np.abs(directions * [0.5, 1.0, 2.0] @ [7.0, 5.0, 4.0]))
    shift = np.eye(4)
    shift[:3, 3] = [0.6, -0.9, 1.3]
    transform = matrix_node(mrml, shift)
    for name, node in (("volume", volume), ("roi", roi)):
        if moved in (name, "both"):
            node.SetAndObserveTransformNodeID(transform.GetID())
    found = box_of_roi(roi, volume)
    assert not found.turned
    truth = inside(roi, volume)
    assert truth.any()
    assert np.array_equal(as_mask(found.box, SHAPE), truth)


def test_a_turned_roi_gives_the_smallest_box_around_it(mrml, roi):
    volume = mrml.volume(np.zeros((30, 30, 30), np.float32))
    place(roi, (15.0, 15.0, 15.0), (12.0, 8.0, 6.0))
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    turn[:3, 3] = [15, 15, 15] - turn[:3, :3] @ [15, 15, 15]
    roi.SetAndObserveTransformNodeID(matrix_node(mrml, turn).GetID())
    found = box_of_roi(roi, volume)
    assert found.turned
    truth = inside(roi, volume)
    box = as_mask(found.box, truth.shape)
    assert box[truth].all()
    for axis in range(3):
        ends = [set(np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))) for mask in (box, truth)]
        assert len(ends[0] - ends[1]) <= 2, "no wider than the ROI, but for a corner between two voxels"


def test_a_new_roi_is_put_into_the_middle_of_the_volume(mrml, roi):
    turned = Rotation.from_euler("xyz", [20, 30, 40], degrees=True).as_matrix()
    volume = mrml.volume(np.zeros((20, 40, 60), np.float32), (0.5, 1.0, 2.0), (3.0, -4.0, 5.0), turned)
    volume.SetAndObserveTransformNodeID(matrix_node(mrml, np.diag([2.0, 2.0, 2.0, 1.0])).GetID())
    centre_roi(roi, volume)
    found = box_of_roi(roi, volume)
    assert not found.turned
    assert found.box == (15, 45, 10, 30, 5, 15)


def test_boxes_without_voxels_are_refused(mrml, roi):
    volume = mrml.volume(np.zeros(SHAPE, np.float32))
    with pytest.raises(InputError, match="'around the cell' has no size"):
        box_of_roi(roi, volume)
    place(roi, (100.0, 5.0, 5.0), (4.0, 4.0, 4.0))
    with pytest.raises(InputError, match="holds no voxel of volume 'tomogram'"):
        box_of_roi(roi, volume)


def test_a_bent_way_between_roi_and_volume_is_refused(mrml, roi):
    import vtk

    volume = mrml.volume(np.zeros(SHAPE, np.float32))
    place(roi, (5.0, 5.0, 5.0), (4.0, 4.0, 4.0))
    bent = vtk.vtkThinPlateSplineTransform()
    bent.SetBasisToR()
    for points, shift in ((vtk.vtkPoints(), 0.0), (vtk.vtkPoints(), 1.0)):
        for n, corner in enumerate(np.ndindex(2, 2, 2)):
            points.InsertNextPoint(*(np.array(corner) * 10.0 + (shift if n == 3 else 0)))
        (bent.SetTargetLandmarks if shift else bent.SetSourceLandmarks)(points)
    node = mrml.scene.AddNewNodeByClass("vtkMRMLTransformNode")
    node.SetAndObserveTransformToParent(bent)
    volume.SetAndObserveTransformNodeID(node.GetID())
    with pytest.raises(InputError, match="not linear"):
        box_of_roi(roi, volume)


def as_region(roi):
    """The numbers that Slicer gives a CLI module: in LPS, without the parent's transform; axes of a turned ROI alone.

    After vtkMRMLMarkupsROINode::WriteCLI.
    """
    flip = np.array([-1.0, -1.0, 1.0])
    centre, axes = np.zeros(3), np.zeros((3, 3))
    roi.GetCenter(centre)
    for n in range(3):
        axis = np.zeros(3)
        roi.GetAxis(n, axis)
        axes[:, n] = axis * flip
    turned = not np.allclose(axes * flip[:, None], np.eye(3), atol=1e-3)
    numbers = [*(centre * flip), *(np.array(roi.GetSize()) / 2)]
    return [f"{n:.6g}" for n in (*numbers, *(axes.ravel() if turned else ()))]


@pytest.mark.parametrize("turn", [0.0, 30.0])
def test_the_region_of_a_command_line_is_the_roi_in_the_scene(mrml, roi, turn):
    from ACSegLib.scene import volume_from_node
    from ACSegLib.voxel_boxes import box_of_region

    directions = np.eye(3)[:, [2, 0, 1]] * [1, -1, 1]
    node = mrml.volume(np.zeros(SHAPE, np.float32), (0.5, 1.0, 2.0), (3.0, -4.0, 5.0), directions)
    centre_roi(roi, node, 0.6)
    if turn:
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_euler("zx", [turn, 10.0], degrees=True).as_matrix()
        centre = np.zeros(3)
        roi.GetCenter(centre)
        matrix[:3, 3] = centre - matrix[:3, :3] @ centre
        roi.ApplyTransformMatrix(__import__("slicer").util.vtkMatrixFromArray(matrix))
    volume = volume_from_node(node)
    region = [float(n) for n in as_region(roi)]
    found = box_of_region(region, volume.geometry, volume.shape)
    assert found == box_of_roi(roi, node)
    assert found.turned == bool(turn)
    mask = inside(roi, node)
    assert mask.any()
    box = as_mask(found.box, SHAPE)
    assert not (mask & ~box).any()
    assert turn or np.array_equal(mask, box)


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        ([1.0] * 5, "6 numbers"),
        ([0, 0, 0, 1, 0, 1], "above 0"),
        ([100, 0, 0, 1, 1, 1], "holds no voxel"),
        ([float("nan"), 0, 0, 1, 1, 1], "not finite"),
    ],
)
def test_a_wrong_region_is_one_sentence(region, reason):
    from ACSegLib.geometry import Geometry
    from ACSegLib.voxel_boxes import box_of_region

    with pytest.raises(InputError, match=reason):
        box_of_region(region, Geometry(), SHAPE)
