"""AmiraMesh and Avizo lattices (.am, and .rec or .labels that are AmiraMesh inside). Read by hand: no library does.

Understood: BINARY (big-endian), BINARY-LITTLE-ENDIAN and ASCII data, each plain, run-length coded (HxByteRLE) or
zlib-compressed (HxZip); one scalar per voxel on uniform coordinates.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ACSegLib.arrays import is_mapped
from ACSegLib.errors import FileError
from ACSegLib.files.axes import Axis, arrange, geometry_of
from ACSegLib.files.content import (
    CHOOSE,
    Content,
    Inflated,
    Part,
    Request,
    SeveralError,
    native,
    note_of_rest,
    read_exactly,
    truncated,
)
from ACSegLib.special_segments import role_of
from ACSegLib.volume import Geometry, Segment, default_colour

NAME = "AmiraMesh"
ENDINGS: tuple[str, ...] = ()
LAYERS = False

#: The header's parameters by name; a group of them is a mapping again.
Parameters = dict[str, Any]

_MAGIC = re.compile(rb"#\s*(AmiraMesh|Avizo)\b")
_TYPES = {
    "byte": "u1", "sbyte": "i1", "ubyte": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "int32": "i4",
    "uint32": "u4", "float": "f4", "double": "f8",
}  # fmt: skip
_LATTICE = re.compile(r"Lattice\s*\{\s*(\w+(?:\[\d+\])?)\s+([^\s}]+)\s*\}\s*=?\s*@(\d+)(?:\((\w+)(?:,\s*(\d+))?\))?")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{},\n]|[^\s{},"]+')
_HEADER_LIMIT = 1 << 24
_SECTION = re.compile(rb"\n@\d+[ \t]*\r?\n")
_MARK_BYTES = 64
#: Lattice that Amira adds to label fields, with how sure each label is.
_WEIGHTS = "Probability"


@dataclass(frozen=True)
class _Lattice:
    """One data section: `Lattice { byte Labels } @1(HxByteRLE,1234)`."""

    type: str
    name: str
    number: int
    coding: str
    length: int


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file begins with the AmiraMesh or Avizo comment."""
    return _MAGIC.match(head) is not None


def read(path: Path, request: Request) -> Content:
    """Read one lattice; its materials become the segment table (the first one, Exterior, is background)."""
    with open(path, "rb") as stream:
        text = _header(stream, path)
        lattices = _lattices(text)
        lattice = _chosen(lattices, request.dataset, path)
        shape = _shape(text, path)
        array = _section(stream, text, lattice, shape, path)
        rest = _note_of_rest(stream, text, lattice, array, path)
    parameters = _parse(text).get("Parameters", {})
    array, _ = arrange(array, [""] * array.ndim, path)
    geometry, notes = _geometry(parameters, array.shape, path)
    segments, told = _segments(parameters.get("Materials"), array)
    meta = {"dataset": lattice.name, "content": _word(parameters.get("Content"))}
    return Content((array,), geometry, segments, meta, [*notes, *rest, *told])


def _note_of_rest(stream: IO[bytes], text: str, lattice: _Lattice, array: np.ndarray, path: Path) -> list[str]:
    """The note on plain voxels that the header does not state; `stream` is behind those that it does."""
    last = max(int(number) for number in re.findall(r"@(\d+)", text)) == lattice.number
    if lattice.coding or not last or is_mapped(array) or "ASCII" in text.split("\n", 1)[0].upper():
        return []
    return note_of_rest(path.stat().st_size - stream.tell() + array.nbytes, array.nbytes)


def inventory(path: Path) -> list[Part]:
    """List the lattices of the file."""
    with open(path, "rb") as stream:
        text = _header(stream, path)
    shape = _shape(text, path)
    return [Part(item.name, shape, item.type) for item in _lattices(text)]


def _header(stream: IO[bytes], path: Path) -> str:
    """Read up to the first data section and leave the stream at its mark."""
    blocks: list[bytes] = []
    size, tail = 0, b""
    while True:
        block = stream.read(1 << 16)
        match = _SECTION.search(tail + block)
        if match:
            end = size - len(tail) + match.start() + 1
            stream.seek(end)
            text = b"".join([*blocks, block])[:end]
            break
        size += len(block)
        if not block or size > _HEADER_LIMIT:
            raise FileError(f"{path}: the file has no data section; it is cut short, or holds no voxels.")
        blocks.append(block)
        tail = (tail + block)[-_MARK_BYTES:]
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _lattices(text: str) -> list[_Lattice]:
    return [
        _Lattice(kind, name, int(number), coding or "", int(length or 0))
        for kind, name, number, coding, length in _LATTICE.findall(text)
    ]


