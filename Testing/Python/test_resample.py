"""Resampling against SimpleITK, against indexing, and against functions known in closed form."""

import numpy as np
import pytest
import SimpleITK

from ACSegLib.resample import index_map, is_aligned, resample_segmentation, resample_volume, shift_beside
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

ROTATION = tuple(np.ravel([[0.8, -0.6, 0.0], [0.6, 0.8, 0.0], [0.0, 0.0, 1.0]]))


def _image(volume):
    image = SimpleITK.GetImageFromArray(volume.array)
    image.SetSpacing(volume.geometry.spacing)
    image.SetOrigin(volume.geometry.origin)
    image.SetDirection(volume.geometry.direction)
    return image


def _by_itk(volume, onto, shape):
    grid = _image(Volume(np.zeros(shape, np.uint8), onto))
    return SimpleITK.GetArrayFromImage(
        SimpleITK.Resample(_image(volume), grid, SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor, 0.0)
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
    back = resample_volume(crop, full.geometry, full.shape)
    expected = np.zeros(full.shape)
    expected[2:5, 1:6, 3:8] = crop.array
    np.testing.assert_array_equal(back.array, expected)
    again = resample_volume(full, crop.geometry, crop.shape)
    np.testing.assert_array_equal(again.array, crop.array)
    far = resample_volume(crop, full.geometry.cropped((100, 0, 0)), full.shape)
    assert not far.array.any()


def test_a_grid_beside_another_by_a_part_of_a_voxel_is_copied():
    full = Volume(np.random.default_rng(1).random((7, 8, 9)), Geometry((2, 3, 4), (5, 6, 7), ROTATION, "nm"))
    crop = Volume(full.array[2:5, 1:6, 3:8], full.geometry.cropped((3.1, 0.8, 2)))
    assert is_aligned(crop.geometry, full.geometry, full.shape)
    assert shift_beside(crop.geometry, full.geometry, full.shape) == pytest.approx(0.2)
    back = resample_volume(crop, full.geometry, full.shape).array
    np.testing.assert_array_equal(back[2:5, 1:6, 3:8], crop.array)
    assert not is_aligned(full.geometry.cropped((3.3, 1, 2)), full.geometry, full.shape)


def test_flipped_and_exchanged_axes_are_copied_exactly():
    rng = np.random.default_rng(2)
    source = Volume(rng.random((3, 4, 5)), Geometry((1, 2, 3), (10, 20, 30), unit="nm"))
    # i of the new grid runs along -y of the old one, j along z, k along -x
    direction = (0, 0, -1, -1, 0, 0, 0, 1, 0)
    onto = Geometry((2, 3, 1), (14, 26, 30), direction, "nm")
    result = resample_volume(source, onto, (5, 3, 4))
    np.testing.assert_array_equal(result.array, source.array[:, ::-1, ::-1].transpose(2, 0, 1))


def test_volume_agrees_with_itk():
    rng = np.random.default_rng(3)
    volume = Volume(rng.random((9, 10, 11)), Geometry((1, 1.5, 2), (3, -4, 5), unit="nm"))
    onto = Geometry((0.7, 1.1, 1.7), (2.03, -6.04, 4.07), ROTATION, "nm")
    ours = resample_volume(volume, onto, (12, 13, 14)).array
    theirs = _by_itk(volume, onto, (12, 13, 14))
    inside = (ours != 0) & (theirs != 0)
    assert inside.mean() > 0.3
    np.testing.assert_allclose(ours[inside], theirs[inside], rtol=1e-9)
    assert np.mean((ours == 0) == (theirs == 0)) > 0.995


def test_a_mask_has_the_voxels_of_its_numbers():
    mask = np.random.default_rng(0).random((9, 10, 11)) > 0.5
    onto = Geometry((0.5, 0.4, 0.6), (0.1, 0.2, 0.3), ROTATION)
    found, numbers = (resample_volume(Volume(a, Geometry()), onto, (12, 13, 14)) for a in (mask, mask.view("u1")))
    np.testing.assert_array_equal(found.array, numbers.array > 0)


def test_slabs_do_not_change_the_result(monkeypatch):
    rng = np.random.default_rng(4)
    volume = Volume(rng.random((9, 10, 11)), Geometry())
    onto = Geometry((0.9, 0.8, 0.7), (0.1, 0.2, 0.3), ROTATION)
    whole = resample_volume(volume, onto, (10, 11, 12)).array
    monkeypatch.setattr("ACSegLib.resample._SLAB_VOXELS", 1)
    np.testing.assert_array_equal(resample_volume(volume, onto, (10, 11, 12)).array, whole)


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


def test_equal_lengths_in_two_units_are_the_same_voxels():
    nm = Geometry((35.0, 35.0, 70.0), (100.0, -20.0, 3.0), unit="nm")
    matrix, offset = index_map(nm.in_unit("um"), nm)
    np.testing.assert_allclose(matrix, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(offset, 0, atol=1e-9)
    assert is_aligned(nm.in_unit("um"), nm)
