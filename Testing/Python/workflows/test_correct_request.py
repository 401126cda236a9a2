"""A correction does the same for every front end, and comes back whole from another process."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from ACSegLib import InputError, correct
from ACSegLib.jobs import Progress
from ACSegLib.segment_estimates import Interval, SegmentEstimate, with_volume_intervals
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume
from ACSegLib.worker.tasks import TASKS, Call
from ACSegLib.workflows import CorrectOutcome, CorrectRequest, run

GEOMETRY = Geometry((30.0, 30.0, 30.0), unit="nm")


def ball(radius: float) -> np.ndarray:
    k, j, i = np.indices((22, 24, 26)) - np.array([11, 12, 13])[:, None, None, None]
    return k * k + j * j + i * i < radius * radius


TRUTH, PREDICTED = ball(9), ball(7)
CORRECTED = np.where(np.arange(22)[:, None, None] == 11, TRUTH, PREDICTED)
IMAGE = (TRUTH + np.random.default_rng(0).normal(0, 0.1, TRUTH.shape)).astype(np.float32)


def segmentation(labels: np.ndarray) -> Segmentation:
    return Segmentation.from_labels(labels.astype(np.uint8), GEOMETRY, {1: "cell"})


@pytest.fixture(scope="module")
def request_and_outcome() -> tuple[CorrectRequest, CorrectOutcome]:
    volume = Volume(IMAGE, GEOMETRY, "image")
    request = CorrectRequest(volume=volume, segmentation=segmentation(PREDICTED), corrected=segmentation(CORRECTED))
    return request, run(request)


def test_arrays_give_the_same_as_segmentations(request_and_outcome):
    by_arrays = correct(IMAGE, PREDICTED, CORRECTED)
    assert np.array_equal(by_arrays.labels, request_and_outcome[1].labels)
    assert by_arrays.report.slices == {"k": [11]}


def test_exchanged_segmentations_are_told_where_one_is_as_acseg_wrote_it():
    volume, size = Volume(IMAGE, GEOMETRY, "image"), float(PREDICTED.sum())
    expected = SegmentEstimate("cell", Interval(0.9, 0.8, 1.0), Interval(size, 0.9 * size, 1.1 * size), True)
    written = with_volume_intervals(segmentation(PREDICTED), [expected], "prediction")
    edited = replace(written, layers=segmentation(CORRECTED).layers)
    for before, after, told in (
        (written, edited, False),
        (edited, written, True),
        (segmentation(CORRECTED), written, True),
    ):
        report = run(CorrectRequest(volume=volume, segmentation=before, corrected=after)).report
        assert any("exchanged" in note for note in report.warnings) == told


def test_the_worker_gives_the_same(request_and_outcome):
    request, outcome = request_and_outcome
    message, arrays = request.pack()
    answer, results = TASKS["correct"].function(Call(json.loads(json.dumps(message)), arrays, "", {}, Progress()))
    back = CorrectOutcome.unpack(json.loads(json.dumps(answer)), results, request)
    assert np.array_equal(back.labels, outcome.labels)
    assert np.array_equal(back.decided, outcome.decided)
    assert back.report.to_dict() | {"seconds": 0} == outcome.report.to_dict() | {"seconds": 0}


def test_the_worker_keeps_the_image(request_and_outcome):
    message, arrays = request_and_outcome[0].pack()
    kept: dict = {}
    TASKS["correct"].function(Call(message, dict(arrays), "a", kept, Progress()))
    del arrays["image"]
    answer, results = TASKS["correct"].function(Call(message, arrays, "a", kept, Progress()))
    assert np.array_equal(results[answer["segmentation"]["layers"][0]], request_and_outcome[1].labels)


def test_what_is_drawn_afterwards_is_merged(request_and_outcome):
    outcome = request_and_outcome[1]
    later = CORRECTED.copy()
    later[2, 2, 2] = True
    protected = np.zeros(TRUTH.shape, bool)
    protected[:, :, :13] = True
    merged = outcome.merged_with(segmentation(later), protected).labels > 0
    assert merged[2, 2, 2]
    assert np.array_equal(merged[:, :, :13], later[:, :, :13])
    rest = np.arange(26) >= 13
    assert np.array_equal(merged[3:, :, rest], (outcome.labels > 0)[3:, :, rest])


def test_layers_are_merged_by_segment(request_and_outcome):
    volume = Volume(IMAGE, GEOMETRY)
    rows = [Segment("cell", 1), Segment("core", 1, layer=1)]

    def layered(cell, core):
        return Segmentation((cell.astype(np.uint8), core.astype(np.uint8)), rows, GEOMETRY)

    outcome = run(
        CorrectRequest(volume=volume, segmentation=layered(PREDICTED, ball(3)), corrected=layered(CORRECTED, ball(3)))
    )
    later_core = ball(3).copy()
    later_core[1, 1, 1] = True
    merged = outcome.merged_with(layered(CORRECTED, later_core))
    expected = outcome.segmentation.mask("core").copy()
    expected[1, 1, 1] = True
    assert np.array_equal(merged.mask("core"), expected)
    assert np.array_equal(merged.mask("cell"), outcome.segmentation.mask("cell"))


def test_decided_voxels_of_an_earlier_correction_stay():
    first = correct(IMAGE, PREDICTED, CORRECTED, reach=3)
    again = first.labels.copy()
    again[14] = TRUTH[14]
    second = correct(IMAGE, first.labels, again, slices="z:14", decided=first.decided)
    assert np.array_equal(second.labels[11] > 0, TRUTH[11])
    assert second.decided[[11, 14]].all()


def test_probabilities_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"probabilities of 'Segment_1' have .* voxels"):
        correct(IMAGE, PREDICTED, CORRECTED, probabilities=np.zeros((3, 3, 3)))


@pytest.mark.parametrize("value", [np.nan, -1.0, 255.0, np.inf])
def test_values_that_are_no_probabilities_are_refused(value):
    probabilities = np.full(TRUTH.shape, 0.5)
    probabilities[0, 0, 0] = value
    with pytest.raises(InputError, match=f"'Segment_1' go from .*{value:g}"):
        correct(IMAGE, PREDICTED, CORRECTED, probabilities=probabilities)


def test_an_unknown_segment_of_probabilities_is_refused():
    with pytest.raises(InputError, match="no segment 'soma'"):
        correct(IMAGE, PREDICTED, CORRECTED, probabilities={"soma": np.zeros(TRUTH.shape)})
