"""How well a segmentation agrees with the truth, per segment.

Empty and absent segments follow "Metrics reloaded" (Maier-Hein, Reinke et al., Nature Methods 21 (2024) 195-212) and
its reference implementation:

======================= ============== ============== ==============
value                   both empty     truth empty    result empty
======================= ============== ============== ==============
Dice, Jaccard           1              0              0
surface Dice            1              0              0
precision               undefined      0              0
recall                  undefined      undefined      0
surface distances       0              undefined      undefined
relative volume error   0              undefined      -1
======================= ============== ============== ==============

Undefined is NaN: left out of means, and counted there. A segment that one side's table lacks is empty there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from ACSegLib.components import find_components
from ACSegLib.distances import as_mask
from ACSegLib.errors import InputError
from ACSegLib.geometry import size_text
from ACSegLib.jobs import Progress
from ACSegLib.json_values import Row
from ACSegLib.measure.instances import InstanceMatching, match_instances
from ACSegLib.measure.regions import SegmentBoxes, union_box
from ACSegLib.measure.surface_distance import surface_distances
from ACSegLib.volume import Segment, Segmentation, distinct_names

_NAN = float("nan")

#: Segment of the row in which every segment is a cell; see `compare_cells`.
ALL_CELLS = "all cells"
#: Names that readers give to values without one.
_MADE_UP = re.compile(r"Segment_\d+")
_LISTED = 3
#: Status of a segment that has no voxel on either side.
ABSENT = "absent from both"


def overlap_counts(result: np.ndarray, truth: np.ndarray, ignore: np.ndarray | None = None) -> tuple[int, int, int]:
    """Count voxels in result, in truth, and in both, plane by plane.

    Parameters
    ----------
    result, truth : ndarray of bool, shape (k, j, i)
    ignore : ndarray, shape (k, j, i), optional
        Non-zero voxels do not count.

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if result.shape != truth.shape:
        raise InputError(f"result and reference must have the same shape, not {result.shape} and {truth.shape}.")
    _require_shape(ignore, truth.shape)
    in_result = in_truth = in_both = 0
    for n in range(len(truth)):
        a, b = result[n], truth[n]
        if ignore is not None:
            counted = ignore[n] == 0
            a, b = a & counted, b & counted
        in_result += int(np.count_nonzero(a))
        in_truth += int(np.count_nonzero(b))
        in_both += int(np.count_nonzero(a & b))
    return in_result, in_truth, in_both


def _require_shape(ignore: np.ndarray | None, shape: tuple[int, ...]) -> None:
    if ignore is not None and ignore.shape != shape:
        raise InputError(f"the ignore mask must have the labels' shape {shape}, not {ignore.shape}.")


def overlap_scores(in_result: int, in_truth: int, in_both: int) -> dict[str, float]:
    """Dice, Jaccard, precision, recall and relative volume error from voxel counts (see the module for empty ones)."""
    both_empty = in_result == 0 and in_truth == 0
    union = in_result + in_truth - in_both
    return {
        "dice": 1.0 if both_empty else 2 * in_both / (in_result + in_truth),
        "jaccard": 1.0 if both_empty else in_both / union,
        "precision": in_both / in_result if in_result else (0.0 if in_truth else _NAN),
        "recall": in_both / in_truth if in_truth else _NAN,
        "relative_volume_error": (in_result - in_truth) / in_truth if in_truth else (0.0 if both_empty else _NAN),
    }


