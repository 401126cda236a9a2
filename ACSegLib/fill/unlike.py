"""Voxels of a fill that look unlike everything that was labelled as their segment.

An object that is smaller than the distance of the labelled slices may lie between two of them. Nobody labelled it, so
the fill gives its voxels to the segment around it. A network that learns from the fill then learns that such objects
are part of their surroundings. Their intensity often tells: it does not occur in that segment on the labelled slices.
"""

from __future__ import annotations

import numpy as np

from ACSegLib.padding import padding_of
from ACSegLib.special_segments import with_marks
from ACSegLib.volume import Segmentation, Volume

#: Percent of the labelled voxels of a segment that may lie outside its range, at each end.
TAIL_PERCENT = 0.1
#: Standard deviation, in voxels, of the Gaussian that suppresses noise before intensities are compared.
SIGMA = 1.0
#: A segment with fewer labelled voxels has no range of its own.
MIN_LABELLED = 50
#: The name under which every command leaves voxels out.
IGNORE_SEGMENT = "ignore"


def unlike_voxels(volume: Volume, segmentation: Segmentation, known: np.ndarray) -> np.ndarray:
    """Find voxels whose smoothed intensity lies outside the range of their segment on the labelled slices.

    Parameters
    ----------
    volume : Volume
    segmentation : Segmentation
        The fill, on the grid of the volume.
    known : ndarray of bool, shape (k, j, i)
        Voxels that were labelled, background of labelled slices included.

    Returns
    -------
    ndarray of bool, shape (k, j, i)
        These voxels and their neighbours, without known voxels. Background is treated as a segment.
    """
    from scipy.ndimage import binary_dilation, gaussian_filter

    array = np.array(volume.array, np.float32)
    if (padding := padding_of(array)) is not None:
        padding.replace(array)
    smoothed = gaussian_filter(np.where(np.isfinite(array), array, 0), SIGMA)
    found = np.zeros(segmentation.shape, bool)
    for mask in (~segmentation.occupied(), *(segmentation.mask(s) for s in segmentation.segments)):
        labelled = smoothed[mask & known]
        if labelled.size < MIN_LABELLED:
            continue
        low, high = np.percentile(labelled, [TAIL_PERCENT, 100 - TAIL_PERCENT])
        found |= mask & ((smoothed < low) | (smoothed > high))
    # An object is larger than its core, which alone is outside the range.
    return binary_dilation(found & ~known) & ~known


def mark_unlike(volume: Volume, segmentation: Segmentation, known: np.ndarray) -> tuple[Segmentation, int]:
    """Give voxels that look unlike their segment to a segment "ignore".

    Parameters
    ----------
    volume, segmentation, known
        See `unlike_voxels`.

    Returns
    -------
    segmentation : Segmentation
        With the segment "ignore", if there are such voxels.
    count : int
        Their number.
    """
    found = unlike_voxels(volume, segmentation, known)
    if not (count := int(found.sum())):
        return segmentation, 0
    marked, _own = with_marks(segmentation, found, IGNORE_SEGMENT, colour=(0.5, 0.5, 0.5))
    return marked, count
