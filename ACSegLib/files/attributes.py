"""Voxel sizes in the attributes of arrays in HDF5 and Zarr, as several programs write them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ACSegLib.files.axes import Axis

#: Names that other programs (CREMI, Neuroglancer, funlib) give to voxel sizes.
_SIZE_NAMES = ("resolution", "voxel_size", "voxelSize", "voxelsize", "spacing", "scale", "pixel_size", "pixelSize")
#: Text that is a list of numbers, as str() of Python and NumPy and JSON have it.
_LIST = re.compile(r"[\s\[(]*[-+\d.eE]+(?:[\s,;]+[-+\d.eE]+)*[\s\])]*")
_SPACE = ("x", "y", "z")


def numbers_of(value: Any) -> np.ndarray:
    """Give the numbers of an attribute, float64, also of one that is text ("[0.1 0.05 0.05]"); none of any other."""
    values = np.ravel(value) if value is not None else np.empty(0)
    if values.dtype.kind in "iuf":
        return values.astype(float)
    texts = words_of(value)
    if not texts or not all(map(_LIST.fullmatch, texts)):
        return np.empty(0)
    try:
        return np.array([float(word) for text in texts for word in re.split(r"[\s,;]+", text.strip("()[] \t\n"))])
    except ValueError:
        return np.empty(0)


def words_of(value: Any) -> list[str]:
    """Give the texts of an attribute: of a list, an array, or of one by itself."""
    values = np.ravel(value).tolist() if value is not None else []
    return [word.decode("utf-8", "replace") if isinstance(word, bytes) else str(word) for word in values]


def axes_in(attributes: Mapping[str, Any], dimensions: int) -> list[Axis] | None:
    """Give the axes of an array whose attributes name them, and state a voxel size; None where they do not.

    Known are those of funlib.persistence (`axis_names`, `voxel_size` or `resolution`, `offset`, `units`) and of COSEM
    (`transform`, with `axes`, `scale`, `translate`, `units`). Sizes and positions are those of all axes, or of the axes
    of space, in their order.
    """
    table = attributes.get("transform")
    if isinstance(table, str):
        try:
            table = json.loads(table)
        except ValueError:
            table = None
    if isinstance(table, Mapping):
        named = [table.get(name) for name in ("axes", "scale", "translate", "units")]
    else:
        size = attributes.get("voxel_size")
        size = attributes.get("resolution") if size is None else size
        named = [attributes.get("axis_names"), size, attributes.get("offset"), attributes.get("units")]
    letters = [word[:1].lower() for word in words_of(named[0])]
    space = [n for n, letter in enumerate(letters) if letter in _SPACE]
    if len(letters) != dimensions or len({letters[n] for n in space}) != len(space):
        return None
    steps, starts, units = (
        _by_axis(values, space, dimensions) for values in (*map(numbers_of, named[1:3]), words_of(named[3]))
    )
    if not steps:
        return None
    axes = [Axis(letter) for letter in letters]
    for n in space:
        axes[n] = Axis(letters[n], steps[n], units.get(n), starts.get(n))
    return axes


def _by_axis(values: Any, space: list[int], dimensions: int) -> dict[int, Any]:
    """The values of the axes of space, by their numbers; none where they are as many as neither all nor these."""
    if len(values) == dimensions:
        return {n: values[n] for n in space}
    return dict(zip(space, values, strict=True)) if len(values) == len(space) else {}


def unread_sizes(attributes: Any) -> list[str]:
    """The note on an attribute that may be a voxel size, in an order of axes and a unit that nothing states."""
    for name in _SIZE_NAMES:  # not by listing the attributes, which fails where the voxels lie in another file
        values = numbers_of(attributes.get(name))
        if values.size == 3 and np.any(values != 1):
            sizes = ", ".join(f"{value:g}" for value in values)
            return [
                f"its attribute {name} ({sizes}) may be a voxel size, but its order of axes and unit are not known; "
                "give the voxel size with --voxel-size."
            ]
    return []
