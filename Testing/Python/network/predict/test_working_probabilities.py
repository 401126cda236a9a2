"""From the working grid to the image's: probabilities and labels of a box, without those of the whole image."""

from __future__ import annotations

import numpy as np
import pytest
from known_networks import threshold_model

from ACSegLib.network.predict.plane_sink import PlaneSink
from ACSegLib.network.predict.working_grid import WorkingGrid
from ACSegLib.network.predict.working_probabilities import InterpolatedChannel, channels_within, values_at

BOX, SHAPE = (23, 31, 18), (7, 31, 5)


def probabilities(channels=2, seed=1):
    drawn = np.random.default_rng(seed).random((channels, *SHAPE)).astype(np.float32) ** 3
    return drawn / drawn.sum(axis=0)


def interpolated(working):
    """A volume of the working grid, brought to the image's: linear between centres along each axis."""
    for axis, (size, coarse) in enumerate(zip(BOX, SHAPE, strict=True)):
        centres = (np.arange(coarse) + 0.5) / coarse
        at = (np.arange(size) + 0.5) / size
        working = np.apply_along_axis(lambda row, at=at, centres=centres: np.interp(at, centres, row), axis, working)
    return working


def test_a_box_is_interpolated_as_the_whole_image():
    working = probabilities()
    start = (2, 0, 4)
    grid = WorkingGrid(start, tuple(a + n for a, n in zip(start, BOX, strict=True)), SHAPE)
    whole = tuple(slice(a, a + n) for a, n in zip(start, BOX, strict=True))
    channels = [InterpolatedChannel(grid, values, whole) for values in working]
    inner = (slice(5, 19), slice(2, 30), slice(1, 17))
    for channel, expected, part in zip(
        channels, map(interpolated, working), channels_within(channels, inner), strict=True
    ):
        np.testing.assert_allclose(channel[3:9], expected[3:9], atol=1e-6)
        np.testing.assert_allclose(part[2:7], expected[inner][2:7], atol=1e-6)
        box = (slice(0, 4), slice(7, 8), slice(3, 16))
        np.testing.assert_allclose(part[box], expected[inner][box], atol=1e-6)
        places = np.nonzero(np.random.default_rng(0).random(part.shape) < 0.2)
        assert np.array_equal(values_at(part, places), part[0 : part.shape[0]][places])
        every = np.nonzero(np.ones(BOX, bool))  # the last row and column have no next one
        assert np.array_equal(values_at(channel, every), channel[0 : BOX[0]].ravel())
        assert np.array_equal(values_at(expected, every), expected.astype(np.float32).ravel())


@pytest.mark.parametrize("planes", [1, 3, 7])
def test_labels_do_not_depend_on_whether_probabilities_are_kept(planes):
    working = probabilities(3, seed=2)
    grid = WorkingGrid((0, 0, 0), BOX, SHAPE)
    sinks = [PlaneSink(grid, threshold_model(), keep, thin=0.3, keep_working=not keep) for keep in (True, False)]
    for sink in sinks:
        for start in range(0, SHAPE[0], planes):
            sink.take(working[:, start : start + planes])
    kept, forgotten = sinks
    expected = np.stack([interpolated(values) for values in working])
    assert np.array_equal(kept.classes, forgotten.classes)
    assert np.array_equal(kept._candidates, forgotten._candidates)
    assert kept._candidates.any()
    top = np.sort(expected, axis=0)
    clear = top[-1] - top[-2] > 1e-5
    assert np.array_equal(forgotten.classes[0][clear], expected.argmax(0)[clear])
    for channel, values, half in zip(forgotten.interpolated(), expected, kept.probabilities, strict=True):
        np.testing.assert_allclose(channel[0 : BOX[0]], values, atol=1e-6)
        np.testing.assert_allclose(half, values, atol=1e-3)
