"""Folders of numbered slices (TIFF, PNG, ...), through tifffile and Pillow; single 2D pictures are told as such."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files.axes import arrange
from ACSegLib.files.content import GAP, NAMES, Content, Request
from ACSegLib.files.formats import tiff
from ACSegLib.files.formats.palettes import Palettes
from ACSegLib.files.formats.slice_names import GapError, in_order
from ACSegLib.files.formats.tiff import ORIENTATION, Slice, orientation_notes
from ACSegLib.files.names import PICTURE_ENDINGS, TIFF_ENDINGS

NAME = "folder of slices"
ENDINGS: tuple[str, ...] = ()
LAYERS = False

_MAX_BYTE, _MAX_WORD = 255, 65535
#: Greys that Pillow, as other readers, spreads over 8 bits: its name for them, bits, and factor.
_FEW_BITS = {"L;2": (2, 85), "L;4": (4, 17)}
_OTHER_SIZE = "state different voxel sizes"
_SPELLINGS = {".tiff": ".tif", ".jpeg": ".jpg", ".j2k": ".jp2"}
_LOSSY = ".jpg"
_MAGIC = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"BM", b"P5", b"GIF8", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")


def recognises(path: Path, head: bytes) -> bool:
    """Whether it is a folder with at least one slice, or a single picture."""
    return bool(slices_of(path)) if path.is_dir() else head.startswith(_MAGIC)


def slices_of(folder: Path) -> list[Path]:
    """The slices of the commonest kind of picture."""
    files = [p for p in folder.iterdir() if _may_be_slice(p)]
    kinds = Counter(_kind(p) for p in files)
    if not kinds:
        return []
    kind = max(sorted(kinds), key=lambda e: kinds[e])
    return [p for p in files if _kind(p) == kind]


def _left_out(folder: Path, files: list[Path]) -> list[str]:
    """The note on pictures of another kind than the slices."""
    others = sorted(p.name for p in folder.iterdir() if _may_be_slice(p) and _kind(p) != _kind(files[0]))
    if not others:
        return []
    more = f" and {len(others) - 1} more pictures were" if len(others) > 1 else " was"
    return [f"{others[0]}{more} left out, because most slices are {_kind(files[0])} files."]


def _kind(path: Path) -> str:
    """The ending, in one spelling."""
    ending = path.suffix.lower()
    return _SPELLINGS.get(ending, ending)


def _may_be_slice(path: Path) -> bool:
    return path.suffix.lower() in TIFF_ENDINGS + PICTURE_ENDINGS and not path.name.startswith(".") and path.is_file()


def read(path: Path, request: Request) -> Content:
    """Read the slices as planes along k; voxel size from the first TIFF, where it tells."""
    if not path.is_dir():
        arrange(_picture(path).plane, "yx", path)
        raise FileError(f"{path}: is a single 2D image, not a volume; give the folder of all slices.")
    files = slices_of(path)
    if request.dataset:
        files = [file for file in files if _named(file, request.dataset)]
        if not files:
            raise FileError(f"{path}: no slice has {request.dataset!r} in its name.")
    gap = ""
    try:
        files, notes = in_order(files, path)
    except GapError as error:
        if not request.gaps:
            raise
        files, notes, gap = error.files, [], str(error)
    notes += _left_out(path, files)
    first = _picture(files[0])
    array = np.empty((len(files), *first.plane.shape), first.plane.dtype)
    palettes, told = Palettes(), [*first.notes]
    for k, file in enumerate(files):
        picture = first if k == 0 else _picture(file)
        plane = picture.plane
        palettes.require_same(plane, picture.palette, file, file.name)
        if plane.shape != first.plane.shape or plane.dtype != first.plane.dtype:
            raise FileError(
                f"{file}: is {plane.shape[1]} x {plane.shape[0]} {plane.dtype} but {files[0].name} is "
                f"{array.shape[2]} x {array.shape[1]} {array.dtype}; all slices must be of one size and type."
            )
        array[k] = plane
        told += [f"its slice {file.name} {note}" for note in picture.notes if not _is_told(note, told)]
        if not first.place.matches(picture.place, array.shape) and not _is_told(_OTHER_SIZE, told):
            told.append(f"{files[0].name} and {file.name} {_OTHER_SIZE}; that of the first is used.")
    meta = {"slices": len(files), "first": files[0].name, "last": files[-1].name, "lossy": _kind(files[0]) == _LOSSY}
    meta |= {NAMES: [file.stem for file in files], GAP: gap}
    array, _ = arrange(array, "zyx", path)
    return Content((array,), first.place, meta=meta, notes=[*notes, *told, *palettes.notes()])


def _is_told(note: str, told: Sequence[str]) -> bool:
    return any(note in other for other in told)


def _named(file: Path, word: str) -> bool:
    """Whether a name holds a word that no further digit follows: c1, but not c10."""
    return re.search(re.escape(word) + r"(?!\d)", file.stem) is not None


def _picture(file: Path) -> Slice:
    """Read one slice as a 2D array; colour pictures that are grey come out as grey."""
    try:
        picture = tiff.read_slice(file) if file.suffix.lower() in TIFF_ENDINGS else _by_pillow(file)
    except (FileError, ImportError, MemoryError):  # the file is as it should be
        raise
    except Exception as error:  # libraries raise anything at all on damaged files
        raise FileError(f"{file}: this slice cannot be read ({error}); copy it again from its source.") from error
    plane = picture.plane
    if plane.ndim == 3 and plane.shape[-1] in (2, 3, 4):
        colours = plane[..., : 1 if plane.shape[-1] == 2 else 3]
        if np.any(colours != colours[..., :1]):
            raise FileError(f"{file}: is a colour image; save the slices as greyscale (one channel).")
        plane = np.ascontiguousarray(colours[..., 0])
    plane = plane.squeeze() if plane.ndim > 2 else plane
    if plane.ndim > 3:
        arrange(plane, [""] * plane.ndim, file)  # refuses several channels or time points, as of the file by itself
    if plane.ndim != 2:
        raise FileError(f"{file}: has {plane.ndim} dimensions; a folder must hold 2D slices. Open a 3D file by itself.")
    return replace(picture, plane=plane)


def _by_pillow(file: Path) -> Slice:
    """Read a picture that is no TIFF; it states no voxel size of a microscope."""
    from PIL import Image

    with Image.open(file) as image:
        modes = [tile[3][0] if isinstance(tile[3], tuple) else tile[3] for tile in image.tile]
        _require_all_bits(image, modes, file)
        plane = _unstretched(image)
        palette = np.reshape(image.getpalette() or [], (-1, 3)).astype(int).tolist() if image.mode == "P" else []
        notes = [
            f"keeps greys of {bits} bits, whose values were multiplied by {factor}, as in other programs."
            for mode, (bits, factor) in _FEW_BITS.items()
            if mode in modes
        ]
        notes += orientation_notes(image.getexif().get(ORIENTATION))
        return Slice(plane, notes=notes, palette=palette)


def _require_all_bits(image: Any, modes: Sequence[Any], file: Path) -> None:
    """Raise FileError for pictures of 16 bits of which Pillow reads 8: in colours, or with transparency."""
    if image.mode in ("RGB", "RGBA", "LA") and any(";16" in str(mode) for mode in modes):
        raise FileError(f"{file}: has 16 bits of each colour, which are not read; save the slices as 16-bit greyscale.")


def _unstretched(image: Any) -> np.ndarray:
    """The values that a picture holds: Pillow stretches those of PGM to 255 or 65535, whatever the highest may be."""
    stretched = [tile[3][1] for tile in image.tile if tile[0] in ("ppm", "ppm_plain") and isinstance(tile[3], tuple)]
    plane = np.array(image)
    if not stretched:
        return plane
    top = _MAX_BYTE if stretched[0] <= _MAX_BYTE else _MAX_WORD
    return np.rint(plane * (stretched[0] / top)).astype(plane.dtype)
