"""How a volume lies in the arrays of a fill, so that its result does not depend on the order and direction of axes.

Samples are drawn in the order of the voxels, coarse levels begin at the first one, and a network that sees the same
samples in another order is another network. So the labelled slices themselves tell the order and the direction of the
axes: a mirrored volume gives the same arrays, and its fill is the mirrored fill, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.axis_order import AxisOrder


@dataclass(frozen=True)
class Orientation(AxisOrder):
    """Order and direction of the axes of a volume in the arrays of a fill: those of the labelled slices first.

    Attributes
    ----------
    planes : int
        Number of slices along the first one.
    """

    planes: int = 0

    @classmethod
    def with_first(cls, axis: int) -> Orientation:
        """One axis first, and all else as it is in the volume."""
        first, second, third = (axis, *(a for a in range(3) if a != axis))
        return cls((first, second, third))

    @classmethod
    def told_by(
        cls, axis: int, classes: np.ndarray, image: np.ndarray, slices: Sequence[int], spacing: Sequence[float]
    ) -> Orientation:
        """What the labelled slices along an axis tell: first their labels, and where these are symmetric, their image.

        Parameters
        ----------
        axis : int
            Of the labelled slices.
        classes, image : ndarray, (k, j, i)
            Known classes, negative where unknown, and image values.
        slices : sequence of int
            Labelled ones.
        spacing : sequence of float
            Voxel size along k, j, i.
        """
        plain, count = cls.with_first(axis), classes.shape[axis]
        labels, values = (plain.enter(array)[list(slices)] for array in (classes, image))
        finite = np.nan_to_num(values, posinf=0, neginf=0)
        profiles = [_profiles(shown, slices, count) for shown in (labels > 0, finite)]
        flipped = [_is_backwards([lines[a] for lines in profiles]) for a in range(3)]

        def rank(a: int) -> tuple[float, ...]:
            return (
                spacing[plain.axes[a]],
                classes.shape[plain.axes[a]],
                *(v for lines in profiles for v in lines[a][:: -1 if flipped[a] else 1].tolist()),
            )

        order = [0, *sorted((1, 2), key=rank)]
        first, second, third = (plain.axes[a] for a in order)
        back = (flipped[0], flipped[order[1]], flipped[order[2]])
        return cls((first, second, third), back, count)

    def slices(self, numbers: Sequence[int]) -> list[int]:
        """Ascending numbers of slices in the fill, for those in the volume, and the other way round."""
        return sorted(self.planes - 1 - k for k in numbers) if self.flipped[0] else sorted(numbers)

    def along(self, values: np.ndarray) -> np.ndarray:
        """Values of the slices in the order of the volume, for those in that of the fill, and the other way round."""
        return values[::-1] if self.flipped[0] else values


def _profiles(values: np.ndarray, slices: Sequence[int], planes: int) -> list[np.ndarray]:
    """Sums over each plane, row and column of labelled slices (K, J, I); 0 in planes that are not labelled."""
    along = np.zeros(planes)
    along[list(slices)] = values.sum(axis=(1, 2), dtype=np.float64)
    lines = values.sum(axis=0, dtype=np.float64)
    return [along, lines.sum(axis=1), lines.sum(axis=0)]


def _is_backwards(profiles: Sequence[np.ndarray]) -> bool:
    """Whether the first of the profiles that is not symmetric comes after itself read backwards."""
    for profile in profiles:
        change = np.flatnonzero(profile != profile[::-1])
        if len(change):
            return bool(profile[change[0]] > profile[::-1][change[0]])
    return False
