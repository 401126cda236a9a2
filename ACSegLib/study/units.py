"""The tables of a study in one unit of length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ACSegLib.errors import InputError
from ACSegLib.volume import UNITS_IN_MM

if TYPE_CHECKING:
    from ACSegLib.commands.study_report import Rows


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


def _converted(row: Mapping[str, Any], unit: str) -> dict[str, Any]:
    from ACSegLib.study.page import unit_power

    if not row.get("unit") or row["unit"] == unit:
        return dict(row)
    scale = UNITS_IN_MM[str(row["unit"])] / UNITS_IN_MM[unit]
    converted = {n: v * scale**p if v is not None and (p := unit_power(n)) is not None else v for n, v in row.items()}
    return {**converted, "unit": unit}
