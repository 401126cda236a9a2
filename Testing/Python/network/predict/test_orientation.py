"""A prediction does not depend on the order and direction of the image's axes."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from known_networks import threshold_model

from ACSegLib.axis_order import AxisOrder
from ACSegLib.errors import Cancelled, InputError
from ACSegLib.jobs import Progress
from ACSegLib.network.model.architecture import build_seeded
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.preprocessing import Normalisation, Preprocessing
from ACSegLib.network.model.spec import unet_spec
from ACSegLib.network.predict import canonical, memory
from ACSegLib.network.predict.inference import PredictionSettings, predict
from ACSegLib.network.predict.orientation import canonical_orientation
from ACSegLib.network.predict.working_grid import WorkingGrid, reduced_shape
from ACSegLib.phantom import simulate
from ACSegLib.volume import Segment, Volume

ALL_48 = [
    AxisOrder(order, flips)
    for order in itertools.permutations(range(3))
    for flips in itertools.product((False, True), repeat=3)
]


@pytest.mark.parametrize("shape", [(12, 12, 12), (9, 12, 12), (7, 9, 14)])
def test_all_orientations_of_an_image_have_one_canonical_form(shape):
    image = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = canonical_orientation(image).enter(image)
    for orientation in ALL_48:
        turned = np.ascontiguousarray(orientation.enter(image))
        np.testing.assert_array_equal(canonical_orientation(turned).enter(turned), expected)


@pytest.mark.parametrize("orientation", ALL_48[::7])
def test_leaving_brings_channels_back(orientation):
    array = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    np.testing.assert_array_equal(orientation.leave(orientation.enter(array)), array)


def test_a_network_that_knows_directions_predicts_all_orientations_alike():
    """With random weights the network's answer depends on the orientation, unless the image is turned for it."""
    spec = unet_spec(1, base=4)
    preprocessing = Preprocessing(patch_size=(24, 24, 24), mean_side=24)
    volume = simulate((28, 32, 36), seed=2, reconstruct=False).volume.array
    settings = PredictionSettings(device="cpu", precision="float32", thin=0.5)

    def agreement(canonical):
        model = Model(
            spec,
            build_seeded(spec, 3).state_dict(),
            [Segment("a", 1)],
            replace(preprocessing, canonical_axes=canonical),
        )
        first = predict(Volume(volume), model, settings).segmentation.labels
        found = []
        for orientation in ALL_48[5::9]:
            turned = np.ascontiguousarray(orientation.enter(volume))
            labels = predict(Volume(turned), model, settings).segmentation.labels
            found.append(float((orientation.leave(labels) == first).mean()))
        return min(found)

    assert agreement(canonical=True) > 0.999
    assert agreement(canonical=False) < 0.99


def test_a_turned_prediction_gives_labels_probabilities_and_region_where_the_image_has_them():
    volume = Volume(simulate((20, 30, 26), seed=1, reconstruct=False).volume.array)
    plain, turned = (threshold_model(mean_side=16, canonical_axes=canonical) for canonical in (False, True))
    for roi in (None, ((2, 18), (5, 25), (0, 20))):
        settings = PredictionSettings(device="cpu", precision="float32", keep_probabilities=True, roi=roi)
        expected, found = predict(volume, plain, settings), predict(volume, turned, settings)
        np.testing.assert_array_equal(found.segmentation.labels, expected.segmentation.labels)
        np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=2e-3)
        assert found.report.working_shape == expected.report.working_shape


def test_a_mean_side_keeps_the_number_of_voxels_whatever_the_shape():
    assert reduced_shape((283, 118, 118), Preprocessing(mean_side=64)) == (115, 48, 48)
    assert reduced_shape((30, 40, 50), Preprocessing(mean_side=64)) == (30, 40, 50)
    assert reduced_shape((30, 40, 50), Preprocessing()) is None


# Inverted contrast


def by_brightness(**preprocessing):
    """A network that is sure of bright objects on a dark ground, and unsure of anything else."""
    return threshold_model(mean_side=16, canonical_axes=True, **preprocessing)


