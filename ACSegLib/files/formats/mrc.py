"""MRC2014 and its kin (.mrc, .rec, .map, .st; also .gz) through mrcfile."""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import lazy, record
from ACSegLib.files.axes import Axis, place
from ACSegLib.files.content import MAX_INFLATION, Content, NotHeldError, Request, native, note_of_rest, truncated
from ACSegLib.files.formats.mrc_tilts import note_of_tilts

NAME = "MRC"
ENDINGS = (".mrc", ".rec", ".map")
LAYERS = False

_HEADER_BYTES = 1024
_MODES = {0: "i1", 1: "i2", 2: "f4", 4: "c8", 6: "u2", 12: "f2"}
_IMOD_STAMP, _SIGNED_BYTES = 1146047817, 1
_MAX_SIGNED, _MAX_UNSIGNED = 127, 255
_EXTENDED_TYPE = b"ACSG"
#: Number at byte 96 of the files of DeltaVision (.dv), which otherwise have the header of an MRC file.
_DELTAVISION = -16224
#: First version of MRC2014, in which bytes are signed.
_FIRST_VERSION = 20140
#: First bytes of files that gzip and bzip2 have packed.
_PACKED = (b"\x1f\x8b", b"BZ")


def recognises(path: Path, head: bytes) -> bool:
    """Tell by the word MAP at byte 208, or (older files without it) by a header that fits the file's size."""
    if head[:2] == b"\x1f\x8b":
        import gzip

        try:
            with gzip.open(path) as stream:
                head = stream.read(_HEADER_BYTES)
        except (OSError, EOFError, zlib.error):
            return False
        return head[208:212] in (b"MAP ", b"MAP\0")
    if head[208:212] in (b"MAP ", b"MAP\0"):
        return True
    return len(head) >= _HEADER_BYTES and any(_fits(path, head, order) for order in "<>")


def _fits(path: Path, head: bytes, order: str) -> bool:
    words = np.frombuffer(head[:_HEADER_BYTES], order + "i4")
    size, mode, extended = words[:3].astype(np.int64), int(words[3]), int(words[23])
    if np.any(size <= 0) or np.any(size > 1 << 20) or mode not in _MODES or extended < 0:
        return False
    expected = _HEADER_BYTES + extended + math.prod(size.tolist()) * np.dtype(_MODES[mode]).itemsize
    return expected <= path.stat().st_size <= expected + 4096


def read(path: Path, request: Request) -> Content:
    """Read the volume in X, Y, Z order, whatever the order of the file's axes; without a cell, the unit is "px"."""
    data, header, extended = _read(path)
    short = np.dtype(np.int16).newbyteorder(header.mode.dtype.byteorder)
    if np.frombuffer(header.tobytes()[96:98], short)[0] == _DELTAVISION:
        raise FileError(
            f"{path}: is a file of DeltaVision, whose lengths are in um and whose channels may lie between its slices; "
            "export it as OME-TIFF in Fiji."
        )
    unsigned, told = _is_unsigned(data, header)
    array = native(_writeable(data.view(np.uint8) if unsigned else data))
    letters = _letters(header, path)
    axes, notes = _axes(header, letters)
    placed = place(array, [*[Axis("t")] * (array.ndim - 3), *axes][-array.ndim :], path)
    labels = [bytes(label).decode("latin-1").strip() for label in header.label[: int(header.nlabl)]]
    meta = {"labels": [t for t in labels if t]}
    content = Content((placed.array,), placed.geometry, meta=meta, notes=[*placed.notes, *notes, *told])
    content.notes += _note_of_rest(path, header, data)
    content.notes += [*_note_of_microscope(extended.pixel, content), *extended.tilts]
    content = record.restore(content, extended.record)
    return _own_type(content, extended.record)


