"""Dilation and erosion of masks, and their boxes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.masks import bounding_box, grow_or_shrink


@pytest.mark.parametrize("grow", [True, False])
def test_grow_or_shrink_equals_scipy(grow):
    mask = np.random.default_rng(3).random((7, 12, 15)) < 0.6
    cross = ndimage.generate_binary_structure(3, 1)
    expected = ndimage.binary_dilation(mask, cross) if grow else ndimage.binary_erosion(mask, cross, border_value=1)
    np.testing.assert_array_equal(grow_or_shrink(mask, grow), expected)


def test_a_box_with_margin_stays_inside_the_array():
    mask = np.zeros((5, 6, 7), bool)
    mask[0, 2:4, 6] = True
    assert bounding_box(mask, 1) == (slice(0, 2), slice(1, 5), slice(5, 7))
