"""Arrays of NumPy (.npy): voxels in (k, j, i) order alone, without a voxel size. Nothing is ever unpickled."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files.axes import arrange
from ACSegLib.files.content import Content, Request, native, read_exactly
from ACSegLib.volume import Geometry

NAME = "NumPy"
ENDINGS: tuple[str, ...] = ()
LAYERS = False

_MAGIC = b"\x93NUMPY"
_HEADERS = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file begins as NumPy's do."""
    return head.startswith(_MAGIC)


def read(path: Path, request: Request) -> Content:
    """Read the array; its axes are z, y and x, in whatever order of memory it was saved."""
    with open(path, "rb") as stream:
        version, _ = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise FileError(f"{path}: is in version {version} of NumPy's format; save it again with plain numbers.")
        shape, fortran, dtype = _HEADERS[version](stream)
        if dtype.hasobject:
            raise FileError(
                f"{path}: holds objects of Python, which may run any program, and no plain array, as _seg.npy of "
                "Cellpose does; save its masks as TIFF, or with numpy.save."
            )
        if dtype.names or math.prod(shape) < 1:
            raise FileError(f"{path}: holds {dtype} of shape {shape}, not one number per voxel.")
        stored = native(read_exactly(stream, shape[::-1] if fortran else shape, dtype, path))
    array, _ = arrange(stored.transpose() if fortran else stored, [""] * len(shape), path)
    return Content((np.ascontiguousarray(array) if fortran else array,), Geometry())
