"""Folders of numbered slices (TIFF, PNG, ...), through tifffile and Pillow; single 2D pictures are told as such."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import tiff
from ACSegLib.files.axes import arrange
from ACSegLib.files.content import CHOOSE, Content, Request, native
from ACSegLib.volume import Geometry

NAME = "folder of slices"
ENDINGS: tuple[str, ...] = ()
LAYERS = False

_TIFF = (".tif", ".tiff")
_PICTURES = (".png", ".bmp", ".jpg", ".jpeg", ".pgm")
_LISTED = 5
_MAGIC = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"BM", b"P5", b"GIF8")


def recognises(path: Path, head: bytes) -> bool:
    """Whether it is a folder with at least one slice, or a single picture."""
    return bool(_slices(path)) if path.is_dir() else head.startswith(_MAGIC)


def _slices(folder: Path) -> list[Path]:
    """The slices of the commonest ending, in natural order (slice 2 before slice 10)."""
    files = [p for p in folder.iterdir() if _may_be_slice(p)]
    endings = Counter(p.suffix.lower() for p in files)
    if not endings:
        return []
    ending = max(sorted(endings), key=lambda e: endings[e])
    return sorted((p for p in files if p.suffix.lower() == ending), key=_natural)


def _may_be_slice(path: Path) -> bool:
    return path.suffix.lower() in _TIFF + _PICTURES and not path.name.startswith(".") and path.is_file()


def _natural(path: Path) -> list[Any]:
    return [(0, int(word), "") if word.isdigit() else (1, 0, word.lower()) for word in re.split(r"(\d+)", path.stem)]


def read(path: Path, request: Request) -> Content:
    """Read the slices as planes along k; voxel size from the first TIFF, where it tells."""
    if not path.is_dir():
        arrange(_plane(path), "yx", path)
        raise FileError(f"{path}: is a single 2D image, not a volume; give the folder of all slices.")
    files = _slices(path)
    if request.dataset:
        files = [file for file in files if _named(file, request.dataset)]
        if not files:
            raise FileError(f"{path}: no slice has {request.dataset!r} in its name.")
    _check_numbers(files, path)
    first = _plane(files[0])
    array = np.empty((len(files), *first.shape), first.dtype)
    for k, file in enumerate(files):
        plane = _plane(file)
        if plane.shape != first.shape or plane.dtype != first.dtype:
            raise FileError(
                f"{file}: is {plane.shape[1]} x {plane.shape[0]} {plane.dtype} but {files[0].name} is "
                f"{first.shape[1]} x {first.shape[0]} {first.dtype}; all slices must be of one size and type."
            )
        array[k] = plane
    meta = {"slices": len(files), "first": files[0].name, "last": files[-1].name}
    array, _ = arrange(array, "zyx", path)
    geometry, notes = _geometry(files[0])
    return Content((array,), geometry, meta=meta, notes=notes)


def _named(file: Path, word: str) -> bool:
    """Whether a name holds a word that no further digit follows: c1, but not c10."""
    return re.search(re.escape(word) + r"(?!\d)", file.stem) is not None


def _check_numbers(files: list[Path], folder: Path) -> None:
    """Refuse gaps: a missing slice would shift all that follow. A constant step (10, 20, 30) is no gap."""
    numbers = _numbers(files, folder)
    if len(numbers) < 3:
        return
    steps = [b - a for a, b in pairwise(numbers)]
    if min(steps) <= 0:
        return
    step = math.gcd(*steps)
    missing = [(a + step * n) for a, b in pairwise(numbers) for n in range(1, min((b - a) // step, _LISTED + 1))]
    count = (numbers[-1] - numbers[0]) // step + 1 - len(numbers)
    if count:
        shown = ", ".join(map(str, missing[:_LISTED])) + (f" and {count - _LISTED} more" if count > _LISTED else "")
        raise FileError(
            f"{folder}: the slices numbered {shown} are missing between {files[0].name} and {files[-1].name}; add "
            "them, or number the slices without gaps."
        )


def _numbers(files: list[Path], folder: Path) -> list[int]:
    """The numbers that count the slices; none where the names are not counted.

    Other numbers that change with them, such as the time, do not count. Two counters of which each alone repeats (slice
    and channel, say) are refused, since their slices belong to several volumes.
    """
    words = [re.split(r"(\d+)", file.stem) for file in files]
    if len({len(row) for row in words}) != 1 or len(files) < 2:
        return []
    if any(len({row[n] for row in words}) > 1 for n in range(0, len(words[0]), 2)):
        return []
    columns = {n: [int(row[n]) for row in words] for n in range(1, len(words[0]), 2)}
    changing = {n: column for n, column in columns.items() if len(set(column)) > 1}
    counting = {n: column for n, column in changing.items() if len(set(column)) == len(files)}
    if changing and not counting:
        n = min(changing, key=lambda n: len(set(changing[n])))
        kinds = [f"{words[0][n - 1][-8:]}{word}" for word in dict.fromkeys(row[n] for row in words)]
        raise FileError(
            f"{folder}: the names of its slices have {len(changing)} counters ({files[0].name} to {files[-1].name}), "
            f"so they belong to several volumes; {CHOOSE}, by what the names hold ({', '.join(kinds[:_LISTED])}), "
            "or move each volume into its own folder."
        )
    return min(counting.values(), key=lambda column: column[-1] - column[0], default=[])


def _plane(file: Path) -> np.ndarray:
    """Read one slice as a 2D array; colour pictures that are grey come out as grey."""
    try:
        if file.suffix.lower() in _TIFF:
            import tifffile

            plane = native(tifffile.imread(file))
        else:
            from PIL import Image

            with Image.open(file) as image:
                plane = np.array(image)
    except Exception as error:  # libraries raise anything at all on damaged files
        raise FileError(f"{file}: this slice cannot be read ({error}); copy it again from its source.") from error
    if plane.ndim == 3 and plane.shape[-1] in (2, 3, 4):
        colours = plane[..., : 1 if plane.shape[-1] == 2 else 3]
        if np.any(colours != colours[..., :1]):
            raise FileError(f"{file}: is a colour image; save the slices as greyscale (one channel).")
        plane = np.ascontiguousarray(colours[..., 0])
    plane = plane.squeeze()
    if plane.ndim != 2:
        raise FileError(f"{file}: has {plane.ndim} dimensions; a folder must hold 2D slices. Open a 3D file by itself.")
    return plane


def _geometry(file: Path) -> tuple[Geometry, list[str]]:
    """Voxel size as the first slice tells it; the distance of the slices is that of ImageJ's metadata."""
    if file.suffix.lower() not in _TIFF:
        return Geometry(), []
    import tifffile

    with tifffile.TiffFile(file) as opened:
        return tiff.geometry(opened, file)
