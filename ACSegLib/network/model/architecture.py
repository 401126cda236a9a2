"""Networks from plain descriptions: a description ("spec") is a JSON object, so a model file can hold it.

A spec of kind ``"unet"`` has these keys:

=================== ============================================================================================
``kind``            ``"unet"``
``in_channels``     1
``out_channels``    classes with background (``output`` "softmax"), or segments alone (``output`` "sigmoid")
``output``          "softmax": every voxel has one class, channel 0 is background; "sigmoid": segments may overlap
``filters``         channels of each level, the finest first
``kernels``         kernel size (k, j, i) of each level
``strides``         stride (k, j, i) on the way into each level; that of the first level is 1
``residual``        residual blocks in the encoder
``deep_supervision`` extra heads on the coarser decoder levels, used in training only
=================== ============================================================================================

The network (`ACSegLib.network.model.unet`) is nnU-Net's U-Net (Isensee et al., Nature Methods 18, 2021, 203): two
convolutions a level, instance normalisation, LeakyReLU, strided convolutions down, transposed convolutions up.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ACSegLib.errors import InputError

if TYPE_CHECKING:
    import torch

#: Kind of network -> "module:function" that builds it from its spec.
BUILDERS: dict[str, str] = {
    "unet": "ACSegLib.network.model.architecture:build_unet",
    "biomedisa-unet": "ACSegLib.network.biomedisa.model_import:build_biomedisa_unet",
    "unet-with-surface": "ACSegLib.network.refinement.refine:build_with_surface",
}

#: Refused beyond these, so that a crafted model file cannot ask for terabytes.
MAXIMUM_LEVELS, MAXIMUM_FILTERS, MAXIMUM_CLASSES = 8, 2048, 1024
_FILTER_CEILING = 320


def build_network(spec: Mapping[str, Any]) -> torch.nn.Module:
    """Build the network that a spec describes, with fresh weights.

    Parameters
    ----------
    spec : mapping
        See the module's text; ``spec["kind"]`` chooses the builder in `BUILDERS`.

    Returns
    -------
    torch.nn.Module
        Takes (N, in_channels, k, j, i) float tensors and gives logits (N, out_channels, k, j, i); in training mode
        with deep supervision a list of logits, the finest first.

    Raises
    ------
    InputError
        If the kind is unknown or a value is missing or out of range.
    """
    kind = spec.get("kind")
    if kind not in BUILDERS:
        raise InputError(f"network kind {kind!r} is unknown; known are: {', '.join(BUILDERS)}. Update ACSeg.")
    module, _, function = BUILDERS[kind].partition(":")
    return getattr(importlib.import_module(module), function)(spec)


def build_seeded(spec: Mapping[str, Any], seed: int) -> torch.nn.Module:
    """Build a network whose fresh weights are a function of the seed; torch's own random state is left alone."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(spec)


def unet_spec(
    segments: int,
    *,
    overlapping: bool = False,
    base: int = 16,
    strides: Sequence[Sequence[int]] = ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)),
    kernels: Sequence[Sequence[int]] | None = None,
    residual: bool = True,
    deep_supervision: bool = True,
    in_channels: int = 1,
) -> dict[str, Any]:
    """Describe a U-Net.

    Parameters
    ----------
    segments : int
        Number of segments, background not counted.
    overlapping : bool
        One sigmoid channel a segment, instead of a softmax over background and segments.
    base : int
        Channels of the finest level; doubled at each coarser one, 320 at most.
    strides, kernels : sequence of (k, j, i)
        One entry a level; `kernels` defaults to 3 x 3 x 3.
    """
    levels = len(strides)
    return {
        "kind": "unet",
        "in_channels": in_channels,
        "out_channels": segments if overlapping else segments + 1,
        "output": "sigmoid" if overlapping else "softmax",
        "filters": [max(base, min(base * 2**n, _FILTER_CEILING)) for n in range(levels)],
        "kernels": [list(k) for k in kernels] if kernels else [[3, 3, 3]] * levels,
        "strides": [list(s) for s in strides],
        "residual": bool(residual),
        "deep_supervision": bool(deep_supervision),
    }


def _rows(spec: Mapping[str, Any], key: str) -> Sequence[Any]:
    rows = spec.get(key)
    if not isinstance(rows, (list, tuple)):
        raise InputError(f"a network needs a list of {key}, not {rows!r}.")
    return rows


def check_unet_spec(spec: Mapping[str, Any]) -> None:
    """Raise InputError, naming the key, for a spec that cannot or should not be built."""

    def whole(key: str, value: Any, low: int, high: int) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise InputError(f"network {key} must be a whole number from {low} to {high}, not {value!r}.")

    whole("in_channels", spec.get("in_channels"), 1, 16)
    whole("out_channels", spec.get("out_channels"), 1, MAXIMUM_CLASSES)
    filters, kernels, strides = (_rows(spec, key) for key in ("filters", "kernels", "strides"))
    if not 2 <= len(filters) <= MAXIMUM_LEVELS or len({len(filters), len(kernels), len(strides)}) > 1:
        raise InputError(f"a network needs 2 to {MAXIMUM_LEVELS} levels with filters, a kernel and a stride each.")
    for count in filters:
        whole("filters", count, 1, MAXIMUM_FILTERS)
    for key, rows, allowed in (("kernels", kernels, (1, 3, 5, 7)), ("strides", strides, (1, 2))):
        for row in rows:
            if not isinstance(row, (list, tuple)) or len(row) != 3 or any(v not in allowed for v in row):
                raise InputError(f"network {key} must be three of {allowed} a level, not {row!r}.")
    if any(s != 1 for s in strides[0]):
        raise InputError(f"the first stride of a network must be 1, not {strides[0]!r}.")
    if spec.get("output") not in ("softmax", "sigmoid"):
        raise InputError(f"network output must be softmax or sigmoid, not {spec.get('output')!r}.")


def spec_strides(spec: Mapping[str, Any]) -> list[list[int]]:
    """Strides (k, j, i) of each level of any kind of U-Net: halving at each where the spec does not tell."""
    return spec.get("strides") or [[1, 1, 1]] + [[2, 2, 2]] * (len(spec["filters"]) - 1)


def patch_divisor(spec: Mapping[str, Any]) -> tuple[int, int, int]:
    """Numbers (k, j, i) that the sides of the network's input must be multiples of."""
    product = [1, 1, 1]
    for stride in spec_strides(spec):
        product = [p * s for p, s in zip(product, stride, strict=True)]
    return product[0], product[1], product[2]


def to_probabilities(logits: torch.Tensor, spec: Mapping[str, Any]) -> torch.Tensor:
    """Turn logits (N, C, k, j, i) into float32 probabilities of the same shape, as the spec's ``output`` says."""
    logits = logits.float()
    return logits.sigmoid() if spec.get("output") == "sigmoid" else logits.softmax(1)


def build_unet(spec: Mapping[str, Any]) -> torch.nn.Module:
    """Build a network of kind "unet" (see the module's text)."""
    from ACSegLib.network.model.unet import UNet

    check_unet_spec(spec)
    return UNet(spec)
