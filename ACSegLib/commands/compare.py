"""Compare segmentations with the truth: Dice, surface distances, volumes and surface-to-volume ratios.

Give two files, or two folders whose files have the same names (a result may have something added: cell1_filled for
cell1). Folders are compared in parallel, and a run that was stopped goes on where it was. Pairs that are incomplete or
cannot be read are listed at the end and the others are done.

Examples:
  acseg compare result.seg.nrrd truth.seg.nrrd -o scores.csv
  acseg compare results/ truth/ -o scores.xlsx --tolerance 0.06
  acseg compare results/ truth/ -o scores.csv --instances --ignore-value 2
  acseg compare watershed/ truth/ -o cells.csv --cells          (every segment is a cell; names do not matter)
  acseg compare sam/ truth/ -o slices.csv --slice k              (the central slice alone)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ACSegLib.commands.batch import LISTED, Item, failure_lines, more_lines, require_segments, run_table, table_results
from ACSegLib.commands.inputs import find_labels, stem
from ACSegLib.commands.matching import match_files, name_files, segments_there
from ACSegLib.commands.options import option
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.placement import UNITS, in_one_unit, in_unit, place_labels, told_unit
from ACSegLib.volume import UNITS_IN_MM

if TYPE_CHECKING:
    import numpy as np

    from ACSegLib.measure.regions import SegmentBoxes
    from ACSegLib.volume import Segment, Segmentation

SUMMARY = "compare segmentations with the truth"


@dataclass
class Options:
    """Options of ``acseg compare``."""

    result: str = option(path="in", positional=True, help="segmentation to judge, or a folder of them")
    truth: str = option(path="in", positional=True, help="true segmentation, or a folder of them")
    output: str | None = option(
        path="out",
        endings="table",
        default=None,
        help="table to write (.csv, .xlsx or .json)",
        short="o",
        metavar="TABLE",
    )
    segments: list[str] = option(default=[], help="names of the segments to compare; all when left out")
    unit: str = option(default="um", help="unit of lengths; 'file' keeps that of the file", choices=UNITS)
    file_unit: str | None = option(
        default=None, help="unit of the numbers in files that name none, such as Slicer's", choices=tuple(UNITS_IN_MM)
    )
    tolerance: float = option(
        default=0.0, help="distance that the surface Dice forgives; 0: one voxel edge", minimum=0, unit="the unit"
    )
    ignore_value: int = option(
        default=0, help="value of the truth that means 'not labelled' and does not count; 0: none", minimum=0
    )
    instances: bool = option(default=False, help="match connected cells: panoptic quality, splits, merges")
    cells: bool = option(default=False, help="every segment is a cell: match those of both sides, whatever their names")
    slice: str = option(
        default="", help="compare one slice alone: k, j or i for the central one across it, k120 for another"
    )
    distances: bool = option(default=True, help="measure surface distances")
    morphology: bool = option(default=True, help="surface area and surface-to-volume ratio of both sides")
    exclude_border: bool = option(default=False, help="leave out segments that the border of the volume cuts")
    resample: bool = option(default=False, help="bring the result onto the truth's grid where the two differ")
    workers: int = option(default=0, help="pairs compared at a time; 0: one a core", minimum=0)
    surface: str = option(
        default="surfels",
        help="surface elements: area-weighted (surfels) or border voxels of equal weight (voxels)",
        choices=("surfels", "voxels"),
        advanced=True,
    )


def run(options: Options, progress: Progress) -> dict[str, Any]:
    """Compare each pair and write the table."""
    if options.cells and (options.segments or options.instances):
        raise InputError("--cells takes every segment as a cell; leave --segments and --instances out.")
    if options.slice:
        _parse_slice(options.slice)
    if options.exclude_border and (options.cells or options.slice):
        raise InputError("--exclude-border leaves out whole segments; it does not go with --cells or --slice.")
    items, missing = pair_files(options.result, options.truth)

    def keep(row: Mapping[str, Any]) -> bool:
        return not (options.exclude_border and row["touches_border"])

    if options.output is not None:
        return run_table(items, missing, compare_item, options, summarise, progress, keep)
    if len(items) + len(missing) > 1:
        raise InputError("comparing folders needs a table to write; name it with --output.")
    rows = [row for item in items for row in compare_item(item, options, progress)]
    require_segments(options.segments, rows)
    rows = [row for row in rows if keep(row)]
    return table_results(rows, missing, len(items), summarise(rows), None)


def describe(results: Mapping[str, Any]) -> str:
    """Mean and spread per segment, and what failed."""
    table = results["outputs"].get("table")
    lines = [f"{results['volumes']} pair(s) compared" + (f" -> {table}" if table else "")]
    for row in results["summary"][:LISTED]:
        parts = [f"Dice {_pm(row['dice'], 100)} %"]
        if row["average_surface_distance"]["count"]:
            unit = row["unit"]
            parts.append(f"average surface distance {_pm(row['average_surface_distance'])} {unit}")
            parts.append(f"95 % distance {_pm(row['surface_distance_95'])} {unit}")
            if missing := row["average_surface_distance"]["undefined"]:
                parts[-1] += f" (without {missing} in which one side is empty)"
            parts.append(f"surface Dice {_pm(row['surface_dice'], 100)} %")
        if row["volume_error"]["count"]:
            parts.append(f"volume {_pm(row['volume_error'], 100)} %")
        if row["panoptic_quality"]["count"]:
            parts.append(f"panoptic quality {_pm(row['panoptic_quality'])}")
            parts.append(", ".join(f"{number} {name.replace('_', ' ')}" for name, number in row["cells"].items()))
        lines.append(f"  {row['segment']} (n = {row['count']}): " + ", ".join(parts))
    return "\n".join([*lines, *more_lines(results["summary"]), *failure_lines(results["failures"])])


def _pm(figure: Mapping[str, Any], scale: float = 1.0) -> str:
    if not figure["count"]:
        return "undefined"
    mean = f"{figure['mean'] * scale:.4g}"
    return mean + (f" +- {figure['sd'] * scale:.3g}" if figure["count"] > 1 else "")


def pair_files(result: str, truth: str) -> tuple[list[Item], dict[str, str]]:
    """Pair the files of two folders (or two files) by name; what has no partner is told in a sentence."""
    results, truths = find_labels([result]), find_labels([truth])
    named = name_files(truths)
    partners, missing = match_files(named, results, "result", result)
    items = [Item(name, {"result": found, "truth": named[name]}) for name, found in partners.items()]
    for path in results:
        if path not in partners.values():
            missing[f"{stem(path)} (result)"] = f"{path}: there is no truth of this name in {truth}."
    return items, missing


def compare_item(item: Item, options: Options, progress: Progress) -> list[dict[str, Any]]:
    """Compare one pair of files."""
    from ACSegLib.files import open_segmentation
    from ACSegLib.files.units import assume_unit
    from ACSegLib.measure.overlap import require_same_place

    progress(0.0, f"reading {item.name}")
    with assume_unit(options.file_unit):
        truth, result = (open_segmentation(item.files[side]) for side in ("truth", "result"))
    result = place_labels(result, truth, resample=options.resample)
    result, truth = (told_unit(side, options.file_unit) for side in in_one_unit(result, truth))
    truth, ignore = _split_ignored(truth, options.ignore_value)
    result, truth = in_unit(result, options.unit), in_unit(truth, options.unit)
    if options.slice:
        require_same_place(result, truth)
        box = _slice_box(options.slice, truth.shape)
        result, truth = _cut(result, box), _cut(truth, box)
        ignore = ignore[box] if ignore is not None else None
    if not (result.segments or truth.segments):
        raise InputError(f"{item.name}: neither the result nor the truth has a segment to compare.")
    rows = _rows(result, truth, ignore, options, progress.part(0.0, 0.8))
    if not options.slice and not options.cells:
        _add_shape_figures(rows, result, truth, ignore, options.morphology)
    progress(1.0, f"compared {item.name}")
    return [{"volume_name": item.name, **row} for row in rows]


def _rows(
    result: Segmentation, truth: Segmentation, ignore: np.ndarray | None, options: Options, progress: Progress
) -> list[dict[str, Any]]:
    from ACSegLib.measure.overlap import compare_cells, compare_segmentations, pair_segments

    figures: dict[str, Any] = {
        "ignore": ignore,
        "tolerance": options.tolerance or None,
        "surface": options.surface,
        # The surface of a single slice would be the slice itself.
        "distances": options.distances and not options.slice,
    }
    if options.cells:
        return [compare_cells(result.flattened(), truth.flattened(), **figures)]
    chosen = segments_there(options.segments, [name for name, _, _ in pair_segments(result, truth)])
    if chosen is None:
        return []
    return compare_segmentations(
        result, truth, segments=chosen, instances=options.instances, progress=progress, **figures
    )


def _parse_slice(text: str) -> tuple[int, int | None]:
    """Array axis and number of a slice: "k" is the central one (None) across k, "k120" that number."""
    found = re.fullmatch(r"([kji])(\d*)", text.strip().lower())
    if found is None:
        raise InputError(f"--slice must be k, j or i, with a number for a slice that is not central, not {text!r}.")
    return "kji".index(found[1]), int(found[2]) if found[2] else None


def _slice_box(text: str, shape: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    axis, number = _parse_slice(text)
    number = shape[axis] // 2 if number is None else number
    if number >= shape[axis]:
        raise InputError(f"--slice {text} is outside the volume, which has {shape[axis]} slices across {'kji'[axis]}.")
    k, j, i = (slice(number, number + 1) if n == axis else slice(0, size) for n, size in enumerate(shape))
    return k, j, i


def _cut(segmentation: Segmentation, box: tuple[slice, slice, slice]) -> Segmentation:
    from dataclasses import replace

    return replace(segmentation, layers=tuple(layer[box] for layer in segmentation.layers))


def _split_ignored(truth: Segmentation, value: int) -> tuple[Segmentation, np.ndarray | None]:
    """Take the unlabelled region out of the truth: its mask, and the truth without its row."""
    if not value:
        return truth, None
    from dataclasses import replace

    ignore = truth.layers[0] == value
    rows = [s for s in truth.segments if not (s.layer == 0 and s.value == value)]
    labels = truth.layers[0].copy()
    labels[ignore] = 0
    return replace(truth, layers=(labels, *truth.layers[1:]), segments=rows), ignore


def _add_shape_figures(
    rows: list[dict[str, Any]], result: Segmentation, truth: Segmentation, ignore: np.ndarray | None, surfaces: bool
) -> None:
    """Add to each row whether the true segment is cut by the border, and the surface figures of both sides."""
    from ACSegLib.measure.overlap import pair_segments
    from ACSegLib.measure.regions import SegmentBoxes, touches_border

    pairs = {name: sides for name, *sides in pair_segments(result, truth)}
    boxes = SegmentBoxes(result), SegmentBoxes(truth)
    for row in rows:
        of_result, of_truth = pairs[row["segment"]]
        box = boxes[1].box(of_truth)
        row["touches_border"] = box is not None and touches_border(box, truth.shape)
        if not surfaces:
            continue
        for side, segment, found, labels in zip(
            ("result", "truth"), (of_result, of_truth), boxes, (result, truth), strict=True
        ):
            area, ratio = _surface_figures(segment, found, labels, ignore)
            row[f"{side}_surface_area"], row[f"{side}_surface_to_volume"] = area, ratio


def _surface_figures(
    segment: Segment | None, boxes: SegmentBoxes, labels: Segmentation, ignore: np.ndarray | None
) -> tuple[float, float]:
    """Surface area of a segment outside the ignored region, and its ratio to the volume there (NaN if there is none).

    The surface that lies on the region does not count either: there the region ends, which the cell need not.
    """
    from ACSegLib.measure.contacts import contact_areas
    from ACSegLib.measure.regions import union_box
    from ACSegLib.measure.surface import surface_area

    box = union_box([boxes.box(segment)], labels.shape, margin=1)
    if box is None:
        return 0.0, float("nan")
    mask, spacing = boxes.mask(segment, box), labels.geometry.spacing
    cut = 0.0
    if ignore is not None:
        mask &= ~ignore[box]
        cut = contact_areas(mask, ignore[box].view("u1"), spacing).get(1, 0.0)
    volume = float(mask.sum()) * labels.geometry.voxel_volume
    if not volume:
        return 0.0, float("nan")
    area = max(surface_area(mask, spacing) - cut, 0.0)  # rounding may leave less than nothing
    return area, area / volume


#: Figures of the summary: name there, column of the table.
_SUMMARY = {
    "dice": "dice",
    "jaccard": "jaccard",
    "average_surface_distance": "average_surface_distance",
    "surface_distance_95": "surface_distance_95",
    "surface_dice": "surface_dice",
    "volume_error": "relative_volume_error",
    "panoptic_quality": "panoptic_quality",
}
#: Counts of cells that are summed over volumes.
_CELLS = ("matched_cells", "missed_cells", "false_positive_cells", "split_cells", "merged_cells")


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean, SD, median and count per segment; undefined values (NaN) are left out and counted."""
    import statistics

    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["segment"], row["unit"]), []).append(row)
    table = []
    for (segment, unit), group in found.items():
        entry: dict[str, Any] = {"segment": segment, "unit": unit, "count": len(group)}
        for name, column in _SUMMARY.items():
            values = [r[column] for r in group if r.get(column) is not None and r[column] == r[column]]
            entry[name] = {
                "count": len(values),
                "undefined": len(group) - len(values),
                "mean": statistics.fmean(values) if values else None,
                "sd": statistics.stdev(values) if len(values) > 1 else None,
                "median": statistics.median(values) if values else None,
            }
        entry["cells"] = {name: sum(r[name] for r in group) for name in _CELLS if name in group[0]}
        table.append(entry)
    return table
