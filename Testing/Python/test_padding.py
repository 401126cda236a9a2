"""Padding is found where it is, replaced, and told; the background of a specimen is none."""

import re

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, rotate

from ACSegLib.padding import box_without_constant_planes, find_padding, is_field_of_view, paddings_for_networks

SHAPE = (30, 40, 50)
DEPTH, ROW, COLUMN = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
RADIUS = np.sqrt(DEPTH**2 + ROW**2 + COLUMN**2)
VIEWS = {
    "circle": ROW**2 + COLUMN**2 <= 1,
    "border": np.maximum(np.maximum(abs(DEPTH), abs(ROW)), abs(COLUMN)) < 0.9,
    "one side": COLUMN < 0.8,
    "turned stack": rotate(np.ones(SHAPE, np.uint8), 30, (1, 2), order=0, reshape=False) > 0,
    "stack turned twice": np.maximum(abs(DEPTH * 0.9 - ROW * 0.4), abs(DEPTH * 0.4 + ROW * 0.9 - COLUMN * 0.2)) < 0.9,
}
NO_VIEWS = {
    "ball": RADIUS < 0.9,
    "long cell": (ROW**2 + COLUMN**2 < 0.2) & (np.clip(abs(DEPTH) - 0.6, 0, None) ** 2 + ROW**2 + COLUMN**2 < 0.2),
    "two cells": np.minimum(np.hypot(RADIUS, COLUMN - 0.5), np.hypot(RADIUS, COLUMN + 0.5)) < 0.6,
    "hollow": RADIUS > 0.8,
    "nothing": RADIUS < 0,
}


def specimen(seed=0):
    """A cell in a medium: intensities 900 to 1300, medium 1000."""
    noise = np.random.default_rng(seed).normal(0, 20, SHAPE)
    return (1000 + 200 * (RADIUS < 0.5) + noise).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16, np.uint16])
@pytest.mark.parametrize("value", [0, -3000, 30000])
@pytest.mark.parametrize("view", VIEWS)
def test_a_far_value_around_a_field_of_view_is_padding(view, value, dtype):
    if value < 0 and np.dtype(dtype).kind == "u":
        value = 65535
    image = np.where(VIEWS[view], specimen(), value).astype(dtype)
    padding = find_padding(image)
    assert padding.values == (value,)
    assert padding.share == pytest.approx(np.mean(~VIEWS[view]))
    assert padding.replacement == pytest.approx(975, abs=20)
    np.testing.assert_array_equal(padding.where(image), ~VIEWS[view])


def test_eight_bit_images_and_other_missing_voxels():
    eight_bit = np.where(VIEWS["circle"], specimen() / 8, 0).astype(np.uint8)
    assert find_padding(eight_bit).values == (0,)
    image = np.where(VIEWS["circle"], specimen(), 0)
    image[:4] = np.nan  # not finite, so outside as well
    assert find_padding(image).values == (0,)
    assert find_padding(np.where(VIEWS["circle"], specimen(), np.nan)) is None
    thin = np.where(VIEWS["circle"], specimen(), 0)[14:16]
    assert find_padding(thin).values == (0,)


def test_several_values_are_found():
    image = np.where(VIEWS["circle"], specimen(), 0)
    image[:3] = 65535
    padding = find_padding(image)
    assert sorted(padding.values) == [0, 65535]
    assert padding.replacement == pytest.approx(975, abs=20)
    padding.replace(image)
    assert 800 < image.min() < image.max() < 1400
    assert "the values 65535 and 0 around" in padding.note_on_replacement()


def test_what_replaces_padding_is_dark_where_cells_fill_the_image():
    """The most common intensity is that of the cells, and padding would be taken for one."""
    image = specimen()
    image[RADIUS > 0.5] += 200
    image[:, :, 8:16] -= 200
    image[:, :, :5] = 0
    assert find_padding(image).replacement == pytest.approx(1000, abs=40)


def test_dead_and_hot_voxels_hide_no_padding():
    image = np.where(VIEWS["circle"], specimen(), 0)
    image[15, 20, 25:30] = -1e5, -50, 300, 5000, 1e6
    assert find_padding(image).values == (0,)


def test_the_note_names_value_share_and_replacement():
    note = find_padding(np.where(VIEWS["one side"], specimen(), -1000)).note_on_replacement()
    assert "the value -1000 around the specimen (10 % of the voxels)" in note
    assert re.search("a dark intensity replaced it, 97[0-9]", note)


@pytest.mark.parametrize("view", VIEWS)
def test_fields_of_view(view):
    assert is_field_of_view(VIEWS[view])


@pytest.mark.parametrize("shape", NO_VIEWS)
def test_shapes_of_a_specimen_are_no_field_of_view(shape):
    assert not is_field_of_view(NO_VIEWS[shape])


