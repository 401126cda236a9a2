"""Volumes and segmentations: an array and where it lies in space.

Arrays are in (k, j, i) order, as numpy, SimpleITK's ``GetArrayFromImage`` and Slicer's ``arrayFromVolume``
give them; spacing, origin and direction are in (i, j, k) order and in LPS, as ITK has them. So
``array[k, j, i]`` lies at ``origin + direction @ (spacing * (i, j, k))``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ACSegLib.errors import InputError

#: Length of each unit in millimetres; "px" says that the file told no physical size.
UNITS_IN_MM: Mapping[str, float] = {"nm": 1e-6, "um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0, "angstrom": 1e-7}

Vector = tuple[float, ...]
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

#: Colours (sRGB, 0 to 1) given in turn to segments that have none.
DEFAULT_COLOURS: tuple[Vector, ...] = (
    (0.50, 0.68, 0.50),
    (0.95, 0.84, 0.57),
    (0.69, 0.48, 0.40),
    (0.44, 0.72, 0.82),
    (0.85, 0.40, 0.31),
    (0.87, 0.51, 0.40),
    (0.56, 0.93, 0.56),
    (0.75, 0.62, 0.85),
)


@dataclass(frozen=True)
class Geometry:
    """Where a grid of voxels lies.

    Parameters
    ----------
    spacing : tuple of float
        Voxel size along i, j, k, in `unit`. Positive.
    origin : tuple of float
        Position of the centre of voxel (0, 0, 0), LPS, in `unit`.
    direction : tuple of 9 floats
        Direction cosines, row-major 3 x 3, columns are the directions of i, j, k (as ITK).
    unit : str
        "nm", "um", "mm", "cm", "m", "angstrom", or "px" when the physical size is unknown.
    """

    spacing: Vector = (1.0, 1.0, 1.0)
    origin: Vector = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = _IDENTITY
    unit: str = "px"

    def __post_init__(self) -> None:
        for name, length in (("spacing", 3), ("origin", 3), ("direction", 9)):
            values = tuple(float(v) for v in np.ravel(getattr(self, name)))
            if len(values) != length or not np.all(np.isfinite(values)):
                raise InputError(f"{name} must be {length} finite numbers, not {getattr(self, name)!r}.")
            object.__setattr__(self, name, values)
        if min(self.spacing) <= 0:
            raise InputError(f"spacing must be positive, not {self.spacing}.")
        if abs(np.linalg.det(self.direction_matrix)) < 1e-6:
            raise InputError(f"direction must be an invertible 3 x 3 matrix, not {self.direction}.")
        if self.unit != "px" and self.unit not in UNITS_IN_MM:
            raise InputError(f"unit must be one of px, {', '.join(UNITS_IN_MM)}, not {self.unit!r}.")

    def __str__(self) -> str:
        size = " x ".join(f"{v:.6g}" for v in self.spacing)
        origin = ", ".join(f"{v:.6g}" for v in self.origin)
        turned = "" if np.allclose(self.direction, _IDENTITY, atol=1e-6) else ", turned"
        return f"{size} {self.unit} a voxel at ({origin}){turned}"

    @property
    def direction_matrix(self) -> np.ndarray:
        """Direction cosines as a (3, 3) float64 array."""
        return np.reshape(self.direction, (3, 3)).astype(float)

    @property
    def ijk_to_lps(self) -> np.ndarray:
        """(4, 4) float64 matrix from voxel indices (i, j, k) to LPS positions in `unit`."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.direction_matrix * np.asarray(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in cubic `unit`."""
        return float(np.prod(self.spacing) * abs(np.linalg.det(self.direction_matrix)))

    def cropped(self, start: Sequence[int]) -> Geometry:
        """Geometry of the grid that begins at voxel `start` (i, j, k; may be negative)."""
        origin = (self.ijk_to_lps @ np.array([*start, 1.0]))[:3]
        return replace(self, origin=tuple(origin))

    def in_unit(self, unit: str) -> Geometry:
        """Same grid with lengths expressed in another unit; "px" has no size and cannot be converted."""
        if unit == self.unit:
            return self
        if "px" in (unit, self.unit):
            raise InputError(f"lengths in {self.unit} cannot be converted to {unit}: the voxel size is unknown.")
        scale = UNITS_IN_MM[self.unit] / UNITS_IN_MM[unit]
        spacing = tuple(v * scale for v in self.spacing)
        return replace(self, spacing=spacing, origin=tuple(v * scale for v in self.origin), unit=unit)

    def matches(self, other: Geometry, tolerance: float = 1e-3) -> bool:
        """Tell whether two grids (of one shape) lie on each other to within `tolerance` of a voxel.

        Equal numbers match whatever their units: many programs keep the numbers of an image in nm and say mm, or
        nothing. A grid of which nothing is known (`Geometry()`, from a file without voxel size) matches any other.
        """
        if Geometry() in (self, other) or self._close_to(other, tolerance):
            return True
        return "px" not in (self.unit, other.unit) and self._close_to(other.in_unit(self.unit), tolerance)

    def _close_to(self, other: Geometry, tolerance: float) -> bool:
        step = min(self.spacing)
        return bool(
            np.allclose(self.spacing, other.spacing, rtol=tolerance, atol=0)
            and np.allclose(self.direction, other.direction, atol=tolerance)
            and np.allclose(self.origin, other.origin, rtol=1e-6, atol=tolerance * step)
        )


