"""What paths from the strokes cost, and where a region that grows along them should end.

There are two kinds of cost. Most structures differ from their surroundings: a path costs what the intensity changes
along it. Cells with stained walls look the same on both sides: a path costs what it climbs of the bright sheets,
measured by the smallest eigenvalue of the Hessian (Sato et al., Medical Image Analysis 2 (1998) 143,
doi:10.1016/S1361-8415(98)80009-1). Walls count where the region
that grows from the strokes to the edges is not well closed, but the one that grows to the walls is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ACSegLib.fill.constants import (
    CERTAIN_BACKGROUND,
    EDGE_FLOOR,
    MAX_EXCESS,
    MAX_PATH_NOISE,
    MAX_REGION_SHARE,
    MAX_TERRITORY_SHARE,
    REGION_LEVELS,
    SIZE_PENALTY,
    SKIN,
    WALL_FLOOR,
    WALL_SIGMA,
)
from ACSegLib.fill.prior.features import ImageFeatures, smoothed
from ACSegLib.fill.prompts.geodesic_kernels import MAX_COST
from ACSegLib.masks import Box, bounding_box, common_box

#: Units of the cost from the darkest to the brightest intensity.
COST_RANGE = 1000


@dataclass(frozen=True)
class PathCosts:
    """The cost of steps between voxels of a grid.

    Attributes
    ----------
    values : ndarray of int16, (K, J, I)
        Intensity or height of walls, see `geodesic_kernels.spread_classes`.
    floor : float
        Cost of the inside of a structure: levels below it are alike.
    room : tuple of slice, optional
        Paths lead through this box alone; outside of it is background. They lead everywhere if None.
    """

    values: np.ndarray
    floor: float
    room: Box | None = None

    @property
    def ends_at_walls(self) -> bool:
        """Whether walls end the regions, and not edges."""
        return self.floor == WALL_FLOOR

    def spread(self, seeds: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Class of the seed to which the cheapest path leads, int16, and the cost of that path, int32."""
        from ACSegLib.fill.prompts import geodesic_kernels

        distances = np.zeros(seeds.shape, np.int32)
        if self.room is None:
            classes = seeds.copy()
            box = bounding_box(seeds < 0, margin=1)  # no path leads through a seed
        else:
            classes, box = np.zeros_like(seeds), self.room
            classes[box] = seeds[box]
        if box is None or not (classes[box] < 0).any():
            return classes, distances
        part, reached = np.ascontiguousarray(classes[box]), np.ascontiguousarray(distances[box])
        geodesic_kernels.spread_classes(self.part(box).values, self.ends_at_walls, lengths, part, reached)
        classes[box], distances[box] = part, reached
        return classes, distances

    def part(self, box: Box) -> PathCosts:
        """The costs in a box."""
        room = None if self.room is None else common_box(self.room, box)
        return PathCosts(np.ascontiguousarray(self.values[box]), self.floor, room)

    def steps(self) -> Iterator[tuple[tuple[slice, ...], tuple[slice, ...], np.ndarray]]:
        """For each axis: the places of both neighbours, and the cost of the step between them."""
        for axis in range(3):
            front = tuple(slice(1, None) if a == axis else slice(None) for a in range(3))
            back = tuple(slice(None, -1) if a == axis else slice(None) for a in range(3))
            a, b = self.values[front], self.values[back]
            yield front, back, np.maximum(a, b) if self.ends_at_walls else np.abs(a - b)


