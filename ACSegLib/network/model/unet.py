"""The U-Net itself: nnU-Net's (Isensee et al., Nature Methods 18, 2021, 203), of layers that are fast on a CPU.

Structure and names of the weights are those of MONAI's ``dynunet_block``, so that weights go from one to the other.
MONAI's own blocks are not used because any import of MONAI loads all of it, 4 seconds and 270 MB for every prediction,
and because their layers would have to be exchanged for those of `ACSegLib.network.model.cpu_layers` afterwards.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ACSegLib.network.model.cpu_layers import Convolution, InstanceNorm
from ACSegLib.network.model.spec import NetworkSpec

Size = Sequence[int]
_SLOPE = 0.01


def _convolution(inputs: int, outputs: int, kernel: Size, stride: Size = (1, 1, 1), bias: bool = False) -> nn.Module:
    padding = _three([n // 2 for n in kernel])
    layer = Convolution(inputs, outputs, _three(kernel), _three(stride), padding, bias=bias)
    return nn.Sequential(OrderedDict(conv=layer))


class Block(nn.Module):
    """Two convolutions, each normalised and rectified; the first one may stride."""

    def __init__(self, inputs: int, outputs: int, kernel: Size, stride: Size = (1, 1, 1)) -> None:
        super().__init__()
        self.conv1 = _convolution(inputs, outputs, kernel, stride)
        self.conv2 = _convolution(outputs, outputs, kernel)
        self.lrelu = nn.LeakyReLU(_SLOPE, inplace=True)
        self.norm1 = InstanceNorm(outputs, affine=True)
        self.norm2 = InstanceNorm(outputs, affine=True)

    def forward(self, image: Tensor) -> Tensor:
        """Give features of the strided grid."""
        return self.lrelu(self.norm2(self.conv2(self.lrelu(self.norm1(self.conv1(image))))))


class ResidualBlock(Block):
    """As `Block`, its input added before the last rectifier; through a convolution of 1 where the shape changes."""

    def __init__(self, inputs: int, outputs: int, kernel: Size, stride: Size = (1, 1, 1)) -> None:
        super().__init__(inputs, outputs, kernel, stride)
        self.changes_shape = inputs != outputs or any(n != 1 for n in stride)
        if self.changes_shape:
            self.conv3 = _convolution(inputs, outputs, (1, 1, 1), stride)
            self.norm3 = InstanceNorm(outputs, affine=True)

    def forward(self, image: Tensor) -> Tensor:
        """Give features of the strided grid."""
        features = self.norm2(self.conv2(self.lrelu(self.norm1(self.conv1(image)))))
        features += self.norm3(self.conv3(image)) if self.changes_shape else image
        return self.lrelu(features)


class UpBlock(nn.Module):
    """Transposed convolution to the finer grid, joined with the encoder's features there, and a `Block`."""

    def __init__(self, inputs: int, outputs: int, kernel: Size, stride: Size) -> None:
        super().__init__()
        step = _three(stride)
        transposed = nn.ConvTranspose3d(inputs, outputs, step, step, bias=False)
        self.transp_conv = nn.Sequential(OrderedDict(conv=transposed))
        self.conv_block = Block(2 * outputs, outputs, kernel)

    def forward(self, image: Tensor, skip: Tensor) -> Tensor:
        """Give features of the skip's grid."""
        return self.conv_block(torch.cat((self.transp_conv(image), skip), dim=1))


class Head(nn.Module):
    """Logits of each voxel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = _convolution(inputs, outputs, (1, 1, 1), bias=True)

    def forward(self, image: Tensor) -> Tensor:
        """Give logits."""
        return self.conv(image)


class UNet(nn.Module):
    """Encoder, decoder with skips, and one head a decoder level when deeply supervised.

    Parameters
    ----------
    spec : NetworkSpec
        Of kind "unet".
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        filters, kernels, strides = spec.filters, spec.kernels, spec.strides
        block = ResidualBlock if spec.residual else Block
        self.deep_supervision = spec.deep_supervision
        widths = [spec.in_channels, *filters]
        self.encoder = nn.ModuleList(
            block(widths[n], widths[n + 1], kernels[n], strides[n]) for n in range(len(filters))
        )
        coarse_to_fine = range(len(filters) - 1, 0, -1)
        self.decoder = nn.ModuleList(
            UpBlock(filters[n], filters[n - 1], kernels[n - 1], strides[n]) for n in coarse_to_fine
        )
        heads = [n - 1 for n in coarse_to_fine] if self.deep_supervision else [0]
        self.heads = nn.ModuleList(Head(filters[n], spec.out_channels) for n in heads)
        self.apply(_initialise)

    def forward(self, image: Tensor) -> Any:
        """Give logits; in training with deep supervision a list of them, the finest first."""
        skips = []
        features = image
        for stage in self.encoder:
            features = stage(features)
            skips.append(features)
        outputs = []
        for n, stage in enumerate(self.decoder):
            features = stage(features, skips[-2 - n])
            if self.training and self.deep_supervision:
                outputs.append(self.heads[n](features))
        return outputs[::-1] if outputs else self.heads[-1](features)


def _three(values: Size) -> tuple[int, int, int]:
    k, j, i = values
    return k, j, i


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv3d, nn.ConvTranspose3d)):
        nn.init.kaiming_normal_(module.weight, a=_SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
