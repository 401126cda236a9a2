"""From MRML nodes to a `Volume` and a `Segmentation` on its grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.scene import grid
from ACSegLib.segment_estimates import LABEL_TAGS
from ACSegLib.volume import Segment, Segmentation, Volume, as_names

#: Tags of a segment that are carried over; vtkSegment has no way to list all of them in Python.
TERMINOLOGY_TAG = "TerminologyEntry"
KEPT_TAGS = (TERMINOLOGY_TAG, "Segmentation.Status", "DicomSegmentationDescription", "Description", *LABEL_TAGS)


def volume_from_node(node: Any, *, unit: str | None = None, copy: bool = False) -> Volume:
    """Read a scalar volume node.

    Parameters
    ----------
    node : vtkMRMLScalarVolumeNode
    unit : str, optional
        Unit of the node's numbers; by default what `ACSegLib.scene.length_unit` says.
    copy : bool
        By default the array is a view of the node's voxels (a tomogram is large); ask for a copy if Slicer may
        change the voxels meanwhile.

    Returns
    -------
    Volume
        In the node's own frame (parent transforms left out), see `ACSegLib.scene`.

    Raises
    ------
    InputError
        If there is no node, or it has no voxels, more than one channel, or axes that are not at right angles.
    """
    require_node(node, "vtkMRMLVolumeNode", "volume", "load")
    grid.require_boxes(node)
    array = grid.image_array(node.GetImageData())
    geometry = grid.geometry_from_matrix(grid.volume_matrix(node), unit or grid.length_unit(node))
    meta = {"mrml_id": node.GetID()}
    if stated := grid.value_unit(node):
        meta["intensity_unit"] = stated
    return Volume(array.copy() if copy else array, geometry, node.GetName() or "", meta)


def segmentation_from_node(
    node: Any, volume_node: Any, segment_ids: str | Sequence[str] | None = None, *, visible: bool = False
) -> Segmentation:
    """Read a segmentation node onto the grid of a volume node.

    Cropped extents, other grids and parent transforms of both nodes, linear or not, are accounted for; voxels
    that do not lie on the volume's grid are resampled (nearest neighbour).

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
    volume_node : vtkMRMLScalarVolumeNode
    segment_ids : str or sequence of str, optional
        Which segments; all by default.
    visible : bool
        Leave out segments that are hidden in the views.

    Returns
    -------
    Segmentation
        Values are 1..n in the order of the node's table; segments that do not overlap share a layer.

    Raises
    ------
    InputError
        If there is no node, a segment is not in it, or the volume is none of `volume_from_node`.
    """
    require_node(node, "vtkMRMLSegmentationNode", "segmentation", "create")
    require_node(volume_node, "vtkMRMLVolumeNode", "volume", "load")
    grid.require_boxes(volume_node)
    chosen = chosen_segments(node, segment_ids, visible)
    target = grid.of_volume(volume_node)
    values = {identifier: number for number, identifier in enumerate(chosen, start=1)}
    layers: list[np.ndarray] = []
    where: dict[str, int] = {}
    for image, ids in label_layers(node, chosen, volume_node):
        source = node.GetSegmentation()
        named = {source.GetSegment(s).GetLabelValue(): values[s] for s in ids}
        shift = voxel_shift(image, node, target, volume_node)
        if shift is not None:  # the box that is stored is smaller than the grid
            stored = grid.image_array(image)
            labels = _pasted(grid.relabelled(stored, named, copy=False), shift, target.shape)
            if np.may_share_memory(labels, stored):
                labels = labels.copy()
        else:
            labels = grid.relabelled(place_labels(target, volume_node, image, node), named)
        where.update(dict.fromkeys(ids, _pack(layers, labels)))
    if not layers:
        layers.append(np.zeros(target.shape, grid.label_type(len(chosen))))
    rows = [_row(node, identifier, values[identifier], where.get(identifier, 0)) for identifier in chosen]
    geometry = grid.geometry_from_matrix(target.matrix, grid.length_unit(volume_node))
    return Segmentation(tuple(layers), rows, geometry, node.GetName() or "", {"mrml_id": node.GetID()})


@dataclass(frozen=True)
class LabelBox:
    """The voxels of some segments as they are stored: a box on a volume's grid.

    Attributes
    ----------
    labels : ndarray, shape (k, j, i)
        A copy.
    start : tuple of int
        Index (k, j, i) of its first voxel on the volume's grid; it may lie outside.
    values : dict
        Segment id -> its value in `labels`.
    """

    labels: np.ndarray
    start: tuple[int, int, int]
    values: dict[str, int]


def label_boxes(node: Any, volume_node: Any, *, visible: bool = False) -> list[LabelBox]:
    """Copy the voxels of a segmentation node as they are stored, which is much quicker than to read them.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
    volume_node : vtkMRMLScalarVolumeNode
        On whose grid the boxes are told; labels on another grid are resampled, and fill it.
    visible : bool
        Leave out segments that are hidden in the views.
    """
    grid.require_boxes(volume_node)
    chosen = chosen_segments(node, None, visible)
    target = grid.of_volume(volume_node)
    source = node.GetSegmentation()
    boxes = []
    for image, ids in label_layers(node, chosen, volume_node):
        values = {s: source.GetSegment(s).GetLabelValue() for s in ids}
        shift = voxel_shift(image, node, target, volume_node)
        if shift is not None:
            k, j, i = (int(n) for n in shift[::-1])
            boxes.append(LabelBox(grid.image_array(image).copy(), (k, j, i), values))
        else:
            boxes.append(LabelBox(np.array(place_labels(target, volume_node, image, node)), (0, 0, 0), values))
    return boxes


def require_node(node: Any, kind: str, what: str, get: str) -> None:
    """Raise InputError unless a node is given, and of a class; `what` it is called, and how to `get` one."""
    if node is None:
        raise InputError(f"no {what} is chosen; {get} or select one.")
    if not (hasattr(node, "IsA") and node.IsA(kind)):
        found = node.GetClassName() if hasattr(node, "GetClassName") else type(node).__name__
        raise InputError(f"a {what} node is needed, not {found}; {get} or select one.")


def chosen_segments(node: Any, segment_ids: str | Sequence[str] | None, visible: bool) -> list[str]:
    """List segment ids in table order: those named (an InputError if one is missing), or all, or the visible ones."""
    known = list(node.GetSegmentation().GetSegmentIDs())
    if segment_ids is not None:
        names = as_names(segment_ids)
        wanted = set(names)
        missing = [s for s in names if s not in known]
        if missing:
            raise InputError(
                f"segmentation {node.GetName()!r} has no segment {missing[0]!r}; it may have been deleted."
            )
        known = [s for s in known if s in wanted]
    display = node.GetDisplayNode()
    if visible and display is not None:
        known = [s for s in known if display.GetSegmentVisibility(s)]
    return known


def label_layers(node: Any, ids: Sequence[str], volume_node: Any) -> list[tuple[Any, list[str]]]:
    """List (vtkOrientedImageData, ids of those segments of `ids` that it holds), without empty ones.

    A segmentation whose source is a closed surface or contours is converted, in a copy, on the volume's grid.
    """
    import slicer

    segmentation = node.GetSegmentation()
    if segmentation.GetNumberOfSegments() and segmentation.GetSourceRepresentationName() != grid.BINARY_LABELMAP:
        segmentation = _as_labelmap(node, volume_node)
    wanted, layers = set(ids), list[tuple[Any, list[str]]]()
    for number in range(segmentation.GetNumberOfLayers(grid.BINARY_LABELMAP)):
        image = segmentation.GetLayerDataObject(number, grid.BINARY_LABELMAP)
        members = [s for s in segmentation.GetSegmentIDsForLayer(number, grid.BINARY_LABELMAP) if s in wanted]
        if members and isinstance(image, slicer.vtkOrientedImageData) and image.GetNumberOfPoints() > 0:
            own = segmentation is node.GetSegmentation()
            layers += [(image, members)] if own else _apart(segmentation, image, members, node)
    return layers


def _apart(converted: Any, image: Any, members: Sequence[str], node: Any) -> list[tuple[Any, list[str]]]:
    """Copy each segment of an image of a converted copy, with the value that the segment has in the node.

    The copy has values of its own, and its end takes its segments out of the images that they share.
    """
    labels, apart = grid.image_array(image), []
    for identifier in members:
        there, here = (table.GetSegment(identifier).GetLabelValue() for table in (converted, node.GetSegmentation()))
        alone = grid.relabelled(labels, {there: here})
        apart.append((grid.oriented_image(alone, grid.image_matrix(image), image.GetExtent()[::2]), [identifier]))
    return apart


def _as_labelmap(node: Any, volume_node: Any) -> Any:
    import slicer

    matrix, transform = grid.transform_between(volume_node, node)
    if matrix is None:
        raise InputError(
            f"segmentation {node.GetName()!r} is made of surfaces under the non-linear transform "
            f"{transform.GetClassName()}; harden the transform (module Transforms), or convert it to a binary labelmap."
        )
    copy = slicer.vtkSegmentation()
    copy.DeepCopy(node.GetSegmentation())
    target = grid.of_volume(volume_node)
    copy.SetConversionParameter(*grid.reference_geometry(grid.Grid(matrix @ target.matrix, target.shape)))
    if not copy.CreateRepresentation(grid.BINARY_LABELMAP):
        raise InputError(
            f"segmentation {node.GetName()!r} cannot be converted from {copy.GetSourceRepresentationName()!r} to "
            "voxels; convert it in the module Segmentations."
        )
    return copy


def place_labels(target: grid.Grid, target_node: Any, image: Any, image_node: Any) -> np.ndarray:
    """Put labels on a grid; voxels that do not coincide with it are resampled (nearest neighbour).

    Parameters
    ----------
    target : Grid
        In the frame of `target_node`.
    image : vtkOrientedImageData
        In the frame of `image_node`.
    target_node, image_node : vtkMRMLTransformableNode or None
        None: the world.

    Returns
    -------
    ndarray, shape of the grid
        May be a view of the image where both lie exactly on each other.
    """
    shift = voxel_shift(image, image_node, target, target_node)
    if shift is not None:
        return _pasted(grid.image_array(image), shift, target.shape)
    return _resampled(image, *grid.transform_between(image_node, target_node), target)


def voxel_shift(image: Any, image_node: Any, target: grid.Grid, target_node: Any) -> np.ndarray | None:
    """Index (i, j, k) on a grid at which an image begins; None where their voxels do not coincide."""
    matrix, _bent = grid.transform_between(image_node, target_node)
    if matrix is None:
        return None
    place = grid.of_image(image)
    return grid.whole_voxel_shift(replace(place, matrix=matrix @ place.matrix), target)


def _pasted(labels: np.ndarray, shift: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Put labels into zeros of `shape`, their first voxel at `shift` (i, j, k); what lies outside is cut off."""
    if labels.shape == shape and not np.any(shift):
        return labels
    result = np.zeros(shape, labels.dtype)
    inside, source = [], []
    for offset, size, room in zip(shift[::-1], labels.shape, shape, strict=True):
        low, high = max(offset, 0), min(offset + size, room)
        if low >= high:
            return result
        inside.append(slice(low, high))
        source.append(slice(low - offset, high - offset))
    result[tuple(inside)] = labels[tuple(source)]
    return result


