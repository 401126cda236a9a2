"""Adapt the pretrained model to your microscope: train it on simulated tomograms like yours.

The tomograms need no labels. ACSeg estimates the axis, bore and wall of the capillary, the filling, the contrasts,
noise, blur and missing wedge, simulates digital twins (tomograms like yours, with exact labels), and trains the model
on them. The summary gives the Dice coefficient on twins that were not trained on, before and after.

The gain holds for the twins. On real tomograms it did not help the pretrained model; to correct some slices and
train from it (acseg train --init) is better. Compare a prediction of your own tomogram before and after.

Examples:
  acseg adapt tomogram.rec -o mine.acseg
  acseg adapt scans/*.mrc -o mine.acseg --minutes 30
  acseg adapt tomogram.rec -o mine.acseg --resume
  acseg predict tomogram.rec -m mine.acseg -o cells.seg.nrrd
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ACSegLib.commands.opening import ImageDatasetOption, VoxelSizeOptions, check_opening, open_image
from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.commands.train import telling_how_to_go_on
from ACSegLib.compute import DEVICES
from ACSegLib.errors import Cancelled, FileError
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Json
from ACSegLib.workflows import AdaptRequest

SUMMARY = "adapt the pretrained model to tomograms without labels"


@dataclass
class Options(ImageDatasetOption, VoxelSizeOptions):
    """Options of ``acseg adapt``."""

    tomograms: list[str] = option(path="in", help="tomograms of one kind, or a folder of them", positional=True)
    output: str = option(
        path="out", endings=(".acseg",), help="model file to write (.acseg)", short="o", metavar="MODEL"
    )
    model: str | None = option(
        path="in", default=None, help="model to start from (the pretrained model)", short="m", metavar="MODEL"
    )
    minutes: float = option(
        default=AdaptRequest.minutes, help="length, with the simulation", minimum=0.05, unit="minutes"
    )
    resume: bool = option(default=AdaptRequest.resume, help="continue from MODEL.checkpoint after an interruption")
    device: str = option(default=AdaptRequest.device, help="where to train", choices=DEVICES)
    seed: int = option(default=AdaptRequest.seed, help="seed of the twins and of the training", minimum=0)


@dataclass
class Results(BaseResults):
    """What the tomograms are like, and what the training gained on twins that it did not see."""

    tomograms: Mapping[str, Json]
    dice_before: Mapping[str, float]
    dice_after: Mapping[str, float]
    helped: bool
    twins: int
    steps: int


def run(options: Options, progress: Progress) -> Results:
    """Adapt the model, and write it."""
    from ACSegLib.commands.inputs import find_images
    from ACSegLib.commands.outputs import Output, check_outputs
    from ACSegLib.files.names import stem
    from ACSegLib.network.model.model_file import require_output, save_model
    from ACSegLib.network.model.pretrained import open_model
    from ACSegLib.network.train.checkpoint import discard
    from ACSegLib.workflows import run as run_request
    from ACSegLib.workflows.train import beside

    output = Path(options.output)
    require_output(output)
    check_opening(options)
    files = find_images(options.tomograms)
    checkpoint = beside(output, ".checkpoint")
    check_outputs([Output(str(path), "--output") for path in (output, checkpoint)], files)
    volumes = [open_image(file, options) for file in files]
    for volume, file in zip(volumes, files, strict=True):
        volume.name = stem(file)
    request = AdaptRequest.from_options(volumes, open_model(options.model), options, output)
    with telling_how_to_go_on(output, Cancelled):
        result = run_request(request, progress=progress)
    result.model.card["name"] = output.stem
    with telling_how_to_go_on(output, FileError):
        save_model(result.model, output)
    discard(checkpoint)
    return Results(
        tomograms={file: estimate.as_dict() for file, estimate in zip(files, result.estimates, strict=True)},
        dice_before=result.before,
        dice_after=result.after,
        helped=result.helped,
        twins=result.twins,
        steps=result.steps,
        outputs={"model": str(output)},
    )


def describe(results: Results) -> str:
    """Say what the tomograms are like, and what the adaptation gained."""
    lines = [f"{file}: {describe_estimate(values)}" for file, values in results.tomograms.items()]
    lines.append(f"Trained on {results.twins} digital twins for {results.steps} steps.")
    for name, after in results.dice_after.items():
        lines.append(f"Dice of {name} on other twins: {results.dice_before[name]:.3f} before, {after:.3f} after.")
    if not results.helped:
        lines.append("Note: the adaptation did not help on the twins; use the model that it started from.")
    return "\n".join(lines + [f"{role}: {path}" for role, path in results.outputs.items()])


def describe_estimate(values: Json) -> str:
    """One line of what was estimated of a tomogram."""
    numbers = ", ".join(
        f"{name.replace('_', ' ')} {value:.2f}" for name, value in values.items() if isinstance(value, float)
    )
    holder = "capillary" if values["capillary"] is not None else "no wall seen; axis"
    return f"{holder} along {values['axis']}, {numbers}"
