"""A class of many is solved in a box around it, as exactly as in the whole slab and in a part of the time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from walkcases import direct, problem

from ACSegLib.errors import Cancelled
from ACSegLib.fill.constants import TOLERANCE
from ACSegLib.fill.walk.boxed import solve_boxed
from ACSegLib.fill.walk.random_walk import SlabProblem
from ACSegLib.fill.walk.solvers import CpuSolver
from ACSegLib.jobs import Progress

SHAPE = (12, 20, 26)


class Counting(CpuSolver):
    """Notes the shapes that it solves."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def solve(self, problem, *arguments):
        self.shapes.append(problem.seeds.shape)
        return super().solve(problem, *arguments)


def small_class(gamma, weights=(1.0, 1.0, 1.0), image=None, given=False):
    """A slab with one seed of class 1 amid free voxels, its prior around it, and where both lie."""
    p = problem(SHAPE, gamma=gamma, weights=weights, given=given)
    p.seeds[:] = -1
    p.seeds[0], p.seeds[5, 10, 8] = 0, 1
    prior = np.zeros(SHAPE, np.float32)
    prior[4:7, 9:12, 7:11] = 0.9
    return (p if image is None else replace(p, edges=image)), prior, (slice(4, 7), slice(9, 12), slice(7, 11))


def boxed(p: SlabProblem, prior, start, solver=None, progress=None):
    """The walk in a box, and its probabilities in the whole slab."""
    walk = solve_boxed(solver or CpuSolver(), p, 1, lambda box: prior[box], start, TOLERANCE, progress or Progress())
    whole = np.zeros(p.seeds.shape)
    whole[walk.box] = walk.x[0]
    return walk, whole


@pytest.mark.parametrize("gamma", [3.0, 0.3, 0.02])
@pytest.mark.parametrize("weights", [(1, 1, 1), (0.04, 1, 0.25)])
@pytest.mark.parametrize("given", [False, True])
def test_probabilities_are_those_of_a_direct_solution_of_the_whole_slab(gamma, weights, given):
    p, prior, start = small_class(gamma, weights, given=given)
    walk, whole = boxed(p, prior, start)
    assert np.abs(whole - direct(p, [1], prior[None])[0]).max() <= TOLERANCE
    np.testing.assert_array_equal(walk.prior[0], prior[walk.box])


def test_a_box_grows_where_a_class_leaks_and_not_elsewhere():
    """Along a line without edges in an image of edges, the class goes far; across it, it does not."""
    image = np.random.default_rng(0).random(SHAPE, np.float32) * 100
    image[5, 10] = 0
    p, prior, start = small_class(0.1, image=image)
    walk, whole = boxed(p, prior, start)
    assert walk.box[2] == slice(0, SHAPE[2])
    assert walk.box[1] != slice(0, SHAPE[1])
    assert np.abs(whole - direct(p, [1], prior[None])[0]).max() <= TOLERANCE


def test_a_strong_prior_keeps_the_box_small():
    p, prior, start = small_class(30.0)
    solver = Counting()
    boxed(p, prior, start, solver)
    assert sum(np.prod(shape) for shape in solver.shapes) < 0.6 * p.seeds.size


def test_a_walk_in_a_box_can_be_cancelled():
    p, prior, start = small_class(1.0)
    with pytest.raises(Cancelled):
        boxed(p, prior, start, progress=Progress(cancelled=lambda: True))
