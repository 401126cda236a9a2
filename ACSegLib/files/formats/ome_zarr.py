"""OME-Zarr 0.4 and 0.5, and plain Zarr arrays, in folders and zip archives, through zarr (2 or 3; 0.5 needs zarr 3).

Written as OME-Zarr 0.4, which all readers know: a multiscale pyramid, and for labels the image-label metadata.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import lazy, record
from ACSegLib.files.attributes import axes_in, unread_sizes
from ACSegLib.files.axes import Axis, axes_of, place
from ACSegLib.files.content import CHOOSE, Content, Part, Request, SeveralError, native, truncated
from ACSegLib.files.formats.hdf5_scales import axis_along, unpacked
from ACSegLib.files.formats.ome_zarr_transforms import axes_of_level
from ACSegLib.files.formats.zarr_groups import LISTED, attributes_of, images_below, images_of, members
from ACSegLib.files.formats.zarr_places import (
    Place,
    files_below,
    holds_zarr,
    is_zip,
    is_zipped_zarr,
    open_node,
    root_of,
    size_of,
)
from ACSegLib.json_values import Json
from ACSegLib.volume import Segment, default_colour

NAME = "OME-Zarr"
ENDINGS = (".ome.zarr", ".zarr")
LAYERS = False

_UNIT_NAMES = {
    "nm": "nanometer", "um": "micrometer", "mm": "millimeter", "cm": "centimeter", "m": "meter",
    "angstrom": "angstrom",
}  # fmt: skip
#: How many folders above an array are looked at for the image that it is a level of.
_DEPTH = 2
_CHUNK = 128
#: Names of chunks: numbers, with "c" before them in Zarr 3.
_CHUNK_NAME = re.compile(r"(?:c[.])?\d+(?:[.]\d+)*")
_MIN_SIDE = 64
#: Voxels by which the lengths of two levels may differ.
_MAX_DIFFERENCE = 1.5


def recognises(path: Path, head: bytes) -> bool:
    """Whether the folder, or the zip archive, holds Zarr metadata."""
    return holds_zarr(path) if path.is_dir() else is_zip(head) and is_zipped_zarr(path)


def read(path: Path, request: Request) -> Content:
    """Read one resolution level; scale and translation become spacing and origin, in the unit of the axes."""
    root = root_of(path)
    node, name, notes = _image_node(path, root, request.dataset)
    if hasattr(node, "shape") and not request.level and (whole := _image_around(path, root, name)):
        return read(*whole)
    attributes = attributes_of(node)
    scales = attributes.get("multiscales")
    if not scales:
        return _plain(node, attributes, name, root, path)
    if len(scales) > 1:
        notes.append(f"holds {len(scales)} multiscale images in one group; the first was read.")
    scale = scales[0]
    levels = _finest_first(node, scale["datasets"])
    level = request.level or 0
    if not 0 <= level < len(levels):
        raise FileError(f"{path}: has {len(levels)} resolution levels; there is no level {level}.")
    data = node.get(levels[level]["path"])
    if data is None:
        raise FileError(
            f"{path}: its resolution level {level}, {levels[level]['path']!r}, is not there; copy it from its source, "
            "or choose another one with --level."
        )
    axes, told = axes_of_level(scale, levels[level], len(data.shape), path)
    finest = node.get(levels[0]["path"])
    if level and finest is not None and len(finest.shape) == len(data.shape):
        first, _ = axes_of_level(scale, levels[0], len(data.shape), path)
        told += _note_on_extent(level, zip(first, finest.shape, axes, data.shape, strict=True))
    voxels = native(_loaded(data, _below(root, name, levels[level]["path"])))
    placed = place(voxels, axes, path)
    values, missing = unpacked(placed.array, data.attrs)
    meta = {"dataset": name, "level": level, "levels": len(levels)}
    notes += [*told, *placed.notes, *missing]
    segments, left_out = _segments(attributes)
    content = Content((values,), placed.geometry, segments, meta, [*notes, *left_out])
    return record.restore(content, attributes.get(record.KEY) if level == 0 else None)


def _note_on_extent(level: int, axes: Iterable[tuple[Axis, int, Axis, int]]) -> list[str]:
    """The note on a level that is not as long as the finest one: some programs give all levels one voxel size.

    Sizes are rounded up or down from level to level, so that lengths may differ by a voxel and a half of the coarser.
    """
    for first, voxels, axis, coarser in axes:
        if axis.letter in ("x", "y", "z") and first.step and axis.step:
            fine, coarse = abs(first.step) * voxels, abs(axis.step) * coarser
            if abs(coarse - fine) > _MAX_DIFFERENCE * max(abs(axis.step), fine / coarser):
                return [
                    f"its level {level} is {coarse:g} long along {axis.letter}, and its finest level {fine:g}, so that "
                    "the voxel size of one of them is wrong; state the right one with --voxel-size."
                ]
    return []


def inventory(path: Path) -> list[Part]:
    """List the resolution levels, and the label images that lie beside them."""
    root = root_of(path)
    node, name, _ = _image_node(path, root, None)
    scales = attributes_of(node).get("multiscales")
    if not scales:
        arrays = members(node, "arrays") if hasattr(node, "arrays") else []
        return [Part(n, tuple(a.shape), str(a.dtype)) for n, a in arrays]
    rows = []
    for level, entry in enumerate(_finest_first(node, scales[0]["datasets"])):
        data = node.get(entry["path"])
        if data is None:
            continue
        rows.append(Part(name, tuple(data.shape), str(data.dtype), level))
    labels = _below(root, name, "labels")
    if labels.is_dir():
        found = sorted(p.name for p in labels.iterdir() if holds_zarr(p))
        rows += [Part(f"{name}/labels/{n}".lstrip("/")) for n in found]
    return rows


def _finest_first(node: Any, levels: list[Json]) -> list[Json]:
    """Resolution levels in the order that the specification demands; as listed where one of them is not there."""
    arrays = [node.get(entry["path"]) for entry in levels]
    if any(array is None for array in arrays):
        return levels
    sizes = [math.prod(array.shape) for array in arrays]
    return [levels[n] for n in sorted(range(len(levels)), key=lambda n: -sizes[n])]


def _image_node(path: Path, root: Place, name: str | None) -> tuple[Any, str, list[str]]:
    """Open the group (or array) asked for, or the first image of a collection, which a note tells."""
    import zarr

    place = _below(root, name) if name else root
    if not holds_zarr(place):
        raise FileError(f"{path}: has no Zarr group or array {name!r}.")
    try:
        node = open_node(zarr, place)
    except Exception as error:
        if (place / "zarr.json").is_file() and zarr.__version__.startswith("2."):
            raise FileError(f"{path}: is Zarr format 3 (OME-Zarr 0.5), which needs Python 3.11 and zarr 3.") from error
        raise
    attributes = attributes_of(node)
    images = images_of(attributes, node)
    if "multiscales" in attributes or name or not images:
        return node, name or "", []
    note = f"holds {len(images)} images; {images[0]} was read. To take another, {CHOOSE}: {', '.join(images[:LISTED])}."
    return _image_node(path, root, images[0])[0], images[0], [note] if len(images) > 1 else []


def _image_around(path: Path, root: Place, name: str) -> tuple[Path, Request] | None:
    """The image of which an array, given by its own path, is a level: there stand its voxel size and its place."""
    import zarr

    words = [word for word in name.split("/") if word]
    groups = [(path, "/".join(words[:n]), "/".join(words[n:])) for n in reversed(range(len(words)))]
    if isinstance(root, Path):
        folders = list(root.absolute().parents)[:_DEPTH]
        above = [(folder, root.absolute().relative_to(folder).as_posix()) for folder in folders]
        groups += [(folder, "", f"{below}/{name}".rstrip("/")) for folder, below in above]
    for start, group, level in groups:
        folder = _below(root if start == path else start, group)
        if not holds_zarr(folder):
            continue
        node = open_node(zarr, folder)
        scales = attributes_of(node).get("multiscales")
        paths = [entry["path"] for entry in _finest_first(node, scales[0]["datasets"])] if scales else []
        if level in paths:
            return start, Request(group or None, paths.index(level))
    return None


def _below(place: Place, *names: str) -> Place:
    """A folder in another one; each name may be a path, or empty."""
    for word in "/".join(names).split("/"):
        if word in (".", ".."):
            raise FileError(f"{place}: names a part {word!r}, which leads elsewhere.")
        place = place / word if word else place
    return place


def _loaded(data: Any, place: Place) -> np.ndarray:
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


def _check_blosc(place: Place) -> None:
    """Refuse cut chunks: Blosc believes the size in a chunk's header and would read past its end."""
    for chunk in files_below(place):
        if not _CHUNK_NAME.fullmatch(chunk.name):  # metadata, or what a system keeps in folders, such as desktop.ini
            continue
        with chunk.open("rb") as stream:
            expected = int.from_bytes(stream.read(16)[12:16], "little")
        if size_of(chunk) != expected:
            raise truncated(Path(str(chunk)), size_of(chunk), expected)


