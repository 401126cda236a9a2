"""The first segmentation from strokes: each voxel gets the class of the stroke to which the cheapest path leads.

A path costs what the intensity changes along it, and a little for its length (Bai and Sapiro, Geodesic matting, IJCV 82
(2009) 113, doi:10.1007/s11263-008-0191-z). So a region ends where the image has edges, and it hangs together with its
stroke: what only looks like the cell, such as the wall of the capillary, belongs to the stroke that it hangs together
with. The appearance classifier of the fill then learns from this segmentation, and the random walk decides.

A level of the cost is chosen at which the region of a segment grows least. Far beyond it is background, even if no
stroke says so. Where a region between walls is better closed than one between edges, walls end it: see `path_costs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ACSegLib.fill.constants import (
    LENGTH_COST,
    MAX_GEODESIC_VOXELS,
    MIN_EDGE_CONTRAST,
    MIN_EDGE_RANK,
    MIN_WALL_CONTRAST,
    WALL_ADVANTAGE,
)
from ACSegLib.fill.features import ImageFeatures, pool_factors
from ACSegLib.fill.path_costs import PathCosts, Region, path_costs, steady_region
from ACSegLib.fill.seeds import UNKNOWN


@dataclass(frozen=True)
class FirstSegmentation:
    """A class for every voxel.

    Attributes
    ----------
    classes : ndarray of int16, (K, J, I)
        As the seeds where these are known or `OUTSIDE`; no voxel is unknown.
    walls : bool
        Whether its regions end at walls, so that both sides may look the same.
    """

    classes: np.ndarray
    walls: bool


def classes_around_strokes(features: ImageFeatures, seeds: np.ndarray) -> FirstSegmentation:
    """Give every voxel a class from the strokes.

    Parameters
    ----------
    features : ImageFeatures
    seeds : ndarray of int16, (K, J, I)
        Class of the strokes; `UNKNOWN` or `OUTSIDE` elsewhere.
    """
    image, spacing = features.image, np.asarray(features.spacing)
    factor = np.ones(3, int)
    while np.prod(-(-np.asarray(image.shape) // factor)) > MAX_GEODESIC_VOXELS:
        factor = factor * pool_factors(spacing * factor, (np.asarray(image.shape) // factor).tolist())
    steps = spacing * factor
    lengths = _lengths(steps / steps.min())
    strokes = _pooled(seeds, factor)
    changes, sheets = path_costs(features, factor)
    strokes = _typical(strokes, changes.image)
    edges, walls = (_grown(costs, strokes, lengths) for costs in (changes, sheets))
    best = _better(edges, walls)
    classes, _distances = best.costs.spread(best.seeds(strokes), lengths)
    fine = classes
    for axis, f in enumerate(factor):
        fine = fine.repeat(f, axis) if f > 1 else fine
    k, j, i = image.shape
    return FirstSegmentation(np.where(seeds == UNKNOWN, fine[:k, :j, :i], seeds), best is walls)


@dataclass(frozen=True)
class _Grown:
    """Regions grown from the strokes: the class and the cost of each voxel, and where the region of each class ends."""

    costs: PathCosts
    classes: np.ndarray
    distances: np.ndarray
    regions: dict[int, Region]

    def seeds(self, strokes: np.ndarray) -> np.ndarray:
        """The strokes, and background where no region can be."""
        limits = np.full(max(self.regions, default=0) + 1, np.inf)
        for c, region in self.regions.items():
            limits[c] = region.beyond
        beyond = (self.classes > 0) & (self.distances > limits[np.maximum(self.classes, 0)])
        return np.where(beyond & (strokes == UNKNOWN), 0, strokes).astype(np.int16)

    def usual(self, measure: str) -> float:
        """Median of a measure of the regions."""
        return float(np.median([getattr(r, measure) for r in self.regions.values()])) if self.regions else 0.0


def _grown(costs: PathCosts, strokes: np.ndarray, lengths: np.ndarray) -> _Grown:
    """Grow regions from the strokes, and find where each one ends."""
    classes, distances = costs.spread(strokes, lengths)
    sizes = {int(c): int(n) for c, n in zip(*np.unique(strokes[strokes > 0], return_counts=True), strict=True)}
    regions = {c: steady_region(costs, distances, classes == c, size) for c, size in sizes.items()}
    return _Grown(costs, classes, distances, regions)


def _better(edges: _Grown, walls: _Grown) -> _Grown:
    """The regions between walls, if they are well closed and those between edges are not."""
    contrast = edges.usual("contrast")
    if edges.usual("rank") >= MIN_EDGE_RANK or walls.usual("contrast") < MIN_WALL_CONTRAST:
        return edges
    return edges if contrast >= max(MIN_EDGE_CONTRAST, walls.usual("contrast") / WALL_ADVANTAGE) else walls


def _typical(strokes: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The half of each stroke that is nearest to its median intensity. A path from an edge crosses it free."""
    typical = np.full_like(strokes, UNKNOWN)
    for c in np.unique(strokes[strokes >= 0]).tolist():
        components, count = ndimage.label(strokes == c, np.ones((3, 3, 3)))
        places = np.nonzero(components)
        numbers = components[places]
        values = image[places].astype(float)
        medians = np.asarray(ndimage.median(values, numbers, np.arange(count + 1)))
        away = np.abs(values - medians[numbers])
        limits = np.asarray(ndimage.median(away, numbers, np.arange(count + 1)))
        kept = away <= limits[numbers]
        typical[tuple(axis[kept] for axis in places)] = c
    return typical


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
