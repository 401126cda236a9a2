"""Where a cell ends at a wall is measured on blurred scenes whose wall and film of medium are known."""

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.errors import Cancelled
from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.network.refinement.plausible_growth import keep_plausible
from ACSegLib.network.refinement.wall_contact import find_contact, rim_at_wall

#: Vacuum ends and the wall begins here, along i; the wall's thickness; where the cell ends, along j.
VACUUM, THICK, CELL_TO = 6, 5, 30
SHAPE, FINE = (24, 60, 40), 8
ASSUMED = 8.0


def scene(film=0.0, wall=5.0, blur=0.8, cell_to=CELL_TO, noise=0.05):
    """A cell (1) behind a wall and a film of medium (0); vacuum (-0.5) before the wall. Gives image and true cell."""
    along = (np.arange(SHAPE[2] * FINE) + 0.5) / FINE
    face = VACUUM + THICK
    medium = np.where(along < VACUUM, -0.5, np.where(along < face, wall, 0.0))
    cell = np.where((along >= face + film) & (along < 32), 1.0, medium)
    lines = [ndimage.gaussian_filter1d(line, blur * FINE).reshape(-1, FINE).mean(axis=1) for line in (cell, medium)]
    image = np.empty(SHAPE, np.float32)
    image[:, :cell_to], image[:, cell_to:] = lines
    image += np.random.default_rng(0).normal(0, noise, SHAPE).astype(np.float32)
    truth = np.zeros(SHAPE, bool)
    truth[:, :cell_to] = np.arange(SHAPE[2]) + 0.5 > face + film
    truth[:, :, 32:] = False
    return image, truth


def measured(image, cell, **changes):
    from_vacuum = np.broadcast_to(np.maximum(np.arange(SHAPE[2], dtype=np.float32) - VACUUM + 1, 0), SHAPE)
    labelled = changes.pop("labelled", cell)
    return find_contact(image, np.ascontiguousarray(from_vacuum), ASSUMED, cell, labelled, **changes)


@pytest.mark.parametrize("blur", [0.5, 1.2])
@pytest.mark.parametrize("film", [0.0, 0.4, 1.0, 1.5])
def test_a_film_thinner_than_the_blur_is_measured(film, blur):
    contact = measured(*scene(film, blur=blur))
    assert contact.film == pytest.approx(film, abs=0.25)
    # the centre of the first voxel of the wall is one voxel away from the vacuum
    assert contact.face == pytest.approx(THICK + 0.5, abs=0.6)
    assert contact.wall == pytest.approx(5, rel=0.12)


def test_the_unit_of_the_image_does_not_matter():
    image, cell = scene(0.5)
    plain, scaled = measured(image, cell), measured(7 * image + 3, cell)
    assert (scaled.face, scaled.film, scaled.wall) == pytest.approx((plain.face, plain.film, plain.wall), rel=1e-4)


def test_a_cell_that_hardly_touches_the_wall_tells_nothing():
    assert measured(*scene(cell_to=6)) is None


def test_a_wall_that_is_hardly_brighter_than_the_cell_tells_nothing():
    assert measured(*scene(wall=2.0)) is None


def test_without_bare_medium_nothing_is_told():
    image, cell = scene()
    assert measured(image, cell, labelled=np.ones(SHAPE, bool)) is None


def test_walls_that_differ_before_cell_and_medium_tell_nothing():
    image, cell = scene()
    image[:, CELL_TO:, VACUUM : VACUUM + THICK] *= 0.6
    assert measured(image, cell) is None


def test_the_measurement_can_be_cancelled():
    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        measured(*scene(), check=stop)


def test_voxels_between_cell_and_wall_are_shared_out_at_the_middle():
    contrast = np.zeros((9, 9, 12), np.float32)
    contrast[:, :5] = [1, 1, 1, 1, 1, 1.4, 2.9, 3.1, 5, 5, 5, 5]
    contrast[:, 5:] = [0, 0, 0, 0, 0, 0.7, 2.5, 3.0, 5, 5, 5, 5]
    cell = np.zeros(contrast.shape, bool)
    cell[:, :5, :5] = True
    gained, share = rim_at_wall(cell, ~cell, contrast, 5.0)
    assert np.all(gained[:, :5, 5:7])
    assert not gained[:, :5, 7:].any()
    assert not gained[:, 7:].any(), "bare medium at the wall does not touch the cell"
    assert share[gained[gained].argmax()] == pytest.approx((5 - 1.4) / 4)


def test_voxels_of_other_segments_are_not_gained():
    contrast = np.tile(np.array([1, 1, 1, 2, 5, 5], np.float32), (4, 4, 1))
    cell = np.zeros(contrast.shape, bool)
    cell[..., :3] = True
    assert not rim_at_wall(cell, np.zeros_like(cell), contrast, 5.0)[0].any()


@pytest.mark.parametrize("overlapping", [False, True])
@pytest.mark.parametrize(("film", "expected"), [(0.0, 1.0), (1.5, 0.0)])
def test_a_cell_reaches_a_wall_only_where_no_film_lies_between(film, expected, overlapping):
    image, truth = scene(film, blur=1.0)
    face = VACUUM + THICK
    short = truth.copy()
    short[..., : face + 1] = False  # the networks keep away from what is brighter than the cell
    first, last = (0.9 * short + 0.05, 1 - (0.9 * short + 0.05))
    found = np.stack([first] if overlapping else [last, first]).astype(np.float32)
    output = {"output": "sigmoid"} if overlapping else {}
    spec = NetworkSpec(2, len(found), (4, 8), kernels=((3, 3, 3), (3, 3, 3)), additive=True, **output)
    new = found.copy()
    keep_plausible(new, found, image, spec)
    mask = new[0] > 0.5 if overlapping else new.argmax(axis=0) == 1
    assert np.mean(mask[2:-2, 2 : CELL_TO - 2, face]) == pytest.approx(expected, abs=0.1)
    assert not mask[..., : face - 1].any()
    assert not mask[:, CELL_TO + 2 :].any()
