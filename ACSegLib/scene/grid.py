"""Grids of MRML nodes: units, matrices, oriented images, and the way from one node's frame to another's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.files.units import unit_name
from ACSegLib.geometry import MAX_SHIFT, MAX_SKEW, largest_shift
from ACSegLib.volume import UNITS_IN_MM, Geometry

#: Attribute of a volume node that says in which unit its spacing and origin are.
UNIT_ATTRIBUTE = "ACSeg.LengthUnit"

#: The source representation that ACSeg reads and writes.
BINARY_LABELMAP = "Binary labelmap"

#: Up to so many labels, a comparison for each costs less than looking every voxel up in a table.
_FEW = 4

_RAS_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Grid:
    """A box of voxels in the frame of some node.

    Parameters
    ----------
    matrix : ndarray, shape (4, 4)
        From indices (i, j, k) to RAS.
    shape : tuple of int
        Number of voxels (k, j, i).
    start : tuple of int
        Index (i, j, k) of the first voxel.
    """

    matrix: np.ndarray
    shape: tuple[int, ...]
    start: tuple[int, ...] = (0, 0, 0)

    @property
    def extent(self) -> list[int]:
        """First and last index along i, j, k, as VTK has it."""
        return [b for low, n in zip(self.start, self.shape[::-1], strict=True) for b in (low, low + n - 1)]


def _length_unit_node(scene: Any) -> Any:
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton") if scene else None
    identifier = selection.GetUnitNodeID("length") if selection else None
    return scene.GetNodeByID(identifier) if identifier else None


def display_unit(scene: Any) -> str:
    """Give the unit in which the scene shows lengths: "mm" in a fresh Slicer, "nm" or "um" as the user chose."""
    node = _length_unit_node(scene)
    suffix = (node.GetSuffix() or "").strip() if node else "mm"
    unit = unit_name(suffix)
    return unit if unit in UNITS_IN_MM else "mm"


def length_unit(node: Any) -> str:
    """Give the unit of a node's own numbers: its attribute `UNIT_ATTRIBUTE`, or what the scene's lengths are in.

    A unit node with a display coefficient (Slicer's built-in micrometre shows 1000 times the number in
    millimetres) changes what is shown and not what is stored.
    """
    declared = node.GetAttribute(UNIT_ATTRIBUTE)
    if declared:
        if declared not in UNITS_IN_MM:
            raise InputError(
                f"node {node.GetName()!r} has the attribute {UNIT_ATTRIBUTE} = {declared!r}; "
                f"set it to one of: {', '.join(UNITS_IN_MM)}."
            )
        return declared
    unit_node = _length_unit_node(node.GetScene())
    stored_mm = UNITS_IN_MM[display_unit(node.GetScene())] * (unit_node.GetDisplayCoefficient() if unit_node else 1.0)
    return next((name for name, size in UNITS_IN_MM.items() if np.isclose(size, stored_mm, rtol=1e-6)), "mm")


def shown_unit(node: Any) -> str:
    """Give the unit in which measures of a node are best shown: the declared one, or the scene's display unit."""
    return node.GetAttribute(UNIT_ATTRIBUTE) or display_unit(node.GetScene())


def value_unit(volume_node: Any) -> str:
    """Give the unit of a volume's values that its node states, such as "1/um"; "" where it states none."""
    entry = volume_node.GetVoxelValueUnits()
    return (entry.GetCodeMeaning() or entry.GetCodeValue() or "") if entry else ""


def declare_value_unit(volume_node: Any, unit: str) -> None:
    """Write down the unit of a volume's values."""
    import slicer

    entry = slicer.vtkCodedEntry()
    entry.SetValueSchemeMeaning(unit, "UCUM", unit)
    volume_node.SetVoxelValueUnits(entry)


def as_array(matrix: Any) -> np.ndarray:
    """Copy a vtkMatrix4x4 into a (4, 4) float64 array."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def as_matrix(array: np.ndarray) -> Any:
    """Copy a (4, 4) array into a vtkMatrix4x4."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(array, float).ravel())
    return matrix


