"""One training, whoever asks for it: the request, the settings that it makes, and the files beside the model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ACSegLib.errors import InputError
from ACSegLib.workflows.packing import from_options

if TYPE_CHECKING:
    from ACSegLib.jobs import Progress
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.refinement.training import RefinementTraining
    from ACSegLib.network.train.data import Case
    from ACSegLib.network.train.plan import PlanOverrides
    from ACSegLib.network.train.settings import TrainingSettings
    from ACSegLib.network.train.training import TrainingResult

_DATA = ("cases", "held_out", "model_file", "init")
#: Fields that are settings of a training under the same names.
_SETTINGS = (
    "preset", "minutes", "epochs", "steps_per_epoch", "device", "devices", "precision", "deterministic", "compile",
    "seed", "learning_rate", "augmentation", "sparse", "missing", "ignore", "validation_part", "patience",
    "checkpoint_minutes", "resume", "force", "init",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainRequest:
    """What to train on, and how. The fields after the first four are the options of ``acseg train`` of the same names.

    Parameters
    ----------
    cases, held_out : sequence of Case
        Volumes to train on, and those that choose the best weights (a part of `cases` if there are none).
    model_file : Path, optional
        File that the caller writes the model to. Beside it come the course of the training, its plot and, while it
        runs, its checkpoint, which the caller removes once the model is written. None keeps no such files.
    init : Model, optional
        Model to start from.
    patch : sequence of int
        Patch size (i, j, k); from the data if empty.
    batch, base_filters, levels : int, optional
        Patches per step, channels of the finest level, and levels of the U-Net; from the data if None.
    light : bool
        Fewer channels at the finest levels.
    blocks : str
        "auto", "plain" or "residual".
    grow : bool
        Begin with small patches.
    spacing : str
        Voxel size to train at: "auto", "none" (as the volumes are), or "I,J,K" in the unit of the first volume.
    normalisation : str
        "volume", "fixed" or "none".
    tensorboard, scratch : path, optional
        Folders for TensorBoard, and for data larger than memory.

    Notes
    -----
    `ACSegLib.network.train.settings.TrainingSettings` describes the other fields.
    """

    cases: Sequence[Case]
    held_out: Sequence[Case] = ()
    model_file: Path | None = None
    init: Model | None = None
    preset: str = "standard"
    minutes: float | None = None
    epochs: int | None = None
    resume: bool = False
    device: str = "auto"
    sparse: str = "auto"
    missing: str = "background"
    ignore: str = "ignore"
    validation_part: float = 0.2
    force: bool = False
    seed: int = 0
    augmentation: str | None = None
    patch: Sequence[int] = ()
    batch: int | None = None
    base_filters: int | None = None
    levels: int | None = None
    light: bool = False
    blocks: str = "auto"
    grow: bool = True
    spacing: str = "auto"
    normalisation: str = "volume"
    learning_rate: float = 3e-3
    steps_per_epoch: int = 50
    patience: int | None = None
    precision: str = "auto"
    deterministic: bool = True
    compile: bool = False
    devices: int = 1
    checkpoint_minutes: float = 3.0
    tensorboard: Path | str | None = None
    scratch: Path | str | None = None

    @classmethod
    def from_options(
        cls,
        cases: Sequence[Case],
        held_out: Sequence[Case],
        options: Any,
        *,
        model_file: Path | None = None,
        init: Model | None = None,
    ) -> TrainRequest:
        """Make the request from options of ``acseg train``, field by field."""
        values = from_options(cls, options, _DATA)
        return cls(cases=cases, held_out=held_out, model_file=model_file, init=init, **values)

    def settings(self) -> TrainingSettings:
        """Give the settings of the training.

        Raises
        ------
        InputError
            If a value is not possible.
        """
        from ACSegLib.network.train.settings import TrainingSettings

        file = self.model_file
        return TrainingSettings(
            **{name: getattr(self, name) for name in _SETTINGS},
            checkpoint=beside(file, ".checkpoint") if file else None,
            keep_checkpoint=file is not None,  # until the model is written
            table=beside(file, ".csv") if file else None,
            plot=beside(file, ".png") if file else None,
            tensorboard=Path(self.tensorboard) if self.tensorboard else None,
            scratch=Path(self.scratch) if self.scratch else None,
            overrides=self._overrides(),
        )

    def refinement_settings(self, minutes: float) -> RefinementTraining:
        """Give the settings of the training of a refinement network on the same volumes."""
        from ACSegLib.network.refinement.training import RefinementTraining

        same_named = ("seed", "device", "sparse", "missing", "ignore")
        return RefinementTraining(minutes=minutes, **{name: getattr(self, name) for name in same_named})

    def _overrides(self) -> PlanOverrides:
        from ACSegLib.network.train.plan import PlanOverrides

        if self.patch and (len(self.patch) != 3 or min(self.patch) < 1):
            raise InputError(f"--patch must be three numbers (I J K), not {list(self.patch)}.")
        return PlanOverrides(
            patch_size=list(self.patch)[::-1] or None,
            batch_size=self.batch,
            base=self.base_filters,
            levels=self.levels,
            light=self.light or None,
            residual=None if self.blocks == "auto" else self.blocks == "residual",
            grow=None if self.grow else False,
            spacing=_spacing(self.spacing),
            normalisation=self.normalisation if self.normalisation != "volume" else None,
        )


def run_train(request: TrainRequest, progress: Progress | None = None) -> TrainingResult:
    """Train a network; see `ACSegLib.network.train.training.train`."""
    from ACSegLib.network.train.training import train

    return train(list(request.cases), request.settings(), progress, list(request.held_out))


def beside(model_file: Path, ending: str) -> Path:
    """A file beside the model: ".checkpoint", ".csv", ".png"."""
    return model_file.with_name(model_file.name + ending)


def _spacing(text: str) -> str | list[float] | None:
    if text in ("auto", "none"):
        return None if text == "auto" else text
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3 or not all(math.isfinite(v) and v > 0 for v in values):
        raise InputError(f"--spacing must be auto, none, or three voxel sizes such as 30,30,30, not {text!r}.")
    return values
