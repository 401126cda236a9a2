"""Standard deviations: of noise, which edges and bright spots hardly move, and of values in parts; pure noise."""

from __future__ import annotations

import math

import numpy as np

#: Standard deviation of normal values, in medians of their sizes (Rousseeuw and Croux 1993,
#: doi:10.1080/01621459.1993.10476408).
_IN_MEDIANS = 1.4826
#: Planes that tell whether an image is noise, and the correlation that noise may have, in standard errors.
_PLANES, _MAX_ERRORS = 64, 4.0


def robust_deviation(values: np.ndarray) -> float:
    """Give the standard deviation of values around 0 by the median of their sizes.

    Exact for normal values; a tenth of others, however large, moves it by about a tenth. The deviation of the noise is
    that of the differences of neighbours, divided by the square root of 2.

    Parameters
    ----------
    values : ndarray
        Of any shape, not empty.
    """
    return _IN_MEDIANS * float(np.median(np.abs(values)))


class Moments:
    """Mean and standard deviation of values that come in parts (Chan, Golub, LeVeque, COMPSTAT 1982, 30-41)."""

    def __init__(self) -> None:
        self._count, self.mean, self._squares = 0.0, 0.0, 0.0

    def add(self, count: float, mean: float, squares: float) -> None:
        """Take a part: how many values, their mean, and the sum of their squared deviations from it."""
        if not count:
            return
        away, total = mean - self.mean, self._count + count
        self._squares += squares + away * away * self._count * count / total
        self.mean += away * count / total
        self._count = total

    @property
    def spread(self) -> float:
        """Standard deviation."""
        return math.sqrt(self._squares / max(self._count, 1))


def is_white_noise(image: np.ndarray, known: np.ndarray) -> bool:
    """Whether neighbouring voxels are no more alike than distant ones, so that an image shows nothing.

    That is so if the correlations over one and two voxels in the planes are those of independent values.

    Parameters
    ----------
    image : ndarray of float, shape (k, j, i)
        Not all of one value.
    known : ndarray of bool, shape (k, j, i)
        Voxels that have a value.
    """
    planes = np.unique(np.linspace(0, len(image) - 1, _PLANES).astype(int))
    image, known = image[planes], known[planes]
    if not known.any():
        return False
    values = np.where(known, image - image[known].mean(dtype=float), 0).astype(np.float32)
    variance = float(np.square(values).sum(dtype=float)) / float(np.count_nonzero(known))
    for axis in (2, 1):
        lines, marks = np.moveaxis(values, axis, 0), np.moveaxis(known, axis, 0)
        for lag in (1, 2):
            pairs = np.count_nonzero(marks[lag:] & marks[:-lag])
            product = float((lines[lag:] * lines[:-lag]).sum(dtype=float))
            if pairs and abs(product) > _MAX_ERRORS * variance * pairs**0.5:
                return False
    return variance > 0
