"""Checks of the grid that a file states, whatever its format: lengths that an image can have, and right angles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.geometry import MAX_SKEW, MAX_VOXEL_MM, MIN_VOXEL_MM
from ACSegLib.volume import UNITS_IN_MM, Geometry

#: So many times longer along one axis than along another are hardly any voxels: sections of 70 nm in pixels of 2 nm are
#: 35 times, and a unit that was mistaken makes 1000 times.
_MAX_RATIO = 50
#: Farther from the origin of space lies no image, in mm (or in voxels where no unit is known).
_MAX_ORIGIN_MM = 1e15


def _check_lengths(geometry: Geometry, path: Path) -> None:
    """Raise FileError for a voxel size or position that no image has, on which figures would overflow."""
    scale = UNITS_IN_MM.get(geometry.unit, 1.0)
    low, high = min(geometry.spacing) * scale, max(geometry.spacing) * scale
    if low < MIN_VOXEL_MM or high > MAX_VOXEL_MM or max(map(abs, geometry.origin)) * scale > _MAX_ORIGIN_MM:
        size = " x ".join(f"{v:.6g}" for v in geometry.spacing)
        origin = ", ".join(f"{v:.6g}" for v in geometry.origin)
        raise FileError(
            f"{path}: states voxels of {size} {geometry.unit} at ({origin}), which is impossible for an image; correct "
            "its header."
        )


def note_on_ratio(geometry: Geometry) -> list[str]:
    """The note on voxels that are so much longer along one axis that its size or unit is probably wrong."""
    spacing = geometry.spacing
    long, short = (f(range(3), key=spacing.__getitem__) for f in (max, min))
    ratio = spacing[long] / spacing[short]
    if ratio < _MAX_RATIO:
        return []
    size = " x ".join(f"{v:.6g}" for v in spacing)
    return [
        f"states voxels of {size} {geometry.unit}, {ratio:.0f} times as long along {'xyz'[long]} as along "
        f"{'xyz'[short]}; check the voxel size, and state the right one with --voxel-size."
    ]


def straightened(geometry: Geometry, path: Path) -> Geometry:
    """Give directions the length one, which leaves every voxel where it lies; a sheared grid is refused."""
    _check_lengths(geometry, path)
    matrix = geometry.direction_matrix
    lengths = np.linalg.norm(matrix, axis=0)
    if geometry.skew > MAX_SKEW:
        angle = float(np.degrees(np.arccos(geometry.skew)))
        raise FileError(
            f"{path}: its axes are not at right angles (one angle is {angle:.1f} degrees), so its voxels are not "
            "boxes; resample it to a straight grid first."
        )
    if np.allclose(lengths, 1, rtol=0, atol=1e-6):
        return geometry
    spacing = tuple(float(a * b) for a, b in zip(geometry.spacing, lengths, strict=True))
    return replace(geometry, spacing=spacing, direction=tuple((matrix / lengths).ravel()))
