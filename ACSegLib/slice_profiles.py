"""Counts of labelled voxels on the slices of an axis, from which the labelled slices are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class SliceProfile:
    """Counts for each slice of an axis: labelled voxels, labelled 2 x 2 squares, voxels labelled on the next slice too.

    `overlap` is one shorter than the other two; `numbers` are the indices of the slices in the volume.
    """

    numbers: np.ndarray
    voxels: np.ndarray
    squares: np.ndarray
    overlap: np.ndarray

    @classmethod
    def of(cls, labelled: np.ndarray, axis: int, numbers: np.ndarray | None = None) -> SliceProfile:
        """Count along an array axis."""
        planes = np.moveaxis(labelled, axis, 0)
        numbers = np.arange(len(planes)) if numbers is None else numbers
        squares = planes[:, 1:, 1:] & planes[:, :-1, 1:]
        squares &= planes[:, 1:, :-1]
        squares &= planes[:, :-1, :-1]
        counted = (planes, squares, planes[1:] & planes[:-1])
        return cls(numbers, *(np.count_nonzero(part, axis=(1, 2)) for part in counted))

    @property
    def occupied(self) -> list[int]:
        """Indices of the slices with labels."""
        return np.flatnonzero(self.voxels).tolist()

    @property
    def span(self) -> int:
        """Number of slices from the first to the last one with labels."""
        return self.occupied[-1] - self.occupied[0] + 1

    @property
    def has_ends(self) -> bool:
        """Whether labels end anywhere along the axis inside of the volume."""
        return bool((self.voxels[1:] + self.voxels[:-1] > 2 * self.overlap).any())

    @property
    def thickness(self) -> int:
        """Number of slices in the thickest stack of adjacent slices with labels."""
        return max(len(run) for run in runs_of(self.occupied))

    def planar(self, min_squares: int = 1) -> np.ndarray:
        """Which slices hold areas rather than lines, bool."""
        return (self.squares >= min_squares) & (2 * self.squares >= self.voxels)

    def cut_share(self, numbers: Sequence[int]) -> float:
        """Share of the ends of labels along the axis, on these slices, that lie next to a slice that is not among them.

        The border of the volume ends nothing.
        """
        chosen = np.zeros(len(self.voxels), bool)
        chosen[list(numbers)] = True
        ends, cut = 0, 0
        for here, there, voxels in (
            (chosen[:-1], chosen[1:], self.voxels[:-1]),
            (chosen[1:], chosen[:-1], self.voxels[1:]),
        ):
            ending = voxels - self.overlap
            ends += int(ending[here].sum())
            cut += int(ending[here & ~there].sum())
        return cut / ends if ends else 0.0


def runs_of(numbers: Sequence[int]) -> list[list[int]]:
    """Adjacent numbers together."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1].append(n)
        else:
            runs.append([n])
    return runs
