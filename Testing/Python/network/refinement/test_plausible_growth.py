"""A corrected surface stays out of walls that are brighter than the cell, and out of bare medium."""

import itertools

import numpy as np
import pytest

from ACSegLib.errors import Cancelled
from ACSegLib.jobs import Progress
from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.network.refinement.plausible_growth import keep_lesser_segments, keep_plausible

KERNELS = ((3, 3, 3), (3, 3, 3))
SPEC = NetworkSpec(3, 3, (4, 8), kernels=KERNELS, additive=True)
SIDE, CELL, WALL = 40, slice(8, 24), slice(24, 28)


def scene():
    """A cell (1) that touches a bright wall (3) in medium (0), all smooth but for a granule deep in the cell."""
    scaled = np.zeros((SIDE,) * 3, np.float32)
    scaled[CELL, CELL, CELL] = 1
    scaled += np.random.default_rng(0).normal(0, 0.05, scaled.shape).astype(np.float32)
    scaled[15:17, 15:17, 15:17] = 2
    scaled[:, :, WALL] = 3
    return scaled


def probabilities(*masks):
    """Of background, cell and bead."""
    cell, bead = masks if len(masks) == 2 else (masks[0], np.zeros_like(masks[0]))
    found = np.stack([~cell & ~bead, cell, bead]).astype(np.float32)
    return 0.8 * found + 0.1 * (1 - found)


def cube(k, j, i):
    mask = np.zeros((SIDE,) * 3, bool)
    mask[k, j, i] = True
    return mask


@pytest.fixture(scope="module")
def cell():
    return cube(CELL, CELL, CELL)


def labels_after(scaled, old, new, spec=SPEC):
    changed = keep_plausible(new, old, scaled, spec)
    assert np.allclose(new.sum(axis=0), 1, atol=1e-5) or spec.overlapping
    return new.argmax(axis=0), changed


def test_a_cell_does_not_grow_into_a_brighter_wall(cell):
    grown = cell | cube(CELL, CELL, slice(24, 26))
    found, changed = labels_after(scene(), probabilities(cell), probabilities(grown))
    assert np.array_equal(found == 1, cell)
    assert changed == np.count_nonzero(grown & ~cell)


def test_what_the_main_network_took_of_a_wall_is_given_back(cell):
    too_large = cell | cube(CELL, CELL, slice(24, 26))
    found, _ = labels_after(scene(), probabilities(too_large), probabilities(too_large))
    # the limit is above all but a 200th of the inside, so that single bright voxels at the wall may go as well
    assert np.count_nonzero((found == 1) != cell) < 0.01 * np.count_nonzero(cell)
    assert found[15:17, 15:17, 15:17].all(), "a granule is brighter than the limit, but not joined to the wall"


def test_a_protrusion_as_bright_as_the_cell_is_kept(cell):
    scaled, protrusion = scene(), cube(slice(14, 16), slice(24, 34), slice(14, 16))
    scaled[protrusion] = 0.7
    found, changed = labels_after(scaled, probabilities(cell), probabilities(cell | protrusion))
    assert np.array_equal(found == 1, cell | protrusion)
    assert changed == 0


def test_a_protrusion_of_bare_medium_is_refused(cell):
    scaled, protrusion = scene(), cube(slice(14, 16), slice(24, 34), slice(14, 16))
    scaled[protrusion] = 0.1
    found, _ = labels_after(scaled, probabilities(cell), probabilities(cell | protrusion))
    assert np.array_equal(found == 1, cell)


def test_no_thin_structure_can_come_back_at_a_wall(cell):
    old, new = probabilities(cell), probabilities(cell)
    rim = cube(CELL, slice(24, 34), slice(23, 24))
    new[1][rim], new[0][rim] = 0.35, 0.55
    scaled = scene()
    scaled[rim] = 0.9
    keep_plausible(new, old, scaled, SPEC)
    assert new[1][rim].max() == 0


def test_each_segment_has_its_own_limit(cell):
    bead, rest = cube(slice(30, 38), slice(8, 16), slice(8, 16)), cube(slice(30, 39), slice(8, 16), slice(8, 16))
    scaled = scene()
    scaled[rest] = 2.5
    found, changed = labels_after(scaled, probabilities(cell, bead), probabilities(cell, rest))
    assert np.array_equal(found == 2, rest)
    assert changed == 0


def test_segments_that_overlap_are_judged_alike(cell):
    spec = NetworkSpec(2, 1, (4, 8), "sigmoid", kernels=KERNELS, additive=True)
    grown = cell | cube(CELL, CELL, slice(24, 26))
    old, new = (np.where(mask, 0.9, 0.1).astype(np.float32)[None] for mask in (cell, grown))
    keep_plausible(new, old, scene(), spec)
    assert np.array_equal(new[0] > 0.5, cell)


def test_a_lesser_segment_can_be_kept_as_the_main_network_found_it(cell):
    bead, moved = (cube(slice(30, 38), slice(first, first + 8), slice(8, 16)) for first in (8, 12))
    old, new = probabilities(cell & ~bead, bead), probabilities((cell | cube(CELL, 24, CELL)) & ~moved, moved)
    keep_lesser_segments(new, old, SPEC)
    found = new.argmax(axis=0)
    assert np.array_equal(found == 2, bead)
    assert np.array_equal(found == 1, cell | cube(CELL, 24, CELL)), "the largest segment keeps its correction"


@pytest.mark.parametrize("asked", [1, 3, 6])
def test_the_comparison_can_be_cancelled_within_a_segment(cell, asked):
    times = itertools.count(1)
    with pytest.raises(Cancelled):
        keep_plausible(
            probabilities(cell | cube(CELL, CELL, slice(24, 26))),
            probabilities(cell),
            scene(),
            SPEC,
            Progress(cancelled=lambda: next(times) >= asked),
        )


@pytest.mark.parametrize("size", [0, 2])
def test_too_little_of_a_segment_tells_no_limit(size):
    small = cube(slice(0, size), slice(0, size), slice(0, size))
    new = probabilities(cube(CELL, CELL, slice(8, 28)))
    expected = new.copy()
    assert keep_plausible(new, probabilities(small), scene(), SPEC) == 0
    assert np.array_equal(new, expected)
