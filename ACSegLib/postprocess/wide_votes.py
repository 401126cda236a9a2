"""The majority vote of smoothing with wide windows: sums of Gaussians along one axis after the other, tile by tile.

A window of n voxels along an axis has n cubed voters, which cannot be counted one by one for each voxel. Both Gaussians
of the weights are products of one factor per axis, so that three sums of n terms give the same votes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ACSegLib.jobs import Progress
from ACSegLib.masks import Box
from ACSegLib.volume import unique_values

#: Voxels of a tile along each axis, without its margin.
_TILE = 64
#: A label wins with so much more than the voxel's own: the sums are rounded.
_LEAD = np.float32(1.00001)


def vote_in_tiles(
    labels: np.ndarray,
    candidate: np.ndarray,
    factors: Sequence[tuple[np.ndarray, np.ndarray]],
    surplus: float,
    result: np.ndarray,
    progress: Progress,
) -> None:
    """Give each candidate the label with the largest sum of weights in its window, its own on a tie.

    Parameters
    ----------
    labels : ndarray of unsigned integers, shape (k, j, i)
    candidate : ndarray of bool, shape (k, j, i)
    factors : sequence of 3 pairs of ndarray of float32
        The narrow and the wide Gaussian along k, j, i, each of sum 1 and odd length.
    surplus : float
        The weights are ``(1 + surplus) * narrow - surplus * wide``.
    result : ndarray, as `labels`
        Changed in place.
    progress : Progress
    """
    margins = [len(narrow) // 2 for narrow, _wide in factors]
    corners = np.argwhere(_any_in_tiles(candidate)) * _TILE
    for number, corner in enumerate(corners):
        tile = tuple(slice(c, min(c + _TILE, n)) for c, n in zip(corner, labels.shape, strict=True))
        outer = tuple(
            slice(max(s.start - m, 0), min(s.stop + m, n)) for s, m, n in zip(tile, margins, labels.shape, strict=True)
        )
        inner = tuple(slice(s.start - o.start, s.stop - o.start) for s, o in zip(tile, outer, strict=True))
        part = progress.part(number / len(corners), (number + 1) / len(corners))
        chosen = _winners(labels[outer], (inner[0], inner[1], inner[2]), factors, surplus, part)
        result[tile] = np.where(candidate[tile], chosen, result[tile])


def _any_in_tiles(candidate: np.ndarray) -> np.ndarray:
    """Whether each tile has a candidate."""
    found = candidate
    for axis in range(3):
        found = np.logical_or.reduceat(found, np.arange(0, found.shape[axis], _TILE), axis=axis)
    return found


def _winners(
    labels: np.ndarray,
    inner: Box,
    factors: Sequence[tuple[np.ndarray, np.ndarray]],
    surplus: float,
    progress: Progress,
) -> np.ndarray:
    """The label of most weight at each voxel of the inner box."""
    own_labels = labels[inner]
    own = np.zeros(own_labels.shape, np.float32)
    best = np.full(own_labels.shape, -np.inf, np.float32)
    winner = own_labels.copy()
    values = unique_values(labels)
    for number, value in enumerate(values):
        progress(number / len(values), "smoothing: voting")
        mask = (labels == value).astype(np.float32)
        narrow = _filtered(mask, inner, [pair[0] for pair in factors], progress)
        wide = _filtered(mask, inner, [pair[1] for pair in factors], progress)
        votes = np.float32(1 + surplus) * narrow - np.float32(surplus) * wide
        held = own_labels == value
        own[held] = votes[held]
        better = ~held & (votes > best)
        best[better], winner[better] = votes[better], value
    return np.where(best > own * _LEAD, winner, own_labels)


def _filtered(mask: np.ndarray, inner: Box, factors: Sequence[np.ndarray], progress: Progress) -> np.ndarray:
    """Sums along k, j and i in the inner box; what lies outside of the array is 0."""
    from scipy.ndimage import correlate1d

    for axis, factor in enumerate(factors):
        progress.check()
        mask = correlate1d(mask, factor, axis=axis, mode="constant")
        mask = mask[tuple(inner[n] if n == axis else slice(None) for n in range(3))]
    return mask
