"""What the effect reads from the scene before a fill: on the main thread, into plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import slicer
from ACSegPanels.words import allHidden
from slicer.i18n import tr as _

from ACSegLib.commands.options import OptionValues
from ACSegLib.errors import InputError
from ACSegLib.volume import Segment, Segmentation, Volume


@dataclass
class FillInputs:
    """One fill's input.

    Attributes
    ----------
    volume : Volume
        The source volume; its array is a view of the node's voxels.
    drawn : Segmentation
        The visible segments, on the volume's grid.
    protected : ndarray of bool, shape (k, j, i), or None
        Voxels that must not be filled: masked ones, and those of hidden segments.
    image : tuple
        Identifies the volume's voxels: the time of their last change, and where they lie.
    key : tuple
        Identifies nodes, grid and transforms; while it is equal, a preview belongs to the input.
    """

    volume: Volume
    drawn: Segmentation
    protected: np.ndarray | None
    image: tuple
    key: tuple


def inputKey(editorNode: Any) -> tuple:
    """Identify the nodes, the grid and the transforms of what is being edited."""
    from ACSegLib.scene.grid import transform_between, volume_matrix

    volumeNode, segmentationNode = editorNode.GetSourceVolumeNode(), editorNode.GetSegmentationNode()
    if volumeNode is None or segmentationNode is None:
        return ()
    image = volumeNode.GetImageData()
    between, _bent = transform_between(volumeNode, segmentationNode)  # a bent one is refused before a fill
    return (
        volumeNode.GetID(),
        segmentationNode.GetID(),
        image.GetDimensions() if image else (),
        _rounded(volume_matrix(volumeNode)),
        volumeNode.GetTransformNodeID(),
        segmentationNode.GetTransformNodeID(),
        _rounded(between) if between is not None else (),
    )


def _rounded(matrix: np.ndarray) -> tuple[float, ...]:
    return tuple(np.round(matrix, 9).ravel().tolist())


def drawnSegments(editorNode: Any) -> Segmentation:
    """Read the visible segments on the grid of the source volume.

    Raises
    ------
    InputError
        If there is no volume, no segmentation or no visible segment.
    """
    from ACSegLib.scene import segmentation_from_node

    requireVisibleSegment(editorNode)
    return segmentation_from_node(editorNode.GetSegmentationNode(), editorNode.GetSourceVolumeNode(), visible=True)


def requireVisibleSegment(editorNode: Any) -> None:
    """Refuse an editor node without a volume, a segmentation or a visible segment; InputError says what to do."""
    from ACSegLib.scene.read import chosen_segments

    if editorNode.GetSegmentationNode() is None:
        raise InputError(_("No segmentation is selected: choose or create one at the top of Segment Editor."))
    if editorNode.GetSourceVolumeNode() is None:
        raise InputError(_("No source volume is selected: choose the tomogram at the top of Segment Editor."))
    if not editorNode.GetSegmentationNode().GetSegmentation().GetNumberOfSegments():
        raise InputError(_("Add a segment and draw it on two or more slices first."))
    if not chosen_segments(editorNode.GetSegmentationNode(), None, True):
        raise InputError(allHidden())


def collect(scriptedEffect: Any) -> FillInputs:
    """Read everything that a fill needs; an InputError says what is missing, and what to do."""
    drawn = drawnSegments(scriptedEffect.parameterSetNode())
    if not any(layer.any() for layer in drawn.layers):
        raise InputError(
            _("Nothing is drawn yet: draw the visible segments on two or more slices, about 20 slices apart.")
        )
    inputs = inputsOf(scriptedEffect, drawn)
    return replace(inputs, protected=protectedVoxels(scriptedEffect, inputs.volume.shape))


def inputsOf(scriptedEffect: Any, drawn: Segmentation) -> FillInputs:
    """Put labels and the source volume together; an InputError if they are not on one grid."""
    from ACSegLib.scene import volume_from_node
    from ACSegLib.scene.grid import voxels_key

    editorNode = scriptedEffect.parameterSetNode()
    volumeNode, segmentationNode = editorNode.GetSourceVolumeNode(), editorNode.GetSegmentationNode()
    _requireCommonGrid(scriptedEffect, volumeNode, segmentationNode)
    volume = volume_from_node(volumeNode)
    return FillInputs(volume, drawn, None, voxels_key(volumeNode), inputKey(editorNode))


def protectedVoxels(scriptedEffect: Any, shape: tuple[int, int, int]) -> np.ndarray | None:
    """Voxels (k, j, i) that must not be filled, masked ones and those of hidden segments; None where there are none."""
    editorNode = scriptedEffect.parameterSetNode()
    hidden = _hiddenVoxels(editorNode)
    masked = _maskedVoxels(scriptedEffect, shape)
    return hidden if masked is None else masked if hidden is None else hidden | masked


def visibleSegments(editorNode: Any) -> list[Segment]:
    """The visible segments as they are named and coloured now; nothing is known of their voxels."""
    from ACSegLib.scene.read import chosen_segments

    table = editorNode.GetSegmentationNode().GetSegmentation()
    found = []
    for identifier in chosen_segments(editorNode.GetSegmentationNode(), None, True):
        segment = table.GetSegment(identifier)
        found.append(Segment(segment.GetName() or identifier, 1, segment.GetColor(), id=identifier))
    return found


def requireBackground(options: OptionValues, drawn: Segmentation) -> None:
    """Refuse scribbles of which none marks the background."""
    chosen, drawnIds = options.get("background"), {s.id for s in drawn.segments}
    if options["mode"] == "scribbles" and chosen not in drawnIds and (chosen or len(drawnIds) > 1):
        raise InputError(
            _("Scribbles need a segment that marks the background: choose a visible one as 'Background segment'.")
        )


def requireRoom(inputs: FillInputs) -> None:
    """Refuse a fill that has no voxel to fill: the settings under Masking forbid all that are not labelled."""
    if inputs.protected is not None and np.all(inputs.protected | inputs.drawn.occupied()):
        raise InputError(
            _(
                "The settings under Masking leave no voxel to fill: choose 'Everywhere' as editable area, hide its "
                "segment, or widen the intensity range."
            )
        )


def _requireCommonGrid(scriptedEffect: Any, volumeNode: Any, segmentationNode: Any) -> None:
    """Refuse a segmentation whose voxels are not those of the volume: labelled voxels could not be kept exactly."""
    if not _haveCommonGrid(scriptedEffect.referenceGeometryImage(), volumeNode, segmentationNode):
        raise InputError(
            _(
                "Segmentation '{segmentation}' has another voxel grid than volume '{volume}'. Press the button beside "
                "the source volume in Segment Editor (Specify geometry), choose '{volume}' as source geometry, and "
                "put both under the same transform."
            ).format(segmentation=segmentationNode.GetName(), volume=volumeNode.GetName())
        )


def _haveCommonGrid(reference: Any, volumeNode: Any, segmentationNode: Any) -> bool:
    from ACSegLib.scene import grid

    ours = grid.of_volume(volumeNode)
    toSegmentation, _bent = grid.transform_between(volumeNode, segmentationNode)
    if reference is None or toSegmentation is None:
        return False
    theirs = grid.Grid(grid.image_matrix(reference), reference.GetDimensions()[::-1], reference.GetExtent()[::2])
    moved = grid.Grid(toSegmentation @ ours.matrix, ours.shape)
    shift = grid.whole_voxel_shift(moved, theirs) if moved.shape == theirs.shape else None
    return shift is not None and not shift.any()


def hiddenSegments(editorNode: Any) -> list[str]:
    """Ids of the segments that are hidden in the views: they are never changed."""
    segmentationNode = editorNode.GetSegmentationNode()
    display = segmentationNode.GetDisplayNode()
    identifiers = segmentationNode.GetSegmentation().GetSegmentIDs()
    return [s for s in identifiers if display is not None and not display.GetSegmentVisibility(s)]


def _hiddenVoxels(editorNode: Any) -> np.ndarray | None:
    """Voxels of hidden segments, but for those inside of which the settings under Masking ask to edit.

    Where these allow overlap, there are none: the hidden segments keep their voxels all the same.
    """
    from ACSegLib.scene import segmentation_from_node

    node = editorNode.GetSegmentationNode()
    hidden = hiddenSegments(editorNode)
    if editorNode.GetMaskMode() == node.EditAllowedInsideSingleSegment:
        hidden = [s for s in hidden if s != editorNode.GetMaskSegmentID()]
    everywhere = editorNode.GetMaskMode() == node.EditAllowedInsideAllSegments
    if not hidden or everywhere or editorNode.GetOverwriteMode() == editorNode.OverwriteNone:
        return None
    return segmentation_from_node(node, editorNode.GetSourceVolumeNode(), hidden).occupied()


def _maskedVoxels(scriptedEffect: Any, shape: tuple[int, int, int]) -> np.ndarray | None:
    """Voxels that Segment Editor's masking settings forbid to edit; None where everything may be edited."""
    from ACSegLib.scene.grid import image_array

    node = scriptedEffect.parameterSetNode()
    segmentationNode = node.GetSegmentationNode()
    byIntensity = bool(node.GetSourceVolumeIntensityMask())
    if node.GetMaskMode() == slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere and not byIntensity:
        return None
    reference = scriptedEffect.sourceVolumeImageData()
    mask = slicer.vtkOrientedImageData()
    done = segmentationNode.GenerateEditMask(
        mask,
        node.GetMaskMode(),
        reference,
        "",
        node.GetMaskSegmentID() or "",
        reference if byIntensity else None,
        node.GetSourceVolumeIntensityMaskRange() if byIntensity else [0.0, 0.0],
    )
    if not done:
        raise InputError(_("The editable area could not be found: check the settings under Masking."))
    protected = image_array(mask) != 0
    if protected.shape != shape:
        raise InputError(_("The editable area does not fit the volume: check the settings under Masking."))
    return protected


def withCurrentNames(result: Segmentation, visible: Sequence[Segment]) -> Segmentation:
    """Take names and colours from the segments as they are now, without those that were deleted or hidden meanwhile."""
    now = {s.id: s for s in visible}
    rows = [replace(s, name=now[s.id].name, colour=now[s.id].colour) for s in result.segments if s.id in now]
    return replace(result, segments=rows)
