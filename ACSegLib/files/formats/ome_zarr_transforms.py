"""The coordinate transforms of OME-Zarr (0.1 to 0.6): scales and translations, alone or in a sequence.

Others turn or shear an image; they are refused, since an image would lie elsewhere without a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files.axes import Axis
from ACSegLib.json_values import Json

_MAX_DEPTH = 8


def axes_of_level(scale: Json, level: Json, dimensions: int, path: Path) -> tuple[list[Axis], list[str]]:
    """Give the axes of a resolution level, each in its own unit, and notes.

    The transforms of the level come first, then those of the whole image. From OME-Zarr 0.6 on, the latter lead from
    the image's own coordinate system to others, and do not count.

    Raises
    ------
    FileError
        If a transform is no scale or translation, or has not one number for each axis.
    """
    size, shift = np.ones(dimensions), np.zeros(dimensions)
    stated, notes = False, list[str]()
    own = _own_system(scale, level)
    for entry in (level,) if own else (level, scale):
        for kind, values in _steps(entry.get("coordinateTransformations") or [], path):
            if values is None:
                notes.append(f"keeps a {kind} in an array of its own, which is not read; its voxel size may be wrong.")
            elif values.shape != (dimensions,):
                raise FileError(
                    f"{path}: its {kind} has {values.size} numbers, but the image has {dimensions} axes; write one for "
                    "each axis into its coordinateTransformations."
                )
            elif kind == "scale":
                size, shift, stated = size * values, shift * values, True
            else:
                shift = shift + values
    rows = own or scale.get("axes") or list("tczyx"[-dimensions:])
    if len(rows) != dimensions:
        raise FileError(f"{path}: names {len(rows)} axes, but the image has {dimensions}; correct its axes.")
    rows = [row if isinstance(row, Mapping) else {"name": str(row)} for row in rows]
    letters = [str(row.get("name", ""))[:1].lower() for row in rows]
    spatial = [n for n, row in enumerate(rows) if row.get("type") == "space"]
    if len(spatial) == 3 and {letters[n] for n in spatial} != {"x", "y", "z"}:
        for n, letter in zip(spatial, "zyx", strict=True):  # names of their own, in the order of the specification
            letters[n] = letter
    axes = [
        Axis(letter, float(size[n]) if stated else None, row.get("unit"), float(shift[n]) if shift.any() else None)
        for n, (letter, row) in enumerate(zip(letters, rows, strict=True))
    ]
    return axes, notes


def _own_system(scale: Json, level: Json) -> list[Any] | None:
    """The axes of the coordinate system that the transform of a level leads to (OME-Zarr 0.6); None for older ones."""
    systems = [row for row in scale.get("coordinateSystems") or [] if isinstance(row, Mapping) and row.get("axes")]
    outputs = [row.get("output") for row in level.get("coordinateTransformations") or []]
    names = [output.get("name") if isinstance(output, Mapping) else output for output in outputs]
    return next((row["axes"] for row in [*(s for s in systems if s.get("name") in names), *systems]), None)


def _steps(transforms: Sequence[Json], path: Path, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Give kind and numbers of one transform after the other; None for numbers that lie in an array."""
    for transform in transforms:
        kind = str(transform.get("type", ""))
        if kind == "sequence" and depth < _MAX_DEPTH:
            yield from _steps(transform.get("transformations") or [], path, depth + 1)
        elif kind == "affine" and (found := _diagonal(transform.get("affine"))) is not None:
            yield "scale", found[0]
            yield "translation", found[1]
        elif kind in ("scale", "translation"):
            values = transform.get(kind)
            yield kind, None if values is None else np.asarray(values, float)
        elif kind != "identity":
            raise FileError(
                f"{path}: has a coordinate transform of type {kind!r}, and ACSeg reads scales and translations; "
                "resample the image to a straight grid first."
            )


def _diagonal(values: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Scale and translation of a matrix without turns and shears; None for another one, or none."""
    matrix = np.asarray(values, float) if values is not None else np.empty(0)
    if matrix.ndim != 2 or matrix.shape[0] not in (matrix.shape[1], matrix.shape[1] - 1):
        return None
    count = matrix.shape[1] - 1
    turns = matrix[:count, :count]
    return (np.diag(turns), matrix[:count, count]) if np.array_equal(turns, np.diag(np.diag(turns))) else None
