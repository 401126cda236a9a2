"""OME-Zarr 0.4 and 0.5, and plain Zarr arrays, through zarr (2 or 3; OME-Zarr 0.5 needs zarr 3).

Written as OME-Zarr 0.4, which all readers know: a multiscale pyramid, and for labels the image-label metadata.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import lazy, record
from ACSegLib.files.axes import Axis, axes_of, place
from ACSegLib.files.content import CHOOSE, Content, Part, Request, SeveralError, native, truncated
from ACSegLib.json_values import Json
from ACSegLib.volume import DEFAULT_COLOURS, Segment

NAME = "OME-Zarr"
ENDINGS = (".ome.zarr", ".zarr")
LAYERS = False

_METADATA = (".zattrs", ".zgroup", ".zarray", "zarr.json")
_UNIT_NAMES = {
    "nm": "nanometer", "um": "micrometer", "mm": "millimeter", "cm": "centimeter", "m": "meter",
    "angstrom": "angstrom",
}  # fmt: skip
_CHUNK = 128
_MIN_SIDE = 64


def recognises(path: Path, head: bytes) -> bool:
    """Whether the folder holds Zarr metadata."""
    return path.is_dir() and any((path / name).is_file() for name in _METADATA)


def read(path: Path, request: Request) -> Content:
    """Read one resolution level; scale and translation become spacing and origin, in the unit of the axes."""
    node, name = _image_node(path, request.dataset)
    attributes = _attributes(node)
    scales = attributes.get("multiscales")
    if not scales:
        return _plain(node, attributes, name, request, path)
    scale = scales[0]
    levels = scale["datasets"]
    level = request.level or 0
    if not 0 <= level < len(levels):
        raise FileError(f"{path}: has {len(levels)} resolution levels; there is no level {level}.")
    data = node[levels[level]["path"]]
    voxels = native(_loaded(data, path / name / levels[level]["path"]))
    placed = place(voxels, _axes(scale, levels[level], len(data.shape)), path)
    meta = {"dataset": name, "level": level, "levels": len(levels)}
    content = Content((placed.array,), placed.geometry, _segments(attributes), meta, placed.notes)
    return record.restore(content, attributes.get(record.KEY) if level == 0 else None)


def inventory(path: Path) -> list[Part]:
    """List the resolution levels, and the label images that lie beside them."""
    node, name = _image_node(path, None)
    scales = _attributes(node).get("multiscales")
    if not scales:
        arrays = sorted(node.arrays()) if hasattr(node, "arrays") else []
        return [Part(n, tuple(a.shape), str(a.dtype)) for n, a in arrays]
    rows = []
    for level, entry in enumerate(scales[0]["datasets"]):
        data = node[entry["path"]]
        rows.append(Part(name, tuple(data.shape), str(data.dtype), level))
    labels = path / name / "labels"
    if labels.is_dir():
        found = sorted(p.name for p in labels.iterdir() if recognises(p, b""))
        rows += [Part(f"{name}/labels/{n}".lstrip("/")) for n in found]
    return rows


def _image_node(path: Path, name: str | None) -> tuple[Any, str]:
    """Open the group (or array) asked for, or the first image of a collection."""
    import zarr

    place = path / name if name else path
    if not recognises(place, b""):
        raise FileError(f"{path}: has no Zarr group or array {name!r}.")
    try:
        node = zarr.open(str(place), mode="r")
    except Exception as error:
        if (place / "zarr.json").is_file() and zarr.__version__.startswith("2."):
            raise FileError(f"{path}: is Zarr format 3 (OME-Zarr 0.5), which needs Python 3.11 and zarr 3.") from error
        raise
    attributes = _attributes(node)
    if "multiscales" not in attributes and "bioformats2raw.layout" in attributes and not name:
        return _image_node(path, "0")
    return node, name or ""


def _attributes(node: Any) -> Json:
    """Attributes, with those of OME-Zarr 0.5 (under "ome") beside the others."""
    attributes = dict(node.attrs)
    ome = attributes.get("ome")
    return {**attributes, **ome} if isinstance(ome, Mapping) else attributes


def _loaded(data: Any, place: Path) -> np.ndarray:
    """Read all chunks of the array in the folder `place`; missing chunks hold the fill value, as Zarr has it.

    An array that shall stay on the disk is given as a `lazy.ChunkedArray`.
    """
    metadata = next((place / name for name in (".zarray", "zarr.json") if (place / name).is_file()), None)
    text = metadata.read_text(encoding="utf-8") if metadata else ""
    if "pickle" in text.lower():
        raise FileError(f"{place}: asks for the codec pickle, which could run any program; save it with another codec.")
    if '"blosc"' in text and "sharding_indexed" not in text:
        _check_blosc(place)
    if lazy.wanted(data.shape, data.dtype):
        return cast(np.ndarray, lazy.ChunkedArray(data))
    array = np.empty(data.shape, data.dtype)
    for slab in _slabs(data):
        array[slab] = data[slab]
    return array


def _slabs(data: Any) -> Iterator[tuple[slice, ...]]:
    """Rows of chunks: read or written one after the other, they keep the memory of packed chunks small."""
    ranges = [
        [slice(start, min(start + step, size)) for start in range(0, size, step)]
        for size, step in zip(data.shape[:-2], data.chunks[:-2], strict=True)
    ]
    return itertools.product(*ranges)


def _check_blosc(place: Path) -> None:
    """Refuse cut chunks: Blosc believes the size in a chunk's header and would read past its end."""
    for chunk in place.rglob("*"):
        if chunk.name.startswith(".") or chunk.name == "zarr.json" or not chunk.is_file():
            continue
        with open(chunk, "rb") as stream:
            expected = int.from_bytes(stream.read(16)[12:16], "little")
        if chunk.stat().st_size != expected:
            raise truncated(chunk, chunk.stat().st_size, expected)


