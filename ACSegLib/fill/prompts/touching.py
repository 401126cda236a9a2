"""Cells that touch: of a region that has leaked into its neighbours, the cells in which strokes lie.

Where cells of one look touch, paths from a dab lead from one into the next, and no cost tells where the first one ends.
The model of seams does (`ACSegLib.cells.splitting`): it was learned on simulated cells, and knows necks and seams.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ACSegLib.cells.splitting import split_mask
from ACSegLib.masks import bounding_box


def cells_with_strokes(
    classes: np.ndarray, strokes: np.ndarray, image: np.ndarray, steps: Sequence[float]
) -> np.ndarray:
    """Leave of each class the cells in which strokes of it lie; the others become background.

    A cell stays as a whole even if strokes of another class lie in it, too. A class whose strokes lie in no cell stays
    as it is.

    Parameters
    ----------
    classes : ndarray of int16, (K, J, I)
        0 is background.
    strokes : ndarray of int16, (K, J, I)
        Class of the strokes; negative elsewhere.
    image : ndarray, (K, J, I)
    steps : sequence of float
        Size of a voxel along k, j, i.

    Returns
    -------
    ndarray of int16, (K, J, I)
    """
    left = classes.copy()
    for number in np.unique(classes[classes > 0]).tolist():
        box = bounding_box(classes == number, margin=1)
        assert box is not None
        region = classes[box] == number
        cells = split_mask(region, image[box].astype(np.float32), steps[::-1]).labels
        meant = np.unique(cells[region & (strokes[box] == number)])
        if (meant > 0).any():
            left[box][region & ~np.isin(cells, meant[meant > 0])] = 0
    return left
