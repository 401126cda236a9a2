"""What a fill or a prediction said of its segments, in the rows of a table, from their tags: intervals, and trust."""

from __future__ import annotations

from collections.abc import Sequence

from ACSegLib.json_values import Row
from ACSegLib.segment_estimates import doubtful_segments, volume_intervals
from ACSegLib.volume import Segmentation

#: What the column "volume_interval" says where the labels are no longer those of the interval.
CHANGED = "labels changed"


def with_volume_columns(rows: Sequence[Row], segmentation: Segmentation) -> list[Row]:
    """Add what a fill or a prediction said of segments to rows of `measure.morphology.measure_segmentation`.

    Rows of the whole segment get the interval of its volume: that of the segment, and that of its cell if there is one
    alone. All rows of a segment that could not be trusted get "expected_dice".

    Returns
    -------
    list of Row
        With "volume_low" and "volume_high", None where they are not known, and "volume_interval": what made them
        ("fill", "prediction"), "labels changed", or None. Without these columns if no segment has an interval.
    """
    segments = {segment.name: segment for segment in segmentation.with_distinct_names().segments}
    if doubtful := doubtful_segments(segmentation):
        expected = {name: doubtful[segment.id] for name, segment in segments.items() if segment.id in doubtful}
        rows = [{**row, "expected_dice": expected.get(row["segment"])} for row in rows]
    known, changed = volume_intervals(segmentation)
    if not known and not changed:
        return list(rows)
    voxel = segmentation.geometry.voxel_volume
    whole = {row["segment"]: row["voxels"] for row in rows if row["kind"] == "segment"}
    completed = []
    for row in rows:
        segment = segments[row["segment"]]
        interval = known.get(segment.id)
        columns: Row = {"volume_low": None, "volume_high": None, "volume_interval": None}
        is_whole = row["voxels"] == whole[row["segment"]]
        if is_whole and interval is not None and row["voxels"] == interval.count:
            source = interval.source
            columns = {
                "volume_low": interval.low * voxel, "volume_high": interval.high * voxel, "volume_interval": source
            }  # fmt: skip
        elif is_whole and segment.id in changed:
            columns["volume_interval"] = CHANGED
        completed.append({**row, **columns})
    return completed


def interval_of(row: Row) -> tuple[float, float] | None:
    """The ends of the interval of a row's volume; None where it has no interval."""
    low, high = row.get("volume_low"), row.get("volume_high")
    if low is None or high is None or low != low or high != high:
        return None
    return float(low), float(high)
