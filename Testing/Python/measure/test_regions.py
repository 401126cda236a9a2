"""Boxes, cells and distances that the measures share, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib import distances
from ACSegLib.distances import signed_distance, squared_distance, within_distance
from ACSegLib.errors import Cancelled
from ACSegLib.masks import bounding_box
from ACSegLib.measure.regions import SegmentBoxes, touches_border, union_box, within
from ACSegLib.threads import chunks_of, in_threads
from ACSegLib.volume import Segment, Segmentation

pytestmark = pytest.mark.usefixtures("_chunks_as_of_large_arrays")


@pytest.mark.parametrize("step", [(1.0, 1.0, 1.0), (2.5, 1.0, 0.7)])
def test_signed_distance_equals_scipy(step):
    mask = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(37, 21, 26)), 2) > 0
    inside, outside = (ndimage.distance_transform_edt(part, step) for part in (mask, ~mask))
    expected = np.where(mask, np.minimum(inside, 2.4) - 0.5, 0.5 - np.minimum(outside, 2.4))
    np.testing.assert_allclose(signed_distance(mask, step, 2.4), expected, atol=1e-5)


@pytest.mark.parametrize("step", [(1.0, 1.0, 1.0), (2.5, 1.0, 0.7), (0.6, 1.3, 3.0)])
@pytest.mark.parametrize("reach", [0.5, 1.0, 3.2, 40.0])
def test_within_distance_equals_scipy(step, reach):
    target = np.random.default_rng(0).random((37, 21, 26)) < 0.01
    exact = ndimage.distance_transform_edt(~target, sampling=step)
    np.testing.assert_array_equal(within_distance(target, step, reach), exact <= reach * (1 + 1e-6))
    np.testing.assert_array_equal(within_distance(target, step, reach, inclusive=False), exact < reach * (1 - 1e-6))


def test_within_distance_of_empty_and_full_masks():
    empty = np.zeros((5, 6, 7), bool)
    assert not within_distance(empty, (1, 1, 1), 100.0).any()
    assert within_distance(~empty, (1, 1, 1), 0.5).all()


def test_within_distance_stops_when_cancelled():
    def cancelled():
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        within_distance(np.ones((64, 8, 8), bool), (1, 1, 1), 2.0, check=cancelled)


def test_results_of_threads_keep_their_order():
    chunks = [slice(n, n + 1) for n in range(40)]
    assert in_threads(lambda part: part.start, chunks) == list(range(40))


@pytest.mark.parametrize("largest_of_scipy", [0, 1 << 14])
def test_squared_distance_is_that_to_the_nearest_voxel(largest_of_scipy, monkeypatch):
    monkeypatch.setattr(distances, "_SMALL", largest_of_scipy)
    target, step = np.random.default_rng(1).random((12, 13, 14)) < 0.02, np.array([1.0, 2.0, 0.5])
    places = np.moveaxis(np.indices(target.shape), 0, -1)
    exact = np.min([np.square((places - voxel) * step).sum(axis=-1) for voxel in np.argwhere(target)], axis=0)
    found = squared_distance(target, step.tolist())
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, exact, rtol=1e-5)


def test_boxes_reach_the_border_only_where_their_mask_does():
    mask = np.zeros((8, 9, 10), bool)
    assert bounding_box(mask) is None
    mask[2:4, 5, 6:8] = True
    box = bounding_box(mask)
    assert box == (slice(2, 4), slice(5, 6), slice(6, 8))
    assert bounding_box(mask, 3) == (slice(0, 7), slice(2, 9), slice(3, 10))
    assert not touches_border(box, mask.shape)
    mask[7, 5, 6] = True
    assert touches_border(bounding_box(mask), mask.shape)


@pytest.mark.parametrize("values", [(1, 2), (7, 5_000_000)])
def test_masks_of_segments_in_their_boxes(values):
    labels = np.zeros((9, 11, 13), np.uint32)
    labels[2:5, 3:9, 0:4] = values[0]
    labels[8, 10, 12] = values[1]
    rows = [Segment("a", values[0]), Segment("b", values[1]), Segment("empty", 3, id="none")]
    segmentation = Segmentation((labels,), rows)
    boxes = SegmentBoxes(segmentation)
    for row in rows[:2]:
        box = boxes.box(row)
        assert box == bounding_box(segmentation.mask(row))
        assert np.array_equal(boxes.mask(row, box), segmentation.mask(row)[box])
    assert boxes.box(rows[2]) is None
    assert boxes.box(None) is None
    assert not boxes.mask(None, (slice(0, 9), slice(0, 11), slice(0, 13))).any()
    both = union_box([boxes.box(row) for row in rows], labels.shape, margin=1)
    assert both == (slice(1, 9), slice(2, 11), slice(0, 13))
    assert union_box([None], labels.shape) is None
    inner = (slice(1, 2), slice(0, 3), slice(2, 4))
    assert np.array_equal(labels[both][inner], labels[within(inner, both)])


@pytest.mark.parametrize("shape", [(37, 5, 5), (16, 2, 3), (1, 4, 4)])
@pytest.mark.parametrize("small", [0, 1 << 20])
def test_chunks_hold_every_plane_once(monkeypatch, shape, small):
    monkeypatch.setattr("ACSegLib.threads._SMALL", small)
    chunks = chunks_of(np.zeros(shape, bool))
    assert [k for part in chunks for k in range(shape[0])[part]] == list(range(shape[0]))
    assert (len(chunks) > 1) == (small == 0 and shape[0] > 16)
