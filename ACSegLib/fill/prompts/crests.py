"""Borders onto the crests of walls.

A path from inside a cell has paid for a wall before it is over its crest, so that regions end on the inner side of
their walls. Where two cells touch, their border is the crest.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ACSegLib.distances import within_distance
from ACSegLib.fill.constants import CREST_REACH, CREST_SIGMA, MAX_CREST_LOSS
from ACSegLib.fill.prior.features import ImageFeatures, smoothed
from ACSegLib.masks import at_borders, bounding_box


def move_to_crests(features: ImageFeatures, classes: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Move the borders of classes onto the brightest sheets near them.

    Parameters
    ----------
    features : ImageFeatures
    classes : ndarray of int16, (K, J, I)
        Class of each voxel; negative ones stay as they are.
    seeds : ndarray of int16, (K, J, I)
        Voxels that keep their class; negative elsewhere.

    Returns
    -------
    ndarray of int16, (K, J, I)
        As they were if a class would lose more than `MAX_CREST_LOSS`: then the walls are not around it. No voxel
        changed that is farther than `CREST_REACH` voxels of the finest axis from one at a border.
    """
    from skimage.segmentation import watershed

    near = within_distance(at_borders(classes), features.spacing, CREST_REACH * min(features.spacing))
    near &= (classes >= 0) & (seeds < 0)
    box = bounding_box(near, margin=1)
    if box is None:
        return classes.copy()
    free, part = near[box], classes[box]
    image = smoothed(features.image, CREST_SIGMA, features.spacing)[box]
    markers = np.where(free | (part < 0), 0, part.astype(np.int32) + 1)
    flooded = watershed(image, markers, mask=ndimage.binary_dilation(free) & (part >= 0)) - 1
    moved = classes.copy()
    moved[box] = np.where(free & (flooded >= 0), flooded, part)
    for c in np.unique(part[part > 0]).tolist():
        if np.count_nonzero(moved == c) < (1 - MAX_CREST_LOSS) * np.count_nonzero(classes == c):
            return classes.copy()
    return moved
