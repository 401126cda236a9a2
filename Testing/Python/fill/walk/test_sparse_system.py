import numpy as np
import pytest

from ACSegLib.errors import Cancelled
from ACSegLib.fill.walk.random_walk import SlabProblem
from ACSegLib.fill.walk.solvers import CpuSolver
from ACSegLib.fill.walk.sparse_kernels import link
from ACSegLib.fill.walk.sparse_system import SparseProblem, solve_sparse
from ACSegLib.jobs import Progress

SHAPE, BETA, GAMMA = (11, 12, 13), 3.0, 0.05


def volume(free_part, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    image = rng.normal(size=SHAPE).astype(np.float32)
    seeds = rng.integers(0, classes, SHAPE).astype(np.int16)
    seeds[rng.random(SHAPE) < free_part] = -1
    prior = rng.random((classes, *SHAPE)).astype(np.float32)
    return image, seeds, prior / prior.sum(0)


def sparse_problem(image, seeds):
    free = seeds < 0
    index = (np.cumsum(free) - 1).reshape(SHAPE).astype(np.int32)
    count = int(free.sum())
    here, differences = np.empty(count, np.float32), np.empty((count, 6), np.float32)
    neighbours = np.empty((count, 6), np.int32)
    link(image, seeds, index, (0, SHAPE[0]), here, differences, neighbours)
    assert np.array_equal(here, image[free])
    return SparseProblem.of(differences, neighbours, BETA, GAMMA)


@pytest.mark.parametrize(("free_part", "classes"), [(0.05, 3), (0.7, 2), (0.7, 4), (1.0, 5)])
def test_free_voxels_alone_have_the_probabilities_of_the_whole_volume(free_part, classes):
    image, seeds, prior = volume(free_part, classes)
    whole = SlabProblem(image, seeds, np.ones(SHAPE, bool), BETA, GAMMA, np.ones(3, np.float32))
    expected, _ = CpuSolver().solve(whole, list(range(classes)), prior, prior.copy(), tolerance=1e-5)
    free = seeds < 0
    found = solve_sparse(sparse_problem(image, seeds), np.ascontiguousarray(prior[:, free]), tolerance=1e-5)
    assert found == pytest.approx(expected[:, free], abs=3e-5)
    assert np.abs(found - prior[:, free]).max() > 0.1  # the walk did something


def test_a_walk_over_more_than_one_row_can_be_cancelled():
    image, seeds, prior = volume(1.0)
    assert image.size > 1024
    with pytest.raises(Cancelled):
        solve_sparse(sparse_problem(image, seeds), prior.reshape(3, -1), progress=Progress(cancelled=lambda: True))
