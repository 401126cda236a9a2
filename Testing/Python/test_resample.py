"""Resampling against SimpleITK, against indexing, and against functions known in closed form."""

import numpy as np
import pytest
import SimpleITK

from ACSegLib.errors import InputError
from ACSegLib.resample import is_aligned, resample_segmentation, resample_volume
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

ROTATION = tuple(np.ravel([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]))


def _image(volume):
    image = SimpleITK.GetImageFromArray(volume.array)
    image.SetSpacing(volume.geometry.spacing)
    image.SetOrigin(volume.geometry.origin)
    image.SetDirection(volume.geometry.direction)
    return image


def _by_itk(volume, onto, shape, interpolator):
    grid = _image(Volume(np.zeros(shape, np.uint8), onto))
    return SimpleITK.GetArrayFromImage(
        SimpleITK.Resample(_image(volume), grid, SimpleITK.Transform(), interpolator, -7.0, SimpleITK.sitkFloat64)
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.float16, np.float32, np.float64])
def test_the_same_grid_is_exact(dtype):
    rng = np.random.default_rng(0)
    volume = Volume((rng.random((4, 5, 6)) * 100).astype(dtype), Geometry((0.1, 2, 3), (1e5, 7, -3), ROTATION, "nm"))
    onto = volume.geometry.in_unit("um")
    result = resample_volume(volume, onto, volume.shape)
    assert result.array.dtype == dtype
    assert result.geometry == onto
    np.testing.assert_array_equal(result.array, volume.array)


