"""Medium, vacuum and wall around a cell keep the growth of a refinement network within bounds."""

import numpy as np
import pytest

from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.network.refinement.plausible_growth import keep_plausible
from ACSegLib.network.refinement.surroundings import find_surroundings

KERNELS = ((3, 3, 3), (3, 3, 3))
SPEC = NetworkSpec(2, 2, (4, 8), kernels=KERNELS, additive=True)
SIDE, BORE, OUTER = 48, 16, 20
VACUUM, MEDIUM = -0.8, 0.0
Z, Y, X = np.indices((SIDE,) * 3) - (SIDE - 1) / 2
RADIUS = np.hypot(Y, X)
CELL = (Z**2 + (Y - 5) ** 2 + X**2 < 10**2) & (RADIUS < BORE)


def capillary(glass=1.0, vacuum=VACUUM, medium=MEDIUM):
    """A cell of intensity 1 pressed against a wall along k, which is as bright as the cell unless said otherwise."""
    scaled = np.where(RADIUS < OUTER, glass, vacuum)
    scaled[RADIUS < BORE] = medium
    scaled[CELL] = 1
    return (scaled + np.random.default_rng(0).normal(0, 0.03, scaled.shape)).astype(np.float32)


def probabilities(cell):
    """Of background and cell."""
    likely = np.where(cell, 0.9, 0.1).astype(np.float32)
    return np.stack([1 - likely, likely])


def grown(scaled, growth, was=CELL):
    """What the cell is after a refinement network added `growth`."""
    new = probabilities(was | growth)
    keep_plausible(new, probabilities(was), scaled, SPEC)
    return new[1] > 0.5


def test_the_wall_is_as_thick_as_medium_stays_away_from_the_vacuum():
    surroundings = find_surroundings(capillary(), CELL)
    assert abs(surroundings.medium - MEDIUM) < 0.02
    assert OUTER - BORE <= surroundings.wall <= OUTER - BORE + 2.5
    wall = (RADIUS > BORE) & (RADIUS < OUTER - 0.5)
    assert np.mean(surroundings.in_wall(1)[wall]) > 0.9
    assert not surroundings.in_wall(1.5)[CELL & (RADIUS < BORE - 1)].any()


def test_a_cell_does_not_grow_into_a_wall_as_bright_as_itself():
    beside = (RADIUS >= BORE) & (RADIUS < BORE + 3) & (Y > 0) & (np.abs(Z) < 6) & (np.abs(X) < 6)
    found = grown(capillary(), beside)
    assert np.mean(found[beside & (RADIUS > BORE + 1.5)]) == 0
    assert np.mean(found[CELL]) > 0.99


def test_medium_is_not_gained_where_the_image_was_scaled_by_vacuum():
    scaled = (capillary(glass=2.5) - VACUUM) / (1 - VACUUM)  # medium is 0.44, brighter than a quarter of the contrast
    surroundings = find_surroundings(scaled, CELL)
    assert abs(surroundings.medium - (MEDIUM - VACUUM) / (1 - VACUUM)) < 0.02
    assert abs(float(np.median(surroundings.contrast(scaled)[(RADIUS < BORE - 1) & ~CELL]))) < 0.05
    layer = (Z**2 + (Y - 5) ** 2 + X**2 < 11**2) & ~CELL & (RADIUS < BORE - 2)
    assert not grown(scaled, layer)[layer].any()


@pytest.mark.parametrize("background", [0.0, -0.3])
def test_one_background_is_no_vacuum(background):
    scaled = np.where(CELL, 1, background).astype(np.float32)
    scaled += np.random.default_rng(1).normal(0, 0.05, scaled.shape).astype(np.float32)
    surroundings = find_surroundings(scaled, CELL)
    assert surroundings.from_vacuum is None
    assert abs(surroundings.medium - background) < 0.02, "the blur of a surface is brighter than what lies farther away"


def test_a_cell_in_vacuum_with_a_vacuole_has_no_wall():
    scaled = np.where(RADIUS < OUTER, 1.0, VACUUM).astype(np.float32)
    vacuole = Z**2 + Y**2 + X**2 < 8**2
    scaled[vacuole] = MEDIUM
    assert find_surroundings(scaled, (RADIUS < OUTER) & ~vacuole).from_vacuum is None


def protrusion(width, intensity):
    """A protrusion of the cell into the medium, and the image that shows it."""
    half = width / 2
    part = (Y < -4) & (Y > -12) & (np.abs(Z) < half) & (np.abs(X) < half) & ~CELL
    scaled = capillary(glass=2.5)
    scaled[part] = intensity
    return part, scaled


@pytest.mark.parametrize(
    ("width", "intensity", "least", "most"), [(2, 0.37, 0.8, 1), (8, 0.37, 0, 0.5), (8, 0.8, 1, 1)]
)
def test_what_is_thick_must_be_brighter_than_what_is_thin(width, intensity, least, most):
    part, scaled = protrusion(width, intensity)
    assert least <= np.mean(grown(scaled, part)[part]) <= most  # the edges of what is thick are thin


@pytest.mark.parametrize(("intensity", "kept"), [(0.5, False), (0.9, True)])
def test_what_lies_apart_must_be_as_bright_as_a_cell(intensity, kept):
    part = (np.abs(Z - 18) < 2) & (np.abs(Y) < 2) & (np.abs(X) < 2)
    scaled = capillary(glass=2.5)
    scaled[part] = intensity
    assert grown(scaled, part)[part].all() == kept


def test_a_correction_that_would_make_a_cell_much_larger_is_refused_as_a_whole():
    seen = CELL & (Z > 4)
    found = grown(capillary(glass=2.5), CELL & ~seen, was=seen)
    assert np.array_equal(found, seen)


def test_noise_is_smoothed_before_it_is_compared():
    noisy = capillary(glass=2.5) + np.random.default_rng(2).normal(0, 0.4, CELL.shape).astype(np.float32)
    bright = (noisy > 0.5) & ~CELL & (RADIUS < BORE - 2) & (Z**2 + (Y - 5) ** 2 + X**2 < 13**2)
    assert np.mean(grown(noisy, bright)[bright]) < 0.35, "single bright voxels of the medium"
