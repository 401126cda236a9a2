"""Images of long voxels, and of few: the pretrained network sees cubes, and enough of them."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from known_networks import threshold_model

from ACSegLib.geometry import Geometry
from ACSegLib.network.model.pretrained import open_model
from ACSegLib.network.predict import inference, working_grid
from ACSegLib.network.predict.inference import PredictionSettings, predict
from ACSegLib.network.predict.working_grid import WorkingGrid, enlargement, in_cubes, sides_of_voxels
from ACSegLib.phantom import simulate
from ACSegLib.volume import Volume
from ACSegLib.workflows import PredictRequest, run


def ball(shape, spacing):
    """A bright ball (1) of radius 20 in the middle of an image (-1); spacing along i, j, k."""
    from scipy.special import expit

    places = np.meshgrid(
        *((np.arange(n) - (n - 1) / 2) * side for n, side in zip(shape, spacing[::-1], strict=True)), indexing="ij"
    )
    distance = np.sqrt(sum(place**2 for place in places))
    return Volume((2 * expit(20 - distance) - 1).astype(np.float32), Geometry(spacing, unit="nm")), distance < 20


@pytest.fixture
def as_pretrained(monkeypatch):
    """Take any network for the pretrained one, where a grid is planned."""
    monkeypatch.setattr(inference, "is_pretrained", lambda model: True)


@pytest.mark.parametrize("order", [*itertools.permutations((1.0, 2.0, 4.0))])
def test_sides_are_told_along_the_axes_of_the_array(order):
    i, j, k = order
    assert sides_of_voxels(Geometry((10 * i, 10 * j, 10 * k), unit="nm")) == (k, j, i)
    assert in_cubes((8, 8, 8), (k, j, i)) == (8 * k, 8 * j, 8 * i)


@pytest.mark.parametrize(
    "spacing", [(1.0, 1.0, 1.0), (30.0, 30.0, 31.0), (30.0, 30.0, 30e3), (0.032, 0.032, 1.0)], ids=str
)
def test_sides_that_hardly_differ_or_cannot_be_right_count_as_equal(spacing):
    assert sides_of_voxels(Geometry(spacing)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("shape", "spacing", "working"),
    [
        ((12, 48, 48), (1, 1, 4), (48, 48, 48)),
        ((48, 12, 48), (1, 4, 1), (48, 48, 48)),
        ((24, 48, 16), (3, 1, 2), (48, 48, 48)),
    ],
)
def test_a_network_that_reduces_images_sees_cubes_and_labels_the_voxels(shape, spacing, working, as_pretrained):
    volume, inside = ball(shape, spacing)
    settings = PredictionSettings(device="cpu", precision="float32", keep_probabilities=True)
    found = predict(volume, threshold_model(mean_side=48, canonical_axes=True), settings)
    assert found.report.working_shape == list(working)
    assert found.segmentation.geometry == volume.geometry
    assert found.probabilities.shape == (3, *shape)
    labelled = found.labels > 0
    assert 2 * np.sum(labelled & inside) / (np.sum(labelled) + np.sum(inside)) > 0.97
    size = " x ".join(map(str, spacing))
    told = f"the voxels are {size} nm (x, y, z), so the image was interpolated to cubes for the network"
    assert told in found.report.notes
    # coarser cubes: along the short sides the image is reduced, along the long one interpolated
    found = predict(volume, threshold_model(mean_side=32, canonical_axes=True), settings)
    assert found.report.working_shape == [32, 32, 32]
    labelled = found.labels > 0
    assert 2 * np.sum(labelled & inside) / (np.sum(labelled) + np.sum(inside)) > 0.97


def test_another_network_sees_voxels_as_they_are():
    volume, _ = ball((12, 48, 48), (1, 1, 4))
    settings = PredictionSettings(device="cpu", precision="float32")
    found = predict(volume, threshold_model(mean_side=48, canonical_axes=True), settings)
    assert found.report.working_shape == [12, 48, 48]
    assert not [note for note in found.report.notes if "cubes" in note]


def test_a_voxel_size_that_cannot_be_right_is_told_and_changes_nothing(as_pretrained):
    volume, _ = ball((12, 48, 48), (1, 1, 1000))
    settings = PredictionSettings(device="cpu", precision="float32")
    found = predict(volume, threshold_model(mean_side=48, canonical_axes=True), settings)
    assert found.report.working_shape == [12, 48, 48]
    assert [note for note in found.report.notes if note.startswith("voxels of 1 x 1 x 1000 nm (x, y, z) are too long")]


def test_a_walk_follows_only_where_the_image_is_finer_than_the_grid(as_pretrained):
    model = threshold_model(mean_side=48, canonical_axes=True)
    cubes = run(PredictRequest(volume=ball((12, 48, 48), (1, 1, 4))[0], model=model))
    assert (cubes.report.is_reduced, cubes.report.walk_band_voxels) == (False, None)
    model = threshold_model(mean_side=40, canonical_axes=True)
    reduced = run(PredictRequest(volume=ball((12, 48, 48), (1, 1, 4))[0], model=model))
    assert (reduced.report.is_reduced, reduced.report.walk_band_voxels) == (True, 3)
    assert (reduced.probabilities, len(reduced.interpolated)) == (None, 3)  # none on the disk at the image's resolution


def test_a_grid_that_is_no_finer_than_the_image_covers_the_same_box():
    grid = WorkingGrid((1, 2, 3), (11, 42, 43), (20, 20, 40), (2.0, 1.0, 1.0))
    assert grid.no_finer() == WorkingGrid((1, 2, 3), (11, 42, 43), (10, 20, 40), (2.0, 1.0, 1.0))
    assert grid.no_finer().finer_axes is not None


@pytest.mark.parametrize(
    ("shape", "factor"),
    [((40, 40, 40), 2.0), ((20, 40, 80), 2.0), ((25, 25, 25), 3.2), ((42, 42, 42), 1.0), ((20, 20, 20), 1.0)],
)
def test_an_image_of_few_voxels_is_enlarged_to_the_network_s_grid_and_a_tiny_one_is_not(shape, factor):
    assert enlargement(shape, 80) == pytest.approx(factor)


def test_an_image_of_few_voxels_is_interpolated_and_its_own_voxels_are_labelled(as_pretrained):
    volume, inside = ball((12, 24, 24), (2, 2, 4))
    settings = PredictionSettings(device="cpu", precision="float32", keep_probabilities=True)
    found = predict(volume, threshold_model(mean_side=60, canonical_axes=True), settings)
    assert (found.report.working_shape, found.probabilities.shape) == ([60, 60, 60], (3, 12, 24, 24))
    labelled = found.labels > 0
    assert 2 * np.sum(labelled & inside) / (np.sum(labelled) + np.sum(inside)) > 0.95
    told = "24 x 24 x 12 voxels are few, so the image was interpolated to 2.5 times as many a side for the network"
    assert told in found.report.notes
    as_it_is = predict(volume, threshold_model(mean_side=60, canonical_axes=True), replace(settings, resample=False))
    assert as_it_is.report.working_shape == [12, 24, 24]


@pytest.fixture(scope="module")
def made():
    """A simulated cell of 64^3 voxels."""
    return simulate(64, seed=3)


def dice(image, cell, spacing=(30, 30, 30)):
    model = open_model(None)
    model = replace(model, preprocessing=replace(model.preprocessing, mean_side=64))
    found = run(PredictRequest(volume=Volume(image, Geometry(spacing, unit="nm")), model=model)).labels == 1
    return 2 * np.sum(found & cell) / (np.sum(found) + np.sum(cell))


def test_every_fourth_plane_of_a_cell_is_labelled_as_the_planes_of_the_whole_cell(made):
    """Voxel by voxel, without its size, the pretrained network takes the image for something flat."""
    image, cell = made.volume.array[::4], made.truth.labels[::4] == 1
    flat, known = dice(image, cell), dice(image, cell, (30, 30, 120))
    assert known > max(flat + 0.02, 0.9), (flat, known)


def test_a_cell_of_which_few_voxels_remain_is_labelled_well(made, monkeypatch):
    blocks = (32, 2, 32, 2, 32, 2)
    image = made.volume.array.reshape(blocks).mean((1, 3, 5))
    cell = (made.truth.labels == 1).reshape(blocks).mean((1, 3, 5)) > 0.5
    enlarged = dice(image, cell)
    monkeypatch.setattr(working_grid, "ENLARGED", (np.inf, np.inf))
    plain = dice(image, cell)
    assert enlarged > max(plain + 0.01, 0.9), (plain, enlarged)