def test_a_grid_of_which_nothing_is_known_is_taken_voxel_by_voxel():
    labels = Segmentation.from_labels(np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    onto = Geometry((20, 30, 40), (1, 2, 3), ROTATION, "nm")
    result = resample_segmentation(labels, onto, (2, 3, 4))
    assert result.geometry == onto
    np.testing.assert_array_equal(result.labels, labels.labels)


def test_a_cropped_grid_is_copied_and_padded():
    rng = np.random.default_rng(1)
    full = Volume(rng.random((7, 8, 9)), Geometry((2, 3, 4), (5, 6, 7), ROTATION, "nm"))
    crop = Volume(full.array[2:5, 1:6, 3:8], full.geometry.cropped((3, 1, 2)))
    assert is_aligned(crop.geometry, full.geometry)
    back = resample_volume(crop, full.geometry, full.shape, outside=-1)
    expected = np.full(full.shape, -1.0)
    expected[2:5, 1:6, 3:8] = crop.array
    np.testing.assert_array_equal(back.array, expected)
    again = resample_volume(full, crop.geometry, crop.shape)
    np.testing.assert_array_equal(again.array, crop.array)
    far = resample_volume(crop, full.geometry.cropped((100, 0, 0)), full.shape, outside=-1)
    assert np.all(far.array == -1)


def test_flipped_and_exchanged_axes_are_copied_exactly():
    rng = np.random.default_rng(2)
    source = Volume(rng.random((3, 4, 5)), Geometry((1, 2, 3), (10, 20, 30), unit="nm"))
    # i of the new grid runs along -y of the old one, j along z, k along -x
    direction = (0, 0, -1, -1, 0, 0, 0, 1, 0)
    onto = Geometry((2, 3, 1), (14, 26, 30), direction, "nm")
    result = resample_volume(source, onto, (5, 3, 4))
    np.testing.assert_array_equal(result.array, source.array[:, ::-1, ::-1].transpose(2, 0, 1))


@pytest.mark.parametrize(("order", "interpolator"), [(0, SimpleITK.sitkNearestNeighbor), (1, SimpleITK.sitkLinear)])
def test_volume_agrees_with_itk(order, interpolator):
    rng = np.random.default_rng(3)
    volume = Volume(rng.random((9, 10, 11)), Geometry((1, 1.5, 2), (3, -4, 5), unit="nm"))
    onto = Geometry((0.7, 1.1, 1.7), (2.03, -6.04, 4.07), ROTATION, "nm")
    ours = resample_volume(volume, onto, (12, 13, 14), order, outside=-7.0).array
    theirs = _by_itk(volume, onto, (12, 13, 14), interpolator)
    inside = (ours != -7) & (theirs != -7)
    assert inside.mean() > 0.3
    np.testing.assert_allclose(ours[inside], theirs[inside], rtol=1e-9)
    assert np.mean((ours == -7) == (theirs == -7)) > 0.995


def test_linear_ramp_and_rounding():
    k = np.arange(10) * 10
    volume = Volume(np.broadcast_to(k[:, None, None], (10, 4, 4)).astype(np.int16), Geometry())
    onto = Geometry((1, 1, 0.25), (0, 0, 0))
    result = resample_volume(volume, onto, (37, 4, 4))
    np.testing.assert_array_equal(result.array[:, 1, 1], np.rint(np.arange(37) * 2.5))


@pytest.mark.parametrize("order", [1, 3])
def test_a_mask_has_the_voxels_of_its_numbers(order):
    mask = np.random.default_rng(0).random((9, 10, 11)) > 0.5
    onto = Geometry((0.5, 0.4, 0.6), (0.1, 0.2, 0.3), ROTATION)
    found, numbers = (
        resample_volume(Volume(a, Geometry()), onto, (12, 13, 14), order) for a in (mask, mask.view("u1"))
    )
    np.testing.assert_array_equal(found.array, numbers.array > 0)


def test_slabs_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(4)
    volume = Volume(rng.random((9, 10, 11)), Geometry())
    onto = Geometry((0.9, 0.8, 0.7), (0.1, 0.2, 0.3), ROTATION)
    whole = resample_volume(volume, onto, (10, 11, 12), order=3).array
    monkeypatch.setattr("ACSegLib.resample._SLAB_VOXELS", 1)
    np.testing.assert_allclose(resample_volume(volume, onto, (10, 11, 12), order=3).array, whole, rtol=1e-12)


def test_antialias_keeps_the_mean_of_a_checkerboard():
    checker = (np.indices((16, 16, 16)).sum(axis=0) % 2 * 100).astype(np.float32)
    onto = Geometry((4, 4, 4), (0, 0, 0))
    aliased = resample_volume(Volume(checker), onto, (4, 4, 4)).array
    smooth = resample_volume(Volume(checker), onto, (4, 4, 4), antialias=True).array
    assert np.all(aliased == 0)
    np.testing.assert_allclose(smooth, 50, atol=3)


def _ball(n, spacing):
    centre = (n - 1) * spacing / 2
    z, y, x = np.indices((n, n, n)) * spacing - centre
    return np.sqrt(x**2 + y**2 + z**2)


def test_labels_keep_table_and_layers():
    layers = tuple((_ball(20, 1.0) < r).astype(np.uint16) * v for r, v in ((8, 3), (4, 300)))
    rows = [Segment("cell", 3, layer=0, terminology="t"), Segment("bead", 300, layer=1)]
    source = Segmentation(layers, rows, Geometry(unit="nm"))
    onto = Geometry((0.5, 0.5, 0.5), (-0.25, -0.25, -0.25), unit="nm")
    result = resample_segmentation(source, onto, (40, 40, 40))
    assert result.segments == rows
    assert [layer.dtype for layer in result.layers] == [np.uint16, np.uint16]
    for old, new in zip(source.layers, result.layers, strict=True):
        np.testing.assert_array_equal(new, old.repeat(2, 0).repeat(2, 1).repeat(2, 2))


def test_linear_labels_are_smoother_than_nearest():
    radius = 7.0
    coarse = Segmentation.from_labels((_ball(20, 1.0) < radius).astype(np.uint8) * 5, Geometry())
    onto = Geometry((0.25,) * 3, (0.0,) * 3)
    z, y, x = np.indices((77, 77, 77)) * 0.25 - 9.5
    truth = np.sqrt(x**2 + y**2 + z**2) < radius
    wrong = {}
    for how in ("nearest", "linear"):
        labels = resample_segmentation(coarse, onto, (77, 77, 77), interpolation=how).labels
        assert set(np.unique(labels)) == {0, 5}
        wrong[how] = np.count_nonzero((labels == 5) != truth)
    assert wrong["linear"] < 0.75 * wrong["nearest"]


def test_three_labels_linear_keep_their_values_and_background_outside():
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[:, :, :2], labels[:, :, 2:4], labels[:, :, 4:] = 1, 2, 9
    result = resample_segmentation(
        Segmentation.from_labels(labels), Geometry((0.5,) * 3, (-3,) * 3), (12, 12, 24), interpolation="linear"
    ).labels
    row = result[8, 8]
    assert list(row[:5]) == [0] * 5  # x = -3 to -1: outside
    assert list(row[6:9]) == [1] * 3  # x = 0 to 1
    assert list(row[10:13]) == [2] * 3  # x = 2 to 3
    assert list(row[14:17]) == [9] * 3  # x = 4 to 5
    assert list(row[18:]) == [0] * 6  # x = 6 and more: outside
    assert set(np.unique(result)) == {0, 1, 2, 9}


def test_unknown_interpolation_is_refused():
    with pytest.raises(InputError, match="cubic"):
        resample_segmentation(
            Segmentation.from_labels(np.ones((2, 2, 2), np.uint8)),
            Geometry((2, 2, 2)),
            (1, 1, 1),
            interpolation="cubic",
        )