def test_a_given_contrast_predicts_an_inverted_image_as_the_image_itself():
    volume = simulate((20, 30, 26), seed=1, reconstruct=False).volume.array
    for model in (by_brightness(), threshold_model()):
        settings = PredictionSettings(device="cpu", precision="float32", contrast="bright")
        expected = predict(Volume(volume), model, settings).segmentation.labels
        inverted = predict(Volume(-volume), model, replace(settings, contrast="dark")).segmentation.labels
        np.testing.assert_array_equal(inverted, expected)
        assert expected.any()


def test_padding_of_an_inverted_image_is_replaced_by_what_does_not_absorb(monkeypatch):
    """The value is that of a cell in the image, and of vacuum in the inverted one."""
    image = simulate((20, 30, 26), seed=1, reconstruct=False).volume.array.astype(np.float32)
    image += np.random.default_rng(0).normal(0, 0.05 * np.ptp(image), image.shape).astype(np.float32)
    j, i = np.meshgrid(np.linspace(-1, 1, 30), np.linspace(-1, 1, 26), indexing="ij")
    outside = np.broadcast_to(j**2 + i**2 > 1, image.shape)
    image[outside] = np.percentile(image, 99)
    settings = PredictionSettings(device="cpu", precision="float32", contrast="bright")
    model = by_brightness(normalisation=Normalisation())
    expected = predict(Volume(image), model, settings)
    assert "counts as padding; a dark intensity replaced it" in expected.report.notes[0]
    assert expected.segmentation.labels.any()
    assert expected.segmentation.labels[outside].mean() < 0.1
    given = iter((0.4, 0.4, 0.1))
    monkeypatch.setattr(canonical, "uncertainty", lambda probabilities: next(given))
    for contrast in ("dark", "auto"):
        found = predict(Volume(-image), model, replace(settings, contrast=contrast))
        np.testing.assert_array_equal(found.segmentation.labels, expected.segmentation.labels)
        assert "counts as padding; a bright intensity replaced it" in found.report.notes[0]
        assert found.padding.replacement == pytest.approx(-expected.padding.replacement, rel=1e-5)


@pytest.mark.parametrize(
    ("entropies", "inverted", "note"),
    [
        ((0.02, 0.01), False, ""),  # sure: the other is not asked for
        ((0.20, 0.32), False, ""),
        ((0.20, 0.24), False, "may be inverted"),
        ((0.20, 0.16), False, "may be inverted"),
        ((0.09, 0.04), True, "looks inverted"),
        ((0.40, 0.10), True, "looks inverted"),
        ((0.40, 0.60), False, "does not recognise"),
    ],
)
def test_contrast_is_inverted_where_the_network_is_far_surer_of_the_inverted_image(
    monkeypatch, entropies, inverted, note
):
    volume = Volume(simulate((16, 16, 16), seed=1, reconstruct=False).volume.array)
    settings, given = PredictionSettings(device="cpu", precision="float32"), iter(entropies)
    plain, turned = (predict(volume, by_brightness(), replace(settings, contrast=c)) for c in ("bright", "dark"))
    monkeypatch.setattr(canonical, "uncertainty", lambda probabilities: next(given))
    found = predict(volume, by_brightness(), settings)
    expected = turned if inverted else plain
    np.testing.assert_array_equal(found.segmentation.labels, expected.segmentation.labels)
    assert [note in text for text in found.report.notes] == [True] * bool(note)


def test_an_unknown_contrast_is_refused():
    with pytest.raises(InputError, match="contrast must be one of auto, bright, dark"):
        PredictionSettings(contrast="inverse")


def test_a_large_image_is_reduced_block_by_block(monkeypatch):
    """Blocks of a few voxels give what reading the image at once gives, and none of them is large."""
    image = np.random.default_rng(0).normal(size=(37, 50, 44)).astype(np.float32)
    grid = WorkingGrid((1, 0, 2), (37, 49, 44), (9, 12, 11))
    expected = grid.read(image, (0, 0, 0), grid.shape, lambda part: part.astype(np.float32))
    sizes = []

    def seen(part):
        sizes.append(part.size)
        return part.astype(np.float32)

    monkeypatch.setattr(memory, "READ_VOXELS", 1500)
    np.testing.assert_allclose(canonical.read_whole(grid, image, seen, Progress()), expected, atol=1e-6)
    with pytest.raises(Cancelled):
        canonical.read_whole(grid, image, seen, Progress(cancelled=lambda: True))
    assert max(sizes) < 4000
    assert len(sizes) > 10
