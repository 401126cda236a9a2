"""Which basins are one cell: the least likely seam is removed first, until each that is left is more likely real.

Merging pair by pair with features of the whole boundary follows Nunez-Iglesias et al., "Machine learning of
hierarchical clustering to segment 2D and 3D images", PLoS ONE 8 (2013) e71715.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ACSegLib.cells.regions import RegionGraph

#: What a boundary is judged by, in the order of `SeamModel.weights`.
FEATURES = ("neck", "pass", "area", "seam", "significance", "step", "sizes", "depth")


@dataclass(frozen=True)
class SeamModel:
    """Logistic model of whether two regions are two cells.

    Attributes
    ----------
    weights : tuple of float
        Of `FEATURES`: width of the neck and of the pass as parts of the narrower side; logarithm of the contact area as
        a part of the smaller region's section; valley at the boundary beyond that inside, and the same times the
        boundary's length; difference of the mean intensities in standard deviations; logarithm of the ratio of sizes.
    bias : float
    """

    weights: tuple[float, ...]
    bias: float

    def __call__(self, features: tuple[float, ...]) -> float:
        """Log odds that the boundary is a seam between two cells."""
        return self.bias + sum(w * f for w, f in zip(self.weights, features, strict=True))


#: By the kind of seam: dark fitted on packed phantoms and touching ellipsoids, the others set on balls and membranes.
MODELS = {
    "dark": SeamModel((-7.4337, -3.7608, 0.6553, 0.1739, 0.0678, 0.5472, -0.1555, -1.0666), 4.9394),
    "bright": SeamModel((-4.0, -6.2, 0.3, -0.7, 0.21, 0.3, 0.17, 0.0), 7.5),
    "none": SeamModel((-14.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0), 11.5),
}

#: Log odds from which on a neck is clear by its shape alone: 20 to 1, a neck of about 0.6 of the narrower side.
CLEAR_NECK = 3.0


def judge_of(kind: str) -> Callable[[tuple[float, ...]], float]:
    """Log odds of a boundary for a kind of seam; at clear necks at least those of the shape alone."""
    model, shape = MODELS[kind], MODELS["none"]

    def judge(features: tuple[float, ...]) -> float:
        odds, alone = model(features), shape(features)
        return max(odds, alone) if alone >= CLEAR_NECK else odds

    return judge


class Merging:
    """Regions that are merged pair by pair.

    Parameters
    ----------
    graph : RegionGraph
    model : callable
        Log odds of features; see `SeamModel`.
    seeds : ndarray of int, shape (regions + 1,), optional
        Which seed each region holds; 0 for none. Regions of two seeds are never merged.
    """

    def __init__(
        self,
        graph: RegionGraph,
        model: Callable[[tuple[float, ...]], float],
        seeds: np.ndarray | None = None,
    ) -> None:
        self._model = model
        self._contrast, self._scale = max(graph.contrast, 1e-9), graph.scale
        self.voxels = graph.voxels.tolist()
        self._valleys, self._intensity = graph.valleys.tolist(), graph.intensity.tolist()
        self._summit, self._depth = graph.summit.tolist(), graph.depth.tolist()
        self.seeds = seeds.tolist() if seeds is not None else [0] * len(self.voxels)
        self.parent = list(range(len(self.voxels)))
        self._version = [0] * len(self.voxels)
        #: Neighbours of each region: area, seam, saddle and pass depth of the boundary.
        self.edges: list[dict[int, tuple[float, float, float, float]]] = [{} for _ in self.voxels]
        rows = zip(graph.a, graph.b, graph.area, graph.seam, graph.saddle, graph.pass_depth, strict=True)
        for a, b, *edge in rows:
            values = tuple(float(v) for v in edge)
            self.edges[int(a)][int(b)] = self.edges[int(b)][int(a)] = values  # type: ignore[assignment]
        self._heap: list[tuple[float, int, int, int, int]] = []
        for a, b in self._pairs():
            self._push(a, b)

    def features(self, a: int, b: int) -> tuple[float, ...]:
        """What the boundary of two regions is like; see `FEATURES`."""
        area, seam, saddle, pass_depth = self.edges[a][b]
        smaller, larger = sorted((self.voxels[a], self.voxels[b]))
        summit, depth = min(self._summit[a], self._summit[b]), min(self._depth[a], self._depth[b])
        section = np.pi * (3 * smaller / (4 * np.pi)) ** (2 / 3)
        inside = (self._valleys[a] + self._valleys[b]) / (smaller + larger)
        beyond = seam / area - inside
        step = abs(self._intensity[a] / self.voxels[a] - self._intensity[b] / self.voxels[b]) / self._contrast
        return (
            saddle / summit if summit > 0 else 1.0,
            pass_depth / depth if depth > 0 else 1.0,
            float(np.log(area / section)),
            min(beyond, 6.0),
            min(beyond * area**0.25, 30.0),
            min(step, 3.0),
            float(np.log(larger / smaller)),
            float(np.log10(max(beyond * self._scale, 0.003))),
        )

    def run(
        self,
        enough: Callable[[float, int], bool],
        smallest: float = 0.0,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """Merge while ``enough(log odds, cells)`` is False for the least likely seam.

        Cells are the regions of at least `smallest` voxels.
        """
        cells = sum(1 for n, voxels in enumerate(self.voxels) if n and self.parent[n] == n and voxels >= smallest)
        for number, (odds, a, b) in enumerate(self._next()):
            if enough(odds, cells):
                heapq.heappush(self._heap, (odds, a, b, self._version[a], self._version[b]))
                return
            if number % 256 == 0:
                check()
            before = (self.voxels[a] >= smallest) + (self.voxels[b] >= smallest)
            kept = self.merge(a, b)
            cells += (self.voxels[kept] >= smallest) - before

    def absorb(self, smallest: float) -> None:
        """Merge each region below a size with the neighbour that it shares most of its surface with, smallest first."""
        small = [(v, n) for n, v in enumerate(self.voxels) if n and self.parent[n] == n and v < smallest]
        heapq.heapify(small)
        while small:
            voxels, n = heapq.heappop(small)
            if self.parent[n] != n or self.voxels[n] != voxels or not self.edges[n]:
                continue
            neighbour = max(self.edges[n], key=lambda other: self.edges[n][other][0])
            kept = self.merge(n, neighbour)
            if self.voxels[kept] < smallest:
                heapq.heappush(small, (self.voxels[kept], kept))

    def merge(self, a: int, b: int) -> int:
        """Make two regions one; gives its number, which is one of the two."""
        if len(self.edges[a]) < len(self.edges[b]):
            a, b = b, a
        for sums in (self.voxels, self._valleys, self._intensity):
            sums[a] += sums[b]
        self._summit[a], self._depth[a] = max(self._summit[a], self._summit[b]), max(self._depth[a], self._depth[b])
        self.seeds[a] = self.seeds[a] or self.seeds[b]
        self.parent[b] = a
        del self.edges[a][b]
        for other, edge in self.edges[b].items():
            if other == a:
                continue
            del self.edges[other][b]
            if other in self.edges[a]:
                mine = self.edges[a][other]
                edge = (mine[0] + edge[0], mine[1] + edge[1], max(mine[2], edge[2]), max(mine[3], edge[3]))
            self.edges[a][other] = self.edges[other][a] = edge
        self.edges[b] = {}
        self._version[a] += 1
        for other in list(self.edges[a]):
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

    def _pairs(self) -> Iterator[tuple[int, int]]:
        for a, edges in enumerate(self.edges):
            for b in edges:
                if a < b:
                    yield a, b

    def _push(self, a: int, b: int) -> None:
        if self.seeds[a] and self.seeds[b] and self.seeds[a] != self.seeds[b]:
            return
        odds = self._model(self.features(a, b))
        heapq.heappush(self._heap, (odds, a, b, self._version[a], self._version[b]))

    def _next(self) -> Iterator[tuple[float, int, int]]:
        while self._heap:
            odds, a, b, version_a, version_b = heapq.heappop(self._heap)
            current = self.parent[a] == a and self.parent[b] == b
            if current and (version_a, version_b) == (self._version[a], self._version[b]):
                yield odds, a, b
