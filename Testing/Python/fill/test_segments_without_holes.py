"""A segment that has no hole on any labelled slice gets none in the volume."""

import numpy as np
import pytest

from ACSegLib.fill import Settings, fill, refill
from ACSegLib.postprocess.holes import classes_without_holes
from ACSegLib.volume import Segmentation, Volume
from ACSegLib.workflows import FillRequest
from ACSegLib.workflows.fill import run_fill

SHAPE, SLICES, HOLE = (25, 30, 30), [2, 7, 12, 17, 22], (slice(9, 11), slice(14, 17), slice(14, 17))
SETTINGS = Settings(1.0, 3.0)


def cell():
    """A bright rod along k with a dark spot between two labelled slices, and labels of whole slices of the rod."""
    _, j, i = np.indices(SHAPE)
    rod = (j - 15) ** 2 + (i - 15) ** 2 < 81
    image = rod + np.random.default_rng(0).normal(0, 0.1, SHAPE)
    image[HOLE] -= 1
    labels = np.zeros(SHAPE, np.uint8)
    labels[SLICES] = rod[SLICES]
    return Volume(image.astype(np.float32)), labels


def filled(labels, **options):
    volume, _ = cell()
    return fill(volume, Segmentation.from_labels(labels), slices=SLICES, settings=SETTINGS, **options)


def test_a_dark_spot_between_labelled_slices_is_filled_unless_holes_are_allowed():
    labels = cell()[1]
    assert not filled(labels, holes=True).segmentation.labels[HOLE].all()
    result = filled(labels)
    assert result.segmentation.labels[HOLE].all()
    assert (
        result.uncertainty[filled(labels, holes=True).segmentation.labels != result.segmentation.labels] == 255
    ).all()


def test_a_hole_on_a_labelled_slice_stays_and_allows_others():
    labels = cell()[1]
    labels[7, 14:17, 14:17] = 0
    result = filled(labels)
    assert not result.segmentation.labels[7, 14:17, 14:17].any()
    assert not result.segmentation.labels[HOLE].all()


def test_a_refill_allows_holes_once_one_was_labelled():
    labels = cell()[1]
    before = filled(labels)
    edited = labels.copy()
    edited[7, 14:17, 14:17] = 0
    result = refill(before, Segmentation.from_labels(edited))
    assert not result.segmentation.labels[HOLE].all()


@pytest.mark.parametrize(("holes", "whole"), [(None, True), (0, False)])
def test_the_option_turns_the_rule_off(holes, whole):
    volume, labels = cell()
    segmentation = Segmentation.from_labels(labels)
    request = FillRequest(volume=volume, labels=segmentation, slices=SLICES, gamma=1.0, holes=holes)
    assert run_fill(request).labels[HOLE].all() == whole


def test_holes_are_counted_on_enough_slices_and_only_where_background_is_enclosed():
    plane = np.zeros((20, 20), int)
    plane[2:18, 2:18] = 1
    plane[5:8, 5:8] = 2  # a segment inside is no hole
    open_ring = plane.copy()
    open_ring[10:12, 10:] = 0
    hollow = plane.copy()
    hollow[10:12, 10:12] = 0
    assert classes_without_holes([plane] * 3) == (1, 2)
    assert classes_without_holes([open_ring] * 3) == (1, 2)
    assert classes_without_holes([hollow] * 3) == (2,)
    assert classes_without_holes([plane] * 2) == ()


def test_slices_of_all_axes_prove_together_that_there_is_no_hole():
    volume, whole = cell()
    rod = np.broadcast_to(whole[2] > 0, SHAPE)
    labels = np.zeros(SHAPE, np.uint8)
    slices = {"k": [2, 22], "i": [12, 20]}
    labels[slices["k"]] = rod[slices["k"]]
    labels[:, :, slices["i"]] = rod[:, :, slices["i"]]
    result = fill(volume, Segmentation.from_labels(labels), slices=slices, settings=SETTINGS)
    assert result.segmentation.labels[HOLE].all()
    labels[10:12, 14:16, 12] = 0
    result = fill(volume, Segmentation.from_labels(labels), slices=slices, settings=SETTINGS)
    assert not result.segmentation.labels[HOLE].all()
