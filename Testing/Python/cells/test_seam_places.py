"""Where seams run: a dark or bright sheet between two cells in a rod, which the shape alone does not show."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from ACSegLib.cells import seam_kernels
from ACSegLib.cells.seam_places import REACH, settle_seams
from ACSegLib.cells.seam_voxels import scene_of
from ACSegLib.cells.seams import Seams, distance_from_background
from ACSegLib.errors import Cancelled

SHAPE = (26, 26, 48)
Z, Y, X = np.indices(SHAPE) - (np.array(SHAPE) - 1)[:, None, None, None] / 2
ROD = Z**2 + Y**2 < 11**2
#: A cell bulges into the other: the seam is a part of a sphere.
AWAY = np.sqrt(Z**2 + Y**2 + (X + 15) ** 2) - 15
TRUTH = np.where(ROD, np.where(AWAY < 0, 1, 2), 0).astype(np.int32)
STRAIGHT = np.where(ROD, np.where(X < -5, 1, 2), 0).astype(np.int32)
NOISE = np.random.default_rng(5).normal(size=SHAPE)


def seams_of(image, step=(1.0, 1.0, 1.0), odds=1.0):
    distance = distance_from_background(ROD, step)
    scene = scene_of(image.astype(np.float32), ROD, distance, step)
    return Seams(np.full(SHAPE, odds, np.float32), distance, distance, scene)


def sheet(depth, noise=0.1):
    """Intensity 1 in the rod, and 0 outside."""
    return gaussian_filter(ROD * (1 + depth * np.exp(-((AWAY / 0.8) ** 2))), 0.6) + noise * NOISE


def wrong(found):
    return np.count_nonzero((found != TRUTH) & ROD) / np.count_nonzero(ROD)


@pytest.mark.parametrize(("kind", "depth"), [("dark", -0.6), ("bright", 0.6)])
def test_a_straight_seam_bends_to_the_sheet_that_the_image_shows(kind, depth):
    found = settle_seams(STRAIGHT, seams_of(sheet(depth)), kind, None)
    assert wrong(STRAIGHT) > 0.05
    assert wrong(found) < 0.0075  # 0.3 voxels; 0.01 where the second walk sees what the first does
    assert np.array_equal(found > 0, ROD)


def test_a_sheet_is_measured_across_its_plane_whatever_the_voxel_size():
    """The image is the squared distance from a plane; at 1.5 voxels on both sides it is higher by 2.25."""
    step, normal = np.array([2.0, 1.0, 1.0]), np.array([0.48, 0.6, 0.64])
    away = np.tensordot(normal, (np.indices((20, 30, 30)) - 10) * step[:, None, None, None], 1)
    places = np.argwhere(np.abs(away) < 0.2)
    places = places[(places > 6).all(axis=1) & (places < 13).all(axis=1)]
    found, mask = np.zeros(len(places), np.float32), np.ones(away.shape, bool)
    normals = np.tile(normal.astype(np.float32), (len(places), 1))
    seam_kernels.curve_across((away**2).astype(np.float32), mask, places, normals, step, found)
    assert found == pytest.approx(2.25, abs=0.15)
    seam_kernels.curve_across((away**2).astype(np.float32), away < 0.2, places, normals, step, found)
    assert not found.any()  # nothing is known of the other side


@pytest.mark.parametrize("length", [1.5, 2.5, 4.0])
def test_the_texture_of_cells_is_not_taken_for_a_sheet(length):
    rng = np.random.default_rng(0)
    texture = gaussian_filter(rng.normal(size=SHAPE), length)
    image = sheet(-0.6, noise=0.0) * (1 + 0.3 * texture / texture.std()) + 0.08 * rng.normal(size=SHAPE)
    assert wrong(settle_seams(STRAIGHT, seams_of(image), "dark", None)) < 0.02


def test_orders_and_directions_of_the_axes_do_not_matter():
    image = sheet(-0.6)
    found = settle_seams(STRAIGHT, seams_of(image), "dark", None)
    turned = np.ascontiguousarray(STRAIGHT[:, ::-1, ::-1])
    mirrored = settle_seams(turned, seams_of(image[:, ::-1, ::-1]), "dark", None)[:, ::-1, ::-1]
    assert np.count_nonzero(mirrored != found) <= 0.001 * np.count_nonzero(ROD)


def test_a_sheet_where_no_seam_is_likely_is_not_followed():
    found = settle_seams(STRAIGHT, seams_of(sheet(-0.6), odds=0.01), "dark", None)
    assert np.count_nonzero(found != STRAIGHT) < 0.02 * np.count_nonzero(ROD)


def test_without_a_sheet_the_seam_stays_about_where_it_is():
    found = settle_seams(STRAIGHT, seams_of(sheet(0.0, noise=0.02)), "dark", None)
    assert np.count_nonzero(found != STRAIGHT) < 0.02 * np.count_nonzero(ROD)


def test_far_voxels_and_those_of_seeds_keep_their_cell():
    seeds = TRUTH != STRAIGHT
    image = sheet(-0.6)
    assert np.array_equal(settle_seams(STRAIGHT, seams_of(image), "dark", seeds)[seeds], STRAIGHT[seeds])
    found = settle_seams(STRAIGHT, seams_of(image), "dark", None)
    far = abs(X + 5) > REACH + 1
    assert np.array_equal(found[far], STRAIGHT[far])


def test_a_small_cell_keeps_its_core():
    cells = STRAIGHT.copy()
    cells[(abs(Z) < 2) & (abs(Y) < 2) & (abs(X - 10) < 2)] = 3
    found = settle_seams(cells, seams_of(sheet(-0.6)), "dark", None)
    assert set(np.unique(found)) == {0, 1, 2, 3}


def test_one_cell_alone_stays_and_a_cancel_is_heard():
    alone = ROD.astype(np.int32)
    assert settle_seams(alone, seams_of(sheet(0.0)), "dark", None) is alone

    def stop():
        raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        settle_seams(STRAIGHT, seams_of(sheet(-0.6)), "dark", None, stop)
