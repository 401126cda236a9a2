"""Dilation and erosion of masks, and their boxes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.masks import bounding_box, grow_or_shrink


@pytest.mark.parametrize("grow", [True, False])
@pytest.mark.parametrize(("columns", "steps"), [(15, 1), (63, 2), (64, 1), (64, 3), (65, 2), (130, 3), (1, 2)])
def test_grow_or_shrink_equals_scipy(grow, columns, steps):
    mask = np.random.default_rng(3).random((7, 12, columns)) < (0.05 if grow else 0.95)
    cross = ndimage.generate_binary_structure(3, 1)
    if grow:
        expected = ndimage.binary_dilation(mask, cross, steps)
    else:
        expected = ndimage.binary_erosion(mask, cross, steps, border_value=1)
    np.testing.assert_array_equal(grow_or_shrink(mask, grow, steps), expected)


def test_a_box_with_margin_stays_inside_the_array():
    mask = np.zeros((5, 6, 7), bool)
    mask[0, 2:4, 6] = True
    assert bounding_box(mask, 1) == (slice(0, 2), slice(1, 5), slice(5, 7))