def _resampled(image: Any, matrix: np.ndarray | None, transform: Any, target: grid.Grid) -> np.ndarray:
    import slicer
    import vtk

    if matrix is not None:
        transform = vtk.vtkTransform()
        transform.SetMatrix(grid.as_matrix(matrix))
    result = slicer.vtkOrientedImageData()
    resample = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage
    if not resample(image, grid.empty_image(target), result, False, False, transform, 0.0):
        raise InputError("the segmentation could not be resampled to the grid of the volume; check their transforms.")
    shift = np.asarray(result.GetExtent()[::2]) - np.asarray(target.start)
    return np.array(_pasted(grid.image_array(result), shift, target.shape))


def _pack(layers: list[np.ndarray], labels: np.ndarray) -> int:
    """Merge labels into the first layer where they overlap with nothing, or append them; gives the layer's index."""
    for number, layer in enumerate(layers):
        if not np.any((layer != 0) & (labels != 0)):
            layers[number] = np.maximum(layer, labels)
            return number
    layers.append(labels)
    return len(layers) - 1


def _row(node: Any, identifier: str, value: int, layer: int) -> Segment:
    import vtk

    segment = node.GetSegmentation().GetSegment(identifier)
    texts = {}
    for tag in KEPT_TAGS:
        text = vtk.reference("")
        if segment.GetTag(tag, text):
            texts[tag] = str(text)
    terminology = texts.pop(TERMINOLOGY_TAG, "")
    return Segment(segment.GetName() or identifier, value, segment.GetColor(), layer, identifier, terminology, texts)
