"""What Segment Editor's masking allows: where segments may be written, and which others may be erased."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.scene import grid, read


@dataclass
class EditRules:
    """Where a write is allowed.

    Parameters
    ----------
    allowed : ndarray of bool, shape (k, j, i), or None
        Voxels that may change; None: all.
    erasable : list of str
        Ids of segments, not written themselves, that lose voxels which a written segment takes.
    """

    allowed: np.ndarray | None
    erasable: list[str]


def editor_node_of(editor: Any) -> Any:
    """Give the vtkMRMLSegmentEditorNode of an editor logic, or the node itself, or None."""
    return editor.GetSegmentEditorNode() if hasattr(editor, "GetSegmentEditorNode") else editor


def edit_rules(
    node: Any, written: Sequence[str], editor_node: Any, volume_node: Any, spared: Sequence[str] = ()
) -> EditRules:
    """Read the masking settings of Segment Editor as they apply to a write on a volume's grid.

    Segments that are written together do not mask one another, so that all of them may grow and shrink at once.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
        Written into.
    written : sequence of str
        Ids of the segments written.
    editor_node : vtkMRMLSegmentEditorNode or None
        Without it nothing is masked and no other segment is touched.
    volume_node : vtkMRMLScalarVolumeNode
        Whose grid the labels are on.
    spared : sequence of str
        Ids of segments that are not erasable.
    """
    if editor_node is None:
        return EditRules(None, [])
    others = [s for s in node.GetSegmentation().GetSegmentIDs() if s not in set(written)]
    allowed = _allowed_by_segments(node, others, editor_node, volume_node)
    if editor_node.GetSourceVolumeIntensityMask():
        inside = _allowed_by_intensity(editor_node, volume_node)
        allowed = inside if allowed is None else allowed & inside
    mode = editor_node.GetOverwriteMode()
    if mode == editor_node.OverwriteNone:
        return EditRules(allowed, [])
    visible_only = mode == editor_node.OverwriteVisibleSegments
    erasable = [s for s in others if s not in set(spared)]
    return EditRules(allowed, read.chosen_segments(node, erasable, visible_only))


def _allowed_by_segments(node: Any, others: list[str], editor_node: Any, volume_node: Any) -> np.ndarray | None:
    mode = editor_node.GetMaskMode()
    if mode == node.EditAllowedEverywhere:
        return None
    if mode == node.EditAllowedInsideSingleSegment:
        return _covered(node, [editor_node.GetMaskSegmentID() or ""], volume_node)
    visible = mode in (node.EditAllowedInsideVisibleSegments, node.EditAllowedOutsideVisibleSegments)
    if mode in (node.EditAllowedInsideAllSegments, node.EditAllowedInsideVisibleSegments):
        return _covered(node, read.chosen_segments(node, None, visible), volume_node)
    return ~_covered(node, read.chosen_segments(node, others, visible), volume_node)


def _covered(node: Any, ids: Sequence[str], volume_node: Any) -> np.ndarray:
    if list(ids) == [""]:
        raise InputError("Masking is set to 'inside a segment' but no segment is chosen there; choose one.")
    return read.segmentation_from_node(node, volume_node, ids).occupied()


def _allowed_by_intensity(editor_node: Any, volume_node: Any) -> np.ndarray:
    source = editor_node.GetSourceVolumeNode() or volume_node
    low, high = editor_node.GetSourceVolumeIntensityMaskRange()
    array = grid.image_array(source.GetImageData())
    theirs, ours = grid.of_volume(source), grid.of_volume(volume_node)
    shift = grid.whole_voxel_shift(theirs, ours) if theirs.shape == ours.shape else None
    if shift is None or shift.any() or source.GetParentTransformNode() is not volume_node.GetParentTransformNode():
        raise InputError(
            f"Masking by intensity uses the volume {source.GetName()!r}, which has another grid than "
            f"{volume_node.GetName()!r}; choose {volume_node.GetName()!r} as source volume of Segment Editor."
        )
    return np.asarray((array >= low) & (array <= high))