def compare_masks(
    result: np.ndarray,
    truth: np.ndarray,
    spacing: Sequence[float],
    *,
    tolerance: float | None = None,
    ignore: np.ndarray | None = None,
    surface: str = "surfels",
    distances: bool = True,
) -> dict[str, float]:
    """Compare two masks.

    Parameters
    ----------
    result, truth : ndarray, shape (k, j, i)
        Non-zero inside.
    spacing : sequence of float
        Voxel size along (i, j, k).
    tolerance : float, optional
        For the surface Dice, in the unit of `spacing`; the largest voxel edge when left out.
    ignore : ndarray, shape (k, j, i), optional
        Non-zero voxels do not count.
    surface : {"surfels", "voxels"}
        What the surface distances run between; see `ACSegLib.measure.surface_distance`.
    distances : bool
        Whether to measure surface distances, the slowest part.

    Returns
    -------
    dict of float
        dice, jaccard, precision, recall, relative_volume_error, result_volume, truth_volume, volume_difference (cubic
        unit) and, with `distances`, average_surface_distance, surface_distance_95 (unit) and surface_dice.

    Raises
    ------
    InputError
        If the shapes differ, or the tolerance is negative.
    """
    result, truth = as_mask(result, "result"), as_mask(truth, "truth")
    tolerance = max(spacing) if tolerance is None else float(tolerance)
    if not tolerance >= 0:
        raise InputError(f"the surface Dice tolerance must be 0 or more, not {tolerance}.")
    in_result, in_truth, in_both = overlap_counts(result, truth, ignore)
    voxel = float(np.prod(spacing))
    row = overlap_scores(in_result, in_truth, in_both)
    row["result_volume"], row["truth_volume"] = in_result * voxel, in_truth * voxel
    row["volume_difference"] = (in_result - in_truth) * voxel
    if not distances:
        return row
    row["tolerance"] = tolerance
    if in_result and in_truth:
        found = surface_distances(result, truth, spacing, surface=surface, ignore=ignore)
        row["average_surface_distance"] = found.average()
        row["surface_distance_95"] = found.percentile(95)
        row["surface_dice"] = found.dice(tolerance)
    else:
        both_empty = in_result == in_truth
        row["average_surface_distance"] = row["surface_distance_95"] = 0.0 if both_empty else _NAN
        row["surface_dice"] = 1.0 if both_empty else 0.0
    return row


def pair_segments(result: Segmentation, truth: Segmentation) -> list[tuple[str, Segment | None, Segment | None]]:
    """Pair the rows of two segment tables: by name, and by value if they share no name (one side's are made up).

    Segments of one name are paired in the order of the tables, under their distinct names.

    Raises
    ------
    InputError
        If one table has more segments of a name than the other, which leaves open which is meant.
    """
    counts = [Counter(segment.name for segment in side.segments) for side in (result, truth)]
    for name in counts[0] & counts[1]:
        ours, theirs = (count[name] for count in counts)
        if ours != theirs:
            raise InputError(
                f"the result {result.name!r} has {ours} of the segments named {name!r}, and the reference "
                f"{truth.name!r} has {theirs}; rename them, or compare them as cells (--cells)."
            )
    tables = [dict(zip(distinct_names(side.segments), side.segments, strict=True)) for side in (result, truth)]
    if set(tables[0]) & set(tables[1]):
        names = [*tables[1], *(n for n in tables[0] if n not in tables[1])]
        return [(name, tables[0].get(name), tables[1].get(name)) for name in names]
    if result.overlapping or truth.overlapping:
        names = [*tables[1], *tables[0]]
        return [(name, tables[0].get(name), tables[1].get(name)) for name in names]
    values = {s.value: s for s in result.segments}, {s.value: s for s in truth.segments}
    order = [*values[1], *(v for v in values[0] if v not in values[1])]
    return [((values[1].get(v) or values[0][v]).name, values[0].get(v), values[1].get(v)) for v in order]


