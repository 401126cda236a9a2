"""The random walk on the processor: compiled loops on all cores."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.fill.walk.random_walk import SlabProblem, System


class CpuSystem(System):
    """The scaled system as three weight arrays; x is the start plus a scaled correction."""

    def __init__(
        self, problem: SlabProblem, prior: np.ndarray, start: np.ndarray, check: Callable[[], None] = lambda: None
    ) -> None:
        from ACSegLib.fill.walk import kernels

        self._kernels = kernels
        shape = problem.seeds.shape
        self._start = start
        given = problem.given_weights()
        self._weights = given or tuple(np.empty(shape, np.float32) for _ in range(3))
        self._scale = np.empty(shape, np.float32)
        self._residual = np.empty_like(start)
        if given is None:
            kernels.edge_weights(
                problem.edges,
                problem.walls,
                problem.valid,
                np.float32(problem.beta),
                problem.axis_weights,
                np.float32(constants.MIN_EDGE_WEIGHT),
                self._weights,
            )
        check()
        kernels.start_system(
            self._weights, np.float32(problem.gamma), problem.seeds, prior, start, self._scale, self._residual
        )
        check()
        kernels.scale_weights(self._weights, self._scale)
        check()
        self._correction = np.zeros_like(start)
        self._direction, self._product = self._residual.copy(), np.zeros_like(start)
        self._sums = np.empty((len(start), kernels.BLOCKS))
        self._peaks = np.empty((len(start), kernels.BLOCKS), np.float32)

    def squared_norms(self) -> np.ndarray:
        """See `System`."""
        count = len(self._start)
        return self.step(np.zeros(count, np.float32), np.ones(count, np.bool_))

    def largest_residuals(self) -> np.ndarray:
        """See `System`."""
        self._kernels.largest_residual(self._residual, self._scale, self._peaks)
        return np.asarray(self._peaks.max(1))

    def multiply(self, active: np.ndarray) -> np.ndarray:
        """See `System`."""
        self._kernels.multiply(self._weights, self._direction, active, self._product, self._sums)
        return np.asarray(self._sums.sum(1))

    def step(self, alpha: np.ndarray, active: np.ndarray) -> np.ndarray:
        """See `System`."""
        search = (self._direction, self._product)
        self._kernels.step(alpha, search, active, self._correction, self._residual, self._sums)
        return np.asarray(self._sums.sum(1))

    def renew_direction(self, beta: np.ndarray, active: np.ndarray) -> None:
        """See `System`."""
        self._kernels.renew_direction(beta, self._residual, active, self._direction)

    def write(self, out: np.ndarray) -> None:
        """See `System`."""
        if out is not self._start:
            out[...] = self._start
        self._kernels.add_scaled(self._correction, self._scale, out)
