"""The first segmentation from strokes: each voxel gets the class of the stroke to which the cheapest path leads.

A path costs what the intensity changes along it, and a little for its length (Bai and Sapiro, Geodesic matting, IJCV 82
(2009) 113, doi:10.1007/s11263-008-0191-z). So a region ends where the image has edges, and it hangs together with its
stroke: what only looks like the cell, such as the wall of the capillary, belongs to the stroke that it hangs together
with. The appearance classifier of the fill then learns from this segmentation, and the random walk decides.

A level of the cost is chosen at which the region of a segment grows least. Far beyond it is background, even if no
stroke says so. Where a region between walls is better closed than one between edges, walls end it: see `path_costs`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import ndimage

from ACSegLib.fill.constants import (
    LENGTH_COST,
    MAX_DEPTH,
    MAX_GEODESIC_VOXELS,
    MAX_SINGLE,
    MAX_WALL_EXCESS,
    MIN_EDGE_CONTRAST,
    MIN_EDGE_RANK,
    MIN_WALL_CONTRAST,
    WALL_ADVANTAGE,
)
from ACSegLib.fill.dabs import Dab, correct_around_dabs, find_dabs
from ACSegLib.fill.features import ImageFeatures, pool_factors
from ACSegLib.fill.path_costs import PathCosts, Region, path_costs, steady_region
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.threads import in_threads


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
    search = _Search.of(features, _pooled(seeds, factor), factor, _lengths(steps / steps.min()))
    costs, classes = search.best()
    fine = correct_around_dabs(classes, search.dabs, costs, search.lengths)
    for axis, f in enumerate(factor):
        fine = fine.repeat(f, axis) if f > 1 else fine
    k, j, i = image.shape
    return FirstSegmentation(np.where(seeds == UNKNOWN, fine[:k, :j, :i], seeds), costs is search.costs[1])


@dataclass(frozen=True)
class _Grown:
    """Regions grown from strokes: the class and the cost of each voxel, and where the region of each class ends."""

    costs: PathCosts
    strokes: np.ndarray
    classes: np.ndarray
    distances: np.ndarray
    regions: dict[int, Region]

    def seeds(self) -> np.ndarray:
        """The strokes, and background where no region can be."""
        limits = np.full(max(self.regions, default=0) + 1, np.inf)
        for c, region in self.regions.items():
            limits[c] = region.beyond
        beyond = (self.classes > 0) & (self.distances > limits[np.maximum(self.classes, 0)])
        return np.where(beyond & (self.strokes == UNKNOWN), 0, self.strokes).astype(np.int16)

    def usual(self, measure: str) -> float:
        """Median of a measure of the regions."""
        return float(np.median([getattr(r, measure) for r in self.regions.values()])) if self.regions else 0.0


@dataclass(frozen=True)
class _Search:
    """What the strokes may mean, on the grid of the search.

    One dab in the middle of a cell says more of it than all dabs together, as those that correct lie at its border. So
    regions are grown from single dabs first. The first one that explains all dabs is taken.

    Attributes
    ----------
    strokes : ndarray of int16, (K, J, I)
        The typical voxels of the strokes.
    dabs : list of Dab
    costs : tuple of PathCosts
        By edges and by walls.
    lengths : ndarray of int32, (3, 3, 3)
    """

    strokes: np.ndarray
    dabs: list[Dab]
    costs: tuple[PathCosts, PathCosts]
    lengths: np.ndarray

    @classmethod
    def of(cls, features: ImageFeatures, strokes: np.ndarray, factor: np.ndarray, lengths: np.ndarray) -> _Search:
        """The strokes on a grid that is coarser by `factor`."""
        costs = path_costs(features, factor)
        return cls(_typical(strokes, costs[0].image), find_dabs(strokes), costs, lengths)

    def best(self) -> tuple[PathCosts, np.ndarray]:
        """The costs and the classes, background among them, that explain the dabs."""
        tried: list[tuple[float, PathCosts, np.ndarray]] = []
        for grown in self._candidates():
            classes, _distances = grown.costs.spread(grown.seeds(), self.lengths)
            depths = self._depths(classes, grown.strokes)
            if all(depth <= MAX_DEPTH[dab.number > 0] for depth, dab in zip(depths, self.dabs, strict=True)):
                return grown.costs, classes
            tried.append((sum(depths), grown.costs, classes))
        _depth, costs, classes = min(tried, key=lambda entry: entry[0])
        return costs, classes

    def _depths(self, classes: np.ndarray, strokes: np.ndarray) -> list[float]:
        """How deep each dab lies in what has another class, in units of the size of the region; 1 at most."""
        radius = float(np.cbrt(3 * max(int(np.count_nonzero(classes > 0)), 1) / (4 * np.pi)))
        sources = np.argwhere(strokes > 0)
        depths = []
        for dab in self.dabs:
            size: float = radius
            if dab.number == 0 and len(sources):  # a region that leaks is far larger than what is meant
                size = min(size, float(np.sqrt(((sources - dab.centre) ** 2).sum(axis=1).min())))
            depths.append(min(dab.depth(classes) / max(size, 1.0), 1.0))
        return depths

    def _candidates(self) -> Iterator[_Grown]:
        """From strokes or single dabs and from all: alone, then only up to the background, then against it."""
        sources = [*self._single()]
        together = self._marked([dab for dab in self.dabs if dab.number or dab.is_stroke])
        count = max(len(sources), 1)
        if not any(np.array_equal(together, strokes) for strokes in sources):
            sources.append(together)
        costs, first = self._edges_or_walls(sources[:count])
        yield from first
        sources = [*(grown.strokes for grown in first), *sources[len(first) :]]
        for strokes in sources[len(first) :]:
            yield self._grown_along(costs, strokes)
        if any(dab.number == 0 for dab in self.dabs):
            for strokes in sources:
                yield self._grown_along(costs, strokes, up_to_background=True)
            yield self._grown_along(costs, self.strokes)

    def _edges_or_walls(self, sources: Sequence[np.ndarray]) -> tuple[PathCosts, list[_Grown]]:
        """What ends the regions of the image, and those that were grown to find out.

        An image has edges or walls, whatever another dab looks like. The region of the first dab decides. But a dab
        near a border can grow into what lies beyond. So a region between edges outvotes walls if it is larger than
        those of the dabs before, and better closed.
        """
        tried: list[list[_Grown]] = []
        for strokes in sources:
            edges, walls = in_threads(partial(self._grown_along, strokes=strokes), self.costs)
            closed = all(edges.usual(m) >= e.usual(m) for e, _walls in tried for m in ("contrast", "voxels"))
            if closed and not _is_better(walls, edges):
                return self.costs[0], [edges, *(others[0] for others in tried)]
            tried.append([edges, walls])
        return self.costs[1], [walls for _edges, walls in tried]

    def _marked(self, dabs: Sequence[Dab]) -> np.ndarray:
        """Typical voxels of some of the dabs."""
        marked = np.full_like(self.strokes, UNKNOWN)
        for dab in dabs:
            marked[dab.places] = self.strokes[dab.places]
        return marked

    def _single(self) -> Iterator[np.ndarray]:
        """All strokes; for segments without one a single dab each, large ones first, then those on even ground."""
        choices: dict[int, list[list[Dab]]] = {}
        slopes = ndimage.gaussian_gradient_magnitude(self.costs[0].image.astype(np.float32), 1.0)
        dabs = sorted(self.dabs, key=lambda dab: (-len(dab.places[0]), float(np.median(slopes[dab.places]))))
        for c in {dab.number for dab in dabs if dab.number}:
            strokes = [dab for dab in dabs if dab.number == c and dab.is_stroke]
            choices[c] = [strokes] if strokes else [[dab] for dab in dabs if dab.number == c]
        background = [dab for dab in dabs if dab.number == 0 and dab.is_stroke]
        most = max(map(len, choices.values()), default=0)
        for n in range(min(most, MAX_SINGLE)):
            yield self._marked([*background, *(dab for c in choices.values() for dab in c[min(n, len(c) - 1)])])

    def _grown_along(self, costs: PathCosts, strokes: np.ndarray, up_to_background: bool = False) -> _Grown:
        """Regions that grow from strokes to edges, or to walls."""
        classes, distances = costs.spread(strokes, self.lengths)
        most: dict[int, float] = {}
        for dab in self.dabs if up_to_background else ():
            if dab.number == 0:
                c = int(np.bincount(classes[dab.places]).argmax())
                most[c] = min(most.get(c, np.inf), float(np.median(distances[dab.places])))
        sizes = {int(c): int(n) for c, n in zip(*np.unique(strokes[strokes > 0], return_counts=True), strict=True)}
        regions = {
            c: steady_region(costs, distances, classes == c, size, most.get(c, np.inf)) for c, size in sizes.items()
        }
        return _Grown(costs, strokes, classes, distances, regions)


def _is_better(walls: _Grown, edges: _Grown) -> bool:
    """Whether the regions between walls are well closed and no far larger, and those between edges are not."""
    contrast = edges.usual("contrast")
    if edges.usual("rank") >= MIN_EDGE_RANK or walls.usual("contrast") < MIN_WALL_CONTRAST:
        return False
    if walls.usual("voxels") > MAX_WALL_EXCESS * edges.usual("voxels"):
        return False  # they fill the surroundings too, up to the walls of something else
    return contrast < max(MIN_EDGE_CONTRAST, walls.usual("contrast") / WALL_ADVANTAGE)


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
