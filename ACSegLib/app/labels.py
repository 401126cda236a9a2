"""The labels of the open volume: one array, its segments, and the slices that the user labelled."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import numpy as np

from ACSegLib.app.contract import AXES, SegmentInfo
from ACSegLib.app.images import axis_number, read_pages_alone, take_slice
from ACSegLib.errors import InputError
from ACSegLib.files.lazy import scratch
from ACSegLib.volume import DEFAULT_COLOURS, Geometry, Segment, Segmentation, default_colour, label_dtype

#: Label arrays of more bytes lie in a file that vanishes with them.
MAX_IN_MEMORY = 2 << 30
_MAX_SEGMENTS = 65535
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}\Z")

#: A slice: its axis and index.
Place = tuple[str, int]


class Labels:
    """The labels that are shown, and which slices of them the user labelled.

    Parameters
    ----------
    array : ndarray of uint8 or uint16, shape (z, y, x)
    segments : sequence of Segment
        One layer.
    labelled : iterable of Place
    complete : bool
        See `contract.LabelsInfo`.
    """

    def __init__(
        self, array: np.ndarray, segments: Sequence[Segment], labelled: Iterable[Place] = (), complete: bool = False
    ) -> None:
        self.array, self.segments = array, list(segments)
        self.labelled: set[Place] = set(labelled)
        self.complete = complete

    @classmethod
    def empty(cls, shape: tuple[int, int, int]) -> Labels:
        """No labels, and one segment to begin with."""
        return cls(new_array(shape), [Segment("Segment 1", 1, DEFAULT_COLOURS[0])])

    @classmethod
    def of(cls, segmentation: Segmentation) -> Labels:
        """Labels of a segmentation; where segments overlap, the later one wins.

        Raises
        ------
        InputError
            If it has more segments than label slices can hold.
        """
        flat = segmentation.flattened()
        array, segments = flat.labels, flat.segments
        if len(segments) > _MAX_SEGMENTS:
            raise InputError(
                f"labels {segmentation.name!r} have {len(segments)} segments; the page can show {_MAX_SEGMENTS}."
            )
        top = max((s.value for s in segments), default=0)
        if top > _MAX_SEGMENTS:
            values = np.sort([s.value for s in segments])
            array = np.searchsorted(values, array.ravel()).reshape(array.shape) + (array != 0)
            rows = {int(v): n for n, v in enumerate(values, start=1)}
            segments = [replace(s, value=rows[s.value]) for s in segments]
            top = len(segments)
        copy = new_array(array.shape, label_dtype([top]))
        copy[...] = array
        return cls(copy, segments)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        z, y, x = self.array.shape
        return z, y, x

    @property
    def in_use(self) -> bool:
        """Whether labels were opened, made or put: otherwise there is no voxel of any segment."""
        return self.complete or bool(self.labelled)

    def infos(self) -> list[SegmentInfo]:
        """The segments, as the page gets them."""
        return [SegmentInfo(s.value, s.name, to_hex(s.colour)) for s in self.segments]

    def by_axis(self) -> dict[str, list[int]]:
        """Labelled slices: axis -> sorted indices."""
        return {axis: sorted(n for a, n in self.labelled if a == axis) for axis in AXES}

    def slice_bytes(self, axis: str, index: int) -> tuple[bytes, tuple[int, int]]:
        """A slice as the page gets it, and its shape."""
        plane = np.ascontiguousarray(take_slice(self.array, axis, index))
        little = plane.astype(plane.dtype.newbyteorder("<"), copy=False)
        return little.tobytes(), (plane.shape[0], plane.shape[1])

    def put(self, axis: str, index: int, body: bytes, labelled: bool) -> set[int]:
        """Replace a slice, and give the planes along z that changed.

        Raises
        ------
        InputError
            If the body has another size, or holds the value of no segment.
        """
        if axis == "x" and self.array.nbytes > MAX_IN_MEMORY:  # each voxel would write another page of a file
            raise InputError("labels of a volume of this size can be put along z and y; label slices of these axes.")
        plane = take_slice(self.array, axis, index)
        if len(body) != plane.nbytes:
            raise InputError(
                f"slice {axis} = {index} has {plane.nbytes} bytes ({plane.shape[0]} x {plane.shape[1]} voxels), and "
                f"the body has {len(body)}."
            )
        values = np.frombuffer(body, self.array.dtype.newbyteorder("<")).reshape(plane.shape)
        known = np.zeros(np.iinfo(self.array.dtype).max + 1, bool)
        known[[0, *(s.value for s in self.segments)]] = True
        if not known[values].all():
            raise InputError(f"the slice holds the value {int(values[~known[values]][0])}, which no segment has.")
        rows = np.flatnonzero((plane != values).any(axis=1))
        np.moveaxis(self.array, axis_number(axis), 0)[index][rows] = values[rows]
        (self.labelled.add if labelled else self.labelled.discard)((axis, index))
        if axis == "z":
            return {index} if rows.size else set()
        return set(rows.tolist())

    def sparse(self) -> np.ndarray:
        """The labels of the labelled slices alone; everything if no slice counts as labelled."""
        result = new_array(self.shape, self.array.dtype)
        if not self.labelled:
            result[...] = self.array
        copy_slices(self.array, result, self.labelled)
        return result

    def segmentation(self, geometry: Geometry, name: str, array: np.ndarray | None = None) -> Segmentation:
        """The labels (or another array of the same values) as a segmentation."""
        return Segmentation((self.array if array is None else array,), list(self.segments), geometry, name)

    # -- segments -----------------------------------------------------------------------------------------------------

    def segment(self, value: int) -> Segment:
        """The segment of a value; InputError if there is none."""
        for segment in self.segments:
            if segment.value == value:
                return segment
        raise InputError(f"there is no segment of value {value}.")

    def add(self, name: str, colour: str, taken: Collection[int] = ()) -> Segment:
        """Add a segment with the smallest free value that is not `taken`; the array becomes uint16 if necessary."""
        used = {s.value for s in self.segments}.union(taken)
        value = next(v for v in range(1, len(used) + 2) if v not in used)
        if value > _MAX_SEGMENTS:
            raise InputError(f"there are {len(used)} segments; more are not possible.")
        if value > np.iinfo(self.array.dtype).max:
            self.array = self.array.astype(np.uint16)
        shown = from_hex(colour) if colour else default_colour(len(self.segments))
        segment = Segment(self._free_name(name or f"Segment {value}"), value, shown)
        segment.id = self.free_id(segment.id)
        self.segments.append(segment)
        return segment

    def change(self, value: int, name: str, colour: str) -> None:
        """Give a segment another name or colour; what is "" stays."""
        segment = self.segment(value)
        if name and name != segment.name:
            segment.name = self._free_name(name)
        if colour:
            segment.colour = from_hex(colour)

    def without(self, value: int) -> Labels:
        """The labels without a segment."""
        gone = self.segment(value)
        array = new_array(self.shape, self.array.dtype)
        for source, target in zip(self.array, array, strict=True):
            np.copyto(target, source, where=source != value)
        return Labels(array, [s for s in self.segments if s is not gone], self.labelled, self.complete)

    def _free_name(self, name: str) -> str:
        name = " ".join(name.split())
        if name in {s.name for s in self.segments}:
            raise InputError(f"there is a segment {name!r} already; choose another name.")
        return name

    def free_id(self, identifier: str) -> str:
        """The id, or one like it where a segment has it."""
        used = {s.id for s in self.segments}
        names = (f"{identifier}-{n}" if n > 1 else identifier for n in range(1, len(used) + 2))
        return next(name for name in names if name not in used)


def new_array(shape: Sequence[int], dtype: np.dtype | type = np.uint8) -> np.ndarray:
    """An array of zeros, in memory or, if it is large, in a file that vanishes with it."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if size <= MAX_IN_MEMORY:
        return np.zeros(shape, dtype)
    array = scratch(shape, dtype)
    read_pages_alone(array)
    return array


def copy_slices(source: np.ndarray, target: np.ndarray, places: Iterable[Place]) -> None:
    """Copy some slices of one array into another of the same shape."""
    for axis, index in places:
        number = axis_number(axis)
        np.moveaxis(target, number, 0)[index] = np.moveaxis(source, number, 0)[index]


def to_hex(colour: Sequence[float]) -> str:
    """A colour (0 to 1) as "#rrggbb"."""
    return "#" + "".join(f"{round(255 * min(max(v, 0.0), 1.0)):02x}" for v in colour)


def from_hex(text: str) -> tuple[float, ...]:
    """A colour (0 to 1) of "#rrggbb"; InputError if it is none."""
    if not _COLOUR.match(text):
        raise InputError(f"colour {text!r} is not of the form #rrggbb.")
    return tuple(int(text[n : n + 2], 16) / 255 for n in (1, 3, 5))
