"""Sentences on rows of a table of cells that are not what a reader expects."""

from __future__ import annotations

from ACSegLib.measure.table_checks import MAX_SEGMENT_NOTES, summarise_cells, warnings_on

FULL = {"kind": "segment", "unit": "um", "voxels": 8000, "volume": 8.0, "surface_area": 24.0, "surface_to_volume": 3.0}
EMPTY = FULL | {"voxels": 0, "volume": 0.0, "surface_area": 0.0, "surface_to_volume": None}


def test_segments_without_a_voxel_are_told_since_the_means_leave_them_out():
    rows = [
        FULL | {"volume_name": "a", "segment": "cell"},
        FULL | {"volume_name": "a", "segment": "bead"},
        *(EMPTY | {"volume_name": name, "segment": "bead"} for name in "bc"),
    ]
    assert warnings_on(rows) == ["bead of b, c has no voxel; the table says 0 there, and the means leave it out."]
    assert [(row["segment"], row["count"], row["volume"]) for row in summarise_cells(rows)] == [
        ("cell", 1, 8.0),
        ("bead", 1, 8.0),
    ]


def test_many_segments_without_a_voxel_are_counted():
    count = MAX_SEGMENT_NOTES + 1
    (note,) = warnings_on([EMPTY | {"volume_name": "a", "segment": f"cell {n}"} for n in range(count)])
    assert note.startswith(f"{count} segments have no voxel")
