"""The random walk of one class of many, in the part of a slab where it can come out.

The probability of a class falls off quickly beyond its prior and its seeds. So it is solved in a box around them, which
grows where it turns out to be too small: what would flow out of the box is a residual of the whole system, and the
largest residual bounds the error of the probabilities (`random_walk`). A cell among a hundred costs what its box costs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ACSegLib.fill.constants import MAX_LEARNED_WEIGHT, MIN_EDGE_WEIGHT
from ACSegLib.fill.walk.random_walk import SlabProblem
from ACSegLib.fill.walk.solvers import Solver
from ACSegLib.jobs import Progress
from ACSegLib.masks import Box, relative_box

#: Part of the error that is due to the end of the box, and prior that is left out beyond it, as a share of the
#: tolerance. Bound.
CUT_SHARE = 0.1

#: Voxels around what a class starts from, at first and where this is not enough. Bound.
MARGIN, MORE = 7, 6


@dataclass(frozen=True)
class BoxedWalk:
    """Probabilities of one class in a box of a slab, 0 beyond it except for seeds of the class.

    Attributes
    ----------
    box : tuple of slice
    x, prior : ndarray of float32, (1, K, J, I) of the box
    iterations : int
    """

    box: Box
    x: np.ndarray
    prior: np.ndarray
    iterations: int


def solve_boxed(
    solver: Solver,
    problem: SlabProblem,
    c: int,
    prior_of: Callable[[Box], np.ndarray],
    start: Box,
    tolerance: float,
    progress: Progress,
) -> BoxedWalk:
    """Solve a class, with an error of at most `tolerance`.

    Parameters
    ----------
    solver : Solver
    problem : SlabProblem
    c : int
        The class.
    prior_of : callable
        Gives its prior in a box, (K, J, I) float32.
    start : tuple of slice
        Holds its seeds beside free voxels, and its prior where that is more than `CUT_SHARE` of the tolerance.
    tolerance : float
    progress : Progress
    """
    shape = problem.seeds.shape
    largest = 1 if problem.weights is None else MAX_LEARNED_WEIGHT
    bound = leak_bound(tolerance, problem.gamma, problem.axis_weights * largest)
    box, total = start, 0
    grow: np.ndarray = np.full((3, 2), MARGIN)
    found: BoxedWalk | None = None
    while found is None or grow.any():
        box = _grown(box, grow, shape)
        prior = np.ascontiguousarray(prior_of(box), np.float32)[None]
        begun = prior.copy()
        if found is not None:
            begun[(slice(None), *relative_box(found.box, box))] = found.x
        part = problem.part(box)
        x, done = solver.solve(part, [c], prior, begun, (1 - CUT_SHARE) * tolerance, progress)
        total += done
        found = BoxedWalk(box, x, prior, total)
        grow = MORE * _leaks(np.where((part.seeds < 0) & part.valid, x[0], 0), box, shape, bound)
    return found


def leak_bound(tolerance: float, gamma: float, axis_weights: np.ndarray) -> np.ndarray:
    """Probability at the end of a box, along each axis, whose flow out of it costs `CUT_SHARE` of the tolerance."""
    return CUT_SHARE * tolerance * gamma / (axis_weights * (1 + MIN_EDGE_WEIGHT))


def _leaks(x: np.ndarray, box: Box, shape: tuple[int, ...], bound: np.ndarray) -> np.ndarray:
    """Whether more than the bound flows out at each side of a box, where the slab does not end; bool, (3, 2)."""
    found = np.zeros((3, 2), bool)
    for axis in range(3):
        faces = np.moveaxis(x, axis, 0)
        inside = (box[axis].start > 0, box[axis].stop < shape[axis])
        for end, face in enumerate((faces[0], faces[-1])):
            found[axis, end] = inside[end] and float(face.max()) > bound[axis]
    return found


def _grown(box: Box, steps: np.ndarray, shape: tuple[int, ...]) -> Box:
    sides = (
        slice(max(side.start - int(low), 0), min(side.stop + int(high), size))
        for side, (low, high), size in zip(box, steps, shape, strict=True)
    )
    return tuple(sides)  # type: ignore[return-value]
