"""A random walk among a few voxels of a slab.

It costs in proportion to the voxels whose answer is sought, and not to the slab: the matrix of the linear system in
`random_walk` is built for these voxels alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from ACSegLib.fill.constants import MIN_EDGE_WEIGHT
from ACSegLib.fill.random_walk import System, conjugate_gradients
from ACSegLib.jobs import Progress


@dataclass(frozen=True)
class VoxelWalk:
    """Voxels that walkers pass.

    Attributes
    ----------
    edges : ndarray of float32, (K, J, I)
        Image of the slab whose differences make the weights.
    places : ndarray of int64, (N,)
        The voxels, as positions in the flattened slab.
    known : ndarray of bool, (N,)
        Where the walk ends.
    shares : ndarray of float32, (R, N)
        Share of each class there; elsewhere the prior. Their sum is 1.
    axis_weights : ndarray of float32, (3,)
    beta : float
        See `ACSegLib.fill.random_walk.SlabProblem`.
    """

    edges: np.ndarray
    places: np.ndarray
    known: np.ndarray
    shares: np.ndarray
    axis_weights: np.ndarray
    beta: float

    def solve(self, gamma: float, tolerance: float, progress: Progress | None = None) -> np.ndarray:
        """Share of each class, (R, N) float32, with an error of at most `tolerance`; `gamma` weighs the prior."""
        out = self.shares.copy()
        free = np.flatnonzero(~self.known)
        if not len(free):
            return out
        weights, total, inflow = self._edges_of(free)
        start = self.shares[:-1, free]  # what they leave is the last one's
        system = _ListedSystem(weights, total + np.float32(gamma), np.float32(gamma) * start + inflow, start)
        conjugate_gradients(system, tolerance * gamma, progress or Progress())
        found = np.empty_like(start)
        system.write(found)
        out[:-1, free] = found
        out[-1, free] = np.maximum(1 - found.sum(axis=0), 0)
        return out

    def _edges_of(self, free: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
        """Weights between free voxels, the sum of all weights of each, and what flows in from known ones."""
        shape = self.edges.shape
        number = np.full(self.edges.size, -1, np.int32)
        number[self.places] = np.arange(len(self.places), dtype=np.int32)
        row_of = np.full(len(self.places), -1, np.int32)
        row_of[free] = np.arange(len(free), dtype=np.int32)
        here, image = self.places[free], self.edges.reshape(-1)
        total = np.zeros(len(free), np.float32)
        inflow = np.zeros((len(self.shares) - 1, len(free)), np.float32)
        edges = []
        for stride, size, h in zip((shape[1] * shape[2], shape[2], 1), shape, self.axis_weights, strict=True):
            place = here // stride % size
            for step, inside in ((-stride, place > 0), (stride, place < size - 1)):
                rows = np.flatnonzero(inside)
                there = number[here[rows] + step]
                rows, there = rows[there >= 0], there[there >= 0]
                difference = image[here[rows]] - image[self.places[there]]
                weights = (np.exp(np.float32(-self.beta) * difference**2) + np.float32(MIN_EDGE_WEIGHT)) * h
                total[rows] += weights
                ends = self.known[there]
                inflow[:, rows[ends]] += weights[ends] * self.shares[:-1, there[ends]]
                edges.append((weights[~ends], rows[~ends], row_of[there[~ends]]))
        values, rows, columns = (np.concatenate(parts) for parts in zip(*edges, strict=True))
        return sp.csr_matrix((values, (rows, columns)), (len(free),) * 2), total, inflow


class _ListedSystem(System):
    """The scaled system as a sparse matrix; x is the start plus a scaled correction."""

    def __init__(self, weights: sp.csr_matrix, total: np.ndarray, source: np.ndarray, start: np.ndarray) -> None:
        self._scale = 1 / np.sqrt(total)
        scale = sp.diags(self._scale)
        self._weights = (scale @ weights @ scale).tocsr()
        self._start = start
        self._residual = self._scale * (source - total * start + (weights @ start.T).T)
        self._correction = np.zeros_like(start)
        self._direction, self._product = self._residual.copy(), np.zeros_like(start)

    def squared_norms(self) -> np.ndarray:
        """See `System`."""
        return _dots(self._residual, self._residual)

    def largest_residuals(self) -> np.ndarray:
        """See `System`."""
        return np.asarray(np.abs(self._residual / self._scale).max(axis=1))

    def multiply(self, active: np.ndarray) -> np.ndarray:
        """See `System`."""
        for r in np.flatnonzero(active):
            self._product[r] = self._direction[r] - self._weights @ self._direction[r]
        return _dots(self._direction, self._product)

    def step(self, alpha: np.ndarray, active: np.ndarray) -> np.ndarray:
        """See `System`."""
        self._correction += alpha[:, None] * self._direction
        self._residual -= alpha[:, None] * self._product
        return _dots(self._residual, self._residual)

    def renew_direction(self, beta: np.ndarray, active: np.ndarray) -> None:
        """See `System`."""
        self._direction[active] = self._residual[active] + beta[active, None] * self._direction[active]

    def write(self, out: np.ndarray) -> None:
        """See `System`."""
        out[...] = np.clip(self._start + self._scale * self._correction, 0, 1)


def _dots(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products of rows. NumPy's own sum, and no library's: it is the same on any number of cores."""
    return (a * b).sum(axis=1, dtype=np.float64)
