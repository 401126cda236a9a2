"""Offsets of a network's outputs, so that outlines lie where the truth has them, from counts of margins.

Every offset of a segment is tried at once: the margin by which the segment wins or loses is counted in bins, for all
voxels and for those of the truth, and the Dice of each offset follows from the counts.

Where segments exclude each other, the offset of one changes the margins of the others: a lower output of the cytoplasm
gives voxels to the background, and to the beads in it. So the counts are repeated with the offsets found, until the
mean Dice of all segments rises no more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ACSegLib.network.train.data import IGNORE

if TYPE_CHECKING:
    import torch

    from ACSegLib.volume import Segment

#: Largest offset, and the steps in which it is sought; logits.
MAX_OFFSET, STEP = 3.0, 0.1

#: An offset nearer to none is taken if its Dice is within this of the best.
DICE_TOLERANCE = 2e-4

#: A segment whose Dice stays below this with every offset has not been learned: the offset with the best Dice would
#: only label voxels of others at random. A choice, not a measurement.
MIN_DICE = 0.1

#: Times that the margins are counted at most.
MAX_ROUNDS = 5

_BINS = 2 * round(MAX_OFFSET / STEP) + 2
_PLANES = 8


def no_margins(segments: int) -> np.ndarray:
    """Counts of nothing yet, as `count_margins` gives them."""
    return np.zeros((segments, 2, _BINS), np.int64)


def count_margins(
    logits: torch.Tensor, target: np.ndarray, sigmoid: bool, offsets: np.ndarray | None = None
) -> np.ndarray:
    """Count voxels by the margin with which each segment wins.

    Parameters
    ----------
    logits : torch.Tensor, shape (C, k, j, i)
        Softmax: background first.
    target : ndarray of uint8, shape (1 or C, k, j, i)
        Classes (softmax) or masks (sigmoid), with `IGNORE`.
    offsets : ndarray, shape (segments,), optional
        Added to the logits of the segments.

    Returns
    -------
    ndarray of int64, shape (segments, 2, bins)
        All known voxels, and those of the segment; bin n holds margins from ``STEP * (n - 1) - MAX_OFFSET`` on, the
        first and the last all that lie beyond.
    """
    segments = len(logits) if sigmoid else len(logits) - 1
    counts = no_margins(segments)
    shift = None if offsets is None else channel_shift(offsets, len(logits))
    for first in range(0, logits.shape[1], _PLANES):
        block = logits[:, first : first + _PLANES].float()
        if shift is not None:
            block = block + shift
        if not sigmoid:
            top = block.topk(2, dim=0).values
            block = (block - (block == top[0]) * top[1] - (block < top[0]) * top[0])[1:]
        bins = ((block + MAX_OFFSET) / STEP).floor().add(1).clamp(0, _BINS - 1).numpy().astype(np.intp)
        for n in range(segments):
            truth = target[n if sigmoid else 0, first : first + _PLANES]
            value = 1 if sigmoid else n + 1
            counts[n, 0] += np.bincount(bins[n][truth != IGNORE], minlength=_BINS)
            counts[n, 1] += np.bincount(bins[n][truth == value], minlength=_BINS)
    return counts


def best_offsets(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Choose each segment's offset.

    Parameters
    ----------
    counts : ndarray, shape (segments, 2, bins)
        As from `count_margins`, summed over volumes.

    Returns
    -------
    offsets, gains, dice : ndarray of float, shape (segments,)
        What to add to the logit, what that adds to the Dice of all volumes taken together, and that Dice. A segment
        below `MIN_DICE` has no offset; one without a voxel has none, and its Dice is NaN.
    """
    offsets, gains, reached = np.zeros(len(counts)), np.zeros(len(counts)), np.full(len(counts), np.nan)
    steps = np.arange(1 - _BINS // 2, _BINS // 2)  # offsets in units of STEP
    for n, (known, true) in enumerate(counts):
        if not true.sum():
            continue
        found, shared = (np.cumsum(c[::-1])[::-1][_BINS // 2 - steps] for c in (known, true))
        dice = 2 * shared / (found + true.sum())
        reached[n] = dice[steps == 0][0]
        if dice.max() < MIN_DICE:
            continue
        good = steps[dice >= dice.max() - DICE_TOLERANCE]
        chosen = int(good[np.abs(good).argmin()])
        offsets[n] = chosen * STEP
        reached[n] = dice[steps == chosen][0]
        gains[n] = reached[n] - dice[steps == 0][0]
    return offsets, gains, reached


def channel_shift(offsets: Sequence[float] | np.ndarray, channels: int) -> torch.Tensor:
    """Offsets as a tensor (channels, 1, 1, 1) to add to logits; with softmax the background comes first and stays."""
    import torch

    shift = torch.zeros(channels, 1, 1, 1)
    shift[channels - len(offsets) :, 0, 0, 0] = torch.as_tensor(np.asarray(offsets, np.float32))
    return shift


#: What a model's card tells of a segment.
Told = dict[str, float]


def offsets_for(segments: Sequence[Segment], counts: np.ndarray) -> tuple[list[float], dict[str, Told]]:
    """`best_offsets` as plain numbers, each segment for itself, and what a model's card tells of them by name."""
    offsets, gains, reached = best_offsets(counts)
    return offsets.tolist(), _told(segments, offsets, reached - gains, reached)


def search_offsets(
    segments: Sequence[Segment], count: Callable[[np.ndarray], np.ndarray]
) -> tuple[list[float], dict[str, Told]]:
    """Choose the offsets of all segments together, those with the best mean Dice; and what a model's card tells.

    Parameters
    ----------
    count : callable
        Takes offsets, shape (segments,), and gives the sum of `count_margins` with them over all volumes.
    """
    offsets = np.zeros(len(segments))
    tried: list[tuple[np.ndarray, np.ndarray]] = []
    for _ in range(MAX_ROUNDS):
        changes, gains, reached = best_offsets(count(offsets))
        tried.append((offsets, reached - gains))
        offsets = _changed(offsets, changes, reached)
        if any(np.array_equal(offsets, before) for before, _ in tried):
            break
    means = [_mean(dice) for _, dice in tried]
    chosen, dice = tried[next(n for n, mean in enumerate(means) if mean >= max(means) - DICE_TOLERANCE)]
    return chosen.tolist(), _told(segments, chosen, tried[0][1], dice)


def _told(segments: Sequence[Segment], offsets: np.ndarray, before: np.ndarray, after: np.ndarray) -> dict[str, Told]:
    """Offset, gain and Dice of each segment; one without a voxel has no Dice."""
    told = {}
    for segment, offset, plain, dice in zip(segments, offsets, before, after, strict=True):
        told[segment.name] = {"offset": round(float(offset), 2), "dice_gain": 0.0}
        if np.isfinite(dice):
            told[segment.name] |= {"dice_gain": round(float(dice - plain), 4), "dice": round(float(dice), 4)}
    return told


def _changed(offsets: np.ndarray, changes: np.ndarray, reached: np.ndarray) -> np.ndarray:
    """The next offsets to try. A segment that was not learned follows the lowest, so as to win nowhere by it."""
    changed = np.clip(np.round(offsets + changes, 2), -MAX_OFFSET, MAX_OFFSET)
    learned = reached >= MIN_DICE
    changed[reached < MIN_DICE] = min(0.0, changed[learned].min(initial=0.0))
    return changed


def _mean(dice: np.ndarray) -> float:
    """Mean Dice of the segments that have one."""
    scored = dice[np.isfinite(dice)]
    return float(scored.mean()) if scored.size else 0.0
