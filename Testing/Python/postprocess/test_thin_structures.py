"""Thin parts of predictions: put right in blocks as at once, and as many as in the truth."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib.postprocess import thin_structures as thin_parts
from ACSegLib.postprocess.thin_structures import ThinParts, restore_thin_parts, thin_voxels


def cell_with_rods(seed=0):
    """A ball with rods two voxels thick that a network is unsure of, and its probabilities (background, cell)."""
    rng = np.random.default_rng(seed)
    k, j, i = np.indices((40, 44, 60))
    ball = (k - 20) ** 2 + (j - 22) ** 2 + (i - 20) ** 2 <= 12**2
    rods = np.zeros_like(ball)
    for centre in (14, 20, 26):
        rods |= (abs(k - centre - 0.5) < 1) & (abs(j - 22.5) < 1) & (i > 20) & (i < 56)
    truth = ball | rods
    chance = np.where(ball, 0.95, np.where(rods, rng.uniform(0.22, 0.7, ball.shape), 0.02)).astype(np.float32)
    return truth.astype(np.uint8), np.stack([1 - chance, chance])


@pytest.mark.parametrize("planes", [1, 20, 27])
def test_blocks_give_what_the_whole_gives(monkeypatch, planes):
    truth, (_, chance) = cell_with_rods()
    classes = (chance > 0.5).astype(np.uint8)
    candidates = ((chance > 0.2) & (classes == 0)).astype(np.uint8)
    expected = classes | (candidates & thin_voxels((classes | candidates) > 0))
    monkeypatch.setattr(thin_parts, "_BLOCK_VOXELS", planes * classes[0].size)
    changed = restore_thin_parts(classes, candidates)
    np.testing.assert_array_equal(classes, expected)
    assert changed == np.count_nonzero(expected) - np.count_nonzero(chance > 0.5) > 100
    assert np.mean(classes[truth > 0]) > 0.99


def test_the_threshold_gives_thin_parts_their_size():
    truth, probabilities = cell_with_rods()
    parts = ThinParts()
    parts.add(probabilities, truth)
    assert parts.choose() in (0.2, 0.25)
    sure = ThinParts()
    chance = np.where(truth > 0, np.float32(0.95), np.float32(0.05))
    sure.add(np.stack([1 - chance, chance]), truth)
    assert sure.choose() == 0.5


def test_what_would_cost_dice_is_left_alone():
    """The network sees faint rods that are not there: more thin voxels are wanted, but these are wrong."""
    truth, probabilities = cell_with_rods()
    shifted = np.roll(probabilities, 6, axis=2)
    body = probabilities[1] > 0.9
    shifted[:, body] = probabilities[:, body]
    shifted = np.where(shifted > 0.9, shifted, np.minimum(shifted, np.float32(0.45)))
    shifted[0] = 1 - shifted[1]
    parts = ThinParts()
    parts.add(shifted, truth)
    assert parts.choose() == 0.5
