"""Where a file puts its labels on the grid of another one: by lengths or numbers, by planes, or at the first voxel."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ACSegLib.geometry import MAX_SHIFT
from ACSegLib.volume import UNITS_IN_MM, Geometry, Segmentation, Volume


def place_of(segmentation: Segmentation, onto: Volume | Segmentation) -> Geometry:
    """Where labels lie: as `reading_of` finds it; without a position, at the first voxel of the other one."""
    mine, theirs = segmentation.geometry, onto.geometry
    if mine == Geometry():
        return theirs
    if (place := _place_by_voxels(segmentation, onto)) is not None:
        return place
    if _has_position(mine, theirs):
        return reading_of(segmentation, onto)
    if "px" not in (mine.unit, theirs.unit):
        theirs = theirs.in_unit(mine.unit)
    return replace(mine, origin=theirs.origin, direction=theirs.direction, has_position=True)


def lacks_position(segmentation: Segmentation, onto: Volume | Segmentation) -> bool:
    """Whether nothing tells where labels of another shape than an image lie in it."""
    mine = segmentation.geometry
    if _place_by_voxels(segmentation, onto) is not None:
        return False
    return mine == Geometry() or not _has_position(mine, onto.geometry)


def _has_position(mine: Geometry, theirs: Geometry) -> bool:
    """Whether a grid says where it lies on another one; one that begins at 0 needs no position."""
    return mine.has_position or any(mine.origin) or not any(theirs.origin)


def _place_by_voxels(segmentation: Segmentation, onto: Volume | Segmentation) -> Geometry | None:
    """The grid of labels by the planes or the crop that the files state; None where they state neither."""
    place = place_by_planes(segmentation, onto)
    return place_by_crop(segmentation, onto) if place is None else place


def place_by_planes(segmentation: Segmentation, onto: Volume | Segmentation) -> Geometry | None:
    """The grid of labels where the positions of planes of two OME-TIFFs put it; None where they are equal or unknown.

    Equal ones tell nothing: programs copy the metadata of an image to its parts.
    """
    from ACSegLib.files.content import POSITION

    mine, theirs = segmentation.geometry, onto.geometry
    first, second = (np.array(each.meta.get(POSITION) or []) for each in (segmentation, onto))
    if mine.has_position or theirs.has_position or not first.size or not second.size:
        return None
    if "px" in (mine.unit, theirs.unit):
        return None
    theirs = theirs.in_unit(mine.unit)
    along = (first - second) * UNITS_IN_MM["um"] / UNITS_IN_MM[mine.unit]
    if np.all(np.abs(along) <= MAX_SHIFT * np.array(theirs.spacing)):
        return None
    place = np.array(theirs.origin) + theirs.direction_matrix @ along
    return replace(mine, origin=tuple(place), direction=theirs.direction, has_position=True)


def place_by_crop(segmentation: Segmentation, onto: Volume | Segmentation) -> Geometry | None:
    """The grid of a part that Slicer saved of an image whose voxel size it did not know, by the voxels of the part.

    None where the part is of an image of another size, has a voxel size, or lies on the voxels of the other by numbers.
    """
    from ACSegLib.resample import is_aligned

    mine, (offset, extent) = (
        segmentation.geometry,
        (segmentation.meta.get(f"reference_{n}") for n in ("offset", "extent")),
    )
    if not offset or not extent or replace(mine, origin=Geometry().origin) != Geometry():
        return None
    first, last = extent[::2], extent[1::2]
    size = tuple(b - a + 1 for a, b in zip(first, last, strict=True))
    if size != onto.shape[::-1] or is_aligned(mine, onto.geometry, onto.shape):
        return None
    return onto.geometry.cropped([n - start for n, start in zip(offset, first, strict=True)])


def reading_of(segmentation: Segmentation, onto: Volume | Segmentation) -> Geometry:
    """How to read the place of labels: as lengths, or as plain numbers in the other's unit where only these fit."""
    from ACSegLib.resample import is_aligned

    lengths = segmentation.geometry
    if lengths.unit == onto.geometry.unit:
        return lengths
    numbers = replace(lengths, unit=onto.geometry.unit)
    if "px" in (lengths.unit, onto.geometry.unit):
        return lengths  # of an unknown unit, plain numbers are all there is
    inside = [_share_inside(place, segmentation.shape, onto) for place in (lengths, numbers)]
    if is_aligned(lengths, onto.geometry, onto.shape) and inside[0] > 0:
        return lengths
    fits = is_aligned(numbers, onto.geometry, onto.shape) and inside[1] > 0
    return numbers if fits or (inside[0] == 0 < inside[1]) else lengths


def _share_inside(geometry: Geometry, shape: tuple[int, int, int], onto: Volume | Segmentation) -> float:
    """Share of the other grid's box that a grid's box covers, by the boxes around both along the other's axes."""
    from ACSegLib.resample import index_map

    matrix, offset = index_map(onto.geometry, geometry)
    ends = [(0, n - 1) for n in shape]
    corners = np.array([[k, j, i] for k in ends[0] for j in ends[1] for i in ends[2]], float) @ matrix.T + offset
    low = np.maximum(corners.min(axis=0), -0.5)
    high = np.minimum(corners.max(axis=0), np.array(onto.shape) - 0.5)
    return float(np.prod(np.clip(high - low + 1e-6, 0, None)) / math.prod(onto.shape))
