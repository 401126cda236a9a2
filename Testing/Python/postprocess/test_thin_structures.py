"""Thin structures: which voxels lie in one, and from which probability a prediction restores them."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib.postprocess import thin_structures
from ACSegLib.postprocess.thin_structures import ThinStructureCounts, restore_thin_structures, thin_voxels


def cell_with_rods(seed=0):
    """A ball with rods two voxels thick that a network is unsure of, and its probabilities (background, cell)."""
    rng = np.random.default_rng(seed)
    k, j, i = np.indices((40, 44, 60))
    ball = (k - 20) ** 2 + (j - 22) ** 2 + (i - 20) ** 2 <= 12**2
    rods = np.zeros_like(ball)
    for centre in (14, 20, 26):
        rods |= (abs(k - centre - 0.5) < 1) & (abs(j - 22.5) < 1) & (i > 20) & (i < 56)
    truth = ball | rods
    probability = np.where(ball, 0.95, np.where(rods, rng.uniform(0.22, 0.7, ball.shape), 0.02)).astype(np.float32)
    return truth.astype(np.uint8), np.stack([1 - probability, probability])


def test_a_rod_of_two_voxels_is_thin_and_a_ball_is_not():
    k, j, i = np.indices((30, 30, 60))
    ball = (k - 15) ** 2 + (j - 15) ** 2 + (i - 15) ** 2 <= 10**2
    rod = (abs(k - 14.5) < 1) & (abs(j - 14.5) < 1) & (i > 20) & (i < 55)
    thin = thin_voxels(ball | rod)
    assert not (thin & ~rod).any()
    assert thin[rod & (i > 28)].all()


@pytest.mark.parametrize(("planes", "cores"), [(1, 1), (20, 1), (27, 2), (60, 3)])
def test_restoring_in_blocks_equals_restoring_at_once(monkeypatch, planes, cores):
    truth, (_, probability) = cell_with_rods()
    classes = (probability > 0.5).astype(np.uint8)
    candidates = ((probability > 0.2) & (classes == 0)).astype(np.uint8)
    expected = classes | (candidates & thin_voxels((classes | candidates) > 0))
    monkeypatch.setattr(thin_structures, "_BLOCK_VOXELS", planes * classes[0].size)
    monkeypatch.setattr(thin_structures, "threads", lambda: cores)
    changed = restore_thin_structures(classes, candidates)
    np.testing.assert_array_equal(classes, expected)
    assert changed == np.count_nonzero(expected) - np.count_nonzero(probability > 0.5) > 100
    assert np.mean(classes[truth > 0]) > 0.99


def test_the_chosen_threshold_restores_the_surface_of_the_truth():
    truth, probabilities = cell_with_rods()
    counts = ThinStructureCounts(1)
    counts.add(probabilities, truth)
    assert counts.choose() in (0.2, 0.25)
    sure = ThinStructureCounts(1)
    probability = np.where(truth > 0, np.float32(0.95), np.float32(0.05))
    sure.add(np.stack([1 - probability, probability]), truth)
    assert sure.choose() == 0.5


def test_no_threshold_is_lowered_at_the_cost_of_dice():
    """The network sees faint rods that are not there: more thin voxels are wanted, but these are wrong."""
    truth, probabilities = cell_with_rods()
    shifted = np.roll(probabilities, 6, axis=2)
    body = probabilities[1] > 0.9
    shifted[:, body] = probabilities[:, body]
    shifted = np.where(shifted > 0.9, shifted, np.minimum(shifted, np.float32(0.45)))
    shifted[0] = 1 - shifted[1]
    counts = ThinStructureCounts(1)
    counts.add(shifted, truth)
    assert counts.choose() == 0.5


def test_a_compact_segment_that_would_only_swell_keeps_its_threshold_and_rods_come_back():
    """A bead with a faint shell: thin to the rule, as rods are. The rods' gain must not hide what the bead loses."""
    truth, probabilities = cell_with_rods()
    k, j, i = np.indices(truth.shape)
    far = np.sqrt((k - 32) ** 2 + (j - 8) ** 2 + (i - 50) ** 2)
    bead = np.where(far <= 1.5, 0.95, np.where(far <= 2.5, 0.42, 0.0)).astype(np.float32)
    truth = np.where(far <= 1.5, 2, truth).astype(np.uint8)
    three = np.stack([np.minimum(probabilities[0], 1 - bead), probabilities[1] * (bead == 0), bead])
    counts = ThinStructureCounts(2)
    counts.add(three, truth)
    assert counts.harmed() == [False, True]
    assert counts.choose() == 0.5
    others = ThinStructureCounts(2, counts.harmed())
    others.add(three, truth)
    assert others.choose() in (0.2, 0.25)


def test_a_part_of_a_volume_is_counted_within_its_surroundings():
    truth, probabilities = cell_with_rods()
    whole, part = ThinStructureCounts(1), ThinStructureCounts(1)
    whole.add(probabilities, truth)
    inside = (slice(None), slice(None), slice(10, None))
    part.add(probabilities, truth[inside], inside)
    assert part.choose() == whole.choose()
    assert (part.counts[:, 1:] < whole.counts[:, 1:]).all()
