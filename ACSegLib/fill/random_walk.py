"""The random walk's linear system on one slab, and its solution.

For each class s the probabilities x minimise

    sum over edges w_ij (x_i - x_j)^2  +  gamma sum_i (x_i - lambda_i)^2,

with x fixed on the drawn voxels: the random walker with prior models (Grady 2005, doi:10.1109/CVPR.2005.239), that is
(L + gamma) x = B m + gamma lambda, where L is the graph Laplacian of the free voxels. It is solved, without building
a matrix, by conjugate gradients on the system scaled to a unit diagonal (equal to Jacobi preconditioning).

The stopping rule bounds the error of the probabilities: every row of L + gamma sums to at least gamma, so the largest
error is at most the largest residual over gamma.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ACSegLib.compute import choose_device, free_cached_memory, is_out_of_memory
from ACSegLib.errors import MemoryLimitError
from ACSegLib.jobs import Progress

#: Smallest weight of an edge, so that no voxel is cut off.
EDGE_FLOOR = 1e-4

#: Largest error of a probability.
TOLERANCE = 1e-3

#: Iterations after which the solver gives up; far beyond what the bound needs.
MOST_ITERATIONS = 3000


@dataclass
class SlabProblem:
    """One slab, turned so that the drawn slices lie along axis 0.

    Attributes
    ----------
    edges : ndarray of float32, (K, J, I)
        Image whose differences make the weights.
    seeds : ndarray of int16, (K, J, I)
        Class of drawn voxels, negative elsewhere.
    valid : ndarray of bool, (K, J, I)
        False outside the image: no edge leads there.
    beta, gamma : float
        Weights are exp(-beta d^2); strength of the prior.
    axis_weights : ndarray of float32, (3,)
        1 / h^2 along K, J, I, relative to the finest axis.
    """

    edges: np.ndarray
    seeds: np.ndarray
    valid: np.ndarray
    beta: float
    gamma: float
    axis_weights: np.ndarray


class Solver(Protocol):
    """Solves a slab for several classes at once."""

    name: str

    def solve(
        self,
        problem: SlabProblem,
        classes: list[int],
        prior: np.ndarray,
        start: np.ndarray,
        tolerance: float,
        progress: Progress,
    ) -> tuple[np.ndarray, int]:
        """Give the probabilities (R, K, J, I) float32 of some classes, and the iterations it took.

        Parameters
        ----------
        prior, start : ndarray of float32, (R, K, J, I)
            Prior and first guess of each class; `start` is overwritten with the result.
        """
        ...


class CpuSolver:
    """Compiled loops on all cores."""

    name = "cpu"

    def solve(
        self,
        problem: SlabProblem,
        classes: list[int],
        prior: np.ndarray,
        start: np.ndarray,
        tolerance: float = TOLERANCE,
        progress: Progress | None = None,
    ) -> tuple[np.ndarray, int]:
        """See `Solver`."""
        from ACSegLib.fill import walk_kernels as kernels

        count, shape = len(classes), problem.seeds.shape
        fix_seeds(start, problem.seeds, classes)
        wk, wj, wi = (np.empty(shape, np.float32) for _ in range(3))
        kernels.edge_weights(
            problem.edges,
            problem.valid,
            np.float32(problem.beta),
            problem.axis_weights,
            np.float32(EDGE_FLOOR),
            wk,
            wj,
            wi,
        )
        scale = np.empty(shape, np.float32)
        residual = np.empty_like(start)
        kernels.start_system(wk, wj, wi, np.float32(problem.gamma), problem.seeds, prior, start, scale, residual)
        kernels.scale_weights(wk, wj, wi, scale)
        correction = np.zeros_like(start)
        direction, product = residual.copy(), np.zeros_like(start)
        sums = np.empty((count, kernels.BLOCKS))
        peaks = np.empty((count, kernels.BLOCKS), np.float32)
        active = np.ones(count, np.bool_)
        alpha = np.zeros(count, np.float32)
        kernels.step(alpha, direction, product, active, correction, residual, sums)
        power = sums.sum(1)
        done = 0
        for iteration in range(MOST_ITERATIONS + 1):
            if progress is not None:
                progress.check()
            if iteration % 4 == 0:
                kernels.largest_residual(residual, scale, peaks)
                active &= peaks.max(1) > tolerance * problem.gamma
                if not active.any():
                    break
            done += 1
            kernels.multiply(wk, wj, wi, direction, active, product, sums)
            curvature = sums.sum(1)
            alpha[:] = np.where(active & (curvature > 0), power / np.maximum(curvature, 1e-300), 0)
            kernels.step(alpha, direction, product, active, correction, residual, sums)
            fresh = np.where(active, sums.sum(1), power)
            turn = np.where(power > 0, fresh / np.maximum(power, 1e-300), 0).astype(np.float32)
            power = fresh
            kernels.turn(turn, residual, active, direction)
        kernels.add_scaled(correction, scale, start)
        return start, done


class TorchSolver:
    """The same iterations in torch, for CUDA devices (and any other that torch knows).

    Parameters
    ----------
    device : str
        Name of a torch device.
    otherwise : Solver, optional
        Solves the slabs for which the device has not enough memory; without it they are an error.
    """

    def __init__(self, device: str = "cuda", otherwise: Solver | None = None) -> None:
        import torch

        self.name = f"torch:{device}"
        self._device = torch.device(device)
        self._otherwise = otherwise

    def solve(
        self,
        problem: SlabProblem,
        classes: list[int],
        prior: np.ndarray,
        start: np.ndarray,
        tolerance: float = TOLERANCE,
        progress: Progress | None = None,
    ) -> tuple[np.ndarray, int]:
        """See `Solver`; MemoryLimitError where a slab does not fit on the device and nothing else may solve it."""
        progress = progress or Progress()
        try:
            return self._solve(problem, classes, prior, start, tolerance, progress)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if self._otherwise is None:
                raise MemoryLimitError(
                    f"a slab of {problem.seeds.shape} voxels does not fit in the memory of device {self._device}; use "
                    "--device auto or cpu, or draw more slices so that slabs get thinner."
                ) from error
        free_cached_memory(self._device.type)
        self.name = f"torch:{self._device}, and {self._otherwise.name} where memory ran out"
        return self._otherwise.solve(problem, classes, prior, start, tolerance, progress)

    def _solve(
        self,
        problem: SlabProblem,
        classes: list[int],
        prior: np.ndarray,
        start: np.ndarray,
        tolerance: float,
        progress: Progress,
    ) -> tuple[np.ndarray, int]:
        import torch

        with torch.no_grad():
            fix_seeds(start, problem.seeds, classes)
            x = torch.from_numpy(start).to(self._device)
            system = _TorchSystem(problem, self._device)
            residual = system.residual(torch.from_numpy(prior).to(self._device), x)
            correction = torch.zeros_like(x)
            direction = residual.clone()
            power = _dots(residual, residual)
            done = 0
            for iteration in range(MOST_ITERATIONS + 1):
                progress.check()
                if iteration % 4 == 0 and system.largest(residual) <= tolerance * problem.gamma:
                    break
                done += 1
                product = system.multiply(direction)
                curvature = _dots(direction, product)
                alpha = torch.where(curvature > 0, power / curvature.clamp_min(1e-300), 0.0)
                factor = alpha.to(x.dtype).view(-1, 1, 1, 1)
                correction += factor * direction
                residual -= factor * product
                fresh = _dots(residual, residual)
                turn = (fresh / power.clamp_min(1e-300)).to(x.dtype).view(-1, 1, 1, 1)
                direction = residual + turn * direction
                power = fresh
            x += system.scale * correction
            start[...] = x.clamp_(0, 1).cpu().numpy()
        return start, done


def _dots(a: Any, b: Any) -> Any:
    """Inner products of each right-hand side, in float64."""
    return (a * b).double().sum(dim=(1, 2, 3))


class _TorchSystem:
    """The scaled system as three weight tensors on a device."""

    def __init__(self, problem: SlabProblem, device: Any) -> None:
        import torch

        image = torch.from_numpy(problem.edges).to(device)
        valid = torch.from_numpy(problem.valid).to(device)
        self.gamma = problem.gamma
        self.weights = []
        total = torch.full_like(image, problem.gamma)
        for axis in range(3):
            n = image.shape[axis] - 1
            near, far = image.narrow(axis, 0, n), image.narrow(axis, 1, n)
            both = valid.narrow(axis, 0, n) & valid.narrow(axis, 1, n)
            weight = (torch.exp(-problem.beta * (far - near) ** 2) + EDGE_FLOOR) * float(problem.axis_weights[axis])
            weight = weight * both
            total.narrow(axis, 0, n).add_(weight)
            total.narrow(axis, 1, n).add_(weight)
            self.weights.append(weight)
        self.total = total
        free = torch.from_numpy(problem.seeds).to(device) < 0
        self.scale = torch.where(free, total.rsqrt(), torch.zeros_like(total))

    def _neighbours(self, x: Any) -> Any:
        """Weighted sum of each voxel's neighbours."""
        out = x.new_zeros(x.shape)
        for axis, weight in enumerate(self.weights):
            n = x.shape[axis + 1] - 1
            out.narrow(axis + 1, 0, n).add_(weight * x.narrow(axis + 1, 1, n))
            out.narrow(axis + 1, 1, n).add_(weight * x.narrow(axis + 1, 0, n))
        return out

    def residual(self, prior: Any, x: Any) -> Any:
        """Scaled residual of a guess; scales the weights on the way out."""
        flow = self.gamma * prior - self.total * x + self._neighbours(x)
        for axis, weight in enumerate(self.weights):
            n = weight.shape[axis]
            weight *= self.scale.narrow(axis, 0, n) * self.scale.narrow(axis, 1, n)
        return self.scale * flow

    def multiply(self, p: Any) -> Any:
        """(I - W) p."""
        return p - self._neighbours(p)

    def largest(self, residual: Any) -> float:
        """Largest unscaled residual."""
        import torch

        safe = torch.where(self.scale > 0, self.scale, torch.ones_like(self.scale))
        return float((residual.abs() / safe).max())


def fix_seeds(x: np.ndarray, seeds: np.ndarray, classes: list[int]) -> None:
    """Set drawn voxels to 1 for their class and 0 for the others, in place."""
    drawn = seeds >= 0
    values = seeds[drawn]
    for r, c in enumerate(classes):
        x[r][drawn] = values == c


def choose_solver(device: str = "auto") -> Solver:
    """Solver for a device as `ACSegLib.compute.choose_device` knows it; with "auto" the processor helps out.

    Where the device that was asked for is missing, the processor solves, and the solver's name says why.
    """
    chosen = choose_device(device.removeprefix("torch:"))
    if chosen.name == "cpu":
        solver = CpuSolver()
        solver.name = f"cpu ({chosen.note})" if chosen.note else "cpu"
        return solver
    return TorchSolver(chosen.name, otherwise=CpuSolver() if device == "auto" else None)
