import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ACSegLib.network.train.artefacts import blur, low_dose, missing_wedge, rings, streaks
from ACSegLib.network.train.augmentation import PRESETS, Augmentation, augment, gamma, margin
from ACSegLib.network.train.data import IGNORE

NOTHING = PRESETS["none"]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.randn(1, *shape, generator=generator(seed))


def test_nothing_chosen_changes_nothing():
    image, target = noise(12, 16, 20), torch.ones(1, 12, 16, 20, dtype=torch.uint8)
    found, labels = augment(image, target, (12, 16, 20), NOTHING, generator())
    assert torch.equal(found, image)
    assert torch.equal(labels, target)


def test_same_generator_same_patch():
    image = noise(24, 24, 24)
    target = (image > 0).to(torch.uint8)
    settings = PRESETS["thorough"]
    patch = tuple(n - 2 * m for n, m in zip((24, 24, 24), margin((16, 16, 16), settings), strict=True))
    one = augment(image, target, patch, settings, generator(5))
    again = augment(image, target, patch, settings, generator(5))
    other = augment(image, target, patch, settings, generator(6))
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1], again[1])
    assert not torch.equal(one[0], other[0])


def test_image_and_target_move_together_and_outside_is_ignored():
    k, j, i = torch.meshgrid(*[torch.arange(32.0)] * 3, indexing="ij")
    image = (torch.sqrt((k - 14) ** 2 + (j - 18) ** 2 + (i - 15) ** 2) - 8)[None]
    target = (image < 0).to(torch.uint8)
    settings = Augmentation(**{**vars(NOTHING), "flip": 0.5, "affine": 1.0, "elastic": 1.0})
    for seed in range(6):
        moved, labels = augment(image, target, (32, 32, 32), settings, generator(seed))
        known = labels != IGNORE
        sure = moved.abs() > 1.0  # one voxel from the surface
        assert torch.equal((moved < 0)[known & sure], (labels == 1)[known & sure])
        assert set(labels.unique().tolist()) <= {0, 1, IGNORE}
        assert known.float().mean() > 0.4


def test_turn_keeps_distances_of_anisotropic_voxels():
    spacing = (3.0, 1.0, 1.0)
    k, j, i = torch.meshgrid(torch.arange(20.0), torch.arange(48.0), torch.arange(48.0), indexing="ij")
    image = (((k - 9.5) * 3) ** 2 + (j - 23.5) ** 2 + (i - 23.5) ** 2)[None].sqrt()
    settings = Augmentation(**{**vars(NOTHING), "flip": 0.0, "affine": 1.0, "scaling": 0.0, "rotation": 45.0})
    moved, _ = augment(image, torch.zeros_like(image).to(torch.uint8), (10, 24, 24), settings, generator(1), spacing)
    k, j, i = torch.meshgrid(torch.arange(10.0), torch.arange(24.0), torch.arange(24.0), indexing="ij")
    expected = (((k - 4.5) * 3) ** 2 + (j - 11.5) ** 2 + (i - 11.5) ** 2).sqrt()
    assert (moved[0] - expected).abs().mean() < 0.15


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_missing_wedge_empties_the_wedge_alone(axis):
    image = noise(24, 24, 24)
    found = missing_wedge(image, 30.0, axis, beam=0.0)
    first, second = (a for a in range(3) if a != axis)
    before, after = torch.fft.fftn(image[0]), torch.fft.fftn(found[0])
    f = np.fft.fftfreq(24)
    grids = np.meshgrid(f, f, f, indexing="ij")
    angle = np.degrees(np.arctan2(np.abs(grids[first]), np.abs(grids[second])))
    origin = (grids[first] == 0) & (grids[second] == 0)
    inside, outside = (angle < 28) & ~origin, (angle > 32) | origin
    # the Nyquist line has one sign only, so the mask is not symmetric there
    border = (np.abs(grids[first]) == 0.5) | (np.abs(grids[second]) == 0.5)
    assert after.abs().numpy()[inside & ~border].max() < 1e-3 * before.abs().numpy().max()
    np.testing.assert_allclose(after.numpy()[outside & ~border], before.numpy()[outside & ~border], atol=1e-3)


