"""Train a 3D U-Net on images and their labels, and write one model file.

Labels may be dense, or sparse: labels on a few slices of a volume. From sparse labels, the network learns only on the
labelled slices. Image and label files are paired by name ("cell1.mrc" and "cell1_seg.nrrd"), or by the rows of a table.
Segments of different volumes are matched by name.

The command also writes MODEL.csv and MODEL.png, which show loss and Dice over time. During the training it writes
MODEL.checkpoint. After an interruption, --resume continues from it.

Examples:
  acseg train --images tomograms/ --labels labels/ -o cell.acseg
  acseg train --images tomograms/ --labels labels/ -o cell.acseg --minutes 30 --resume
  acseg train --table pairs.csv -o cell.acseg --preset thorough --device cuda
  acseg train --images new/ --labels new_labels/ -o better.acseg --init cell.acseg --minutes 10
  torchrun --nproc-per-node 4 -m ACSegLib train --images tomograms/ --labels labels/ -o cell.acseg
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ACSegLib.commands.opening import ImageDatasetOption, LabelsDatasetOption, VoxelSizeOptions, check_opening
from ACSegLib.commands.options import option
from ACSegLib.commands.pairs import PairOfFiles, find_pairs, read_table
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.compute import DEVICES
from ACSegLib.errors import Cancelled, FileError, InputError
from ACSegLib.geometry import size_text
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json
from ACSegLib.wording import counted
from ACSegLib.workflows import TrainRequest
from ACSegLib.workflows.train import beside

if TYPE_CHECKING:
    from ACSegLib.network.model.model_file import Model
    from ACSegLib.network.train.data import Case

SUMMARY = "train a 3D U-Net on images and labels"
LEVELS = ("none", "quick", "standard", "thorough")
#: Minutes of a training of the refinement network, at least.
MIN_REFINEMENT_MINUTES = 0.05


@dataclass
class Options(LabelsDatasetOption, ImageDatasetOption, VoxelSizeOptions):
    """Options of ``acseg train``."""

    output: str = option(
        path="out", endings=(".acseg",), help="model file to write (.acseg)", short="o", metavar="MODEL"
    )
    images: list[str] = option(path="in", default=[], help="folder of images, or image files", metavar="PATH")
    labels: list[str] = option(path="in", default=[], help="folder of their labels, or label files", metavar="PATH")
    val_images: list[str] = option(
        path="in",
        default=[],
        help="images of the validation set; the best weights are chosen with them",
        metavar="PATH",
    )
    val_labels: list[str] = option(path="in", default=[], help="labels of --val-images", metavar="PATH")
    table: str | None = option(
        path="in", default=None, help="CSV table of pairs instead: columns image, labels, set (train or validation)"
    )
    preset: str = option(
        default=TrainRequest.preset,
        help="length of the training and size of the network: quick 5 min, standard 1 h, thorough 8 h",
        choices=LEVELS[1:],
    )
    minutes: float | None = option(default=None, help="length of the training", minimum=0.05, unit="minutes")
    epochs: int | None = option(default=None, help="length in epochs instead of minutes", minimum=1)
    init: str | None = option(
        path="in", default=None, help="model to start from (of ACSeg, or a Biomedisa .h5)", metavar="MODEL"
    )
    resume: bool = option(default=TrainRequest.resume, help="continue from MODEL.checkpoint after an interruption")
    surface_refinement: bool = option(
        default=False,
        help="also train a refinement network for acseg predict --refine network; this takes half as long again",
    )
    device: str = option(default=TrainRequest.device, help="where to compute", choices=DEVICES)
    sparse: str = option(
        default=TrainRequest.sparse,
        help="detect the labelled slices (auto), labels are dense (off), or the axis of the labelled slices",
        choices=("auto", "off", "k", "j", "i"),
    )
    missing: str = option(
        default=TrainRequest.missing,
        help="what it means if a volume has no segment of a name: it is not present (background), or it is not "
        "labelled (unknown)",
        choices=("background", "unknown"),
    )
    ignore: str = option(default=TrainRequest.ignore, help="name or value of the segment that marks ignored regions")
    validation_part: float = option(
        default=TrainRequest.validation_part,
        help="fraction of the data that is used for validation",
        minimum=0,
        maximum=0.9,
    )
    licence: str = option(default="", help="licence of the model, for its model card")
    note: str = option(default="", help="what a user of the model should know, for its model card")
    resample: bool = option(default=False, help="resample labels that are not on the grid of the image")
    force: bool = option(
        default=TrainRequest.force,
        help="train although there are duplicates, leakage, empty labels, or labels in place of an image",
        aliases=("insist",),
    )
    seed: int = option(
        default=TrainRequest.seed, help="seed; the same seed gives the same run on the same device", minimum=0
    )
    augmentation: str | None = option(
        default=None, help="strength of the augmentation; default: that of the preset", choices=LEVELS, advanced=True
    )
    patch: list[int] = option(default=[], help="patch size I J K; default from the data", unit="voxels", advanced=True)
    batch: int | None = option(default=None, help="patches per step", minimum=1, advanced=True)
    base_filters: int | None = option(default=None, help="channels of the finest level", minimum=1, advanced=True)
    levels: int | None = option(default=None, help="levels of the U-Net", minimum=2, maximum=8, advanced=True)
    light: bool = option(
        default=TrainRequest.light,
        help="fewer channels at the finest levels: a third to a half less time on a processor; small segments are a "
        "little less exact",
        advanced=True,
    )
    blocks: str = option(
        default=TrainRequest.blocks,
        help="blocks of the encoder; auto: residual, or those of the model to start from",
        choices=("auto", "plain", "residual"),
        advanced=True,
    )
    grow: bool = option(
        default=TrainRequest.grow, help="start with small patches, and increase them to full size", advanced=True
    )
    spacing: str = option(
        default=TrainRequest.spacing,
        help="voxel size of the training: chosen from the volumes (auto), no resampling (none), or I,J,K in the unit "
        "of the first volume",
        advanced=True,
    )
    normalisation: str = option(
        default=TrainRequest.normalisation,
        help="normalise intensities with the statistics of each volume, or of all training volumes for "
        "calibrated images (fixed)",
        choices=("volume", "fixed", "none"),
        advanced=True,
    )
    learning_rate: float = option(
        default=TrainRequest.learning_rate, help="maximum learning rate", minimum=1e-7, maximum=1, advanced=True
    )
    steps_per_epoch: int = option(
        default=TrainRequest.steps_per_epoch, help="steps per epoch", minimum=1, advanced=True
    )
    patience: int | None = option(
        default=None, help="validations without improvement before stopping; 0: never", minimum=0, advanced=True
    )
    precision: str = option(
        default=TrainRequest.precision,
        help="number type of the computation",
        choices=("auto", "float32", "bfloat16", "float16"),
        advanced=True,
    )
    deterministic: bool = option(
        default=TrainRequest.deterministic, help="reproducible on a GPU, but slower", advanced=True
    )
    compile: bool = option(
        default=TrainRequest.compile, help="compile the network on a GPU: slow start, faster steps", advanced=True
    )
    devices: int = option(
        default=TrainRequest.devices, help="GPUs (or processes on the CPU) to use", minimum=1, advanced=True
    )
    checkpoint_minutes: float = option(
        default=TrainRequest.checkpoint_minutes,
        help="time between checkpoints",
        minimum=0.01,
        unit="minutes",
        advanced=True,
    )
    tensorboard: str | None = option(
        path="folder", default=None, help="folder for TensorBoard", metavar="DIR", advanced=True
    )
    scratch: str | None = option(
        path="folder", default=None, help="folder for data larger than memory", metavar="DIR", advanced=True
    )


@dataclass
class Results(BaseResults):
    """What a training gave: of what, by which plan, and how good it is.

    Attributes
    ----------
    pairs : int
        Volumes that were trained on.
    segments : list of str
    validation : mapping, optional
        Scores of the validation, as in the model's card.
    plan : mapping
        The network and the plan of the training, as in the model's card.
    steps : int
    training_seconds : float
    final_loss : float, optional
    device : str
    warnings : list of str
    """

    optional: ClassVar[tuple[str, ...]] = ("exit_code",)

    pairs: int
    segments: list[str]
    validation: Json | None
    plan: Json
    steps: int
    training_seconds: float
    final_loss: float | None
    device: str
    warnings: list[str]


def run(options: Options, progress: Progress) -> Results:
    """Train, and write the model."""
    from ACSegLib.network.model.model_file import require_output, save_model
    from ACSegLib.network.train.checkpoint import discard
    from ACSegLib.workflows import run as run_request

    output = Path(options.output)
    require_output(output)
    check_opening(options)
    with _told_at_once(progress):
        training, validation = _files(options)
    _check_files_beside(options, training + validation)
    cases, held_out = _cases(training, options, progress), _cases(validation, options, progress)
    init = _initial_model(options.init) if options.init else None
    request = TrainRequest.from_options(cases, held_out, options, model_file=output, init=init)
    settings = request.settings()
    stages = progress.stages(train=2, refinement_network=1 if options.surface_refinement else 0)
    model, final_loss, main_process = _first_of_two(options, output), None, True
    if model is None:
        with telling_how_to_go_on(output, Cancelled):
            result = run_request(request, progress=stages.train)
        model, main_process = result.model, result.main_process
        final_loss = result.history[-1]["loss"] if result.history else None
        model.card.update(licence=options.licence, note=options.note, name=output.stem)
    outputs: dict[str, str] = {}
    if main_process:
        # Before the refinement network is trained: whatever becomes of that, hours of training are not lost.
        with telling_how_to_go_on(output, FileError):
            save_model(model, output)
        discard(beside(output, ".checkpoint"))
        if options.surface_refinement:
            model = _train_surface(model, request, stages.refinement_network)
            save_model(model, output)
        outputs = {"model": str(output), "history": str(settings.table), "plot": str(settings.plot)}
    card = model.card
    return Results(
        pairs=len(cases),
        segments=[segment.name for segment in model.segments],
        validation=card["validation"],
        plan={"network": model.spec.to_json(), **card["plan"]},
        steps=card["steps"],
        training_seconds=card["seconds"],
        final_loss=final_loss,
        device=card["device"],
        warnings=card["warnings"],
        outputs=outputs,
    )


@contextlib.contextmanager
def telling_how_to_go_on(output: Path, end: type[Cancelled | FileError]) -> Iterator[None]:
    """Let the sentence on the end of a training name its checkpoint, if there is one."""
    try:
        yield
    except end as stop:
        checkpoint = beside(output, ".checkpoint")
        if not checkpoint.exists():
            raise
        reason = str(stop).rstrip(".")
        raise end(f"{reason}; the state is in {checkpoint}; add --resume to continue.") from stop


def describe(results: Results) -> str:
    """Say what was trained and how good it is."""
    plan, scores, pairs, loss = results.plan, results.validation, results.pairs, results.final_loss
    lines = [
        f"Trained on {counted(pairs, 'volumes')} for {results.steps} steps in "
        f"{results.training_seconds / 60:.1f} min ({results.device}, patch {size_text(plan['patch_size'])}, "
        f"{len(plan['network']['filters'])} levels, base {plan['network']['filters'][0]}"
        + (f", last loss {loss:.3f})." if loss is not None and math.isfinite(loss) else ").")
    ]
    if scores and scores["dice"]:
        by_segment = ", ".join(f"{name} {value:.3f}" for name, value in scores["dice"].items())
        lines.append(f"Validation Dice {scores['mean_dice']:.3f} ({by_segment}).")
    lines += [f"Note: {warning}." for warning in (w.rstrip(".") for w in results.warnings)]
    lines += [f"{role}: {path}" for role, path in results.outputs.items()]
    return "\n".join(lines)


def _files(options: Options) -> tuple[list[PairOfFiles], list[PairOfFiles]]:
    if options.table:
        if options.images or options.labels or options.val_images or options.val_labels:
            raise InputError("give either --table, or --images and --labels, not both.")
        training, validation = read_table(options.table)
        if not training:
            raise InputError(f"the table {options.table} has no training pair; add rows of image and labels.")
        return training, validation
    if not options.images or not options.labels:
        raise InputError("there is nothing to train on: give --images and --labels, or --table.")
    if bool(options.val_images) != bool(options.val_labels):
        raise InputError("--val-images and --val-labels belong together; give both or neither.")
    training = find_pairs(options.images, options.labels)
    validation = find_pairs(options.val_images, options.val_labels, "validation") if options.val_images else []
    return training, validation


def _check_files_beside(options: Options, pairs: Sequence[PairOfFiles]) -> None:
    """Refuse a model whose files beside it (course, plot, checkpoint) would take the place of an input."""
    from ACSegLib.commands.outputs import Output, check_outputs

    inputs = [path for pair in pairs for path in (pair.image, pair.labels)] + [options.table or ""]
    written = [options.output, *(str(beside(Path(options.output), end)) for end in (".csv", ".png", ".checkpoint"))]
    check_outputs([Output(path, "--output") for path in written], filter(None, inputs))


@contextlib.contextmanager
def _told_at_once(progress: Progress) -> Iterator[None]:
    """Tell the notes on files before the training, too: a wrong file should not cost hours."""
    from ACSegLib.files.registry import collect_notes, tell

    with collect_notes() as notes:
        yield
    tell(notes)
    progress.tell(notes)


def _cases(pairs: Sequence[PairOfFiles], options: Options, progress: Progress) -> list[Case]:
    from ACSegLib.network.train.data import Case

    cases = []
    for pair in pairs:
        source = {"image": Path(pair.image).name, "labels": Path(pair.labels).name}
        image, labels = pair.openers(options)
        told = _told_at_once(progress)
        cases.append(Case(pair.name, told(image), told(labels), source))
    return cases


def _first_of_two(options: Options, output: Path) -> Model | None:
    """The finished main network of an interrupted training whose refinement network is still to be trained."""
    from ACSegLib.network.model.model_file import load_model
    from ACSegLib.network.refinement.network import refinement_network

    if not (options.resume and options.surface_refinement and output.is_file()):
        return None
    if beside(output, ".checkpoint").exists():
        return None
    model = load_model(output)
    if refinement_network(model) is not None:
        raise InputError(
            f"the training of {output} is complete, with its refinement network; start a new one without --resume."
        )
    return model


def _train_surface(model: Model, request: TrainRequest, progress: Progress) -> Model:
    """Add a refinement network to the trained model."""
    from ACSegLib.network.refinement.training import train_refinement_network

    progress(0.0, "training the refinement network")
    settings = request.refinement_settings(max(model.card["seconds"] / 120, MIN_REFINEMENT_MINUTES))
    return train_refinement_network(request.cases, model, settings, progress, request.held_out)


def _initial_model(path: str) -> Model:
    from ACSegLib.network.biomedisa.model_import import import_biomedisa, is_biomedisa_file
    from ACSegLib.network.model.model_file import load_model
    from ACSegLib.network.refinement.network import without_refinement_network

    return import_biomedisa(path) if is_biomedisa_file(path) else without_refinement_network(load_model(path))
