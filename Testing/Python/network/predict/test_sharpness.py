"""Blurred edges of an image are measured and narrowed before the pretrained model predicts."""

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.errors import Cancelled
from ACSegLib.network.model.pretrained import open_model
from ACSegLib.network.predict import canonical
from ACSegLib.network.predict.sharpness import SHARP, WIDEST, Blur, find_blur, width_of_edges
from ACSegLib.phantom import simulate, vary_packed
from ACSegLib.volume import Volume
from ACSegLib.workflows import PredictRequest, run

SHAPE = (48, 40, 44)
Z, Y, X = (a / n - 0.5 for a, n in zip(np.indices(SHAPE) + 0.5, SHAPE, strict=True))
NOISE = np.random.default_rng(0).normal(size=SHAPE)
BLOCKS = np.where(Z > 0, 1.0, 0.0) + (Y > 0.1) - 2.0 * (X < 0)


def blurred(deviation, noise=0.0):
    """Blocks whose edges a Gaussian blurs, and noise on top."""
    image = ndimage.gaussian_filter(BLOCKS, deviation, mode="nearest") if deviation else BLOCKS
    return (image + noise * NOISE).astype(np.float32)


@pytest.mark.parametrize("noise", [0.0, 0.1])
@pytest.mark.parametrize("deviation", [1.0, 1.5, 2.0])
def test_the_width_of_edges_is_that_of_the_gaussian_whatever_the_noise(deviation, noise):
    assert width_of_edges(blurred(deviation, noise)) == pytest.approx(deviation, rel=0.15)


@pytest.mark.parametrize(
    "image",
    [blurred(0), blurred(0, 0.3), NOISE, blurred(2, 0.4), np.zeros(SHAPE), blurred(3)[:4]],
    ids=["sharp", "noisy", "noise", "drowned", "constant", "few"],
)
def test_sharp_edges_noise_and_few_voxels_are_not_blurred(image):
    assert find_blur(image.astype(np.float32)) is None


def test_what_is_taken_back_leaves_edges_sharp():
    blur = find_blur(blurred(2.0))
    taken = np.array(blur.widths) * SHAPE
    np.testing.assert_allclose(taken, np.sqrt(blur.edges**2 - SHARP**2))
    assert max(np.array(find_blur(blurred(8.0)).widths) * SHAPE) == pytest.approx(WIDEST)


def test_a_wave_is_amplified_as_by_a_wiener_filter():
    """Two waves along j: their ratio does not depend on how the image is scaled afterwards."""
    blur = Blur(2.0, (0.05, 0.04, 0.05))
    waves = [np.cos(np.pi * number * (Y + 0.5)) for number in (3, 12)]
    image = (2.0 + waves[0] + waves[1]).astype(np.float32)
    mean, deviation = image.mean(), image.std()
    image = blur.taken_back(image)
    passed = [np.exp(-2 * (np.pi * number / 2 * 0.04) ** 2) for number in (3, 12)]
    gains = [h / (h**2 + 0.05) for h in passed]
    found = [2 * np.mean(wave * image) for wave in waves]
    assert found[1] / found[0] == pytest.approx(gains[1] / gains[0], rel=1e-3)
    assert (image.mean(), image.std()) == pytest.approx((mean, deviation), rel=1e-4)


def test_a_finer_grid_is_sharpened_alike():
    coarse = blurred(2.0)
    fine = np.kron(coarse, np.ones((2, 2, 2), np.float32))
    blur = find_blur(coarse)
    sharp, means = blur.taken_back(coarse), blur.taken_back(fine).reshape(48, 2, 40, 2, 44, 2).mean((1, 3, 5))
    assert np.abs(means - sharp).max() < 0.15 * np.abs(sharp - coarse).max()
    assert width_of_edges(sharp) < 0.8 * blur.edges


def test_the_search_and_the_filter_can_be_cancelled():
    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        find_blur(blurred(2.0), stop)
    with pytest.raises(Cancelled):
        find_blur(blurred(2.0)).taken_back(blurred(2.0), stop)


def test_the_labels_are_those_of_the_sharpened_image_if_the_network_is_surer_of_it(monkeypatch):
    """Two cells in a capillary, blurred by two voxels."""
    recipe = vary_packed(2, holder="capillary", wall=True, packing=2, filling=0.4, beads=0)
    made, model = simulate(48, seed=2, recipe=recipe), open_model(None)
    image, cells = ndimage.gaussian_filter(made.volume.array, 2.0), made.truth.labels == 1

    def predicted(array):
        found = run(PredictRequest(volume=Volume(array), model=model, refine="none", contrast="bright"))
        labels, notes = found.labels == 1, [note for note in found.report.notes if "sharpened" in note]
        return 2 * np.count_nonzero(labels & cells) / (np.count_nonzero(labels) + np.count_nonzero(cells)), notes

    sharpened, notes = predicted(image)
    assert notes[0].startswith("the edges in the image are blurred (standard deviation 1.7 voxels)")
    entropies = iter((0.1, 0.2))
    monkeypatch.setattr(canonical, "uncertainty", lambda _: next(entropies))
    as_it_is, notes = predicted(image)
    assert not notes
    assert sharpened > as_it_is + 0.01


def test_the_intervals_of_a_very_blurred_image_are_told_to_be_wider():
    assert "edges with a standard deviation of 6.0 voxels" in Blur(3.0, (0.1, 0.1, 0.1)).note_on_intervals(2.0)
