"""Enclosed holes of predictions: a network that takes a dark organelle for medium leaves a hole in its cell.

Whether a segment may have holes is learnt from the labels: one that has none where it was drawn should have none where
it is predicted, as long as what the predictions enclose was mostly drawn as the segment (nnU-Net decides on its
post-processing by held-out volumes likewise: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z).
"""

from __future__ import annotations

import numpy as np

from ACSegLib.masks import bounding_box

#: Part of a segment that holes may have in the labels of one that has none.
_MOST = 1e-3


class Holes:
    """Counts, over volumes, the enclosed holes of predictions and labels."""

    def __init__(self, segments: int) -> None:
        #: A row a segment: voxels of holes in the result, those of them that the truth has as the segment, voxels of
        #: holes in the truth, voxels of the truth.
        self.counts = np.zeros((segments, 4), np.int64)

    def add(self, classes: np.ndarray, truth: np.ndarray) -> None:
        """Count one volume: classes of the result and of the truth, uint8, shape (k, j, i), 0 for background."""
        for n in range(len(self.counts)):
            holes = _enclosed(classes, n + 1)
            mine = truth == n + 1
            found = (holes, holes & mine, _enclosed(truth, n + 1), mine)
            self.counts[n] += [np.count_nonzero(mask) for mask in found]

    def choose(self) -> list[bool]:
        """Whether each segment should have no holes; one that occurs nowhere may have them."""
        found, right, true, size = self.counts.T
        return ((2 * right >= found) & (true <= _MOST * size) & (size > 0)).tolist()


def _enclosed(classes: np.ndarray, number: int) -> np.ndarray:
    """Background (bool) that a class encloses."""
    from scipy import ndimage

    holes = np.zeros(classes.shape, bool)
    mask = classes == number
    box = bounding_box(mask)
    if box is not None:
        holes[box] = ndimage.binary_fill_holes(mask[box]) & (classes[box] == 0)
    return holes
