"""Axes of HDF5 data sets that have coordinates beside them: netCDF 4 and xarray, EMD (tomviz, ncempy), and NeXus.

The names of the coordinates tell the order of the axes, and evenly spaced values the voxel size.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from ACSegLib.files.axes import Axis
from ACSegLib.files.formats.mrc_tilts import note_of_angles

#: Names such as x, Z, zdim, tomo_zdim (of the Australian National University).
_NAME = re.compile(r"(?:.*_)?([xyztc])(?:_?dim)?$", re.IGNORECASE)
_MAX_UNEVEN = 1e-3
#: Where Data Exchange, NXtomo and beamlines keep the angles of projections: in their group, and in that of the entry.
_ANGLES = ("theta", "rotation_angle", "angles", "tilt_angles")
_ANGLES_OF_ENTRY = ("sample/rotation_angle",)


def axes_of(data: Any) -> list[Axis] | None:
    """Give the axes of a data set from its coordinates; None where their names do not tell which axes they are."""
    if sizes := _of_maps(data):
        return sizes
    sources: tuple[Callable[[Any], list[tuple[str, Any]]], ...] = (_of_netcdf, _of_emd, _of_nexus)
    for source in sources:
        try:
            coordinates = source(data)
        except (KeyError, ValueError, TypeError, AttributeError, RuntimeError):  # references that lead nowhere
            continue
        named = [_NAME.match(name) for name, _ in coordinates]
        letters = [match[1].lower() for match in named if match]
        if len(letters) == data.ndim and len(set(letters)) == data.ndim:
            rows = zip(letters, coordinates, data.shape, strict=True)
            return [Axis(c, *step_of(values, size)) if c in "xyz" else Axis(c) for c, (_, values), size in rows]
    return None


def _of_maps(data: Any) -> list[Axis] | None:
    """The voxel size that EMAN and Chimera keep in the group of a map, in angstrom; its axes are z, y, x."""
    stated = data.parent.attrs
    names = [f"EMAN.apix_{letter}" for letter in "xyz"]
    steps = [stated[name] for name in names] if all(name in stated for name in names) else stated.get("step", ())
    if data.ndim != 3 or np.shape(steps) != (3,) or ("step" in stated and "Chimera" not in data.name.split("/")):
        return None
    return [Axis(letter, float(step), "angstrom") for letter, step in zip("zyx", steps[::-1], strict=True)]


def _of_netcdf(data: Any) -> list[tuple[str, Any]]:
    """The first scale that is attached to each axis."""
    scales = [data.file[references[0]] for references in data.attrs.get("DIMENSION_LIST", ())]
    return [(scale.name.rsplit("/", 1)[-1], scale) for scale in scales]


def _of_emd(data: Any) -> list[tuple[str, Any]]:
    """dim1, dim2, ..., whose attributes name the axes."""
    if "emd_group_type" not in data.parent.attrs:
        return []
    scales = [data.parent[f"dim{n}"] for n in range(1, data.ndim + 1)]
    return [(_text(scale.attrs.get("name")), scale) for scale in scales]


def _of_nexus(data: Any) -> list[tuple[str, Any]]:
    """The axes that a data set lists (z:y:x), or the group of which it is the signal."""
    listed, group = _text(data.attrs.get("axes")), data.parent
    if ":" in listed:
        names = listed.split(":")
    elif _text(group.attrs.get("signal")) == data.name.rsplit("/", 1)[-1]:
        names = [_text(name) for name in np.ravel(group.attrs.get("axes", ()))]
    else:
        return []
    return [(name, group.get(name)) for name in names]


def note_of_projections(data: Any) -> list[str]:
    """Give the note that a stack holds projections, with an angle for each, of which a volume is still to be made."""
    group = data.parent
    for place, name in [(group, n) for n in _ANGLES] + [(group.parent, n) for n in _ANGLES_OF_ENTRY]:
        try:
            angles = place[name]
            if angles.dtype.kind in "iuf" and angles.shape == data.shape[:1]:
                degrees = np.asarray(angles[()], float)
                unit = _text(angles.attrs.get("units")).lower()
                return note_of_angles(np.degrees(degrees) if unit.startswith("rad") else degrees, angles.name)
        except (KeyError, ValueError, TypeError, AttributeError, RuntimeError):  # not there, or damaged
            continue
    return []


def step_of(values: Any, size: int) -> tuple[float | None, str | None]:
    """Distance and unit of evenly spaced coordinates; nothing where they are not, or only count."""
    if getattr(values, "shape", ()) != (size,) or values.dtype.kind not in "iuf" or size < 2:
        return None, None
    steps = np.diff(values[()].astype(float))
    unit = _text(values.attrs.get("units")).strip("[]").replace("_", "")  # EMD has [n_m]
    if not np.all(np.abs(steps - steps[0]) <= _MAX_UNEVEN * abs(steps[0])) or (not unit and steps[0] == 1):
        return None, None
    return float(abs(steps.mean())), unit


def _text(value: Any) -> str:
    """An attribute as text."""
    value = value[0] if isinstance(value, np.ndarray) and value.size == 1 else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