def _require_bytes(path: Path) -> None:
    """Raise FileError where the header promises more than the file holds, before mrcfile reserves memory for it."""
    with open(path, "rb") as stream:
        head = stream.read(_HEADER_BYTES)
    packed = head[:2] in _PACKED
    if head[:2] == b"\x1f\x8b":
        import gzip

        with gzip.open(path) as stream:
            head = stream.read(_HEADER_BYTES)
    if len(head) < _HEADER_BYTES or head[:2] == b"BZ":
        return
    order = ">" if head[212:214] == b"\x11\x11" else "<"
    words = np.frombuffer(head[:256], order + "i4")
    sizes, mode, extended = [int(n) for n in words[:3]], int(words[3]), int(words[23])
    if mode not in _MODES or min(sizes) < 1 or extended < 0:
        return  # mrcfile says what is wrong
    promised = _HEADER_BYTES + extended + math.prod(sizes) * np.dtype(_MODES[mode]).itemsize
    most = path.stat().st_size * (MAX_INFLATION if packed else 1)
    if promised > most + _HEADER_BYTES:
        raise truncated(path, most, promised)


def _is_packed(path: Path) -> bool:
    with open(path, "rb") as stream:
        return stream.read(2) in _PACKED


def _mapped(path: Path) -> tuple[np.ndarray, Any, _Extended] | None:
    """Map the voxels of a file that shall stay on the disk; None where it is packed, swapped or not large."""
    import mrcfile

    if _is_packed(path) or not lazy.wanted((path.stat().st_size,), np.dtype(np.uint8)):
        return None
    with mrcfile.open(path, permissive=True, header_only=True) as file:
        header, extended = file.header.copy(), _extended(file, path)
    dtype = np.dtype(_MODES.get(int(header.mode), "c8")).newbyteorder(header.mode.dtype.byteorder)
    shape = (int(header.nz), int(header.ny), int(header.nx))
    offset = _HEADER_BYTES + int(header.nsymbt)
    if dtype.kind == "c" or not dtype.isnative or min(shape) < 1 or not lazy.wanted(shape, dtype):
        return None
    if path.stat().st_size < offset + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize:
        _refuse(path, header)
    return lazy.mapped(path, dtype, offset, shape), header, extended


def _read(path: Path) -> tuple[np.ndarray, Any, _Extended]:
    """Voxels, header, and what ACSeg wrote into the extended header."""
    import mrcfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the checks of data and header that matter follow here
        _require_bytes(path)
        mapped = _mapped(path)
        if mapped is not None:
            return mapped
        file = mrcfile.open(path, permissive=True)
    with file:
        if file.data is None:
            _refuse(path, file.header)
        return file.data, file.header.copy(), _extended(file, path)


def _refuse(path: Path, header: Any) -> NoReturn:
    mode = int(header.mode)
    if mode not in _MODES:
        raise FileError(f"{path}: MRC mode {mode} is not supported; convert it to mode 0, 1, 2, 6 or 12.")
    size = np.dtype(_MODES[mode]).itemsize * int(header.nx) * int(header.ny) * int(header.nz)
    found = path.stat().st_size - _HEADER_BYTES - int(header.nsymbt)
    if size > 0 and found < size:
        raise truncated(path, max(found, 0), size)
    raise FileError(f"{path}: its MRC header does not fit its data; the file is damaged.")


def _writeable(array: np.ndarray) -> np.ndarray:
    """Undo mrcfile's write protection; the memory is ours alone once the file is closed."""
    try:
        array.flags.writeable = True
    except ValueError:
        return array.copy()
    return array


def _is_unsigned(array: np.ndarray, header: Any) -> tuple[bool, list[str]]:
    """Whether bytes are unsigned, and a note where only their range tells.

    They are signed in MRC2014. IMOD says in its flags when it wrote unsigned ones; older programs wrote unsigned bytes
    and state values above 127 (ITK decides by these as well).
    """
    if array.dtype != np.int8:
        return False, []
    stamp, flags = np.frombuffer(header.tobytes()[152:160], header.mode.dtype)
    if int(stamp) == _IMOD_STAMP:
        return not int(flags) & _SIGNED_BYTES, []
    low, high = float(header.dmin), float(header.dmax)
    if 0 <= low < high and _MAX_SIGNED < high <= _MAX_UNSIGNED:
        return True, [f"states values of {low:g} to {high:g}, so its bytes were read as unsigned."]
    if low >= high and int(header.nversion) < _FIRST_VERSION and array.min() < 0:
        return False, ["does not state if its bytes are signed; they were read as signed, so some values are negative."]
    return False, []


