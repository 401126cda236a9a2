"""The tables that a study consists of, in one unit of length.

Rows are mappings, since their columns depend on the options of the commands that made them: `acseg measure --contacts`
has one column per segment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ACSegLib.errors import FileError, InputError
from ACSegLib.study.columns import unit_power
from ACSegLib.volume import UNITS_IN_MM

#: A row of a table of open columns: the name of each column with its value.
Row = Mapping[str, Any]
#: A table.
Rows = list[dict[str, Any]]
#: Tables by their name in the workbook.
Sheets = dict[str, Rows]


@dataclass
class Study:
    """The tables of a study, by the name of their method; all are in one unit of length.

    Attributes
    ----------
    scores : dict of str to rows
        Tables of ``acseg compare``.
    cells : dict of str to rows
        Tables of ``acseg measure``.
    curve : rows
        The table of ``acseg learning-curve``; empty without one.
    segment : str
        The segment that the plots and pictures show.
    """

    scores: dict[str, Rows]
    cells: dict[str, Rows]
    curve: Rows
    segment: str


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
    from ACSegLib.files.tables import read_table

    score_tables = {name: _table(path, ("dice",)) for name, path in named_paths(scores).items()}
    cell_tables = {name: _table(path, ("volume", "kind")) for name, path in named_paths(cells).items()}
    score_tables, cell_tables = in_unit_of_the_first(score_tables), in_unit_of_the_first(cell_tables)
    curve = read_table(learning_curve) if learning_curve else []
    if not (score_tables or cell_tables or curve):
        raise InputError("there is nothing to report: give --scores, --cells or --learning-curve.")
    names = [row["segment"] for rows in [*score_tables.values(), *cell_tables.values()] for row in rows]
    segment = segment or (str(names[0]) if names else "")
    if names and segment not in names:
        raise InputError(f"no table has a segment {segment!r}; there are: {', '.join(sorted(set(names)))}.")
    return Study(score_tables, cell_tables, curve, segment)


def named_paths(entries: Sequence[str]) -> dict[str, str]:
    """Names and paths of NAME=TABLE entries; the name is the file's where it is left out."""
    found: dict[str, str] = {}
    for entry in entries:
        name, separator, path = entry.partition("=")
        if not separator:
            name, path = Path(entry).stem, entry
        if name in found:
            raise InputError(f"two tables are named {name!r}; name them apart with NAME=TABLE.")
        found[name] = path
    return found


def _table(path: str, needed: Sequence[str]) -> Rows:
    from ACSegLib.files.tables import read_table

    rows = read_table(path)
    if not rows:
        raise FileError(f"{path}: the table has no rows.")
    missing = [c for c in (*needed, "segment", "volume_name") if c not in rows[0]]
    if missing:
        raise FileError(f"{path}: the table has no column {missing[0]!r}; give a table of acseg compare or measure.")
    return rows


def in_unit_of_the_first(tables: Mapping[str, Rows]) -> dict[str, Rows]:
    """Convert lengths, areas, volumes and ratios of all tables to the unit of the first row; {name: rows}.

    Raises
    ------
    InputError
        If rows in "px", or another unit of unknown length, stand beside rows in another unit.
    """
    found: dict[str, dict[str, None]] = {}
    for name, rows in tables.items():
        for row in rows:
            if row.get("unit"):
                found.setdefault(str(row["unit"]), {})[name] = None
    if len(found) < 2:
        return dict(tables)
    unknown = next((unit for unit in found if unit not in UNITS_IN_MM), None)
    if unknown is not None:
        names = "; ".join(f"{unit}: {', '.join(tables)}" for unit, tables in found.items())
        raise InputError(
            f"the tables have lengths in units that cannot be compared ({names}); make those in {unknown} again with "
            "--file-unit, which says what the numbers in the files are."
        )
    first = next(iter(found))
    return {name: [_converted(row, first) for row in rows] for name, rows in tables.items()}


def _converted(row: Row, unit: str) -> dict[str, Any]:
    if not row.get("unit") or row["unit"] == unit:
        return dict(row)
    scale = UNITS_IN_MM[str(row["unit"])] / UNITS_IN_MM[unit]
    converted = {n: v * scale**p if v is not None and (p := unit_power(n)) is not None else v for n, v in row.items()}
    return {**converted, "unit": unit}
