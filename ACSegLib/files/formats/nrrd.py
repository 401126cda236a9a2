"""NRRD (.nrrd, .nhdr) and Slicer's segmentations (.seg.nrrd).

pynrrd reads the header; the voxels are read straight into their array, and the header is written here, because
pynrrd drops or refuses the non-ASCII characters that Slicer writes in segment names, and doubles the memory.
"""

from __future__ import annotations

import re
import zlib
from codecs import BOM_UTF8
from pathlib import Path
from typing import IO, Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import mitk_segments, slicer_segments
from ACSegLib.files.axes import Axis, arrange, geometry_of, one_unit
from ACSegLib.files.content import Content, Request, note_of_rest, note_of_scale
from ACSegLib.files.formats.nrrd_voxels import Header, single_file, voxels
from ACSegLib.files.units import unstated_unit
from ACSegLib.volume import Geometry

NAME = "NRRD"
ENDINGS = (".seg.nrrd", ".nrrd")
LAYERS = True

_TYPES = {
    "i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "u4": "uint32", "i8": "int64",
    "u8": "uint64", "f4": "float", "f8": "double",
}  # fmt: skip
_HEADER_LIMIT = 1 << 24
_DIMENSION = re.compile(r"dimension:\s*\+?(\d{1,4000})", re.IGNORECASE)
_MAX_DIMENSION = 16
#: A field of the header, which is no pair of a key and a value (":=").
_FIELD = re.compile(r"([^:#]+?)\s*:(?!=)\s*(.*)$")
#: Fields that pynrrd knows by one spelling of several; case does not matter in any of them.
_FIELD_NAMES = (
    "data file", "line skip", "byte skip", "sample units", "space dimension", "space units", "space origin",
    "space directions", "measurement frame", "axis mins", "axis maxs", "block size", "old min", "old max",
)  # fmt: skip
_SPELLINGS = {name.replace(" ", ""): name for name in _FIELD_NAMES} | {"centers": "centerings"}
_VECTORS = ("space directions", "space origin", "measurement frame")
_PLAIN_WORDS = ("type", "encoding", "endian")
_LIST = re.compile(r"data file: LIST\b")
_SPACES = {"right-anterior-superior": "RAS", "left-anterior-superior": "LAS", "left-posterior-superior": "LPS"}


