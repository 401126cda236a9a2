"""Order and direction of the axes of an array: the same voxels, seen along other axes or from another side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class AxisOrder:
    """An order and direction of the last three axes of an array.

    Attributes
    ----------
    axes : (int, int, int)
        Which axis (0, 1, 2 for k, j, i) of the volume comes first, second, third.
    flipped : (bool, bool, bool)
        Whether each of these runs backwards.
    """

    axes: tuple[int, int, int] = (0, 1, 2)
    flipped: tuple[bool, bool, bool] = (False, False, False)

    def enter(self, array: np.ndarray) -> np.ndarray:
        """An array of the volume in this order; a view."""
        first = array.ndim - 3
        return array.transpose(*range(first), *(first + axis for axis in self.axes))[self._directions]

    def leave(self, array: np.ndarray) -> np.ndarray:
        """An array in this order, as it lies in the volume; a view."""
        first = array.ndim - 3
        back = np.argsort(self.axes)
        return array[self._directions].transpose(*range(first), *(first + int(axis) for axis in back))

    @property
    def _directions(self) -> Any:
        return (..., *(slice(None, None, -1 if back else 1) for back in self.flipped))
