"""What a user can choose about a training, and the devices it runs on."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ACSegLib.compute import PRECISIONS, default_precision
from ACSegLib.errors import InputError
from ACSegLib.json_values import Json
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.train.plan import PlanOverrides

#: Kinds of devices that Lightning's Fabric trains on.
TRAINING_DEVICES = ("auto", "cpu", "cuda", "mps")
PRESETS = ("quick", "standard", "thorough")
#: Minutes of a preset when neither minutes nor epochs are given.
PRESET_MINUTES: Mapping[str, float] = {"quick": 5.0, "standard": 60.0, "thorough": 480.0}
#: Validations without improvement after which a preset stops.
PRESET_PATIENCE: Mapping[str, int] = {"quick": 20, "standard": 20, "thorough": 40}
#: Steps between two rows of the history.
STEPS_PER_EPOCH = 50
#: Settings that decide the course of a training; a resumed one may change its length, its device and what it writes.
DECIDING = (
    "preset", "seed", "learning_rate", "weight_decay", "warmup", "clip", "ema", "steps_per_epoch", "augmentation",
    "sparse", "missing", "ignore", "validation_part",
)  # fmt: skip


@dataclass
class TrainingSettings:
    """Choices for `ACSegLib.network.train.training.train`; None leaves a choice to the preset or the plan.

    Parameters
    ----------
    preset : str
        "quick", "standard" or "thorough": time, patch size, levels, strength of augmentation.
    minutes, epochs : float, int or None
        Length; the learning rate falls over elapsed time, or over steps. Not both.
    steps_per_epoch : int
        Steps between two rows of the history.
    device : str
        "auto", "cpu", "cuda", "cuda:1" or "mps"; see `ACSegLib.compute.choose_device`.
    devices : int
        GPUs (or CPU processes) to use on this machine; under torchrun or SLURM their numbers are taken.
    precision : str
        "auto", "float32", "bfloat16" or "float16".
    deterministic : bool
        The same seed gives the same run on the same device; costs some speed on a GPU.
    compile : bool
        torch.compile on a GPU: a minute at the start, faster steps.
    learning_rate, weight_decay, warmup, clip, ema : float
        AdamW; part of the run that warms up; largest norm of the gradient; decay of the averaged weights.
    augmentation : str or None
        "none", "quick", "standard" or "thorough".
    sparse : str
        "auto", "off", or the axis "k", "j", "i" that slices were drawn across.
    missing : str
        "background" or "unknown": what a segment without a row in a volume's table means.
    ignore : str
        Name or value of the segment that marks regions to leave out.
    validation_part : float
        Part of the training volumes held back when no validation volumes are given; 0 trains on all, unvalidated.
    patience : int or None
        Validations without improvement before stopping; 0 never stops early.
    force : bool
        Start in spite of duplicates, leakage, empty labels, or labels in place of an image.
    init : Model or None
        Start from this model's network, preprocessing and weights.
    checkpoint : Path or None
        File that keeps the state every `checkpoint_minutes` and when cancelled; None keeps none.
    resume : bool
        Go on from `checkpoint`.
    keep_checkpoint : bool
        Leave `checkpoint` there when the training is done; for who writes the model to a file and removes it then
        (`ACSegLib.network.train.checkpoint.discard`), so that a full disk does not cost the training.
    table, plot, tensorboard : Path or None
        Where the course of the training is written (`ACSegLib.network.train.metrics_log`).
    scratch : Path or None
        Folder for memory-mapped training arrays when they exceed a third of the memory; default the system's.
    overrides : PlanOverrides or mapping
        What is chosen of the plan.
    """

    preset: str = "standard"
    minutes: float | None = None
    epochs: int | None = None
    steps_per_epoch: int = STEPS_PER_EPOCH
    device: str = "auto"
    devices: int = 1
    precision: str = "auto"
    deterministic: bool = True
    compile: bool = False
    seed: int = 0
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    warmup: float = 0.05
    clip: float = 12.0
    ema: float = 0.995
    augmentation: str | None = None
    sparse: str = "auto"
    missing: str = "background"
    ignore: str = "ignore"
    validation_part: float = 0.2
    patience: int | None = None
    force: bool = False
    init: Model | None = None
    checkpoint: Path | None = None
    checkpoint_minutes: float = 3.0
    resume: bool = False
    keep_checkpoint: bool = False
    table: Path | None = None
    plot: Path | None = None
    tensorboard: Path | None = None
    scratch: Path | None = None
    overrides: PlanOverrides = field(default_factory=PlanOverrides)

    def __post_init__(self) -> None:
        self.overrides = PlanOverrides.of(self.overrides)
        if self.preset not in PRESETS:
            raise InputError(f"preset must be one of {', '.join(PRESETS)}, not {self.preset!r}.")
        if self.minutes is not None and self.epochs is not None:
            raise InputError("give either minutes or epochs, not both.")
        for name in ("minutes", "epochs", "steps_per_epoch", "learning_rate", "devices", "checkpoint_minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InputError(f"{name} must be more than 0, not {value}.")
        if not 0 <= self.validation_part < 1:
            raise InputError(f"validation_part must be from 0 to below 1, not {self.validation_part}.")
        if not 0 <= self.ema < 1:
            raise InputError(f"ema must be from 0 to below 1, not {self.ema}.")
        if self.epochs is None and self.minutes is None:
            self.minutes = PRESET_MINUTES[self.preset]
        if self.patience is None:
            self.patience = PRESET_PATIENCE[self.preset]
        if self.resume and self.checkpoint is None:
            raise InputError("resume needs a checkpoint to continue from.")

    def choices(self) -> Json:
        """The settings that decide the course of the training, and what of the plan is overridden, as JSON values."""
        chosen = {name: getattr(self, name) for name in DECIDING} | self.overrides.given()
        if self.init is not None:
            chosen["init"] = f"the model {self.init.digest()[:12]}"
        return json.loads(json.dumps(chosen, default=list))


def fabric_precision(precision: str, device: str) -> str:
    """Give Lightning's name of a precision; "auto" takes 16 bits only where the processor computes in them."""
    names = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}
    if precision not in PRECISIONS:
        raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}.")
    if precision == "float16" and device == "cpu":
        raise InputError("precision float16 needs a GPU; use auto, bfloat16 or float32.")
    return names[default_precision(device) if precision == "auto" else precision]


def make_fabric(settings: TrainingSettings, device: str) -> Any:
    """Make Lightning's Fabric: one process, several on this machine, or what torchrun or SLURM started.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "cuda:1" or "mps", as `ACSegLib.compute.choose_device` names it.
    """
    from lightning.fabric import Fabric

    for name in ("lightning.fabric", "lightning.pytorch"):  # they tell what is used, which the results do
        logging.getLogger(name).setLevel(logging.WARNING)
    kind, _, number = device.partition(":")
    devices, nodes = settings.devices, 1
    if "TORCHELASTIC_RUN_ID" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    elif int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        nodes = int(os.environ.get("SLURM_NNODES", "1"))
        devices = int(os.environ["SLURM_NTASKS"]) // nodes
    return Fabric(
        accelerator=kind,
        devices=[int(number)] if number else devices,
        num_nodes=nodes,
        strategy="ddp" if devices * nodes > 1 else "auto",
        precision=fabric_precision(settings.precision, device),  # type: ignore[arg-type]
    )