def _plain(node: Any, attributes: Json, name: str, root: Place, path: Path) -> Content:
    """Read a Zarr array without OME metadata, or the only array of a group."""
    if not hasattr(node, "shape"):
        found = [(key, len(array.shape)) for key, array in members(node, "arrays")]
        arrays = [key for key, dimensions in found if dimensions > 2] or [key for key, _ in found]
        if not arrays and len(below := images_below(node)) == 1:
            return read(path, Request(f"{name}/{below[0]}".lstrip("/")))
        if not arrays and not below:
            raise FileError(f"{path}: holds no array of three dimensions; open another group, or the whole Zarr.")
        if len(arrays) != 1:
            known = ", ".join(arrays or [f"{name}/{image}".lstrip("/") for image in below])
            raise SeveralError(f"{path}: is not OME-Zarr; {CHOOSE}: {known}.")
        name = f"{name}/{arrays[0]}".lstrip("/")
        node = node[arrays[0]]
        attributes = attributes_of(node)
    names = attributes.get("_ARRAY_DIMENSIONS") or getattr(node.metadata, "dimension_names", None) or []
    letters = "".join(str(word)[:1] for word in names)
    axes = axes_in(attributes, len(node.shape)) or _with_coordinates(
        axes_of(letters, len(node.shape)), [str(word) for word in names], node, root, name
    )
    placed = place(native(_loaded(node, _below(root, name))), axes, path)
    notes = [*placed.notes, *(unread_sizes(attributes) if placed.geometry.unit == "px" else [])]
    values, told = unpacked(placed.array, attributes)
    content = Content((values,), placed.geometry, meta={"dataset": name}, notes=[*notes, *told])
    return record.restore(content, attributes.get(record.KEY))


