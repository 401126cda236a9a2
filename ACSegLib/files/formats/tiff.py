"""TIFF, ImageJ TIFF and OME-TIFF through tifffile."""

from __future__ import annotations

import importlib.util
import logging
import math
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import lazy, record
from ACSegLib.files.axes import arrange, geometry_of, place
from ACSegLib.files.content import CHOOSE, POSITION, Content, NotHeldError, Part, Request, native, truncated
from ACSegLib.files.formats import tiff_metadata, tiff_pages
from ACSegLib.geometry import unit_symbol
from ACSegLib.json_values import Json
from ACSegLib.volume import Geometry, Segment

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what matters is raised; the rest confuses

NAME = "TIFF"
ENDINGS = (".tif", ".tiff")
LAYERS = False

_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_IMAGEJ_TYPES = ("u1", "u2", "f4")
_LUT_ENTRIES = 256
_MIN_IS_WHITE = 0
#: Tag of the corner where a plane begins and of the way in which it goes on; 1 is the usual one.
ORIENTATION, _TURNED = 274, range(2, 9)
#: How many bytes one byte can be unpacked to: none, LZW, deflate (two codes), PackBits; and others, generously.
_MAX_INFLATION = {1: 1, 5: 4096, 8: 1032, 32946: 1032, 32773: 128}
_MAX_INFLATION_ELSE = 1 << 17
#: Compressions by JPEG.
_LOSSY = (6, 7)
_OME_TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file begins with a TIFF or BigTIFF magic of either byte order, and is no DICOM file as well.

    DICOM files may begin with a TIFF header for other programs (PS3.10, 7.5); only the DICOM part tells where they lie.
    """
    return head[:4] in _MAGIC and head[128:132] != b"DICM"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open a file; a compression that tifffile cannot read alone raises a ModuleNotFoundError of the package for it."""
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            yield file
    except (ImportError, ValueError) as error:  # it names imagecodecs, or a module that only a later Python has
        wanted = "imagecodecs" in str(error) or getattr(error, "name", "") == "compression"
        if wanted and importlib.util.find_spec("imagecodecs") is None:
            raise ModuleNotFoundError(f"{path}: its compression needs imagecodecs.", name="imagecodecs") from error
        raise


def read(path: Path, request: Request) -> Content:
    """Read one series as a volume; voxel size and unit from the metadata of the same image."""
    with _opened(path) as file:
        _require_whole_chain(file, path)
        number, notes = _chosen(file, request.dataset, path)
        pages = tiff_pages.stack_of(file, number, path) if request.dataset is None else None
        if pages:
            return _stack(file, pages, path)
        finest = file.series[number]
        level = request.level or 0
        if not 0 <= level < len(finest.levels):
            raise FileError(f"{path}: has {len(finest.levels)} resolution levels; there is no level {level}.")
        series, text = finest.levels[level], _record_text(file)
        letters, more = tiff_metadata.letters_of(finest.axes, finest.shape, file.is_ome)
        sizes = _sizes(file, number, letters, path)
        if record.parse(text) is None:  # refused before its voxels are read
            arrange(np.broadcast_to(np.zeros((), series.dtype), series.shape), list(letters), path)
        _require_bytes(series, path)
        if level:
            sizes = tiff_metadata.coarser(sizes, letters, finest.shape, series.shape)
        array = record.reshaped(native(_voxels(path, series)), text)
        if array.ndim != series.ndim:
            letters = "zyx"
        placed = place(array, tiff_metadata.placed_axes(letters, sizes), path)
        array = tiff_metadata.calibrated(placed.array, file)
        lossy = int(finest.keyframe.compression) in _LOSSY
        meta = {"description": _description(file), "dataset": str(number), "lossy": lossy}
        meta |= {POSITION: sizes.position} if sizes.position else {}
        notes = [*notes, *_note_on_other_pages(file), *more, *sizes.notes, *placed.notes]
        notes += _notes_on_values(file, series.pages)
        notes += tiff_pages.palette_notes(series.pages, array, path)
        content = Content((array,), placed.geometry, meta=meta, notes=notes)
        return record.restore(content, text) if level == 0 else content


