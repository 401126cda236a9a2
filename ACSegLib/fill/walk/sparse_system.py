"""The random walk on the free voxels alone, for volumes most of which are seeds.

`cpu_backend` keeps and multiplies arrays of the whole slab. Where few voxels are free, such as those of a band along a
surface, a list of them with their neighbours takes a part of the time and of the memory. The iterations are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.fill.walk.cpu_backend import CpuSystem
from ACSegLib.fill.walk.random_walk import conjugate_gradients
from ACSegLib.jobs import Progress

#: Voxels of a row, as which the loops of `ACSegLib.fill.walk.kernels` see the list.
_ROW = 1024


@dataclass(frozen=True)
class SparseProblem:
    """Free voxels and their neighbours.

    Attributes
    ----------
    weights : ndarray of float32, (n, 6)
        Of the edge to each neighbour. A solution overwrites them.
    neighbours : ndarray of int32, (n, 6)
        See `ACSegLib.fill.walk.sparse_kernels`. A solution overwrites them.
    gamma : float
        Strength of the prior.
    """

    weights: np.ndarray
    neighbours: np.ndarray
    gamma: float

    @classmethod
    def of(
        cls,
        differences: np.ndarray,
        neighbours: np.ndarray,
        beta: float,
        gamma: float,
        axis_weights: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> SparseProblem:
        """Turn differences of the image, float32 (n, 6), into weights, in place.

        They are exp(-beta d^2), times the factor of their axis.
        """
        from ACSegLib.fill.walk import sparse_kernels

        along, floor = np.array(axis_weights, np.float32), np.float32(constants.MIN_EDGE_WEIGHT)
        sparse_kernels.edge_weights(differences, neighbours, along, np.float32(beta), floor)
        return cls(differences, neighbours, gamma)

    def copy(self) -> SparseProblem:
        """The same, for a further solution."""
        return replace(self, weights=self.weights.copy(), neighbours=self.neighbours.copy())


class SparseSystem(CpuSystem):
    """The scaled system of the free voxels.

    Parameters
    ----------
    problem : SparseProblem
        Its arrays are overwritten.
    prior : ndarray of float32, (R, n)
        Prior of each class.
    classes : sequence of int, optional
        Class of each row, if that is not its number.
    start : ndarray of float32, (R, n), optional
        Where the walk begins, if not at its prior.
    """

    def __init__(
        self,
        problem: SparseProblem,
        prior: np.ndarray,
        classes: Sequence[int] | None = None,
        start: np.ndarray | None = None,
    ) -> None:
        from ACSegLib.fill.walk import kernels as walk_kernels
        from ACSegLib.fill.walk import sparse_kernels

        self._kernels, self._sparse_kernels = walk_kernels, sparse_kernels
        size, count = prior.shape
        numbers = np.asarray(range(size) if classes is None else classes, np.int64)
        rows = -(-count // _ROW)
        self._start, self._count = prior if start is None else start, count
        self._edges, self._neighbours = problem.weights, problem.neighbours
        self._scale = np.zeros((rows, 1, _ROW), np.float32)
        self._residual = np.zeros((size, rows, 1, _ROW), np.float32)
        self._correction, self._product = np.zeros_like(self._residual), np.zeros_like(self._residual)
        gamma, scale = np.float32(problem.gamma), self._scale.reshape(-1)
        residual = self._listed(self._residual)
        sparse_kernels.start_system(self._edges, self._neighbours, gamma, numbers, prior, self._start, scale, residual)
        sparse_kernels.scale_weights(self._edges, self._neighbours, scale)
        self._direction = self._residual.copy()
        self._sums = np.empty((size, walk_kernels.BLOCKS))
        self._peaks = np.empty((size, walk_kernels.BLOCKS), np.float32)

    def multiply(self, active: np.ndarray) -> np.ndarray:
        """See `System`."""
        direction, product = self._listed(self._direction), self._listed(self._product)
        self._sparse_kernels.multiply(self._edges, self._neighbours, direction, active, product, self._sums)
        return np.asarray(self._sums.sum(1))

    def write(self, out: np.ndarray) -> None:
        """Write the probabilities, kept within 0 and 1, to `out`, float32 (R, n)."""
        scale = self._scale.reshape(-1)[: self._count]
        for row, start, correction in zip(out, self._start, self._listed(self._correction), strict=True):
            np.clip(start + scale * correction[: self._count], 0, 1, out=row)

    @staticmethod
    def _listed(vectors: np.ndarray) -> np.ndarray:
        """Vectors as (R, n), with what fills the last row."""
        return vectors.reshape(len(vectors), -1)


def solve_sparse(
    problem: SparseProblem, prior: np.ndarray, tolerance: float = constants.TOLERANCE, progress: Progress | None = None
) -> np.ndarray:
    """Give the probabilities of each class at the free voxels.

    The last class is not solved: it has what the others leave, as every walker ends in one of them.

    Parameters
    ----------
    problem : SparseProblem
        Its arrays are overwritten.
    prior : ndarray of float32, (R, n)
        Adds up to 1 at each voxel. Overwritten with the result.
    tolerance : float
        Bound on the error of the probabilities.

    Returns
    -------
    ndarray of float32, (R, n)
    """
    system = SparseSystem(problem, prior[:-1])
    conjugate_gradients(system, tolerance * problem.gamma, progress or Progress())
    system.write(prior[:-1])
    np.maximum(1 - prior[:-1].sum(axis=0), 0, out=prior[-1])
    return prior
