"""MetaImage (.mha, .mhd with its data file) through SimpleITK."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import record
from ACSegLib.files.content import Content, Inflated, Request, as_3d, native, read_exactly
from ACSegLib.files.units import unit_of
from ACSegLib.volume import Geometry

NAME = "MetaImage"
ENDINGS = (".mha",)
LAYERS = False

_FIELD = re.compile(rb"^\s*(\w+)\s*=[ \t]*([^\r\n]*)", re.MULTILINE)
_ROW = "ACSegSegment"
_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip


def recognises(path: Path, head: bytes) -> bool:
    """Tell whether the file begins with MetaImage's header fields."""
    return bool(re.match(rb"\s*(ObjectType|Comment|NDims)\s*=", head)) and b"NDims" in head


def _fields(path: Path) -> tuple[dict[str, str], int]:
    """Give the header's fields, and where the voxels begin if they are in this file."""
    with open(path, "rb") as stream:
        text = stream.read(1 << 20)
    match = re.search(rb"^\s*ElementDataFile\s*=[^\n]*\n?", text, re.MULTILINE)
    if match is None:
        raise FileError(f"{path}: its header has no ElementDataFile; the file is cut short or not a MetaImage.")
    found = _FIELD.findall(text[: match.end()])
    return {k.decode("ascii"): v.decode("utf-8", "replace").strip() for k, v in found}, match.end()


def read(path: Path, request: Request) -> Content:
    """Read the volume; the unit is the header's DistanceUnits, else millimetres as ITK takes it."""
    import SimpleITK

    fields, start = _fields(path)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("MetaImageIO")
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    if reader.GetNumberOfComponents() > 1:
        raise FileError(f"{path}: has {reader.GetNumberOfComponents()} colour channels; save one channel as a volume.")
    array = _voxels(path, fields, start)
    if array is None:
        array = SimpleITK.GetArrayFromImage(reader.Execute())
    array = as_3d(array, path)
    if reader.GetDimension() != 3:
        return Content((array,), Geometry())
    spacing = reader.GetSpacing()
    unit = unit_of(fields.get("DistanceUnits"))
    content = Content((array,), Geometry(spacing, reader.GetOrigin(), reader.GetDirection(), unit or "px"))
    if "ACSeg" in fields:
        return _restored(content, fields)
    if unit is None and set(spacing) != {1.0}:
        content.geometry = replace(content.geometry, unit="mm")
    return content


def _data_file(path: Path, fields: dict[str, str]) -> Path | None:
    """The one file that holds the voxels; None where there are several."""
    name = fields["ElementDataFile"]
    if name.upper() == "LIST" or "%" in name:
        return None
    data = path if name.upper() == "LOCAL" else path.parent / name
    if not data.is_file():
        raise FileError(f"{path}: its data file {name} is missing; put both in one folder.")
    return data


def _voxels(path: Path, fields: dict[str, str], start: int) -> np.ndarray | None:
    """Read the voxels straight into their array: SimpleITK copies them, and makes up those that it cannot read.

    None where they are spread over files, which is left to SimpleITK.
    """
    data = _data_file(path, fields)
    kind = _TYPES.get(fields.get("ElementType", "").upper())
    channels = int(fields.get("ElementNumberOfChannels", 1))
    if data is None or kind is None or channels > 1:
        return None
    packed = fields.get("CompressedData", "False").lower() == "true"
    big = fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False")).lower() == "true"
    dtype = np.dtype((">" if big else "<") + kind)
    shape = tuple(int(v) for v in fields["DimSize"].split())[::-1]
    skip = int(fields.get("HeaderSize", 0))
    size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
    with open(data, "rb") as stream:
        if skip < 0 and not packed:
            stream.seek(max(0, data.stat().st_size - size))
        else:
            stream.seek(max(skip, 0) + (start if data == path else 0))
        return native(read_exactly(Inflated(stream) if packed else stream, shape, dtype, path))


def _restored(content: Content, fields: dict[str, str]) -> Content:
    values: dict[str, Any] = json.loads(fields["ACSeg"])
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
    SimpleITK.WriteImage(image, str(path), content.segments is not None, imageIO="MetaImageIO")
    return lost
