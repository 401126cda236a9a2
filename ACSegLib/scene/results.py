"""Results of a step in a segmentation node: the last one takes the place of those before."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

from ACSegLib.scene import grid
from ACSegLib.scene.write import CLOSED_SURFACE, check_writable, quiet, take_place_of, write_segmentation_to_node
from ACSegLib.volume import Segmentation, untaken

#: Attribute of a segmentation node: the ids of the segments that a result left in it, as JSON.
RESULT_ATTRIBUTE = "ACSeg.ResultSegments"
#: Role of the node that a result was made of (the labels of a fill, the volume of a prediction), and attribute with the
#: name of that node, which stays where the node is deleted.
MADE_OF = "ACSeg.MadeOf"


def write_result_to_node(
    segmentation: Segmentation, node: Any, *, volume_node: Any, name: str, made_of: Any = None
) -> Any:
    """Write what a step computed into a node other than its input.

    Segments that an earlier result left in the node are replaced: those that this one lacks are removed, and the
    others keep nothing of their voxels. Segments are the same by their names, since an id may mean something else in
    another segmentation. Segments of the user stay, but for those of the name of one of the result.

    Parameters
    ----------
    segmentation : Segmentation
    node : vtkMRMLSegmentationNode or None
        None: a new one.
    volume_node : vtkMRMLScalarVolumeNode
        On whose grid the result is.
    name : str
        Of a new node.
    made_of : vtkMRMLNode, optional
        Input of the step; by default the volume.

    Returns
    -------
    vtkMRMLSegmentationNode
    """
    if node is not None:
        check_writable(segmentation, node, volume_node, None)
        surfaces = node.GetSegmentation().ContainsRepresentation(CLOSED_SURFACE)
        with quiet(node):
            _make_room(node, segmentation, volume_node)
            segmentation = _named_as_in(node, segmentation)
            write_segmentation_to_node(segmentation, node, volume_node=volume_node)
        if surfaces:
            node.CreateClosedSurfaceRepresentation()
    else:
        node = write_segmentation_to_node(segmentation, volume_node=volume_node, name=name)
    node.SetAttribute(RESULT_ATTRIBUTE, json.dumps([row.id for row in segmentation.segments]))
    tell_source(node, made_of or volume_node)
    return node


def tell_source(node: Any, source: Any) -> None:
    """Note in a result what it was made of."""
    node.SetAttribute(MADE_OF, source.GetName() or "")
    node.SetNodeReferenceID(MADE_OF, source.GetID() if source.GetScene() is not None else None)


def is_result_of_another(node: Any, source: Any) -> bool:
    """Whether a node holds a result that was made of another node than the given one, which may be deleted."""
    return node.GetAttribute(MADE_OF) is not None and node.GetNodeReference(MADE_OF) is not source


def _names(node: Any, ids: list[str] | None = None) -> dict[str, str]:
    """Names of segments that the node has, all or some, by their ids."""
    table = node.GetSegmentation()
    return {s: table.GetSegment(s).GetName() for s in table.GetSegmentIDs() if ids is None or s in ids}


def _make_room(node: Any, segmentation: Segmentation, volume_node: Any) -> None:
    """Remove what an earlier result left; where nothing else is in the node, give it the volume's place and grid."""
    import slicer

    table, left = node.GetSegmentation(), _names(node, json.loads(node.GetAttribute(RESULT_ATTRIBUTE) or "[]"))
    new, old = Counter(row.name for row in segmentation.segments), Counter(left.values())
    for identifier, text in left.items():
        if new[text] == old[text] == 1:
            table.GetSegment(identifier).AddRepresentation(grid.BINARY_LABELMAP, slicer.vtkOrientedImageData())
            continue
        table.RemoveSegment(identifier)
    if left.keys() >= _names(node).keys():
        take_place_of(node, volume_node)


def _named_as_in(node: Any, segmentation: Segmentation) -> Segmentation:
    """The result with the ids of the segments of the same names, and with free ones where there are none."""
    names, used, rows = _names(node), set[str](), []
    for row in segmentation.segments:
        same = [s for s, text in names.items() if text == row.name and s not in used]
        identifier = row.id if row.id in same or not same else same[0]
        if not same:
            identifier = untaken(row.id, names.keys() | used)
        used.add(identifier)
        rows.append(replace(row, id=identifier))
    return replace(segmentation, segments=rows)
