"""Networks from their specs (`ACSegLib.network.model.spec`).

The network of kind "unet" (`ACSegLib.network.model.unet`) is nnU-Net's U-Net (Isensee et al., Nature Methods 18, 2021,
203): two convolutions a level, instance normalisation, LeakyReLU, strided convolutions down, transposed ones up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ACSegLib.network.model.spec import BIOMEDISA_KIND, NetworkSpec

if TYPE_CHECKING:
    import torch


def build_network(spec: NetworkSpec) -> torch.nn.Module:
    """Build the network that a spec describes, with fresh weights.

    Returns
    -------
    torch.nn.Module
        Takes (N, in_channels, k, j, i) float tensors and gives logits (N, out_channels, k, j, i); in training mode
        with deep supervision a list of logits, the finest first. With a refinement network it has two children,
        ``first``, whose answer it gives, and ``surface``.
    """
    if spec.refinement is not None:
        return _with_refinement(spec.without_refinement(), spec.refinement)
    if spec.kind == BIOMEDISA_KIND:
        from ACSegLib.network.biomedisa.network import BiomedisaUNet

        return BiomedisaUNet(spec.in_channels, spec.filters, spec.out_channels, spec.residual, spec.epsilon)
    from ACSegLib.network.model.unet import UNet

    return UNet(spec)


def build_seeded(spec: NetworkSpec, seed: int) -> torch.nn.Module:
    """Build a network whose fresh weights are a function of the seed; torch's own random state is left alone."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(spec)


def _with_refinement(first: NetworkSpec, refinement: NetworkSpec) -> torch.nn.Module:
    from torch import nn

    class WithRefinement(nn.Module):
        """The main network, which answers, and the refinement network beside it."""

        def __init__(self) -> None:
            super().__init__()
            self.first = build_network(first)
            self.surface = build_network(refinement)

        def forward(self, image: torch.Tensor) -> Any:
            """Give what the main network gives."""
            return self.first(image)

    return WithRefinement()
