"""NRRD (.nrrd, .nhdr) and Slicer's segmentations (.seg.nrrd).

pynrrd reads the header; the voxels are read straight into their array, and the header is written here, because
pynrrd drops or refuses the non-ASCII characters that Slicer writes in segment names, and doubles the memory.
"""

from __future__ import annotations

import bz2
import re
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import slicer_segments
from ACSegLib.files.content import Content, Inflated, Request, as_3d, native, read_exactly
from ACSegLib.files.units import assumed_unit, unit_of
from ACSegLib.volume import Geometry

NAME = "NRRD"
ENDINGS = (".seg.nrrd", ".nrrd")
LAYERS = True

_TYPES = {
    "i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "u4": "uint32", "i8": "int64",
    "u8": "uint64", "f4": "float", "f8": "double",
}  # fmt: skip
_SPREAD = re.compile(r"data ?file:\s*(LIST\b|\S*%)", re.IGNORECASE)
_SPACES = {"right-anterior-superior": "RAS", "left-anterior-superior": "LAS", "left-posterior-superior": "LPS"}


def recognises(path: Path, head: bytes) -> bool:
    """Tell whether the file begins with the NRRD magic."""
    return head.startswith(b"NRRD000")


def read(path: Path, request: Request) -> Content:
    """Read an image, or a Slicer segmentation with all its layers."""
    import nrrd

    with open(path, "rb") as stream:
        header = nrrd.read_header(_header_lines(stream, path))
        array = _voxels(stream, header, path)
    keys = {key: _unescaped(value) for key, value in header.items() if isinstance(value, str)}
    spatial = _spatial_axes(header)
    geometry = _geometry(header, spatial, path)
    if not slicer_segments.present(keys):
        axes = "".join("ZYX"[-1 - spatial.index(n)] if n in spatial[:3] else "C" for n in range(array.ndim))
        return Content((as_3d(array, path, axes[::-1]),), geometry, meta={"header": keys})
    layers = _layers(array, spatial, path)
    segments = slicer_segments.read(keys, len(layers))
    if _unit(header, spatial) is None:
        geometry = replace(geometry, unit="px")  # Slicer keeps the image's numbers, whatever their unit
    return Content(layers, geometry, segments, {"header": keys, **slicer_segments.extras(keys)})


def _header_lines(stream: IO[bytes], path: Path) -> list[str]:
    lines = []
    for raw in stream:
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            line = raw.decode("latin-1")
        line = line.rstrip("\r\n")
        if _SPREAD.match(line):
            raise FileError(f"{path}: its voxels are spread over several files ({line}); save it as one .nrrd file.")
        lines.append(line)
        if not line.strip():
            return lines
    if any(line.lower().startswith(("data file:", "datafile:")) for line in lines):
        return [*lines, ""]
    raise FileError(f"{path}: the file is cut short inside its header; copy it again from its source.")


def _voxels(stream: IO[bytes], header: Mapping[str, Any], path: Path) -> np.ndarray:
    """Read the voxels in (k, j, i) order."""
    import nrrd

    encoding = str(header["encoding"]).lower()
    name = header.get("data file", header.get("datafile"))
    shape = tuple(int(n) for n in header["sizes"][::-1])
    if encoding not in ("raw", "gzip", "gz", "bzip2", "bz2"):
        return nrrd.read_data(header, stream, str(path), index_order="C")
    dtype = nrrd.reader._determine_datatype(header)
    source: IO[bytes] = stream
    if name:
        data_path = path.parent / str(name)
        if not data_path.is_file():
            raise FileError(f"{path}: its data file {data_path.name} is missing; put both in one folder.")
        source = open(data_path, "rb")  # noqa: SIM115 - closed below
    try:
        for _ in range(int(header.get("line skip", header.get("lineskip", 0)))):
            source.readline()
        skip = int(header.get("byte skip", header.get("byteskip", 0)))
        data: Any = source
        if encoding != "raw":
            data = Inflated(source) if encoding in ("gzip", "gz") else bz2.BZ2File(source)
            data.read(max(skip, 0))
        elif skip < 0:
            source.seek(-dtype.itemsize * int(np.prod(shape, dtype=np.int64)), 2)
        else:
            source.seek(skip, 1)
        return native(read_exactly(data, shape, dtype, path))
    finally:
        if name:
            source.close()


def _spatial_axes(header: Mapping[str, Any]) -> list[int]:
    """Axes (in file order, fastest first) that lie in space."""
    directions = header.get("space directions")
    if directions is not None:
        return [n for n, row in enumerate(directions) if row is not None and np.all(np.isfinite(row))]
    kinds = [str(kind).lower() for kind in header.get("kinds", [])] or ["domain"] * int(header["dimension"])
    return [n for n, kind in enumerate(kinds) if kind in ("domain", "space", "???", "none")]


def _layers(array: np.ndarray, spatial: list[int], path: Path) -> tuple[np.ndarray, ...]:
    if array.ndim == 3:
        return (as_3d(array, path),)
    others = [n for n in range(array.ndim) if n not in spatial]
    if array.ndim != 4 or len(others) != 1:
        raise FileError(f"{path}: is a segmentation with {array.ndim} dimensions; save it again in Slicer.")
    axis = array.ndim - 1 - others[0]
    return tuple(np.ascontiguousarray(np.take(array, n, axis=axis)) for n in range(array.shape[axis]))


def _geometry(header: Mapping[str, Any], spatial: list[int], path: Path) -> Geometry:
    directions = header.get("space directions")
    unit = _unit(header, spatial)
    if directions is None or len(spatial) != 3:
        spacings = np.asarray(header.get("spacings", []), float)
        found = [float(spacings[n]) if n < len(spacings) and spacings[n] > 0 else 1.0 for n in spatial[:3]]
        spacing = [*found, 1.0, 1.0, 1.0][:3]
        return Geometry(tuple(spacing), unit=unit or ("px" if spacing == [1.0] * 3 else "mm"))
    flip = np.ones(3)
    space = str(header.get("space", "")).strip().lower()
    letters = _SPACES.get(space, space.upper())
    if letters in ("RAS", "LAS", "LPS"):
        flip = np.array([-1.0 if letters[0] == "R" else 1.0, -1.0 if letters[1] == "A" else 1.0, 1.0])
    matrix = np.array([directions[n] for n in spatial], float).T * flip[:, None]
    spacing = np.linalg.norm(matrix, axis=0)
    if not np.all(spacing > 0):
        raise FileError(f"{path}: the header gives a voxel size of {tuple(spacing)}; repair its 'space directions'.")
    origin = np.asarray(header.get("space origin", np.zeros(3)), float)
    origin = np.where(np.isfinite(origin), origin, 0.0) * flip
    unit = unit or ("px" if np.all(spacing == 1) else "mm")
    return Geometry(tuple(spacing), tuple(origin), tuple((matrix / spacing).ravel()), unit)


def _unit(header: Mapping[str, Any], spatial: list[int]) -> str | None:
    names = header.get("space units") or [u for n, u in enumerate(header.get("units", [])) if n in spatial]
    if isinstance(names, str):
        names = names.split()
    for name in names or []:
        unit = unit_of(name)
        if unit:
            return unit
    return assumed_unit()


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
