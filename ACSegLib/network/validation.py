"""Validation on whole volumes: Dice of each segment, over the voxels whose label is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.network.data import IGNORE, Prepared

_TILE_OVERLAP = 0.25


@dataclass
class Scores:
    """Dice by case and segment, shape (cases, segments); NaN where neither truth nor result has the segment."""

    dice: np.ndarray

    @property
    def by_segment(self) -> np.ndarray:
        """Mean over the cases, shape (segments,)."""
        return _mean_over(self.dice, 0)

    @property
    def mean(self) -> float:
        """Mean over the segments; 0 when no segment could be scored."""
        found = self.by_segment[np.isfinite(self.by_segment)]
        return float(found.mean()) if found.size else 0.0


def predict_classes(
    network: Any, image: np.ndarray, patch_size: Sequence[int], device: Any, sigmoid: bool, progress: Progress
) -> np.ndarray:
    """Predict a whole prepared image by Gaussian-weighted overlapping tiles of the training patch's size.

    Returns
    -------
    ndarray of uint8
        Softmax: classes, shape (1, k, j, i). Sigmoid: masks, shape (C, k, j, i).
    """
    import torch
    from monai.inferers import sliding_window_inference

    def predict(tile: torch.Tensor) -> torch.Tensor:
        progress.check()
        return network(tile).float()

    tensor = torch.from_numpy(np.ascontiguousarray(image, np.float32))[None, None]
    with torch.inference_mode():
        logits = sliding_window_inference(
            tensor,
            tuple(patch_size),
            1,
            predict,
            overlap=_TILE_OVERLAP,
            mode="gaussian",
            padding_mode="replicate",
            sw_device=device,
            device="cpu",
        )
        assert isinstance(logits, torch.Tensor)
        classes = (logits[0] > 0) if sigmoid else logits[0].argmax(0, keepdim=True)
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
    patch_size: Sequence[int],
    sigmoid: bool,
    progress: Progress,
) -> Scores:
    """Score a network (in evaluation mode) on whole cases, which the processes share among them.

    Raises
    ------
    InputError
        If there is no case.
    """
    import torch

    if not cases:
        raise InputError("there is no validation case.")
    segments = len(cases[0].known)
    counts = np.zeros((len(cases), segments, 3))
    with fabric.autocast():
        for n in range(fabric.global_rank, len(cases), fabric.world_size):
            case = cases[n]
            result = predict_classes(network, case.image, patch_size, fabric.device, sigmoid, progress)
            counts[n] = overlap_counts(result, case.target, segments, sigmoid)
            counts[n][~case.known] = 0
    if fabric.world_size > 1:
        tensor = torch.from_numpy(counts).to(fabric.device, torch.float32)
        counts = fabric.all_reduce(tensor, reduce_op="sum").cpu().numpy()
    shared, found, true = counts[..., 0], counts[..., 1], counts[..., 2]
    with np.errstate(invalid="ignore"):
        return Scores(2 * shared / (found + true))


def _mean_over(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean without NaN; NaN where nothing is left, without numpy's warning."""
    valid = np.isfinite(values)
    count = valid.sum(axis)
    total = np.where(valid, values, 0).sum(axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
