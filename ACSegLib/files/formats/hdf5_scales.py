"""Axes of HDF5 data sets that have coordinates beside them: netCDF 4 and xarray, EMD (tomviz, ncempy), and NeXus.

The names of the coordinates tell the order of the axes, and evenly spaced values the voxel size and the position.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ACSegLib.files import lazy
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
            return [axis_along(c, values, size) if c in "xyz" else Axis(c) for c, (_, values), size in rows]
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


def axis_along(letter: str, values: Any, size: int) -> Axis:
    """An axis with step, unit and start of its coordinates; the letter alone where they are uneven, or only count."""
    if getattr(values, "shape", ()) != (size,) or values.dtype.kind not in "iuf" or size < 2:
        return Axis(letter)
    places = values[()].astype(float)
    steps = np.diff(places)
    unit = _text(values.attrs.get("units")).strip("[]").replace("_", "")  # EMD has [n_m]
    if not np.all(np.abs(steps - steps[0]) <= _MAX_UNEVEN * abs(steps[0])) or (not unit and steps[0] == 1):
        return Axis(letter)
    return Axis(letter, float(steps.mean()), unit, float(places[0]))


def unpacked(array: Any, attributes: Mapping[str, Any]) -> tuple[Any, list[str]]:
    """Give the values of a variable of netCDF, and notes: stored ones times `scale_factor` plus `add_offset`.

    Values that are said to be none (`_FillValue`, `missing_value`) become NaN. So do xarray and netCDF4 (NetCDF User's
    Guide, attribute conventions). Whole numbers without a scale stay as they are.

    Parameters
    ----------
    array : ndarray or ChunkedArray, shape (z, y, x)
    attributes : mapping
        Of the data set.
    """
    slope, first = (_single(attributes.get(name)) for name in ("scale_factor", "add_offset"))
    slope, first = 1.0 if slope is None else slope, first or 0.0
    scaled = (slope, first) != (1.0, 0.0)
    none = [value for name in ("_FillValue", "missing_value") if (value := _single(attributes.get(name))) is not None]
    if not scaled and (array.dtype.kind != "f" or not any(map(np.isfinite, none))):
        return array, []
    kind = np.float32 if array.dtype.itemsize <= np.dtype(np.int16).itemsize else np.float64
    result = lazy.empty(array.shape, array.dtype if array.dtype.kind == "f" else kind)
    missing, none_of = 0, np.array(none, array.dtype if array.dtype.kind == "f" else float)
    for plane, target in zip(array, result, strict=True):
        target[...] = plane * slope + first
        left_out = np.isin(plane, none_of)
        target[left_out] = np.nan
        missing += int(np.count_nonzero(left_out))
    return result, [
        f"has {missing} voxels that its attributes state to hold no value; they count as missing."
    ] if missing else []


def _single(value: Any) -> float | None:
    """An attribute that is one number; None for any other."""
    number = np.ravel(value if value is not None else ())
    return float(number[0]) if number.size == 1 and number.dtype.kind in "iuf" else None


def _text(value: Any) -> str:
    """An attribute as text."""
    value = value[0] if isinstance(value, np.ndarray) and value.size == 1 else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