def geometry_from_matrix(ijk_to_ras: np.ndarray, unit: str) -> Geometry:
    """Make a geometry (LPS) from an IJK to RAS matrix."""
    lps = _RAS_LPS @ ijk_to_ras
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    if np.any(spacing <= 0):
        raise InputError("a node has a voxel size of zero; correct its spacing or its transform.")
    return Geometry(tuple(spacing), tuple(lps[:3, 3]), tuple((lps[:3, :3] / spacing).ravel()), unit)


def matrix_from_geometry(geometry: Geometry, unit: str) -> np.ndarray:
    """Give the IJK to RAS matrix of a geometry, with its lengths in `unit` (taken as they are where unknown)."""
    if geometry.unit != "px":
        geometry = geometry.in_unit(unit)
    return _RAS_LPS @ geometry.ijk_to_lps


def of_volume(volume_node: Any) -> Grid:
    """Where the voxels of a volume node lie, in its own frame; an InputError if it has none."""
    image = volume_node.GetImageData()
    if image is None or image.GetNumberOfPoints() == 0 or image.GetPointData().GetScalars() is None:
        raise InputError(f"volume {volume_node.GetName()!r} has no voxels; load its file again.")
    return Grid(volume_matrix(volume_node), image.GetDimensions()[::-1])


def require_boxes(volume_node: Any) -> None:
    """Refuse a volume node without voxels, with more than one channel, or with sheared ones; InputError says why."""
    name = volume_node.GetName()
    matrix = of_volume(volume_node).matrix
    channels = volume_node.GetImageData().GetNumberOfScalarComponents()
    if channels != 1:
        raise InputError(
            f"volume {name!r} has {channels} channels; extract one with the module 'Vector to Scalar Volume'."
        )
    skew = geometry_from_matrix(matrix, "mm").skew
    if skew > MAX_SKEW:
        angle = float(np.degrees(np.arccos(skew)))
        raise InputError(
            f"the axes of volume {name!r} are not at right angles (one angle is {angle:.1f} degrees), so its voxels "
            "are not boxes; resample it with the module 'Resample Scalar/Vector/DWI Volume' first."
        )


def volume_matrix(volume_node: Any) -> np.ndarray:
    """IJK to RAS matrix of a volume node, in its own frame."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume_node.GetIJKToRASMatrix(matrix)
    return as_array(matrix)


def image_matrix(image: Any) -> np.ndarray:
    """IJK to world matrix of a vtkOrientedImageData."""
    import vtk

    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return as_array(matrix)


def image_array(image: Any) -> np.ndarray:
    """View the voxels of a vtkImageData, one component, as an array of shape (k, j, i)."""
    from vtk.util.numpy_support import vtk_to_numpy

    scalars = image.GetPointData().GetScalars()
    if scalars is None or image.GetNumberOfPoints() == 0:
        return np.zeros((0, 0, 0), np.uint8)
    return vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1])


def voxels_key(volume_node: Any) -> tuple:
    """Identify the voxels of a volume: the time of their last change, and where they lie; () if it has none."""
    image = volume_node.GetImageData()
    voxels = image.GetPointData().GetScalars() if image is not None else None
    return () if voxels is None else (voxels.GetMTime(), voxels.GetVoidPointer(0))


def of_image(image: Any) -> Grid:
    """Where the voxels of a vtkOrientedImageData lie."""
    return Grid(image_matrix(image), image_array(image).shape, image.GetExtent()[::2])


def oriented_image(array: np.ndarray, matrix: np.ndarray, start: Sequence[int] = (0, 0, 0)) -> Any:
    """Copy an array of shape (k, j, i), whose first voxel has the index `start`, into a vtkOrientedImageData."""
    image = empty_image(Grid(matrix, array.shape, tuple(start)))
    image.GetPointData().SetScalars(scalars(array))
    return image


def scalars(array: np.ndarray) -> Any:
    """Copy an array, contiguous or not, into a vtkDataArray of one component, at once and once only."""
    import vtk
    from vtk.util.numpy_support import get_vtk_array_type, vtk_to_numpy

    copied = vtk.vtkDataArray.CreateDataArray(get_vtk_array_type(array.dtype))
    copied.SetNumberOfTuples(array.size)
    vtk_to_numpy(copied).reshape(array.shape)[...] = array
    return copied


def empty_image(grid: Grid) -> Any:
    """Make a vtkOrientedImageData that has a place but no voxels."""
    import slicer

    image = slicer.vtkOrientedImageData()
    image.SetExtent(grid.extent)
    image.SetGeometryFromImageToWorldMatrix(as_matrix(grid.matrix))
    return image


def reference_geometry(grid: Grid) -> tuple[str, str]:
    """Name and value of the conversion parameter that makes a grid the reference geometry of a segmentation."""
    import slicer

    converter = slicer.vtkSegmentationConverter
    return (
        converter.GetReferenceImageGeometryParameterName(),
        converter.SerializeImageGeometry(empty_image(grid)),
    )


def label_type(highest: int) -> type:
    """Smallest integer type that Slicer's segmentations take for labels up to `highest`."""
    return np.uint8 if highest < 1 << 8 else np.int16 if highest < 1 << 15 else np.int32


