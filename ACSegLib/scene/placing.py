"""What a person should know of how a segmentation node lies on a volume node: cut off, resampled, or scaled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.placement import note_of_assumed_spacing
from ACSegLib.scene import grid
from ACSegLib.scene.read import chosen_segments, label_layers, voxel_shift

#: Smaller changes of lengths and volumes by a transform are those of its numbers.
_MIN_SCALING = 0.01


def placement_notes(node: Any, volume_node: Any, segment_ids: Sequence[str] | None = None) -> list[str]:
    """Say what is lost or changed when labels are placed on the grid of a volume.

    Places are computed of labels alone whose box sticks out of the volume, so that this costs little where all is well.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
    volume_node : vtkMRMLScalarVolumeNode
    segment_ids : sequence of str, optional
        All segments by default.

    Raises
    ------
    InputError
        If there are labels, and all lie outside of the volume.
    """
    target = grid.of_volume(volume_node)
    matrix, _bent = grid.transform_between(node, volume_node)
    resampled, parts = False, []
    for image, ids in label_layers(node, chosen_segments(node, segment_ids, visible=False), volume_node):
        resampled |= voxel_shift(image, node, target, volume_node) is None
        if matrix is not None:
            place = grid.of_image(image)
            parts.append((image, ids, place, np.linalg.inv(target.matrix) @ matrix @ place.matrix))
    labelled = lost = 0
    if not all(_inside(_corners(place), between, target).all() for _, _, place, between in parts):
        for image, ids, place, between in parts:
            values = [node.GetSegmentation().GetSegment(identifier).GetLabelValue() for identifier in ids]
            found = np.isin(grid.image_array(image), values)
            labelled += int(np.count_nonzero(found))
            lost += int(np.count_nonzero(found)) - _count_inside(found, place, between, target)
    name, volume = node.GetName(), volume_node.GetName()
    if labelled and lost == labelled:
        raise InputError(
            f"no labelled voxel of {name!r} lies inside of the volume {volume!r}; choose the volume that it was drawn "
            "on, or check the transforms of both."
        )
    notes = []
    if lost:
        notes.append(
            f"{100 * lost / labelled:.2g} % of the labelled voxels of {name!r} lie outside of the volume {volume!r} "
            "and were left out."
        )
    if resampled:
        notes.append(
            f"{name!r} lies on another grid than the volume {volume!r}; its labels were resampled (nearest voxel)."
        )
    return notes


def scaling_notes(volume_node: Any) -> list[str]:
    """Say that a parent transform changes sizes in the views, which are measured without it."""
    matrix = grid.transform_to_world(volume_node)
    stretches = None if matrix is None else np.linalg.svd(matrix[:3, :3], compute_uv=False)
    if stretches is not None and np.abs(stretches - 1).max() < _MIN_SCALING:
        return []
    change = "bends it"
    if stretches is not None:
        factor = float(stretches.prod())
        change = f"changes volumes by a factor of {factor:.3g}" if abs(factor - 1) >= _MIN_SCALING else "stretches it"
    return [
        f"the volume {volume_node.GetName()!r} is under a transform that {change}; sizes are measured without it. "
        "Harden it in the module Transforms if the sizes in the views are the right ones."
    ]


def spacing_notes(volume_node: Any) -> list[str]:
    """Say that the voxel size is the one that Slicer assumes where a file states none."""
    if volume_node.GetSpacing() != (1.0, 1.0, 1.0) or volume_node.GetAttribute(grid.UNIT_ATTRIBUTE):
        return []
    return [note_of_assumed_spacing(grid.length_unit(volume_node))]


def _corners(place: grid.Grid) -> np.ndarray:
    """Indices (i, j, k) of the eight corners of an image, (8, 3)."""
    return np.array(np.meshgrid(*np.reshape(place.extent, (3, 2)), indexing="ij")).reshape(3, -1).T


def _inside(indices: np.ndarray, between: np.ndarray, target: grid.Grid) -> np.ndarray:
    """Whether voxels, (n, 3) indices (i, j, k) of an image, have their centres on the grid."""
    moved = np.rint(indices @ between[:3, :3].T + between[:3, 3]) - target.start
    return np.logical_and(moved >= 0, moved < target.shape[::-1]).all(axis=1)


def _count_inside(found: np.ndarray, place: grid.Grid, between: np.ndarray, target: grid.Grid) -> int:
    """Count the voxels of a mask on the grid, plane by plane."""
    total = 0
    for k, plane in enumerate(found):
        j, i = np.nonzero(plane)
        indices = np.column_stack([i, j, np.full(len(i), k)]) + place.start
        total += int(np.count_nonzero(_inside(indices, between, target)))
    return total
