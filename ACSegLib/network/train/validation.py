"""Validation on whole volumes or blocks: Dice of each segment, over the voxels whose label is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.compute import available_memory
from ACSegLib.errors import InputError, MemoryLimitError
from ACSegLib.jobs import Progress
from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.network.predict.tiling import bytes_per_voxel, choose_tile
from ACSegLib.network.train.data import IGNORE, Prepared

if TYPE_CHECKING:
    import torch

#: What tiles share, as a part of the patch (as a prediction has it).
_TILE_OVERLAP = 0.25
#: Voxels of a tile on the processor, so that a cancel is noticed within about a second.
MAX_TILE_ON_CPU = 2_500_000


@dataclass
class Scores:
    """Overlap of results with the truth.

    Parameters
    ----------
    counts : ndarray of float, shape (cases, segments, 3)
        Voxels that both share, those of the result, those of the truth.
    """

    counts: np.ndarray

    @property
    def dice(self) -> np.ndarray:
        """Dice by case and segment, shape (cases, segments); NaN where neither truth nor result has the segment."""
        return _dice(self.counts)

    @property
    def by_segment(self) -> np.ndarray:
        """Dice of all cases taken together, shape (segments,); NaN for a segment that the truth of none has.

        A mean over the cases would fall by a whole share for one false voxel in a case without the segment, as blocks
        often are. nnU-Net pools what it validates in this way too, to choose its weights
        (``nnUNetTrainer.on_validation_epoch_end``), and so does the calibration (`ACSegLib.network.train.offsets`).
        """
        pooled = self.counts.sum(axis=0)
        return np.where(pooled[:, 2] > 0, _dice(pooled), np.nan)

    @property
    def mean(self) -> float:
        """Mean over the segments; 0 when no segment could be scored."""
        found = self.by_segment[np.isfinite(self.by_segment)]
        return float(found.mean()) if found.size else 0.0


def predict_logits(
    network: Any, image: np.ndarray, spec: NetworkSpec, patch_size: Sequence[int], device: Any, progress: Progress
) -> torch.Tensor:
    """Logits (C, k, j, i) of a whole prepared image, by Gaussian-weighted tiles.

    The tiles are as large as a prediction takes them, not as small as the patches of the training: instance norm sees
    other statistics in them, and what is scored should be what a prediction will give.
    """
    import torch
    from monai.inferers import sliding_window_inference

    def predict(tile: torch.Tensor) -> torch.Tensor:
        progress.check()
        return network(tile).float()

    tensor = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None]
    overlap = [round(n * _TILE_OVERLAP) for n in patch_size]
    tile = _tile(image.shape, spec, patch_size, overlap, torch.device(device).type)
    with torch.inference_mode():
        logits = sliding_window_inference(
            tensor,
            tile,
            1,
            predict,
            overlap=[shared / max(side, 2 * shared, 1) for shared, side in zip(overlap, tile, strict=True)],
            mode="gaussian",
            padding_mode="replicate",
            sw_device=device,
            device="cpu",
        )
        assert isinstance(logits, torch.Tensor)
        return logits[0]


def _tile(
    shape: Sequence[int], spec: NetworkSpec, patch_size: Sequence[int], overlap: Sequence[int], device: str
) -> tuple[int, ...]:
    budget = available_memory(device) // 2
    if device == "cpu":
        budget = min(budget, int(MAX_TILE_ON_CPU * bytes_per_voxel(spec, "pytorch")))
    try:
        return choose_tile(shape, spec, overlap, budget, backend="pytorch", device=device).tile
    except MemoryLimitError:
        return tuple(patch_size)  # the training itself fits


def predict_classes(
    network: Any, image: np.ndarray, spec: NetworkSpec, patch_size: Sequence[int], device: Any, progress: Progress
) -> np.ndarray:
    """Predict a whole prepared image.

    Returns
    -------
    ndarray of uint8
        Softmax: classes, shape (1, k, j, i). Sigmoid: masks, shape (C, k, j, i).
    """
    import torch

    logits = predict_logits(network, image, spec, patch_size, device, progress)
    classes = (logits > 0) if spec.overlapping else logits.argmax(0, keepdim=True)
    return classes.to(torch.uint8).numpy()


def overlap_counts(result: np.ndarray, target: np.ndarray, segments: int, sigmoid: bool) -> np.ndarray:
    """Voxels shared, in the result, in the truth; shape (segments, 3), known voxels only."""
    counts = np.zeros((segments, 3))
    for n in range(segments):
        channel = n if sigmoid else 0
        value = 1 if sigmoid else n + 1
        valid = target[channel] != IGNORE
        found, true = (result[channel] == value) & valid, target[channel] == value
        counts[n] = np.count_nonzero(found & true), np.count_nonzero(found), np.count_nonzero(true)
    return counts


def validate(
    fabric: Any,
    network: Any,
    cases: Sequence[Prepared],
    spec: NetworkSpec,
    patch_size: Sequence[int],
    progress: Progress,
) -> Scores:
    """Score a network (in evaluation mode) on whole cases, which the processes share among them.

    Raises
    ------
    InputError
        If there is no case.
    """
    if not cases:
        raise InputError("there is no validation case.")
    segments = len(cases[0].known)
    counts = np.zeros((len(cases), segments, 3))
    with fabric.autocast():
        for n in range(fabric.global_rank, len(cases), fabric.world_size):
            case = cases[n]
            result = predict_classes(network, case.image, spec, patch_size, fabric.device, progress)
            if case.scored is not None:
                result = result[(slice(None), *case.scored)]
            counts[n] = overlap_counts(result, case.target, segments, spec.overlapping)
            counts[n][~case.known] = 0
    return Scores(summed(counts, fabric))


def summed(counts: np.ndarray, fabric: Any) -> np.ndarray:
    """Counts of all processes together, of the same type."""
    import torch

    if fabric.world_size == 1:
        return counts
    shared = torch.from_numpy(counts.astype(np.float64)).to(fabric.device)  # exact up to 2^53
    return fabric.all_reduce(shared, reduce_op="sum").cpu().numpy().astype(counts.dtype)


def _dice(counts: np.ndarray) -> np.ndarray:
    """Dice of counts as in `Scores`, shape (..., 3); NaN where they are 0."""
    shared, found, true = np.moveaxis(counts, -1, 0)
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * shared / (found + true))
