"""The 3D U-Net of Biomedisa as a PyTorch module (importing this file imports torch)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class _Block(nn.Module):
    """Two 3 x 3 x 3 convolutions as Biomedisa orders them: ReLU both before and after batch normalisation.

    The residual form keeps the first convolution as it is, leaves out the ReLU between the second one and its
    normalisation, and adds the block's input through a 1 x 1 x 1 convolution without bias.
    """

    def __init__(self, inputs: int, outputs: int, residual: bool, epsilon: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(outputs, eps=epsilon, momentum=0.01)
        self.conv2 = nn.Conv3d(outputs, outputs, 3, padding=1)
        self.norm2 = nn.BatchNorm3d(outputs, eps=epsilon, momentum=0.01)
        self.identity = nn.Conv3d(inputs, outputs, 1, bias=False) if residual else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.norm1(functional.relu(self.conv1(x))))
        y = self.conv2(y)
        if self.identity is None:
            return functional.relu(self.norm2(functional.relu(y)))
        return functional.relu(self.norm2(y) + self.identity(x))


class BiomedisaUNet(nn.Module):
    """U-Net with max pooling, nearest-neighbour upsampling and mirrored filters.

    Parameters
    ----------
    channels : int
        Number of image channels.
    filters : sequence of int
        Filters of each level; the last is the bottleneck.
    classes : int
        Number of classes, background included.
    residual : bool
        Biomedisa's ``resnet=True``.
    epsilon : float
        Of the batch normalisations (Keras' default is 1e-3).

    Notes
    -----
    Input (n, channels, k, j, i), each size a multiple of ``2 ** (len(filters) - 1)``; output (n, classes, k, j, i),
    logits. Blocks are numbered as Biomedisa's layers: encoder, bottleneck, decoder.
    """

    def __init__(
        self, channels: int, filters: Sequence[int], classes: int, residual: bool = False, epsilon: float = 1e-3
    ) -> None:
        super().__init__()
        blocks = []
        inputs = channels
        for outputs in filters:
            blocks.append(_Block(inputs, outputs, residual, epsilon))
            inputs = outputs
        for outputs in reversed(filters[:-1]):
            blocks.append(_Block(inputs + outputs, outputs, residual, epsilon))
            inputs = outputs
        self.depth = len(filters) - 1
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Conv3d(inputs, classes, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        for block in self.blocks[: self.depth]:
            x = block(x)
            skips.append(x)
            x = functional.max_pool3d(x, 2)
        x = self.blocks[self.depth](x)
        for block in self.blocks[self.depth + 1 :]:
            x = functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = block(torch.cat([x, skips.pop()], dim=1))
        return self.head(x)
