"""Axes and units: brings what a file holds into (z, y, x) order, and the lengths of its axes into one unit.

Every reader says what its file tells of each axis (letter, step, unit, start), and `place` does the rest:

- axes are transposed to z, y, x; single time points and channels are dropped wherever they stand; several are refused;
- a plane in five dimensions is a plane, and refused as one;
- each axis is converted by its own unit. Where one axis has a unit that is not known, or none, beside others that have
  one, no voxel size can be relied on: the numbers are kept, the unit is "px", and a note says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files.units import is_stated, length_of, text_of, unstated_unit
from ACSegLib.volume import Geometry

_CHANNELS = ("c", "s")
_NAMES = {"t": "time points", "c": "channels", "s": "colour channels"}


@dataclass(frozen=True)
class Axis:
    """What a file tells of one axis of its array.

    Parameters
    ----------
    letter : str
        "x", "y" or "z"; "t" time, "c" channel, "s" samples of a colour; another letter for another dimension; "" where
        the file does not say.
    step : float, optional
        Distance of neighbouring voxels, in `unit`; None where the file does not say.
    unit : object
        The unit's name as the file has it (text or bytes); None or empty where it names none.
    start : float, optional
        Position of the first voxel, in `unit`; None where the file does not say.
    """

    letter: str = ""
    step: float | None = None
    unit: object = None
    start: float | None = None


@dataclass(frozen=True)
class Placed:
    """Voxels in (z, y, x) order, where they lie, and what a user should know about how that was found."""

    array: np.ndarray
    geometry: Geometry
    notes: list[str] = field(default_factory=list)


def axes_of(letters: str | None, dimensions: int) -> list[Axis]:
    """Give axes of which only the letters are known; nothing at all where their number does not fit."""
    if letters is None or len(letters) != dimensions:
        return [Axis() for _ in range(dimensions)]
    return [Axis(letter.lower().replace("?", "")) for letter in letters]


def place(array: np.ndarray, axes: Sequence[Axis], path: Path, *, silent: str = "px") -> Placed:
    """Bring an array into (z, y, x) order and its axes into one unit.

    Parameters
    ----------
    array : ndarray
        As the file has it, one dimension for each of `axes`.
    silent : str
        The unit in which the format's own programs take lengths that name none.

    Raises
    ------
    FileError
        For 2D images, several channels or time points, and what is not numbers.
    """
    arranged, kept = arrange(array, [axis.letter for axis in axes], path)
    z, y, x = (axes[n] for n in kept)
    geometry, notes = geometry_of(x, y, z, silent=silent)
    return Placed(arranged, geometry, notes)


def arrange(array: np.ndarray, letters: Sequence[str], path: Path) -> tuple[np.ndarray, tuple[int, int, int]]:
    """Transpose an array to (z, y, x); gives it with the numbers of the axes that became z, y and x.

    Raises
    ------
    FileError
        As `place`.
    """
    _check_numbers(array, path)
    left = list(range(array.ndim))
    named = _named(list(letters), array.shape)
    for n in reversed(range(array.ndim)):
        if named[n] not in ("x", "y", "z", ""):
            _require_single(array.shape, n, named[n], path)
            left.remove(n)
    found = {named[n]: n for n in left}
    if set(found) != {"x", "y", "z"} or (array.ndim > 3 and min(array.shape[n] for n in left) == 1):
        raise _not_3d(array.shape, left, path)
    order = (found["z"], found["y"], found["x"])
    for n in reversed(range(array.ndim)):
        if n not in order:
            array = array.squeeze(axis=n)
    ranks = sorted(order)
    turned = tuple(ranks.index(n) for n in order)
    if turned != (0, 1, 2):
        array = array.transpose(turned)
        array = np.ascontiguousarray(array) if isinstance(array, np.ndarray) else array
    return array, order


def _check_numbers(array: np.ndarray, path: Path) -> None:
    if array.dtype.kind not in "buif":
        raise FileError(
            f"{path}: holds {_type_name(array.dtype)}, not numbers of one channel; save it as a greyscale volume."
        )
    if array.size == 0:
        raise FileError(f"{path}: the image is empty (shape {array.shape}).")


def _type_name(dtype: np.dtype) -> str:
    if dtype.names:
        return f"values of {len(dtype.names)} components ({', '.join(dtype.names)})"
    return "complex numbers" if dtype.kind == "c" else str(dtype)


def _named(letters: list[str], shape: Sequence[int]) -> list[str]:
    """Letters with those that the file does not tell: single axes beside three others are none of space's."""
    unknown = [n for n, letter in enumerate(letters) if letter == ""]
    missing = [letter for letter in "zyx" if letter not in letters]
    long = [n for n in unknown if shape[n] > 1]
    if len(unknown) > len(missing) and len(long) == len(missing):
        letters = ["?" if n in unknown and n not in long else letter for n, letter in enumerate(letters)]
        unknown = long
    for n, letter in zip(unknown[-len(missing) :], missing[-len(unknown) :], strict=False):
        letters[n] = letter
    return ["?" if letter == "" else letter for letter in letters]