def _chosen(lattices: list[_Lattice], name: str | None, path: Path) -> _Lattice:
    known = ", ".join(item.name for item in lattices) or "none"
    if name:
        lattices = [item for item in lattices if item.name == name]
    if not lattices:
        raise FileError(f"{path}: has no lattice{f' {name!r}' if name else ' of voxels'}; it has: {known}.")
    fields = [item for item in lattices if not item.name.startswith(_WEIGHTS)]
    if len(fields) == 1:  # a label field may hold the weights of its labels
        return fields[0]
    if len(lattices) > 1:
        raise SeveralError(f"{path}: holds several lattices; {CHOOSE}: {known}.")
    return lattices[0]


def _shape(text: str, path: Path) -> tuple[int, ...]:
    match = re.search(r"define\s+Lattice((?:\s+\d+)+)", text)
    if match is None:
        raise FileError(f"{path}: its header defines no lattice; ACSeg reads voxel data of AmiraMesh only.")
    return tuple(int(n) for n in match[1].split())[::-1]


def _section(stream: IO[bytes], text: str, lattice: _Lattice, shape: tuple[int, ...], path: Path) -> np.ndarray:
    """Find the data section and decode it into an array of shape (k, j, i)."""
    if lattice.type not in _TYPES:
        raise FileError(f"{path}: lattice {lattice.name!r} holds {lattice.type} values, not one number per voxel.")
    first = text.split("\n", 1)[0].upper()
    order = "<" if "LITTLE-ENDIAN" in first else ">"
    dtype = np.dtype(order + _TYPES[lattice.type])
    _seek_section(stream, text, lattice, shape, path)
    if "ASCII" in first:
        return _ascii(stream, shape, dtype, path)
    if not lattice.coding:
        return native(read_exactly(stream, shape, dtype, path))
    if lattice.coding == "HxZip":
        return native(read_exactly(Inflated(stream), shape, dtype, path))
    packed = stream.read(lattice.length) if lattice.length else stream.read()
    if lattice.length and len(packed) < lattice.length:
        raise truncated(path, len(packed), lattice.length)
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if lattice.coding != "HxByteRLE":
        raise FileError(f"{path}: its compression {lattice.coding} is unknown; save it uncompressed in Amira.")
    data = _decode_runs(packed)
    if len(data) < size:
        raise truncated(path, len(data), size)
    return native(np.frombuffer(data, dtype, size // dtype.itemsize)).reshape(shape)


def _seek_section(stream: IO[bytes], text: str, lattice: _Lattice, shape: tuple[int, ...], path: Path) -> None:
    """Go to the first byte of the section; earlier binary sections are skipped by their known lengths."""
    sections = sorted(_lattices(text), key=lambda item: item.number)
    while True:
        mark = stream.readline(64)
        while mark and not mark.strip():
            mark = stream.readline(64)
        match = re.match(rb"@(\d+)\s*$", mark)
        if match is None:
            raise FileError(f"{path}: the data section of lattice {lattice.name!r} was not found; the file is damaged.")
        number = int(match[1])
        if number == lattice.number:
            return
        skipped = next((item for item in sections if item.number == number), None)
        if skipped is None:
            raise FileError(f"{path}: data section @{number} belongs to no lattice, so the next cannot be found.")
        if "ASCII" in text.split("\n", 1)[0].upper():
            _skip_lines(stream)
        else:
            size = np.dtype(_TYPES.get(skipped.type, "u1")).itemsize
            stream.seek(skipped.length or int(np.prod(shape, dtype=np.int64)) * size, 1)


def _skip_lines(stream: IO[bytes]) -> None:
    while True:
        place = stream.tell()
        line = stream.readline()
        if not line or line.startswith(b"@"):
            stream.seek(place)
            return


def _ascii(stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype, path: Path) -> np.ndarray:
    text = stream.read().split(b"\n@", 1)[0].decode("ascii", "replace")
    kind = np.float64 if dtype.kind == "f" else np.int64
    values = np.array(text.split(), dtype=kind)
    count = int(np.prod(shape, dtype=np.int64))
    if len(values) < count:
        raise FileError(f"{path}: the file is cut short: it holds {len(values):,} of {count:,} values.")
    return values[:count].astype(dtype.newbyteorder("=")).reshape(shape)


def _decode_runs(packed: bytes) -> bytearray:
    """Undo HxByteRLE: a count below 128 repeats the next byte; 128 + n is followed by n bytes as they are."""
    data = bytearray()
    place, end = 0, len(packed)
    while place < end:
        count = packed[place]
        if count > 127:
            count -= 128
            data += packed[place + 1 : place + 1 + count]
            place += 1 + count
        else:
            data += packed[place + 1 : place + 2] * count
            place += 2
    return data


def _parse(text: str) -> Parameters:
    """Parse `name value ...,` and `name { ... }` into nested dictionaries; values are lists of words."""
    root: Parameters = {}
    stack = [root]
    words: list[str] = []
    body = "\n".join(line.split("#")[0] if line.lstrip().startswith("#") else line for line in text.splitlines())
    tokens = [
        token for token, group in itertools.groupby(_TOKEN.findall(body)) for _ in (group if token != "\n" else "1")
    ]
    for token, following in itertools.zip_longest(tokens, tokens[1:]):
        if token == "\n" and following == "{":
            continue  # a brace may stand on a line of its own
        if token == "{":
            inner: Parameters = {}
            stack[-1][" ".join(words).strip('"') or f"{{{len(stack[-1])}"] = inner  # several may have no name
            stack.append(inner)
            words = []
        elif token in "},\n":
            if words:
                stack[-1].setdefault(words[0].strip('"'), [w.strip('"') for w in words[1:]])
            words = []
            if token == "}" and len(stack) > 1:
                stack.pop()
        else:
            words.append(token)
    return root


def _word(values: Any) -> str:
    return " ".join(" ".join(values).split()) if isinstance(values, list) else ""


def _segments(materials: Any, array: np.ndarray) -> tuple[list[Segment] | None, list[str]]:
    """Make the table from the materials: their values are their places in the list, and 0 is background.

    Other programs leave Exterior out. Then the values begin at 1 where there are as many as materials; if they do not
    tell, Amira's rule holds.
    """
    if not isinstance(materials, dict) or not materials:
        return None, []
    named = [_name_of(name, properties) for name, properties in materials.items()]
    start, notes = 0, []
    if named[0] and role_of(named[0]) != "background" and array.dtype.kind in "iu":
        start = int(array.max() == len(named))
        notes.append(
            f"has no material Exterior; its first one, {named[0]}, was given the value {start}"
            + (", because there are as many values." if start else ", as in Amira, and is background.")
        )
    rows = []
    for value, (name, properties) in enumerate(zip(named, materials.values(), strict=True), start):
        if value == 0:
            continue
        colour = _numbers(properties.get("Color")) if isinstance(properties, dict) else []
        default = default_colour(value - 1)
        rows.append(Segment(name or f"Segment_{value}", value, tuple(colour[:3]) if len(colour) >= 3 else default))
    return rows, notes


def _name_of(name: str, properties: Any) -> str:
    """The name of a material, which files of before Amira 3 have within; empty where there is none."""
    if not name.startswith("{"):
        return name
    return _word(properties.get("Name")) if isinstance(properties, dict) else ""


def _geometry(parameters: Parameters, shape: tuple[int, ...], path: Path) -> tuple[Geometry, list[str]]:
    """Spacing = (max - min) / (n - 1): an Amira bounding box goes through the centres of the outer voxels."""
    kind = _word(parameters.get("CoordType")) or "uniform"
    if kind != "uniform":
        raise FileError(f"{path}: has {kind} coordinates, so its voxels are not of one size; resample it in Amira.")
    units = parameters.get("Units")
    unit = _word(units.get("Coordinates")) if isinstance(units, dict) else None
    box = _numbers(parameters.get("BoundingBox"))
    if len(box) != 6:
        return Geometry(), []
    axes = []
    for axis, size in enumerate(shape[::-1]):
        extent = box[2 * axis + 1] - box[2 * axis]  # one that runs backwards is negative
        step = extent / (size - 1) if size > 1 else extent or 1.0
        axes.append(Axis("xyz"[axis], step, unit, box[2 * axis]))
    geometry, notes = geometry_of(*axes)
    return _transformed(geometry, _numbers(parameters.get("TransformationMatrix"))), notes


def _numbers(values: Any) -> list[float]:
    """The numbers of an entry, which may stand in quotes, alone or together; none where it holds something else."""
    if not isinstance(values, list):
        return []
    try:
        return [float(word) for text in values for word in text.replace(",", " ").split()]
    except ValueError:
        return []


def _transformed(geometry: Geometry, values: list[float]) -> Geometry:
    """Apply Amira's transform (16 numbers, columns first)."""
    if len(values) != 16:
        return geometry
    matrix = np.reshape(values, (4, 4)).T @ geometry.ijk_to_lps
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    return Geometry(tuple(spacing), tuple(matrix[:3, 3]), tuple((matrix[:3, :3] / spacing).ravel()), geometry.unit)
