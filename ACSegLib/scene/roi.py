"""Regions of interest of the scene, as boxes of voxels."""

from __future__ import annotations

from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.scene.grid import as_array, as_matrix, of_volume, transform_between
from ACSegLib.voxel_boxes import VoxelBox, corners_of, voxels_between


def box_of_roi(roi_node: Any, volume_node: Any) -> VoxelBox:
    """Find the voxels in an ROI; both nodes may be under transforms.

    Parameters
    ----------
    roi_node : vtkMRMLMarkupsROINode
    volume_node : vtkMRMLScalarVolumeNode

    Raises
    ------
    InputError
        If the ROI is not placed or holds no voxel, or a transform between the two is not linear.
    """
    name, volume_name = roi_node.GetName(), volume_node.GetName()
    size = np.array(roi_node.GetSize(), float)
    if roi_node.GetNumberOfControlPoints() == 0 or not size.all():
        raise InputError(f"ROI {name!r} has no size; place it around the object, or choose no box.")
    between, _bent = transform_between(roi_node, volume_node)
    if between is None:
        raise InputError(
            f"ROI {name!r} and volume {volume_name!r} differ by a transform that is not linear; harden them."
        )
    grid = of_volume(volume_node)
    to_voxels = np.linalg.inv(grid.matrix) @ between @ as_array(roi_node.GetObjectToNodeMatrix())
    found = voxels_between(to_voxels[:3, :3] @ corners_of(size) + to_voxels[:3, 3:], grid.shape)
    if found is None:
        raise InputError(f"ROI {name!r} holds no voxel of volume {volume_name!r}; move it there.")
    return found


def place_new_roi(roi_node: Any, volume_node: Any) -> None:
    """Put an ROI that lies nowhere yet into the middle of a volume; one that was placed stays."""
    if not roi_node.GetNumberOfControlPoints():
        centre_roi(roi_node, volume_node)


def centre_roi(roi_node: Any, volume_node: Any, part: float = 0.5) -> None:
    """Put an ROI into the middle of a volume, along its voxels, with a part of its sides.

    The ROI is put under the volume's transform, so that it lies there whatever that is.
    """
    grid = of_volume(volume_node)
    sides = np.linalg.norm(grid.matrix[:3, :3], axis=0)
    shape = np.array(grid.shape[::-1], float)
    frame = np.eye(4)
    frame[:3, :3] = grid.matrix[:3, :3] / sides
    frame[:3, 3] = grid.matrix[:3, :3] @ ((shape - 1) / 2) + grid.matrix[:3, 3]
    roi_node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
    roi_node.SetAndObserveObjectToNodeMatrix(as_matrix(frame))
    roi_node.SetSize(*(shape * sides * part))
