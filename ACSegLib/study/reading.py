"""Reads the tables of a study from the files that acseg compare, measure and learning-curve write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ACSegLib.errors import FileError, InputError
from ACSegLib.files.tables import read_table
from ACSegLib.measure.overlap import ALL_CELLS
from ACSegLib.study.cells import with_instances, without_false_positives
from ACSegLib.study.columns import PERCENT, unit_power
from ACSegLib.study.tables import Rows, Study, in_readable_unit, in_unit_of_the_first

#: What programs write for a missing number.
_MISSING = ("nan", "na", "n/a", "none", "null", "-")


def read_study(
    scores: Sequence[str], cells: Sequence[str], learning_curve: str | None = None, segment: str = ""
) -> Study:
    """Read the tables of a study.

    Parameters
    ----------
    scores, cells : sequence of str
        Paths, or NAME=PATH.
    learning_curve : str, optional
    segment : str
        The first of the tables when left out.

    Raises
    ------
    InputError
        If there is no table, or no table has the segment.
    FileError
        If a table cannot be read, or is of another command.
    """
    score_tables = {name: _table(path, ("dice",)) for name, path in named_paths(scores).items()}
    cell_tables = {name: _table(path, ("volume", "kind")) for name, path in named_paths(cells).items()}
    score_tables, cell_tables = in_unit_of_the_first(score_tables), in_unit_of_the_first(cell_tables)
    score_tables, cell_tables = in_readable_unit(score_tables, cell_tables)
    curve = _table(learning_curve, ("volumes", "dice"), "learning-curve") if learning_curve else []
    if not (score_tables or cell_tables or curve):
        raise InputError("there is nothing to report: give --scores, --cells or --learning-curve.")
    score_tables, alone = without_false_positives(score_tables)
    score_tables, kinds = with_instances(score_tables)
    cell_tables, kinds_measured = with_instances(cell_tables)
    names = [str(row["segment"]) for rows in [*score_tables.values(), *cell_tables.values()] for row in rows]
    segment = segment or next((name for name in names if name != ALL_CELLS), names[0] if names else "")
    if names and segment not in names:
        raise InputError(f"no table has a segment {segment!r}; there are: {', '.join(sorted(set(names)))}.")
    return Study(score_tables, cell_tables, curve, segment, kinds | kinds_measured, alone)


def named_paths(entries: Sequence[str]) -> dict[str, str]:
    """Names and paths of NAME=TABLE entries; the name is the file's where it is left out."""
    found: dict[str, str] = {}
    for entry in entries:
        name, separator, path = entry.partition("=")
        if not separator or Path(entry).is_file():
            name, path = Path(entry).stem, entry
        if name in found:
            raise InputError(f"two tables are named {name!r}; give them different names with NAME=TABLE.")
        found[name] = path
    return found


def _table(path: str, needed: Sequence[str], commands: str = "compare or measure") -> Rows:
    rows = read_table(path)
    if not rows:
        raise FileError(f"{path}: the table has no rows; give a table with rows.")
    names = ("segment", "volume_name") if commands != "learning-curve" else ()
    missing = [c for c in (*needed, *names) if c not in rows[0]]
    if missing:
        raise FileError(f"{path}: the table has no column {missing[0]!r}; give a table of acseg {commands}.")
    return [{name: _number(value, name, path) for name, value in row.items()} for row in rows]


def _number(value: Any, column: str, path: str) -> Any:
    """The value, as a number where the column has numbers; None for what other programs write for missing ones."""
    if not isinstance(value, str) or not (unit_power(column) is not None or column in (*PERCENT, "voxels")):
        return value
    if value.strip().casefold() in _MISSING:
        return None
    raise FileError(f"{path}: column {column!r} has {value!r}, which is no number; correct it, or empty the cell.")
