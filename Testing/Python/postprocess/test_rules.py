"""Thin parts come back, doubtful islands go, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.fill import fill
from ACSegLib.fill.context import SlabResult
from ACSegLib.phantom import annotate, simulate
from ACSegLib.postprocess.rules import (
    prior_share,
    remove_doubtful_islands,
    restore_thin_parts,
    thin_threshold,
)


def body_with_filament():
    """A ball with a filament two voxels thick; the filament's middle and the ball's outermost shell lost by little."""
    k, j, i = np.indices((30, 30, 60))
    ball = (k - 15) ** 2 + (j - 15) ** 2 + (i - 15) ** 2 <= 10**2
    filament = (abs(k - 14.5) < 1) & (abs(j - 14.5) < 1) & (i > 20) & (i < 55)
    shell = ball & ~ndimage.binary_erosion(ball) & ~filament
    value = np.where(ball | filament, np.float32(0.9), np.float32(0.0))
    cut = filament & (i > 30) & (i < 40)
    value[cut | shell] = 0.4
    best = np.where(value > 0.5, 1, 0).astype(np.int16)
    return best, value, cut, shell


def test_a_cut_filament_is_joined_and_the_body_keeps_its_outline():
    best, value, cut, shell = body_with_filament()
    before = best.copy()
    likeliest = np.where(value > 0, 1, 0).astype(np.int16)
    changed = restore_thin_parts(best, likeliest, value, np.full(best.shape, -1, np.int16), 0.3)
    assert (best[cut] == 1).all()
    assert not changed[shell].any()
    np.testing.assert_array_equal(changed, best != before)


def test_what_lost_by_more_or_is_known_stays():
    best, value, cut, _ = body_with_filament()
    likeliest = np.where(value > 0, 1, 0).astype(np.int16)
    assert not restore_thin_parts(best.copy(), likeliest, value, np.full(best.shape, -1, np.int16), 0.45).any()
    seeds = np.where(cut, 0, -1).astype(np.int16)
    assert not restore_thin_parts(best, likeliest, value, seeds, 0.3).any()


def test_only_the_islands_that_are_neither_drawn_nor_sure_go():
    best = np.zeros((8, 20, 40), np.int16)
    value = np.zeros(best.shape, np.float32)
    seeds = np.full(best.shape, -1, np.int16)
    places = {"drawn": (2, 0.6), "doubtful": (12, 0.6), "sure": (22, 0.95)}
    for start, p in places.values():
        best[2:6, 5:10, start : start + 5], value[2:6, 5:10, start : start + 5] = 2, p
    seeds[2, 5:10, 2:7] = 2
    changed = remove_doubtful_islands(best, value, seeds)
    assert (best[2:6, 5:10, 2:7] == 2).all()
    assert (best[2:6, 5:10, 22:27] == 2).all()
    assert not best[:, :, 12:17].any()
    assert changed.sum() == 4 * 5 * 5


def test_the_threshold_follows_the_trust_in_the_prior():
    assert thin_threshold(1.0) == pytest.approx(0.3) == thin_threshold(5.0)
    assert thin_threshold(0.01) == pytest.approx(0.5, abs=0.01)


def test_filopodia_of_a_simulated_cell_are_found_and_doubt_is_shown_where_labels_were_put_right():
    phantom = simulate(64, seed=5)
    drawn, slices = annotate(phantom.truth, every=8)
    result = fill(phantom.volume, drawn, axis="k", slices=slices, probabilities=True)
    cell = next(s for s in result.segmentation.segments if s.value == 1)
    probability = result.probabilities[cell.id].astype(np.float32)
    found = result.segmentation.labels == 1
    promoted = found & (probability < 0.45) & ~result.drawn
    assert promoted.any()
    assert (result.uncertainty[promoted] == 255).all()
    thin = phantom.mask("filopodia") & ~result.drawn
    alone = probability > 0.5
    assert found[thin].mean() > alone[thin].mean() + 0.05


def test_probabilities_move_towards_the_prior_except_where_drawn():
    rng = np.random.default_rng(5)
    x, prior = (rng.random((2, 5, 6, 7)).astype(np.float32) for _ in range(2))
    seeds = rng.integers(-1, 3, (5, 6, 7)).astype(np.int16)
    expected = np.where(seeds < 0, 0.7 * x + 0.3 * prior, x)
    result = SlabResult(0, seeds, None, 3)
    result.add([1, 2], x, prior, 0.3)
    np.testing.assert_allclose(x, expected, atol=1e-6)
    np.testing.assert_allclose(result.probabilities[1:], expected, atol=1e-3)
    np.testing.assert_array_equal(result.best, 1 + expected.argmax(0))


def test_a_prior_that_is_not_trusted_has_no_share():
    assert prior_share(0.1) > 0
    assert prior_share(5.0) == prior_share(1.0) == pytest.approx(10 * prior_share(0.1))
