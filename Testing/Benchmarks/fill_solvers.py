"""Jacobi against multigrid: solvers of the random walk's linear system on one slab, to the same error bound."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from fill_bench import Bench
from harness import markdown_table, seconds

#: Strengths of the prior; the system is the harder the weaker the prior is.
GAMMAS = (1e-3, 1e-2, 1e-1)
#: Weight of an edge is exp(-beta d^2) for intensities of 0 to 1.
BETA = 300.0


def solvers(bench: Bench) -> None:
    """Time to bring the largest error of a probability below 1e-3, for ACSeg's solver and for multigrid."""
    case = bench.phantom((64,) * 3 if bench.options.quick else (128,) * 3)
    first, last = case.slices["k"][1:3]
    image = case.image[first : last + 1].astype(np.float64)
    low, high = np.percentile(case.image, (0.5, 99.5))
    image = np.clip((image - low) / (high - low), 0, 1).astype(np.float32)
    seeds = np.full(image.shape, -1, np.int16)
    seeds[0], seeds[-1] = case.truth[first], case.truth[last]
    lines = []
    for gamma in GAMMAS:
        problem = _problem(image, seeds, gamma)
        matrix, right = _system(problem)
        reference = _conjugate_gradients(matrix, right, 1e-10)[0]
        for name, solve in _solvers(problem, matrix, right).items():
            try:
                solve()  # loads compiled code
                started = time.perf_counter()
                x, iterations = solve()
            except ImportError as error:
                lines.append((gamma, name, f"not installed ({error.name})", "", ""))
                continue
            took = time.perf_counter() - started
            error = float(np.abs(x - reference).max())
            lines.append((gamma, name, seconds(took), iterations, f"{error:.1e}"))
            if name.startswith("ACSeg"):
                bench.target(f"solver, gamma {gamma}", "error <= 1e-3", f"{error:.1e}", error <= 1e-3)
    shape = " x ".join(str(n) for n in image.shape[::-1])
    bench.notes.append(f"Solvers, one label, slab of {shape} voxels:\n\n" + markdown_table(
        ("gamma", "solver", "s", "iterations", "largest error"), lines))  # fmt: skip


def _problem(image: np.ndarray, seeds: np.ndarray, gamma: float) -> Any:
    from ACSegLib.fill.walk.random_walk import SlabProblem

    ones = np.ones(3, np.float32)
    return SlabProblem(image, seeds, np.ones(image.shape, bool), BETA, gamma, ones)


def _system(problem: Any) -> tuple[Any, np.ndarray]:
    """The matrix and right-hand side of label 1 on the free voxels, float64, with a prior of one half everywhere."""
    from scipy.sparse import coo_array, diags_array

    from ACSegLib.fill.constants import MIN_EDGE_WEIGHT

    shape = problem.seeds.shape
    numbers = np.arange(problem.seeds.size).reshape(shape)
    rows, columns, weights = [], [], []
    for axis in range(3):
        lower = [slice(None)] * 3
        upper = [slice(None)] * 3
        lower[axis], upper[axis] = slice(None, -1), slice(1, None)
        step = np.diff(problem.edges.astype(np.float64), axis=axis)
        rows.append(numbers[tuple(lower)].ravel())
        columns.append(numbers[tuple(upper)].ravel())
        weights.append((np.exp(-problem.beta * step**2) + MIN_EDGE_WEIGHT).ravel())
    row, column, weight = (np.concatenate(parts) for parts in (rows, columns, weights))
    size = problem.seeds.size
    links = coo_array((weight, (row, column)), shape=(size, size)).tocsr()
    links = links + links.T
    laplacian = (diags_array(links.sum(axis=1)) - links).tocsr()
    free = np.flatnonzero(problem.seeds.ravel() < 0)
    drawn = np.flatnonzero(problem.seeds.ravel() >= 0)
    inner = laplacian[free][:, free] + problem.gamma * diags_array(np.ones(len(free)))
    known = (problem.seeds.ravel()[drawn] == 1).astype(np.float64)
    return inner.tocsr(), 0.5 * problem.gamma - laplacian[free][:, drawn] @ known


def _solvers(problem: Any, matrix: Any, right: np.ndarray) -> dict[str, Callable[[], tuple[np.ndarray, int]]]:
    bound = 1e-3 * problem.gamma
    return {
        "ACSeg: matrix-free Jacobi CG, float32": lambda: _acseg(problem),
        "Jacobi CG on the stored matrix, float64": lambda: _conjugate_gradients(matrix, right, bound),
        "smoothed-aggregation multigrid CG (pyamg), set-up included": lambda: _multigrid(matrix, right, bound),
    }


def _acseg(problem: Any) -> tuple[np.ndarray, int]:
    from ACSegLib.fill.walk.solvers import CpuSolver

    half = np.full((1, *problem.seeds.shape), 0.5, np.float32)
    x, iterations = CpuSolver().solve(problem, [1], half, half.copy(), 1e-3)
    return x[0][problem.seeds < 0].astype(np.float64), iterations


def _conjugate_gradients(
    matrix: Any, right: np.ndarray, bound: float, precondition: Callable[[np.ndarray], np.ndarray] | None = None
) -> tuple[np.ndarray, int]:
    """Preconditioned conjugate gradients until the largest residual is below `bound`; Jacobi by default."""
    inverse = 1 / matrix.diagonal()
    precondition = precondition or (lambda residual: inverse * residual)
    x = np.full(len(right), 0.5)
    residual = right - matrix @ x
    scaled = precondition(residual)
    direction, power, iterations = scaled, residual @ scaled, 0
    while np.abs(residual).max() > bound:
        product = matrix @ direction
        step = power / (direction @ product)
        x += step * direction
        residual -= step * product
        scaled = precondition(residual)
        power, previous = residual @ scaled, power
        direction = scaled + (power / previous) * direction
        iterations += 1
    return x, iterations


def _multigrid(matrix: Any, right: np.ndarray, bound: float) -> tuple[np.ndarray, int]:
    import pyamg

    operator = pyamg.smoothed_aggregation_solver(matrix).aspreconditioner()
    return _conjugate_gradients(matrix, right, bound, operator.matvec)
