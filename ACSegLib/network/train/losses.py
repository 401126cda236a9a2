"""Soft Dice + cross entropy over the voxels whose label is known.

MONAI's DiceCELoss knows no voxels to leave out, which sparse labels and regions to ignore need; hence this one.

References
----------
Milletari, Navab, Ahmadi, 3DV 2016 (Dice loss); Isensee et al., Nature Methods 18 (2021) 203 (their sum);
Shi et al., Medical Image Analysis 70 (2021) 101979 (marginal loss for segments nobody looked for).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ACSegLib.network.train.data import IGNORE

if TYPE_CHECKING:
    import torch

_NEVER = -1e4  # a logit whose probability is zero in any float type


class SegmentationLoss:
    """Soft Dice + weighted cross entropy, with deep supervision.

    Parameters
    ----------
    class_weights : sequence of float
        One an output channel.
    overlapping : bool
        Whether each output channel is a segment of its own (sigmoid), as in the network's spec.
    """

    def __init__(self, class_weights: Sequence[float], overlapping: bool = False) -> None:
        self._weights = [float(w) for w in class_weights]
        self._overlapping = overlapping

    def __call__(self, outputs: Any, target: torch.Tensor, known: torch.Tensor | None = None) -> torch.Tensor:
        """Compute the loss.

        Parameters
        ----------
        outputs : torch.Tensor or list of torch.Tensor
            Logits (N, C, k, j, i); a list holds coarser ones after the first, each counting half of the one before.
        target : torch.Tensor, shape (N, 1, k, j, i) or (N, C, k, j, i), uint8
            Classes (softmax) or one mask per segment (sigmoid), with `IGNORE`.
        known : torch.Tensor, shape (N, segments), bool, optional
            Segments that each image's labels tell of.

        Returns
        -------
        torch.Tensor
            Scalar; about 0 for a perfect result. 0 exactly, with zero gradient, where nothing is known.
        """
        levels = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        total, weight_sum = levels[0].new_zeros((), dtype=levels[0].float().dtype), 0.0
        for n, logits in enumerate(levels):
            weight = 0.5**n
            total = total + weight * self._level(logits.float(), _shrink(target, logits.shape[2:]), known)
            weight_sum += weight
        return total / weight_sum

    def _level(self, logits: torch.Tensor, target: torch.Tensor, known: torch.Tensor | None) -> torch.Tensor:
        import torch

        weights = torch.tensor(self._weights, device=logits.device)
        if self._overlapping:
            valid = target != IGNORE
            truth = (target == 1).float()
            entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
            factor = valid * weights.reshape(1, -1, 1, 1, 1)
            return _mean(entropy, factor) + soft_dice_loss(logits.sigmoid() * valid, truth * valid)
        if known is not None and not bool(known.all()):
            logits = _merge_unknown(logits, known)
        valid = target != IGNORE
        classes = torch.where(valid, target, 0).long()
        log_probabilities = logits.log_softmax(1)
        picked = log_probabilities.gather(1, classes)
        entropy = _mean(-picked, valid * weights[classes])
        truth = torch.zeros_like(logits).scatter_(1, classes, 1.0)
        dice = soft_dice_loss((log_probabilities.exp() * valid)[:, 1:], (truth * valid)[:, 1:])
        return entropy + dice


def soft_dice_loss(probabilities: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """1 - Dice, mean over the segments present in each image's truth; 0 if there are none.

    Parameters
    ----------
    probabilities, truth : torch.Tensor, shape (N, C, k, j, i), float
        Zero where nothing is known.
    """
    axes = tuple(range(2, probabilities.ndim))
    shared = (probabilities * truth).sum(axes)
    true = truth.sum(axes)
    dice = (2 * shared + 1.0) / (probabilities.sum(axes) + true + 1.0)
    present = (true > 0).float()
    return ((1 - dice) * present).sum() / present.sum().clamp_min(1)


def _mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(1e-6)


def _merge_unknown(logits: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Let segments that nobody looked for count as background: their probability joins channel 0."""
    import torch

    unknown = torch.cat([torch.zeros_like(known[:, :1]), ~known], 1)[:, :, None, None, None]
    background = torch.arange(logits.shape[1], device=logits.device)[None, :, None, None, None] == 0
    joined = torch.logsumexp(logits.masked_fill(~(unknown | background), _NEVER), 1, keepdim=True)
    return torch.where(background, joined, logits.masked_fill(unknown, _NEVER))


def _shrink(target: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """Take every n-th voxel along each axis, down to `shape`."""
    import torch
    from torch.nn.functional import max_pool3d

    if tuple(target.shape[2:]) == tuple(shape):
        return target
    steps = [-(-a // b) for a, b in zip(target.shape[2:], shape, strict=True)]
    if not bool((target == IGNORE).any()):
        k, j, i = (slice(s // 2, None, s) for s in steps)
        return target[:, :, k, j, i]
    # Sparse labels: any known label of the block speaks for it (the largest value), else thin slices would vanish.
    coded = torch.where(target == IGNORE, -1.0, target.float())
    pooled = max_pool3d(coded, steps, steps)
    return torch.where(pooled < 0, float(IGNORE), pooled).to(torch.uint8)
