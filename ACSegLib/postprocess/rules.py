"""From the walk to labels: what its likeliest class alone gets wrong on rough surfaces, in thin parts and in islands.

A random walk blurs. Its solution x of (L + gamma) x = gamma lambda gives back the prior lambda as x + L x / gamma, so a
step from x towards lambda undoes a part of the blur: bumps and dents of a surface that the walk has levelled return. In
a filopodium of two voxels, more of the walks end outside than the image warrants, and where it dips below one half it
is cut off; in thin parts a class therefore needs less than the background to win. And what is called a class without
touching a single drawn voxel of it has to be sure: debris is a cell with a probability of 0.6, a bead that no drawn
slice met is one with 0.9.

All three were measured on simulated cells, see Documentation/filling.md.
"""

from __future__ import annotations

import numpy as np

from ACSegLib.masks import bounding_box
from ACSegLib.postprocess.thin_structures import thin_voxels

#: Part of the prior in the probabilities, with a prior that is fully trusted.
PRIOR_SHARE = 0.3

#: By how much less than one half a class wins in thin parts, with a prior that is fully trusted.
THIN_BONUS = 0.2

#: Least mean probability of an island without a drawn voxel.
SURE = 0.8


def prior_share(gamma: float) -> float:
    """How far, from 0 to 1, the probabilities of the walk move towards the prior; less where it is not trusted."""
    return PRIOR_SHARE * min(gamma, 1.0)


def thin_threshold(gamma: float) -> float:
    """Probability from which a class wins against the background in thin parts.

    Where the prior is not trusted, the probabilities come from the edges alone and say little about thin parts.
    """
    return 0.5 - THIN_BONUS * min(gamma, 1.0)


def restore_thin_parts(
    best: np.ndarray, likeliest: np.ndarray, value: np.ndarray, known: np.ndarray, threshold: float
) -> np.ndarray:
    """Give thin parts their likeliest class where it lost to the background by little, in place.

    Parameters
    ----------
    best : ndarray of int16, (K, J, I)
        Class of each voxel, 0 for background; changed in place.
    likeliest, value : ndarray of int16 and float32, (K, J, I)
        The likeliest class but background, and its probability.
    known : ndarray of int16, (K, J, I)
        Class of each known voxel, negative elsewhere; known voxels stay as they are.
    threshold : float
        Least probability.

    Returns
    -------
    ndarray of bool, (K, J, I)
        The voxels changed.
    """
    changed = np.zeros(best.shape, bool)
    there = best > 0
    lost = value > threshold
    lost &= ~there
    if not lost.any():
        return changed
    there |= lost
    box = bounding_box(there, margin=1)
    assert box is not None  # something was lost, and is there
    lost = lost[box]
    lost &= known[box] < 0
    lost &= thin_voxels(there[box])
    best[box][lost] = likeliest[box][lost]
    changed[box] = lost
    return changed


def remove_doubtful_islands(best: np.ndarray, value: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Turn components of a class that hold no drawn voxel and are not sure into background, in place.

    Parameters
    ----------
    best, known : ndarray of int16, (K, J, I)
        As in `restore_thin_parts`; both ends along K are drawn, or the volume ends there.
    value : ndarray of float32, (K, J, I)
        Probability of the likeliest class but background.

    Returns
    -------
    ndarray of bool, (K, J, I)
        The voxels changed.
    """
    from scipy import ndimage

    gone = np.zeros(best.shape, bool)
    whole = bounding_box(best > 0, margin=1)
    if whole is None:
        return gone
    best, value, known, inside = best[whole], value[whole], known[whole], gone[whole]
    neighbours = np.ones((3, 3, 3), bool)
    for number, box in enumerate(ndimage.find_objects(best), 1):
        if box is None:
            continue
        parts, count = ndimage.label(best[box] == number, neighbours)
        drawn = np.zeros(count + 1, bool)
        drawn[parts[known[box] == number]] = True
        drawn[0] = True
        if drawn.all():
            continue
        size = np.bincount(parts.ravel(), minlength=count + 1)
        total = np.bincount(parts.ravel(), weights=value[box].ravel(), minlength=count + 1)
        doubtful = ~drawn & (total < SURE * size)
        if doubtful.any():
            inside[box] |= doubtful[parts]
    best[inside] = 0
    return gone