#: With the beginnings of spaces that have no anatomy (scanner-xyz, 3D-right-handed, 3D-left-handed).
_KNOWN_SPACES = ("RAS", "LAS", "LPS", "SCA", "3D-")


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file begins with the NRRD magic."""
    return head.removeprefix(BOM_UTF8).startswith(b"NRRD000")


def read(path: Path, request: Request) -> Content:
    """Read an image, or a Slicer segmentation with all its layers."""
    import nrrd

    with open(path, "rb") as stream:
        header = nrrd.read_header(_header_lines(stream, path))
        start = stream.tell()
        array = voxels(stream, header, path)
    keys = {key: _unescaped(value) for key, value in header.items() if isinstance(value, str)}
    spatial = _spatial_axes(header)
    slicer, mitk = slicer_segments.present(keys), mitk_segments.present(keys)
    if slicer or mitk:
        if len(spatial) == 4:  # nothing tells the axis of layers apart; Slicer and slicerio write it first
            spatial = spatial[1:]
        layers = _layers(array, spatial, path)
    else:
        letters = _letters(header, spatial)[::-1]
        layer, kept = arrange(array, letters, path)
        layers, spatial = (layer,), [array.ndim - 1 - n for n in kept[::-1]]
    geometry, notes = _geometry(header, spatial, path, silent="px" if slicer else "mm")
    notes += [*_note_of_rest(header, path, start, array.nbytes), *_note_of_scale(header, array.dtype)]
    if mitk and not slicer:
        return Content(layers, geometry, mitk_segments.read(keys, len(layers)) or None, {"header": keys}, notes)
    if not slicer:
        unit = {"intensity_unit": keys["sample units"].strip('" ')} if keys.get("sample units") else {}
        return Content(layers, geometry, meta={"header": keys, **unit}, notes=notes)
    segments, told = slicer_segments.read(keys, len(layers))
    return Content(layers, geometry, segments, {"header": keys, **slicer_segments.extras(keys)}, [*notes, *told])


def _note_of_rest(header: Header, path: Path, start: int, stated: int) -> list[str]:
    """The note on plain voxels that the header does not state; `start` is where the header ends."""
    skips = any(int(header.get(field, 0)) for field in ("line skip", "byte skip"))
    file = single_file(header, path)
    if str(header["encoding"]) != "raw" or skips or file is None:
        return []
    return note_of_rest(file.stat().st_size - (start if file == path else 0), stated)


def _note_of_scale(header: Header, dtype: np.dtype) -> list[str]:
    """The note on numbers that whole numbers stand for: the lowest for `old min`, the highest for `old max`."""
    low, high = (float(header.get(field, np.nan)) for field in ("old min", "old max"))
    if dtype.kind not in "ui" or not np.isfinite(high - low):
        return []
    limits = np.iinfo(dtype)
    slope = (high - low) / (int(limits.max) - int(limits.min))
    return note_of_scale("'old min' and 'old max'", slope, low - slope * int(limits.min))


def _header_lines(stream: IO[bytes], path: Path) -> list[str]:
    lines: list[str] = []
    while raw := stream.readline(_HEADER_LIMIT).removeprefix(BOM_UTF8):
        if stream.tell() > _HEADER_LIMIT:
            raise FileError(f"{path}: its header does not end; the file is damaged.")
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            line = raw.decode("latin-1")
        line = _spelt(line.rstrip("\r\n"))
        lines.append(line)
        dimension = _DIMENSION.match(line)
        if dimension and int(dimension[1]) > _MAX_DIMENSION:
            raise FileError(f"{path}: states {dimension[1]} dimensions; NRRD has {_MAX_DIMENSION} at most.")
        if not line.strip():
            return lines
        if _LIST.match(line):  # the names of the files follow
            return [*lines, ""]
    if any(line.startswith("data file:") for line in lines):
        return [*lines, ""]
    raise FileError(f"{path}: the file is cut short inside its header; copy it again from its source.")


def _spelt(line: str) -> str:
    """Give a field of the header the spelling that pynrrd knows; comments and pairs (":=") stay as they are."""
    match = _FIELD.match(line)
    if match is None:
        return line
    name = " ".join(match[1].lower().split())
    name = _SPELLINGS.get(name.replace(" ", ""), name)
    value = match[2].lower() if name in _PLAIN_WORDS else match[2]
    if name in _VECTORS:  # pynrrd splits them at spaces
        value = re.sub(r"\([^)]*\)", lambda vector: "".join(vector[0].split()), value)
    return f"{name}: {value}"


def _spatial_axes(header: Header) -> list[int]:
    """Axes (in file order, fastest first) that lie in space."""
    directions = _directions(header)
    if directions is not None:
        return [n for n, row in enumerate(directions) if row is not None]
    kinds = [str(kind).lower() for kind in header.get("kinds", [])] or ["domain"] * int(header["dimension"])
    return [n for n, kind in enumerate(kinds) if kind in ("domain", "space", "???", "none")]


def _directions(header: Header) -> list[np.ndarray | None] | None:
    """The vector of each axis in space, None for one that does not lie there; in a space with time, without time."""
    rows = header.get("space directions")
    if rows is None:
        return None
    vectors = [np.asarray(row, float) if row is not None and np.all(np.isfinite(row)) else None for row in rows]
    return [None if row is None or row[3:].any() else row[:3] for row in vectors]


def _letters(header: Header, spatial: list[int]) -> list[str]:
    """A letter for each axis, fastest first; "" for those whose place in space the file leaves open."""
    kinds = [str(kind).lower() for kind in header.get("kinds", [])]
    sure = _directions(header) is not None or len(spatial) == 3
    letters = []
    for n in range(int(header["dimension"])):
        if n in spatial:
            letters.append("xyz"[spatial.index(n)] if sure and len(spatial) <= 3 else "")
        else:
            letters.append("t" if n < len(kinds) and kinds[n] == "time" else "c")
    return letters


def _layers(array: np.ndarray, spatial: list[int], path: Path) -> tuple[np.ndarray, ...]:
    if array.ndim == 3:
        return (arrange(array, "zyx", path)[0],)
    others = [n for n in range(array.ndim) if n not in spatial]
    if array.ndim != 4 or len(others) != 1:
        raise FileError(f"{path}: is a segmentation with {array.ndim} dimensions; save it again in Slicer.")
    axis = array.ndim - 1 - others[0]
    return tuple(np.ascontiguousarray(np.take(array, n, axis=axis)) for n in range(array.shape[axis]))


def _geometry(header: Header, spatial: list[int], path: Path, silent: str) -> tuple[Geometry, list[str]]:
    """Place of the axes in space. `space units` are those of the space's axes, `units` those of the array's.

    Without units: as `silent` says, but "px" where the spacing is 1, 1, 1, which is what is written where nothing is
    known.
    """
    directions = _directions(header)
    if directions is None or len(spatial) != 3:
        return _geometry_of_axes(header, spatial, silent)
    flip = np.ones(3)
    space = str(header.get("space", "")).strip().lower().removesuffix("-time")
    letters = _SPACES.get(space, space.upper())[:3]
    told = []
    if space and letters not in _KNOWN_SPACES:
        told = [
            f"states the space {space!r}, which NRRD does not have; its axes were taken as left-posterior-superior."
        ]
    if letters in ("RAS", "LAS", "LPS"):
        flip = np.array([-1.0 if letters[0] == "R" else 1.0, -1.0 if letters[1] == "A" else 1.0, 1.0])
    names = header.get("space units") or [u for n, u in enumerate(header.get("units", [])) if n in spatial]
    names = [*(names.split() if isinstance(names, str) else names), *[""] * 3][:3]
    unit, factors, notes = one_unit(names)
    scale = flip * factors
    matrix = np.array([directions[n] for n in spatial], float).T * scale[:, None]
    spacing = np.linalg.norm(matrix, axis=0)
    if not np.all(spacing > 0):
        raise FileError(
            f"{path}: the header gives a voxel size of {tuple(spacing.tolist())}; correct its 'space directions'."
        )
    origin = np.asarray(header.get("space origin", np.zeros(3)), float)[:3]
    origin = np.where(np.isfinite(origin), origin, 0.0) * scale
    unit = unit or unstated_unit(spacing, silent)
    return Geometry(tuple(spacing), tuple(origin), tuple((matrix / spacing).ravel()), unit), [*notes, *told]


def _geometry_of_axes(header: Header, spatial: list[int], silent: str) -> tuple[Geometry, list[str]]:
    """Voxel size from `spacings` and `units`, one for each axis of the array; origin from `axis mins`, as in ITK.

    Samples of an axis are at the centres of cells unless its `centers` (`centerings`) is "node", so that the first one
    of a cell lies half a step behind the minimum.
    """
    if len(spatial) != 3:
        return Geometry(), []
    units = header.get("units") or []
    if not units and header.get("space units"):
        words = header["space units"]
        units = dict(zip(spatial, words.split() if isinstance(words, str) else words, strict=False))
    axes = []
    for letter, n in zip("xyz", spatial, strict=True):
        stated = _of_axis(header.get("spacings"), n)
        step = 1.0 if "spacings" not in header else None if stated is None else float(stated)
        lowest = _of_axis(header.get("axis mins"), n)
        centring = str(_of_axis(header.get("centerings"), n) or "cell").lower()
        start = 0.0
        if stated is not None and lowest is not None and np.isfinite(float(lowest)):
            start = float(lowest) + (0.0 if centring == "node" else float(stated) / 2)
        axes.append(Axis(letter, step, units.get(n) if isinstance(units, dict) else _of_axis(units, n), start))
    geometry, notes = geometry_of(*axes, silent=silent)
    if "spacings" not in header and ("axis maxs" in header or "thicknesses" in header):
        notes.append("states no spacings but other lengths, which do not give a voxel size, as in ITK; check it.")
    return geometry, notes


def _of_axis(values: Any, n: int) -> Any:
    values = values.split() if isinstance(values, str) else values
    return values[n] if values is not None and n < len(values) else None


def write(content: Content, path: Path) -> list[str]:
    """Write NRRD, compressed for labels; segments as Slicer's keys."""
    layers, lost = content.layers, []
    if content.array.dtype == np.float16:
        lost.append("NRRD has no 16-bit floating point; the values were written as 32-bit.")
        layers = tuple(layer.astype(np.float32) for layer in layers)
    lines = [*_header(content, layers)]
    if content.segments is not None:
        lines += [f"{k}:={_escaped(v)}" for k, v in slicer_segments.keys(content.segments, content.layers).items()]
    with open(path, "wb") as stream:
        stream.write(("\n".join(lines) + "\n\n").encode("utf-8"))
        _write_voxels(stream, layers, compress=content.segments is not None)
    return lost