def _plain(node: Any, attributes: Json, name: str, request: Request, path: Path) -> Content:
    """Read a Zarr array without OME metadata, or the only array of a group."""
    if not hasattr(node, "shape"):
        arrays = sorted(key for key, _ in node.arrays())
        if len(arrays) != 1:
            known = ", ".join(arrays) or "none"
            raise SeveralError(f"{path}: is not OME-Zarr; {CHOOSE}: {known}.")
        name = f"{name}/{arrays[0]}".lstrip("/")
        node = node[arrays[0]]
        attributes = _attributes(node)
    names = attributes.get("_ARRAY_DIMENSIONS") or getattr(node.metadata, "dimension_names", None) or []
    letters = "".join(str(word)[:1] for word in names)
    placed = place(native(_loaded(node, path / name)), axes_of(letters, len(node.shape)), path)
    content = Content((placed.array,), placed.geometry, meta={"dataset": name}, notes=placed.notes)
    return record.restore(content, attributes.get(record.KEY))


def _axes(scale: Json, level: Json, dimensions: int) -> list[Axis]:
    """The axes with the transforms of the level and those of the whole image, level first, each in its own unit."""
    size, shift = np.ones(dimensions), np.zeros(dimensions)
    stated = False
    for entry in (level, scale):
        for transform in entry.get("coordinateTransformations") or []:
            if transform.get("type") == "scale" and "scale" in transform:
                size, shift, stated = size * transform["scale"], shift * transform["scale"], True
            elif transform.get("type") == "translation" and "translation" in transform:
                shift = shift + transform["translation"]
    rows = scale.get("axes") or list("tczyx"[-dimensions:])
    rows = [row if isinstance(row, Mapping) else {"name": str(row)} for row in rows]
    letters = [str(row.get("name", ""))[:1].lower() for row in rows]
    spatial = [n for n, row in enumerate(rows) if row.get("type") == "space"]
    if len(spatial) == 3 and {letters[n] for n in spatial} != {"x", "y", "z"}:
        for n, letter in zip(spatial, "zyx", strict=True):  # names of their own, in the order of the specification
            letters[n] = letter
    return [
        Axis(letter, float(size[n]) if stated else None, row.get("unit"), float(shift[n]))
        for n, (letter, row) in enumerate(zip(letters, rows, strict=True))
    ]


def _segments(attributes: Json) -> list[Segment] | None:
    """Make the table from the image-label metadata."""
    table = attributes.get("image-label")
    if not isinstance(table, Mapping):
        return None
    colours = {int(c["label-value"]): c.get("rgba") for c in table.get("colors", [])}
    names = {}
    for row in table.get("properties", []):
        name = next((row[k] for k in ("name", "label", "class") if isinstance(row.get(k), str)), None)
        names[int(row["label-value"])] = name
    rows = []
    for n, value in enumerate(sorted(v for v in {*colours, *names} if v > 0)):
        rgba = colours.get(value)
        colour = tuple(v / 255 for v in rgba[:3]) if rgba else DEFAULT_COLOURS[n % len(DEFAULT_COLOURS)]
        rows.append(Segment(names.get(value) or f"Segment_{value}", value, colour))
    return rows


