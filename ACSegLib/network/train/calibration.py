"""Calibration: an offset a segment, so that outlines lie where the truth has them, and a threshold for thin structures.

Class weights and soft Dice teach a network in few steps to find what is rare, and to claim too much around all of it:
its segments come out a few percent too large. After the training one offset per segment is therefore added to the bias
of the network's heads, that with the best Dice on volumes held back: what "logit adjustment" (Menon et al., ICLR 2021)
takes from the class frequencies is measured instead.

Every offset is tried at once: the margin by which a segment wins or loses is counted in bins, for all voxels and for
those of the truth, and the Dice of each offset follows from the counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.jobs import Progress
from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.network.train.data import IGNORE, Prepared
from ACSegLib.network.train.finetune import head_keys
from ACSegLib.network.train.trainer import stop_inside
from ACSegLib.network.train.validation import predict_logits, summed
from ACSegLib.postprocess.holes import HoleCounts
from ACSegLib.postprocess.thin_structures import ThinStructureCounts

if TYPE_CHECKING:
    import torch

    from ACSegLib.network.model.model_file import Model
    from ACSegLib.volume import Segment

#: Largest offset, and the steps in which it is sought; logits.
MAX_OFFSET, STEP = 3.0, 0.1

#: An offset nearer to none is taken if its Dice is within this of the best.
DICE_TOLERANCE = 2e-4

#: Voxels after which no further case is looked at; of one that has more, the middle is taken.
MAX_VOXELS = 30_000_000

_BINS = 2 * round(MAX_OFFSET / STEP) + 2
_PLANES = 8


def no_margins(segments: int) -> np.ndarray:
    """Counts of nothing yet, as `count_margins` gives them."""
    return np.zeros((segments, 2, _BINS), np.int64)


def count_margins(logits: torch.Tensor, target: np.ndarray, sigmoid: bool) -> np.ndarray:
    """Count voxels by the margin with which each segment wins.

    Parameters
    ----------
    logits : torch.Tensor, shape (C, k, j, i)
        Softmax: background first.
    target : ndarray of uint8, shape (1 or C, k, j, i)
        Classes (softmax) or masks (sigmoid), with `IGNORE`.

    Returns
    -------
    ndarray of int64, shape (segments, 2, bins)
        All known voxels, and those of the segment; bin n holds margins from ``STEP * (n - 1) - MAX_OFFSET`` on, the
        first and the last all that lie beyond.
    """
    segments = len(logits) if sigmoid else len(logits) - 1
    counts = no_margins(segments)
    for first in range(0, logits.shape[1], _PLANES):
        block = logits[:, first : first + _PLANES].float()
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


def best_offsets(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Choose each segment's offset.

    Parameters
    ----------
    counts : ndarray, shape (segments, 2, bins)
        As from `count_margins`, summed over volumes.

    Returns
    -------
    offsets, gains : ndarray of float, shape (segments,)
        What to add to the logit, and what that adds to the Dice of all volumes taken together; 0 for a segment without
        a voxel.
    """
    offsets, gains = np.zeros(len(counts)), np.zeros(len(counts))
    steps = np.arange(1 - _BINS // 2, _BINS // 2)  # offsets in units of STEP
    for n, (known, true) in enumerate(counts):
        if not true.sum():
            continue
        found, shared = (np.cumsum(c[::-1])[::-1][_BINS // 2 - steps] for c in (known, true))
        dice = 2 * shared / (found + true.sum())
        good = steps[dice >= dice.max() - DICE_TOLERANCE]
        chosen = int(good[np.abs(good).argmin()])
        offsets[n] = chosen * STEP
        gains[n] = dice[steps == chosen][0] - dice[steps == 0][0]
    return offsets, gains


def offsets_for(segments: Sequence[Segment], counts: np.ndarray) -> tuple[list[float], dict[str, dict[str, float]]]:
    """`best_offsets` as plain numbers, and what a model's card tells of them by the segments' names."""
    offsets, gains = best_offsets(counts)
    told = {
        s.name: {"offset": round(float(o), 2), "dice_gain": round(float(g), 4)}
        for s, o, g in zip(segments, offsets, gains, strict=True)
    }
    return offsets.tolist(), told


def calibrate(model: Model, cases: Sequence[Prepared], fabric: Any, progress: Progress) -> Model:
    """Measure what a trained model's outputs need, on whole cases, which the processes share among them.

    Parameters
    ----------
    model : Model
    cases : sequence of Prepared
        Best those that were held back; as many are used as hold `MAX_VOXELS`, of a larger one its middle.
    fabric : lightning.fabric.Fabric
        Launched.

    Returns
    -------
    Model
        With offsets in its heads, "thin_threshold" and "without_holes" in its preprocessing, and in its card, under
        "calibration", by segment the "offset" and the "dice_gain" on these cases.
    """
    mine = _first(cases)[fabric.global_rank :: fabric.world_size]
    counts = no_margins(len(model.segments))
    stages = progress.stages(offsets=1, postprocessing=1)
    for case, logits in _logits_of(model, mine, fabric, stages.offsets):
        found = count_margins(logits, case.target, model.spec.overlapping)
        found[~case.known] = 0
        counts += found
    offsets, told = offsets_for(model.segments, summed(counts, fabric))
    shifted = replace(model, state_dict=shift_heads(model.spec, model.state_dict, offsets))
    # The logits are computed anew: those of all cases would not fit in memory.
    thin, without_holes = _shapes(shifted, mine, fabric, stages.postprocessing)
    preprocessing = replace(model.preprocessing, thin_threshold=thin, without_holes=without_holes)
    return replace(shifted, preprocessing=preprocessing, card={**model.card, "calibration": told})


def _shapes(model: Model, cases: Sequence[Prepared], fabric: Any, progress: Progress) -> tuple[float, tuple[str, ...]]:
    """The threshold of thin structures, and the names of segments without holes.

    Neither is changed where segments overlap or no case is labelled throughout.
    """
    if model.spec.overlapping:
        return 0.5, ()
    thin, holes = ThinStructureCounts(), HoleCounts(len(model.segments))
    dense = [c for c in cases if c.known.all() and not (c.target == IGNORE).any()]
    for case, logits in _logits_of(model, dense, fabric, progress):
        holes.add(logits.argmax(0).numpy().astype(np.uint8), case.target[0])
        thin.add(logits.float().softmax(0).numpy(), case.target[0])
    thin.counts, thin.truth = summed(thin.counts, fabric), summed(thin.truth, fabric)
    holes.counts = summed(holes.counts, fabric)
    return thin.choose(), tuple(s.name for s, chosen in zip(model.segments, holes.choose(), strict=True) if chosen)


def _logits_of(
    model: Model, cases: Sequence[Prepared], fabric: Any, progress: Progress
) -> Iterator[tuple[Prepared, torch.Tensor]]:
    network = model.network().to(fabric.device).eval()
    if fabric.world_size > 1:
        progress = Progress()  # none may leave alone: the processes meet again in `summed`
    else:
        stop_inside(network, progress)
    for case, part in progress.each(cases, lambda case: f"calibrating on {case.name}"):
        with fabric.autocast():
            yield (
                case,
                predict_logits(network, case.image, model.spec, model.preprocessing.patch, fabric.device, part),
            )


def _first(cases: Sequence[Prepared]) -> list[Prepared]:
    ends = np.cumsum([case.image.size for case in cases])
    return [middle(case, MAX_VOXELS) for case in cases[: 1 + int(np.searchsorted(ends, MAX_VOXELS))]]


def middle(case: Prepared, most: int) -> Prepared:
    """The middle of a case that has more than `most` voxels, of the same proportions; else the case itself."""
    share = (most / case.image.size) ** (1 / 3)
    if share >= 1:
        return case
    sizes = [max(1, int(n * share)) for n in case.shape]
    place = tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(case.shape, sizes, strict=True))
    return replace(case, image=case.image[place], target=case.target[(slice(None), *place)])


def shift_heads(
    spec: NetworkSpec, weights: Mapping[str, torch.Tensor], offsets: Sequence[float]
) -> dict[str, torch.Tensor]:
    """Weights with the offsets (one per segment) added to the biases of all heads."""
    import torch

    shifted = dict(weights)
    background = [0.0] * (spec.out_channels - len(offsets))
    change = torch.tensor([*background, *offsets], dtype=torch.float32)
    for key in head_keys(spec):
        if shifted[key].ndim == 1:
            shifted[key] = shifted[key] + change.to(shifted[key].dtype)
    return shifted