def note_on_names(result: Segmentation, truth: Segmentation) -> str | None:
    """Tell how segments were paired that no name of their own tells apart; None if that needs no word."""
    tables = [[segment.name for segment in side.segments] for side in (result, truth)]
    common = Counter(tables[0]) & Counter(tables[1])
    if double := [name for name, count in common.items() if count > 1]:
        return (
            f"result and reference have {common[double[0]]} segments named {double[0]!r}, which were compared in the "
            "order of their tables; with --cells, cells are matched by their overlap."
        )
    if not all(tables):
        return None
    if common:
        alone = [[name for name in names if name not in common] for names in tables]
        ours, theirs = map(_some, alone)
        return (
            f"the result has {ours} and the reference {theirs}, which have no partner of their name and count as "
            "missing on the other side; rename them if they are the same."
            if all(alone)
            else None
        )
    paired = sum(None not in sides for _, *sides in pair_segments(result, truth))
    made_up = any(all(_MADE_UP.fullmatch(name) for name in names) for names in tables)
    if made_up and paired == min(map(len, tables)):
        return None
    ours, theirs = map(_some, tables)
    how = "; they were compared by value" if paired else ", so that none was compared; rename them"
    return f"result ({ours}) and reference ({theirs}) have no segment name in common{how}."


def _some(names: Sequence[str]) -> str:
    """The first of some names."""
    return ", ".join(names[:_LISTED]) + ", ..." * (len(names) > _LISTED)


def require_same_place(result: Segmentation, truth: Segmentation) -> None:
    """Raise InputError unless both segmentations have one shape and lie on each other."""
    if result.shape != truth.shape:
        raise InputError(
            f"result {result.name!r} has {size_text(result.shape)} voxels but reference {truth.name!r} has "
            f"{size_text(truth.shape)}; use --resample to resample the result to the grid of the reference."
        )
    if not result.geometry.matches(truth.geometry, truth.shape):
        raise InputError(
            f"result {result.name!r} and reference {truth.name!r} have the same shape but different positions "
            f"(result {result.geometry}, reference {truth.geometry}); use --resample to resample the result to the "
            "grid of the reference."
        )


def compare_segmentations(
    result: Segmentation,
    truth: Segmentation,
    *,
    segments: Sequence[str] | None = None,
    ignore: np.ndarray | None = None,
    tolerance: float | None = None,
    surface: str = "surfels",
    distances: bool = True,
    instances: bool = False,
    progress: Progress | None = None,
) -> list[Row]:
    """Compare two segmentations on one grid, segment by segment.

    Parameters
    ----------
    result, truth : Segmentation
        On one grid; resample first if they are not (`ACSegLib.resample`).
    segments : sequence of str, optional
        Names to compare; all of either table when left out.
    ignore : ndarray, shape (k, j, i), optional
        Non-zero voxels do not count.
    tolerance, surface, distances
        See `compare_masks`.
    instances : bool
        Also match the connected cells of each segment (panoptic quality, splits, merges).
    progress : Progress, optional

    Returns
    -------
    list of dict
        One row per segment: "segment", "status" ("both", "absent from result", "absent from truth", "absent from
        both"), "unit", and the values of `compare_masks` as plain floats.

    Raises
    ------
    InputError
        If the grids differ, a segment of `segments` is in neither table, or names leave open what is paired.
    """
    progress = progress or Progress()
    require_same_place(result, truth)
    _require_shape(ignore, truth.shape)
    pairs = pair_segments(result, truth)
    if segments:
        unknown = sorted(set(segments) - {name for name, _, _ in pairs})
        if unknown:
            known = ", ".join(name for name, _, _ in pairs) or "none"
            raise InputError(f"no segment is named {unknown[0]!r}; there are: {known}.")
        pairs = [pair for pair in pairs if pair[0] in segments]
    unit, spacing = _unit_and_spacing(result, truth)
    boxes = SegmentBoxes(result), SegmentBoxes(truth)
    rows = []
    for n, (name, *sides) in enumerate(pairs):
        progress(n / len(pairs), f"comparing {name}")
        # One voxel around them, since surface elements count by whether they touch an ignored voxel.
        around = union_box([b.box(side) for b, side in zip(boxes, sides, strict=True)], result.shape, margin=1)
        box = around or (slice(0, 1),) * 3
        a, b = (found.mask(side, box) for found, side in zip(boxes, sides, strict=True))
        left_out = ignore[box] if ignore is not None else None
        row: Row = {"segment": name, "status": "", "unit": unit}
        values = compare_masks(
            a, b, spacing, tolerance=tolerance, ignore=left_out, surface=surface, distances=distances
        )
        row["status"] = _status(values["result_volume"] > 0, values["truth_volume"] > 0)
        row.update(values)
        if instances:
            cells = [find_components(mask).labels() for mask in (a, b)]
            row.update(match_instances(cells[0], cells[1], ignore=left_out).as_row())
        rows.append(row)
    progress(1.0, "compared")
    return rows


