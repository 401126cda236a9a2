"""What strokes may mean: regions that grow from some of them, and how well these explain all of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from ACSegLib.fill.constants import GAP_PENALTY, MIN_REGION_SHARE
from ACSegLib.fill.prompts.dabs import Dab
from ACSegLib.fill.prompts.path_costs import PathCosts, Region, region_up_to, steady_region
from ACSegLib.fill.seeds import UNKNOWN


@dataclass(frozen=True)
class Grown:
    """Regions grown from strokes: the class and the cost of each voxel, and where the region of each class ends."""

    costs: PathCosts
    strokes: np.ndarray
    lengths: np.ndarray
    classes: np.ndarray
    distances: np.ndarray
    regions: dict[int, Region]

    @classmethod
    def along(cls, costs: PathCosts, strokes: np.ndarray, lengths: np.ndarray) -> Grown:
        """Regions that grow from strokes to edges, or to walls."""
        return cls(costs, strokes, lengths, *costs.spread(strokes, lengths), {}).up_to({})

    def up_to(self, most: Mapping[int, float]) -> Grown:
        """The same, but each region ends below a cost."""
        sizes = zip(*np.unique(self.strokes[self.strokes > 0], return_counts=True), strict=True)
        regions = {
            c: steady_region(self.costs, self.distances, self.classes == c, n, most.get(c, np.inf))
            for c, n in ((int(c), int(n)) for c, n in sizes)
        }
        return replace(self, regions=regions)

    def ended_at(self, levels: Mapping[int, float]) -> Grown:
        """The same, but the regions of some classes end at a cost, and beyond it is background."""
        ended = {
            c: region_up_to(self.costs, (self.classes == c) & (self.distances <= level), level)
            for c, level in levels.items()
        }
        return replace(self, regions=self.regions | ended)

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

    def reached(self, dab: Dab) -> tuple[int, float]:
        """The class that reaches a dab first, and the cost at which it does."""
        return int(np.bincount(self.classes[dab.places]).argmax()), float(np.median(self.distances[dab.places]))

    def ends_before(self, dab: Dab) -> bool:
        """Whether the region that reaches a dab ends before, so that what lies between is open."""
        c, cost = self.reached(dab)
        return c in self.regions and cost > self.regions[c].level


@dataclass(frozen=True)
class Meaning:
    """What the strokes may mean.

    Attributes
    ----------
    grown : Grown
    classes : ndarray of int16, (K, J, I)
        Of every voxel, background among them; no class encloses background without a stroke of it.
    depths : list of float
        How deep each dab lies in what has another class, in units of the size of the region; 1 at most.
    wrong : list of Dab
        Those that it does not explain.
    is_something : bool
        Whether its regions are more than the strokes that they grew from.
    """

    grown: Grown
    classes: np.ndarray
    depths: list[float]
    wrong: list[Dab]
    is_something: bool = True

    @cached_property
    def plausibility(self) -> float:
        """How well a person who meant it would have placed the dabs so; 1 at most.

        The first dab goes into the middle of a structure: how deep it lies counts, in units of the largest depth. Those
        that lie in what has another class count against it, the more the deeper they do.
        """
        central = []
        for c in self.grown.regions:
            depth = ndimage.distance_transform_edt(self.classes == c)
            own = depth[self.grown.strokes == c]
            central.append(float(own.max()) / max(float(depth.max()), 1.0) if len(own) else 0.0)
        return (float(np.mean(central)) if central else 0.0) - sum(self.depths)

    @property
    def likelihood(self) -> float:
        """By which meanings between edges, or those between walls, are compared.

        Walls have gaps: of two regions between walls, the larger one has leaked.
        """
        if not self.grown.costs.ends_at_walls:
            return self.plausibility
        return self.plausibility - GAP_PENALTY * math.log(max(int(np.count_nonzero(self.classes > 0)), 1))

    @property
    def is_whole(self) -> bool:
        """Whether the region that ends somewhere is not just a small part of what hangs together with the strokes."""
        voxels = sum(region.voxels for region in self.grown.regions.values())
        return bool(voxels >= MIN_REGION_SHARE * np.count_nonzero(self.classes > 0))
