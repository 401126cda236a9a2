"""TIFF, ImageJ TIFF and OME-TIFF through tifffile."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import lazy, record
from ACSegLib.files.content import Content, NotHeldError, Request, as_3d, native
from ACSegLib.files.units import unit_of
from ACSegLib.volume import UNITS_IN_MM, Geometry

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what matters is raised; the rest confuses

NAME = "TIFF"
ENDINGS = (".tif", ".tiff")
LAYERS = False

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_IMAGEJ_TYPES = ("u1", "u2", "f4")
_OME_UNIT = {"nm": "nm", "um": "µm", "mm": "mm", "cm": "cm", "m": "m", "angstrom": "Å", "px": "pixel"}
_OME_TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")


def recognises(path: Path, head: bytes) -> bool:
    """Tell whether the file begins with a TIFF or BigTIFF magic of either byte order."""
    return head[:4] in _MAGIC


def read(path: Path, request: Request) -> Content:
    """Read the first (largest) series as a volume; voxel size and unit from OME, ImageJ or ACSeg metadata."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        finest = _largest_series(file)
        level = request.level or 0
        if not 0 <= level < len(finest.levels):
            raise FileError(f"{path}: has {len(finest.levels)} resolution levels; there is no level {level}.")
        series, text = finest.levels[level], _record_text(file)
        array = record.reshaped(native(_voxels(path, series)), text)
        array = as_3d(array, path, _axes(series.axes, series.shape))
        content = Content((array,), geometry(file), meta={"description": _description(file)})
        if level == 0:
            return record.restore(content, text)
        full = as_3d(np.broadcast_to(np.uint8(0), finest.shape), path, _axes(finest.axes, finest.shape)).shape
        return _coarser(record.restore(content, text), full, array.shape)


def inventory(path: Path) -> list[dict[str, Any]]:
    """List the resolution levels of a pyramid."""
    import tifffile

    with tifffile.TiffFile(path) as file:
        levels = _largest_series(file).levels
        return [{"level": n, "shape": list(s.shape), "dtype": str(s.dtype)} for n, s in enumerate(levels)]


def _voxels(path: Path, series: Any) -> np.ndarray:
    """Read a series; where it shall stay on the disk, plain voxels are mapped and packed ones unpacked into a file."""
    if not lazy.wanted(series.shape, series.dtype):
        return series.asarray()
    plain = (
        series.dataoffset is not None and np.dtype(series.dtype).newbyteorder(series.keyframe.parent.byteorder).isnative
    )
    if plain:
        return np.memmap(path, series.dtype, "c", series.dataoffset, series.shape)
    return series.asarray(out=lazy.scratch(series.shape, series.dtype))


def _largest_series(file: Any) -> Any:
    return max(file.series, key=lambda s: int(np.prod(s.shape, dtype=np.int64)))


def _coarser(content: Content, full: tuple[int, ...], shape: tuple[int, ...]) -> Content:
    """Give a level of the pyramid its own voxel size."""
    place = content.geometry
    factors = [a / b for a, b in zip(full[::-1], shape[::-1], strict=True)]
    spacing = tuple(s * f for s, f in zip(place.spacing, factors, strict=True))
    return replace(content, geometry=replace(place, spacing=spacing))


def _axes(axes: str, shape: tuple[int, ...]) -> str:
    """Read pages of unknown meaning (I, Q) as Z, and as ImageJ users do, time as Z where there is no Z."""
    axes = axes.replace("S", "C")
    if "Z" not in axes:
        for letter in "IQT":
            if letter in axes:
                return axes.replace(letter, "Z", 1)
        if "C" in axes and len(shape) == 3 and axes.index("C") == 0 and shape[0] > 4:
            return axes.replace("C", "Z", 1)
    return axes


def _description(file: Any) -> str:
    return str(file.pages[0].description or "")[:2000]


def _record_text(file: Any) -> Any:
    if file.is_ome:
        return _unescaped_xml(file.ome_metadata)
    if file.is_imagej:
        return str((file.imagej_metadata or {}).get("Info", ""))
    shaped = file.shaped_metadata
    if shaped:
        return str(shaped[0].get("ACSeg", "")) if "ACSeg" in shaped[0] else None
    return None


