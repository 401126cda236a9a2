"""The state of a running training in one safetensors file, so that it can go on exactly where it stopped.

No random state is kept: patches are a function of seed and step (`ACSegLib.network.train.sampling`).
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ACSegLib.errors import FileError, InputError
from ACSegLib.geometry import size_text
from ACSegLib.json_values import Json
from ACSegLib.network.model.model_file import METADATA_KEY, write_tensors
from ACSegLib.network.train.plan import Plan

if TYPE_CHECKING:
    import torch

#: Choices whose option has another name.
_OPTIONS = {"patch_size": "--patch", "batch_size": "--batch", "base": "--base-filters", "residual": "--blocks"}
_FORMAT, _VERSION = "acseg-checkpoint", 1


@dataclass
class State:
    """Where a training stands; plain values.

    Parameters
    ----------
    step, epoch : int
        Done so far.
    elapsed : float
        Seconds of training so far, over all runs.
    losses : list of float
        Of the steps of the epoch that is under way.
    history : list of dict
        One row per epoch.
    best_dice : float or None
        Mean validation Dice of the best weights.
    best : dict
        What is told of the best weights: step, Dice by segment and case.
    stale : int
        Validations since the best one.
    validated : float
        `elapsed` at the end of the last validation.
    seed : int
        Of this training.
    data : str
        Digest of the training data and of the table.
    choices : dict
        Settings that decide the course of the training, so that a resumed one cannot change them unnoticed.
    notes : list of str
        What happened that a user should know.
    """

    step: int = 0
    epoch: int = 0
    elapsed: float = 0.0
    losses: list[float] = field(default_factory=list)
    history: list[Json] = field(default_factory=list)
    best_dice: float | None = None
    best: Json = field(default_factory=dict)
    stale: int = 0
    validated: float = 0.0
    seed: int = 0
    data: str = ""
    choices: Json = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def save_checkpoint(path: Path, state: State, plan: Plan, tensors: dict[str, torch.Tensor]) -> None:
    """Write a checkpoint, whole or not at all; FileError if there is no room."""
    header = {"format": _FORMAT, "version": _VERSION, "state": asdict(state), "plan": plan.to_json()}
    require_space(path, sum(t.numel() * t.element_size() for t in tensors.values()))
    write_tensors(tensors, json.dumps(header), path)


def require_checkpoint(path: Path) -> None:
    """Raise FileError if there is nothing to resume from."""
    if not path.is_file():
        raise FileError(f"there is no checkpoint {path} to resume from; start the training without --resume.")


def load_checkpoint(path: Path) -> tuple[State, Plan, dict[str, torch.Tensor]]:
    """Read a checkpoint; FileError if it is missing, damaged or of another version."""
    from safetensors import SafetensorError, safe_open

    require_checkpoint(path)
    try:
        with safe_open(os.fspath(path), framework="pt") as stream:
            header = json.loads((stream.metadata() or {})[METADATA_KEY])
            if header["format"] != _FORMAT or header["version"] != _VERSION:
                raise FileError(f"the checkpoint {path} was written by another version; start without --resume.")
            # copies: what lies in a mapped file keeps it from being replaced on Windows
            tensors = {name: stream.get_tensor(name).clone() for name in stream.keys()}  # noqa: SIM118 (not a mapping)
        return State(**header["state"]), Plan.from_json(header["plan"]), tensors
    except FileError:
        raise
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise FileError(f"the checkpoint {path} is damaged ({error}); start without --resume.") from error


def require_same_course(path: Path, before: State, now: State) -> None:
    """Raise InputError, naming them, where data or settings differ from those of the interrupted training."""
    if before.data != now.data:
        raise InputError(
            f"the training data or labels have changed since the checkpoint {path} was written; put them back, or "
            "start without --resume."
        )
    changed = [
        f"{_option(name)} was {_told(name, before)}, and is {_told(name, now)} now"
        for name in sorted(before.choices.keys() | now.choices.keys())
        if before.choices.get(name) != now.choices.get(name)
    ]
    if changed:
        raise InputError(
            f"the training of the checkpoint {path} had other options ({'; '.join(changed)}); use those, or start "
            "without --resume."
        )


def _option(name: str) -> str:
    """The option of `acseg train` that makes a choice."""
    return _OPTIONS.get(name, "--" + name.replace("_", "-"))


def _told(name: str, state: State) -> str:
    """What was chosen, as its option states it."""
    value = state.choices.get(name)
    if name == "patch_size" and value is not None:
        return size_text(value)
    if name == "residual" and value is not None:
        return "residual" if value else "plain"
    return "not given" if value is None else str(value)


def set_aside(path: Path) -> str | None:
    """Rename the checkpoint of an interrupted training when another begins anew; gives a sentence that tells of it."""
    if not path.is_file():
        return None
    path.replace(_older(path))
    return (
        f"{path.name} of an interrupted training was there, but not gone on with (--resume); it is kept as "
        f"{_older(path).name} until this training is done"
    )


def discard(path: Path) -> None:
    """Remove the checkpoint of a training that is done, and one that was set aside."""
    path.unlink(missing_ok=True)
    _older(path).unlink(missing_ok=True)


def _older(path: Path) -> Path:
    return path.with_name(path.name + ".old")


def require_space(path: Path, size: int, advice: str = "choose another folder") -> None:
    """Raise FileError unless the folder of `path` exists and has `size` bytes free, with something to spare."""
    if not path.parent.is_dir():
        raise FileError(f"cannot write {path}: the folder {path.parent} does not exist; create it first.")
    free = shutil.disk_usage(path.parent).free
    if free < (needed := size * 1.1 + (1 << 20)):
        raise FileError(
            f"cannot write {path}: it needs {needed / 2**20:.1f} MiB, and {path.parent} has {free / 2**20:.1f} MiB "
            f"free; free some space or {advice}."
        )


def optimizer_tensors(optimizer: Any, names: list[str]) -> dict[str, torch.Tensor]:
    """State of an optimiser as tensors named after the parameters, in the order they were given to it."""
    import torch

    found: dict[str, torch.Tensor] = {}
    for index, entries in optimizer.state_dict()["state"].items():
        for key, value in entries.items():
            found[f"optimizer/{names[index]}/{key}"] = torch.as_tensor(value)
    return found


def restore_optimizer(optimizer: Any, names: list[str], tensors: dict[str, torch.Tensor]) -> None:
    """Put back what `optimizer_tensors` gave."""
    described = optimizer.state_dict()
    described["state"] = {}
    index = {name: n for n, name in enumerate(names)}
    for key, tensor in tensors.items():
        if key.startswith("optimizer/"):
            name, _, entry = key.removeprefix("optimizer/").rpartition("/")
            described["state"].setdefault(index[name], {})[entry] = tensor
    optimizer.load_state_dict(described)


def part(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    """The tensors whose names begin with ``prefix/``, without it."""
    return {k.removeprefix(prefix + "/"): v for k, v in tensors.items() if k.startswith(prefix + "/")}
