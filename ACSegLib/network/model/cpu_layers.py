"""Layers that are faster on a CPU in float32; same weights and results as torch's own.

Three properties of torch (2.13) cost a batch of one about a third of its time on a CPU:

- Convolutions of one image whose channels x k x j is 20480 or less go to a plain im2col routine, two to five times
  slower than oneDNN (``ConvParams::use_mkldnn`` in ``aten/src/ATen/native/Convolution.cpp``). It also writes every
  voxel 27 times, which takes up to 100 MB more.
- Instance normalisation gives its result channels-first, although oneDNN's convolutions are up to twice as fast
  backwards with channels last. Group normalisation with a group a channel is the same and keeps the order. But with
  channels last it adds squares in single precision one after the other, so it is left out for large images, whose sums
  would lose too many digits.
- With channels first, too, group normalisation is the faster, and as exact.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

#: channels x k x j above which torch gives a convolution of one image to oneDNN.
ONEDNN_THRESHOLD = 20480
#: Padding to the threshold pays while the voxels at most double.
MAX_PADDING = 1.6
#: Voxels up to which channels-last group normalisation is off by less than 1e-3 of the deviation (mean of three).
MAX_CHANNELS_LAST_VOXELS = 80**3


def _plain_cpu(image: Tensor) -> bool:
    """Whether this is float32 on a CPU: everything else takes torch's own way (and is traced as such)."""
    return (
        image.device.type == "cpu"
        and image.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()
    )


class InstanceNorm(nn.InstanceNorm3d):
    """Instance normalisation that keeps channels last."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, k, j, i)."""
        exact = input.is_contiguous() or math.prod(input.shape[2:]) <= MAX_CHANNELS_LAST_VOXELS
        if not (exact and _plain_cpu(input)):
            return super().forward(input)
        return functional.group_norm(input, input.shape[1], self.weight, self.bias, self.eps)


class Convolution(nn.Conv3d):
    """Convolution by oneDNN, also where torch takes its im2col routine.

    Without gradients oneDNN is called directly. That call has no gradients, so in training a small image is padded with
    planes of zeros until torch itself calls oneDNN, and the result is cut.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (N, C, k, j, i)."""
        if not (_plain_cpu(input) and torch.backends.mkldnn.is_available()):
            return super().forward(input)
        if not torch.is_grad_enabled():
            padding = cast("tuple[int, ...]", self.padding)
            return torch.mkldnn_convolution(
                input, self.weight, self.bias, padding, self.stride, self.dilation, self.groups
            )
        planes = self._wanted_planes(input)
        if not planes:
            return super().forward(input)
        size = input.shape[2]
        padded = functional.pad(input, (0, 0, 0, 0, 0, planes - size))
        return super().forward(padded)[:, :, :size]

    def _wanted_planes(self, image: Tensor) -> int:
        """Planes along k that reach the threshold; 0 where it is reached or too far."""
        batch, channels, k, j, _ = image.shape
        same_size = self.stride == (1, 1, 1) and self.padding == tuple(n // 2 for n in self.kernel_size)
        if batch > 1 or not same_size or max(self.kernel_size) == 1 or channels * k * j > ONEDNN_THRESHOLD:
            return 0
        planes = math.floor(ONEDNN_THRESHOLD / (channels * j)) + 1
        return planes if planes <= MAX_PADDING * k else 0
