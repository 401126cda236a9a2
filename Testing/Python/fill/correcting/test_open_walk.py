"""Work on a list of voxels against the same work on whole arrays."""

import itertools

import numpy as np
import pytest

from ACSegLib.fill.correcting.open_walk import OpenVoxels, _leaks
from ACSegLib.fill.prior import image_kernels
from ACSegLib.fill.prior.features import prepare
from ACSegLib.fill.walk.random_walk import SlabProblem
from ACSegLib.fill.walk.solvers import CpuSolver, TorchSolver
from ACSegLib.masks import outside_of

SHAPE = (6, 13, 40)
BETA, GAMMA, ALONG = 3.0, 0.05, np.array([0.25, 1.0, 0.5], np.float32)
BOX = np.array([[1, 5], [0, 9], [11, 40]])


@pytest.fixture
def mask():
    return np.random.default_rng(0).random(SHAPE) < 0.3


def test_voxels_in_a_box_are_found_in_their_order(mask):
    voxels = OpenVoxels.of(mask)
    box = tuple(slice(a, b) for a, b in BOX)
    inside = np.zeros(SHAPE, bool)
    inside[box] = mask[box]
    own = voxels.inside(BOX).places
    assert np.array_equal(voxels.places[own], np.flatnonzero(inside))
    assert not len(OpenVoxels.of(np.zeros(SHAPE, bool)).inside(BOX))


@pytest.mark.parametrize("seed", range(10))
def test_what_flows_out_of_a_box_is_found_at_the_sides_where_the_slab_goes_on(mask, seed):
    """The box ends with the slab at the first row and at the last column."""
    voxels, bound = OpenVoxels.of(mask), np.array([0.1, 0.3, 0.2], np.float32)
    inside = voxels.inside(BOX)
    x = (np.random.default_rng(seed).random(len(inside)) ** 60).astype(np.float32)
    whole = np.zeros(SHAPE, np.float32)
    whole.flat[voxels.places[inside.places]] = x
    part = whole[tuple(slice(a, b) for a, b in BOX)]
    high = [[part.take(at, axis).max() > bound[axis] for at in (0, -1)] for axis in range(3)]
    goes_on = np.array([[True, True], [False, True], [True, False]])
    assert np.array_equal(_leaks(x, voxels, inside, bound), np.array(high) & goes_on)


@pytest.mark.parametrize("solver", [CpuSolver(), TorchSolver("cpu")], ids=["compiled", "torch"])
@pytest.mark.parametrize("box", [None, BOX], ids=["all", "box"])
def test_walks_on_the_list_are_those_in_the_slab(mask, box, solver):
    """Some voxels have no image value. In a box, no walker goes to open voxels beyond it, but to seeds there."""
    if solver.name != "cpu":
        pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    seeds = np.where(mask, -1, rng.integers(0, 4, SHAPE)).astype(np.int16)
    seeds[rng.random(SHAPE) < 0.1] = -2
    image, classes = rng.normal(size=SHAPE).astype(np.float32), [3, 1]
    prior = rng.random((2, *SHAPE)).astype(np.float32)
    voxels = OpenVoxels.of(seeds == -1)
    listed, own = voxels.problem(image, seeds, BETA, GAMMA, ALONG), np.arange(len(voxels.places))
    if box is not None:
        inside = voxels.inside(box)
        listed, own = inside.part(listed), inside.places
        seeds = np.where((seeds == -1) & outside_of(tuple(slice(a, b) for a, b in box), SHAPE), -2, seeds)
    whole = SlabProblem(image, seeds, seeds != -2, BETA, GAMMA, ALONG)
    expected, _ = CpuSolver().solve(whole, classes, prior, prior.copy(), 1e-5)
    at = prior.reshape(2, -1)[:, voxels.places[own]]
    start = rng.random(at.shape).astype(np.float32)
    found, _ = solver.solve_sparse(listed, classes, np.ascontiguousarray(at), start, 1e-5)
    assert found == pytest.approx(expected.reshape(2, -1)[:, voxels.places[own]], abs=3e-5)
    assert np.abs(found - at).max() > 0.1  # the walk did something


def test_the_prior_at_some_voxels_is_that_of_the_slab(mask):
    """Rows with gaps between these voxels, at their ends, and without any."""
    rng = np.random.default_rng(2)
    mask[:, 3], mask[2, :, 5:30], mask[1, 4] = False, False, True
    features = prepare(rng.normal(size=SHAPE), (1, 1, 2), (-2, 2))
    edges, fine = features.slab(0, SHAPE[0])
    image = features.for_kernels(edges, fine, 0)
    distances, margin = rng.normal(0, 4, (2, *SHAPE)).astype(np.float32), np.float32(0.5)
    sizes = [features.count(2), 24, 16, 3]
    layers = tuple(
        rng.normal(0, 0.5, shape).astype(np.float32) for a, b in itertools.pairwise(sizes) for shape in ((b, a), (b,))
    )
    expected = np.zeros((3, *SHAPE), np.float32)
    shapes = np.ascontiguousarray(distances.swapaxes(0, 1)), margin
    image_kernels.group_probabilities(0, SHAPE[0], image, shapes, layers, expected)
    voxels = OpenVoxels.of(mask)
    found = np.empty((3, len(voxels.places)), np.float32)
    listed = np.ascontiguousarray(distances[:, mask]), margin
    for first, last in ((0, 2), (2, SHAPE[0])):
        args = image, listed, layers, voxels.places, voxels.starts, found
        image_kernels.group_probabilities_at(first, last, *args)
    assert found == pytest.approx(expected[:, mask], abs=1e-5)
