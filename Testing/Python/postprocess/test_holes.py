"""Enclosed holes: filled where the training had none, left where it had some."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ACSegLib.jobs import Progress
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.preprocessing import Preprocessing
from ACSegLib.network.model.spec import unet_spec
from ACSegLib.network.predict.report import PredictionReport
from ACSegLib.postprocess.holes import HoleCounts, fill_holes, new_holes
from ACSegLib.volume import Segment, Segmentation, Volume
from ACSegLib.workflows.predict import PredictRequest, _cleaned


def cell(holes=0, open_hole=False):
    """A block of class 1 with so many enclosed holes of 8 voxels, and a bead of class 2 inside it."""
    classes = np.zeros((20, 24, 28), np.uint8)
    classes[3:17, 3:21, 3:25] = 1
    classes[5:8, 5:8, 5:8] = 2
    for n in range(holes):
        classes[10:12, 10:12, 6 + 5 * n : 8 + 5 * n] = 0
    if open_hole:
        classes[10:12, :12, 6:8] = 0
    return classes


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        (cell(2), cell(), [True, True]),
        (cell(), cell(), [True, True]),
        (cell(2), cell(2), [False, True]),  # the labels have holes
        (cell(2), np.where(cell(2) == 0, cell(2), cell()), [False, True]),
        (cell(open_hole=True), cell(), [True, True]),  # not enclosed: says nothing
        (np.where(cell() == 2, 0, cell()), np.where(cell() == 2, 0, cell()), [False, False]),
    ],
)
def test_a_segment_is_without_holes_if_its_labels_have_none_and_cover_the_predicted_ones(predicted, truth, expected):
    holes = HoleCounts(2)
    holes.add(predicted, truth)
    holes.add(predicted, truth)
    assert holes.choose() == expected


@pytest.mark.parametrize(
    ("asked", "learned", "filled"),
    [(None, ("cell",), 16), (0.0, ("cell",), 0), (None, (), 0), (None, None, 0), (1.0, (), 0), (8.0, (), 16)],
)
def test_predicted_holes_are_filled_as_learned_unless_the_option_says_otherwise(asked, learned, filled):
    segments = [Segment("cell", 1), Segment("bead", 2)]
    model = Model(unet_spec(2), {}, segments, Preprocessing(without_holes=learned))
    prediction = SimpleNamespace(segmentation=Segmentation((cell(2),), segments), report=PredictionReport())
    request = PredictRequest(volume=Volume(np.zeros(cell().shape)), model=model, holes=asked)
    found = _cleaned(prediction, request, Progress()).labels
    assert np.count_nonzero(found != cell(2)) == filled
    assert (found[cell() == 2] == 2).all()


def test_a_model_without_the_entry_has_no_segments_without_holes():
    assert Model(unet_spec(1), {}, [Segment("cell", 1)]).segments_without_holes == []


def test_a_change_inside_a_class_is_a_new_hole_unless_it_reaches_background_or_the_border():
    before = cell(holes=1)
    inside, at_a_hole, at_the_surface, at_the_border = (np.zeros(before.shape, bool) for _ in range(4))
    inside[13:15, 15:17, 15:18] = True
    at_a_hole[10:12, 10:12, 8:10] = True
    at_the_surface[3:6, 18:21, 20:22] = True
    changed = inside | at_a_hole | at_the_surface
    np.testing.assert_array_equal(new_holes(np.zeros_like(before), before, changed), inside)
    full = np.ones((6, 6, 6), int)
    at_the_border = np.zeros(full.shape, bool)
    at_the_border[0, 2:4, 2:4] = True
    assert not new_holes(0 * full, full, at_the_border).any()
    assert not new_holes(2 * full, full, at_the_border).any()


@pytest.mark.parametrize("value", [1, 200])
@pytest.mark.parametrize("order", ["C", "F"])
def test_holes_are_filled_in_any_memory_layout_and_for_any_label(order, value):
    labels, changed = np.array(cell(2) * np.uint8(value), order=order), np.zeros(cell().shape, bool, order)
    assert fill_holes(labels, {value: np.inf}, changed=changed) == 16
    assert np.array_equal(labels, cell() * np.uint8(value))
    assert np.array_equal(changed, cell(2) != cell())
