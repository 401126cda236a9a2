"""Images that ITK and SimpleITK write to HDF5: a group of voxels, spacing, origin and directions (itk::HDF5ImageIO)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files.units import unstated_unit
from ACSegLib.volume import Geometry

_DATA = re.compile(r"/ITKImage/\d+/VoxelData$")


def geometry_of(data: Any, path: Path) -> Geometry | None:
    """Place a data set as ITK does (in LPS, in mm as in NRRD); None where it is no volume of ITK.

    Raises
    ------
    FileError
        If the spacing, origin or directions beside the voxels are missing or damaged.
    """
    if not _DATA.match(data.name) or data.ndim != 3:
        return None
    spacing, origin, directions = (_numbers(data.parent, name) for name in ("Spacing", "Origin", "Directions"))
    if (spacing.size, origin.size, directions.size) != (3, 3, 9) or not np.all(spacing > 0):
        raise FileError(
            f"{path}: the spacing, origin or directions beside its data set {data.name} are missing or damaged; save "
            "it again with ITK."
        )
    axes = directions.reshape(3, 3)  # a row for each axis, where a direction matrix has a column
    unit = unstated_unit(spacing, "mm")
    return Geometry(tuple(spacing.tolist()), tuple(origin.tolist()), tuple(axes.T.ravel().tolist()), unit)


def _numbers(group: Any, name: str) -> np.ndarray:
    """The finite numbers of a data set; none where it is missing, too long or of another kind."""
    data = group.get(name)
    if getattr(data, "dtype", np.dtype("O")).kind not in "iuf" or data.size > 9:
        return np.empty(0)
    values = np.asarray(data[()], float).ravel()
    return values if np.all(np.isfinite(values)) else np.empty(0)