def test_rings_depend_on_the_radius_alone():
    image = torch.zeros(1, 6, 40, 40)
    found = rings(image, 1.0, generator(3), axis=0)
    assert found.abs().max() > 0.3
    assert torch.equal(found[0, 0], found[0, 5])
    # the pattern is one function of the distance to some centre: find the centre that explains it best
    pattern = found[0, 0].numpy()
    g = generator(3)
    centre = [float(torch.rand((), generator=g)) * 2 * 40 - 20 for _ in range(2)]
    y, x = np.mgrid[:40, :40]
    radius = np.hypot(y - centre[0], x - centre[1])
    bins = (radius * 4).astype(int)
    means = np.bincount(bins.ravel(), pattern.ravel()) / np.maximum(np.bincount(bins.ravel()), 1)
    assert np.abs(pattern - means[bins]).mean() < 0.2 * pattern.std()


def test_streaks_are_lines_that_fade():
    image = torch.zeros(1, 16, 48, 48)
    found = streaks(image, 1.0, generator(2), axis=0)[0]
    plane = found[int(found.abs().sum((1, 2)).argmax())].abs()
    peak = plane.max()
    assert 0.3 < peak <= 8
    assert plane.median() < 0.1 * peak  # a few lines, not a haze


def test_low_dose_is_noisier_where_absorption_is_higher():
    image = torch.full((1, 32, 32, 32), -1.0)
    image[:, 16:] = 2.0
    difference = low_dose(image, 0.3, generator()) - image
    assert difference[:, 16:].std() / difference[:, :16].std() == pytest.approx(math.exp(0.75), rel=0.1)
    neighbours = (difference[:, :8, :, 1:] * difference[:, :8, :, :-1]).mean() / difference[:, :8].var()
    assert neighbours > 0.1


def test_blur_keeps_the_mean_and_widens_by_sigma():
    image = torch.zeros(1, 25, 25, 25)
    image[0, 12, 12, 12] = 1.0
    found = blur(image, 1.5)[0]
    assert found.sum() == pytest.approx(1, abs=1e-5)
    x = torch.arange(25.0) - 12
    for axis in range(3):
        line = found.sum(tuple(a for a in range(3) if a != axis))
        assert float((line * x * x).sum()) == pytest.approx(1.5**2, rel=0.05)
    assert blur(noise(1, 8, 8), 1.0).shape == (1, 1, 8, 8)


def test_gamma_keeps_mean_deviation_and_order():
    image = noise(16, 16, 16)
    found = gamma(image, 1.5)
    assert found.mean() == pytest.approx(float(image.mean()), abs=1e-4)
    assert found.std() == pytest.approx(float(image.std()), rel=1e-3)
    order = image.ravel().argsort()
    assert (found.ravel()[order].diff() >= -1e-5).all()
    assert not torch.allclose(found, gamma(image, 1.5, inverted=True))


def test_exchanged_axes_and_mirroring_show_all_48_orientations():
    """Image and target turn together, and every orientation occurs."""
    settings = replace(NOTHING, flip=0.5, exchange=1.0)
    stream = generator()
    image = torch.arange(27, dtype=torch.float32).reshape(1, 3, 3, 3)
    target = image.to(torch.uint8)
    seen = set()
    for _ in range(600):
        turned, labels = augment(image, target, (3, 3, 3), settings, stream)
        assert torch.equal(turned.to(torch.uint8), labels)
        seen.add(tuple(turned.flatten().int().tolist()))
    assert len(seen) == 48


def test_axes_of_different_length_or_spacing_are_not_exchanged():
    settings = replace(NOTHING, exchange=1.0)
    stream = generator()
    for shape, spacing in (((2, 3, 3), (1.0, 1.0, 1.0)), ((3, 3, 3), (3.0, 1.0, 1.0))):
        image = torch.arange(float(shape[0] * 9)).reshape(1, *shape)
        for _ in range(20):
            assert torch.equal(augment(image, image.to(torch.uint8), shape, settings, stream, spacing)[0], image)
