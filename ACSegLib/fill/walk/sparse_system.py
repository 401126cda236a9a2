"""The random walk on the free voxels alone, for volumes most of which are seeds.

`cpu_backend` keeps and multiplies arrays of the whole slab. Where few voxels are free, such as those of a band along a
surface, a list of them with their neighbours takes a part of the time and of the memory. The iterations are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    differences : ndarray of float32, (n, 6)
        Of the image, to each neighbour; overwritten by the weights.
    neighbours : ndarray of int32, (n, 6)
        See `ACSegLib.fill.walk.sparse_kernels`; overwritten.
    beta, gamma : float
        Weights are exp(-beta d^2); strength of the prior.
    axis_weights : tuple of float
        Factors of the weights along each axis.
    """

    differences: np.ndarray
    neighbours: np.ndarray
    beta: float
    gamma: float
    axis_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)


class SparseSystem(CpuSystem):
    """The scaled system of the free voxels; the walk starts from its prior (R, n)."""

    def __init__(self, problem: SparseProblem, prior: np.ndarray) -> None:
        from ACSegLib.fill.walk import kernels as walk_kernels
        from ACSegLib.fill.walk import sparse_kernels

        self._kernels, self._sparse_kernels = walk_kernels, sparse_kernels
        classes, count = prior.shape
        rows = -(-count // _ROW)
        self._start, self._count = prior, count
        self._edges, self._neighbours = problem.differences, problem.neighbours
        self._scale = np.zeros((rows, 1, _ROW), np.float32)
        self._residual = np.zeros((classes, rows, 1, _ROW), np.float32)
        self._correction, self._product = np.zeros_like(self._residual), np.zeros_like(self._residual)
        gamma, scale = np.float32(problem.gamma), self._scale.reshape(-1)
        floor = np.float32(constants.MIN_EDGE_WEIGHT)
        along = np.array(problem.axis_weights, np.float32)
        sparse_kernels.edge_weights(self._edges, self._neighbours, along, np.float32(problem.beta), floor)
        sparse_kernels.start_system(self._edges, self._neighbours, gamma, prior, scale, self._listed(self._residual))
        sparse_kernels.scale_weights(self._edges, self._neighbours, scale)
        self._direction = self._residual.copy()
        self._sums = np.empty((classes, walk_kernels.BLOCKS))
        self._peaks = np.empty((classes, walk_kernels.BLOCKS), np.float32)

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
