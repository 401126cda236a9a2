"""The first segmentation from strokes: each voxel gets the class of the stroke to which the cheapest path leads.

A path costs what the intensity changes along it, and a little for its length (Bai and Sapiro, Geodesic matting, IJCV 82
(2009) 113, doi:10.1007/s11263-008-0191-z). So a region ends where the image has edges, and it hangs together with its
stroke: what only looks like the cell, such as the wall of the capillary, belongs to the stroke that it hangs together
with. The appearance classifier of the fill then learns from this segmentation, and the random walk decides.

Without a stroke on the background, a level of the cost is chosen at which the region grows least.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ACSegLib.fill.constants import (
    LENGTH_COST,
    MAX_GEODESIC_VOXELS,
    MAX_REGION_SHARE,
    REGION_LEVELS,
)
from ACSegLib.fill.features import ImageFeatures, pool_factors
from ACSegLib.fill.seeds import UNKNOWN

#: Steps of the cost from the darkest to the brightest intensity.
_COST_RANGE = 1000


def classes_around_strokes(features: ImageFeatures, seeds: np.ndarray) -> np.ndarray:
    """Give every voxel a class from the strokes.

    Parameters
    ----------
    features : ImageFeatures
    seeds : ndarray of int16, (K, J, I)
        Class of the strokes; `UNKNOWN` or `OUTSIDE` elsewhere.

    Returns
    -------
    ndarray of int16, (K, J, I)
        As the seeds where these are known or `OUTSIDE`; no voxel is unknown.
    """
    from ACSegLib.fill import geodesic_kernels, image_kernels

    image, spacing = features.image, np.asarray(features.spacing)
    factor = np.ones(3, int)
    while np.prod(-(-np.asarray(image.shape) // factor)) > MAX_GEODESIC_VOXELS:
        factor = factor * pool_factors(spacing * factor, (np.asarray(image.shape) // factor).tolist())
    coarse = np.empty(-(-np.asarray(image.shape) // factor), np.float32)
    fk, fj, fi = (int(f) for f in factor)
    image_kernels.pool(image, fk, fj, fi, coarse)
    classes = _pooled(seeds, factor)
    steps = spacing * factor
    intensity = np.rint(_COST_RANGE * coarse).astype(np.int32)
    distances = np.empty(coarse.shape, np.int32)
    without_background = not (classes == 0).any()
    geodesic_kernels.spread_classes(intensity, _lengths(steps / steps.min()), classes, distances)
    if without_background:
        classes[distances > _steady_level(distances)] = 0
    fine = classes
    for axis, f in enumerate(factor):
        fine = fine.repeat(f, axis) if f > 1 else fine
    k, j, i = image.shape
    return np.where(seeds == UNKNOWN, fine[:k, :j, :i], seeds)


def _lengths(steps: Sequence[float]) -> np.ndarray:
    """Cost of the length of a step to each of the 26 neighbours, int32."""
    offsets = np.stack(np.meshgrid(*([-s, 0.0, s] for s in steps), indexing="ij"))
    return np.maximum(np.rint(LENGTH_COST * np.sqrt((offsets**2).sum(0))), 1).astype(np.int32)


def _pooled(seeds: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Seeds on the coarse grid: a block with seeds of one class has it; one with several is unknown."""
    shape = -(-np.asarray(seeds.shape) // factor)
    places = np.nonzero(seeds >= 0)
    values = seeds[places]
    blocks = tuple(p // f for p, f in zip(places, factor, strict=True))
    lowest, highest = np.full(shape, np.iinfo(np.int16).max), np.full(shape, UNKNOWN)
    np.minimum.at(lowest, blocks, values)
    np.maximum.at(highest, blocks, values)
    return np.where(lowest == highest, highest, UNKNOWN).astype(np.int16)


def _steady_level(distances: np.ndarray) -> int:
    """The level of the cost at which a region that grows from the strokes stays the same for longest.

    Between two levels, the volume grows by a factor. The level at which the cost rises most for the smallest
    growth is that of an edge all around (Matas et al., Robust wide-baseline stereo from maximally stable extremal
    regions, Image and Vision Computing 22 (2004) 761).
    """
    ordered = np.sort(distances, axis=None)
    first = max(2 * int(np.count_nonzero(ordered == 0)), 8)
    last = max(int(MAX_REGION_SHARE * ordered.size), first + 2)
    sizes = np.unique(np.geomspace(first, last, REGION_LEVELS).astype(int))
    levels = ordered[np.minimum(sizes, ordered.size - 1)].astype(float)
    rise = np.diff(levels) / np.diff(np.log(sizes))
    return int(levels[int(np.argmax(rise))])
