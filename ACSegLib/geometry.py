"""Where a grid of voxels lies in space: spacing, origin, direction and unit.

Spacing, origin and direction are in (i, j, k) order, which is (x, y, z), and in LPS, as ITK has them. So
``array[k, j, i]`` lies at ``origin + direction @ (spacing * (i, j, k))``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ACSegLib.errors import InputError

#: Length of each unit in millimetres; "px" means that the physical size is not known.
UNITS_IN_MM: Mapping[str, float] = {"nm": 1e-6, "um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0, "angstrom": 1e-7}

#: How people and OME write units that have a letter of their own.
_SYMBOLS: Mapping[str, str] = {"um": "µm", "angstrom": "Å"}

#: Voxel sizes that no image has lie outside of these bounds, in mm; lengths, areas and volumes would overflow.
MIN_VOXEL_MM, MAX_VOXEL_MM = 1e-18, 1e9

#: Voxels by which two grids may lie apart, and still hold the same voxels: half of the half voxel by which programs
#: differ that place a volume by the centre or by the corner of its first voxel. Up to `ROUNDING` is what headers round.
MAX_SHIFT = 0.25
ROUNDING = 0.01
#: Cosine of the angle between two axes from which on a grid counts as sheared; rounded headers stay below.
MAX_SKEW = 1e-3
#: Voxels a side over which grids are compared at least, so that voxel sizes may differ by 0.1 % at most.
_MIN_COMPARED = 250

Vector = tuple[float, ...]
_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def size_text(shape: Sequence[int]) -> str:
    """Size of an array (k, j, i) as messages state it, along i, j and k: "472 x 472 x 491"."""
    return " x ".join(str(n) for n in reversed(shape))


def spacing_text(spacing: Sequence[float], unit: str) -> str:
    """Voxel size (i, j, k) as messages state it: "30 x 30 x 60 nm (x, y, z)"."""
    return f"{' x '.join(f'{v:.6g}' for v in spacing)} {unit} (x, y, z)"


def unit_symbol(unit: str) -> str:
    """A unit as people write it: "µm" for "um", "1/µm" for "1/um"; others stay as they are."""
    return re.sub("(?<![a-z])(um|angstrom)(?![a-z])", lambda word: _SYMBOLS[word[0]], unit)


@dataclass(frozen=True)
class Geometry:
    """Where a grid of voxels lies.

    Parameters
    ----------
    spacing : tuple of float
        Voxel size along i, j, k, in `unit`. Positive, and not so small or large that no image has it.
    origin : tuple of float
        Position of the centre of voxel (0, 0, 0), LPS, in `unit`.
    direction : tuple of 9 floats
        Direction cosines, row-major 3 x 3, columns are the directions of i, j, k (as ITK).
    unit : str
        "nm", "um", "mm", "cm", "m", "angstrom", or "px" when the physical size is unknown.
    nifti_codes : tuple of 2 ints, optional
        Codes of qform and sform of the NIfTI file that this place comes from: what is written on this grid keeps them.
    has_position : bool
        Whether the file states where the first voxel lies. False where its format has no place for it (such as a TIFF
        of ImageJ): then the origin of 0 means nothing.
    """

    spacing: Vector = (1.0, 1.0, 1.0)
    origin: Vector = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = _IDENTITY
    unit: str = "px"
    nifti_codes: tuple[int, int] | None = field(default=None, compare=False, repr=False)
    has_position: bool = field(default=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name, length in (("spacing", 3), ("origin", 3), ("direction", 9)):
            values = tuple(float(v) for v in np.ravel(getattr(self, name)))
            if len(values) != length or not np.all(np.isfinite(values)):
                raise InputError(f"{name} must be {length} finite numbers, not {getattr(self, name)!r}.")
            object.__setattr__(self, name, values)
        if min(self.spacing) <= 0:
            raise InputError(f"spacing must be positive, not {self.spacing}.")
        if abs(np.linalg.det(self.direction_matrix)) < 1e-6:
            raise InputError(f"direction must be an invertible 3 x 3 matrix, not {self.direction}.")
        if self.unit != "px" and self.unit not in UNITS_IN_MM:
            raise InputError(f"unit must be one of px, {', '.join(UNITS_IN_MM)}, not {self.unit!r}.")
        scale = UNITS_IN_MM.get(self.unit, 1.0)
        if min(self.spacing) * scale < MIN_VOXEL_MM or max(self.spacing) * scale > MAX_VOXEL_MM:
            size = " x ".join(f"{v:g}" for v in self.spacing)
            raise InputError(
                f"voxels of {size} {self.unit} are impossible for an image; check the voxel size and its unit."
            )

    def __str__(self) -> str:
        origin = ", ".join(f"{v:.6g}" for v in self.origin)
        rotated = ", rotated" if self.is_rotated else ""
        return f"voxel size {spacing_text(self.spacing, self.unit)}, origin ({origin}){rotated}"

    @property
    def is_rotated(self) -> bool:
        """Whether the axes of the array differ from the axes of space."""
        return not np.allclose(self.direction, _IDENTITY, atol=1e-6)

    @property
    def direction_matrix(self) -> np.ndarray:
        """Direction cosines as a (3, 3) float64 array."""
        return np.reshape(self.direction, (3, 3)).astype(float)

    @property
    def skew(self) -> float:
        """Largest cosine of the angle between two axes, 0 at right angles.

        ITK, Slicer and every measurement here take voxels to be boxes: above `MAX_SKEW` they are not.
        """
        axes = self.direction_matrix / np.linalg.norm(self.direction_matrix, axis=0)
        return float(np.abs(axes.T @ axes - np.eye(3)).max())

    @property
    def ijk_to_lps(self) -> np.ndarray:
        """(4, 4) float64 matrix from voxel indices (i, j, k) to LPS positions in `unit`."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.direction_matrix * np.asarray(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in cubic `unit`."""
        return float(np.prod(self.spacing) * abs(np.linalg.det(self.direction_matrix)))

    def cropped(self, start: Sequence[int]) -> Geometry:
        """Geometry of the grid that begins at voxel `start` (i, j, k; may be negative)."""
        origin = (self.ijk_to_lps @ np.array([*start, 1.0]))[:3]
        return replace(self, origin=tuple(origin), has_position=True)

    def in_unit(self, unit: str) -> Geometry:
        """Same grid with lengths expressed in another unit; InputError for "px", which has no size."""
        if unit == self.unit:
            return self
        if "px" in (unit, self.unit):
            raise InputError(f"lengths in {self.unit} cannot be converted to {unit}: the voxel size is unknown.")
        scale = UNITS_IN_MM[self.unit] / UNITS_IN_MM[unit]
        spacing = tuple(v * scale for v in self.spacing)
        return replace(self, spacing=spacing, origin=tuple(v * scale for v in self.origin), unit=unit)

    def matches(self, other: Geometry, shape: Sequence[int] = ()) -> bool:
        """Whether two grids of one shape (k, j, i) are the same: nowhere more than `MAX_SHIFT` voxels apart.

        Equal numbers match whatever their units are: many programs store the numbers of an image in nm and state mm,
        or no unit. A grid of which nothing is known (`Geometry()`, from a file without voxel size) matches any other,
        and one without a position (`has_position`) any other of the same voxel size.
        """
        if Geometry() in (self, other) or self.shift_of(other, compared(shape)) <= MAX_SHIFT:
            return True
        if self.has_position and other.has_position:
            return False
        mine, theirs = (replace(grid, origin=(0.0, 0.0, 0.0), direction=_IDENTITY) for grid in (self, other))
        return mine.shift_of(theirs, compared(shape)) <= MAX_SHIFT

    def shift_of(self, other: Geometry, shape: Sequence[int]) -> float:
        """How far the corners of two grids of one shape (k, j, i) lie apart, in voxels along an axis of this one.

        The smaller of two readings: by plain numbers, and as lengths where both units are known.
        """
        readings = [other]
        if other.unit != self.unit and "px" not in (self.unit, other.unit):
            readings.append(other.in_unit(self.unit))
        maps = [np.linalg.solve(self.ijk_to_lps, reading.ijk_to_lps) - np.eye(4) for reading in readings]
        return min(largest_shift(m[2::-1, 2::-1], m[2::-1, 3], shape) for m in maps)


def compared(shape: Sequence[int]) -> tuple[int, ...]:
    """Shape over which grids of a shape (k, j, i) are compared, which may be unknown: ()."""
    return tuple(max(n, _MIN_COMPARED) for n in shape or (1, 1, 1))


def largest_shift(matrix: np.ndarray, offset: np.ndarray, shape: Sequence[int]) -> float:
    """Largest component of ``matrix @ index + offset`` (3 x 3, 3) over the voxels of a grid of a shape (k, j, i)."""
    corners = np.array(np.meshgrid(*((0, n - 1) for n in shape))).reshape(3, -1)
    return float(np.abs(matrix @ corners + offset[:, None]).max())
