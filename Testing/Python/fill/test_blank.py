"""Missing slices of an image."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib import Segmentation, Volume, fill
from ACSegLib.fill.blank import MAX_RUN, without_blank_slices


def _ramp(dtype: type = np.float32) -> np.ndarray:
    """An image that grows linearly along each axis, (24, 20, 22)."""
    k, j, i = np.indices((24, 20, 22))
    return (10 * k + 3 * j + i).astype(dtype)


@pytest.mark.parametrize(("value", "dtype"), [(0, np.uint16), (999, np.int32), (np.nan, np.float32), (0, np.float32)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_blank_slices_become_what_lies_between_their_neighbours(axis: int, value: float, dtype: type) -> None:
    array = _ramp(dtype)
    for n in (4, 9, 10, 11):
        np.moveaxis(array, axis, 0)[n] = value
    found, (note,) = without_blank_slices(Volume(array))
    assert np.array_equal(found.array, _ramp(dtype))
    assert f"(4, 9 to 11 on axis {'zyx'[axis]}" in note


def test_ends_long_runs_and_masked_images_stay() -> None:
    ends, long, masked = _ramp(), _ramp(), _ramp()
    ends[:2] = ends[-1] = 0
    long[5 : 6 + MAX_RUN] = 0
    masked[:, :, 9:] = masked[7] = 0
    for array in (_ramp(), ends, long, masked):
        volume = Volume(array)
        assert without_blank_slices(volume) == (volume, [])


def test_a_fill_does_not_break_off_at_a_missing_slice() -> None:
    z, y, x = np.ogrid[:30, :36, :40]
    truth = (z - 14) ** 2 + (y - 18) ** 2 + (x - 20) ** 2 < 12**2
    image = np.float32(100 + 60 * truth + np.random.default_rng(0).normal(0, 8, truth.shape))
    image[12] = 0
    labels = np.zeros(truth.shape, np.uint8)
    labels[[4, 9, 16, 22]] = truth[[4, 9, 16, 22]]
    result = fill(Volume(image), Segmentation.from_labels(labels))
    found = result.segmentation.layers[0] > 0
    assert np.count_nonzero(found[12] ^ truth[12]) < 0.05 * np.count_nonzero(truth[12])