def _header(content: Content, layers: tuple[np.ndarray, ...]) -> list[str]:
    array, geometry = layers[0], content.geometry
    several = len(layers) > 1
    matrix = geometry.direction_matrix * np.asarray(geometry.spacing)
    directions = " ".join("(" + ",".join(repr(float(v)) for v in matrix[:, n]) + ")" for n in range(3))
    lines = [
        "NRRD0005",
        "# Complete NRRD file format specification at:",
        "# http://teem.sourceforge.net/nrrd/format.html",
        f"type: {_TYPES[array.dtype.str[1:]]}",
        f"dimension: {4 if several else 3}",
        "space: left-posterior-superior",
        "sizes: " + " ".join(str(n) for n in ([len(layers)] if several else []) + list(array.shape[::-1])),
        f"space directions: {'none ' if several else ''}{directions}",
        f"kinds: {'list ' if several else ''}domain domain domain",
        "endian: little",
        f"encoding: {'gzip' if content.segments is not None else 'raw'}",
    ]
    if geometry.unit != "px" or geometry.spacing != (1.0, 1.0, 1.0):
        lines.append("space units: " + " ".join([f'"{geometry.unit}"'] * 3))
    if content.segments is None and (unit := content.meta.get("intensity_unit")):
        lines.append(f"sample units: {_escaped(str(unit))}")
    lines.append("space origin: (" + ",".join(repr(v) for v in geometry.origin) + ")")
    return lines


def _write_voxels(stream: IO[bytes], layers: tuple[np.ndarray, ...], compress: bool) -> None:
    """Stream the voxels plane by plane, layers interleaved (fastest), so that no second copy is made."""
    packer = zlib.compressobj(3, zlib.DEFLATED, zlib.MAX_WBITS | 16) if compress else None
    little = layers[0].dtype.newbyteorder("<")
    for k in range(layers[0].shape[0]):
        plane = layers[0][k] if len(layers) == 1 else np.stack([layer[k] for layer in layers], axis=-1)
        data = np.ascontiguousarray(plane, little).reshape(-1).view(np.uint8).data
        stream.write(packer.compress(data) if packer else data)
    if packer:
        stream.write(packer.flush())


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", " ")


def _unescaped(text: str) -> str:
    parts = text.split("\\\\")
    return "\\".join(part.replace("\\n", "\n") for part in parts)
