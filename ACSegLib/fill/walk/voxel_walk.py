"""A random walk among a few voxels of a slab.

It costs in proportion to the voxels whose answer is sought, and not to the slab: they are listed, and solved by
`ACSegLib.fill.walk.sparse_system`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ACSegLib.fill.walk.sparse_system import SparseProblem, solve_sparse
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
        Share of each class there, 1 of one and 0 of all others; elsewhere the prior. Their sum is 1.
    axis_weights : ndarray of float32, (3,)
    beta : float
        See `ACSegLib.fill.walk.random_walk.SlabProblem`.
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
        differences, neighbours = self._edges_of(free)
        k, j, i = (float(h) for h in self.axis_weights)
        problem = SparseProblem.of(differences, neighbours, self.beta, gamma, (k, j, i))
        out[:, free] = solve_sparse(problem, np.ascontiguousarray(self.shares[:, free]), tolerance, progress)
        return out

    def _edges_of(self, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Differences to the neighbours of free voxels, and these neighbours; see `SparseProblem`."""
        shape = self.edges.shape
        number = np.full(self.edges.size, -1, np.int32)
        number[self.places] = np.arange(len(self.places), dtype=np.int32)
        name = -1 - self.shares.argmax(axis=0).astype(np.int32)
        name[free] = np.arange(len(free), dtype=np.int32)
        here, image = self.places[free], self.edges.reshape(-1)
        differences = np.zeros((len(free), 6), np.float32)
        neighbours = np.repeat(np.arange(len(free), dtype=np.int32)[:, None], 6, axis=1)
        for axis, (stride, size) in enumerate(zip((shape[1] * shape[2], shape[2], 1), shape, strict=True)):
            place = here // stride % size
            for edge, step, inside in ((2 * axis, -stride, place > 0), (2 * axis + 1, stride, place < size - 1)):
                rows = np.flatnonzero(inside)
                there = number[here[rows] + step]
                rows, there = rows[there >= 0], there[there >= 0]
                differences[rows, edge] = image[self.places[there]] - image[here[rows]]
                neighbours[rows, edge] = name[there]
        return differences, neighbours
