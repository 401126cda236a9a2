"""Images of Imaris (.ims), an HDF5 file of resolution levels, time points and channels.

Chunks are filled up beyond the image, so a data set is larger than its image, and the voxel size is the extent of the
image divided by its number of voxels (Imaris 5.5 file format, imaris.oxinst.com).
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from ACSegLib.files.axes import Axis

_DATA = re.compile(r"DataSet/ResolutionLevel (\d+)/TimePoint (\d+)/Channel (\d+)/Data$")


def finest(names: list[str]) -> list[str]:
    """Leave out the coarser resolution levels of an Imaris file, and its thumbnail; other names stay as they are."""
    found = {name: match for name in names if (match := _DATA.match(name))}
    return [name for name, match in found.items() if match[1] == "0"] or names


def image_of(data: Any) -> tuple[tuple[slice, ...], list[Axis]] | None:
    """Find the part of a data set that is its image, and its axes (z, y, x); None where it is not of Imaris.

    The position of the image in the microscope is left out, as in OME-TIFF.
    """
    match = _DATA.match(data.name.lstrip("/"))
    if match is None or data.ndim != 3:
        return None
    sizes = [_number(data.parent, f"ImageSize{letter}") for letter in "ZYX"]
    part = tuple(slice(int(size)) if 0 < size <= n else slice(n) for size, n in zip(sizes, data.shape, strict=True))
    info = data.file.get("DataSetInfo/Image")
    axes = []
    for n, letter in enumerate("xyz"):
        extent = _number(info, f"ExtMax{n}") - _number(info, f"ExtMin{n}")
        count = part[2 - n].stop
        unit = (_text(info, "Unit") if info is not None else "") or "um"
        axes.append(Axis(letter, extent / count if np.isfinite(extent) and extent > 0 else None, unit))
    return part, axes[::-1]


def _text(group: Any, name: str) -> str:
    """An attribute as text; Imaris writes an array of single characters."""
    value = group.attrs.get(name) if group is not None else None
    if isinstance(value, np.ndarray) and value.dtype.kind == "S":
        value = b"".join(value.ravel().tolist())
    return value.decode("latin-1").strip("\0 ") if isinstance(value, bytes) else str(value or "")


def _number(group: Any, name: str) -> float:
    try:
        return float(_text(group, name))
    except ValueError:
        return float("nan")
