"""Solvers of slabs: conjugate gradients on the processor or on a torch device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np

from ACSegLib.compute import choose_device, free_cached_memory, is_out_of_memory, threads
from ACSegLib.errors import MemoryLimitError
from ACSegLib.fill import constants
from ACSegLib.fill.walk.cpu_backend import CpuSystem
from ACSegLib.fill.walk.random_walk import SlabProblem, System, conjugate_gradients, fix_seeds
from ACSegLib.fill.walk.sparse_system import SparseProblem, SparseSystem
from ACSegLib.fill.walk.torch_backend import SparseTorchSystem, TorchSystem
from ACSegLib.geometry import size_text
from ACSegLib.jobs import Progress


class Solver(ABC):
    """Solves a slab for several classes at once."""

    name: str
    #: What a person should know of the choice; empty if there is nothing.
    note: str = ""

    @property
    def at_once(self) -> int:
        """Problems that are best solved at the same time, where there are many small ones."""
        return 1

    @abstractmethod
    def _system(self, problem: SlabProblem, prior: np.ndarray, start: np.ndarray, check: Callable[[], None]) -> System:
        """The scaled system of a slab; `prior` and `start` are float32, (R, K, J, I)."""

    def solve(
        self,
        problem: SlabProblem,
        classes: list[int],
        prior: np.ndarray,
        start: np.ndarray,
        tolerance: float = constants.TOLERANCE,
        progress: Progress | None = None,
    ) -> tuple[np.ndarray, int]:
        """Give the probabilities (R, K, J, I) float32 of some classes, and the iterations it took.

        Parameters
        ----------
        prior, start : ndarray of float32, (R, K, J, I)
            Prior and initial value of each class; `start` is overwritten with the result.
        tolerance : float
            Bound on the error of the probabilities.
        """
        progress = progress or Progress()
        fix_seeds(start, problem.seeds, classes)
        progress.check()
        system = self._system(problem, prior, start, progress.check)
        done = conjugate_gradients(system, tolerance * problem.gamma, progress)
        system.write(start)
        return start, done

    @abstractmethod
    def _sparse_system(
        self, problem: SparseProblem, prior: np.ndarray, start: np.ndarray, classes: list[int]
    ) -> System:
        """The scaled system of a list of voxels; `prior` and `start` are float32, (R, n)."""

    def solve_sparse(
        self,
        problem: SparseProblem,
        classes: list[int],
        prior: np.ndarray,
        start: np.ndarray,
        tolerance: float = constants.TOLERANCE,
        progress: Progress | None = None,
    ) -> tuple[np.ndarray, int]:
        """As `solve`, of a list of free voxels; the arrays of the problem are overwritten.

        Parameters
        ----------
        prior, start : ndarray of float32, (R, n)
            Prior and initial value of each class.
        """
        progress = progress or Progress()
        system = self._sparse_system(problem, prior, start, classes)
        done = conjugate_gradients(system, tolerance * problem.gamma, progress)
        found = np.empty_like(prior)
        system.write(found)
        return found, done


class CpuSolver(Solver):
    """Compiled loops on all cores.

    Parameters
    ----------
    note : str
        Why it is used and not what was asked for; empty if it was.
    """

    def __init__(self, note: str = "") -> None:
        self.name, self.note = "cpu", note

    @property
    def at_once(self) -> int:
        """One on each core."""
        return threads()

    def _system(self, problem: SlabProblem, prior: np.ndarray, start: np.ndarray, check: Callable[[], None]) -> System:
        return CpuSystem(problem, prior, start, check)

    def _sparse_system(
        self, problem: SparseProblem, prior: np.ndarray, start: np.ndarray, classes: list[int]
    ) -> System:
        return SparseSystem(problem, prior, classes, start)


class TorchSolver(Solver):
    """The same iterations in PyTorch.

    Parameters
    ----------
    device : str
        Name of a torch device.
    fallback : Solver, optional
        Solves the slabs for which the device has not enough memory; without it they are an error.
    """

    def __init__(self, device: str = "cuda", fallback: Solver | None = None) -> None:
        import torch

        self.name = f"torch:{device}"
        self._device = torch.device(device)
        self._fallback = fallback

    def solve(
        self,
        problem: SlabProblem,
        classes: list[int],
        prior: np.ndarray,
        start: np.ndarray,
        tolerance: float = constants.TOLERANCE,
        progress: Progress | None = None,
    ) -> tuple[np.ndarray, int]:
        """See `Solver.solve`; MemoryLimitError where a slab does not fit and nothing else may solve it."""

        def on(solver: Solver) -> tuple[np.ndarray, int]:
            return Solver.solve(solver, problem, classes, prior, start, tolerance, progress)

        return self._with_fallback(on, size_text(problem.seeds.shape))

    def solve_sparse(
        self,
        problem: SparseProblem,
        classes: list[int],
        prior: np.ndarray,
        start: np.ndarray,
        tolerance: float = constants.TOLERANCE,
        progress: Progress | None = None,
    ) -> tuple[np.ndarray, int]:
        """See `Solver.solve_sparse`; MemoryLimitError as for `solve`."""

        def on(solver: Solver) -> tuple[np.ndarray, int]:
            return Solver.solve_sparse(solver, problem, classes, prior, start, tolerance, progress)

        return self._with_fallback(on, str(len(problem.weights)))

    def _with_fallback(self, solve: Callable[[Solver], tuple[np.ndarray, int]], size: str) -> tuple[np.ndarray, int]:
        """What `solve` gives on the device, or on the processor where the memory of the device does not suffice."""
        import torch

        try:
            with torch.no_grad():
                return solve(self)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            if self._fallback is None:
                raise MemoryLimitError(
                    f"a slab of {size} voxels does not fit in the memory of device "
                    f"{self._device}; use --device auto or cpu, or label more slices so that slabs get thinner."
                ) from error
        free_cached_memory(self._device.type)
        self.name = f"torch:{self._device}, and {self._fallback.name} where memory ran out"
        return solve(self._fallback)

    def _system(self, problem: SlabProblem, prior: np.ndarray, start: np.ndarray, check: Callable[[], None]) -> System:
        return TorchSystem(problem, prior, start, self._device)

    def _sparse_system(
        self, problem: SparseProblem, prior: np.ndarray, start: np.ndarray, classes: list[int]
    ) -> System:
        return SparseTorchSystem(problem, prior, start, classes, self._device)


def choose_solver(device: str = "auto") -> Solver:
    """Solver for a device as `ACSegLib.compute.choose_device` knows it; with "auto" the processor helps out.

    Where the device that was asked for is missing, the processor solves, and the solver's note says so.
    """
    chosen = choose_device(device.removeprefix("torch:"))
    if chosen.name == "cpu":
        return CpuSolver(chosen.note and f"{chosen.note}.")
    return TorchSolver(chosen.name, fallback=CpuSolver() if device == "auto" else None)
