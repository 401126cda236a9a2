"""Boxes in space as boxes of voxels: of an ROI node of the scene, or of a region on a command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.geometry import Geometry

#: A box is along the voxels while its corners lie within this part of a voxel of a box along them.
_ALONG = 0.1

#: Numbers of a region: its centre, half of its sides, and, if it is turned, a matrix whose columns are its axes.
_UPRIGHT, _TURNED = 6, 15


@dataclass(frozen=True)
class VoxelBox:
    """The voxels of a volume whose centres lie in a box in space.

    Attributes
    ----------
    box : tuple of int
        I0 I1 J0 J1 K0 K1, ends excluded.
    turned : bool
        Whether the box in space is turned against the voxels; then this one is the smallest around it.
    """

    box: tuple[int, int, int, int, int, int]
    turned: bool


def corners_of(size: Sequence[float] | np.ndarray) -> np.ndarray:
    """Corners of a box of some size around 0, (3, 8)."""
    return np.array(list(product(*([-length / 2, length / 2] for length in size)))).T


def voxels_between(places: np.ndarray, shape: Sequence[int]) -> VoxelBox | None:
    """Find the voxels in a box; None without any.

    Parameters
    ----------
    places : ndarray, (3, 8)
        Corners of the box, as voxel indices (i, j, k).
    shape : sequence of int
        Voxels along (k, j, i).
    """
    low, high = places.min(axis=1), places.max(axis=1)
    turned = bool((np.minimum(places - low[:, None], high[:, None] - places) > _ALONG).any())
    sizes = np.array(tuple(shape)[::-1])
    rounding = 1e-6  # a border on a voxel's centre includes it
    first = np.clip(np.ceil(low - rounding), 0, sizes).astype(int)
    last = np.clip(np.floor(high + rounding) + 1, 0, sizes).astype(int)
    if (first >= last).any():
        return None
    (i0, j0, k0), (i1, j1, k1) = first.tolist(), last.tolist()
    return VoxelBox((i0, i1, j0, j1, k0, k1), turned)


def box_of_region(region: Sequence[float], geometry: Geometry, shape: Sequence[int]) -> VoxelBox:
    """Find the voxels in a region, as Slicer gives an ROI to a CLI module.

    Parameters
    ----------
    region : sequence of float
        Centre in LPS and half of the sides, both in the unit of the geometry. Of a turned region, its axes follow: the
        rows of the matrix whose columns they are.
    geometry : Geometry
    shape : sequence of int
        Voxels along (k, j, i).

    Raises
    ------
    InputError
        If these are neither 6 nor 15 numbers, if one is not finite, if a side has no length, or if the region holds no
        voxel.
    """
    numbers = np.asarray(region, float)
    if len(numbers) not in (_UPRIGHT, _TURNED):
        raise InputError(
            f"--region must be {_UPRIGHT} numbers (centre and half of the sides) or {_TURNED} (with its axes), "
            f"not {len(numbers)}."
        )
    if not np.isfinite(numbers).all():
        raise InputError("--region has numbers that are not finite; correct them.")
    centre, half = numbers[:3], numbers[3:6]
    if not (half > 0).all():
        raise InputError(f"--region has sides of {', '.join(f'{2 * n:g}' for n in half)}; all must be above 0.")
    axes = numbers[6:].reshape(3, 3) if len(numbers) == _TURNED else np.eye(3)
    to_voxels = np.linalg.inv(geometry.ijk_to_lps)
    places = to_voxels[:3, :3] @ (axes @ corners_of(2 * half) + centre[:, None]) + to_voxels[:3, 3:]
    found = voxels_between(places, shape)
    if found is None:
        raise InputError("--region holds no voxel of the image; move it there, in LPS and in the unit of the image.")
    return found
