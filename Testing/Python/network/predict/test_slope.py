"""A slope of the intensities is found, subtracted and told; a specimen has none."""

from dataclasses import replace

import numpy as np
import pytest

from ACSegLib.errors import Cancelled
from ACSegLib.network.model.pretrained import open_model
from ACSegLib.network.predict.slope import find_slope
from ACSegLib.phantom import simulate
from ACSegLib.volume import Volume
from ACSegLib.workflows import PredictRequest, run

SHAPE = (28, 34, 40)
#: Centres of the voxels, from -1 to 1 between the borders.
Z, Y, X = np.meshgrid(*((np.arange(n) + 0.5) / n * 2 - 1 for n in SHAPE), indexing="ij")
NOISE = np.random.default_rng(0).normal(0, 0.1, SHAPE)


def normalised(image):
    image = image + NOISE
    return ((image - image.mean()) / image.std()).astype(np.float32)


def specimen():
    """A cell beside the centre, in medium with vacuum on one side: 2, 1, 0."""
    cell = (Z + 0.2) ** 2 + (Y - 0.4) ** 2 + (X - 0.3) ** 2 < 0.25
    return np.where(cell, 2.0, np.where(X < -0.5, 0.0, 1.0))


@pytest.mark.parametrize("halves", [(1.0, 0, 0), (0, -0.6, 0), (0.3, 0.3, -0.3), (0, 0, 2.0)])
def test_a_slope_is_found_and_subtracted(halves):
    plane = halves[0] * Z + halves[1] * Y + halves[2] * X
    image, expected = normalised(specimen() + plane), normalised(specimen())
    deviation = (specimen() + plane + NOISE).std()
    slope = find_slope(image)
    np.testing.assert_allclose(np.array(slope.halves) * deviation, halves, atol=0.05)
    known = np.ptp(np.percentile(specimen() + plane, (1, 99)))
    assert slope.share == pytest.approx(2 * np.abs(halves).sum() / known, rel=0.15)
    slope.subtract(image)
    np.testing.assert_allclose(image, expected, atol=0.15)
    assert find_slope(image) is None


def test_the_slope_is_that_of_other_grids_and_of_the_inverted_image():
    image = normalised(specimen() + 0.8 * Y)
    slope, inverted = find_slope(image), -image
    finer = np.repeat(np.repeat(np.repeat(image, 2, 0), 2, 1), 2, 2)
    slope.subtract(image)
    slope.subtract(finer)
    np.testing.assert_allclose(finer.reshape(28, 2, 34, 2, 40, 2).mean((1, 3, 5)), image, atol=1e-4)
    slope.inverse().subtract(inverted)
    np.testing.assert_allclose(inverted, -image, atol=1e-5)


def test_the_deviation_keeps_the_noise_that_a_coarser_grid_has_lost():
    fine = normalised(specimen() + 0.8 * Y)
    coarse = fine.reshape(14, 2, 17, 2, 20, 2).mean((1, 3, 5))
    slope = find_slope(coarse)
    slope.subtract(fine)
    assert fine.std() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    "image",
    [
        specimen(),
        np.where(X + 0.5 * Y < 0, 0.0, 1.0),
        np.where(Z > 0, 1.0, 0.0) + (Y > 0),
        np.where(Y**2 + X**2 < 0.3, 1.0, 0.0),
        np.zeros(SHAPE),
        specimen() + 0.1 * Z,
    ],
    ids=["specimen", "half", "quarters", "rod", "noise", "little"],
)
def test_no_specimen_has_a_slope(image):
    assert find_slope(normalised(image)) is None


def test_few_voxels_and_a_constant_image_have_no_slope():
    assert find_slope(normalised(Z)[:15, :15, :15]) is None
    assert find_slope(np.zeros(SHAPE, np.float32)) is None


def test_the_search_can_be_cancelled():
    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        find_slope(normalised(specimen()), stop)


def test_a_prediction_is_that_of_the_image_without_the_slope_and_says_so():
    made = simulate(40, seed=3)
    image = made.volume.array.astype(np.float32)
    low, high = np.percentile(image, (0.5, 99.5))
    slope = np.linspace(-0.5, 0.5, 40, dtype=np.float32) * np.float32(high - low)
    model = open_model(None)
    model = replace(model, preprocessing=replace(model.preprocessing, mean_side=40))  # the image is not enlarged
    plain, sloping = (run(PredictRequest(volume=Volume(a), model=model)) for a in (image, image + slope))
    inverted = run(PredictRequest(volume=Volume(-image - slope), model=model, contrast="dark"))
    expected = plain.segmentation.labels > 0
    assert expected.mean() > 0.02
    for found in (sloping, inverted):
        labels = found.segmentation.labels > 0
        assert 2 * (labels & expected).sum() / (labels.sum() + expected.sum()) > 0.97
        assert any("this slope was subtracted" in note for note in found.report.notes)
    assert not any("slope" in note for note in plain.report.notes)
