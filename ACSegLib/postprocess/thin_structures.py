"""Thin parts of a prediction, such as filopodia: their voxels need less probability than those of a body.

A voxel at the surface of a filopodium of two voxels is half background, and a network that is unsure of each of them
drops the whole, where it is right about the body's outline. In thin parts a segment therefore wins from a lower
probability on. How low is measured with the calibration: so low that the predictions have the truth's surface. What
comes back of filopodia adds to it, and so does every bump that is made of noise: on a rough outline as many voxels in
thin parts as in the truth would be too many. Whether a voxel lies in a thin part is decided with what would be gained.
"""

from __future__ import annotations

import numpy as np

from ACSegLib.jobs import Progress
from ACSegLib.masks import grow_or_shrink

#: Probabilities that are tried; the first is that of any other voxel.
THRESHOLDS = (0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1)

#: Most of its Dice (all segments together) that a prediction may lose by it.
_LARGEST_LOSS = 0.002

_BLOCK_VOXELS = 1 << 24

#: Thin is what an opening by so many steps removes, and lies further than one step from what it leaves.
OPENING = 2

#: Planes on either side of a voxel that decide whether it is thin.
REACH = 2 * OPENING + 1


def thin_voxels(mask: np.ndarray) -> np.ndarray:
    """The voxels of a bool mask (K, J, I) that lie in thin parts; at the border the mask goes on as it is."""
    bulk = mask
    for step in range(REACH):
        bulk = grow_or_shrink(bulk, step >= OPENING)
    return mask & ~bulk


def restore_thin_parts(classes: np.ndarray, candidates: np.ndarray, progress: Progress | None = None) -> int:
    """Give voxels of thin parts their candidate's class, in place, a few planes at a time.

    Parameters
    ----------
    classes : ndarray of int, shape (k, j, i)
        Class of each voxel, 0 for background; changed in place. May be mapped.
    candidates : ndarray of int, shape (k, j, i)
        Class that a background voxel may have, 0 for none.

    Returns
    -------
    int
        Voxels changed.
    """
    planes = max(4 * REACH, _BLOCK_VOXELS // max(1, classes[0].size))
    before = classes[:0].copy()  # planes as they were before the block above changed them
    changed = 0
    for first in range(0, len(classes), planes):
        if progress is not None:
            progress.check()
        last = min(first + planes, len(classes))
        low, high = first - len(before), min(last + REACH, len(classes))
        old = np.concatenate([before, classes[first:high]])
        there = (old > 0) | (candidates[low:high] > 0)
        inner = slice(first - low, last - low)
        before = old[max(0, last - REACH - low) : last - low].copy()
        if not candidates[first:last].any():
            continue
        restored = thin_voxels(there)[inner] & (old[inner] == 0) & (candidates[first:last] > 0)
        np.copyto(classes[first:last], candidates[first:last], where=restored)
        changed += int(np.count_nonzero(restored))
    return changed


def outer_faces(mask: np.ndarray) -> int:
    """Faces between voxels of a mask (bool, 3D) and what lies around it, enclosed holes not counted.

    That is its surface in voxels, too large by a factor that is about the same for result and truth.
    """
    from scipy import ndimage

    solid = ndimage.binary_fill_holes(mask)
    return sum(int(np.count_nonzero(np.diff(solid, axis=axis))) for axis in range(3))


class ThinParts:
    """Counts, over volumes, what each threshold would give."""

    def __init__(self) -> None:
        #: A row a threshold: faces of the result's outer surface, voxels right, voxels of the result.
        self.counts = np.zeros((len(THRESHOLDS), 3), np.int64)
        #: Faces of the truth's outer surface, voxels of the truth.
        self.truth = np.zeros(2, np.int64)

    def add(self, probabilities: np.ndarray, truth: np.ndarray) -> None:
        """Count one volume.

        Parameters
        ----------
        probabilities : ndarray of float32, shape (C, k, j, i)
            Background first.
        truth : ndarray of uint8, shape (k, j, i)
            Classes.
        """
        classes = probabilities.argmax(0).astype(np.uint8)
        likeliest = (1 + probabilities[1:].argmax(0)).astype(np.uint8)
        chance = probabilities[1:].max(0)
        self.truth += np.array([outer_faces(truth > 0), np.count_nonzero(truth)])
        for n, threshold in enumerate(THRESHOLDS):
            result = classes.copy()
            if n:
                restore_thin_parts(result, np.where((classes == 0) & (chance > threshold), likeliest, np.uint8(0)))
            found = result > 0
            self.counts[n] += (
                outer_faces(found),
                np.count_nonzero((result == truth) & found),
                np.count_nonzero(found),
            )

    def choose(self) -> float:
        """The threshold whose results come nearest to the truth's surface; 0.5 if that costs Dice."""
        surface, right, found = self.counts.T
        dice = 2 * right / np.maximum(found + self.truth[1], 1)
        allowed = dice >= dice[0] - _LARGEST_LOSS
        distance = np.where(allowed, np.abs(surface - self.truth[0]), np.iinfo(np.int64).max)
        return THRESHOLDS[int(distance.argmin())]