def test_planes_of_a_stack_may_be_shifted_a_little():
    shifted = np.zeros((40, 60, 60), bool)
    shifts = np.cumsum(np.random.default_rng(3).integers(-1, 2, (40, 2)), axis=0) + 8
    for plane, (row, column) in zip(shifted, shifts, strict=True):
        plane[max(row, 0) : row + 44, max(column, 0) : column + 44] = True
    assert is_field_of_view(shifted)


@pytest.mark.parametrize(
    "image",
    [
        np.where(RADIUS < 0.7, specimen(), 0),  # masked
        np.where(RADIUS < 0.7, 0, 1),  # labels
        np.where(VIEWS["circle"], np.round(specimen(), -2), 0),  # few levels
        np.where(specimen() > 1100, specimen(), 0),  # a threshold
        np.clip(specimen() - 1000, 0, None),  # clipped noise: other intensities lie near
        np.where(VIEWS["circle"], specimen(), 900),  # not far
        np.where(RADIUS < 0.2, 0, specimen()),  # inside
        np.full(SHAPE, 7.0),
        np.full(SHAPE, np.nan),
        specimen(),
        gaussian_filter(specimen(), 3),
        specimen() > 1100,
        specimen()[0],
    ],
    ids=[
        *("masked", "labels", "levels", "threshold", "clipped", "near", "inside", "one value", "nan", "plain"),
        *("smooth", "bool", "plane"),
    ],
)
def test_other_images_have_no_padding(image):
    assert find_padding(image) is None
    assert paddings_for_networks(image)[0] is None


@pytest.mark.parametrize("value", [1100, 1200, 1300])
@pytest.mark.parametrize("dtype", [np.float32, np.uint16])
@pytest.mark.parametrize("view", VIEWS)
def test_a_solid_value_as_bright_as_a_cell_is_padding_for_networks(view, dtype, value):
    image = np.where(VIEWS[view], specimen(), value).astype(dtype)
    bright, _ = paddings_for_networks(image)
    assert find_padding(image) is None
    assert bright.values == (value,)
    assert bright.share == pytest.approx(np.mean(image == value))
    assert bright.replacement == pytest.approx(975, abs=20)
    assert f"the value {value} around the specimen" in bright.note_on_replacement()
    assert "has no noise, unlike its intensities" in bright.note_on_replacement()


def test_what_replaces_a_solid_value_absorbs_little():
    image = np.where(VIEWS["circle"], specimen(), 1100)
    bright, dark = paddings_for_networks(image)[0], paddings_for_networks(-image)[1]
    assert bright.replacement == pytest.approx(975, abs=20)
    assert dark.replacement == pytest.approx(-975, abs=20)
    assert "a dark intensity replaced it" in bright.note_on_replacement()
    assert "a bright intensity replaced it" in dark.note_on_replacement()


@pytest.mark.parametrize("value", [900, 980, 1000])
def test_a_solid_value_like_vacuum_or_medium_stays(value):
    image = np.where(VIEWS["circle"], specimen(), value)
    bright, dark = paddings_for_networks(image)
    assert bright is None
    assert dark.values == (value,)
    assert [padding and padding.values for padding in paddings_for_networks(-image)] == [(-value,), None]


def test_a_far_and_a_solid_value_are_found_beside_each_other():
    image = np.where(VIEWS["border"], specimen(), 1200)
    image[:3] = 0
    bright, _ = paddings_for_networks(image)
    assert bright.values == (0, 1200)
    assert find_padding(image).values == (0,)


@pytest.mark.parametrize("shape", ["ball", "two cells"])
def test_what_is_solid_around_a_specimen_of_any_shape_is_no_padding_for_networks(shape):
    image = np.where(NO_VIEWS[shape], specimen(), 1200)
    assert paddings_for_networks(image) == (None, None)


def test_images_without_noise_have_no_padding_for_networks():
    cells = np.where(RADIUS < 0.5, 1300, 1000)
    for image in (cells, gaussian_filter(cells.astype(np.float32), 1)):
        assert paddings_for_networks(np.where(VIEWS["circle"], image, 1200)) == (None, None)


@pytest.mark.parametrize("value", [0, 1000, np.nan, np.inf])
def test_constant_planes_at_the_border_are_left_out(value):
    padded = np.pad(specimen(), ((9, 0), (30, 40), (0, 3)), constant_values=value)
    assert box_without_constant_planes(padded) == (slice(9, 39), slice(30, 70), slice(0, 50))


def test_what_surrounds_a_specimen_is_no_constant_border():
    masked = np.where(RADIUS < 0.7, specimen(), 0)  # planes of 0 at the border belong to its background
    assert box_without_constant_planes(masked) is None
    assert box_without_constant_planes(specimen()) is None
    assert box_without_constant_planes(np.zeros(SHAPE)) is None
