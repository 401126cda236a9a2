"""Starting from a trained model: its network and preprocessing, its head adapted to other segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ACSegLib.errors import InputError
from ACSegLib.network.model.architecture import build_network, build_seeded
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.model.spec import NetworkSpec
from ACSegLib.network.train.data import name_key
from ACSegLib.network.train.plan import Plan
from ACSegLib.network.train.planning import fit_to_memory, fit_to_strides, memory_estimate
from ACSegLib.volume import Segment

if TYPE_CHECKING:
    import torch

#: What a training goes on with of a model's preprocessing; the rest describes another program's prediction.
_OUR_PREPROCESSING = ("normalisation", "longest_side", "mean_side", "canonical_axes")
_FROM_MODEL = "from the model that the training starts with"


def head_keys(spec: NetworkSpec) -> list[str]:
    """Names of the weights that depend on the number of outputs: those that differ in shape with one output more."""
    wider = replace(spec, out_channels=spec.out_channels + 1)
    other = build_network(wider).state_dict()
    return [key for key, value in build_network(spec).state_dict().items() if other[key].shape != value.shape]


def adapt_head(
    model: Model, table: Sequence[Segment], overlapping: bool, seed: int = 0
) -> tuple[NetworkSpec, dict[str, torch.Tensor], list[str]]:
    """Fit a model's head to other segments; weights of segments (by name) that both have are kept.

    Parameters
    ----------
    overlapping : bool
        Whether the segments of the new data may overlap.
    seed : int
        Of the weights of new segments.

    Returns
    -------
    spec, state_dict
        Of the adapted network.
    fresh : list of str
        Names of the segments that start untrained: those new to the model, and all where the kind of output changes.
    """
    same_kind = model.spec.overlapping == overlapping
    old = [""] * (not model.spec.overlapping) + [name_key(s.name) for s in model.segments]
    new = [""] * (not overlapping) + [name_key(s.name) for s in table]
    fresh = [s.name for s in table if name_key(s.name) not in old or not same_kind]
    if len(old) != model.spec.out_channels:
        raise InputError(f"the model has {model.spec.out_channels} outputs but names {len(old)}; it is damaged.")
    spec = replace(model.spec, out_channels=len(new), output="sigmoid" if overlapping else "softmax")
    state = dict(model.state_dict)
    if same_kind and old == new:
        return spec, state, fresh
    initial = build_seeded(spec, seed).state_dict()
    for key in head_keys(model.spec):
        rows = initial[key].clone()
        for n, name in enumerate(new):
            if name in old and same_kind:
                rows[n] = state[key][old.index(name)]
        state[key] = rows
    return spec, state, fresh


def plan_from_model(plan: Plan, model: Model, spec: NetworkSpec, available_bytes: int) -> Plan:
    """Put the model's network, spacing and preprocessing into a plan made for the data.

    Of an imported model only the intensities' range is kept: it goes on in our way, and predicts in our way afterwards.
    What was asked for (patch, voxel size, normalisation) goes before what the model has, but for the network itself.
    """
    asked = {key for key, reason in plan.reasons.items() if reason.startswith("asked for")}
    reasons = dict.fromkeys(("spec", "spacing", "patch_size", "normalisation"), _FROM_MODEL) | _lasting(plan, asked)
    kept = {key: getattr(model.preprocessing, key) for key in _OUR_PREPROCESSING if key not in asked}
    own_patch = None if "patch_size" in asked else model.preprocessing.patch_size
    patch = fit_to_strides(own_patch or plan.patch_size, spec)
    patch, batch = fit_to_memory(patch, plan.batch_size, spec, available_bytes, reasons)
    if "spacing" in asked:
        kept = {key: value for key, value in kept.items() if key not in ("longest_side", "mean_side")}
    return replace(
        plan,
        spec=spec,
        spacing=plan.spacing if "spacing" in asked else model.spacing,
        unit=plan.unit if "spacing" in asked else model.unit,
        preprocessing=replace(plan.preprocessing, **kept, patch_size=(patch[0], patch[1], patch[2])),
        patch_size=(patch[0], patch[1], patch[2]),
        batch_size=batch,
        memory_bytes=memory_estimate(patch, batch, spec),
        reasons=reasons,
        growth=[],
    )


def _lasting(plan: Plan, asked: set[str]) -> dict[str, str]:
    """The plan's reasons that hold for any network: what was asked for, the batch, and the output."""
    return {key: reason for key, reason in plan.reasons.items() if key in asked | {"batch_size", "output"}}


def freeze_batch_statistics(network: torch.nn.Module) -> None:
    """Keep the running statistics of an imported network: those of single patches would be noise."""
    from torch.nn.modules.batchnorm import _BatchNorm

    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
