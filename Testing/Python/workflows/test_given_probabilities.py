"""Probabilities that are given with a correction lie on the image, belong to its segments, and are not lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ACSegLib import Geometry, InputError, Segment, Segmentation, Volume, correct
from ACSegLib.workflows.given_probabilities import by_corrected_id, on_image

GEOMETRY = Geometry((30.0, 30.0, 40.0), (1.0, 2.0, 3.0), unit="nm")
SHAPE = (20, 22, 24)


def ball(radius: float) -> np.ndarray:
    k, j, i = np.indices(SHAPE) - np.array([10, 11, 12])[:, None, None, None]
    return k * k + j * j + i * i < radius * radius


TRUTH, PREDICTED = ball(8), ball(6)
CORRECTED = np.where(np.arange(20)[:, None, None] == 10, TRUTH, PREDICTED)
NOISE = np.random.default_rng(0).normal(0, 1, SHAPE).astype(np.float32)  # it shows nothing
GIVEN = np.where(TRUTH, 0.9, 0.1).astype(np.float32)
IMAGE = Volume(NOISE, GEOMETRY, "image")


def segmentation(labels: np.ndarray, name: str = "cell", identifier: str = "a") -> Segmentation:
    return Segmentation((labels.astype(np.uint8),), [Segment(name, 1, id=identifier)], GEOMETRY, "before")


def dice(labels: np.ndarray) -> float:
    return 2 * np.count_nonzero(labels & TRUTH) / (np.count_nonzero(labels) + np.count_nonzero(TRUTH))


@pytest.mark.parametrize(
    "geometry",
    [
        replace(GEOMETRY, spacing=(60.0, 30.0, 40.0)),
        replace(GEOMETRY, origin=(31.0, 2.0, 3.0)),
        replace(GEOMETRY, direction=(0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0)),
    ],
    ids=["voxel size", "origin", "direction"],
)
def test_volumes_that_do_not_lie_on_the_image_are_refused(geometry: Geometry):
    with pytest.raises(InputError, match=r"'p', given as the probabilities of 'cell' .* does not lie on .* 'image'"):
        correct(IMAGE, segmentation(PREDICTED), segmentation(CORRECTED), probabilities=Volume(GIVEN, geometry, "p"))


def test_a_part_of_the_image_is_refused():
    with pytest.raises(InputError, match="does not lie on the voxels of 'image'"):
        on_image({"cell": Volume(GIVEN[2:], GEOMETRY.cropped([0, 0, 2]), "p")}, IMAGE)


def test_volumes_with_flipped_axes_or_more_planes_are_laid_on_the_image():
    direction, origin = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0), (1.0 + 23 * 30.0, 2.0, 3.0)
    flipped = Volume(GIVEN[:, :, ::-1], replace(GEOMETRY, direction=direction, origin=origin))
    larger = Volume(np.pad(GIVEN, 2), GEOMETRY.cropped([-2, -2, -2]))
    for volume in (flipped, larger, Volume(GIVEN, replace(GEOMETRY, unit="px"))):
        assert np.array_equal(on_image({"cell": volume}, IMAGE)["cell"], GIVEN)


def test_channels_of_a_prediction_are_those_of_its_segments():
    channels = np.stack([1 - GIVEN, GIVEN])
    outcome = correct(IMAGE, segmentation(PREDICTED), segmentation(CORRECTED), probabilities=channels)
    assert dice(outcome.labels > 0) > 0.95, "the image shows nothing"
    assert np.array_equal(outcome.request.probabilities["cell"], GIVEN)


def test_segments_of_another_id_keep_their_probabilities():
    """Another program kept the name and gave ids of its own."""
    before, after = segmentation(PREDICTED), segmentation(CORRECTED, identifier="b")
    for key in ("a", "cell"):
        assert by_corrected_id({key: GIVEN}, before, after) == ({"b": GIVEN}, [])


def test_a_new_segment_leaves_the_probabilities_of_the_others():
    drawn = CORRECTED.astype(np.uint8)
    drawn[1, 1:6, 1:6] = 2
    new = Segmentation((drawn,), [Segment("cell", 1, id="a"), Segment("other", 2, id="o")], GEOMETRY)
    with_probabilities, without = (
        correct(IMAGE, segmentation(PREDICTED), new, probabilities=given).labels == 1 for given in (GIVEN, None)
    )
    assert dice(with_probabilities) > dice(without) + 0.05


def halves(labels: np.ndarray) -> np.ndarray:
    return np.where(labels, 1 + (np.arange(24) >= 12), 0)


def test_one_array_for_several_segments_is_refused():
    with pytest.raises(InputError, match=r"there are the segments Segment_1, Segment_2; give a dictionary"):
        correct(NOISE, halves(PREDICTED), halves(CORRECTED), probabilities=GIVEN)


def test_a_segment_without_probabilities_is_told():
    labels = Segmentation.from_labels(halves(PREDICTED), GEOMETRY)
    notes = by_corrected_id({"Segment_1": np.where(halves(TRUTH) == 1, 0.9, 0.1)}, labels, labels)[1]
    assert notes == ["there are no probabilities of Segment_2, so those of the other segments count alone."]


def test_probabilities_that_contradict_the_segmentation_are_told():
    before, after = segmentation(PREDICTED), segmentation(CORRECTED)
    for right in (GIVEN, 0.5 * GIVEN, TRUTH):  # the likeliest of many classes may have less than a half
        assert by_corrected_id({"cell": right}, before, after)[1] == []
    for wrong in (1 - GIVEN, np.roll(GIVEN, 8, axis=2)):
        (note,) = by_corrected_id({"cell": wrong}, before, after)[1]
        assert "the probabilities of cell are high in other places than the segmentation" in note
    assert by_corrected_id({"cell": 1 - GIVEN}, segmentation(PREDICTED & False), after)[1] == []


@pytest.mark.parametrize("given", ["p.nrrd", GIVEN.astype(object), GIVEN.astype(complex), GIVEN.tolist()])
def test_what_is_no_array_of_numbers_is_refused(given: object):
    with pytest.raises(InputError, match=r"probabilities.* (must be a 3D array|holds)"):
        on_image({"cell": given}, IMAGE)
