"""Two files on one grid: which unit their lengths are in, and how one is brought onto the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.volume import Geometry, Segmentation, Volume

Labels = TypeVar("Labels", Segmentation, Volume)

#: Units that a table may be in; see `in_unit`.
UNITS = ("um", "nm", "mm", "px", "file")

#: How far a unit in a file is to be believed: many programs write no unit, or millimetres, whatever the numbers mean.
_TRUST = {"px": 0, "mm": 1}


def same_grid(segmentation: Segmentation, other: Volume | Segmentation) -> bool:
    """Whether two lie voxel on voxel."""
    return segmentation.shape == other.shape and segmentation.geometry.matches(other.geometry)


def brought_onto(segmentation: Segmentation, other: Volume | Segmentation, resample: bool) -> Segmentation:
    """The segmentation on the grid of `other`, if it lies on it, or may be resampled; otherwise as it is.

    Labels on a part of the same lattice, as Slicer crops them to what is drawn, are copied exactly.

    Raises
    ------
    InputError
        If nothing of a resampled one is left there.
    """
    from ACSegLib.resample import is_aligned, resample_segmentation

    if same_grid(segmentation, other) or not (resample or is_aligned(segmentation.geometry, other.geometry)):
        return segmentation
    found = resample_segmentation(segmentation, other.geometry, other.shape)
    before, after = (sum(map(np.count_nonzero, labels.layers)) for labels in (segmentation, found))
    if not resample:
        return found if after == before else segmentation
    if before and not after:
        raise InputError(
            f"no voxel of {segmentation.name!r} ({segmentation.geometry}) lies in {other.name!r} ({other.geometry}); "
            "check the unit, the voxel size and the origin of both files."
        )
    return found


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
