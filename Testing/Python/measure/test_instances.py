"""Instance matching: panoptic quality, splits and merges on cells whose matching is known."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib.measure.instances import match_instances


def row_of_cells(*spans, length=40):
    """Cells as spans (start, stop) along i in one row of voxels, valued 1.. in order."""
    labels = np.zeros((1, 1, length), np.uint8)
    for value, (start, stop) in enumerate(spans, start=1):
        labels[0, 0, start:stop] = value
    return labels


def test_equal_cells_match_whatever_their_label_values():
    truth = row_of_cells((0, 10), (10, 20))
    found = match_instances(np.where(truth, 30 - truth, 0), truth)
    assert found.panoptic_quality == 1.0
    assert sorted(found.matches) == [(28, 2, 1.0), (29, 1, 1.0)]


def test_panoptic_quality_follows_kirillov_2019():
    truth = row_of_cells((0, 10), (20, 30), (32, 40))
    result = row_of_cells((2, 10), (20, 30), (12, 18))
    found = match_instances(result, truth)
    # IoU 0.8 and 1.0 match; one false positive, one missed: PQ = 1.8 / (2 + 0.5 + 0.5)
    assert found.panoptic_quality == pytest.approx(0.6)
    assert found.segmentation_quality == pytest.approx(0.9)
    assert found.recognition_quality == pytest.approx(2 / 3)
    assert found.false_positives == [3]
    assert found.false_negatives == [3]
    assert (found.merging, found.split) == ([], [])


@pytest.mark.parametrize(("stop", "matches"), [(20, 1), (21, 1), (23, 0)])
def test_cells_match_from_an_iou_of_one_half(stop, matches):
    assert len(match_instances(row_of_cells((0, 11)), row_of_cells((0, stop))).matches) == matches


def test_merged_and_split_cells_are_counted():
    truth = row_of_cells((0, 10), (10, 20), (25, 35))
    result = row_of_cells((0, 20), (25, 30), (30, 35))
    found = match_instances(result, truth)
    assert found.merging == [1]
    assert found.split == [3]


def test_cells_in_the_ignored_region_are_no_errors():
    truth = row_of_cells((0, 10))
    result = row_of_cells((0, 10), (20, 30))
    ignore = np.zeros_like(truth)
    ignore[0, 0, 19:] = 1
    assert match_instances(result, truth).false_positives == [2]
    assert match_instances(result, truth, ignore=ignore).false_positives == []
    assert match_instances(result, truth, ignore=ignore).panoptic_quality == 1.0
    assert match_instances(truth, result).false_negatives == [2]
    assert match_instances(truth, result, ignore=ignore).false_negatives == []


def test_matching_without_cells_is_undefined_or_all_missed():
    empty, one = row_of_cells(), row_of_cells((0, 5))
    assert np.isnan(match_instances(empty, empty).panoptic_quality)
    assert match_instances(empty, one).panoptic_quality == 0.0
    assert match_instances(one, empty).false_positives == [1]
