"""Dilation and erosion of masks, and their boxes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.masks import bounding_box, count_value, grow_or_shrink, listed_masks, relabelled, value_box
from ACSegLib.volume import label_boxes


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


@pytest.mark.parametrize("shape", [(5, 6, 7), (70, 140, 150)])
@pytest.mark.parametrize("highest", [2, 30])
def test_the_boxes_and_sizes_of_values_are_those_of_their_masks(shape, highest):
    rng = np.random.default_rng(highest)
    labels = np.zeros(shape, np.int16)
    labels[1:-1, 2:-1, 1:-2] = highest * (rng.random((shape[0] - 2, shape[1] - 3, shape[2] - 3)) > 0.9)
    labels[3, 4, 2:4] = 1
    expected = {int(v): ndimage.find_objects((labels == v).astype(np.uint8))[0] for v in np.unique(labels) if v}
    assert label_boxes(labels) == expected
    assert {value: value_box(labels, value) for value in expected} == expected
    assert value_box(labels, highest + 1) is None
    assert count_value(labels, highest) == np.count_nonzero(labels == highest)
    turned = labels.transpose(2, 0, 1)
    assert bounding_box(turned > 0) == value_box(turned > 0, True)


@pytest.mark.parametrize("values", [[0, 3, 9], [0, 7, 1 << 20, 4_000_000_000]])
def test_values_are_replaced_and_those_without_a_new_one_are_0(values):
    labels = np.random.default_rng(3).choice(np.array(values, np.uint32), (5, 6, 7))
    new = relabelled(labels, {values[1]: 2, values[-1]: 5, 77: 1}, np.int16)
    assert new.dtype == np.int16
    np.testing.assert_array_equal(new, 2 * (labels == values[1]) + 5 * (labels == values[-1]))
    assert not relabelled(labels, {}, bool).any()
    kept = relabelled(labels % 4, {1: 1, 2: 2, 3: 3}, np.int16)
    assert kept.dtype == np.int16
    np.testing.assert_array_equal(kept, labels % 4)


def test_listed_voxels_have_the_masks_and_boxes_that_they_have_in_the_array():
    """The values lie at the border of the array, or anywhere."""
    rng = np.random.default_rng(4)
    labels = rng.choice([-3, 0, 2, 9], (5, 6, 7), p=[0.02, 0.9, 0.04, 0.04])
    places = np.flatnonzero(labels)
    found = {value: (box, mask) for value, box, mask in listed_masks(places, labels.flat[places], labels.shape)}
    assert sorted(found) == [-3, 2, 9]
    for value, (box, mask) in found.items():
        assert box == bounding_box(labels == value, 1)
        np.testing.assert_array_equal(mask, labels[box] == value)
    assert not list(listed_masks(places[:0], places[:0], labels.shape))
