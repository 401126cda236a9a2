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


def two_cells(values: list[int], labels: np.ndarray, names: dict[int, str] | None = None) -> Segmentation:
    """A cell of two halves with these label values; one with names has ids of its own."""
    halves = np.where(labels, 1 + (np.arange(26) >= 13), 0)
    made = Segmentation.from_labels(np.array([0, *values], np.uint16)[halves], GEOMETRY, names or {})
    if names:
        made.segments = [replace(row, id=f"id of {row.name}", colour=(0.1, 0.2, 0.3)) for row in made.segments]
    return made


@pytest.mark.parametrize("values", [[1, 2], [300, 400], [2, 1]])
def test_label_values_of_another_program_are_the_segments_in_their_place(values):
    volume, before = Volume(IMAGE, GEOMETRY, "image"), two_cells([1, 2], PREDICTED, {1: "left", 2: "right"})
    after = two_cells(values, CORRECTED)
    outcome = run(CorrectRequest(volume=volume, segmentation=before, corrected=after, renumbered=True))
    assert outcome.report.changed_voxels == np.count_nonzero(PREDICTED != CORRECTED)
    assert outcome.report.slices == {"k": [11]}
    rows = {row.name: row for row in outcome.segmentation.segments}
    assert {name: (row.id, row.value, row.colour) for name, row in rows.items()} == {
        name: (f"id of {name}", value, (0.1, 0.2, 0.3)) for name, value in zip(("left", "right"), values, strict=True)
    }
    told = [note for note in outcome.report.warnings if "found by where they lie" in note]
    assert len(told) == (values != [1, 2])


def test_the_numbers_of_a_deleted_segment_are_not_taken_for_it():
    volume, before = Volume(IMAGE, GEOMETRY, "image"), two_cells([1, 2], PREDICTED)
    left_deleted = two_cells([1, 1], CORRECTED & (np.arange(26) >= 13))
    outcome = run(CorrectRequest(volume=volume, segmentation=before, corrected=left_deleted, renumbered=True))
    assert [(row.id, row.value) for row in outcome.segmentation.segments] == [("Segment_2", 1)]
    assert outcome.report.changed_voxels == np.count_nonzero((PREDICTED != CORRECTED)[..., 13:])


def test_numbers_alone_do_not_stand_for_segments_that_overlap():
    volume, rows = Volume(IMAGE, GEOMETRY, "image"), [Segment("cell", 1, id="c"), Segment("nucleus", 1, id="n")]
    before = Segmentation.from_masks([PREDICTED, ball(3)], rows, GEOMETRY, "before")
    flat = Segmentation.from_labels(np.where(ball(3), 2, CORRECTED).astype(np.uint8), GEOMETRY, name="flat")
    with pytest.raises(InputError, match="segments of 'before' overlap, but 'flat' has one value"):
        run(CorrectRequest(volume=volume, segmentation=before, corrected=flat, renumbered=True))


def test_a_segment_that_a_front_end_drew_over_another_one_is_itself():
    volume, before = Volume(IMAGE, GEOMETRY, "image"), two_cells([1, 2], PREDICTED)
    outcome = run(CorrectRequest(volume=volume, segmentation=before, corrected=two_cells([1, 3], CORRECTED)))
    assert [row.id for row in outcome.segmentation.segments] == ["Segment_1", "Segment_3"]


def test_corrections_of_a_part_erase_nothing_beyond_it():
    volume = Volume(IMAGE, GEOMETRY, "image")
    before = two_cells([1, 2], PREDICTED, {1: "left", 2: "right"})
    part = np.s_[8:15, :, 13:]
    cut = Segmentation.from_labels(two_cells([1, 5], CORRECTED).labels[part], GEOMETRY.cropped([13, 0, 8]))
    outcome = run(CorrectRequest(volume=volume, segmentation=before, corrected=cut, renumbered=True))
    changed = np.zeros(TRUTH.shape, bool)
    changed[part] = (PREDICTED != CORRECTED)[part]
    assert outcome.report.changed_voxels == changed.sum()
    assert {row.name for row in outcome.segmentation.segments} == {"left", "right"}
    assert np.count_nonzero(PREDICTED & (outcome.labels == 0)) == 0
    assert any("covers a part of 'image' only" in note for note in outcome.report.warnings)


def test_nothing_is_said_of_a_part_that_the_segmentation_covers_no_more_than_its_corrections():
    volume, place = Volume(IMAGE, GEOMETRY, "image"), GEOMETRY.cropped([0, 0, 3])
    before, after = (replace(segmentation(labels[3:20]), geometry=place) for labels in (PREDICTED, CORRECTED))
    report = run(CorrectRequest(volume=volume, segmentation=before, corrected=after)).report
    assert (report.changed_voxels, report.warnings) == (np.count_nonzero(PREDICTED != CORRECTED), [])


@pytest.mark.parametrize("extent", [(0, 25, 0, 23, 0, 21), (0, 25, 0, 23, 8, 14)])
def test_what_slicer_cropped_was_erased_and_what_it_never_held_was_not(extent):
    volume, before = Volume(IMAGE, GEOMETRY, "image"), segmentation(PREDICTED)
    cut = replace(segmentation(CORRECTED[9:14]), geometry=GEOMETRY.cropped([0, 0, 9]))
    cut.meta |= {"reference_offset": (0, 0, 9), "reference_extent": extent}
    report = run(CorrectRequest(volume=volume, segmentation=before, corrected=cut)).report
    held = np.zeros(22, bool)
    held[extent[4] : extent[5] + 1] = True
    erased = np.delete(np.where(held[:, None, None], PREDICTED, False), np.s_[9:14], axis=0)
    assert report.changed_voxels == erased.sum() + np.count_nonzero(PREDICTED != CORRECTED)
