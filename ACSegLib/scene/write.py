"""From a `Segmentation` or `Volume` to MRML nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.scene import grid, read
from ACSegLib.scene.editing import edit_rules, editor_node_of
from ACSegLib.scene.outgoing import OutgoingLabels, joined, other_images
from ACSegLib.segment_estimates import LABEL_TAGS
from ACSegLib.volume import Segment, Segmentation, Volume

CLOSED_SURFACE = "Closed surface"


def write_segmentation_to_node(
    segmentation: Segmentation,
    node: Any = None,
    *,
    volume_node: Any = None,
    scene: Any = None,
    segment_ids: Sequence[str] | None = None,
    editor: Any = None,
    spared: Sequence[str] = (),
    save_state: Callable[[], None] | None = None,
    name: str | None = None,
) -> Any:
    """Write labels into a segmentation node, all segments in one go.

    A row of the table goes to the segment of the same id, else to the only one of the same name, else to a new one.
    An existing segment keeps its name, colour, terminology and display and gets the row's voxels; what it has
    outside the labels' grid stays. Other segments stay as they are, but for what the editor's overwrite mode allows.

    Parameters
    ----------
    segmentation : Segmentation
        On the volume's grid when `volume_node` is given (see `segmentation_from_node`), else in the world (LPS).
    node : vtkMRMLSegmentationNode, optional
        Written into; a new one is made when left out.
    volume_node : vtkMRMLScalarVolumeNode, optional
        Whose frame the labels are in. A new node takes its parent transform, its reference geometry and its place
        in the subject hierarchy.
    scene : vtkMRMLScene, optional
        Where a new node is added; by default that of `volume_node`, else ``slicer.mrmlScene``.
    segment_ids : sequence of str, optional
        Ids of those rows that are written; all by default.
    editor : vtkMRMLSegmentEditorNode or vtkSlicerSegmentEditorLogic, optional
        Its masking settings (editable area, intensity range, overwriting of others) are honoured, and, given the
        logic, its undo state is saved once. Others lose only voxels that no written segment had. Needs `volume_node`.
    spared : sequence of str, optional
        Ids of segments that lose no voxel, whatever the editor's overwrite mode.
    save_state : callable, optional
        Called once, after all checks and before the first change: inside Slicer the effect's ``saveStateForUndo``.
    name : str, optional
        Name of a new node; the segmentation's own by default.

    Returns
    -------
    vtkMRMLSegmentationNode

    Raises
    ------
    InputError
        If the labels do not fit the volume's grid, or the node is made of surfaces.
    """
    rows = [row for row in segmentation.segments if segment_ids is None or row.id in set(segment_ids)]
    check_writable(segmentation, node, volume_node, editor)
    if node is None:
        node = _new_node(segmentation, volume_node, scene, name)
    node.CreateDefaultDisplayNodes()  # one that was just made in a node selector has none, and would not be seen
    targets = _targets(node, rows)
    rules = edit_rules(node, list(targets.values()), editor_node_of(editor), volume_node, spared)
    labels = OutgoingLabels(segmentation, rows, targets, node, volume_node)
    labels.merge_existing(rules)
    if save_state is not None:
        save_state()
    elif hasattr(editor, "SaveStateForUndo"):
        editor.SaveStateForUndo()
    surfaces = node.GetSegmentation().ContainsRepresentation(CLOSED_SURFACE)
    with quiet(node):
        changed, untouched = other_images(node, list(targets.values()), rules.erasable, labels)
        _add_missing(node, rows, targets)
        for image, values in joined(changed, untouched, labels.images()):
            _share(node, image, values)
        _tell_of_labels(node, rows, targets)
    if surfaces:
        node.CreateClosedSurfaceRepresentation()
    return node


def write_volume_to_node(
    volume: Volume, node: Any = None, *, volume_node: Any = None, scene: Any = None, name: str | None = None
) -> Any:
    """Write a volume (an uncertainty map, a simulated tomogram) to a scalar volume node.

    Parameters
    ----------
    volume : Volume
    node : vtkMRMLScalarVolumeNode, optional
        Written into, its display kept; a new one with default display is made when left out.
    volume_node : vtkMRMLScalarVolumeNode, optional
        In whose frame the volume lies: gives the unit and the parent transform.
    scene : vtkMRMLScene, optional
        By default that of `volume_node`, else ``slicer.mrmlScene``.
    """
    import vtk

    if node is not None:
        read.require_node(node, "vtkMRMLScalarVolumeNode", "volume", "create")
    else:
        node = _scene(volume_node, scene).AddNewNodeByClass("vtkMRMLScalarVolumeNode", name or volume.name or "Volume")
        _declare_unit(node, volume.geometry.unit, volume_node)
    if unit := volume.meta.get("intensity_unit"):
        grid.declare_value_unit(node, str(unit))
    array = volume.array.astype(np.uint8) if volume.array.dtype.kind == "b" else volume.array
    image = vtk.vtkImageData()
    image.SetDimensions(array.shape[::-1])
    image.GetPointData().SetScalars(grid.scalars(array))
    with quiet(node):
        node.SetIJKToRASMatrix(grid.as_matrix(grid.matrix_from_geometry(volume.geometry, grid.length_unit(node))))
        node.SetAndObserveImageData(image)
        if volume_node is not None:
            node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
    return node


def _declare_unit(node: Any, unit: str, volume_node: Any) -> None:
    """Write down the unit of a new node where it is not the scene's."""
    if volume_node is not None and volume_node.GetAttribute(grid.UNIT_ATTRIBUTE):
        node.SetAttribute(grid.UNIT_ATTRIBUTE, volume_node.GetAttribute(grid.UNIT_ATTRIBUTE))
    elif volume_node is None and unit not in ("px", grid.length_unit(node)):
        node.SetAttribute(grid.UNIT_ATTRIBUTE, unit)


