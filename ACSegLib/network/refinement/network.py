"""A model with a refinement network: both networks in one model file.

The spec is that of the main network, with the refinement network's as ``refinement``; weights are named "first.*" and
"surface.*". What does not know of the refinement network takes such a model as the main network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.spec import NetworkSpec

if TYPE_CHECKING:
    import torch

_FIRST, _REFINEMENT = "first.", "surface."


def without_refinement_network(model: Model) -> Model:
    """The model without its refinement network; the model itself if it has none."""
    if model.spec.refinement is None:
        return model
    return replace(model, spec=model.spec.without_refinement(), state_dict=_part(model, _FIRST))


def refinement_network(model: Model) -> Model | None:
    """The refinement network as a model of its own; None if there is none."""
    if model.spec.refinement is None:
        return None
    return replace(model, spec=model.spec.refinement, state_dict=_part(model, _REFINEMENT))


def require_refinement_network(model: Model) -> Model:
    """As `refinement_network`; InputError if there is none."""
    network = refinement_network(model)
    if network is None:
        raise InputError(
            "the model has no refinement network; train one with --surface-refinement, or use --refine walk."
        )
    return network


def with_refinement_network(model: Model, spec: NetworkSpec, state: Mapping[str, torch.Tensor]) -> Model:
    """Put a refinement network into a model (in the place of an older one)."""
    first = without_refinement_network(model)
    weights = {_FIRST + k: v for k, v in first.state_dict.items()} | {_REFINEMENT + k: v for k, v in state.items()}
    return replace(first, spec=replace(first.spec, refinement=spec), state_dict=weights)


def with_refinement_network_of(model: Model, other: Model) -> Model:
    """Give a model the refinement network of another, from which it was adapted; the model itself if it has none."""
    second = refinement_network(other)
    return model if second is None else with_refinement_network(model, second.spec, second.tensors())


def segment_channels(probabilities: np.ndarray, spec: NetworkSpec) -> np.ndarray:
    """The channels of segments: all (sigmoid), or all but the background (softmax)."""
    return probabilities if spec.overlapping else probabilities[1:]


def _part(model: Model, prefix: str) -> dict[str, torch.Tensor]:
    return {k[len(prefix) :]: v for k, v in model.state_dict.items() if k.startswith(prefix)}
