"""Images without a cell: nothing is labelled, and the user reads why."""

import re
from dataclasses import replace

import numpy as np
import pytest

from ACSegLib.geometry import Geometry
from ACSegLib.network.model.pretrained import open_model
from ACSegLib.network.predict.recognition import (
    certainty_of,
    change_along,
    may_be_medium,
    note_on_no_cell,
    notes_on_uncertainty,
    why_no_cell,
)
from ACSegLib.phantom import simulate
from ACSegLib.volume import Volume
from ACSegLib.workflows import PredictRequest, run

SIDE = 40
Z, Y, X = np.indices((SIDE,) * 3) - (SIDE - 1) / 2
BALL = Z**2 + Y**2 + X**2 < 12**2
ROD = Y**2 + X**2 < 10**2
NOISE = np.random.default_rng(0).normal(size=(SIDE,) * 3).astype(np.float32)


def probabilities(labelled, sure=0.97, background=0.99):
    """Of background, cytoplasm and bead, of a network that is as sure as said."""
    cell = np.where(labelled, sure, (1 - background) / 2)
    other = np.where(labelled, 1 - sure, background)
    return np.stack([other, cell, 1 - cell - other]).astype(np.float32)


def test_certainty_is_that_of_the_labelled_voxels_and_of_the_background_away_from_them():
    certainty = certainty_of(probabilities(BALL, 0.8, 0.9))
    assert certainty.labelled == pytest.approx(0.8)
    assert certainty.background == pytest.approx(-(0.9 * np.log(0.9) + 2 * 0.05 * np.log(0.05)), rel=1e-4)
    assert (certainty.voxels, certainty.share) == (np.count_nonzero(BALL), pytest.approx(BALL.mean()))
    assert certainty_of(probabilities(np.zeros_like(BALL))).voxels == 0


def test_recognition_looks_for_a_cancel_in_each_of_its_steps():
    asked = []
    certainty = certainty_of(probabilities(ROD), lambda: asked.append("certainty"))
    assert why_no_cell((NOISE + 5 * ROD).astype(np.float32), certainty, lambda: asked.append("change"))
    assert asked.count("certainty") >= 2
    assert asked.count("change") == 3 * 4


def test_white_noise_changes_as_noise_does_and_a_ball_far_more():
    slope = (0.2 * Z + 0.1 * Y).astype(np.float32)
    for axis in range(3):
        assert change_along(NOISE, axis) == pytest.approx(1.2, abs=0.4)
        assert change_along(NOISE + slope, axis) == pytest.approx(1.2, abs=0.4), "a slow trend is no change"
        assert change_along(NOISE + 2 * BALL, axis) > 10
    assert change_along(NOISE + 5 * ROD, 0) == pytest.approx(1.2, abs=0.4)
    assert change_along(NOISE + 5 * ROD, 1) > 10


def test_gold_markers_count_little_and_an_image_without_noise_is_not_judged():
    marked = NOISE + 5 * ROD
    marked[10:12, 18:20, 18:20] = 100
    assert change_along(marked, 0) < 2
    assert change_along(ROD.astype(np.float32), 0) == float("inf")


@pytest.mark.parametrize(
    ("image", "found", "reason"),
    [
        (NOISE + 3 * BALL, probabilities(BALL), ""),
        (NOISE + 3 * BALL, probabilities(BALL, 0.7, 0.997), ""),
        (NOISE + 3 * BALL, probabilities(BALL, 0.9, 0.95), ""),
        (NOISE, probabilities(BALL, 0.7, 0.95), "neither of what it labels (mean probability 0.70) nor of the backgr"),
        (NOISE, probabilities(BALL, 0.55, 0.999), "not sure of what it labels (mean probability 0.55)"),
        (NOISE + 5 * ROD, probabilities(ROD), "along one axis the image hardly changes"),
        (NOISE, probabilities((abs(Z) < 1) & (abs(Y) < 1) & (abs(X) < 1)), "the network labels 8 of 64000 voxels"),
    ],
)
def test_what_tells_labels_without_a_cell(image, found, reason):
    why = why_no_cell(image.astype(np.float32), certainty_of(found))
    assert reason in why
    assert bool(why) == bool(reason)


def test_labels_of_which_the_network_is_less_sure_than_of_cells_are_told():
    assert notes_on_uncertainty(certainty_of(probabilities(BALL, 0.95))) == []
    assert notes_on_uncertainty(certainty_of(probabilities(np.zeros_like(BALL)))) == []
    assert "(mean probability 0.84)" in notes_on_uncertainty(certainty_of(probabilities(BALL, 0.84)))[0]