def _scene(volume_node: Any, scene: Any) -> Any:
    if scene is not None:
        return scene
    if volume_node is not None and volume_node.GetScene() is not None:
        return volume_node.GetScene()
    import slicer

    return slicer.mrmlScene


@contextmanager
def quiet(node: Any) -> Iterator[None]:
    """Send one modified event at the end instead of one for each change."""
    was = node.StartModify()
    try:
        yield
    finally:
        node.EndModify(was)


def check_writable(segmentation: Segmentation, node: Any, volume_node: Any, editor: Any) -> None:
    """Refuse labels off the volume's grid, and a node that is not made of voxels; InputError says why."""
    if volume_node is not None:
        read.require_node(volume_node, "vtkMRMLVolumeNode", "volume", "load")
        grid.require_boxes(volume_node)
        here = grid.of_volume(volume_node).shape
        place = grid.geometry_from_matrix(grid.volume_matrix(volume_node), grid.length_unit(volume_node))
        if here != segmentation.shape or not place.matches(segmentation.geometry, here):
            raise InputError(
                f"the labels of {segmentation.name!r} are not on the grid of volume {volume_node.GetName()!r}; "
                "resample them first (ACSegLib.resample)."
            )
    if editor is not None and volume_node is None:
        raise InputError("write_segmentation_to_node needs volume_node where an editor's masking is to be honoured.")
    require_label_map(node)


def require_label_map(node: Any) -> None:
    """Refuse a node that is no segmentation, or not made of voxels: no labels can be written into it."""
    if node is None:
        return
    read.require_node(node, "vtkMRMLSegmentationNode", "segmentation", "create")
    if node.GetSegmentation().GetNumberOfSegments():
        source = node.GetSegmentation().GetSourceRepresentationName()
        if source != grid.BINARY_LABELMAP:
            raise InputError(
                f"segmentation {node.GetName()!r} is stored as {source!r}; make 'Binary labelmap' its source "
                "representation in the module Segmentations first."
            )


def _new_node(segmentation: Segmentation, volume_node: Any, scene: Any, name: str | None) -> Any:
    import slicer

    scene = _scene(volume_node, scene)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name or segmentation.name or "Segmentation")
    if volume_node is None:
        _declare_unit(node, segmentation.geometry.unit, None)
        matrix = grid.matrix_from_geometry(segmentation.geometry, grid.length_unit(node))
        place = grid.reference_geometry(grid.Grid(matrix, segmentation.shape))
        node.GetSegmentation().SetConversionParameter(*place)
        return node
    take_place_of(node, volume_node)
    _declare_unit(node, segmentation.geometry.unit, volume_node)
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item = hierarchy.GetItemByDataNode(volume_node) if hierarchy else 0
    own = hierarchy.GetItemByDataNode(node) if hierarchy else 0
    if item and own:
        hierarchy.SetItemParent(own, hierarchy.GetItemParent(item))
    elif item:
        hierarchy.CreateItem(hierarchy.GetItemParent(item), node)
    return node


def take_place_of(node: Any, volume_node: Any) -> None:
    """Give a segmentation node the place and the voxel grid of a volume node."""
    node.SetAndObserveTransformNodeID(volume_node.GetTransformNodeID())  # first: the grid is set below it
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume_node)


def _targets(node: Any, rows: Sequence[Segment]) -> dict[str, str]:
    """Map the ids of rows to ids of segments of the node (existing ones, or new and free)."""
    source = node.GetSegmentation()
    ids = list(source.GetSegmentIDs())
    names = [source.GetSegment(s).GetName() for s in ids]
    targets: dict[str, str] = {}
    for row in rows:
        same = [s for s, text in zip(ids, names, strict=True) if text == row.name]
        target = row.id if row.id in ids or len(same) != 1 else same[0]
        if target in targets.values():
            raise InputError(
                f"two segments of segmentation {node.GetName()!r} match the segment {target!r}; rename one."
            )
        targets[row.id] = target
    return targets


def _add_missing(node: Any, rows: Sequence[Segment], targets: dict[str, str]) -> None:
    import slicer

    source = node.GetSegmentation()
    known = set(source.GetSegmentIDs())
    for row in rows:
        if targets[row.id] in known:
            continue
        segment = slicer.vtkSegment()
        segment.SetName(row.name)
        segment.SetColor(*row.colour[:3])
        for tag, text in row.tags.items():
            segment.SetTag(tag, text)
        if row.terminology:
            segment.SetTag(read.TERMINOLOGY_TAG, row.terminology)
        segment.AddRepresentation(grid.BINARY_LABELMAP, slicer.vtkOrientedImageData())
        source.AddSegment(segment, targets[row.id])


def _tell_of_labels(node: Any, rows: Sequence[Segment], targets: dict[str, str]) -> None:
    """Give the written segments the tags on their labels; those that they had were for other labels."""
    for row in rows:
        segment = node.GetSegmentation().GetSegment(targets[row.id])
        for tag in LABEL_TAGS:
            if tag in row.tags:
                segment.SetTag(tag, row.tags[tag])
            else:
                segment.RemoveTag(tag)


def _share(node: Any, image: Any, values: dict[str, int]) -> None:
    """Let one label image hold several segments."""
    for identifier, value in values.items():
        segment = node.GetSegmentation().GetSegment(identifier)
        segment.SetLabelValue(value)
        segment.AddRepresentation(grid.BINARY_LABELMAP, image)
    image.Modified()