def _with_coordinates(axes: list[Axis], names: Sequence[str], node: Any, root: Place, name: str) -> list[Axis]:
    """Give the axes steps and starts of the coordinates that xarray keeps beside an array, by the dimensions' names."""
    import zarr

    if len(names) != len(axes) or not name:
        return axes
    folder, found = name.rpartition("/")[0], list(axes)
    for n, word in enumerate(names):
        place_of = _below(root, folder, word)
        if found[n].letter in ("x", "y", "z") and word.isidentifier() and holds_zarr(place_of):
            found[n] = axis_along(found[n].letter, open_node(zarr, place_of), node.shape[n])
    return found


def _segments(attributes: Json) -> tuple[list[Segment] | None, list[str]]:
    """Make the table from the image-label metadata, with notes on the rows that name no label."""
    table = attributes.get("image-label")
    if not isinstance(table, Mapping):
        return None, []
    notes: list[str] = []
    colours, properties = (_rows_by_value(table, key, notes) for key in ("colors", "properties"))
    rows = []
    for n, value in enumerate(sorted(v for v in {*colours, *properties} if v > 0)):
        named = properties.get(value, {})
        name = next((named[k] for k in ("name", "label", "class") if isinstance(named.get(k), str)), None)
        colour = _colour(colours.get(value, {}).get("rgba")) or default_colour(n)
        rows.append(Segment(name or f"Segment_{value}", value, colour))
    return rows, notes


def _rows_by_value(table: Mapping[str, Any], key: str, notes: list[str]) -> dict[int, Json]:
    """The rows of a table of labels by their values; one that states none is left out, which a note tells."""
    rows: dict[int, Json] = {}
    for row in table.get(key) or []:
        try:
            rows[int(row["label-value"])] = row
        except (TypeError, ValueError, KeyError, OverflowError):
            notes.append(f"has a row {row!r:.60} in its table {key} that states no label-value; it was left out.")
    return rows


def _colour(rgba: Any) -> tuple[float, ...] | None:
    """Red, green and blue from 0 to 1; None where there are no three numbers."""
    if not isinstance(rgba, list) or len(rgba) < 3 or not all(isinstance(v, (int, float)) for v in rgba[:3]):
        return None
    return tuple(min(max(v / 255, 0.0), 1.0) for v in rgba[:3])


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
    image = {"version": "0.4", "name": "labels" if labels else "image", "axes": axes, "datasets": datasets}
    attributes: Json = {"multiscales": [{**image, "type": "nearest" if labels else "mean"}]}
    attributes[record.KEY] = json.loads(record.dumps(content))
    if content.segments is not None:
        attributes["image-label"] = _label_table(content.segments)
    group.attrs.put(attributes)  # at once: each time, Zarr replaces files, which Windows refuses now and then
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
