"""The random walk's linear system on one slab, and its solution by conjugate gradients.

For each class s the probabilities x minimise

    sum over edges w_ij (x_i - x_j)^2  +  gamma sum_i (x_i - lambda_i)^2,

with x fixed on the seeds: the random walker with prior models (Grady 2005, doi:10.1109/CVPR.2005.239), that is
(L + gamma) x = B m + gamma lambda, where L is the graph Laplacian of the free voxels. It is solved, without building
a matrix, by conjugate gradients on the system scaled to a unit diagonal (equal to Jacobi preconditioning).

The stopping rule bounds the error of the probabilities: every row of L + gamma sums to at least gamma, so the largest
error is at most the largest residual over gamma.

`cpu_backend` and `torch_backend` hold the vectors and multiply; the iterations are the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.jobs import Progress
from ACSegLib.masks import Box


@dataclass(frozen=True)
class SlabProblem:
    """One slab, with the labelled slices along axis 0.

    Attributes
    ----------
    edges : ndarray of float32, (K, J, I)
        Image whose differences make the weights, or height of walls.
    seeds : ndarray of int16, (K, J, I)
        Class of the seeds, negative elsewhere.
    valid : ndarray of bool, (K, J, I)
        False outside of the image: no edge leads there.
    beta, gamma : float
        Weights are exp(-beta d^2); strength of the prior.
    axis_weights : ndarray of float32, (3,)
        1 / h^2 along K, J, I, relative to the finest axis.
    walls : bool
        Whether d is the higher one of two neighbours, and not their difference.
    weights : ndarray of float32, (3, K, J, I), or None
        Weights to the next voxel along each axis instead, if they are known.
    """

    edges: np.ndarray
    seeds: np.ndarray
    valid: np.ndarray
    beta: float
    gamma: float
    axis_weights: np.ndarray
    walls: bool = False
    weights: np.ndarray | None = None

    def given_weights(self) -> tuple[np.ndarray, ...] | None:
        """`weights` times `axis_weights`, 0 at edges and invalid voxels, three arrays (K, J, I); None if not known."""
        if self.weights is None:
            return None
        found = tuple(w * h for w, h in zip(self.weights, self.axis_weights, strict=True))
        for axis, weight in enumerate(found):
            along, valid = np.moveaxis(weight, axis, 0), np.moveaxis(self.valid, axis, 0)
            along[:-1] *= valid[:-1] & valid[1:]
            along[-1] = 0
        return found

    def part(self, box: Box) -> SlabProblem:
        """The same in a box, as if the slab ended there."""
        edges, seeds, valid = (np.ascontiguousarray(a[box]) for a in (self.edges, self.seeds, self.valid))
        weights = None if self.weights is None else self.weights[(slice(None), *box)]
        return replace(self, edges=edges, seeds=seeds, valid=valid, weights=weights)


class System(ABC):
    """The scaled system of R classes, its residual r and search direction p, where a backend keeps them.

    Sums come back as float64 arrays (R,); classes that are not `active` may be left out of a step.
    """

    @abstractmethod
    def squared_norms(self) -> np.ndarray:
        """r . r of each class."""

    @abstractmethod
    def largest_residuals(self) -> np.ndarray:
        """Largest residual of each class, in the units of the system before it was scaled."""

    @abstractmethod
    def multiply(self, active: np.ndarray) -> np.ndarray:
        """Apply the matrix A to p; gives p . A p."""

    @abstractmethod
    def step(self, alpha: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Go along p by `alpha`, float32 (R,): x += alpha p, r -= alpha A p; gives r . r."""

    @abstractmethod
    def renew_direction(self, beta: np.ndarray, active: np.ndarray) -> None:
        """Choose the next direction, p = r + beta p, by `beta`, float32 (R,)."""

    @abstractmethod
    def write(self, out: np.ndarray) -> None:
        """Write the probabilities, kept within 0 and 1, to `out`, float32 (R, K, J, I)."""


def conjugate_gradients(system: System, bound: float, progress: Progress) -> int:
    """Iterate until no residual is larger than `bound`; gives the number of iterations.

    The number is above `constants.MAX_ITERATIONS` where that did not suffice.
    """
    power = system.squared_norms()
    active = np.ones(len(power), np.bool_)
    done = 0
    for iteration in range(constants.MAX_ITERATIONS + 1):
        progress.check()
        if iteration % constants.ITERATIONS_PER_CHECK == 0:
            active &= system.largest_residuals() > bound
            if not active.any():
                break
        done += 1
        curvature = system.multiply(active)
        alpha = np.where(active & (curvature > 0), power / np.maximum(curvature, 1e-300), 0)
        fresh = np.where(active, system.step(alpha.astype(np.float32), active), power)
        beta = np.where(power > 0, fresh / np.maximum(power, 1e-300), 0)
        system.renew_direction(beta.astype(np.float32), active)
        power = fresh
    return done


def fix_seeds(x: np.ndarray, seeds: np.ndarray, classes: list[int]) -> None:
    """Set seeds to 1 for their class and 0 for the others, in place."""
    known = seeds >= 0
    values = seeds[known]
    for r, c in enumerate(classes):
        x[r][known] = values == c
