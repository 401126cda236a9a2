"""Split touching cells: a segment for each cell, by seams in the image, necks of the shape, or seeds.

Seams are dark or bright lines between cells, which are found in the image. Without an image the shape alone counts.
The number of cells is found, or given with --count. With --seeds, each segment of the seeds marks one cell; if the
seeds have one segment, each of its dabs marks one cell. Parts that are too small to be cells are removed, and a note
says so.

Examples:
  acseg split cells.seg.nrrd --image tomogram.mrc -o apart.seg.nrrd
  acseg split cells.seg.nrrd --image tomogram.mrc -o apart.seg.nrrd --count 3
  acseg split cells.seg.nrrd -o apart.seg.nrrd --seeds dabs.seg.nrrd
  acseg split results/ --image tomograms/ -o apart/               (folders, paired by name)
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ACSegLib.commands.folders import FolderResults, describe_each
from ACSegLib.commands.opening import (
    ImageDatasetOption,
    LabelsDatasetOption,
    VoxelSizeOptions,
    check_opening,
    open_image,
    open_labels,
)
from ACSegLib.commands.options import option
from ACSegLib.commands.run_report import Results as BaseResults
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.wording import counted
from ACSegLib.workflows import SplitRequest

SUMMARY = "split touching cells into segments of their own"


@dataclass
class Options(LabelsDatasetOption, ImageDatasetOption, VoxelSizeOptions):
    """Options of ``acseg split``."""

    labels: str = option(path="in", help="segmentation whose cells touch, or a folder of them", positional=True)
    output: str = option(
        path="place",
        help="segmentation to write; or a folder, if labels are in one",
        short="o",
        default_name="split.seg.nrrd",
    )
    image: str | None = option(
        path="in",
        default=None,
        help="image in which seams are looked for; of a folder of labels, the folder of their images, paired by name",
    )
    seeds: str | None = option(
        path="in", default=None, help="labels with a dab in each cell; the number of cells is that of the dabs"
    )
    segments: list[str] = option(
        default=[], help="segments to split; all but beads, glass and background if not given", metavar="SEGMENT"
    )
    count: int | None = option(default=None, help="number of cells; found if not given", minimum=1)
    smallest: float | None = option(
        default=None,
        help="smaller parts are no cells; if not given, learned from the sizes of all parts",
        minimum=0,
        unit="voxels",
    )
    seams: str = option(
        default=SplitRequest.seams,
        help="what seams look like; none: the shape alone counts",
        choices=("auto", "dark", "bright", "none"),
    )
    outlines: str = option(
        default=SplitRequest.outlines,
        help="where the outlines come from; auto: predicted if the segmentation says so, else drawn",
        choices=("auto", "drawn", "predicted"),
    )
    resample: bool = option(
        default=SplitRequest.resample, help="resample labels and seeds on another grid to the grid of the image"
    )


@dataclass
class Results(BaseResults):
    """What a split gave: the number of cells of each segment, their sizes in voxels, and notes."""

    cells: dict[str, int]
    voxels: dict[str, list[int]]
    warnings: list[str]


def run(options: Options, progress: Progress) -> Results | FolderResults[Results]:
    """Split, and write the result; of a folder, for each file."""
    from ACSegLib.commands.inputs import is_folder_of_images
    from ACSegLib.commands.outputs import Output, check_outputs

    check_opening(options)
    if is_folder_of_images(options.labels):
        return _split_folder(options, progress)
    inputs = [path for path in (options.labels, options.image, options.seeds) if path]
    check_outputs([Output(options.output, "--output", "image")], inputs)
    return _split_file(options, progress)


def _split_folder(options: Options, progress: Progress) -> FolderResults[Results]:
    """Split file by file; whatever is wrong with one of them does not stop the others."""
    from ACSegLib.commands.folders import places_in_folder, run_each
    from ACSegLib.commands.inputs import find_labels
    from ACSegLib.commands.pairs import pair_folders
    from ACSegLib.files.names import SEGMENTATION_ENDING, stem

    if options.seeds:
        raise InputError("--seeds needs a single segmentation; give one, not a folder.")
    images: dict[str, str | None] = dict.fromkeys(find_labels([options.labels]))
    failures: dict[str, str] = {}
    if options.image:
        pairs, failures = pair_folders(options.image, options.labels)
        images = {pair.labels: pair.image for pair in pairs}
    read = [image for image in images.values() if image]
    places = places_in_folder(options.output, list(images), SEGMENTATION_ENDING, others=read)
    singles = {
        stem(labels): replace(options, labels=labels, image=image, output=places[labels])
        for labels, image in images.items()
    }
    return run_each(singles, _split_file, options.output, progress, failures=failures)


def _split_file(options: Options, progress: Progress) -> Results:
    from ACSegLib.files import save_segmentation
    from ACSegLib.workflows import run as run_request

    progress(0.0, "reading the files")
    labels = open_labels(options.labels, options)
    volume = open_image(options.image, options) if options.image is not None else None
    seeds = open_labels(options.seeds, options) if options.seeds is not None else None
    request = SplitRequest.from_options(labels, volume, seeds, options)
    outcome = run_request(request, progress=progress.part(0.05, 0.95))
    progress(0.95, "writing the result")
    notes = save_segmentation(outcome.segmentation, options.output)
    return Results(
        cells=outcome.counts,
        voxels=outcome.sizes,
        warnings=[*outcome.notes, *notes],
        outputs={"segmentation": options.output},
    )


def describe(results: Results | FolderResults[Results]) -> str:
    """How many cells each segment has, and what to know about it."""
    return describe_each(results, _describe_file)


def _describe_file(results: Results) -> str:
    total = sum(results.cells.values())
    lines = [counted(total, "cells")]
    for name, sizes in results.voxels.items():
        if sizes:
            span = "" if min(sizes) == max(sizes) else f"{min(sizes)} to "
            lines.append(f"  {name}: {len(sizes)}, of {span}{counted(max(sizes), 'voxels')}")
    lines += [f"note: {note}" for note in results.warnings]
    lines += [f"written: {path}" for path in results.outputs.values()]
    return "\n".join(lines)