def compare_cells(
    result: Segmentation,
    truth: Segmentation,
    *,
    ignore: np.ndarray | None = None,
    tolerance: float | None = None,
    surface: str = "surfels",
    distances: bool = True,
) -> list[Row]:
    """Compare two segmentations in which every segment is a cell, whatever its name; cells may touch.

    Parameters
    ----------
    result, truth : Segmentation
        On one grid; their segments may not overlap.
    ignore, tolerance, surface, distances
        See `compare_masks`.

    Returns
    -------
    list of dict
        First "segment" `ALL_CELLS`, "instance" 0: the values of `compare_masks` for the foreground, those of
        `match_instances`, and "matched_dice", the mean Dice of the matched pairs (NaN if nothing matches). Then one row
        per cell, "instance" 1 and up: Dice, Jaccard and volumes of a matched pair, of a missed cell, or of a false
        positive one.

    Raises
    ------
    InputError
        If the grids differ, or segments overlap.
    """
    require_same_place(result, truth)
    unit, spacing = _unit_and_spacing(result, truth)
    a, b = result.labels, truth.labels
    values = compare_masks(a, b, spacing, tolerance=tolerance, ignore=ignore, surface=surface, distances=distances)
    matching = match_instances(a, b, ignore=ignore)
    scores = [2 * iou / (1 + iou) for _, _, iou in matching.matches]
    foreground: Row = {
        "segment": ALL_CELLS,
        "instance": 0,
        "status": _status(values["result_volume"] > 0, values["truth_volume"] > 0),
        "unit": unit,
        **values,
        **matching.as_row(),
        "matched_dice": float(np.mean(scores)) if scores else _NAN,
    }
    return [foreground, *_cell_rows(matching, result, truth, unit, float(np.prod(spacing)))]


def _cell_rows(
    matching: InstanceMatching, result: Segmentation, truth: Segmentation, unit: str, voxel: float
) -> list[Row]:
    """One row per cell: the matched ones, then those that were missed, then those that are not in the truth."""
    names = [{s.value: s.name for s in side.segments} for side in (result, truth)]
    sides: list[tuple[int | None, int | None, float]] = list(matching.matches)
    sides += [(None, label, 0.0) for label in matching.false_negatives]
    sides += [(label, None, 0.0) for label in matching.false_positives]
    rows = []
    for number, (ours, true, iou) in enumerate(sides, 1):
        in_result = matching.result_sizes[ours] if ours is not None else 0
        in_truth = matching.truth_sizes[true] if true is not None else 0
        in_both = round(iou * (in_result + in_truth) / (1 + iou))
        name = names[1].get(true, str(true)) if true is not None else f"{names[0].get(ours or 0, ours)} (result)"
        row: Row = {"segment": name, "instance": number, "status": _status(in_result > 0, in_truth > 0), "unit": unit}
        row |= overlap_scores(in_result, in_truth, in_both)
        row["result_volume"], row["truth_volume"] = in_result * voxel, in_truth * voxel
        row["volume_difference"] = (in_result - in_truth) * voxel
        rows.append(row)
    return rows


def _unit_and_spacing(result: Segmentation, truth: Segmentation) -> tuple[str, tuple[float, ...]]:
    """Those of the truth, or of the result where the truth's file states no voxel size."""
    geometry = truth.geometry if truth.geometry.unit != "px" else result.geometry
    return geometry.unit, geometry.spacing


def _status(in_result: bool, in_truth: bool) -> str:
    if in_result and in_truth:
        return "both"
    if in_truth:
        return "absent from result"
    return "absent from truth" if in_result else ABSENT