@pytest.fixture(scope="module")
def pretrained():
    """For images that are not enlarged, which takes a tenth of the time."""
    model = open_model(None)
    return replace(model, preprocessing=replace(model.preprocessing, mean_side=44))


def test_noise_on_a_slope_is_not_labelled_and_told(pretrained):
    volume = Volume((NOISE + 0.25 * Z).astype(np.float32))
    found = run(PredictRequest(volume=volume, model=pretrained))
    assert not found.labels.any()
    assert found.report.surface_regions is None
    assert [note for note in found.report.notes if note.startswith("no cell was recognised, so nothing is labelled")]
    assert not found.report.estimates
    own = run(PredictRequest(volume=volume, model=pretrained, refine="none"))
    assert not [note for note in own.report.notes if "no cell" in note], "nothing is judged"


def test_of_a_movie_of_bright_blobs_it_is_told_that_there_may_be_no_cell(pretrained):
    rng = np.random.default_rng(1)
    y, x = np.indices((48, 48))
    frames = np.zeros((36, 48, 48))
    places, steps = rng.uniform(0, 48, (6, 2)), rng.normal(0, 1, (6, 2))
    for frame in frames:
        for place in places:
            frame += np.exp(-((y - place[0]) ** 2 + (x - place[1]) ** 2) / 50)
        places = (places + steps) % 48
    movie = np.clip(20 + 150 * frames + rng.normal(0, 6, frames.shape), 0, 255).astype(np.uint8)
    notes = run(PredictRequest(volume=Volume(movie), model=pretrained)).report.notes
    assert any("so there may be no cell" in note or note.startswith("no cell was recognised") for note in notes)


def test_a_cell_in_strong_noise_stays(pretrained):
    phantom = simulate(SIDE, seed=3)
    cell = phantom.truth.labels == 1
    image = phantom.volume.array
    contrast = float(np.median(image[cell]) - np.median(image[~cell]))
    found = run(PredictRequest(volume=Volume(image + np.float32(0.5 * contrast) * NOISE), model=pretrained))
    both = np.count_nonzero((found.labels == 1) & cell)
    assert 2 * both > 0.85 * (np.count_nonzero(found.labels == 1) + np.count_nonzero(cell))
    assert not [note for note in found.report.notes if note.startswith("no cell")]


def without_a_wedge(image):
    """The image without the directions of its spectrum within 25 degrees of j, across k."""
    _, j, i = np.meshgrid(*(np.abs(np.fft.fftfreq(n)) for n in image.shape), indexing="ij")
    return np.fft.ifftn(np.where(j <= i / np.tan(np.deg2rad(25)), np.fft.fftn(image), 0)).real.astype(np.float32)


def test_of_a_missing_wedge_it_is_told_and_intervals_are_wider(pretrained):
    """Not of long voxels: what is interpolated between distant planes lacks power as well."""
    image = simulate((48, 44, 44), seed=3).volume.array
    widths = []
    for array, geometry, told in (
        (image, Geometry(), False),
        (without_a_wedge(image), Geometry(), True),
        (image[::6], Geometry((1, 1, 6)), False),
    ):
        found = run(PredictRequest(volume=Volume(array, geometry), model=pretrained, refine="none"))
        note = r"the spectrum of the image lacks a wedge of about [45][05] degrees about axis k"
        assert any(re.match(note, line) for line in found.report.notes) is told
        cell = found.report.estimates[0]
        widths.append(np.log(cell.voxels.high / cell.voxels.low))
    assert widths[1] > 2 * max(widths[0], widths[2])


def test_the_other_contrast_is_advised():
    assert "if dark intensities absorb, use --contrast dark" in note_on_no_cell("it is noise")
    assert "if bright intensities absorb, use --contrast bright" in note_on_no_cell("it is noise", "dark")


@pytest.mark.parametrize(("filling", "expected"), [(1.0, True), (0.6, False)])
def test_what_touches_the_wall_alone_may_be_medium(filling, expected):
    """A capillary along k: vacuum 0, wall 2.5, and what is labelled, 1, in a medium of 0.5."""
    row, column = np.indices((40, 40)) - 19.5
    radius = np.broadcast_to(np.hypot(row, column), (40, 40, 40))
    labelled = radius < 14 * filling
    image = np.select([labelled, radius < 14, radius < 17], [1.0, 0.5, 2.5], 0.0).astype(np.float32)
    assert may_be_medium(image, labelled) is expected
    assert not may_be_medium(image[:, 10:30, 10:30], np.ones((40, 20, 20), bool))
