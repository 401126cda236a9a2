"""Segmentations as deliberately weak models make them: the truth, degraded in the ways in which networks err.

The border is displaced smoothly, protrusions are missed, holes are left, and bright neighbours are included wrongly.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

#: Standard deviation, in voxels, of the displacement field along the border: errors are correlated over this distance.
CORRELATION = 9.0


def dice(result: np.ndarray, truth: np.ndarray) -> float:
    """Mean Dice of the values of the truth."""
    values = [v for v in np.unique(truth) if v]
    scores = []
    for v in values:
        a, b = result == v, truth == v
        scores.append(2 * np.count_nonzero(a & b) / max(np.count_nonzero(a) + np.count_nonzero(b), 1))
    return float(np.mean(scores))


def weak_prediction(truth: np.ndarray, target: float, seed: int, neighbours: np.ndarray | None = None) -> np.ndarray:
    """Degrade labels to about the Dice `target`.

    Parameters
    ----------
    truth : ndarray of int, shape (k, j, i)
    target : float
        Mean Dice of the result, between 0.5 and 1.
    seed : int
    neighbours : ndarray of bool, optional
        What looks like the segments but is background; parts of it are included wrongly.
    """
    low, high = 0.0, 12.0
    made = truth
    for _ in range(9):
        middle = 0.5 * (low + high)
        made = _degraded(truth, middle, seed, neighbours)
        if dice(made, truth) > target:
            low = middle
        else:
            high = middle
    return made


def _field(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """A smooth random field of standard deviation 1."""
    step = max(1, int(sigma / 3))
    small = tuple(max(2, -(-n // step)) for n in shape)
    field = ndimage.gaussian_filter(rng.standard_normal(small), sigma / step, mode="wrap")
    field = ndimage.zoom(field, [n / m for n, m in zip(shape, small, strict=True)], order=1)
    return field / max(float(field.std()), 1e-9)


def _degraded(truth: np.ndarray, strength: float, seed: int, neighbours: np.ndarray | None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smallest = min(truth.shape)
    sigma = min(CORRELATION, smallest / 6)
    displacement = strength * (0.35 * _field(truth.shape, sigma, rng) - 0.1)
    holes = _field(truth.shape, sigma / 3, rng) > 3.2 - 0.05 * strength
    included = _field(truth.shape, 2 * sigma, rng) > 1.0
    result = np.zeros_like(truth)
    best = np.full(truth.shape, -np.inf)
    for value in (v for v in np.unique(truth) if v):
        mask = truth == value
        distance = np.where(
            mask, ndimage.distance_transform_edt(mask) - 0.5, 0.5 - ndimage.distance_transform_edt(~mask)
        )
        size = float(distance.max())
        moved = distance + displacement * min(1.0, size / 10)
        if size > 8:  # protrusions of a large cell are missed: what an opening removes
            core = ndimage.binary_opening(mask, iterations=2)
            moved[mask & ~ndimage.binary_dilation(core, iterations=2) & (displacement < 0.2 * strength)] = -1
            moved[holes & (distance > 3)] = -1
        inside = (moved > 0) & (moved > best)
        result[inside] = value
        best[inside] = moved[inside]
    if neighbours is not None and strength > 1:
        result[neighbours & included & (result == 0)] = np.unique(truth[truth > 0])[0]
    return result
