"""Segmentations as deliberately weak models make them: the truth, degraded in the ways in which networks err.

The outline is displaced smoothly, protrusions are missed, holes are left, and parts of the surroundings are included.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

#: Standard deviation, in voxels, of the displacement field along the border: errors are correlated over this distance.
CORRELATION = 9.0

#: Voxels around a segment within which it may grow.
MARGIN = 14

#: Halvings of the interval in which the strength of the degradation is searched.
HALVINGS = 8


def mean_dice(result: np.ndarray, truth: np.ndarray) -> float:
    """Mean Dice of the values of the truth but 0; two arrays of whole numbers of one shape."""
    result, truth = result.ravel().astype(np.int64), truth.ravel().astype(np.int64)
    size = int(max(result.max(initial=0), truth.max(initial=0))) + 1
    both = np.bincount(truth[truth == result], minlength=size)
    total = np.bincount(truth, minlength=size) + np.bincount(result, minlength=size)
    values = [v for v in np.unique(truth) if v]
    return float(np.mean([2 * both[v] / total[v] for v in values]))


def weak_prediction(truth: np.ndarray, target: float, seed: int) -> np.ndarray:
    """Degrade labels to about the mean Dice `target`.

    Parameters
    ----------
    truth : ndarray of int, shape (k, j, i)
    target : float
        Between 0.5 and 1.
    seed : int
    """
    material = _Material.of(truth, seed)
    low, high, made = 0.0, 14.0, truth
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        made = material.degraded(middle)
        low, high = (middle, high) if mean_dice(made, truth) > target else (low, middle)
    return made


@dataclass
class _Material:
    """Random fields of a volume, and the signed distance of each segment in its box."""

    truth: np.ndarray
    displacement: np.ndarray
    holes: np.ndarray
    segments: dict[int, tuple[tuple[slice, ...], np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, truth: np.ndarray, seed: int) -> _Material:
        rng = np.random.default_rng(seed)
        sigma = min(CORRELATION, min(truth.shape) / 6)
        segments = {}
        for value, box in enumerate(ndimage.find_objects(truth.astype(np.int64)), start=1):
            if box is None:
                continue
            spans = zip(box, truth.shape, strict=True)
            box = tuple(slice(max(s.start - MARGIN, 0), min(s.stop + MARGIN, n)) for s, n in spans)
            mask = truth[box] == value
            inside, outside = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
            distance = np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32)
            protrusions = np.zeros(mask.shape, bool)
            if distance.max() > 8:
                core = ndimage.binary_dilation(ndimage.binary_opening(mask, iterations=2), iterations=2)
                protrusions = mask & ~core
            segments[value] = (box, distance, protrusions)
        return cls(truth, _field(truth.shape, sigma, rng), _field(truth.shape, sigma / 3, rng), segments)

    def degraded(self, strength: float) -> np.ndarray:
        """Labels whose outlines are displaced by `strength` (voxels, about a third of it typically)."""
        result = np.zeros_like(self.truth)
        best = np.zeros(self.truth.shape, np.float32)
        for value, (box, distance, protrusions) in self.segments.items():
            displacement = strength * (0.35 * self.displacement[box] - 0.1)
            moved = distance + displacement * min(1.0, float(distance.max()) / 10)
            moved[protrusions & (displacement < 0.2 * strength)] = -1
            moved[(self.holes[box] > 3.2 - 0.05 * strength) & (distance > 3)] = -1
            ahead = moved > best[box]
            result[box][ahead] = value
            best[box][ahead] = moved[ahead]
        return result


def _field(shape: tuple[int, ...], sigma: float, rng: np.random.Generator) -> np.ndarray:
    """A smooth random field of standard deviation 1, float32."""
    step = max(1, int(sigma / 3))
    small = tuple(max(2, -(-n // step)) for n in shape)
    field = ndimage.gaussian_filter(rng.standard_normal(small), sigma / step, mode="wrap")
    field = ndimage.zoom(field, [n / m for n, m in zip(shape, small, strict=True)], order=1)
    return (field / max(float(field.std()), 1e-9)).astype(np.float32)
