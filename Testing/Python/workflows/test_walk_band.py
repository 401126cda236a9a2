import numpy as np
import pytest
from scipy.ndimage import binary_erosion, gaussian_filter, label, maximum

from ACSegLib.jobs import Progress
from ACSegLib.padding import Padding
from ACSegLib.workflows import walk_seeds
from ACSegLib.workflows.walk_band import IMAGE_SIGMA, read_band
from ACSegLib.workflows.walk_seeds import CERTAIN, CERTAIN_IN_COMPONENT, confident_seeds

SHAPE = (23, 20, 21)
BOX = (slice(2, 21), slice(1, 19), slice(0, 21))


@pytest.fixture
def thin_slabs(monkeypatch):
    monkeypatch.setattr(walk_seeds, "SLAB_VOXELS", 3 * SHAPE[1] * SHAPE[2])


def blobs(seed=3):
    """Labels 0, 1, 2 of smooth shapes, and probabilities of them."""
    rng = np.random.default_rng(seed)
    logits = np.stack([gaussian_filter(rng.normal(size=SHAPE), 2.0) for _ in range(3)])
    scaled = np.exp(logits / logits.std() * 2.5)
    probabilities = (scaled / scaled.sum(0)).astype(np.float16)
    return probabilities.argmax(0).astype(np.uint8), probabilities


def eroded_classes(labels, probabilities, band):
    """What `confident_seeds` says, by erosions of the whole volume."""
    seeds = np.full(labels.shape, -1, np.int16)
    for c in range(len(probabilities)):
        mask, sure = labels == c, probabilities[c].astype(np.float32)
        core = binary_erosion(mask, iterations=band, border_value=1) & (sure > CERTAIN)
        if c:
            parts, count = label(mask)
            reached = np.isin(parts, parts[mask & core])
            peaks = np.asarray(maximum(sure, parts, np.arange(count + 1)), np.float32)
            core |= mask & ~reached & (sure > np.minimum(CERTAIN, CERTAIN_IN_COMPONENT * peaks)[parts])
        seeds[core] = c
    return seeds


@pytest.mark.parametrize("band", [2, 4])
def test_seeds_do_not_depend_on_the_slabs(thin_slabs, band):
    labels, probabilities = blobs()
    expected = eroded_classes(labels, probabilities, band)
    assert len(np.unique(expected)) == 4
    assert np.array_equal(confident_seeds(labels, probabilities, [0, 1, 2], band), expected)


def read(image, seeds, probabilities, padding=None):
    inner = [probability[BOX] for probability in probabilities]
    return read_band(image, BOX, seeds[BOX], inner, [0, 1, 2], Progress(), padding)


def test_a_band_read_in_slabs_has_the_statistics_of_the_box(thin_slabs):
    labels, probabilities = blobs()
    image = (labels + np.random.default_rng(0).normal(0, 0.2, SHAPE)).astype(np.float32)
    seeds = confident_seeds(labels, probabilities, [0, 1, 2], 2)
    band = read(image, seeds, probabilities)
    smooth, known = gaussian_filter(image[BOX], IMAGE_SIGMA), seeds[BOX]
    free = known < 0
    np.testing.assert_allclose(band.image, smooth[free], atol=1e-6)
    assert np.array_equal(band.probabilities, [p[BOX][free].astype(np.float32) for p in probabilities])
    assert band.means == pytest.approx([smooth[known == c].mean() for c in range(3)], rel=1e-5, abs=1e-6)
    assert band.spreads == pytest.approx([smooth[known == c].std() for c in range(3)], rel=1e-5)
    medians = [float(np.median(np.abs(np.diff(smooth, axis=axis)))) for axis in range(3)]
    assert band.difference == pytest.approx(1.4826 * np.mean(medians), rel=1e-5)
    position = (np.cumsum(free) - 1).reshape(free.shape)
    for n, (k, j, i) in enumerate(np.argwhere(free)):
        if k + 1 < free.shape[0]:  # the edge to the next plane, maybe of another slab
            other = position[k + 1, j, i] if free[k + 1, j, i] else -1 - known[k + 1, j, i]
            assert band.neighbours[n, 1] == other
            assert band.differences[n, 1] == pytest.approx(smooth[k + 1, j, i] - smooth[k, j, i], abs=1e-6)
        else:
            assert band.neighbours[n, 1] == n


def test_padding_is_replaced():
    labels, probabilities = blobs()
    image = 5.0 + labels.astype(np.float32)
    seeds = confident_seeds(labels, probabilities, [0, 1, 2], 2)
    padded, replaced = image.copy(), image.copy()
    padded[:, :, 16:], replaced[:, :, 16:] = -1000, 5
    expected = read(replaced, seeds, probabilities)
    band = read(padded, seeds, probabilities, Padding((-1000.0,), 5.0, 0.1))
    assert np.array_equal(band.image, expected.image)
    assert np.array_equal(band.means, expected.means)


def test_missing_values_are_replaced_by_the_median():
    labels, probabilities = blobs()
    image = 5.0 + labels.astype(np.float32)
    seeds = confident_seeds(labels, probabilities, [0, 1, 2], 2)
    holed = image.copy()
    holed[10, 10, 10], holed[4, 4, 4] = np.nan, np.inf
    band = read(holed, seeds, probabilities)
    assert 4.9 < band.image.min() <= band.image.max() < 7.1