def path_costs(features: ImageFeatures, factor: np.ndarray) -> tuple[PathCosts, PathCosts]:
    """Both kinds of cost, edges and walls, on a grid that is coarser by `factor`."""
    from ACSegLib.fill.prior import image_kernels as kernels

    image = features.image
    spacing = np.asarray(features.spacing) * factor
    coarse = np.empty(-(-np.asarray(image.shape) // factor), np.float32)
    fk, fj, fi = (int(f) for f in factor)
    kernels.pool(image, fk, fj, fi, coarse)
    texture = np.empty((5, *coarse.shape), np.float32)
    kernels.texture(smoothed(coarse, WALL_SIGMA, spacing.tolist()), (1.0 / spacing).astype(np.float32), texture)
    sheets = np.maximum(-texture[4], 0) * np.float32(WALL_SIGMA**2)
    walls = np.minimum(np.rint(COST_RANGE * sheets), MAX_COST).astype(np.int16)
    edges = coarse
    if features.noise > MAX_PATH_NOISE * np.sqrt(np.prod(factor)):
        edges = smoothed(coarse, 1.0, spacing.tolist())
    return PathCosts(np.rint(COST_RANGE * edges).astype(np.int16), EDGE_FLOOR), PathCosts(walls, WALL_FLOOR)


@dataclass(frozen=True)
class Region:
    """Where a region that grows from strokes should end, and how well it is closed there.

    Attributes
    ----------
    level : float
        The cost at which it ends; infinite if there is too little to choose from.
    beyond : float
        The cost from which on there is background.
    contrast : float
        Mean cost of the steps across its surface, in units of that of the steps inside.
    rank : float
        Share of all steps of the image that cost less than those across its surface.
    voxels : int
        How many voxels it has.
    """

    level: float = np.inf
    beyond: float = np.inf
    contrast: float = 0.0
    rank: float = 0.0
    voxels: int = 0


def region_up_to(costs: PathCosts, inside: np.ndarray, level: float) -> Region:
    """The region of voxels, bool (K, J, I), that ends at a known cost; walls count up to their crests."""
    beyond = level if costs.ends_at_walls else CERTAIN_BACKGROUND * level
    return Region(level, beyond, *_closed(costs, inside), int(np.count_nonzero(inside)))


def steady_region(costs: PathCosts, distances: np.ndarray, own: np.ndarray, seeds: int, most: float = np.inf) -> Region:
    """Find where a region that grows from strokes should end.

    The volume grows by a factor from level to level of the cost. Where the level rises by the largest factor for the
    smallest growth, there is an edge all around (Matas et al., Robust wide-baseline stereo from maximally stable
    extremal regions, Image and Vision Computing 22 (2004) 761).

    Parameters
    ----------
    distances : ndarray of int32, (K, J, I)
    own : ndarray of bool, (K, J, I)
        Voxels to which the cheapest path comes from the strokes of the region.
    seeds : int
        Number of voxels of these strokes.
    most : float
        Cost that the region may reach: there is a stroke of another class.
    """
    ordered = np.sort(distances[own], axis=None)
    first = max(2 * seeds, 8)
    last = min(int(MAX_REGION_SHARE * own.size), int(MAX_TERRITORY_SHARE * ordered.size))
    last = min(last, int(np.searchsorted(ordered, most)))
    if last < 4 * first:
        return Region(voxels=int(ordered.size))
    sizes = np.unique(np.geomspace(first, last, REGION_LEVELS).astype(int))
    levels = ordered[sizes] + costs.floor
    rise = np.diff(np.log(levels)) / np.diff(np.log(sizes))
    rise = np.convolve(np.pad(rise, 1, mode="edge"), [0.25, 0.5, 0.25], "valid") * sizes[1:] ** -SIZE_PENALTY
    peak = low = high = int(np.argmax(rise))
    while low > 0 and rise[low - 1] >= rise[peak] / 2:
        low -= 1
    while high < len(rise) - 1 and rise[high + 1] >= rise[peak] / 2:
        high += 1
    level = float(np.sqrt(levels[low] * levels[high + 1])) - costs.floor
    while high < len(rise) - 1 and rise[high + 1] >= rise[peak] / 4:
        high += 1
    inside = own & (distances <= level)
    beyond = max(CERTAIN_BACKGROUND * level, float(levels[high + 1]) - costs.floor)
    if _is_skin(own & ~inside, inside):
        beyond = np.inf  # the other strokes end it
    return Region(level, beyond, *_closed(costs, inside), int(np.count_nonzero(inside)))


def _is_skin(rest: np.ndarray, inside: np.ndarray) -> bool:
    """Whether what is left of a region is little, or lies near its surface."""
    count = int(np.count_nonzero(inside))
    far = rest & ~ndimage.binary_dilation(inside, iterations=SKIN)
    return bool(np.count_nonzero(rest) < (MAX_EXCESS - 1) * count or np.count_nonzero(far) < 0.1 * count)


def _closed(costs: PathCosts, inside: np.ndarray) -> tuple[float, float]:
    """Contrast and rank of a region; see `Region`."""
    across, within = np.zeros(2), np.zeros(2)
    steps = list(costs.steps())
    for front, back, cost in steps:
        surface, inner = inside[front] != inside[back], inside[front] & inside[back]
        across += np.count_nonzero(surface), cost[surface].sum()
        within += np.count_nonzero(inner), cost[inner].sum()
    mean = across[1] / max(across[0], 1)
    cheaper = sum(np.count_nonzero(cost < mean) for _front, _back, cost in steps)
    contrast = mean / max(within[1] / max(within[0], 1), 1e-6)
    return float(contrast), cheaper / max(sum(cost.size for *_places, cost in steps), 1)
