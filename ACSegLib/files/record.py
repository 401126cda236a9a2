"""What ACSeg adds to formats that cannot hold a direction or a segment table: one JSON object.

It is kept where other programs ignore it or show it as text (TIFF's description, a NIfTI comment extension, an MRC
extended header, a MetaImage field, an OME-Zarr or HDF5 attribute). The format's own voxel size always wins: the
record's geometry is used only while it agrees with it, so an edit made in another program is honoured.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ACSegLib.files.content import Content
from ACSegLib.json_values import Json
from ACSegLib.volume import Geometry, Segment

KEY = "acseg"
_VERSION = 1


def make(content: Content) -> Json:
    """Give the record of a content as plain JSON values."""
    geometry = content.geometry
    values: Json = {
        KEY: _VERSION,
        "size": list(content.array.shape[::-1]),
        "spacing": list(geometry.spacing),
        "origin": list(geometry.origin),
        "direction": list(geometry.direction),
        "unit": geometry.unit,
    }
    if content.segments is not None:
        values["segments"] = [segment_to_json(segment) for segment in content.segments]
    elif unit := content.meta.get("intensity_unit"):
        values["intensity_unit"] = str(unit)
    return values


def dumps(content: Content, **more: str) -> str:
    """Give the record as one line of ASCII text, with what else a format must remember."""
    return json.dumps({**make(content), **more}, separators=(",", ":"))


def restore(content: Content, source: str | Json | None) -> Content:
    """Complete a content by the record found in its file; text that holds none changes nothing."""
    values = parse(source)
    if values is None:
        return content
    geometry = content.geometry
    stored = _stored_geometry(values)
    if stored is not None and values.get("size") == list(content.array.shape[::-1]) and _agrees(stored, geometry):
        geometry = replace(stored, nifti_codes=geometry.nifti_codes)
    segments = content.segments
    if isinstance(values.get("segments"), list):
        segments = [segment_from_json(row) for row in values["segments"]]
    meta = content.meta
    if isinstance(values.get("intensity_unit"), str):
        meta = {**meta, "intensity_unit": values["intensity_unit"]}
    return replace(content, geometry=geometry, segments=segments, meta=meta)


def parse(source: str | Json | None) -> Json | None:
    """Find the record in a text (or a decoded JSON object); None if there is none."""
    if isinstance(source, str):
        start = source.find(f'{{"{KEY}"')
        if start < 0:
            return None
        try:
            source, _ = json.JSONDecoder().raw_decode(source[start:])
        except json.JSONDecodeError:
            return None
    return source if isinstance(source, Mapping) and KEY in source else None


def fits(source: str | Json | None, shape: Sequence[int]) -> bool:
    """Whether a record describes an image of as many voxels as an array of this shape has."""
    size = (parse(source) or {}).get("size")
    return isinstance(size, list) and math.prod(size) == math.prod(shape)


def reshaped(array: np.ndarray, source: str | Json | None) -> np.ndarray:
    """Give axes of length one back that a format has dropped."""
    size = (parse(source) or {}).get("size")
    if array.ndim < 3 and isinstance(size, list) and len(size) == 3 and math.prod(size) == array.size:
        return array.reshape(size[::-1])
    return array


def _stored_geometry(values: Json) -> Geometry | None:
    try:
        return Geometry(values["spacing"], values["origin"], values["direction"], values["unit"])
    except (KeyError, TypeError, ValueError):
        return None


def _agrees(stored: Geometry, found: Geometry) -> bool:
    if stored.unit == found.unit == "px" and found.spacing == (1.0, 1.0, 1.0):
        return True  # the format has no place for lengths without a unit
    if "px" not in (stored.unit, found.unit):
        stored = stored.in_unit(found.unit)
    return bool(np.allclose(stored.spacing, found.spacing, rtol=1e-5, atol=0))


def segment_to_json(segment: Segment) -> Json:
    """Give a row of the segment table as plain JSON values."""
    values: Json = {"name": segment.name, "value": segment.value, "colour": list(segment.colour)}
    values["id"] = segment.id
    if segment.terminology:
        values["terminology"] = segment.terminology
    if segment.tags:
        values["tags"] = dict(segment.tags)
    return values


def segment_from_json(values: Json) -> Segment:
    """Make a row of the segment table from its JSON values."""
    return Segment(
        str(values["name"]),
        int(values["value"]),
        tuple(float(v) for v in values.get("colour", (0.5, 0.68, 0.5))),
        id=str(values.get("id", "")),
        terminology=str(values.get("terminology", "")),
        tags={str(k): str(v) for k, v in dict(values.get("tags", {})).items()},
    )
