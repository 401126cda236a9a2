"""How commands open images and labels: the options that all of them share, and what these do to a file.

The numbers of a file that names no unit are in ``--unit``. ``--voxel-size`` replaces the voxel size of the files that
are read, for those that state none or a wrong one; the place of a cropped file moves along.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ACSegLib.commands.options import option
from ACSegLib.errors import InputError
from ACSegLib.volume import UNITS_IN_MM, Geometry, Segmentation, Volume

if TYPE_CHECKING:
    from ACSegLib.files.units import AssumedUnit

Content = TypeVar("Content", Volume, Segmentation)


@dataclass(kw_only=True)
class VoxelSizeOption:
    """For commands whose ``--unit`` is that of their results; files that name no unit are in ``--file-unit``."""

    voxel_size: str | None = option(
        default=None,
        help="voxel size of the files that are read, along x, y and z, such as 30,30,40; replaces what they state",
        metavar="X,Y,Z",
    )
    external_data: bool = option(
        default=False,
        help="also read data files that lie outside of the folder of the header that names them; use it only for files "
        "that you trust",
    )


@dataclass(kw_only=True)
class VoxelSizeOptions(VoxelSizeOption):
    """For commands that read images or labels."""

    unit: str | None = option(
        default=None,
        help="unit of --voxel-size, and of the lengths in files that do not state a unit",
        choices=tuple(UNITS_IN_MM),
        metavar="UNIT",
    )


@dataclass(kw_only=True)
class ImageDatasetOption:
    """For commands that read images."""

    image_dataset: str | None = option(
        default=None,
        help="data set of images in files that hold several (HDF5, Zarr, Amira, TIFF); acseg info lists them",
        aliases=("dataset",),
        metavar="NAME",
    )


@dataclass(kw_only=True)
class LabelsDatasetOption:
    """For commands that read labels beside images."""

    labels_dataset: str | None = option(
        default=None, help="data set of labels in files that hold several; acseg info lists them", metavar="NAME"
    )


@contextlib.contextmanager
def reading(options: Any) -> Iterator[AssumedUnit]:
    """Within the block, readers follow the shared options: the unit of lengths without one, and external data."""
    from ACSegLib.files.content import external_data
    from ACSegLib.files.units import assume_unit

    with assume_unit(_unit(options)) as assumed, external_data(options.external_data):
        yield assumed


def open_image(
    path: str | os.PathLike[str], options: Any, *, level: int | None = None, lazy_from: int | None = None
) -> Volume:
    """Open an image as the shared options say."""
    from ACSegLib.files import open_volume

    with reading(options) as assumed:
        volume = open_volume(path, dataset=options.image_dataset, level=level, lazy_from=lazy_from)
    _tell_of_ones(path, volume.geometry, options, assumed)
    return _as_told(volume, options)


def open_labels(path: str | os.PathLike[str], options: Any, *, gaps: bool = False) -> Segmentation:
    """Open labels as the shared options say; with `gaps`, see `ACSegLib.files.open_segmentation`."""
    from ACSegLib.files import open_segmentation

    with reading(options) as assumed:
        labels = open_segmentation(path, dataset=options.labels_dataset, gaps=gaps)
    if getattr(options, "image", None) is None and not hasattr(options, "truth"):  # else its partner's size is theirs
        _tell_of_ones(path, labels.geometry, options, assumed)
    return _as_told(labels, options)


def with_voxel_size(geometry: Geometry, spacing: tuple[float, float, float], unit: str) -> Geometry:
    """The geometry with another voxel size, the place of voxel (0, 0, 0) in voxels as before."""
    scale = np.asarray(spacing) / np.asarray(geometry.spacing)
    axes = geometry.direction_matrix
    origin = axes @ (scale * np.linalg.solve(axes, np.asarray(geometry.origin)))
    known = geometry.has_position and geometry != Geometry()
    return replace(geometry, spacing=tuple(spacing), origin=tuple(origin), unit=unit, has_position=known)


def read_voxel_size(text: str) -> tuple[float, float, float]:
    """Read a voxel size such as ``30,30,40``, or one number for all three axes.

    Raises
    ------
    InputError
        If it is not one or three positive numbers.
    """
    words = [word for word in re.split(r"[,\sx]+", text.strip()) if word]
    try:
        values = tuple(float(word) for word in words)
    except ValueError:
        values = ()
    if len(values) == 1:
        values *= 3
    if len(values) != 3 or not all(0 < v < float("inf") for v in values):
        raise InputError(f"--voxel-size {text!r} is not a voxel size; write it along x, y and z, as 30,30,40.")
    return values


def check_opening(options: Any) -> None:
    """Refuse a voxel size that cannot be read, or that has no unit, before anything is opened."""
    if options.voxel_size is not None:
        read_voxel_size(options.voxel_size)
        if _unit(options) is None:
            flag = "--file-unit" if hasattr(options, "file_unit") else "--unit"
            raise InputError(f"--voxel-size {options.voxel_size} needs a unit; add for example {flag} nm.")


def _unit(options: Any) -> str | None:
    """Unit of the lengths that files do not name: ``--file-unit`` where ``--unit`` is that of the results.

    There, ``--unit`` counts for ``--voxel-size`` only if it is not the default, which nobody may have thought of.
    """
    if not hasattr(options, "file_unit"):
        return options.unit
    chosen = options.voxel_size is not None and options.unit != type(options).unit
    unit = options.file_unit or (options.unit if chosen else None)
    return unit if unit in UNITS_IN_MM else None


def _tell_of_ones(path: str | os.PathLike[str], geometry: Geometry, options: Any, assumed: AssumedUnit) -> None:
    """Say that a file has been given a unit, but states no voxel size either."""
    from ACSegLib.files.registry import tell

    unit, ones = _unit(options), geometry.spacing == (1.0, 1.0, 1.0)
    unknown = ones and (assumed.of_ones or geometry.unit == "px")
    if unknown and unit is not None and options.voxel_size is None:
        tell(
            [
                f"{Path(path).name}: states no voxel size, so that its voxels are taken as 1 x 1 x 1 {unit}; state "
                "their size with --voxel-size."
            ]
        )


def _as_told(content: Content, options: Any) -> Content:
    """Give what was read the voxel size and the unit that the options state."""
    from ACSegLib.placement import with_default_unit

    if options.voxel_size is None:  # with --file-unit, a partner's unit comes first: see `in_one_unit`
        return content if hasattr(options, "file_unit") else with_default_unit(content, _unit(options))
    return replace(content, geometry=told_geometry(content.geometry, options))


def told_geometry(geometry: Geometry, options: Any) -> Geometry:
    """The geometry with the voxel size and the unit that the options state, as far as they do."""
    unit = _unit(options)
    if options.voxel_size is not None:
        check_opening(options)
        return with_voxel_size(geometry, read_voxel_size(options.voxel_size), str(unit))
    return geometry if unit is None or geometry.unit != "px" else replace(geometry, unit=unit)
