"""The interval of a volume: it stays with the labels that it was made for, in every format, and with no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ACSegLib.files import open_segmentation, save_segmentation
from ACSegLib.measure.table_checks import warnings_on
from ACSegLib.segment_estimates import (
    TAG,
    Interval,
    SegmentEstimate,
    VolumeInterval,
    volume_intervals,
    voxels_of_segments,
    with_volume_intervals,
)
from ACSegLib.volume import Geometry, Segmentation
from ACSegLib.workflows import MeasureRequest, run_measure

EXPECTED = [SegmentEstimate("ball", Interval(0.9, 0.8, 1.0), Interval(2000.0, 1900.0, 2200.0), True)]


def ball_and_rod() -> Segmentation:
    """A ball of about 2100 voxels (1), and a rod (2) without an interval."""
    k, j, i = np.indices((24, 22, 20)) - 9.5
    labels = (k * k + j * j + i * i < 8**2).astype(np.uint8)
    labels[2:20, 20, 3:5] = 2
    return Segmentation.from_labels(labels, Geometry((100.0,) * 3, unit="nm"), {1: "ball", 2: "rod"})


def with_interval() -> Segmentation:
    return with_volume_intervals(ball_and_rod(), EXPECTED, "fill")


def known_names(segmentation: Segmentation) -> tuple[list[str], list[str]]:
    known, changed = volume_intervals(segmentation)
    return [s.name for s in segmentation.segments if s.id in known], [
        s.name for s in segmentation.segments if s.id in changed
    ]


@pytest.mark.parametrize("ending", [".seg.nrrd", ".nii.gz", ".mha", ".tif", ".mrc", ".ome.zarr"])
def test_every_format_keeps_the_interval(ending: str, tmp_path: Path) -> None:
    save_segmentation(with_interval(), tmp_path / f"cell{ending}")
    again = open_segmentation(tmp_path / f"cell{ending}")
    known, changed = volume_intervals(again)
    (interval,) = known.values()
    count = np.count_nonzero(ball_and_rod().labels == 1)
    assert (interval.count, interval.low, interval.high, interval.source) == (count, 1900.0, 2200.0, "fill")
    assert changed == []


@pytest.mark.parametrize(
    "turned",
    [lambda a: a[:, ::-1], lambda a: a.transpose(2, 0, 1), lambda a: np.pad(a, 3), lambda a: a[1:22], lambda a: a * 7],
)
def test_another_orientation_margin_or_value_is_no_change(turned: Callable[[np.ndarray], np.ndarray]) -> None:
    before = with_interval()
    labels = np.ascontiguousarray(turned(before.labels))
    rows = [replace(row, value=int(labels.max()) // 2 * row.value) for row in before.segments]
    after = Segmentation((labels,), rows, before.geometry)
    assert known_names(after) == (["ball"], [])


def test_an_edit_and_another_grid_are_a_change() -> None:
    before = with_interval()
    moved = before.labels.copy()
    moved[9, 9, 9], moved[0, 0, 0] = 0, 1  # as many voxels as before
    for labels in (moved, before.labels[::2]):
        assert known_names(Segmentation((labels,), before.segments)) == ([], ["ball"])


def test_labels_that_were_cleaned_of_much_have_no_interval_and_no_older_one_stays() -> None:
    old = with_interval()
    halved = old.with_labels(np.where(np.arange(20) < 10, old.labels, 0))
    assert known_names(with_volume_intervals(halved, EXPECTED, "fill")) == ([], [])
    assert all(TAG not in row.tags for row in with_volume_intervals(old, [], "fill").segments)


def test_segments_with_one_name_are_counted_apart_and_none_gets_the_interval_of_the_other() -> None:
    twins = ball_and_rod()
    twins.segments = [replace(segment, name="ball") for segment in twins.segments]
    ball, rod = (np.count_nonzero(twins.labels == value) for value in (1, 2))
    assert voxels_of_segments(twins) == {"ball (1)": ball, "ball (2)": rod}
    assert known_names(with_volume_intervals(twins, EXPECTED, "fill")) == ([], [])


@pytest.mark.parametrize(("low", "high"), [(1900.0, 2100.0), (2300.0, 2600.0)])
def test_an_interval_is_widened_to_hold_the_labels_that_it_is_for(low: float, high: float) -> None:
    expected = SegmentEstimate("ball", Interval(0.9, 0.8, 1.0), Interval((low + high) / 2, low, high), True)
    (interval,) = volume_intervals(with_volume_intervals(ball_and_rod(), [expected], "fill"))[0].values()
    assert (interval.low, interval.high) == (min(low, interval.count), max(high, interval.count))
    assert interval.low <= interval.count <= interval.high


@pytest.mark.parametrize(
    ("count", "ends"),
    [(2000, "(1900 to 2100)"), (1850, "(1850 to 2100)"), (1700, "(no interval)"), (0, "(no interval)")],
)
def test_the_text_has_the_interval_that_the_labels_keep(count: int, ends: str) -> None:
    expected = SegmentEstimate("ball", Interval(0.9, 0.8, 1.0), Interval(2000.0, 1900.0, 2100.0), True)
    assert expected.intervals(count) == f"{ends}, Dice 0.900 (0.800 to 1.000)"


def test_text_of_another_program_is_no_interval() -> None:
    for text in ("", "large", "voxels=x interval90=1..2 from=fill labels=0", "interval90=1..2"):
        assert VolumeInterval.parse(text) is None
    interval = VolumeInterval(7, 5.0, 9.0, "fill", "00c0ffee")
    assert VolumeInterval.parse(str(interval)) == interval
    assert "|" not in str(interval)  # Slicer separates tags by it, and their names by a colon
    assert ":" not in str(interval)


def test_a_segment_that_cannot_be_trusted_is_told_where_it_is_measured_until_it_is_edited() -> None:
    """A false bead of a prediction has a Dice, and no interval of its volume; it is measured, and named."""
    false = SegmentEstimate("rod", Interval(0.118, 0.0, 1.0), None, trusted=False)
    right = SegmentEstimate("ball", Interval(0.97, 0.95, 0.99), None, trusted=True)
    told = with_volume_intervals(ball_and_rod(), [right, false], "prediction")
    rows = run_measure(MeasureRequest(labels=told, thin_parts=False))
    assert {(row["segment"], row["expected_dice"]) for row in rows} == {("ball", None), ("rod", 0.118)}
    named = [{"volume_name": "cell", **row} for row in rows]
    assert [text for text in warnings_on(named) if "doubtful" in text] == [
        "rod of cell is doubtful: a Dice of 0.12 was expected when it was made; look at it, and correct or delete it, "
        "before you use its values."
    ]
    edited = told.labels.copy()
    edited[tuple(np.argwhere(edited == told.segment("rod").value)[0])] = 0
    for labels in (told.with_labels(edited), with_volume_intervals(told, [], "fill")):
        assert "expected_dice" not in run_measure(MeasureRequest(labels=labels, thin_parts=False))[0]


def test_rows_of_the_whole_segment_have_the_interval_in_their_unit() -> None:
    segment, cell, *others = run_measure(MeasureRequest(labels=with_interval(), thin_parts=False))
    for row in (segment, cell):  # the segment is one cell
        assert (row["volume_low"], row["volume_high"]) == pytest.approx((1.9, 2.2))
        assert row["volume_interval"] == "fill"
    assert all(row["volume_low"] is None and row["volume_interval"] is None for row in others)


def test_parts_of_a_segment_have_no_interval() -> None:
    before = with_interval()
    labels = before.labels.copy()
    labels[23, 0, 0] = 1
    two = with_volume_intervals(before.with_labels(labels), EXPECTED, "fill")
    rows = run_measure(MeasureRequest(labels=two, segments=("ball",), thin_parts=False))
    assert [row["volume_interval"] for row in rows] == ["fill", None, None]
    inner = run_measure(MeasureRequest(labels=two, segments=("ball",), thin_parts=False, exclude_border=True))
    assert [row["volume_interval"] for row in inner] == [None, None]


def test_changed_labels_are_told_and_a_table_without_intervals_has_no_columns() -> None:
    changed = with_interval()
    changed.labels[9, 9, 9] = 0
    rows = run_measure(MeasureRequest(labels=changed, thin_parts=False))
    assert rows[0]["volume_interval"] == "labels changed"
    assert rows[0]["volume_low"] is None
    assert not any("volume_low" in row for row in run_measure(MeasureRequest(labels=ball_and_rod(), thin_parts=False)))
