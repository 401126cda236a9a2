"""Calibration: an offset a segment, so that outlines lie where the truth has them, and a threshold for thin structures.

Class weights and soft Dice teach a network in few steps to find what is rare, and to claim too much around all of it:
its segments come out a few percent too large. After the training one offset per segment is therefore added to the bias
of the network's heads, that with the best Dice on volumes held back: what "logit adjustment" (Menon et al., ICLR 2021)
takes from the class frequencies is measured instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.compute import available_memory
from ACSegLib.jobs import Progress
from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.network.train.data import IGNORE, Prepared
from ACSegLib.network.train.finetune import head_keys
from ACSegLib.network.train.offsets import (
    MAX_ROUNDS,
    channel_shift,
    count_margins,
    no_margins,
    search_offsets,
)
from ACSegLib.network.train.trainer import stop_inside
from ACSegLib.network.train.validation import predict_logits, summed
from ACSegLib.postprocess.holes import HoleCounts
from ACSegLib.postprocess.thin_structures import ThinStructureCounts

if TYPE_CHECKING:
    import torch

    from ACSegLib.network.model.model_file import Model

#: Part of the free memory that logits may fill.
_MEMORY_SHARE = 1 / 4

#: Voxels after which no further case is looked at; of one that has more, the middle is taken.
MAX_VOXELS = 30_000_000


def calibrate(
    model: Model, cases: Sequence[Prepared], fabric: Any, progress: Progress, blocks: Sequence[Prepared] = ()
) -> Model:
    """Measure what a trained model's outputs need, on whole cases, which the processes share among them.

    Parameters
    ----------
    model : Model
    cases : sequence of Prepared
        Best those that were held back; as many are used as hold `MAX_VOXELS`, of a larger one its middle.
    fabric : lightning.fabric.Fabric
        Launched.
    blocks : sequence of Prepared, optional
        Held back of the cases, where these were trained on. Of what it has learned a network is so sure that little can
        be seen of the thin structures that it would miss elsewhere; blocks are few. The rule suits both.

    Returns
    -------
    Model
        With offsets in its heads, "thin_threshold", "without_thin" and "without_holes" in its preprocessing, and in its
        card, under "calibration", by segment the "offset", the "dice_gain" and the "dice" on these cases.
    """
    mine, held = (_first(some)[fabric.global_rank :: fabric.world_size] for some in (cases, blocks))
    stages = progress.stages(network=2, offsets=1, postprocessing=1)
    logits = _Logits(model, [*mine, *held], fabric, stages.network)
    rounds = stages.offsets.each(range(MAX_ROUNDS))

    def count(offsets: np.ndarray) -> np.ndarray:
        counts = no_margins(len(model.segments))
        _, part = next(rounds)
        for case, _ in part.each(mine, lambda case: f"calibrating on {case.name}"):
            found = count_margins(logits.of(case), case.target, model.spec.overlapping, offsets)
            found[~case.known] = 0
            counts += found
        return summed(counts, fabric)

    offsets, told = search_offsets(model.segments, count)
    threshold = 0.5
    bulky: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    if not model.spec.overlapping:
        shapes = _Shapes(model, logits, offsets, fabric)
        parts = stages.postprocessing.stages(holes=1, thin=2)
        whole = shapes.without_holes(mine, parts.holes)
        threshold, bulky = shapes.thin_structures([mine, held] if len(blocks) else [mine], parts.thin)
    preprocessing = replace(model.preprocessing, thin_threshold=threshold, without_thin=bulky, without_holes=whole)
    return replace(
        model,
        state_dict=shift_heads(model.spec, model.state_dict, offsets),
        preprocessing=preprocessing,
        card={**model.card, "calibration": told},
    )


class _Shapes:
    """What is learned of the shapes of segments that exclude each other, from cases that are labelled throughout."""

    def __init__(self, model: Model, logits: _Logits, offsets: Sequence[float], fabric: Any) -> None:
        self._model, self._logits, self._fabric = model, logits, fabric
        self._shift = channel_shift(offsets, model.spec.out_channels)

    def without_holes(self, cases: Sequence[Prepared], progress: Progress) -> tuple[str, ...]:
        """Names of the segments without holes."""
        holes = HoleCounts(len(self._model.segments))
        for case, logits in self._dense(cases, progress):
            holes.add(logits.argmax(0).numpy().astype(np.uint8), case.target[0])
        holes.counts = summed(holes.counts, self._fabric)
        return self._names(holes.choose())

    def thin_structures(
        self, groups: Sequence[Sequence[Prepared]], progress: Progress
    ) -> tuple[float, tuple[str, ...]]:
        """Threshold of thin structures, the most careful of those of all groups; and the segments without any."""
        stages = progress.stages(all=1, others=1)
        counts = [self._counted(cases, part) for cases, part in stages.all.each(groups)]
        harmed = [any(some) for some in zip(*(count.harmed() for count in counts), strict=True)]
        if any(harmed) and not all(harmed):
            counts = [self._counted(cases, part, harmed) for cases, part in stages.others.each(groups)]
        return max(count.choose() for count in counts), self._names(harmed)

    def _counted(
        self, cases: Sequence[Prepared], progress: Progress, excluded: Sequence[bool] = ()
    ) -> ThinStructureCounts:
        counts = ThinStructureCounts(len(self._model.segments), excluded)
        for case, logits in self._dense(cases, progress):
            counts.add(logits.softmax(0).numpy(), case.target[0], case.scored or ())
        counts.counts, counts.truth = summed(counts.counts, self._fabric), summed(counts.truth, self._fabric)
        return counts

    def _names(self, chosen: Sequence[bool]) -> tuple[str, ...]:
        return tuple(segment.name for segment, yes in zip(self._model.segments, chosen, strict=True) if yes)

    def _dense(self, cases: Sequence[Prepared], progress: Progress) -> Iterator[tuple[Prepared, torch.Tensor]]:
        dense = [case for case in cases if case.known.all() and not (case.target == IGNORE).any()]
        for case, _ in progress.each(dense, lambda case: f"calibrating on {case.name}"):
            yield case, self._logits.of(case) + self._shift


class _Logits:
    """Logits (C, k, j, i) of cases, float32; they are kept where all fit into memory, else computed at each call."""

    def __init__(self, model: Model, cases: Sequence[Prepared], fabric: Any, progress: Progress) -> None:
        self._model, self._fabric = model, fabric
        self._network = model.network().to(fabric.device).eval()
        # Of several processes none may leave alone: they meet again in `summed`.
        self._progress = Progress() if fabric.world_size > 1 else progress
        stop_inside(self._network, self._progress)
        values = sum(case.image.size for case in cases) * model.spec.out_channels
        self._kept: dict[int, torch.Tensor] = {}
        self._keeps = values * 4 < available_memory() * _MEMORY_SHARE
        for case, part in self._progress.each(cases if self._keeps else [], lambda case: f"calibrating on {case.name}"):
            self._kept[id(case)] = self._computed(case, part)

    def of(self, case: Prepared) -> torch.Tensor:
        """Give the logits of one of the cases."""
        return self._kept[id(case)] if self._keeps else self._computed(case, self._progress)

    def _computed(self, case: Prepared, progress: Progress) -> torch.Tensor:
        patch = self._model.preprocessing.patch
        with self._fabric.autocast():
            logits = predict_logits(self._network, case.image, self._model.spec, patch, self._fabric.device, progress)
        return logits.float()


def _first(cases: Sequence[Prepared]) -> list[Prepared]:
    ends = np.cumsum([case.image.size for case in cases], dtype=np.int64)
    return [middle(case, MAX_VOXELS) for case in cases[: 1 + int(np.searchsorted(ends, MAX_VOXELS))]]


def middle(case: Prepared, most: int) -> Prepared:
    """The middle of a case that has more than `most` voxels, of the same proportions; else the case itself."""
    if case.image.size <= most:
        return case
    if case.scored is not None:
        case = replace(case, image=case.image[case.scored], scored=None)
    share = min(1.0, (most / case.image.size) ** (1 / 3))
    sizes = [max(1, int(n * share)) for n in case.shape]
    place = tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(case.shape, sizes, strict=True))
    return replace(case, image=case.image[place], target=case.target[(slice(None), *place)])


def shift_heads(
    spec: NetworkSpec, weights: Mapping[str, torch.Tensor], offsets: Sequence[float]
) -> dict[str, torch.Tensor]:
    """Weights with the offsets (one per segment) added to the biases of all heads."""
    shifted = dict(weights)
    change = channel_shift(offsets, spec.out_channels).flatten()
    for key in head_keys(spec):
        if shifted[key].ndim == 1:
            shifted[key] = shifted[key] + change.to(shifted[key].dtype)
    return shifted