def relabelled(labels: np.ndarray, values: Mapping[int, int], copy: bool = True) -> np.ndarray:
    """Copy labels with each one replaced by ``values[label]``, those not named by 0; of the smallest type.

    Without `copy`, labels that stay as they are may be given back themselves.
    """
    kind = label_type(max(values.values(), default=0))
    low, high = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    moved = {old: new for old, new in values.items() if low <= old <= high}
    if low >= 0 and high < 1 << 16 and all(moved.get(label, 0) == label for label in range(high + 1)):
        return labels.astype(kind, copy=copy)
    if len(moved) <= _FEW or high - low >= 1 << 20:
        result: np.ndarray = np.zeros(labels.shape, kind)
        for old, new in moved.items():
            result += np.multiply(labels == old, kind(new), dtype=kind)
        return result
    table: np.ndarray = np.zeros(high - low + 1, kind)
    for old, new in moved.items():
        table[old - low] = new
    return table[labels - low if low else labels]


def transform_between(source: Any, target: Any) -> tuple[np.ndarray | None, Any]:
    """Find the way from the frame of one node (None: the world) to that of another.

    Returns
    -------
    matrix : (4, 4) array or None
        The transform where it is linear.
    transform : vtkGeneralTransform or None
        The transform where it is not.
    """
    import slicer
    import vtk

    above = [node.GetParentTransformNode() if node is not None else None for node in (source, target)]
    if above[0] is above[1]:
        return np.eye(4), None
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(*above, transform)
    linear = vtk.vtkTransform()
    if slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(transform, linear):
        return as_array(linear.GetMatrix()), None
    return None, transform


def transform_to_world(node: Any) -> np.ndarray | None:
    """Matrix of all transforms above a node, shape (4, 4); None where they bend it."""
    return transform_between(node, None)[0]


def whole_voxel_shift(inner: Grid, outer: Grid) -> np.ndarray | None:
    """Tell at which array index (i, j, k) of `outer` that of `inner` begins; None if their voxels do not coincide.

    `MAX_SHIFT` over the whole of `inner` is allowed: nearest-neighbour resampling gives the same.
    """
    between = np.linalg.inv(outer.matrix) @ inner.matrix - np.eye(4)
    begin = between[:3, :3] @ np.asarray(inner.start) + between[:3, 3]
    shift = np.rint(begin)
    if largest_shift(between[:3, :3], begin - shift, inner.shape[::-1]) > MAX_SHIFT:
        return None
    return shift.astype(int) + np.asarray(inner.start) - np.asarray(outer.start)