def _unescaped_xml(text: str) -> str:
    from html import unescape

    return unescape(text or "")


def geometry(file: Any) -> Geometry:
    """Voxel size and unit of an open TIFF, from its OME, ImageJ or tifffile metadata."""
    if file.is_ome:
        return _ome_geometry(file.ome_metadata)
    tags = file.pages[0].tags
    x, y = (_resolution(tags, name) for name in ("XResolution", "YResolution"))
    if file.is_imagej:
        values = file.imagej_metadata or {}
        unit = unit_of(values.get("unit"))
        named = str(values.get("unit") or "").strip()
        if not x or not y or (named and unit is None):  # "inch" is what ImageJ writes for 72 dots per inch
            return Geometry()
        z = float(values.get("spacing", 0) or 0) or 1 / x
        return Geometry((1 / x, 1 / y, abs(z)), unit=unit or "px")
    shaped = file.shaped_metadata
    if shaped and "spacing" in shaped[0] and "unit" in shaped[0]:
        return Geometry(tuple(shaped[0]["spacing"]), unit=str(shaped[0]["unit"]))
    return Geometry()


def _resolution(tags: Any, name: str) -> float | None:
    tag = tags.get(name)
    if tag is None or not tag.value[0] or not tag.value[1]:
        return None
    return tag.value[0] / tag.value[1]


def _ome_geometry(text: str) -> Geometry:
    from xml.etree import ElementTree

    pixels = next(e for e in ElementTree.fromstring(text).iter() if e.tag.endswith("}Pixels") or e.tag == "Pixels")
    sizes = [pixels.get(f"PhysicalSize{axis}") for axis in "XYZ"]
    if sizes[0] is None or sizes[1] is None:
        return Geometry()
    units = [unit_of(pixels.get(f"PhysicalSize{axis}Unit", "µm")) or "px" for axis in "XYZ"]
    units[2] = units[2] if sizes[2] else units[0]
    spacing = [float(size) if size else float(sizes[0]) for size in sizes]
    unit = units[0]
    if unit != "px":
        scale = [UNITS_IN_MM.get(u, UNITS_IN_MM[unit]) / UNITS_IN_MM[unit] for u in units]
        spacing = [value * factor for value, factor in zip(spacing, scale, strict=True)]
    return Geometry(tuple(spacing), unit=unit)


def write(content: Content, path: Path) -> list[str]:
    """Write ImageJ TIFF where the type allows, else OME-TIFF, else TIFF with tifffile's JSON description."""
    import tifffile

    array, place = content.array, content.geometry
    kind = array.dtype.str[1:]
    text = record.dumps(content)
    options: dict[str, Any] = {"compression": "zlib" if content.segments is not None else None}
    named_ome = path.name.lower().endswith((".ome.tif", ".ome.tiff"))
    if kind in _IMAGEJ_TYPES and not named_ome and array.nbytes < 2**32 - 2**20:
        unit = {"px": "pixel"}.get(place.unit, place.unit)
        metadata: dict[str, Any] = {"axes": "ZYX", "spacing": place.spacing[2], "unit": unit, "Info": text}
        options |= {"imagej": True, "resolution": (1 / place.spacing[0], 1 / place.spacing[1])}
    elif kind in _OME_TYPES:
        metadata = {"axes": "ZYX", "CommentAnnotation": {"Namespace": "acseg", "Value": text}}
        for axis, size in zip("XYZ", place.spacing, strict=True):
            metadata |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": _OME_UNIT[place.unit]}
        options |= {"ome": True, "bigtiff": array.nbytes > 2**32 - 2**25}
    elif named_ome:
        raise NotHeldError(f"OME-TIFF has no {array.dtype}; choose .tif, or another type of number.")
    else:
        metadata = {"axes": "ZYX", "spacing": list(place.spacing), "unit": place.unit, "ACSeg": text}
    tifffile.imwrite(path, array, metadata=metadata, photometric="minisblack", **options)
    return content.lost_rotation(NAME)
