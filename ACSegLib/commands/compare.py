"""Compare segmentations with a reference: Dice, surface distances, volumes and surface-to-volume ratios.

Give two files, or two folders whose files have the same names (a result may have an addition: cell1_filled for
cell1). Folders are compared in parallel, and an interrupted run continues where it stopped. Pairs that are incomplete
or cannot be read are listed at the end, and the others are compared.

Examples:
  acseg compare result.seg.nrrd truth.seg.nrrd -o scores.csv
  acseg compare results/ truth/ -o scores.xlsx --tolerance 0.06
  acseg compare results/ truth/ -o scores.csv --instances --ignore-value 2
  acseg compare watershed/ truth/ -o cells.csv --cells          (every segment is one cell)
  acseg compare sam/ truth/ -o slices.csv --slice k              (only the central slice)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ACSegLib.commands.batch import (
    LISTED,
    Item,
    TableResults,
    failure_lines,
    more_lines,
    require_segments,
    run_table,
    table_results,
)
from ACSegLib.commands.inputs import find_labels
from ACSegLib.commands.matching import match_files, name_files, segments_there
from ACSegLib.commands.opening import LabelsDatasetOption, VoxelSizeOption, check_opening, open_labels
from ACSegLib.commands.options import option
from ACSegLib.errors import InputError
from ACSegLib.files.names import stem
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Row
from ACSegLib.placement import (
    UNITS,
    in_one_unit,
    lies_on_voxels,
    notes_on_lengths,
    place_labels,
    voxel_edge,
    with_default_unit,
    with_room_for,
)
from ACSegLib.volume import UNITS_IN_MM
from ACSegLib.wording import counted

if TYPE_CHECKING:
    import numpy as np

    from ACSegLib.volume import Segmentation

SUMMARY = "compare segmentations with a reference"


@dataclass
class Options(LabelsDatasetOption, VoxelSizeOption):
    """Options of ``acseg compare``."""

    result: str = option(path="in", positional=True, help="segmentation, or a folder of them")
    truth: str = option(path="in", positional=True, help="reference segmentation, or a folder of them")
    output: str | None = option(
        path="out",
        endings="table",
        default=None,
        help="table to write (.csv, .xlsx or .json)",
        short="o",
        metavar="TABLE",
    )
    segments: list[str] = option(default=[], help="names of the segments to compare; default: all")
    unit: str = option(default="um", help="unit of lengths; 'file' keeps that of the file", choices=UNITS)
    file_unit: str | None = option(
        default=None,
        help="unit of the numbers in files that do not state one, such as those of Slicer",
        choices=tuple(UNITS_IN_MM),
    )
    tolerance: float = option(
        default=0.0, help="tolerance of the surface Dice; 0: one voxel edge", minimum=0, unit="the unit"
    )
    ignore_value: int = option(
        default=0, help="value of the reference that means 'not labelled' and does not count; 0: none", minimum=0
    )
    instances: bool = option(default=False, help="match connected cells: panoptic quality, splits, merges")
    cells: bool = option(
        default=False,
        help="every segment is one cell: match cells by overlap, not by name. The table has one row for all cells "
        "(panoptic quality, splits, merges) and one row per cell",
    )
    slice: str = option(
        default="",
        help="compare only one slice: x, y or z for the central slice along this axis, z120 for slice 120 "
        "(counted from 0); there are no surface distances and areas then",
    )
    distances: bool = option(default=True, help="measure surface distances")
    morphology: bool = option(
        default=True, help="measure surface area and surface-to-volume ratio of result and reference"
    )
    exclude_border: bool = option(default=False, help="exclude segments that the border of the volume cuts")
    resample: bool = option(default=False, help="resample a result that is not on the grid of the reference")
    workers: int = option(default=0, help="pairs compared at a time; 0: one per core", minimum=0)
    surface: str = option(
        default="surfels",
        help="surface elements: area-weighted (surfels) or border voxels of equal weight (voxels)",
        choices=("surfels", "voxels"),
        advanced=True,
    )


def run(options: Options, progress: Progress) -> TableResults:
    """Compare each pair and write the table."""
    from ACSegLib.measure.scores import summarise_scores
    from ACSegLib.workflows import CompareRequest

    CompareRequest.check(options)
    if options.exclude_border and (options.cells or options.slice):
        raise InputError("--exclude-border excludes whole segments; it cannot be combined with --cells or --slice.")
    check_opening(options)
    items, missing = pair_files(options.result, options.truth)

    def keep(row: Row) -> bool:
        return not (options.exclude_border and row["touches_border"])

    if options.output is not None:
        return run_table(items, missing, compare_item, options, summarise_scores, progress, keep)
    if len(items) + len(missing) > 1:
        raise InputError("a comparison of folders needs a table to write; give it with --output.")
    rows = [row for item in items for row in compare_item(item, options, progress)]
    require_segments(options.segments, rows)
    rows = [row for row in rows if keep(row)]
    return table_results(rows, missing, len(items), summarise_scores(rows), None)


def describe(results: TableResults) -> str:
    """Mean and spread per segment, and what failed."""
    table = results.outputs.get("table")
    lines = [f"{counted(results.volumes, 'pairs')} compared" + (f" -> {table}" if table else "")]
    for row in results.summary[:LISTED]:
        number = f" (n = {row['count']})" if results.volumes > 1 else ""
        lines.append(f"  {row['segment']}{number}: {', '.join(_values(row))}")
    return "\n".join([*lines, *more_lines(results.summary), *_mean_lines(results), *failure_lines(results.failures)])


def _mean_lines(results: TableResults) -> list[str]:
    """The mean Dice of several segments of one pair; those that neither side has do not count."""
    values = [row["dice"]["mean"] for row in results.summary if row["dice"]["count"] > row["absent"]]
    if results.volumes > 1 or len(values) < 2:
        return []
    return [f"  mean of {len(values)} segments: Dice {sum(values) / len(values):.3f}"]


def _values(row: Row) -> list[str]:
    """What a person should read of a segment. Where cells were matched, their quality comes first."""
    from ACSegLib.measure.overlap import ALL_CELLS

    if row["absent"] == row["count"]:
        return ["neither side has this segment"]
    unit, parts = row["unit"], []
    if row["panoptic_quality"]["count"]:
        detail = [f"{name} {_pm(row[f'{name}_quality'])}" for name in ("recognition", "segmentation")]
        parts.append(f"panoptic quality {_pm(row['panoptic_quality'])} ({', '.join(detail)})")
        parts.append(", ".join(counted(number, name.replace("_", " ")) for name, number in row["cells"].items()))
    # The Dice of all cells together is that of the foreground: it is 1 even if all cells are merged.
    parts.append(f"{'foreground ' * (row['segment'] == ALL_CELLS)}Dice {_share(row['dice'])}")
    if row["absent"]:
        parts[-1] += f" ({row['absent']} of {row['count']} count as 1: neither side has the segment)"
    if row["average_surface_distance"]["count"]:
        parts.append(f"average surface distance {_pm(row['average_surface_distance'])} {unit}")
        parts.append(f"95 % distance {_pm(row['surface_distance_95'])} {unit}")
        if missing := row["average_surface_distance"]["undefined"]:
            parts[-1] += f" (without {missing} in which one side is empty)"
        parts.append(f"surface Dice {_share(row['surface_dice'])}")
    if row["volume_error"]["count"]:
        parts.append(f"volume error {_pm(row['volume_error'], 100)} %")
    return parts


def _share(spread: Row) -> str:
    """A number of at most one, as the other commands write it: with three decimals."""
    return f"{spread['mean']:.3f}" if spread["count"] and spread["sd"] is None else _pm(spread)


def _pm(spread: Row, scale: float = 1.0) -> str:
    """Mean and SD as text, rounded by the SD."""
    from ACSegLib.study.numbers import plain, rounded

    if not spread["count"]:
        return "undefined"
    if spread["sd"] is None:
        return plain(spread["mean"] * scale)
    return rounded(spread["mean"] * scale, spread["sd"] * scale, "+-")


def pair_files(result: str, truth: str) -> tuple[list[Item], dict[str, str]]:
    """Pair the files of two folders (or two files) by name; what has no partner is named in a sentence."""
    results, truths = find_labels([result]), find_labels([truth])
    named = name_files(truths)
    partners, missing = match_files(named, results, "result", result)
    items = [Item(name, {"result": found, "truth": named[name]}) for name, found in partners.items()]
    for path in results:
        if path not in partners.values():
            missing[f"{stem(path)} (result)"] = f"{path}: there is no truth of this name in {truth}."
    return items, missing


def compare_item(item: Item, options: Options, progress: Progress) -> list[Row]:
    """Compare one pair of files."""
    from ACSegLib.files.registry import tell
    from ACSegLib.measure.overlap import note_on_names, pair_segments
    from ACSegLib.special_segments import structures_of_both
    from ACSegLib.unfilled_labels import notes_on_one_unfilled
    from ACSegLib.workflows import CompareRequest
    from ACSegLib.workflows import run as run_request

    stages = progress.stages(read=1, compare=9)
    stages.read(0.0, f"reading {item.name}")
    reference, result = (open_labels(item.files[side], options) for side in ("truth", "result"))
    reference = with_room_for(reference, result)
    if options.resample and options.morphology and not lies_on_voxels(result, reference):
        tell([f"{item.name}: the result was resampled, whose steps enlarge its surface; acseg measure has it without."])
    result = place_labels(result, reference, resample=options.resample)
    result, reference = (with_default_unit(side, options.file_unit) for side in in_one_unit(result, reference))
    tell(notes_on_lengths({item.name: voxel_edge(reference.geometry)}, options.unit))
    reference, ignored = _split_ignored(reference, options.ignore_value)
    result, reference, ignored, notes = structures_of_both(result, reference, ignored, options.segments)
    tell(notes)
    if not (result.segments or reference.segments):
        raise InputError(f"{item.name}: neither the result nor the reference has a segment to compare.")
    if ignored is None and not options.slice:
        tell(notes_on_one_unfilled(result, reference))
    names = [] if options.cells else [name for name, _, _ in pair_segments(result, reference)]
    if not options.cells and (note := note_on_names(result, reference)):
        tell([f"{item.name}: {note}"])
    chosen = segments_there(options.segments, names)
    if chosen is None:
        return []
    request = replace(CompareRequest.from_options(result, reference, ignored, options), segments=chosen)
    rows = run_request(request, progress=stages.compare)
    progress(1.0, f"compared {item.name}")
    return [{"volume_name": item.name, **row} for row in rows]


def _split_ignored(truth: Segmentation, value: int) -> tuple[Segmentation, np.ndarray | None]:
    """Take the unlabelled region out of the truth: its mask, and the truth without its row."""
    if not value:
        return truth, None
    ignore = truth.layers[0] == value
    rows = [s for s in truth.segments if not (s.layer == 0 and s.value == value)]
    labels = truth.layers[0].copy()
    labels[ignore] = 0
    return replace(truth, layers=(labels, *truth.layers[1:]), segments=rows), ignore