def _stack(file: Any, pages: Sequence[Any], path: Path) -> Content:
    """Read pages that tifffile takes for several images as the slices of one."""
    for page in pages:
        _require_bytes_of(page, path)
    sizes = tiff_metadata.sizes_of(file)
    placed = place(tiff_pages.read_stack(list(pages)), tiff_metadata.placed_axes("zyx", sizes), path)
    left = len(file.pages) - len(pages)
    notes = [f"has {left} more pages of another size or type, which were left out."] if left else []
    notes += [*sizes.notes, *placed.notes, *_notes_on_values(file, pages)]
    notes += tiff_pages.palette_notes(pages, placed.array, path)
    return Content((placed.array,), placed.geometry, meta={"description": _description(file)}, notes=notes)


def _notes_on_values(file: Any, pages: Sequence[Any]) -> list[str]:
    """Notes on values that other programs calibrate in an unknown way, or show inverted or mirrored."""
    _, notes = tiff_metadata.calibration_of(file)
    first = tiff_pages.whole(pages[0])
    notes = [*notes, *_orientation_notes_of(pages), *tiff_metadata.scale_notes(first)]
    if first.photometric != _MIN_IS_WHITE:
        return notes
    white = "states that its lowest value is white; the values are those of the file, which other programs invert."
    return [*notes, white]


def _orientation_notes_of(pages: Sequence[Any]) -> list[str]:
    """The note on the orientations in which the pages of a file are to be shown; some programs tag the first alone."""
    stated = [tiff_pages.whole(page).tags.valueof(ORIENTATION) for page in pages if page is not None]
    first = stated[0] or 1
    odd = next((n for n, turned in enumerate(stated) if (turned or first) != first), None)
    if odd is None:
        return orientation_notes(first)
    return [
        f"states orientation {first} for its first plane and {stated[odd]} for plane {odd + 1}; all were read as they "
        "are stored, so that some may be mirrored against others. Save the stack again with one orientation."
    ]


def orientation_notes(turned: Any) -> list[str]:
    """The note on an orientation (a number of TIFF's and Exif's tag) in which planes are to be shown."""
    if turned not in _TURNED:
        return []
    return [
        f"states orientation {turned}; its planes were read as they are stored, as in ImageJ, but Slicer may mirror "
        "them."
    ]


def inventory(path: Path) -> list[Part]:
    """List the images of the file, and their resolution levels."""
    with _opened(path) as file:
        _require_whole_chain(file, path)
        if tiff_pages.stack_of(file, _chosen(file, None, path)[0], path):
            return []
        return [
            Part(str(number), tuple(s.shape), str(s.dtype), level, str(series.name or ""))
            for number, series in enumerate(file.series)
            for level, s in enumerate(series.levels)
        ]


def _require_whole_chain(file: Any, path: Path) -> None:
    """Raise FileError where a page points to a next one that is not there, or came before: tifffile passes over it."""
    if file.is_ndpi:  # has offsets of its own
        return
    count = len(file.pages)
    file.filehandle.seek(file.pages.next_page_offset)
    stored = file.filehandle.read(file.tiff.offsetsize)
    if len(stored) < file.tiff.offsetsize or struct.unpack(file.tiff.offsetformat, stored)[0]:
        raise FileError(
            f"{path}: the file is cut short or damaged behind its page {count}: the next one is missing; copy it "
            "again from its source."
        )


