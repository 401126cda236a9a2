"""Thin parts of masks, and their boxes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.masks import bounding_box, grow_or_shrink
from ACSegLib.postprocess.thin_structures import thin_voxels


@pytest.mark.parametrize("grow", [True, False])
def test_grow_and_shrink_are_those_of_scipy(grow):
    mask = np.random.default_rng(3).random((7, 12, 15)) < 0.6
    cross = ndimage.generate_binary_structure(3, 1)
    expected = ndimage.binary_dilation(mask, cross) if grow else ndimage.binary_erosion(mask, cross, border_value=1)
    np.testing.assert_array_equal(grow_or_shrink(mask, grow), expected)


def test_a_rod_of_two_voxels_is_thin_and_a_ball_is_not():
    k, j, i = np.indices((30, 30, 60))
    ball = (k - 15) ** 2 + (j - 15) ** 2 + (i - 15) ** 2 <= 10**2
    rod = (abs(k - 14.5) < 1) & (abs(j - 14.5) < 1) & (i > 20) & (i < 55)
    thin = thin_voxels(ball | rod)
    assert not (thin & ~rod).any()
    assert thin[rod & (i > 28)].all()


def test_the_box_holds_everything_and_a_voxel_more_where_there_is_one():
    mask = np.zeros((5, 6, 7), bool)
    mask[0, 2:4, 6] = True
    assert bounding_box(mask, 1) == (slice(0, 2), slice(1, 5), slice(5, 7))
