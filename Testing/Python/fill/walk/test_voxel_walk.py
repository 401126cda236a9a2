"""The walk among a few voxels of a slab against the walk through the whole slab."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib.fill.walk.random_walk import SlabProblem
from ACSegLib.fill.walk.solvers import CpuSolver
from ACSegLib.fill.walk.voxel_walk import VoxelWalk

SHAPE = (6, 11, 9)
WEIGHTS = np.array([0.25, 1.0, 1.0], np.float32)
GAMMA, BETA, TOLERANCE = 0.01, 30.0, 1e-4


@pytest.mark.parametrize("classes", [2, 3])
def test_it_gives_what_the_walk_through_the_slab_gives(classes: int) -> None:
    rng = np.random.default_rng(classes)
    valid = rng.random(SHAPE) < 0.8
    seeds = np.where(rng.random(SHAPE) < 0.1, rng.integers(0, classes, SHAPE), -1).astype(np.int16)
    image = rng.random(SHAPE, np.float32)
    prior = rng.dirichlet(np.ones(classes), SHAPE).astype(np.float32).transpose(3, 0, 1, 2).copy()
    problem = SlabProblem(image, seeds, valid, BETA, GAMMA, WEIGHTS)
    whole, _ = CpuSolver().solve(problem, list(range(classes)), prior, prior.copy(), TOLERANCE)
    places = np.flatnonzero(valid)
    known = seeds.ravel()[places] >= 0
    shares = prior.reshape(classes, -1)[:, places]
    shares[:, known] = seeds.ravel()[places][known] == np.arange(classes)[:, None]
    few = VoxelWalk(image, places, known, shares, WEIGHTS, BETA).solve(GAMMA, TOLERANCE)
    assert np.abs(few - whole.reshape(classes, -1)[:, places]).max() < 5 * TOLERANCE


def test_without_anything_open_the_shares_stay() -> None:
    shares = np.array([[1, 0, 1], [0, 1, 0]], np.float32)
    walk = VoxelWalk(np.zeros((1, 1, 3), np.float32), np.arange(3), np.ones(3, bool), shares, WEIGHTS, BETA)
    assert np.array_equal(walk.solve(GAMMA, TOLERANCE), shares)
