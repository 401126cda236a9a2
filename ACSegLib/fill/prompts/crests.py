"""Borders onto the crests of walls.

A path from inside a cell has paid for a wall before it is over its crest, so that regions end on the inner side of
their walls. Where two cells touch, their border is the crest.
"""

from __future__ import annotations

import numpy as np

from ACSegLib.distances import within_distance
from ACSegLib.fill.constants import CREST_REACH, CREST_SIGMA
from ACSegLib.fill.prior.features import ImageFeatures, smoothed
from ACSegLib.fill.prompts.geodesic_kernels import MAX_COST
from ACSegLib.masks import at_borders


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
        No voxel changed that is farther than `CREST_REACH` voxels of the finest axis from one at a border.
    """
    from ACSegLib.fill.prompts import geodesic_kernels

    near = within_distance(at_borders(classes), features.spacing, CREST_REACH * min(features.spacing))
    moved = np.where(near & (classes >= 0) & (seeds < 0), -1, classes).astype(np.int16)
    image = smoothed(features.image, CREST_SIGMA, features.spacing)
    low, high = float(image.min()), float(image.max())
    heights = np.rint((image - low) * (MAX_COST / max(high - low, 1e-6))).astype(np.int32)
    geodesic_kernels.flood(heights, moved)
    return np.where(classes >= 0, moved, classes)
