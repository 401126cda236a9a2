"""The level of the walk's probability at which a segment from strokes ends."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import expit

from ACSegLib.fill.constants import STROKE_LEVELS
from ACSegLib.fill.prompts.levels import levels_at_edges, shares_above
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.fill.slab import SlabResult

RADIUS = 9.0


@pytest.fixture
def distance() -> np.ndarray:
    """Distance of each voxel from the surface of a ball, positive inside."""
    places = np.indices((32, 32, 32)) - 15.5
    return (RADIUS - np.sqrt((places**2).sum(axis=0))).astype(np.float32)


@pytest.fixture
def seeds(distance: np.ndarray) -> np.ndarray:
    return np.where(distance > RADIUS - 2, 1, UNKNOWN).astype(np.int16)


def ball(distance: np.ndarray) -> np.ndarray:
    return ndimage.gaussian_filter((distance > 0).astype(np.float32), 1.0)


def level(image: np.ndarray, share: np.ndarray, seeds: np.ndarray) -> float:
    return levels_at_edges(image, np.ones_like(seeds), share.astype(np.float32), seeds, (1.0, 1.0, 1.0))[1]


@pytest.mark.parametrize("sign", [1, -1])
def test_segment_that_is_too_small_all_around_grows_up_to_the_edge(distance, seeds, sign: int) -> None:
    share = expit(0.5 * (distance - 1.5))
    found = level(sign * ball(distance), share, seeds)
    assert found < 0.5
    before, after, truth = (np.count_nonzero(region) for region in (share > 0.5, share > found, distance > 0))
    assert abs(after / truth - 1) < 0.1 < 0.3 < abs(before / truth - 1)


def test_segment_that_ends_at_the_edge_stays(distance, seeds) -> None:
    assert level(ball(distance), expit(0.5 * distance), seeds) == 0.5


def test_holes_and_what_hangs_together_with_no_stroke_do_not_count(distance, seeds) -> None:
    share, image = expit(2 * distance), ball(distance)
    rng = np.random.default_rng(0)
    holes = (distance > 3) & (distance < RADIUS - 3) & (rng.random(distance.shape) < 0.1)
    apart = distance < -8
    share[holes] = 0.3
    share[apart] = 0.4
    image[holes] = 1.5
    image[apart] = 20.0
    assert level(image, share, seeds) == 0.5


def test_face_between_two_segments_does_not_count(distance, seeds) -> None:
    share, image = expit(0.5 * distance), ball(distance)
    candidates = np.ones(distance.shape, np.int16)
    candidates[:, :, 20:] = 2
    image[:, :, 20:] += 5.0
    seeds[15, 15, 24] = 2
    assert levels_at_edges(image, candidates, share, seeds, (1.0, 1.0, 1.0)) == {1: 0.5, 2: 0.5}


def test_probabilities_are_one_half_where_the_level_was() -> None:
    rest = np.linspace(0, 1, 101, dtype=np.float32).reshape(1, 1, -1)
    candidates = np.ones(rest.shape, np.int16)
    raised, lowered = shares_above({1: 0.3}, candidates, rest)
    own, background = (1 - rest) * raised, rest * lowered
    np.testing.assert_allclose(own + background, 1, rtol=1e-6)
    clear = np.abs((1 - rest) - 0.3) > 1e-6
    np.testing.assert_array_equal((own > background)[clear], (1 - rest > 0.3)[clear])
    assert min(STROKE_LEVELS) > 0


def test_labels_probabilities_and_uncertainty_of_a_slab_end_at_the_edge(distance, seeds) -> None:
    share = expit(0.5 * (distance - 1.5)).astype(np.float32)
    share[seeds == 1] = 1.0
    slab = SlabResult(0, seeds, (), 2, True, ball(distance), (1.0, 1.0, 1.0))
    slab.add([1], share[None], share[None], 0.0)
    slab.finish()
    region = slab.best == 1
    assert abs(np.count_nonzero(region) / np.count_nonzero(distance > 0) - 1) < 0.1
    likely = slab.probabilities.astype(np.float32)
    np.testing.assert_allclose(likely.sum(axis=0), 1, atol=2e-3)
    sure = np.abs(likely[1] - 0.5) > 2e-3
    np.testing.assert_array_equal(region[sure], likely[1][sure] > 0.5)
    assert slab.uncertainty[np.abs(distance) < 1].mean() > slab.uncertainty[np.abs(distance - 3) < 1].mean()
