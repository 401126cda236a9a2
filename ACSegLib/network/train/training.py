"""Train a network: check the data, plan, prepare, run, and give the model with its card."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ACSegLib.axes import both_names
from ACSegLib.compute import available_memory, choose_device, is_out_of_memory, limit_torch_threads
from ACSegLib.errors import InputError
from ACSegLib.heavy_imports import import_packages
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json
from ACSegLib.network.model.architecture import build_seeded
from ACSegLib.network.model.model_file import Model
from ACSegLib.network.refinement.network import without_refinement_network
from ACSegLib.network.train.augmentation import PRESETS as AUGMENTATIONS
from ACSegLib.network.train.calibration import calibrate
from ACSegLib.network.train.checkpoint import (
    State,
    discard,
    load_checkpoint,
    require_same_course,
    require_space,
    set_aside,
)
from ACSegLib.network.train.checks import compare, refuse
from ACSegLib.network.train.data import Case, Prepared, join_tables, prepare
from ACSegLib.network.train.finetune import adapt_head, plan_from_model
from ACSegLib.network.train.fingerprint import Fingerprint, Problem, examine
from ACSegLib.network.train.offsets import MIN_DICE
from ACSegLib.network.train.plan import Plan
from ACSegLib.network.train.planning import make_plan, require_voxels, resampled_shapes
from ACSegLib.network.train.settings import TRAINING_DEVICES, TrainingSettings, make_fabric
from ACSegLib.network.train.trainer import Trainer
from ACSegLib.network.train.validation_split import split_validation
from ACSegLib.volume import Segment, Segmentation, Volume
from ACSegLib.wording import counted

if TYPE_CHECKING:
    import torch

Pair = tuple[Volume, Segmentation]
#: Part of the free memory that the training data may fill; beyond, they are mapped.
_IN_MEMORY_SHARE = 1 / 3
#: Packages of a training that take long to import.
_PACKAGES = ("torch", "monai", "lightning.fabric")
#: Checkpoint: weights, averaged and best weights, and two moments of the optimiser.
_CHECKPOINT_COPIES = 5


@dataclass
class TrainingResult:
    """What a training gave.

    Parameters
    ----------
    model : Model
        Ready for `ACSegLib.network.model.model_file.save_model`.
    plan : Plan
        How it was trained.
    history : list of dict
        One row per epoch: epoch, step, seconds, loss, learning_rate, and after a validation dice, "dice <segment>".
    warnings : list of str
        What a user should know.
    main_process : bool
        False in the other processes of a distributed training, which must write nothing.
    """

    model: Model
    plan: Plan
    history: list[Json]
    warnings: list[str] = field(default_factory=list)
    main_process: bool = True

    def __repr__(self) -> str:
        validated = [row["dice"] for row in self.history if "dice" in row]
        best = f", best validation Dice {max(validated):.3f}" if validated else ""
        return f"<TrainingResult: {self.model!r}, {counted(len(self.history), 'epochs')}{best}>"


def train(
    pairs: Sequence[Case | Pair],
    settings: TrainingSettings | None = None,
    progress: Progress | None = None,
    validation: Sequence[Case | Pair] = (),
) -> TrainingResult:
    """Train a U-Net on pairs of image and labels.

    Parameters
    ----------
    pairs : sequence of Case or of (Volume, Segmentation)
        To learn from.
    settings : TrainingSettings, optional
        Default: the standard preset.
    progress : Progress, optional
        Reports, publishes live figures, and stops the run; the state is then in ``settings.checkpoint``.
    validation : sequence of Case or of pairs, optional
        To choose the best weights by. Default: a part of `pairs`.

    Raises
    ------
    InputError
        With every problem of the data in one message.
    MemoryLimitError
        If the smallest patch does not fit.
    Cancelled
        After the state was kept.
    """
    settings, progress = settings or TrainingSettings(), progress or Progress()
    cases, held_out = [_case(p, n) for n, p in enumerate(pairs)], [_case(p, n) for n, p in enumerate(validation)]
    if not cases:
        raise InputError("there is no pair of image and labels to train on; check the image and label folders.")
    stages = progress.stages(check=3, prepare=3, prepare_validation=1, train=92, calibrate=1)
    fingerprints, val_fingerprints, warnings = _checked(cases, held_out, settings, stages.check)
    progress.tell(warnings)
    stages.check(1.0, "starting PyTorch")
    import_packages(_PACKAGES, stages.check)
    device = choose_device(settings.device, TRAINING_DEVICES)
    warnings += [device.note] if device.note else []
    limit_torch_threads()
    table = join_tables((f.segments for f in fingerprints), settings.ignore)
    plan, start = _plan(fingerprints, table, settings, device.name, warnings)
    require_voxels([*fingerprints, *val_fingerprints], plan)
    state = State(
        seed=settings.seed, data=_data_digest([*fingerprints, *val_fingerprints], table), choices=settings.choices()
    )
    tensors: dict[str, torch.Tensor] = {}
    if settings.resume and settings.checkpoint:
        fresh = state
        state, plan, tensors = load_checkpoint(settings.checkpoint)
        require_same_course(settings.checkpoint, state, fresh)
    fabric = make_fabric(settings, device.name)
    fabric.launch()
    if settings.checkpoint and not settings.resume and fabric.is_global_zero:
        told = set_aside(settings.checkpoint)
        warnings += [told] if told else []
        stages.prepare(0.0, told or "preparing the data")
    folder = _scratch(settings, fingerprints + val_fingerprints, plan)
    prepared = _prepare_all(cases, table, plan, settings, folder, stages.prepare)
    prepared_val = _prepare_all(held_out, table, plan, settings, folder, stages.prepare_validation)
    whole = prepared_val or prepared  # calibrated on: in a block a network sees other surroundings
    blocks = rough = False
    if not prepared_val and settings.validation_part > 0:
        split = split_validation(prepared, settings.validation_part, settings.seed, plan.patch_size)
        prepared, prepared_val, blocks, rough = split.training, split.validation, split.blocks, split.rough
        warnings.append(split.note)
        if not blocks:
            whole = prepared_val
    network = _initial_network(plan, settings.seed, start)
    _require_room(settings, network)
    trainer = Trainer(fabric, network, plan, settings, prepared, prepared_val, table, state, stages.train, rough)
    if tensors:
        trainer.restore(tensors)
    if fabric.is_global_zero:
        progress.tell(warnings)
    trainer.run()
    trainer.save()  # whatever becomes of the calibration and of the model's file, the training is not lost
    warnings += [note for note in state.notes if note not in warnings]
    model = Model(
        plan.spec, trainer.best_weights(), table, plan.preprocessing, plan.spacing, plan.unit,
        _card(plan, settings, state, cases, fingerprints, held_out, warnings, fabric),
    )  # fmt: skip
    model = _calibrated(model, whole, prepared_val if blocks else [], fabric, warnings, stages.calibrate)
    if settings.checkpoint and not settings.keep_checkpoint and fabric.is_global_zero:
        discard(settings.checkpoint)
    return TrainingResult(model, plan, state.history, warnings, fabric.is_global_zero)


def _case(pair: Case | Pair, number: int) -> Case:
    if isinstance(pair, Case):
        return pair
    volume, labels = pair
    return Case.of(volume, labels, volume.name or f"pair {number + 1}")


def _checked(
    cases: Sequence[Case], held_out: Sequence[Case], settings: TrainingSettings, progress: Progress
) -> tuple[list[Fingerprint], list[Fingerprint], list[str]]:
    problems: list[Problem] = []
    stages = progress.stages(training=4, validation=1)
    fingerprints, found = examine(cases, stages.training, sparse=settings.sparse, ignore=settings.ignore)
    problems += found
    val_fingerprints, found = examine(held_out, stages.validation, sparse=settings.sparse, ignore=settings.ignore)
    resampled = settings.overrides.spacing != "none"
    problems += found + compare(fingerprints, val_fingerprints, resampled=resampled, missing=settings.missing)
    refuse(problems, settings.force)
    warnings = [p.message for p in problems]
    for f in fingerprints:
        if f.slices:
            planes = ", ".join(f"{len(v)} slices across axis {both_names(axis)}" for axis, v in f.slices.items())
            warnings.append(f"{f.name}: sparse labels; the network learns only on its labelled slices ({planes})")
    return fingerprints, val_fingerprints, warnings


def _plan(
    fingerprints: Sequence[Fingerprint],
    table: list[Segment],
    settings: TrainingSettings,
    device: str,
    warnings: list[str],
) -> tuple[Plan, dict[str, torch.Tensor] | None]:
    """Make the plan, and give the weights to start with if there is a model to start from."""
    memory = available_memory(device)
    plan = make_plan(
        fingerprints,
        table,
        device="cpu" if device == "cpu" else "cuda",
        preset=settings.preset,
        available_bytes=memory,
        overrides=settings.overrides,
    )
    if settings.init is None:
        return plan, None
    init = without_refinement_network(settings.init)
    asked = sorted({"base", "levels", "residual"} & settings.overrides.given().keys())
    if asked:
        warnings.append(f"the network of the initial model is kept; {', '.join(asked)} had no effect")
    spec, weights, fresh = adapt_head(init, table, plan.spec.overlapping, settings.seed)
    if fresh:
        other = init.spec.overlapping != spec.overlapping
        reason = "was trained on segments that overlap, or that do not, unlike these: " if other else "does not know "
        warnings.append(f"the initial model {reason}{', '.join(fresh)}; their outputs start untrained")
    return plan_from_model(plan, init, spec, memory), weights


def _data_digest(fingerprints: Sequence[Fingerprint], table: Sequence[Segment]) -> str:
    text = "\n".join(
        [f"{f.image_digest} {f.label_digest}" for f in fingerprints] + [f"{s.name} {s.value}" for s in table]
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _initial_network(plan: Plan, seed: int, weights: dict[str, torch.Tensor] | None) -> torch.nn.Module:
    network = build_seeded(plan.spec, seed)
    if weights is not None:
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise InputError("the weights of the model to start with do not fit its network; it is damaged.") from error
    return network.train()


def _require_room(settings: TrainingSettings, network: torch.nn.Module) -> None:
    if settings.checkpoint:
        size = sum(p.numel() * p.element_size() for p in network.parameters())
        require_space(settings.checkpoint, size * _CHECKPOINT_COPIES)


def _calibrated(
    model: Model,
    cases: Sequence[Prepared],
    blocks: Sequence[Prepared],
    fabric: Any,
    warnings: list[str],
    progress: Progress,
) -> Model:
    """The model with calibrated heads; as it is, with a warning, where memory does not suffice."""
    try:
        progress(0.0, "calibrating the network")
        calibrated = calibrate(model, cases, fabric, progress, blocks)
    except Exception as error:
        if fabric.world_size > 1 or not is_out_of_memory(error):  # the other processes would wait for this one
            raise
        warnings.append("memory ran out during the calibration; predicted segments may be slightly too large")
        calibrated = model
    measured = calibrated.card.get("calibration", {})
    missed = [name for name, values in measured.items() if values.get("dice", 1.0) < MIN_DICE]
    if missed:
        warnings.append(f"not learned yet: {', '.join(missed)} (Dice below {MIN_DICE:g}); train longer, or label more")
    return replace(calibrated, card={**calibrated.card, "warnings": list(warnings)})


def _scratch(settings: TrainingSettings, fingerprints: Sequence[Fingerprint], plan: Plan) -> Path | None:
    """Give a folder for memory-mapped arrays when they would fill the memory, else None."""
    shapes = resampled_shapes(fingerprints, plan.spacing, plan.unit)
    voxels = sum(math.prod(shape) for shape in shapes.tolist())
    if voxels * 5 < available_memory() * _IN_MEMORY_SHARE:
        return None
    folder = Path(settings.scratch or tempfile.gettempdir())
    require_space(folder / "arrays", voxels * 5, "name another folder with --scratch")
    return folder


def _prepare_all(
    cases: Sequence[Case],
    table: Sequence[Segment],
    plan: Plan,
    settings: TrainingSettings,
    folder: Path | None,
    progress: Progress,
) -> list[Prepared]:
    prepared = []
    for case, _ in progress.each(cases, lambda case: f"preparing {case.name}"):
        prepared.append(
            prepare(
                case,
                table,
                plan.preprocessing,
                plan.spacing,
                plan.unit,
                overlapping=plan.spec.overlapping,
                sparse=settings.sparse,
                missing=settings.missing,
                ignore=settings.ignore,
                scratch=folder,
            )
        )
    return prepared


def _card(
    plan: Plan,
    settings: TrainingSettings,
    state: State,
    cases: Sequence[Case],
    fingerprints: Sequence[Fingerprint],
    held_out: Sequence[Case],
    warnings: Sequence[str],
    fabric: Any,
) -> Json:
    """What the model file tells a person."""
    import lightning
    import monai
    import torch

    from ACSegLib.version import __version__

    chosen = plan.to_json()
    chosen.pop("spec")
    values = {row.name: getattr(settings, row.name) for row in fields(settings)}
    options = {name: value for name, value in values.items() if isinstance(value, (str, int, float, bool))}
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "versions": {
            "acseg": __version__,
            "torch": torch.__version__,
            "monai": monai.__version__,
            "lightning": lightning.__version__,
        },
        "training": [_described(case, f) for case, f in zip(cases, fingerprints, strict=True)],
        "validation_cases": [case.name for case in held_out],
        "validation": {k: v for k, v in state.best.items() if k != "validation_seconds"},
        "plan": chosen,
        "settings": options,
        "augmentation": asdict(AUGMENTATIONS[settings.augmentation or settings.preset]),
        "initial_model": settings.init.card if settings.init else None,
        "device": str(fabric.device),
        "processes": fabric.world_size,
        "steps": state.step,
        "seconds": round(state.elapsed, 1),
        "warnings": list(warnings),
    }


def _described(case: Case, fingerprint: Fingerprint) -> Json:
    """What the card tells of one training volume."""
    return {
        "name": fingerprint.name,
        "shape": list(fingerprint.shape[::-1]),
        "spacing": list(fingerprint.geometry.spacing),
        "unit": fingerprint.geometry.unit,
        "image_sha256": fingerprint.image_digest,
        "labels_sha256": fingerprint.label_digest,
        "voxels": {key or "background": count for key, count in fingerprint.voxels.items()},
        "source": case.source,
    }