def write(content: Content, path: Path) -> list[str]:
    """Write a multiscale image (labels with the image-label table); every level halves the axes."""
    import zarr

    group = _new_group(zarr, path)
    labels = content.segments is not None
    datasets: list[Json] = []
    for level, (array, factors) in enumerate(_pyramid(content.array, labels)):
        _put(zarr, group, str(level), array)
        datasets.append({"path": str(level), "coordinateTransformations": _transforms(content, factors, labels)})
    axes: list[dict[str, str]] = [{"name": letter, "type": "space"} for letter in "zyx"]
    if content.geometry.unit != "px":
        axes = [{**axis, "unit": _UNIT_NAMES[content.geometry.unit]} for axis in axes]
    group.attrs["multiscales"] = [{"version": "0.4", "name": "labels" if labels else "image", "axes": axes,
                                   "datasets": datasets, "type": "nearest" if labels else "mean"}]  # fmt: skip
    group.attrs[record.KEY] = json.loads(record.dumps(content))
    if content.segments is not None:
        group.attrs["image-label"] = _label_table(content.segments)
    return content.lost_rotation(NAME)


def _new_group(zarr: Any, path: Path) -> Any:
    if zarr.__version__.startswith("2."):
        return zarr.open_group(str(path), mode="w")
    return zarr.open_group(str(path), mode="w", zarr_format=2)


def _put(zarr: Any, group: Any, name: str, array: np.ndarray) -> None:
    chunks = tuple(min(_CHUNK, size) for size in array.shape)
    if zarr.__version__.startswith("2."):
        group.create_dataset(name, data=array, chunks=chunks, dimension_separator="/", overwrite=True)
        return
    data = group.create_array(
        name,
        shape=array.shape,
        dtype=array.dtype,
        chunks=chunks,
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    for slab in _slabs(data):
        data[slab] = array[slab]


def _pyramid(array: np.ndarray, labels: bool) -> Iterator[tuple[np.ndarray, tuple[int, ...]]]:
    """Give each level with its factors along k, j, i: means of 2 for images, every second voxel for labels."""
    factors: tuple[int, ...] = (1, 1, 1)
    yield array, factors
    while max(array.shape) > _MIN_SIDE:
        steps = tuple(2 if size > _MIN_SIDE else 1 for size in array.shape)
        array = array[tuple(slice(None, None, step) for step in steps)] if labels else _halved(array, steps)
        factors = tuple(f * step for f, step in zip(factors, steps, strict=True))
        yield array, factors


def _halved(array: np.ndarray, steps: tuple[int, ...]) -> np.ndarray:
    """Mean of blocks, plane by plane; an odd last row stands for itself."""
    k, j, i = (-(-size // step) for size, step in zip(array.shape, steps, strict=True))
    result = np.empty((k, j, i), array.dtype)
    pads = [(0, m * step - size) for m, step, size in zip((j, i), steps[1:], array.shape[1:], strict=True)]
    for n in range(k):
        block = array[n * steps[0] : (n + 1) * steps[0]].astype(np.float64)
        plane = np.pad(block.mean(axis=0), pads, mode="edge")
        plane = plane.reshape(j, steps[1], i, steps[2]).mean(axis=(1, 3))
        result[n] = np.rint(plane) if array.dtype.kind in "ui" else plane
    return result


def _transforms(content: Content, factors: tuple[int, ...], labels: bool) -> list[Json]:
    """Scale and translation of a level; a block's mean lies at the centre of the block."""
    spacing, origin = content.geometry.spacing[::-1], content.geometry.origin[::-1]
    shifts = [0.0 if labels else (f - 1) / 2 for f in factors]
    return [
        {"type": "scale", "scale": [s * f for s, f in zip(spacing, factors, strict=True)]},
        {"type": "translation", "translation": [o + s * d for o, s, d in zip(origin, spacing, shifts, strict=True)]},
    ]


def _label_table(segments: list[Segment]) -> Json:
    colours = [
        {"label-value": s.value, "rgba": [*(round(min(max(v, 0.0), 1.0) * 255) for v in s.colour), 255]}
        for s in segments
    ]
    names = [{"label-value": s.value, "name": s.name} for s in segments]
    return {"version": "0.4", "colors": colours, "properties": names}
