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
from ACSegLib.files.content import Content, Request, as_3d, truncated
from ACSegLib.files.units import unit_of
from ACSegLib.volume import Geometry

NAME = "MetaImage"
ENDINGS = (".mha",)
LAYERS = False

_FIELD = re.compile(rb"^\s*(\w+)\s*=[ \t]*([^\r\n]*)", re.MULTILINE)
_ROW = "ACSegSegment"


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
    _check_data_file(path, fields, start)
    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO("MetaImageIO")
    reader.SetFileName(str(path))
    image = reader.Execute()
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise FileError(
            f"{path}: has {image.GetNumberOfComponentsPerPixel()} colour channels; save one channel as a volume."
        )
    array = as_3d(SimpleITK.GetArrayFromImage(image), path)
    if image.GetDimension() != 3:
        return Content((array,), Geometry())
    spacing = image.GetSpacing()
    unit = unit_of(fields.get("DistanceUnits"))
    content = Content((array,), Geometry(spacing, image.GetOrigin(), image.GetDirection(), unit or "px"))
    if "ACSeg" in fields:
        return _restored(content, fields)
    if unit is None and set(spacing) != {1.0}:
        content.geometry = replace(content.geometry, unit="mm")
    return content


def _check_data_file(path: Path, fields: dict[str, str], start: int) -> None:
    """Refuse a missing or short data file (ITK reads a short one as zeros in part)."""
    name = fields["ElementDataFile"]
    if name.upper() == "LIST" or "%" in name:
        return
    local = name.upper() == "LOCAL"
    data = path if local else path.parent / name
    if not data.is_file():
        raise FileError(f"{path}: its data file {name} is missing; put both in one folder.")
    if fields.get("CompressedData", "False").lower() == "true":
        return
    sizes = {"CHAR": 1, "SHORT": 2, "INT": 4, "FLOAT": 4, "DOUBLE": 8, "LONG": 4, "LONG_LONG": 8}
    kind = fields.get("ElementType", "").upper().removeprefix("MET_").removeprefix("U")
    count = int(np.prod([int(v) for v in fields.get("DimSize", "0").split()], dtype=np.int64))
    expected = count * sizes.get(kind, 1) * int(fields.get("ElementNumberOfChannels", 1))
    found = data.stat().st_size - (start if local else 0)
    if found < expected:
        raise truncated(path, found, expected)


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
