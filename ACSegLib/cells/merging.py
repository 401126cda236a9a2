"""Which basins are one cell: the least likely seam is removed first, until each that is left is more likely real.

Merging pair by pair with features of the whole boundary follows Nunez-Iglesias et al., "Machine learning of
hierarchical clustering to segment 2D and 3D images", PLoS ONE 8 (2013) e71715.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ACSegLib.cells import region_kernels as kernels
from ACSegLib.cells.regions import RegionGraph
from ACSegLib.cells.trees import Trees

#: Area of the cut of a cap, in units of its volume to the power of 2/3. A ball that lies across the border has at most
#: 1.9, and 3.6 in a corner; a cube in a corner has 3.
_CAP = 4.0


class Step(NamedTuple):
    """One merging of two regions.

    Attributes
    ----------
    odds : float
        Log odds that their boundary was a seam.
    regions : (int, int)
        Their numbers: the one that the union keeps, and the other.
    made_by : (int, int)
        The steps that made them; -1 for a basin.
    voxels : (float, float)
        Their sizes.
    cut : (bool, bool)
        Whether the border of the volume cuts them.
    """

    odds: float
    regions: tuple[int, int]
    made_by: tuple[int, int]
    voxels: tuple[float, float]
    cut: tuple[bool, bool]


class Merging:
    """Regions that are merged pair by pair.

    Parameters
    ----------
    graph : RegionGraph
    trees : Trees
        Log odds that a boundary is a seam between two cells, from the features of `region_kernels.describe_pair`.
    seeds : ndarray of int, shape (regions + 1,), optional
        Which seed each region holds; 0 for none. Regions of two seeds are never merged.
    """

    def __init__(self, graph: RegionGraph, trees: Trees, seeds: np.ndarray | None = None) -> None:
        self.regions, self.edges = graph.regions.copy(), graph.edges.copy()
        self._step, self._known = graph.step, graph.known
        self._trees = trees.arrays
        self._features = np.zeros(kernels.PAIR_WIDTH + len(graph.known) + kernels.RIM_WIDTH, np.float32)
        count = len(self.regions)
        self.seeds = seeds.tolist() if seeds is not None else [0] * count
        self.parent = list(range(count))
        self._version = [0] * count
        #: What `run` has merged, in this order, and the last step of each region; -1 for a basin.
        self.steps: list[Step] = []
        self.made_by = [-1] * count
        #: Neighbours of each region, and the row of the boundary with each.
        self.neighbours: list[dict[int, int]] = [{} for _ in range(count)]
        for row, (a, b) in enumerate(zip(graph.a.tolist(), graph.b.tolist(), strict=True)):
            self.neighbours[a][b] = self.neighbours[b][a] = row
        self._heap: list[tuple[float, int, int, int, int]] = []
        for a, b in zip(graph.a.tolist(), graph.b.tolist(), strict=True):
            self._push(a, b)

    def voxels(self, region: int) -> float:
        """Voxels of a region."""
        return float(self.regions[region, kernels.VOXELS])

    def is_cut(self, region: int) -> bool:
        """Whether the border of the volume cuts a region."""
        return bool(self.regions[region, kernels.CUT])

    def is_cap(self, region: int, thinnest: float = 0.0) -> bool:
        """Whether the border of the volume cuts a region as flat as the cap of a larger body, but no thinner one."""
        row = self.regions[region]
        cut, volume = row[kernels.CUT], row[kernels.VOXELS] * float(np.prod(self._step))
        return bool(_CAP * volume ** (2 / 3) < cut and cut * thinnest <= volume)

    def features(self, a: int, b: int) -> np.ndarray:
        """What the boundary of two regions is like."""
        out = np.zeros_like(self._features)
        edge = self.edges[self.neighbours[a][b]]
        kernels.describe_pair(self.regions[a], self.regions[b], edge, self._step, self._known, out)
        return out

    def cells(self) -> list[int]:
        """The regions that are left."""
        return [n for n, parent in enumerate(self.parent) if n and parent == n and self.regions[n, 0]]

    def run(
        self,
        enough: Callable[[float, int], bool],
        smallest: float = 0.0,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Merge while ``enough(log odds, cells)`` is False for the least likely seam.

        Cells are the regions of at least `smallest` voxels.
        """
        cells = sum(1 for n in self.cells() if self.voxels(n) >= smallest)
        for number, (odds, a, b) in enumerate(self._next()):
            if enough(odds, cells):
                heapq.heappush(self._heap, (odds, a, b, self._version[a], self._version[b]))
                return
            if number % 256 == 0:
                check()
            before = (self.voxels(a) >= smallest) + (self.voxels(b) >= smallest)
            was = {n: (self.made_by[n], self.voxels(n), self.is_cut(n)) for n in (a, b)}
            kept = self.merge(a, b)
            gone = b if kept == a else a
            (made_one, size_one, cut_one), (made_two, size_two, cut_two) = was[kept], was[gone]
            step = Step(odds, (kept, gone), (made_one, made_two), (size_one, size_two), (cut_one, cut_two))
            self.steps.append(step)
            self.made_by[kept] = len(self.steps) - 1
            cells += (self.voxels(kept) >= smallest) - before

    def absorb(self, smallest: float) -> None:
        """Merge each region below a size with the neighbour across the least likely seam, smallest first."""
        small = [(self.voxels(n), n) for n in self.cells() if self.voxels(n) < smallest]
        heapq.heapify(small)
        while small:
            voxels, n = heapq.heappop(small)
            if self.parent[n] != n or self.voxels(n) != voxels or not self.neighbours[n]:
                continue
            seam = {other: self.odds(min(n, other), max(n, other)) for other in self.neighbours[n]}
            kept = self.merge(n, min(seam, key=lambda other: seam[other]))
            if self.voxels(kept) < smallest:
                heapq.heappush(small, (self.voxels(kept), kept))

    def merge(self, a: int, b: int) -> int:
        """Make two regions one; gives its number, which is one of the two."""
        if len(self.neighbours[a]) < len(self.neighbours[b]):
            a, b = b, a
        own = self.neighbours[a]
        kernels.add_rows(self.regions, a, b, kernels.REGION_SUMS)
        self.regions[a, kernels.MET] -= 2 * self.edges[own[b], kernels.AREA]
        self.seeds[a] = self.seeds[a] or self.seeds[b]
        self.parent[b] = a
        del own[b]
        for other, row in self.neighbours[b].items():
            if other == a:
                continue
            del self.neighbours[other][b]
            if other in own:
                kernels.add_rows(self.edges, own[other], row, kernels.EDGE_SUMS)
            else:
                own[other] = self.neighbours[other][a] = row
        self.neighbours[b] = {}
        self._version[a] += 1
        for other in own:
            self._push(min(a, other), max(a, other))
        return a

    def roots(self) -> np.ndarray:
        """The region that each first region is part of now."""
        parent = np.array(self.parent)
        while True:
            higher = parent[parent]
            if np.array_equal(higher, parent):
                return parent
            parent = higher

    def odds(self, a: int, b: int) -> float:
        """Log odds that the boundary of two regions is a seam between two cells."""
        row = self.neighbours[a][b]
        scene = (self._step, self._known, self._features)
        return float(kernels.judge_pair(self.regions, a, b, self.edges, row, *scene, *self._trees))

    def _push(self, a: int, b: int) -> None:
        if self.seeds[a] and self.seeds[b] and self.seeds[a] != self.seeds[b]:
            return
        heapq.heappush(self._heap, (self.odds(a, b), a, b, self._version[a], self._version[b]))

    def _next(self) -> Iterator[tuple[float, int, int]]:
        while self._heap:
            odds, a, b, version_a, version_b = heapq.heappop(self._heap)
            current = self.parent[a] == a and self.parent[b] == b
            if current and (version_a, version_b) == (self._version[a], self._version[b]):
                yield odds, a, b