def _require_single(shape: Sequence[int], n: int, letter: str, path: Path) -> None:
    if shape[n] == 1:
        return
    sizes = " x ".join(map(str, shape))
    if letter in _CHANNELS:
        raise FileError(f"{path}: has {shape[n]} {_NAMES[letter]} ({sizes}); save one channel as a greyscale volume.")
    if letter == "t":
        raise FileError(f"{path}: has {shape[n]} {_NAMES['t']} ({sizes}); save one time point as a volume.")
    raise FileError(f"{path}: has {len(shape)} dimensions ({sizes}); save one time point or channel as a volume.")


def _not_3d(shape: Sequence[int], left: Sequence[int], path: Path) -> FileError:
    sizes = " x ".join(map(str, shape))
    long = sum(shape[n] > 1 for n in left)
    return FileError(
        f"{path}: is a {min(long, 2)}D image ({sizes}); ACSeg needs a 3D volume. "
        "If each file is one slice, give the folder that holds them."
    )


def geometry_of(x: Axis, y: Axis, z: Axis, *, silent: str = "px") -> tuple[Geometry, list[str]]:
    """Give the geometry of three axes along x, y, z, and notes on what the file leaves open.

    A negative step is an axis that runs backwards, as in ITK.
    """
    axes = [replace(axis, step=_usable(axis.step)) for axis in (x, y, z)]
    signs = [-1.0 if given.step is not None and given.step < 0 else 1.0 for given in (x, y, z)]
    known = [axis for axis in axes if axis.step is not None]
    if not known:
        return Geometry(), []
    unit, factors, notes = one_unit([axis.unit for axis in axes if axis.step is not None], _letters(axes))
    if unit is None:
        unit = unstated_unit([axis.step for axis in axes if axis.step is not None], silent)
    by_axis = iter(factors)
    spacing = [None if axis.step is None else axis.step * next(by_axis) for axis in axes]
    if None in spacing:
        first = next(size for size in spacing if size is not None)
        notes.append(
            f"states no voxel size along {' and '.join('xyz'[n] for n in range(3) if spacing[n] is None)}; that of "
            f"{_letters(axes)[0]} is used."
        )
        spacing = [first if size is None else size for size in spacing]
    by_axis = iter(factors)
    origin = [0.0 if axis.step is None else (axis.start or 0.0) * next(by_axis) for axis in axes]
    direction = tuple(np.diag(signs).ravel())
    placed = any(axis.start is not None for axis in axes)
    return Geometry(tuple(spacing), tuple(origin), direction, unit, has_position=placed), notes  # type: ignore[arg-type]


def _letters(axes: Sequence[Axis]) -> list[str]:
    return ["xyz"[n] for n, axis in enumerate(axes) if axis.step is not None]


def _usable(step: float | None) -> float | None:
    """A step's size; None where a file writes zero or no number for one that it does not know."""
    return abs(float(step)) if step is not None and np.isfinite(step) and step != 0 else None


def one_unit(names: Sequence[object], axes: Sequence[str] = "xyz") -> tuple[str | None, list[float], list[str]]:
    """Find one unit for axes that each name their own.

    Returns
    -------
    unit : str or None
        That of the first axis; "px" if the axes cannot be expressed in one; None if none of them names a unit.
    factors : list of float
        By which the lengths of each axis are multiplied.
    notes : list of str
        On a unit that is not known, or that only some axes have.
    """
    plain = [1.0] * len(names)
    stated = [is_stated(name) for name in names]
    if not any(stated):
        return None, plain, []
    lengths = [length_of(name) for name in names]
    unknown = [n for n in range(len(names)) if stated[n] and lengths[n] is None]
    if unknown:
        listed = " and ".join(f"{axes[n]} ({text_of(names[n])})" for n in unknown)
        return "px", plain, [f"the unit of {listed} is no unit of length that ACSeg knows; the voxel size is unknown."]
    if not all(stated):
        silent = " and ".join(axes[n] for n in range(len(names)) if not stated[n])
        return "px", plain, [f"names no unit for {silent}, but for the other axes; the voxel size is unknown."]
    pixels = [n for n, length in enumerate(lengths) if length is not None and length.unit == "px"]
    if pixels:
        mixed = len(pixels) < len(names)
        listed = " and ".join(axes[n] for n in pixels)
        return "px", plain, [f"states {listed} in pixels, but not the other axes; the voxel size is unknown."] * mixed
    unit = lengths[0].unit  # type: ignore[union-attr]
    return unit, [length.in_unit(unit) for length in lengths if length is not None], []
