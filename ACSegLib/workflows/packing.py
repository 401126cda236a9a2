"""Requests and results on their way to another process: plain values that JSON holds, and arrays apart.

What is packed is a message (a dict of JSON values) and a dict of arrays by name. How the arrays travel, by shared
memory or by files, is the carrier's business; it must keep their type, shape and values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.json_values import Json
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

Message = Json
Arrays = dict[str, np.ndarray]


def pack_volume(volume: Volume, name: str, arrays: Arrays) -> Message:
    """Put a volume's voxels into `arrays` as `name`, and give the rest (what the file said, but for units, apart)."""
    arrays[name] = np.asarray(volume.array)
    stated = {key: volume.meta[key] for key in ("intensity_unit",) if key in volume.meta}
    return {"array": name, "name": volume.name, "geometry": dataclasses.asdict(volume.geometry), "stated": stated}


def unpack_volume(message: Json, arrays: Mapping[str, np.ndarray]) -> Volume:
    """Give back what `pack_volume` took."""
    geometry = Geometry(**message["geometry"])
    return Volume(arrays[message["array"]], geometry, message["name"], dict(message["stated"]))


def unpack_volume_or(message: Json, arrays: Mapping[str, np.ndarray], earlier: Volume | None) -> Volume:
    """As `unpack_volume`; without its voxels the volume of earlier work is meant, which need not be sent again."""
    if message["array"] in arrays:
        return unpack_volume(message, arrays)
    if earlier is None:
        raise InputError("the request holds no image, and there is no earlier work whose image it could mean.")
    return earlier


def pack_segmentation(segmentation: Segmentation, name: str, arrays: Arrays) -> Message:
    """Put the label arrays into `arrays` as `name` and a number, one per layer, and give the rest."""
    layers = []
    for number, layer in enumerate(segmentation.layers):
        layers.append(f"{name} {number}")
        arrays[layers[-1]] = np.asarray(layer)
    return {
        "layers": layers,
        "name": segmentation.name,
        "geometry": dataclasses.asdict(segmentation.geometry),
        "segments": [dataclasses.asdict(segment) for segment in segmentation.segments],
    }


def unpack_segmentation(message: Json, arrays: Mapping[str, np.ndarray]) -> Segmentation:
    """Give back what `pack_segmentation` took."""
    segments = [Segment(**{**row, "colour": tuple(row["colour"])}) for row in message["segments"]]
    layers = tuple(arrays[name] for name in message["layers"])
    return Segmentation(layers, segments, Geometry(**message["geometry"]), message["name"])


def settings_of(request: Any, apart: tuple[str, ...]) -> Message:
    """The fields of a request (a dataclass) without those named, as JSON values."""
    return {
        field.name: _plain(getattr(request, field.name))
        for field in dataclasses.fields(request)
        if field.name not in apart
    }


def from_options(request_class: type, options: Any, apart: tuple[str, ...]) -> Json:
    """Values of a request's fields from options of the same names, those named apart left out.

    Every front end makes its request by this one mapping, so that no option can be forgotten in one of them.
    """
    names = [field.name for field in dataclasses.fields(request_class) if field.name not in apart]
    return {name: getattr(options, name) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
