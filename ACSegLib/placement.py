"""Two files on one grid: which unit their lengths are in, and how one is brought onto the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.volume import Geometry, Segmentation, Volume, require_same_grid

Labels = TypeVar("Labels", Segmentation, Volume)

#: Units that a table may be in; see `in_unit`.
UNITS = ("um", "nm", "mm", "px", "file")

#: How far a unit in a file is to be believed: many programs write no unit, or millimetres, whatever the numbers mean.
_TRUST = {"px": 0, "mm": 1}


def same_grid(segmentation: Segmentation, other: Volume | Segmentation) -> bool:
    """Whether two lie voxel on voxel."""
    return segmentation.shape == other.shape and segmentation.geometry.matches(other.geometry)


def place_labels(segmentation: Segmentation, onto: Volume | Segmentation, *, resample: bool = False) -> Segmentation:
    """Bring labels onto the grid of an image, or of other labels.

    Labels that lie on the same lattice, as those that Slicer has cropped to the labelled voxels, are copied exactly.

    Parameters
    ----------
    resample : bool
        Whether labels of another lattice may be resampled (nearest), and voxels that lie outside be left out.

    Returns
    -------
    Segmentation
        The same one where it lies on the grid already, whatever unit it names.

    Raises
    ------
    InputError
        If the labels lie on another lattice, or partly outside, and `resample` is False; or if nothing of them lies
        inside.
    """
    from ACSegLib.resample import is_aligned, resample_segmentation

    if same_grid(segmentation, onto):
        return segmentation
    if not resample and not is_aligned(segmentation.geometry, onto.geometry):
        require_same_grid(onto, segmentation)
    placed = resample_segmentation(segmentation, onto.geometry, onto.shape)
    before, after = (sum(map(np.count_nonzero, labels.layers)) for labels in (segmentation, placed))
    if before and not after:
        raise InputError(
            f"no label of {segmentation.name!r} ({segmentation.geometry}) lies inside {onto.name!r} ({onto.geometry}); "
            "check the unit, the voxel size and the origin of both files, and that they belong together."
        )
    if after < before and not resample:
        raise InputError(
            f"{before - after} of {before} labelled voxels of {segmentation.name!r} ({segmentation.geometry}) lie "
            f"outside {onto.name!r} ({onto.geometry}); check the origin of both files, or use --resample to go on "
            "without these voxels."
        )
    return placed


def in_one_unit(segmentation: Segmentation, other: Labels) -> tuple[Segmentation, Labels]:
    """Give two that lie on each other the unit of the one that is to be believed, where their numbers are equal.

    A file of unknown unit takes that of the other one. Of two units, one other than millimetres is believed; if both
    are, that of `other`. Files whose grids differ, or are equal as lengths, stay as they are.
    """
    mine, theirs = segmentation.geometry, other.geometry
    if not same_grid(segmentation, other) or mine.unit == theirs.unit:
        return segmentation, other
    if Geometry() in (mine, theirs):
        known = theirs if mine == Geometry() else mine
        return replace(segmentation, geometry=known), replace(other, geometry=known)
    if "px" not in (mine.unit, theirs.unit) and mine.in_unit(theirs.unit).matches(theirs):
        return segmentation, other
    unit = max(theirs.unit, mine.unit, key=lambda name: _TRUST.get(name, 2))
    return (
        replace(segmentation, geometry=replace(mine, unit=unit)),
        replace(other, geometry=replace(theirs, unit=unit)),
    )


def told_unit(labels: Labels, unit: str | None) -> Labels:
    """Give lengths of unknown unit the one that the person says they are in (None: they stay unknown)."""
    if unit is None or labels.geometry.unit != "px":
        return labels
    return replace(labels, geometry=replace(labels.geometry, unit=unit))


def in_unit(segmentation: Segmentation, unit: str) -> Segmentation:
    """The segmentation with lengths in `unit`; one of unknown unit keeps its numbers ("px").

    "file" keeps the unit of the file, "px" forgets the voxel size.
    """
    geometry = segmentation.geometry
    if unit == "file" or geometry.unit == "px":
        return segmentation
    if unit == "px":
        geometry = replace(geometry, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), unit="px")
    else:
        geometry = geometry.in_unit(unit)
    return replace(segmentation, geometry=geometry)
