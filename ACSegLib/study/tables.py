"""The tables of a study, in one unit of length.

Rows are mappings, since their columns depend on the options of the commands that made them: `acseg measure --contacts`
has one column per segment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from ACSegLib.errors import InputError
from ACSegLib.json_values import Row
from ACSegLib.study.columns import unit_power
from ACSegLib.volume import UNITS_IN_MM

#: Units of the report, and the columns from which one is chosen.
_READABLE = ("nm", "um", "mm")
_VOLUMES = ("volume", "truth_volume")

#: A table.
Rows = list[Row]
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
    kinds : set of str
        Segments whose cells are numbered segments of the tables (instances); see `ACSegLib.study.cells`.
    false_positives : dict of str to rows
        Cells of results that match none of the reference, of the tables of ``acseg compare --cells``.
    """

    scores: dict[str, Rows]
    cells: dict[str, Rows]
    curve: Rows
    segment: str
    kinds: set[str] = field(default_factory=set)
    false_positives: dict[str, Rows] = field(default_factory=dict)

    @property
    def counted(self) -> str:
        """What the rows of scores are of: "cells", or "volumes" if each volume has one."""
        return "cells" if self.segment in self.kinds else "volumes"

    @property
    def measured_segment(self) -> str:
        """The segment, or the first of the tables of acseg measure if these do not have it."""
        names = [str(row["segment"]) for rows in self.cells.values() for row in rows]
        return self.segment if self.segment in names or not names else names[0]


def in_unit_of_the_first(tables: Mapping[str, Rows]) -> dict[str, Rows]:
    """Convert lengths, areas, volumes and ratios of all tables to the unit of the first row; {name: rows}.

    Raises
    ------
    InputError
        If rows in "px", or another unit of unknown length, are next to rows in another unit.
    """
    units_of: dict[str, dict[str, None]] = {}
    for name, rows in tables.items():
        for row in rows:
            if row.get("unit"):
                units_of.setdefault(str(row["unit"]), {})[name] = None
    if len(units_of) < 2:
        return dict(tables)
    unknown = next((unit for unit in units_of if unit not in UNITS_IN_MM), None)
    if unknown is not None:
        names = "; ".join(f"{unit}: {', '.join(tables)}" for unit, tables in units_of.items())
        raise InputError(
            f"the tables have lengths in units that cannot be compared ({names}); make those in {unknown} again with "
            "--file-unit, the unit of the numbers in the files."
        )
    first = next(iter(units_of))
    return {name: [_converted(row, first) for row in rows] for name, rows in tables.items()}


def in_readable_unit(tables: Mapping[str, Rows], others: Mapping[str, Rows]) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """Convert all tables to nm, um or mm, so that the median segment is between 1 and 1000 of them wide."""
    rows = [row for table in (*tables.values(), *others.values()) for row in table]
    unit = next((str(row["unit"]) for row in rows if row.get("unit")), "")
    volumes = [float(v) for row in rows for name in _VOLUMES if (v := row.get(name)) and v > 0]
    if unit not in _READABLE or not volumes:
        return dict(tables), dict(others)
    width = median(volumes) ** (1 / 3) * UNITS_IN_MM[unit]
    fitting = [name for name in _READABLE if width >= UNITS_IN_MM[name]] or _READABLE[:1]
    # A unit is changed only if lengths in it are hard to read.
    best = unit if 0.1 <= width / UNITS_IN_MM[unit] < 1000 else fitting[-1]
    return tuple(
        {name: [_converted(row, best) for row in table] for name, table in t.items()} for t in (tables, others)
    )  # type: ignore[return-value]


def _converted(row: Row, unit: str) -> Row:
    if not row.get("unit") or row["unit"] == unit:
        return dict(row)
    scale = UNITS_IN_MM[str(row["unit"])] / UNITS_IN_MM[unit]
    converted = {n: v * scale**p if v is not None and (p := unit_power(n)) is not None else v for n, v in row.items()}
    return {**converted, "unit": unit}
