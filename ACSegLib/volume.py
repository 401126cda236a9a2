"""Volumes and segmentations: an array and where it lies in space.

Arrays are in (k, j, i) order, as numpy, SimpleITK's ``GetArrayFromImage`` and Slicer's ``arrayFromVolume``
give them; spacing, origin and direction are in (i, j, k) order and in LPS, as ITK has them. So
``array[k, j, i]`` lies at ``origin + direction @ (spacing * (i, j, k))``.
"""

from __future__ import annotations

import colorsys
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib import notebook
from ACSegLib.arrays import is_in_parts, to_numpy
from ACSegLib.errors import InputError
from ACSegLib.geometry import UNITS_IN_MM, Geometry, Vector, size_text
from ACSegLib.masks import value_box

__all__ = [
    "DEFAULT_COLOURS",
    "HUE_STEP",
    "UNITS_IN_MM",
    "Geometry",
    "Segment",
    "Segmentation",
    "Vector",
    "Volume",
    "default_colour",
    "label_boxes",
    "require_same_grid",
    "unique_values",
    "untaken",
]

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
#: Hues of many segments are this part of a circle apart (golden ratio), so that any number of them differ.
HUE_STEP = (5**0.5 - 1) / 2
#: What would break the line, the table or the file that a name stands in.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def default_colour(n: int) -> Vector:
    """Colour of the n-th segment that has none: one of `DEFAULT_COLOURS`, and other ones beyond them."""
    if n < len(DEFAULT_COLOURS):
        return DEFAULT_COLOURS[n]
    return colorsys.hsv_to_rgb(n * HUE_STEP % 1, (0.55, 0.9)[n % 2], (0.95, 0.65)[n // 2 % 2])


def _checked_array(array: Any, what: str, masked: str = "nan") -> np.ndarray:
    if not is_in_parts(array):  # arrays that are read part by part stay as they are
        array = to_numpy(array, what, masked=masked)
    if array.ndim != 3:
        hint = {2: "; put the slices of a volume into one array", 4: "; choose one channel or one time point"}
        raise InputError(
            f"{what} must have 3 dimensions (z, y, x), not {array.ndim}: its shape is {array.shape}"
            f"{hint.get(array.ndim, '')}."
        )
    if array.size == 0:
        raise InputError(f"{what} is empty: its shape is {array.shape}.")
    return array


def _checked_labels(labels: Any, what: str) -> np.ndarray:
    """Label array in whole numbers; a mask counts as the label 1."""
    labels = _checked_array(labels, what, masked="refuse")
    if labels.dtype.kind == "b" and isinstance(labels, np.ndarray):
        return labels.view(np.uint8)
    if labels.dtype.kind not in "bui":
        raise InputError(f"{what} holds {labels.dtype}; labels must be whole numbers: labels.astype(int).")
    return labels


def _as_array(array: Any, dtype: Any, copy: bool | None) -> np.ndarray:
    """The value of ``__array__`` by the rules of NumPy 2: `copy` of False forbids a copy."""
    values = np.asarray(array)
    if dtype is not None and values.dtype != np.dtype(dtype):
        if copy is False:
            raise ValueError(f"a copy is needed to convert {values.dtype} to {np.dtype(dtype)}")
        return values.astype(dtype)
    return values.copy() if copy else values


def _describe_grid(shape: tuple[int, int, int], geometry: Geometry) -> str:
    size = ", ".join(f"{value:.6g}" for value in geometry.spacing[::-1])
    return f"shape {shape}, voxel size ({size}) {geometry.unit}"


def _grid_rows(shape: tuple[int, int, int], geometry: Geometry) -> list[tuple[str, str]]:
    spacing = geometry.spacing[::-1]
    rows = [
        ("shape (z, y, x)", " x ".join(map(str, shape))),
        ("voxel size (z, y, x)", " x ".join(f"{value:.6g}" for value in spacing) + f" {geometry.unit}"),
        (
            "extent (z, y, x)",
            " x ".join(f"{n * v:.6g}" for n, v in zip(shape, spacing, strict=True)) + f" {geometry.unit}",
        ),
        ("origin (x, y, z)", ", ".join(f"{value:.6g}" for value in geometry.origin)),
    ]
    return rows + ([("direction", "rotated against the axes of space")] if geometry.is_rotated else [])


def _memory_text(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{size / 2**10:.1f} KiB"


@dataclass(repr=False, eq=False)
class Volume:
    """A 3D image.

    Parameters
    ----------
    array : ndarray, shape (k, j, i)
        Intensities, any numeric type. Perhaps mapped from a file, or a `files.lazy.ChunkedArray`, if so opened.
    geometry : Geometry
        Where the voxels lie.
    name : str
        Shown to the user; usually the file's name.
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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The intensities, so that ``np.asarray(volume)`` works; shape (k, j, i)."""
        return _as_array(self.array, dtype, copy)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in ("labels", "mask", "segments"):
                raise AttributeError(
                    f"a Volume holds an image, and has no {name!r}; open labels with acseg.open(path, labels=True)."
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        return f"<Volume {self.name!r}: {_describe_grid(self.shape, self.geometry)}, {self.array.dtype}>"

    def _repr_html_(self) -> str:
        middle = self.shape[0] // 2
        picture = notebook.grey_thumbnail(np.asarray(self.array[middle]))
        rows = [
            *_grid_rows(self.shape, self.geometry),
            ("type", f"{self.array.dtype}, {_memory_text(self.array.nbytes)}"),
        ]
        return notebook.card(f"Volume {self.name}", rows, picture, f"slice z = {middle}")


@dataclass
class Segment:
    """One row of the segment table.

    Parameters
    ----------
    name : str
        Shown to the user, on one line: line breaks and other control characters become a space.
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
        self.name = _CONTROL.sub(" ", str(self.name))
        self.value = int(self.value)
        if self.value <= 0:
            raise InputError(
                f"segment {self.name!r} has value {self.value}; values must be 1 or more (0 is background)."
            )
        self.id = self.id or f"Segment_{self.value}" + (f"_{self.layer}" if self.layer else "")


@dataclass(repr=False, eq=False)
class Segmentation:
    """Labelled voxels and the table that says what each label means.

    Parameters
    ----------
    layers : sequence of ndarray, each of shape (k, j, i)
        Label arrays of whole numbers, 0 or more, of equal shape; 0 is background. More than one where segments overlap.
        A mask (bool) becomes uint8, without a copy.
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
        self.layers = tuple(_checked_labels(layer, f"segmentation {self.name!r}") for layer in layers)
        if not self.layers:
            raise InputError(f"segmentation {self.name!r} has no label array.")
        if len({layer.shape for layer in self.layers}) > 1:
            raise InputError(f"the layers of segmentation {self.name!r} have different shapes.")

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
        labels : ndarray of int or bool, shape (k, j, i)
            0 is background; negative values are refused.
        names, colours : mapping from value, optional
            Defaults are "Segment_<value>" and `default_colour`.
        """
        labels = _checked_labels(labels, f"label array {name!r}")
        highest = np.iinfo(np.int64).max
        if labels.dtype == np.uint64 and labels.max() > highest:
            raise InputError(f"label array {name!r} holds the value {labels.max()}; labels must be {highest} or less.")
        present = unique_values(labels)
        if len(present) and present[0] < 0:
            raise InputError(f"label array {name!r} holds the negative value {present[0]}; labels must be 0 or more.")
        names = names or {}
        colours = colours or {}
        values = sorted({int(v) for v in present if v} | {int(v) for v in names if v})
        segments = [
            Segment(names.get(v, f"Segment_{v}"), v, colours.get(v, default_colour(n))) for n, v in enumerate(values)
        ]
        return cls((labels,), segments, geometry or Geometry(), name)

    @classmethod
    def from_masks(
        cls, masks: Sequence[np.ndarray], segments: Sequence[Segment], geometry: Geometry, name: str = ""
    ) -> Segmentation:
        """Pack one mask per segment into as few layers as their overlaps allow (first fit, in order).

        The values are kept where they are free in the layer, so the caller's table survives.
        """
        layers: list[np.ndarray] = []
        rows: list[Segment] = []
        dtype = label_dtype(s.value for s in segments)
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

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The labels, so that ``np.asarray(segmentation)`` works; an InputError if segments overlap."""
        return _as_array(self.labels, dtype, copy)

    def __repr__(self) -> str:
        names = [segment.name for segment in self.segments]
        shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        count = f"{len(names)} segment{'' if len(names) == 1 else 's'}" + (f" ({shown})" if names else "")
        layers = f", {len(self.layers)} layers" if self.overlapping else ""
        grid = _describe_grid(self.shape, self.geometry)
        return f"<Segmentation {self.name!r}: {grid}, {self.layers[0].dtype}{layers}, {count}>"

    def _repr_html_(self) -> str:
        middle = self.shape[0] // 2
        colours: list[dict[int, Vector]] = [{} for _ in self.layers]
        for segment in self.segments:
            colours[segment.layer][segment.value] = segment.colour
        picture = notebook.label_thumbnail((layer[middle] for layer in self.layers), colours)
        size = sum(layer.nbytes for layer in self.layers)
        rows = [
            *_grid_rows(self.shape, self.geometry),
            ("type", f"{self.layers[0].dtype}, {_memory_text(size)}"),
            ("segments", ", ".join(f"{segment.name} ({segment.value})" for segment in self.segments) or "none"),
        ]
        return notebook.card(f"Segmentation {self.name}", rows, picture, f"slice z = {middle}")

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
        """Find a segment by name, id or (in a single layer) value; of several with one name by its distinct name.

        A name that is the id of another segment, as after names were swapped, is refused.
        """
        names = distinct_names(self.segments)
        found = [
            segment
            for segment, name in zip(self.segments, names, strict=True)
            if key in (name, segment.name, segment.id) or (isinstance(key, Integral) and segment.value == key)
        ]
        named = [name for segment, name in zip(self.segments, names, strict=True) if key == segment.name]
        if len(named) > 1 and key not in names:
            raise InputError(
                f"segmentation {self.name!r} has {len(named)} segments named {key!r}; choose one of: "
                f"{', '.join(named)}."
            )
        other = next((s for s in found if s.id == key and s.name != key), None)
        if other is not None and len(found) > 1:
            raise InputError(
                f"segmentation {self.name!r} has a segment named {key!r}, and {key!r} is also the id of segment "
                f"{other.name!r}; rename the one that is named so."
            )
        if found:
            return found[0]
        known = ", ".join(f"{s.name} ({s.value})" for s in self.segments) or "none"
        raise InputError(f"segmentation {self.name!r} has no segment {key!r}; it has: {known}.")

    def mask(self, segment: Segment | str | int) -> np.ndarray:
        """Boolean array of shape (k, j, i): where the segment is."""
        row = segment if isinstance(segment, Segment) else self.segment(segment)
        return self.layers[row.layer] == row.value

    def occupied(self) -> np.ndarray:
        """Boolean array of shape (k, j, i): where any segment is."""
        occupied = self.layers[0] != 0
        for layer in self.layers[1:]:
            occupied |= layer != 0
        return occupied

    def flattened(self) -> Segmentation:
        """One layer, values 1..n in table order; where segments overlap the later row wins (as in Slicer's export)."""
        if not self.overlapping:
            return self
        labels = np.zeros(self.shape, label_dtype([len(self.segments)]))
        rows = []
        for value, segment in enumerate(self.segments, start=1):
            labels[self.mask(segment)] = value
            rows.append(replace(segment, value=value, layer=0))
        return replace(self, layers=(labels,), segments=rows)

    def chosen(self, keys: Sequence[str]) -> list[Segment]:
        """The segments that `segment` finds for some keys, or all if there are none, under their distinct names."""
        ids = [self.segment(key).id for key in keys] or [segment.id for segment in self.segments]
        rows = {segment.id: segment for segment in self.with_distinct_names().segments}
        return [rows[identifier] for identifier in ids]

    def with_distinct_names(self) -> Segmentation:
        """Same voxels, and no two segments of one name; see `distinct_names`."""
        names = distinct_names(self.segments)
        rows = [replace(segment, name=name) for segment, name in zip(self.segments, names, strict=True)]
        return replace(self, segments=rows)

    def with_labels(self, labels: np.ndarray) -> Segmentation:
        """Same table and place, other single-layer label array."""
        rows = [replace(segment, layer=0) for segment in self.segments]
        return Segmentation((labels,), rows, self.geometry, self.name, dict(self.meta))


def as_names(names: str | Sequence[str]) -> tuple[str, ...]:
    """Names as a tuple; a text is one name."""
    return (names,) if isinstance(names, str) else tuple(names)


def untaken(text: str, taken: Collection[str]) -> str:
    """The text, with a number where it is taken."""
    return next(t for t in itertools.chain([text], (f"{text} ({n})" for n in itertools.count(2))) if t not in taken)


def distinct_names(segments: Sequence[Segment]) -> list[str]:
    """The names that tell segments apart: "cell (1)" and "cell (2)" where two have the name "cell", as they may."""
    counts = Counter(segment.name for segment in segments)
    taken, numbers = {name for name, count in counts.items() if count == 1}, Counter[str]()
    names = []
    for segment in segments:
        name = segment.name
        while counts[segment.name] > 1 and (name in taken or name == segment.name):
            numbers[segment.name] += 1
            name = f"{segment.name} ({numbers[segment.name]})"
        taken.add(name)
        names.append(name)
    return names


#: Values below this are counted in a table; a table as long as larger ones would not pay.
_MAX_COUNTED = 1 << 20
#: Values up to this are looked for one by one.
_FEW_VALUES = 8


def label_dtype(values: Iterable[int], kept: np.dtype | None = None) -> np.dtype:
    """The type `kept` if it holds all of some label values, or else the smallest unsigned one that does.

    That one also holds whatever label values `kept` holds.
    """
    highest = max(values, default=0)
    return kept if kept is not None and highest <= np.iinfo(kept).max else np.min_scalar_type(highest)


def unique_values(labels: np.ndarray) -> np.ndarray:
    """Sorted distinct values of an integer array; counts instead of sorting where the range allows."""
    if labels.dtype.kind == "b":
        labels = labels.view(np.uint8)
    low, high = int(labels.min()), int(labels.max())
    if low >= 0 and high < _MAX_COUNTED:
        seen = np.zeros(high + 1, bool)
        for plane in labels:
            seen[plane.ravel()] = True
        return np.flatnonzero(seen).astype(np.int64)
    values = np.empty(0, labels.dtype)
    for plane in labels:
        values = np.union1d(values, plane)
    return values.astype(np.int64)


def label_boxes(labels: np.ndarray) -> dict[int, tuple[slice, slice, slice]]:
    """Smallest box (k, j, i) of each value but 0 in an array of whole numbers, all in one pass."""
    from scipy.ndimage import find_objects

    labels = labels.view(np.uint8) if labels.dtype.kind == "b" else labels
    values: np.ndarray | None = None
    highest = int(labels.max())
    if highest <= _FEW_VALUES:  # a pass for each, on all cores, takes less than one that asks which value it is
        found = {value: value_box(labels, value) for value in range(1, highest + 1)}
        return {value: box for value, box in found.items() if box is not None}
    if highest >= 1 << 22:  # a table as long as the highest value would not fit
        values, inverse = np.unique(labels, return_inverse=True)
        labels = inverse.reshape(labels.shape) + 1
    numbered = enumerate(find_objects(labels), start=1)
    boxes = {n if values is None else int(values[n - 1]): box for n, box in numbered if box is not None}
    boxes.pop(0, None)
    return boxes


def require_same_grid(volume: Volume | Segmentation, segmentation: Segmentation) -> None:
    """Raise InputError unless image and labels have one shape and lie on each other."""
    what = "image" if isinstance(volume, Volume) else "segmentation"
    if volume.shape != segmentation.shape:
        raise InputError(
            f"{what} {volume.name!r} has {size_text(volume.shape)} voxels but labels {segmentation.name!r} have "
            f"{size_text(segmentation.shape)}; use --resample to resample the labels to the grid of the {what}."
        )
    if not volume.geometry.matches(segmentation.geometry, volume.shape):
        raise InputError(
            f"{what} {volume.name!r} and labels {segmentation.name!r} have the same shape but different positions "
            f"({what} {volume.geometry}, labels {segmentation.geometry}); check which of the two headers is right. If "
            f"the labels were made on this {what}, save them with its voxel size, origin and direction."
        )
