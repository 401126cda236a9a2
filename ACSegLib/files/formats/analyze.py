"""Analyze 7.5 (.hdr with .img), the ancestor of NIfTI, through nibabel.

It states no directions: ITK and Slicer place such files at 0 with unrotated axes, and so does this reader, with a note.
SPM keeps a scale of the values where the format has an unused field.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files.axes import Axis, place
from ACSegLib.files.content import Content, Request, native, note_of_rest, truncated
from ACSegLib.files.formats.nifti import header_of_pair, text_of_field

NAME = "Analyze 7.5"
ENDINGS: tuple[str, ...] = ()
LAYERS = False

_HEADER_BYTES = 348
#: Bits of a voxel by the code of its type.
_BITS = {1: 1, 2: 8, 4: 16, 8: 32, 16: 32, 32: 64, 64: 64, 128: 24, 130: 8, 132: 16, 136: 32}
_DIMENSION, _TYPE = slice(40, 42), slice(70, 74)


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file is a header of Analyze (either byte order), or the voxels beside one."""
    header = header_of_pair(path)
    if header is not None:
        with open(header, "rb") as stream:
            return recognises(header, stream.read(_HEADER_BYTES))
    if len(head) < _HEADER_BYTES or path.suffix.lower() != ".hdr":
        return False
    for order in ("little", "big"):
        code, bits = (int.from_bytes(head[_TYPE][n : n + 2], order) for n in (0, 2))  # type: ignore[arg-type]
        length, count = (int.from_bytes(head[part], order) for part in (slice(0, 4), _DIMENSION))  # type: ignore[arg-type]
        if length == _HEADER_BYTES and 1 <= count <= 7 and _BITS.get(code) == bits:
            return True
    return False


def read(path: Path, request: Request) -> Content:
    """Read the volume; in the unit of the header, else in millimetres."""
    import nibabel

    path = header_of_pair(path) or path
    files = [path.with_suffix(ending) for ending in (".img", ".IMG")]
    voxels = next((file for file in files if file.is_file()), None)
    if voxels is None:
        raise FileError(f"{path}: its voxels {files[0].name} are missing; put both into one folder.")
    holders = {"header": nibabel.FileHolder(str(path)), "image": nibabel.FileHolder(str(voxels))}
    holders["mat"] = nibabel.FileHolder(fileobj=io.BytesIO())  # SPM's matrix is not read
    with nibabel.imageglobals.LoggingOutputSuppressor():  # what matters is raised
        image: Any = nibabel.Spm2AnalyzeImage.from_file_map(holders, mmap=False)
    header = image.header
    promised = math.prod(image.shape) * header.get_data_dtype().itemsize
    if promised > voxels.stat().st_size:
        raise truncated(path, voxels.stat().st_size, promised)
    array = native(np.asanyarray(image.dataobj)).transpose()
    unit = text_of_field(header["vox_units"])
    steps = [float(step) for step in header["pixdim"][1:4]]
    letters = list("ccctzyx"[-array.ndim :])
    axes = [Axis(letter, steps["xyz".index(letter)] if letter in "xyz" else None, unit) for letter in letters]
    placed = place(array, axes, path, silent="mm")
    notes = [
        "is in Analyze 7.5, which does not tell left from right; it was placed at 0 with unrotated axes, as in ITK."
    ]
    notes += note_of_rest(voxels.stat().st_size - image.dataobj.offset, promised)
    scale = float(image.dataobj.slope)
    if scale != 1:
        notes.append(f"states a scale of {scale:g} where SPM does; its values were multiplied by it.")
    if path.with_suffix(".mat").is_file():
        notes.append(f"{path.with_suffix('.mat').name}, in which SPM keeps the place of the image, was not read.")
    meta = {"description": text_of_field(header["descrip"])}
    return Content((placed.array,), placed.geometry, meta=meta, notes=[*placed.notes, *notes])
