"""Segment without learning, as a baseline: Otsu, adaptive (local) and multi-Otsu thresholds, watershed, a 2D model.

The command acseg compare scores the results against a reference. With --model, a SAM-like 2D model
(ONNX or OpenVINO) segments the central slice from a box around the labels of --box-from.

Examples:
  acseg threshold tomogram.mrc -o otsu/
  acseg threshold tomograms/ -o adaptive/ --method adaptive --window 51
  acseg threshold tomograms/ -o sam/ --model efficient_sam.onnx --box-from truth/
  acseg compare otsu/ truth/ -o otsu.csv
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ACSegLib.commands.batch import Item, failure_lines, forget, journal_path, run_batch
from ACSegLib.commands.inputs import find_files, find_images, find_labels
from ACSegLib.commands.matching import files_there, match_files, name_files
from ACSegLib.commands.opening import (
    ImageDatasetOption,
    LabelsDatasetOption,
    VoxelSizeOptions,
    check_opening,
    open_image,
    open_labels,
)
from ACSegLib.commands.options import option
from ACSegLib.commands.outputs import Output, check_outputs, require_folder_name
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.errors import InputError
from ACSegLib.files.atomic import output_folders
from ACSegLib.files.names import as_file_name
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Row
from ACSegLib.placement import in_one_unit, place_labels
from ACSegLib.wording import counted

if TYPE_CHECKING:
    from ACSegLib.volume import Segmentation, Volume

SUMMARY = "segment by thresholds or a box-prompted 2D model, as baselines"


@dataclass
class Options(LabelsDatasetOption, ImageDatasetOption, VoxelSizeOptions):
    """Options of ``acseg threshold``."""

    inputs: list[str] = option(path="in", positional=True, help="tomograms, or folders of them", metavar="IMAGE")
    output: str = option(
        path="folder", help="folder for the segmentations; it is created if it does not exist", short="o", metavar="DIR"
    )
    method: str = option(
        default="otsu", help="threshold", choices=("otsu", "adaptive", "multi-otsu", "watershed"), short="m"
    )
    dark: bool = option(default=False, help="cells are darker than their surroundings")
    keep: str = option(default="all", help="components to keep", choices=("all", "largest", "central"))
    smoothing: float = option(
        default=1.0, help="standard deviation of the Gaussian filter before the threshold", minimum=0, unit="voxels"
    )
    window: int = option(default=51, help="size of the window of the adaptive threshold", minimum=3, unit="voxels")
    classes: int = option(
        default=3, help="classes of multi-Otsu; all but the darkest belong to the cell", minimum=2, maximum=5
    )
    cell_radius: float = option(
        default=0.0,
        help="watershed: cells closer than this are merged; 0: automatic",
        minimum=0,
        unit="the file's unit",
    )
    min_size: int = option(default=64, help="smaller components are removed", minimum=1, unit="voxels")
    model: str | None = option(
        path="in", default=None, help="box-prompted 2D model (.onnx or .xml) for the central slice"
    )
    box_from: str | None = option(
        path="in", default=None, help="labels, or a folder of them, for --model: the box is around the first segment"
    )
    axis: str = option(default="k", help="axis across the slice for --model", choices=("k", "j", "i"))
    box_margin: int = option(default=3, help="margin of the box", minimum=0, unit="voxels")
    resample: bool = option(default=False, help="resample the labels of --box-from to the grid of the image")
    workers: int = option(default=0, help="volumes processed at the same time; 0: one per core", minimum=0)


@dataclass
class Results(BaseResults):
    """What was segmented: a row for each volume, and why others could not be done."""

    volumes: int
    rows: list[Row]
    failures: dict[str, str]


def run(options: Options, progress: Progress) -> Results:
    """Segment each input."""
    check_opening(options)
    if (options.model is None) != (options.box_from is None):
        raise InputError("--model and --box-from belong together; give both or neither.")
    folder = Path(options.output)
    require_folder_name(options.output)
    items, missing = _items(options)
    inputs = [path for item in items for path in item.files.values()]
    beside = files_there(options.inputs, find_files)[0]  # labels that lie with the images are not to be lost either
    outputs = [Output(str(_output(item, options))) for item in items]
    check_outputs(outputs, dict.fromkeys([*inputs, *beside]), [os.path.realpath(folder)])
    journal = journal_path(folder / "threshold")
    with output_folders(folder):
        outcomes = run_batch(
            items, threshold_item, options, journal=journal, workers=options.workers, progress=progress
        )
    failures = missing | {o.name: o.error for o in outcomes if o.error}
    rows = [row for o in outcomes for row in o.rows]
    if not rows and failures:
        raise InputError("; ".join(failures.values()))
    if not failures:
        forget(journal)
    written = {row["volume_name"]: row["output"] for row in rows}
    return Results(len(rows), rows, failures, outputs=written, exit_code=2 if failures else 0)


def _items(options: Options) -> tuple[list[Item], dict[str, str]]:
    """The images, each with the labels that its box is around if there is a model, and what cannot be done."""
    images, missing = files_there(options.inputs, find_images)
    named = name_files(images)
    if options.box_from is None:
        return [Item(name, {"image": path}) for name, path in named.items()], missing
    prompts = find_labels([options.box_from])
    partners, without = match_files(named, prompts, "label file", options.box_from)
    items = [Item(name, {"image": named[name], "box": prompt}) for name, prompt in partners.items()]
    return items, missing | without


def _output(item: Item, options: Options) -> Path:
    return Path(options.output) / (as_file_name(item.name) + ".seg.nrrd")


def describe(results: Results) -> str:
    """What was written."""
    lines = [f"{row['output']}: {counted(row['segments'], 'segments')}, {row['voxels']} voxels" for row in results.rows]
    return "\n".join(lines + failure_lines(results.failures))


def threshold_item(item: Item, options: Options, progress: Progress) -> list[Row]:
    """Segment one tomogram and write the result."""
    import numpy as np

    from ACSegLib.files import save_segmentation
    from ACSegLib.measure.thresholding import ThresholdSettings, threshold_segmentation

    progress(0.0, f"reading {item.name}")
    volume = open_image(item.files["image"], options)
    if options.model is not None:
        result = _segmented_by_model(volume, item, options)
    else:
        settings = ThresholdSettings(
            method=options.method,
            bright=not options.dark,
            smoothing=options.smoothing,
            window=options.window,
            classes=options.classes,
            keep=options.keep,
            minimum_voxels=options.min_size,
            cell_radius=options.cell_radius,
        )
        result = threshold_segmentation(volume, settings, progress=progress)
    output = _output(item, options)
    save_segmentation(result, output)
    voxels = int(sum(np.count_nonzero(layer) for layer in result.layers))
    return [{"volume_name": item.name, "output": str(output), "segments": len(result.segments), "voxels": voxels}]


def _segmented_by_model(volume: Volume, item: Item, options: Options) -> Segmentation:
    """The central slice by the 2D model, from a box around the first segment of the labels."""
    import numpy as np

    from ACSegLib.files.prompt_model import open_prompt_model
    from ACSegLib.measure.thresholding import AXES, box_of, prompted_slice
    from ACSegLib.special_segments import structures
    from ACSegLib.volume import require_same_grid

    labels, _, _ = structures(open_labels(item.files["box"], options))
    if not labels.segments:
        raise InputError(f"{item.files['box']}: no voxel is labelled, so there is no box for {item.name}.")
    labels, placed = in_one_unit(place_labels(labels, volume, resample=options.resample), volume)
    require_same_grid(placed, labels)
    number = AXES.index(options.axis)
    plane = np.take(labels.mask(labels.segments[0]), volume.shape[number] // 2, axis=number)
    box = box_of(plane, options.box_margin)
    return prompted_slice(volume, open_prompt_model(str(options.model)), box=box, axis=options.axis)
