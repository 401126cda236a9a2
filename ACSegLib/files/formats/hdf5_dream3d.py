"""Arrays of DREAM.3D (.dream3d), whose geometry stands beside the group that holds them.

Versions 6 and before keep it in a group, DREAM3D-NX in attributes. Neither writes the unit of length. Arrays are z, y,
x, and the components of each value (SIMPL's ImageGeom, simplnx's ImageGeomIO).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ACSegLib.files.axes import Axis

_GROUP = "_SIMPL_GEOMETRY"


def axes_of(data: Any) -> list[Axis] | None:
    """Give the axes of an array that has one value for each voxel of an image geometry; None for any other."""
    found = _geometry(data)
    if found is None or data.ndim not in (3, 4):
        return None
    size, spacing, origin = found
    if tuple(data.shape[:3]) != tuple(size[::-1].astype(int)):
        return None
    axes = [Axis("xyz"[n], float(spacing[n]), None, float(origin[n])) for n in (2, 1, 0)]
    return [*axes, *[Axis("c")] * (data.ndim - 3)]


def _geometry(data: Any) -> list[np.ndarray] | None:
    """Numbers of voxels, spacing and origin along x, y, z."""
    import h5py

    container = data.parent.parent
    group = container.get(_GROUP)
    if isinstance(group, h5py.Group):
        values = [_three(group.get(name)) for name in ("DIMENSIONS", "SPACING", "ORIGIN")]
    else:
        values = [_three(container.attrs.get(name)) for name in ("_DIMENSIONS", "_SPACING", "_ORIGIN")]
    found = [value for value in values if value is not None]
    return found if len(found) == len(values) else None


def _three(value: Any) -> np.ndarray | None:
    """Three finite numbers; None for anything else."""
    if getattr(value, "dtype", np.dtype("O")).kind not in "iuf" or value.size != 3:
        return None
    numbers = np.asarray(value[()], float).ravel()
    return numbers if np.all(np.isfinite(numbers)) else None
