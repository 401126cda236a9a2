"""MRML nodes <-> `Volume` and `Segmentation`; no Qt, so that it runs inside Slicer and on the package slicer-core.

Where things lie: a `Volume` read from a node has the geometry of the node itself, as Slicer's own "Save" writes it,
and labels are resampled to that grid. Parent transforms count only between nodes: a segmentation under another
transform than the volume's is carried over to the volume (resampled where the transform is not linear), and a result
goes back the same way. What is seen in place in the views is therefore computed in place.

Lengths: MRML has no unit of its own. A volume node's attribute `UNIT_ATTRIBUTE` ("ACSeg.LengthUnit") says what its
numbers mean; without it they are taken in the scene's length unit (millimetres in a fresh Slicer).
"""

from ACSegLib.scene.grid import UNIT_ATTRIBUTE, display_unit, length_unit, shown_unit, value_unit
from ACSegLib.scene.read import segmentation_from_node, volume_from_node
from ACSegLib.scene.results import write_result_to_node
from ACSegLib.scene.write import require_label_map, write_segmentation_to_node, write_volume_to_node

__all__ = [
    "UNIT_ATTRIBUTE",
    "display_unit",
    "length_unit",
    "require_label_map",
    "segmentation_from_node",
    "shown_unit",
    "value_unit",
    "volume_from_node",
    "write_result_to_node",
    "write_segmentation_to_node",
    "write_volume_to_node",
]
