"""Measure cells: volume, surface, filopodia, contacts and absorption, per segment and per connected cell.

Give one segmentation, or a folder of them. The files of a folder are measured in parallel, and an interrupted run
continues where it stopped. Files that cannot be read are listed at the end, and the others are measured.

Examples:
  acseg measure cell.seg.nrrd --image cell.mrc -o cell.csv
  acseg measure results/ --image tomograms/ -o cells.xlsx --exclude-border
  acseg measure results/ -o cells.csv --image tomograms/ --bead-reference 1.2
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from ACSegLib.commands.batch import LISTED, Item, TableResults, beside, failure_lines, more_lines, run_table
from ACSegLib.commands.inputs import find_images, find_labels
from ACSegLib.commands.matching import files_there, match_files, name_files, segments_there
from ACSegLib.commands.opening import (
    ImageDatasetOption,
    LabelsDatasetOption,
    VoxelSizeOption,
    check_opening,
    open_image,
    open_labels,
)
from ACSegLib.commands.options import option
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Row
from ACSegLib.placement import UNITS, in_one_unit, with_default_unit, with_image
from ACSegLib.volume import UNITS_IN_MM, distinct_names
from ACSegLib.wording import counted
from ACSegLib.workflows import MeasureRequest

SUMMARY = "measure volume, surface, filopodia, contacts and absorption of cells"

_SURFACES = ("crofton", "crofton49", "marching_cubes", "smoothed_mesh", "faces")


@dataclass
class Options(ImageDatasetOption, LabelsDatasetOption, VoxelSizeOption):
    """Options of ``acseg measure``."""

    inputs: list[str] = option(path="in", positional=True, help="segmentations, or folders of them", metavar="LABELS")
    output: str = option(
        path="out",
        endings="table",
        help="table to write (.csv, .xlsx or .json)",
        short="o",
        metavar="TABLE",
        default_name="measured.csv",
    )
    image: str | None = option(
        path="in", default=None, help="tomogram, or folder of tomograms of the same names, for absorption (LAC)"
    )
    segments: list[str] = option(default=[], help="names of the segments to measure; default: all")
    unit: str = option(
        default=MeasureRequest.unit, help="unit of lengths; 'file' keeps that of the file", choices=UNITS
    )
    file_unit: str | None = option(
        default=None,
        help="unit of the numbers in files that do not state one, such as those of Slicer",
        choices=tuple(UNITS_IN_MM),
    )
    cells: bool = option(
        default=MeasureRequest.cells,
        help="also add one row per cell; --cells, if given, splits touching cells first, as --apart does",
        sets="apart",
    )
    apart: bool = option(
        default=MeasureRequest.apart,
        help="split touching cells first, and say which cells touch; otherwise cells are connected components",
    )
    min_volume: float = option(
        default=MeasureRequest.min_volume, help="minimum volume of a cell that gets a row", minimum=0, unit="cubic unit"
    )
    exclude_border: bool = option(
        default=MeasureRequest.exclude_border, help="exclude cells that the border of the volume cuts"
    )
    thin_parts: bool = option(default=MeasureRequest.thin_parts, help="count and measure filopodia")
    thin_radius: float = option(
        default=MeasureRequest.thin_radius,
        help="a structure is thin where no ball of this radius fits; 0: automatic (0.25 um, but at least 1.5 voxels)",
        minimum=0,
        unit="the unit",
    )
    contacts: bool = option(default=MeasureRequest.contacts, help="measure the areas of contact with other segments")
    contact_gap: float = option(
        default=MeasureRequest.contact_gap, help="gap that still counts as contact", minimum=0, unit="the unit"
    )
    intensity_unit: str = option(
        default=MeasureRequest.intensity_unit,
        help="unit of the image's values, such as 1/um for LAC; without it, reports call the values intensity",
    )
    bead_reference: float = option(
        default=MeasureRequest.bead_reference,
        help="scale absorption so that the beads have this value; 0: do not scale",
        minimum=0,
        unit="1/um",
    )
    bead_name: str = option(default=MeasureRequest.bead_name, help="text in the names of bead segments")
    resample: bool = option(default=False, help="resample images that are not on the grid of their labels")
    workers: int = option(default=0, help="volumes measured at a time; 0: one per core", minimum=0)
    surface_method: str = option(
        default=MeasureRequest.surface_method, help="estimator of surface area", choices=_SURFACES, advanced=True
    )
    connectivity: int = option(
        default=MeasureRequest.connectivity,
        help="number of neighbours of a voxel that count as connected",
        choices=(6, 18, 26),
        advanced=True,
    )


@dataclass
class Results(TableResults):
    """What a measurement gave: the table and what is doubtful about it."""

    warnings: list[str]


def run(options: Options, progress: Progress) -> Results:
    """Measure each input and write the table."""
    check_opening(options)
    from ACSegLib.measure.contact_table import split_contacts, split_many_contacts
    from ACSegLib.measure.table_checks import summarise_cells, warnings_on

    items, missing = _items(options)
    warnings: list[str] = []

    def summarise(rows: list[Row]) -> list[Row]:
        smallest = options.min_volume * options.cells
        warnings.extend(warnings_on(rows, options.unit, min_volume=smallest, exclude_border=options.exclude_border))
        return summarise_cells(rows)

    def split(rows: list[Row]) -> tuple[list[Row], dict[str, list[Row]]]:
        earlier = Path(beside(options.output, "contacts")).exists()  # it must not stay as that of another measurement
        rows, pairs = (split_contacts if earlier else split_many_contacts)(rows)
        return rows, {"contacts": pairs} if pairs or earlier else {}

    table = run_table(items, missing, measure_item, options, summarise, progress, split=split)
    return Results(**vars(table), warnings=warnings)


def describe(results: Results) -> str:
    """Say what was measured, per segment, and what failed."""
    from ACSegLib.study.numbers import plain, with_interval

    lines = [f"{counted(results.volumes, 'volumes')}, {counted(results.rows, 'rows')} -> {results.outputs['table']}"]
    if contacts := results.outputs.get("contacts"):
        lines.append(f"  pairs that touch -> {contacts}")
    for row in results.summary[:LISTED]:
        unit = row["unit"]
        cubic, ends = f" {unit}3", row.get("ends")
        volume = with_interval(row["volume"], ends[0], ends[1], cubic, "90 %") if ends else plain(row["volume"]) + cubic
        ratio = "" if row["surface_to_volume"] is None else f", S/V {plain(row['surface_to_volume'])} 1/{unit}"
        sizes = f"volume {volume}, surface {plain(row['surface_area'])} {unit}2{ratio}"
        mean = f" (mean of {row['count']})" if row["count"] > 1 else ""
        lines.append(f"  {row['segment']}: {sizes}{mean}")
    lines += more_lines(results.summary)
    lines += [f"  note: {text}" for text in results.warnings]
    return "\n".join(lines + failure_lines(results.failures))


def _items(options: Options) -> tuple[list[Item], dict[str, str]]:
    labels, missing = files_there(options.inputs, find_labels)
    named = name_files(labels)
    if options.image is None:
        return [Item(name, {"labels": path}) for name, path in named.items()], missing
    own = {os.path.abspath(path) for path in labels}  # both may lie in one folder
    images = find_images([options.image])
    if options.image_dataset is None and options.labels_dataset is None:  # else one file may hold image and labels
        images = [path for path in images if os.path.abspath(path) not in own]
    partners, without = match_files(named, images, "image", options.image)
    items = [Item(name, {"labels": named[name], "image": image}) for name, image in partners.items()]
    return items, missing | without


def measure_item(item: Item, options: Options, progress: Progress) -> list[Row]:
    """Measure one segmentation file."""
    from ACSegLib.files.registry import tell
    from ACSegLib.special_segments import structures
    from ACSegLib.unfilled_labels import unfilled_notes
    from ACSegLib.workflows import MeasureRequest
    from ACSegLib.workflows import run as run_request

    progress(0.0, f"reading {item.name}")
    segmentation, _, notes = structures(open_labels(item.files["labels"], options), keep=options.segments)
    tell(notes)
    if not segmentation.segments:
        raise InputError(f"{item.files['labels']}: no voxel is labelled; there is nothing to measure.")
    tell(unfilled_notes(segmentation))
    volume = open_image(item.files["image"], options) if "image" in item.files else None
    if volume is not None:
        segmentation, volume = with_image(segmentation, volume, resample=options.resample)
        segmentation, volume = in_one_unit(segmentation, volume)
        volume = with_default_unit(volume, options.file_unit)
    segmentation = with_default_unit(segmentation, options.file_unit)
    chosen = segments_there(options.segments, distinct_names(segmentation.segments))
    if chosen is None:
        return []
    request = MeasureRequest.from_options(segmentation, volume, replace(options, segments=chosen))
    rows = run_request(request, progress=progress)
    group = Path(item.files["labels"]).absolute().parent.name
    return [{"volume_name": item.name, "group": group, **row} for row in rows]
