"""Image features against scipy and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from skimage.feature import hessian_matrix_eigvals

from ACSegLib import InputError
from ACSegLib.fill.prior import image_kernels as kernels
from ACSegLib.fill.prior.features import half_kernel, intensity_range, prepare, smoothed


@pytest.fixture
def image() -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(0).random((18, 21, 24), np.float32), 1).astype(np.float32)


@pytest.mark.parametrize("spacing", [(1, 1, 1), (3, 1, 1.5)])
def test_smoothing_is_a_gaussian(image: np.ndarray, spacing: tuple[float, ...]) -> None:
    wanted = image
    for axis, h in enumerate(spacing):
        if 1.2 / h >= 0.25:
            wanted = ndimage.gaussian_filter1d(
                wanted, 1.2 / h, axis, mode="nearest", radius=len(half_kernel(1.2 / h)) - 1
            )
    assert np.allclose(smoothed(image, 1.2, spacing), wanted, atol=1e-5)


def test_second_derivatives_have_the_eigenvalues_that_scikit_image_finds(image: np.ndarray) -> None:
    out = np.empty((5, *image.shape), np.float32)
    kernels.texture(image, np.ones(3, np.float32), out)
    inner = (slice(2, -2),) * 3
    first = np.stack(np.gradient(image.astype(float)))
    assert np.allclose(out[1][inner], np.sqrt((first**2).sum(0))[inner], atol=1e-5)
    double = {}
    for a in range(3):
        double[a, a] = np.roll(image, 1, a) + np.roll(image, -1, a) - 2 * image
        for b in range(a):
            double[a, b] = np.gradient(np.gradient(image.astype(float), axis=a), axis=b)
    elements = [double[0, 0], double[1, 0], double[2, 0], double[1, 1], double[2, 1], double[2, 2]]
    values = hessian_matrix_eigvals([e.astype(float) for e in elements])
    assert np.allclose(out[2:][(slice(None), *inner)], values[(slice(None), *inner)], atol=2e-5)


@pytest.mark.parametrize("broken", [1e6, -1e6])
def test_one_hot_or_dead_voxel_in_a_dab_does_not_widen_the_range(broken: float) -> None:
    image = np.random.default_rng(1).normal(0, 1, (30, 30, 30)).astype(np.float32)
    image[10:13, 10:13, 10:13] += 40
    classes = np.zeros(image.shape, int)
    classes[10:13, 10:13, 10:13] = 1
    usual = intensity_range(image, classes)
    image[11, 11, 11] = broken
    assert intensity_range(image, classes) == pytest.approx(usual, abs=1)
    assert usual[1] > 38


def test_scaling_clips_hot_voxels_but_keeps_labelled_beads() -> None:
    rng = np.random.default_rng(0)
    image = rng.normal(100, 5, (40, 40, 40)).astype(np.float32)
    image[3, 3, 3] = 1e9
    classes = np.full(image.shape, -1, np.int16)
    image[10, 10:14, 10:14] = 400
    classes[10, 10:14, 10:14] = 1
    low, high = intensity_range(image, classes)
    assert 70 < low < 100
    assert 399 < high < 500


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "float16", "float32", "float64", ">u2", ">f4"]
)
def test_any_type_of_intensity_gives_the_same_features(dtype: str) -> None:
    image = np.random.default_rng(0).integers(0, 100, (9, 10, 11)).astype(dtype)
    found = prepare(image, (1, 1, 1), (0, 100))
    assert np.allclose(found.image, np.asarray(image, float) / 100, atol=1e-6)


def test_coarse_levels_do_not_pool_long_voxels() -> None:
    found = prepare(np.random.default_rng(0).random((8, 32, 32)), (5, 1, 1), (0, 1))
    assert [f.tolist() for f in found.factors] == [[1, 2, 2], [1, 4, 4]]


def test_a_cropped_part_has_the_features_of_the_whole(image: np.ndarray) -> None:
    """Training rows gathered from a crop equal those from the volume, away from the crop's faces."""
    whole = prepare(np.tile(image, (2, 2, 2)), (1, 1, 1), (0, 1))
    part = whole.cropped(4, 30, slice(5, 38), slice(7, 45))

    def row(features, plane, j, i):
        edges, fine = features.slab(plane - 1, plane + 2)
        out = np.empty((features.count(0), *fine.shape[1:]), np.float32)
        shape = (np.zeros((1, 0, *fine.shape[1:]), np.float32), np.float32(0.4))
        kernels.plane_features(1, features.for_kernels(edges, fine, plane - 1), shape, out)
        return out[:, j, i]

    assert np.allclose(row(whole, 17, 20, 25), row(part, 13, 15, 18), atol=1e-5)


def test_an_image_without_a_value_is_refused() -> None:
    with pytest.raises(InputError, match="no finite value"):
        intensity_range(np.full((3, 3, 3), np.nan))


@pytest.mark.parametrize(("change", "problem"), [((1e60, 0), "too large"), ((1, 1e9), "hardly be told apart")])
def test_an_image_that_float32_cannot_hold_is_refused(change: tuple[float, float], problem: str) -> None:
    image = np.random.default_rng(0).normal(100, 5, (8, 8, 8))
    factor, offset = change
    assert intensity_range(image + 1e5) == pytest.approx((1e5 + 85, 1e5 + 115), abs=10)
    with pytest.raises(InputError, match=problem):
        intensity_range(image * factor + offset)