def _checked_array(array: np.ndarray, what: str) -> np.ndarray:
    if not hasattr(array, "chunks"):  # arrays that are read part by part stay as they are
        array = np.asarray(array)
    if array.ndim != 3:
        raise InputError(f"{what} must have 3 dimensions (k, j, i), not shape {array.shape}.")
    if array.size == 0:
        raise InputError(f"{what} is empty: its shape is {array.shape}.")
    return array


@dataclass
class Volume:
    """A 3D image.

    Parameters
    ----------
    array : ndarray, shape (k, j, i)
        Intensities, any numeric type. Perhaps mapped from a file, or a `files.lazy.ChunkedArray`, if so opened.
    geometry : Geometry
        Where the voxels lie.
    name : str
        Shown to people; usually the file's name.
    meta : dict
        What else the file said (format, header values); informative only.
    """

    array: np.ndarray
    geometry: Geometry = field(default_factory=Geometry)
    name: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.array = _checked_array(self.array, f"volume {self.name!r}")
        if self.array.dtype.kind not in "buif":
            raise InputError(f"volume {self.name!r} holds {self.array.dtype}, not numbers of one channel.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along k, j, i."""
        k, j, i = self.array.shape
        return k, j, i


@dataclass
class Segment:
    """One row of the segment table.

    Parameters
    ----------
    name : str
        Shown to people.
    value : int
        Value of its voxels in its layer; positive.
    colour : tuple of float
        sRGB, 0 to 1.
    layer : int
        Index of the label array that holds it; segments that overlap lie in different layers.
    id : str
        Identifier in Slicer; made from the value when empty.
    terminology : str
        Slicer's serialized terminology entry, or "".
    tags : dict
        Slicer's other segment tags.
    """

    name: str
    value: int
    colour: Vector = DEFAULT_COLOURS[0]
    layer: int = 0
    id: str = ""
    terminology: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.value = int(self.value)
        if self.value <= 0:
            raise InputError(
                f"segment {self.name!r} has value {self.value}; values must be 1 or more (0 is background)."
            )
        self.id = self.id or f"Segment_{self.value}" + (f"_{self.layer}" if self.layer else "")


@dataclass
class Segmentation:
    """Labelled voxels and the table that says what each label means.

    Parameters
    ----------
    layers : sequence of ndarray, each of shape (k, j, i)
        Unsigned integer label arrays of equal shape; 0 is background. More than one where segments overlap.
    segments : list of Segment
        The segment table; every non-zero value of a layer has a row.
    geometry : Geometry
        Where the voxels lie.
    """

    layers: tuple[np.ndarray, ...]
    segments: list[Segment] = field(default_factory=list)
    geometry: Geometry = field(default_factory=Geometry)
    name: str = ""
    meta: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers = (self.layers,) if isinstance(self.layers, np.ndarray) and self.layers.ndim == 3 else self.layers
        self.layers = tuple(_checked_array(layer, f"segmentation {self.name!r}") for layer in layers)
        if not self.layers:
            raise InputError(f"segmentation {self.name!r} has no label array.")
        if len({layer.shape for layer in self.layers}) > 1:
            raise InputError(f"the layers of segmentation {self.name!r} have different shapes.")
        if any(layer.dtype.kind not in "bui" for layer in self.layers):
            raise InputError(f"segmentation {self.name!r} holds {self.layers[0].dtype}; labels must be whole numbers.")

    @classmethod
    def from_labels(
        cls,
        labels: np.ndarray,
        geometry: Geometry | None = None,
        names: Mapping[int, str] | None = None,
        colours: Mapping[int, Vector] | None = None,
        name: str = "",
    ) -> Segmentation:
        """Make a one-layer segmentation, with a row for each value found (and for each one named).

        Parameters
        ----------
        labels : ndarray, shape (k, j, i), integer
            0 is background; negative values are refused.
        names, colours : mapping from value, optional
            Defaults are "Segment_<value>" and `DEFAULT_COLOURS` in turn.
        """
        labels = _checked_array(labels, f"label array {name!r}")
        if labels.dtype.kind == "b":
            labels = labels.astype(np.uint8)
        if labels.dtype.kind not in "ui":
            raise InputError(f"label array {name!r} holds {labels.dtype}; labels must be whole numbers.")
        found = unique_values(labels)
        if len(found) and found[0] < 0:
            raise InputError(f"label array {name!r} holds the negative value {found[0]}; labels must be 0 or more.")
        names = names or {}
        colours = colours or {}
        values = sorted({int(v) for v in found if v} | {int(v) for v in names if v})
        segments = [
            Segment(names.get(v, f"Segment_{v}"), v, colours.get(v, DEFAULT_COLOURS[n % len(DEFAULT_COLOURS)]))
            for n, v in enumerate(values)
        ]
        return cls((labels,), segments, geometry or Geometry(), name)

    @classmethod
    def from_masks(
        cls, masks: Sequence[np.ndarray], segments: Sequence[Segment], geometry: Geometry, name: str = ""
    ) -> Segmentation:
        """Pack one mask a segment into as few layers as their overlaps allow (first fit, in order).

        The values are kept where they are free in the layer, so the caller's table survives.
        """
        layers: list[np.ndarray] = []
        rows: list[Segment] = []
        top = max([s.value for s in segments], default=1)
        dtype = np.uint8 if top < 256 else np.uint16 if top < 65536 else np.uint32
        for mask, segment in zip(masks, segments, strict=True):
            mask = np.asarray(mask, bool)
            used = [{r.value for r in rows if r.layer == n} for n in range(len(layers))]
            for n, layer in enumerate(layers):
                if segment.value not in used[n] and not np.any(layer[mask]):
                    break
            else:
                n = len(layers)
                layers.append(np.zeros(mask.shape, dtype))
            layers[n][mask] = segment.value
            rows.append(replace(segment, layer=n))
        return cls(tuple(layers), rows, geometry, name)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along k, j, i."""
        k, j, i = self.layers[0].shape
        return k, j, i

    @property
    def overlapping(self) -> bool:
        """Whether the segments lie in more than one layer."""
        return len(self.layers) > 1

    @property
    def labels(self) -> np.ndarray:
        """The label array, shape (k, j, i); an InputError if there are several layers."""
        if self.overlapping:
            raise InputError(f"segmentation {self.name!r} has {len(self.layers)} layers; flatten it first.")
        return self.layers[0]

    def segment(self, key: str | int) -> Segment:
        """Find a segment by name, id or (in a single layer) value."""
        for segment in self.segments:
            if key in (segment.name, segment.id) or (isinstance(key, int) and segment.value == key):
                return segment
        known = ", ".join(f"{s.name} ({s.value})" for s in self.segments) or "none"
        raise InputError(f"segmentation {self.name!r} has no segment {key!r}; it has: {known}.")

    def mask(self, segment: Segment | str | int) -> np.ndarray:
        """Boolean array of shape (k, j, i): where the segment is."""
        row = segment if isinstance(segment, Segment) else self.segment(segment)
        return self.layers[row.layer] == row.value

    def occupied(self) -> np.ndarray:
        """Boolean array of shape (k, j, i): where any segment is."""
        found = self.layers[0] != 0
        for layer in self.layers[1:]:
            found |= layer != 0
        return found

    def flattened(self) -> Segmentation:
        """One layer, values 1..n in table order; where segments overlap the later row wins (as in Slicer's export)."""
        if not self.overlapping:
            return self
        labels = np.zeros(self.shape, np.uint8 if len(self.segments) < 256 else np.uint16)
        rows = []
        for value, segment in enumerate(self.segments, start=1):
            labels[self.mask(segment)] = value
            rows.append(replace(segment, value=value, layer=0))
        return replace(self, layers=(labels,), segments=rows)

    def with_labels(self, labels: np.ndarray) -> Segmentation:
        """Same table and place, other single-layer label array."""
        rows = [replace(segment, layer=0) for segment in self.segments]
        return Segmentation((labels,), rows, self.geometry, self.name, dict(self.meta))


def unique_values(labels: np.ndarray) -> np.ndarray:
    """Sorted distinct values of an integer array; counts instead of sorting where the range allows."""
    if labels.dtype.kind == "b":
        labels = labels.view(np.uint8)
    low, high = int(labels.min()), int(labels.max())
    if low >= 0 and high < 1 << 20:
        found: Iterable[np.ndarray] = (np.bincount(plane.ravel(), minlength=high + 1) > 0 for plane in labels)
        return np.flatnonzero(np.logical_or.reduce(list(found))).astype(np.int64)
    return np.unique(labels).astype(np.int64)


def label_boxes(labels: np.ndarray) -> dict[int, tuple[slice, slice, slice]]:
    """Smallest box (k, j, i) of each value but 0 in an array of whole numbers, all in one pass."""
    from scipy.ndimage import find_objects

    labels = labels.view(np.uint8) if labels.dtype.kind == "b" else labels
    values: np.ndarray | None = None
    if int(labels.max()) >= 1 << 22:  # a table as long as the highest value would not fit
        values, inverse = np.unique(labels, return_inverse=True)
        labels = inverse.reshape(labels.shape) + 1
    found = enumerate(find_objects(labels), start=1)
    boxes = {n if values is None else int(values[n - 1]): box for n, box in found if box is not None}
    boxes.pop(0, None)
    return boxes


def require_same_grid(volume: Volume, segmentation: Segmentation) -> None:
    """Raise InputError unless image and labels have one shape and lie on each other."""
    if volume.shape != segmentation.shape:
        raise InputError(
            f"image {volume.name!r} has shape {volume.shape[::-1]} (i, j, k) but labels {segmentation.name!r} have "
            f"{segmentation.shape[::-1]}; use --resample to bring the labels onto the image's grid."
        )
    if not volume.geometry.matches(segmentation.geometry):
        raise InputError(
            f"image {volume.name!r} and labels {segmentation.name!r} have one shape but lie in different places "
            f"(image {volume.geometry}, labels {segmentation.geometry}); use --resample to bring the labels onto the "
            "image's grid."
        )
