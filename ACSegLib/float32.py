"""How well float32, in which fills, splits and networks compute, tells the intensities of an image apart."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Levels(NamedTuple):
    """The usual intensities of an image, and how many values float32 has for them.

    Attributes
    ----------
    low, middle, high : float
        Percentiles.
    largest : float
        Size of the larger of `low` and `high`.
    steps : float
        Steps of float32 from `low` to `high`; 0 if these are equal, or become infinite.
    """

    low: float
    middle: float
    high: float
    largest: float
    steps: float

    @property
    def are_too_large(self) -> bool:
        """Whether the values become infinite in float32."""
        return self.largest > float(np.finfo(np.float32).max)


def levels_of(sample: np.ndarray, percentiles: tuple[float, float]) -> Levels | None:
    """Give the usual intensities of an image, and how many values float32 has for them.

    Parameters
    ----------
    sample : ndarray
        Values of the image in its own type, of any shape.
    percentiles : (float, float)
        Where the usual values begin and end.

    Returns
    -------
    Levels or None
        None if float32 holds every value of the type, or no value is finite.
    """
    finite = () if np.can_cast(sample.dtype, np.float32) else sample[np.isfinite(sample)]
    if not len(finite):
        return None
    low, middle, high = (float(v) for v in np.percentile(finite, (percentiles[0], 50, percentiles[1])))
    found = Levels(low, middle, high, max(abs(low), abs(high)), 0.0)
    if found.are_too_large:
        return found
    return found._replace(steps=(high - low) / float(np.spacing(np.float32(found.largest))))