def _chosen(file: Any, name: str | None, path: Path) -> tuple[int, list[str]]:
    """The number of the series asked for (by number or name), else of the largest one, and a note on the others."""
    names = [str(series.name or "") for series in file.series]
    listed = "; ".join(f"{n} ({word or 'no name'}, {_size(file.series[n])})" for n, word in enumerate(names))
    if name is not None:
        if name in names:
            return names.index(name), []
        if name.isdecimal() and int(name) < len(names):
            return int(name), []
        raise FileError(f"{path}: has no image {name!r}; it has: {listed}.")
    sizes = {n: math.prod(series.shape) for n, series in enumerate(file.series) if not series.keyframe.is_reduced}
    sizes = sizes or {0: 0}  # without thumbnails
    number = max(sizes, key=sizes.__getitem__)
    if len(sizes) == 1:
        return number, []
    note = f"holds {len(sizes)} images; the largest, {number}, was read. To take another, {CHOOSE}: {listed}."
    return number, [note]


def _size(series: Any) -> str:
    return " x ".join(str(n) for n in reversed(series.shape))


def _sizes(file: Any, number: int, letters: str, path: Path) -> tiff_metadata.Sizes:
    """Voxel size of a series, after a check that all its planes are there."""
    series = file.series[number]
    found = _planes(series)
    if not file.is_ome:
        if file.is_imagej and not record.fits(_record_text(file), series.shape):
            tiff_metadata.require_planes(found, tiff_metadata.imagej_planes(file), path)
        return tiff_metadata.sizes_of(file, number)
    shape = {letter: int(size) for letter, size in zip(letters, series.shape, strict=True)}
    images = tiff_metadata.ome_images(file.ome_metadata)
    image = tiff_metadata.ome_image_of(images, number, len(file.series), shape)
    if image is None:
        alike = [image for image in images if all(image.shape[letter] == shape.get(letter) for letter in "xy")]
        tiff_metadata.require_planes(found, min((image.planes for image in alike), default=0), path)
        where = "fit none of its images" if images else "are in a file of their own, which is not read"
        return tiff_metadata.Sizes(notes=(f"has OME metadata that {where}; the voxel size is unknown.",))
    tiff_metadata.require_planes(found, image.planes // max(1, shape.get("s", 1)), path)
    return tiff_metadata.with_tags(image.sizes, file)


def _planes(series: Any) -> int:
    """The planes of a series that are in the file; tifffile gives zeros for others."""
    if series.dataoffset is None:
        return sum(page is not None for page in series.pages)
    return math.prod(size for letter, size in zip(series.axes, series.shape, strict=True) if letter not in "YXS")


def _note_on_other_pages(file: Any) -> list[str]:
    """The note on pages that belong to no image by the metadata, as where a program appended some and left these."""
    used = sum(_planes(level) for series in file.series for level in series.levels)
    if len(file.pages) <= used:
        return []
    held = sum(not tiff_pages.whole(page).is_reduced for page in file.pages)
    if held <= used:
        return []
    return [f"holds {held} planes, of which its metadata state {used}; the others were left out."]


def _require_bytes(series: Any, path: Path) -> None:
    """Raise FileError where pages promise more voxels than their bytes can be unpacked to."""
    for page in [series.keyframe] if series.dataoffset is not None else series.pages:
        if page is None:
            continue
        if series.dataoffset is None:
            _require_bytes_of(page, path)
        elif series.nbytes > path.stat().st_size - series.dataoffset:
            raise truncated(path, path.stat().st_size - series.dataoffset, series.nbytes)


def _require_bytes_of(page: Any, path: Path) -> None:
    """Raise FileError where a page promises more voxels than its bytes can be unpacked to."""
    keyframe = page.keyframe
    packed = min(sum(page.databytecounts), path.stat().st_size)
    promised = -(-keyframe.size * int(keyframe.bitspersample) // 8)  # masks have one bit per voxel
    most = packed * _MAX_INFLATION.get(int(keyframe.compression), _MAX_INFLATION_ELSE)
    if promised > most:
        raise truncated(path, most, promised)


def _voxels(path: Path, series: Any) -> np.ndarray:
    """Read a series; where it shall stay on the disk, plain voxels are mapped and packed ones unpacked into a file."""
    if not lazy.wanted(series.shape, series.dtype):
        return series.asarray()
    plain = (
        series.dataoffset is not None and np.dtype(series.dtype).newbyteorder(series.keyframe.parent.byteorder).isnative
    )
    if plain:
        return lazy.mapped(path, series.dtype, series.dataoffset, series.shape)
    return series.asarray(out=lazy.scratch(series.shape, series.dtype))


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


@dataclass(frozen=True)
class Slice:
    """A file that holds one slice.

    Parameters
    ----------
    plane : ndarray, shape (j, i)
        Colours and alpha are a last axis.
    place : Geometry
        Voxel size and unit as the file states them.
    notes : list of str
        On the voxel size and on the values.
    palette : list of (red, green, blue)
        Colours of the indices, from 0 to 255; empty where the values are no indices.
    """

    plane: np.ndarray
    place: Geometry = field(default_factory=Geometry)
    notes: Sequence[str] = ()
    palette: Sequence[Sequence[int]] = ()


def read_slice(path: Path) -> Slice:
    """Read a TIFF that holds one slice, in the axes of the file and with the values that ImageJ shows."""
    with _opened(path) as file:
        plane = tiff_metadata.calibrated(native(file.asarray()), file)
        place, notes = _geometry_of_slice(file)
        return Slice(plane, place, notes, tiff_pages.palette_of(file.pages[0]))


def _geometry_of_slice(file: Any) -> tuple[Geometry, list[str]]:
    """Voxel size and unit of an open TIFF that holds one slice, and notes on them and on the values."""
    images = tiff_metadata.ome_images(file.ome_metadata or "") if file.is_ome else []
    sizes = images[0].sizes if images else tiff_metadata.sizes_of(file)
    found, notes = geometry_of(*tiff_metadata.placed_axes("xyz", sizes))
    if file.is_imagej and sizes.axes and "spacing" not in (file.imagej_metadata or {}):
        notes.append(f"states no distance of slices; 1 {found.unit} is assumed, as in ImageJ.")
    return found, [*sizes.notes, *notes, *_notes_on_values(file, [file.pages[0]])]


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
        described: Json = {"axes": "ZYX", "spacing": place.spacing[2], "unit": unit, "Info": text}
        described |= _display(content.segments, int(array.max())) if content.segments is not None else {}
        options |= {"imagej": True, "resolution": (1 / place.spacing[0], 1 / place.spacing[1])}
    elif kind in _OME_TYPES:
        unit = {"px": "pixel"}.get(place.unit, unit_symbol(place.unit))
        described = {"axes": "ZYX", "CommentAnnotation": {"Namespace": "acseg", "Value": text}}
        for axis, size in zip("XYZ", place.spacing, strict=True):
            described |= {f"PhysicalSize{axis}": size, f"PhysicalSize{axis}Unit": unit}
        options |= {"ome": True, "bigtiff": array.nbytes > 2**32 - 2**25}
    elif named_ome:
        raise NotHeldError(f"OME-TIFF has no {array.dtype}; choose .tif, or another type of number.")
    else:
        described = {"axes": "ZYX", "spacing": list(place.spacing), "unit": place.unit, "ACSeg": text}
    tifffile.imwrite(path, array, metadata=described, photometric="minisblack", **options)
    return content.lost_rotation(NAME)


def _display(segments: Sequence[Segment], highest: int) -> Json:
    """ImageJ's display range and look-up table, by which the labels show in their colours (values up to 255)."""
    top = max(highest, *(segment.value for segment in segments), 1)
    if top >= _LUT_ENTRIES:
        return {"min": 0.0, "max": float(top), "Ranges": (0.0, float(top))}
    table = np.zeros((3, _LUT_ENTRIES), np.uint8)
    for segment in segments:
        table[:, segment.value] = [round(255 * min(max(v, 0.0), 1.0)) for v in segment.colour]
    top = _LUT_ENTRIES - 1
    return {"min": 0.0, "max": float(top), "Ranges": (0.0, float(top)), "LUTs": [table]}