def _letters(header: Any, path: Path) -> str:
    """The axes that columns, rows and sections run along, as mapc, mapr and maps tell."""
    numbers = [int(header.mapc), int(header.mapr), int(header.maps)]
    if numbers == [0, 0, 0]:
        numbers = [1, 2, 3]
    if sorted(numbers) != [1, 2, 3]:
        raise FileError(
            f"{path}: its axis order (mapc, mapr, maps) is {tuple(numbers)}, which must be 1, 2 and 3 in some order; "
            "correct the header."
        )
    return "".join("xyz"[n - 1] for n in numbers)


def _axes(header: Any, letters: str) -> tuple[list[Axis], list[str]]:
    """The axes in the order of the array (sections, rows, columns), in angstrom.

    Order of trust: the cell divided by its sampling is the voxel size, unless it is 1 angstrom along each axis, as is
    written where none is known; nothing else in the header states one. The origin is the header's, or else the start
    indices times the voxel size.
    """
    cell = np.array([header.cella.x, header.cella.y, header.cella.z], float)
    samples = np.array([header.mx, header.my, header.mz], float)
    stated = np.isfinite(cell) & (cell > 0) & (samples > 0)
    known = bool(stated.any())
    spacing = np.divide(cell, samples, out=np.ones(3), where=stated)
    starts = dict(zip(letters, (int(header.nxstart), int(header.nystart), int(header.nzstart)), strict=True))
    origin = np.array([header.origin.x, header.origin.y, header.origin.z], float)
    if not np.all(np.isfinite(origin)) or not origin.any():
        origin = np.array([starts[letter] for letter in "xyz"]) * spacing
    told = _notes(header, known, letters, spacing)
    if known and np.all(spacing == 1):
        known = False
        told.append(
            "states voxels of 1 angstrom, as programs write that know no voxel size, so it is unknown; state it with "
            "--voxel-size."
        )
    unit = "angstrom" if known else None
    steps = [float(size) if told or not known else None for size, told in zip(spacing, stated, strict=True)]
    axes = {"xyz"[n]: Axis("xyz"[n], steps[n], unit, float(origin[n])) for n in range(3)}
    return [axes[letter] for letter in letters[::-1]], told


def _notes(header: Any, known: bool, letters: str, spacing: np.ndarray) -> list[str]:
    """What the header contradicts itself in: angles that are not right ones, a cell of another number of voxels.

    A stack of images has a cell of one of them (MRC2014), as high as a voxel, which some programs forget.
    """
    notes = []
    angles = np.array([header.cellb.alpha, header.cellb.beta, header.cellb.gamma], float)
    if known and np.all(np.isfinite(angles)) and angles.any() and np.abs(angles - 90).max() > 0.1:
        listed = ", ".join(f"{angle:g}" for angle in angles)
        notes.append(f"states cell angles of {listed} degrees, but 90 is assumed.")
    held = dict(zip(letters, (int(header.nx), int(header.ny), int(header.nz)), strict=True))
    samples, size = [int(header.mx), int(header.my), int(header.mz)], [held[letter] for letter in "xyz"]
    stack = int(header.ispg) == 0 and samples[:2] == size[:2] and bool(np.isclose(spacing[2], spacing[0], rtol=1e-2))
    if known and samples != size and not stack:
        cell, found = (" x ".join(map(str, numbers)) for numbers in (samples, size))
        notes.append(
            f"states a cell of {cell} voxels but contains {found}; the voxel size is that of the cell's voxels."
        )
    return notes


