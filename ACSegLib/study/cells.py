"""What counts as one cell in a study: segments that are instances, and components that are cells rather than specks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from ACSegLib.cells.sizes import MIN_CELL_VOXELS, MIN_SIZE_GAP
from ACSegLib.json_values import Row
from ACSegLib.measure.table_checks import are_specks
from ACSegLib.study.columns import unit_text
from ACSegLib.study.numbers import plain
from ACSegLib.study.tables import Rows

#: From so many numbered segments of one volume on ("nucleus 1", "nucleus 2", ...), segments are instances of one kind.
MIN_INSTANCES = 3
#: The same, of segments that the label file does not name ("Segment_1"): they may as well be classes.
MIN_UNNAMED_INSTANCES = 10
UNNAMED = "Segment"

_NUMBERED = re.compile(r"^(.*?\D)[\s_\-.#]*\d+$")


def kind_of_instance(name: str) -> str:
    """What is left of a segment's name without its number: "nucleus" of "nucleus 12"; "" of a name without one."""
    matched = _NUMBERED.match(name)
    return matched[1].rstrip(" _-.#") if matched else ""


def _kind_of(row: Row) -> str:
    """Kind of a row's instance; rows of acseg compare --cells are instances whatever they are called."""
    kind = kind_of_instance(str(row["segment"]))
    return "cell" if row.get("instance") and kind in ("", UNNAMED) else kind


def kinds_of_instances(rows: Sequence[Row]) -> set[str]:
    """Kinds of which some volume has several numbered segments, so that the segments are instances."""
    segments = {(str(row["volume_name"]), str(row["segment"]), _kind_of(row)) for row in rows}
    counts = Counter((volume, kind) for volume, _, kind in segments)
    certain = {_kind_of(row) for row in rows if row.get("instance")}
    least = {UNNAMED: MIN_UNNAMED_INSTANCES}
    return {
        kind
        for (_, kind), count in counts.items()
        if kind and (count >= least.get(kind, MIN_INSTANCES) or kind in certain)
    }


def without_false_positives(tables: Mapping[str, Rows]) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """Tables of acseg compare without the cells of results that match none of the reference, and these cells.

    They have no Dice of their own: they lower panoptic quality, and are counted.
    """
    kept: dict[str, Rows] = {}
    alone: dict[str, Rows] = {}
    for method, rows in tables.items():
        kept[method] = [row for row in rows if not (row.get("instance") and row.get("status") == "absent from truth")]
        ids = {id(row) for row in kept[method]}
        alone[method] = [row for row in rows if id(row) not in ids]
    return kept, alone


def with_instances(tables: Mapping[str, Rows]) -> tuple[dict[str, Rows], set[str]]:
    """Let numbered segments count as cells of one segment.

    Returns
    -------
    tables : dict of str to rows
        "segment" of an instance is its kind and "volume_name" holds its own name too; "source_volume" and
        "source_segment" are what the table had.
    kinds : set of str
        The kinds found.
    """
    kinds = kinds_of_instances([row for rows in tables.values() for row in rows])
    renamed: dict[str, Rows] = {}
    for method, rows in tables.items():
        renamed[method] = []
        for row in rows:
            volume, segment = str(row["volume_name"]), str(row["segment"])
            row = {**row, "source_volume": volume, "source_segment": segment}
            if (kind := _kind_of(row)) in kinds:
                row |= {"segment": kind, "volume_name": f"{volume}: {segment}"}
            renamed[method].append(row)
    return renamed, kinds


def without_specks(rows: Rows) -> tuple[Rows, str]:
    """Rows of connected cells without specks, and a sentence on what was left out ("" if nothing was)."""
    specks = are_specks(rows)
    if not any(specks):
        return rows, ""
    cells = [row for row, speck in zip(rows, specks, strict=True) if not speck]
    removed = [row for row, speck in zip(rows, specks, strict=True) if speck]
    largest = max(removed, key=lambda row: row["volume"])
    unit = unit_text(str(largest.get("unit") or ""), 3)
    text = (
        f"{len(removed)} of {len(rows)} components are specks and do not count as cells: the largest has "
        f"{plain(largest['volume'])} {unit} ({largest['voxels']:.0f} voxels)"
    )
    if cells:
        smallest = min(cells, key=lambda row: row["volume"])
        text += f", the smallest cell {plain(smallest['volume'])} {unit} ({smallest['voxels']:.0f} voxels)"
    return cells, (
        f"{text}. Specks are below the widest gap between the sizes (at least {MIN_SIZE_GAP:g} times) and "
        f"{MIN_SIZE_GAP:g} times smaller than the largest component of their volume, or below {MIN_CELL_VOXELS} voxels."
    )
