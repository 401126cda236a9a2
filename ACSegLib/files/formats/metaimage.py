"""MetaImage (.mha, .mhd with its data file or files).

Read here rather than through SimpleITK, whose MetaIO copies the voxels, makes up those that a cut file lacks, and
writes outside its memory on some damaged headers. Written through SimpleITK.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from ACSegLib.errors import FileError, InputError
from ACSegLib.files import record
from ACSegLib.files.axes import Axis, arrange, geometry_of
from ACSegLib.files.content import (
    Content,
    Inflated,
    Request,
    beside,
    listed_names,
    native,
    note_of_rest,
    note_of_scale,
    numbered,
    read_exactly,
    truncated,
)
from ACSegLib.files.plain_paths import plain_path
from ACSegLib.json_values import Json
from ACSegLib.volume import Geometry

NAME = "MetaImage"
ENDINGS = (".mha",)
LAYERS = False

_FIELD = re.compile(rb"^[ \t]*(\w+)[ \t]*=[ \t]*([^\r\n]*)", re.MULTILINE)
_ROW = "ACSegSegment"
_SCALE = "ElementToIntensityFunction"
_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
_HEADER_LIMIT = 1 << 24
#: Bytes that a number takes as text, at most.
_MAX_TEXT = 32


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file begins with MetaImage's header fields."""
    start = head.removeprefix(BOM_UTF8)
    return bool(re.match(rb"\s*(ObjectType|Comment|NDims)\s*=", start)) and b"NDims" in head


def read(path: Path, request: Request) -> Content:
    """Read the volume; the unit is the header's DistanceUnits, else millimetres as ITK takes it."""
    fields, start = _fields(path)
    channels = int(fields.get("ElementNumberOfChannels", 1))
    if channels > 1:
        raise FileError(f"{path}: has {channels} channels; save one channel as a volume.")
    stored = _voxels(path, fields, start)
    array, kept = arrange(stored, ["" for _ in stored.shape], path)
    geometry, notes = _geometry(fields, [stored.ndim - 1 - n for n in kept[::-1]])
    notes += _note_of_rest(fields, path, start, stored.nbytes)
    slope, offset = (float(fields.get(f"{_SCALE}{word}", n)) for word, n in (("Slope", 1), ("Offset", 0)))
    notes += note_of_scale(_SCALE, slope, offset)
    content = Content((array,), geometry, notes=notes)
    return _restored(content, fields) if "ACSeg" in fields else content


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Give the header's fields, and where the voxels begin if they are in this file."""
    with open(path, "rb") as stream:
        text = stream.read(_HEADER_LIMIT)
    match = re.search(rb"^[ \t]*ElementDataFile[ \t]*=[^\n]*\n?", text, re.MULTILINE)
    if match is None:
        raise FileError(f"{path}: its header has no ElementDataFile; the file is cut short or not a MetaImage.")
    fields = {
        key.decode("ascii", "replace"): value.decode("utf-8", "replace").strip()
        for key, value in _FIELD.findall(text[: match.end()])
    }
    missing = [name for name in ("DimSize", "ElementType") if name not in fields]
    if missing:
        raise FileError(f"{path}: its header has no {missing[0]}; the file is damaged.")
    return fields, match.end()


def _geometry(fields: dict[str, str], spatial: list[int]) -> tuple[Geometry, list[str]]:
    """Spacing, origin and direction of the axes that lie in space (x, y, z); each field has had several names."""

    def numbers(*names: str) -> np.ndarray | None:
        text = next((fields[name] for name in names if name in fields), None)
        return None if text is None else np.array(text.replace(",", ".").split(), float)

    spacing = numbers("ElementSpacing", "ElementSize")
    origin = numbers("Origin", "Position", "Offset")
    rows = numbers("TransformMatrix", "Rotation", "Orientation")
    size = len(fields["DimSize"].split())
    directions = np.eye(3) if rows is None else rows.reshape(size, size)[np.ix_(spatial, spatial)].T
    lengths = np.linalg.norm(directions, axis=0)  # ITK scales the voxels by them
    if not np.all(lengths > 0):
        raise InputError("its TransformMatrix has a direction of length 0; correct the header.")
    steps = np.ones(size) if spacing is None else spacing
    x, y, z = (
        Axis("xyz"[n], float(steps[axis] * lengths[n]), fields.get("DistanceUnits"), 0.0)
        for n, axis in enumerate(spatial)
    )
    geometry, notes = geometry_of(x, y, z, silent="px" if "ACSeg" in fields else "mm")
    scale = geometry.spacing[0] / abs(x.step or 1.0)
    directions = directions / lengths * np.diag(geometry.direction_matrix)
    start = (0.0, 0.0, 0.0) if origin is None else tuple(float(origin[axis]) * scale for axis in spatial)
    return replace(geometry, origin=start, direction=tuple(directions.ravel() + 0.0)), notes


