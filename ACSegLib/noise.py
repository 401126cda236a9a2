"""The standard deviation of noise, from the median of sizes, which edges and bright spots hardly move."""

from __future__ import annotations

import numpy as np

#: Standard deviation of normal values, in medians of their sizes (Rousseeuw and Croux 1993,
#: doi:10.1080/01621459.1993.10476408).
_IN_MEDIANS = 1.4826


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
