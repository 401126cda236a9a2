"""Offsets that give outlines their place: against a search by hand, and in a training."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ACSegLib.network.model.architecture import build_network
from ACSegLib.network.model.spec import unet_spec
from ACSegLib.network.train.calibration import middle, shift_heads
from ACSegLib.network.train.data import IGNORE, Prepared
from ACSegLib.network.train.offsets import STEP, best_offsets, count_margins, offsets_for, search_offsets
from ACSegLib.volume import Segment


def dice(found, true):
    return 2 * np.count_nonzero(found & true) / (np.count_nonzero(found) + np.count_nonzero(true))


def ball_and_logits(sigmoid):
    """A ball, and a network's logits that claim two voxels too many all around, with noise."""
    rng = np.random.default_rng(0)
    k, j, i = np.indices((21, 32, 32))
    inside = 9.0 - np.sqrt((k - 10) ** 2 + (j - 16) ** 2 + (i - 16) ** 2)
    target = (inside > 0).astype(np.uint8)[None]
    logit = (0.7 * (inside + 2) + rng.normal(0, 0.3, inside.shape)).astype(np.float32)
    logits = np.stack([logit] if sigmoid else [np.zeros_like(logit), logit])
    return torch.from_numpy(logits), target


@pytest.mark.parametrize("sigmoid", [True, False])
def test_the_offset_is_the_one_a_search_by_hand_finds(sigmoid):
    logits, target = ball_and_logits(sigmoid)
    (offset,), (gain,), (reached,) = best_offsets(count_margins(logits, target, sigmoid))
    margin = logits[-1].numpy()
    by_hand = {n: dice(margin + n * STEP > 0, target[0] > 0) for n in range(-30, 31)}
    assert offset == pytest.approx(-1.4, abs=0.25)
    assert by_hand[round(offset / STEP)] >= max(by_hand.values()) - 2e-4
    assert gain == pytest.approx(by_hand[round(offset / STEP)] - by_hand[0], abs=1e-6)
    assert gain > 0.1
    assert reached == pytest.approx(by_hand[round(offset / STEP)], abs=1e-6)


def test_three_classes_compete_and_unknown_voxels_do_not_count():
    rng = np.random.default_rng(1)
    logits = torch.from_numpy(rng.normal(size=(3, 9, 10, 11)).astype(np.float32))
    target = rng.integers(0, 3, (1, 9, 10, 11)).astype(np.uint8)
    target[:, ::2] = IGNORE
    counts = count_margins(logits, target, False)
    found, known = logits.argmax(0).numpy(), target[0] != IGNORE
    middle = counts.shape[2] // 2
    for n in range(2):
        assert counts[n, 0].sum() == np.count_nonzero(known)
        assert counts[n, 0, middle:].sum() == np.count_nonzero((found == n + 1) & known)
        assert counts[n, 1, middle:].sum() == np.count_nonzero((found == n + 1) & (target[0] == n + 1))


def test_a_segment_that_is_nowhere_and_one_that_is_right_stay_as_they_are():
    logits, target = ball_and_logits(True)
    counts = count_margins(torch.cat([logits - 1.4, logits]), np.concatenate([target, 0 * target]), True)
    offsets, gains, reached = best_offsets(counts)
    np.testing.assert_allclose(offsets, 0, atol=2.5 * STEP)
    assert offsets[1] == gains[1] == 0
    assert np.isnan(reached[1])


def test_offsets_are_sought_for_all_segments_together():
    """Cell and bead are claimed too often, both: an offset of the cell alone would give its voxels to the bead."""
    rng = np.random.default_rng(0)
    k, j, i = np.indices((30, 40, 40))
    cell = 11 - np.sqrt((k - 15) ** 2 + (j - 16) ** 2 + (i - 20) ** 2)
    bead = 5 - np.sqrt((k - 15) ** 2 + (j - 27) ** 2 + (i - 20) ** 2)
    target = np.where(bead > 0, 2, np.where(cell > 0, 1, 0)).astype(np.uint8)[None]
    right = np.stack([np.zeros_like(cell), cell, bead + np.maximum(cell, 0)]) + rng.normal(0, 0.3, (3, *cell.shape))
    inflated = torch.from_numpy((right + np.array([0, 2.5, 2.0]).reshape(3, 1, 1, 1)).astype(np.float32))

    def scores(offsets):
        classes = (inflated.numpy() + np.array([0, *offsets]).reshape(3, 1, 1, 1)).argmax(0)
        return [dice(classes == n, target[0] == n) for n in (1, 2)]

    def count(offsets):
        return count_margins(inflated, target, False, offsets)

    segments = [Segment("cell", 1), Segment("bead", 2)]
    offsets, told = search_offsets(segments, count)
    alone, _ = offsets_for(segments, count(np.zeros(2)))
    best = scores((-2.5, -2.0))
    assert np.mean(scores(alone)) < np.mean(best) - 0.01
    assert np.mean(scores(offsets)) > np.mean(best) - 0.002
    for row, found, plain in zip(told.values(), scores(offsets), scores((0, 0)), strict=True):
        assert row["dice"] == pytest.approx(found, abs=1e-4)
        assert row["dice_gain"] == pytest.approx(found - plain, abs=2e-4)


def test_a_segment_that_was_not_learned_is_not_enlarged_at_random():
    """Its logits are noise: the offset with the best Dice labels half of everything, for a Dice of 0.02."""
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(
        np.stack([np.zeros((20, 20, 20)), rng.normal(-2.5, 0.3, (20, 20, 20))]).astype(np.float32)
    )
    target = np.zeros((1, 20, 20, 20), np.uint8)
    target[0, 9:12, 9:12, 9:12] = 1
    offsets, gains, reached = best_offsets(count_margins(logits, target, False))
    assert offsets[0] == gains[0] == reached[0] == 0


def test_of_a_case_that_is_too_large_the_middle_is_taken():
    k, j, i = np.indices((20, 30, 40))
    target = np.zeros((1, 20, 30, 40), np.uint8)
    target[0, 9:11, 14:16, 19:21] = 1
    case = Prepared("large", (k * 10_000 + j * 100 + i).astype(np.float32), target, np.array([True]))
    part = middle(case, 3000)
    assert part.shape == (10, 15, 20)
    assert part.image[0, 0, 0] == 5 * 10_000 + 7 * 100 + 10
    assert part.target.shape == (1, 10, 15, 20)
    assert part.target.sum() == 8
    assert middle(case, 24_000) is case


def test_heads_are_shifted_and_nothing_else():
    spec = unet_spec(2, base=4)
    network = build_network(spec).eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    image = torch.randn(1, 1, 16, 16, 16)
    with torch.no_grad():
        first = network(image)
        network.load_state_dict(shift_heads(spec, before, [-0.5, 1.25]))
        change = network(image) - first
    for channel, expected in enumerate([0.0, -0.5, 1.25]):
        torch.testing.assert_close(change[:, channel], torch.full_like(change[:, channel], expected), atol=1e-4, rtol=0)