def _voxels(path: Path, fields: dict[str, str], start: int) -> np.ndarray:
    """Read the voxels straight into their array, slowest axis first."""
    kind = _TYPES.get(fields["ElementType"].upper())
    if kind is None:
        raise FileError(f"{path}: holds {fields['ElementType']} voxels, which are not numbers of one channel.")
    big = _is_true(fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False")))
    dtype = np.dtype((">" if big else "<") + kind)
    shape = tuple(int(v) for v in fields["DimSize"].split())[::-1]
    if min(shape, default=0) <= 0:
        raise FileError(f"{path}: its size is {fields['DimSize']}; an image needs at least one voxel along each axis.")
    if fields["ElementDataFile"].upper() == "LOCAL":
        with open(path, "rb") as stream:
            stream.seek(start)
            return _section(stream, shape, dtype, fields, path)
    files = _data_files(path, fields, start)
    part = shape if len(files) == 1 else shape[1:]
    sections = []
    for file in files:
        with open(file, "rb") as stream:
            sections.append(_section(stream, part, dtype, fields, path))
    return sections[0] if len(files) == 1 else np.stack(sections)


def _is_true(text: str) -> bool:
    """What MetaIO takes for true: True, true or 1."""
    return text[:1] in ("T", "t", "1")


def _data_files(path: Path, fields: dict[str, str], start: int) -> list[Path]:
    """The file, listed files (LIST) or numbered files (name%03d.raw first last step) that hold the voxels."""
    words = fields["ElementDataFile"].split()
    slices = int(fields["DimSize"].split()[-1])
    if words and words[0].upper() == "LIST":
        with open(path, "rb") as stream:
            stream.seek(start)
            names = listed_names(stream)
    elif len(words) in (3, 4) and "%" in words[0]:
        first, last, *step = (int(word) for word in words[1:])
        numbers = range(first, last + 1, *step)
        if len(numbers) != slices:
            raise FileError(f"{path}: names {len(numbers)} data files for {slices} slices; the header is damaged.")
        names = [numbered(words[0], n, path) for n in numbers]
    else:
        names = [fields["ElementDataFile"]]
    if len(names) not in (1, slices):
        raise FileError(f"{path}: names {len(names)} data files for {slices} slices; the header is damaged.")
    return [beside(path, name) for name in names]


def _section(
    stream: IO[bytes], shape: tuple[int, ...], dtype: np.dtype, fields: dict[str, str], path: Path
) -> np.ndarray:
    """Read voxels from where the stream stands: compressed, as text, or as they are."""
    if _is_true(fields.get("CompressedData", "False")):
        return native(read_exactly(Inflated(stream), shape, dtype, path))
    count = int(np.prod(shape, dtype=np.int64))
    if not _is_true(fields.get("BinaryData", "True")):
        words = stream.read(_MAX_TEXT * count).split()[:count]
        if len(words) < count:
            raise truncated(path, len(words), count)
        values = np.array(words, np.float64 if dtype.kind == "f" else np.int64)
        return values.astype(dtype.newbyteorder("=")).reshape(shape)
    skip = int(fields.get("HeaderSize", 0))
    if skip < 0:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - count * dtype.itemsize))
    elif skip:  # counted from the start of the file, also where the header is in it
        stream.seek(skip)
    return native(read_exactly(stream, shape, dtype, path))


def _note_of_rest(fields: dict[str, str], path: Path, start: int, stated: int) -> list[str]:
    """The note on plain voxels that the header does not state; `start` is where they begin in its own file."""
    plain = not _is_true(fields.get("CompressedData", "False")) and _is_true(fields.get("BinaryData", "True"))
    local = fields["ElementDataFile"].upper() == "LOCAL"
    files = [path] if local else _data_files(path, fields, start)
    if not plain or int(fields.get("HeaderSize", 0)) or len(files) > 1:
        return []
    return note_of_rest(files[0].stat().st_size - (start if local else 0), stated)


def _restored(content: Content, fields: dict[str, str]) -> Content:
    values: Json = json.loads(fields["ACSeg"])
    rows = [fields[k] for k in sorted((k for k in fields if k.startswith(_ROW)), key=lambda k: int(k[len(_ROW) :]))]
    if "segments" in values:
        values["segments"] = [json.loads(row) for row in rows]
    return record.restore(content, values)


def write(content: Content, path: Path) -> list[str]:
    """Write one .mha file, compressed for labels; the segment table goes into fields that others ignore."""
    import SimpleITK

    lost, array = [], content.array
    if array.dtype == np.float16:
        lost.append("MetaImage has no 16-bit floating point; the values were written as 32-bit.")
        array = array.astype(np.float32)
    image = SimpleITK.GetImageFromArray(array)
    image.SetSpacing(content.geometry.spacing)
    image.SetOrigin(content.geometry.origin)
    image.SetDirection(content.geometry.direction)
    values = record.make(content)
    for number, row in enumerate(values.get("segments", [])):
        image.SetMetaData(f"{_ROW}{number}", json.dumps(row))
    if "segments" in values:
        values["segments"] = []
    image.SetMetaData("ACSeg", json.dumps(values))
    SimpleITK.WriteImage(image, plain_path(path), content.segments is not None, imageIO="MetaImageIO")
    return lost
