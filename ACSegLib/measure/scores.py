"""Rows of scores: the shape of both sides, and the summary over volumes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ACSegLib.json_values import Row
from ACSegLib.measure.contacts import contact_areas
from ACSegLib.measure.overlap import ABSENT, pair_segments
from ACSegLib.measure.regions import SegmentBoxes, touches_border, union_box
from ACSegLib.measure.surface import surface_area
from ACSegLib.volume import Segment, Segmentation

#: Values of the summary: name there, column of the table.
SUMMARISED = {
    "dice": "dice",
    "jaccard": "jaccard",
    "average_surface_distance": "average_surface_distance",
    "surface_distance_95": "surface_distance_95",
    "surface_dice": "surface_dice",
    "volume_error": "relative_volume_error",
    "panoptic_quality": "panoptic_quality",
    "recognition_quality": "recognition_quality",
    "segmentation_quality": "segmentation_quality",
}
#: Counts of cells that are summed over volumes.
CELL_COUNTS = ("matched_cells", "missed_cells", "false_positive_cells", "split_cells", "merged_cells")


@dataclass(frozen=True)
class Spread:
    """A value over volumes: how many have it, how many have not, and its mean, SD and median (None of too few)."""

    count: int
    undefined: int
    mean: float | None
    sd: float | None
    median: float | None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread:
        """Of values of which None and NaN are undefined."""
        known = [v for v in values if v is not None and v == v]
        return cls(
            len(known),
            len(values) - len(known),
            statistics.fmean(known) if known else None,
            statistics.stdev(known) if len(known) > 1 else None,
            statistics.median(known) if known else None,
        )


def summarise_scores(rows: Sequence[Row]) -> list[Row]:
    """Mean, SD, median and count per segment, as plain values; undefined values are left out and counted.

    "absent" is the number of volumes in which neither side has the segment; their Dice is 1.
    Rows of single cells ("instance" above 0, see `compare_cells`) are left out: their volume has a row.
    """
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if not row.get("instance"):
            groups.setdefault((row["segment"], row["unit"]), []).append(row)
    table = []
    for (segment, unit), group in groups.items():
        entry: Row = {"segment": segment, "unit": unit, "count": len(group)}
        entry["absent"] = sum(row["status"] == ABSENT for row in group)
        for name, column in SUMMARISED.items():
            entry[name] = asdict(Spread.of([row.get(column) for row in group]))
        entry["cells"] = {name: sum(row[name] for row in group) for name in CELL_COUNTS if name in group[0]}
        table.append(entry)
    return table


def add_shape_values(
    rows: list[Row], result: Segmentation, truth: Segmentation, ignore: np.ndarray | None, surfaces: bool
) -> None:
    """Add to each row whether the border cuts the true segment, and both sides' area and surface-to-volume ratio."""
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
            area, ratio = _surface_values(segment, found, labels, ignore)
            row[f"{side}_surface_area"], row[f"{side}_surface_to_volume"] = area, ratio


def _surface_values(
    segment: Segment | None, boxes: SegmentBoxes, labels: Segmentation, ignore: np.ndarray | None
) -> tuple[float, float]:
    """Surface area of a segment outside the ignored region, and its ratio to the volume there (NaN if there is none).

    The surface that lies on the region does not count either: there the region ends, which the cell need not.
    """
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