def _note_of_microscope(pixel: float, content: Content) -> list[str]:
    """A note where the pixel size (angstrom) in the extended header of a microscope is not that of the cell."""
    cell = content.geometry.spacing[0]
    if pixel <= 0 or content.geometry.unit != "angstrom" or abs(pixel / cell - 1) < 1e-2:
        return []
    return [f"states pixels of {pixel:g} angstrom in its extended header and {cell:g} by its cell; the cell is used."]


def _note_of_rest(path: Path, header: Any, data: np.ndarray) -> list[str]:
    """The note on voxels of a plain file that its header does not state."""
    if _is_packed(path):  # how much it holds is not known before it is unpacked
        return []
    return note_of_rest(path.stat().st_size - _HEADER_BYTES - int(header.nsymbt), data.nbytes)


@dataclass(frozen=True)
class _Extended:
    """What an extended header tells: ACSeg's own record, or the pixel size (angstrom, FEI) and a note on tilts."""

    record: str | None = None
    pixel: float = 0.0
    tilts: Sequence[str] = ()


def _extended(file: Any, path: Path) -> _Extended:
    kind = bytes(file.header.exttyp)
    if kind == _EXTENDED_TYPE:
        return _Extended(file.extended_header.tobytes().rstrip(b"\0").decode("utf-8", "replace"))
    tilts = note_of_tilts(file, path)
    rows = file.indexed_extended_header if kind in (b"FEI1", b"FEI2") else None
    if rows is None or len(rows) == 0 or "Pixel size X" not in (rows.dtype.names or ()):
        return _Extended(tilts=tilts)
    size = float(rows["Pixel size X"][0]) * 1e10
    return _Extended(pixel=size if np.isfinite(size) else 0.0, tilts=tilts)


def _own_type(content: Content, text: str | None) -> Content:
    """Give the number type back that the values had before they were fitted to a mode of MRC."""
    dtype = (record.parse(text) or {}).get("dtype")
    if dtype and content.array.dtype != np.dtype(dtype):
        content.layers = (content.array.astype(dtype),)
    return content


def write(content: Content, path: Path) -> list[str]:
    """Write MRC2014, lengths in angstrom; what MRC cannot tell (direction, segments) in an extended header."""
    import mrcfile

    array, lost = _fitted(content.array)
    geometry = content.geometry
    if geometry.unit != "px":
        geometry = geometry.in_unit("angstrom")
    text = record.dumps(content, dtype=content.array.dtype.name).encode("utf-8")
    text += b" " * (-len(text) % 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mrcfile.new(path, overwrite=True) as file:
            file.set_extended_header(np.frombuffer(text, "V1"))
            file.header.exttyp = _EXTENDED_TYPE
            file.set_data(array)
            file.set_volume()
            file.voxel_size = tuple(geometry.spacing)
            file.header.origin.x, file.header.origin.y, file.header.origin.z = geometry.origin
            if geometry.unit == "px":
                file.header.cella.x = file.header.cella.y = file.header.cella.z = 0
            _add_labels(file, content)
    return lost + content.lost_rotation(NAME)


def _add_labels(file: Any, content: Content) -> None:
    for segment in (content.segments or [])[:8]:
        text = f"label {segment.value}: {segment.name}".encode("ascii", "replace").decode("ascii")
        file.add_label(text[:80])


def _fitted(array: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Find the mode that holds every value exactly.

    Raises
    ------
    NotHeldError
        If there is none.
    """
    if array.dtype in (np.int8, np.int16, np.uint16, np.float16, np.float32):
        return array, []
    if array.dtype.kind == "f":
        single = array.astype(np.float32)
        if not np.array_equal(single, array, equal_nan=True):
            raise NotHeldError("MRC has no 64-bit floating point; convert to float32 first, or save as .nrrd.")
        return single, [f"MRC has no {array.dtype}; the values, which fit, were written as float32."]
    low, high = int(array.min()), int(array.max())
    for kind in (np.int8, np.uint16, np.int16):
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return array.astype(kind), []
    raise NotHeldError(
        f"MRC has no {array.dtype}, and the values ({low} to {high}) do not fit into 16 bits; save as .nrrd or .tif."
    )
