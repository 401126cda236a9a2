"""The report's figures and tables as files: vector graphics with their data, and a workbook that explains itself."""

from __future__ import annotations

import re
from pathlib import Path

from ACSegLib.errors import FileError
from ACSegLib.files.atomic import atomic_output
from ACSegLib.files.tables import write_table, write_workbook
from ACSegLib.geometry import unit_symbol
from ACSegLib.json_values import Row
from ACSegLib.study.columns import unit_power, unit_text
from ACSegLib.study.page import StudyReport
from ACSegLib.study.tables import Sheets

#: What the sheets of the workbook hold.
SHEETS = {
    "agreement": "mean scores per method and segment, Dice and other shares as fractions of 1; _sd: standard "
    "deviation, _undefined: number left out",
    "method tests": "methods against one another, paired by cell or volume",
    "morphology tests": "volume and surface-to-volume ratio of each method against the reference, paired by cell "
    "or volume",
    "morphology summary": "means of the measures per group; _sd: standard deviation, _undefined: number left out",
    "group tests": "groups against one another",
    "morphology": "every row of the tables of acseg measure that counts",
    "learning curve": "scores by number of training volumes",
    "learning curve fits": "parameters of the fits 1 - b exp(-a x)",
    "learning curve tests": "kinds of labels against one another, paired by test cell",
    "scores": "every row of the tables of acseg compare",
    "false positives": "cells of results that match no cell of the reference",
}
#: Endings of columns of intensity that are no intensities.
_WITHOUT_UNIT = ("_factor", "_voxels", "_undefined")
#: Columns that the report adds for itself.
_INTERNAL = ("source_volume", "source_segment")


def write_figures(report: StudyReport, folder: str | Path) -> int:
    """Write every figure of a report: plots as .svg, .pdf and .csv (their data), pictures as .png.

    Returns
    -------
    int
        Number of figures.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror
        raise FileError(
            f"the folder {folder} cannot be created ({reason}); choose another folder for --figures."
        ) from error
    number = 0
    for section in report.sections:
        for figure in section.figures:
            number += 1
            name = folder / f"{number:02d}-{_slug(figure.caption.partition('.')[0])}"
            if figure.plot is None:
                _write(name, ".png", figure.png)
                continue
            _write(name, ".svg", figure.plot.svg().encode("utf-8"))
            _write(name, ".pdf", figure.plot.pdf())
            write_table(figure.plot.data, f"{name}.csv")
    return number


def write_sheets(sheets: Sheets, path: str | Path) -> None:
    """Write the tables as a workbook: a sheet "README" on what is where, then one sheet per table, with units."""
    overview = [
        {"sheet": name, "rows": len(rows), "content": SHEETS.get(name, "")} for name, rows in sheets.items() if rows
    ]
    write_workbook({"README": overview, **{name: _with_units(rows) for name, rows in sheets.items() if rows}}, path)


def _with_units(rows: list[Row]) -> list[Row]:
    """Rows whose columns name their unit, where all rows have one unit of length."""
    units = {str(row["unit"]) for row in rows if row.get("unit")}
    unit = units.pop() if len(units) == 1 else ""
    intensity_units = {str(row["intensity_unit"]) for row in rows if row.get("intensity_unit")}
    intensity_unit = intensity_units.pop() if len(intensity_units) == 1 else ""
    heads: dict[str, str] = {}
    for name in dict.fromkeys(column for row in rows for column in row):
        text = unit_text(unit, unit_power(name.removesuffix("_sd")))
        if name.startswith("lac_") and not name.endswith(_WITHOUT_UNIT):
            text = unit_symbol(intensity_unit)
        heads[name] = f"{name} ({text})" if text else name
    return [{heads[name]: value for name, value in row.items() if name not in _INTERNAL} for row in rows]


def _write(name: Path, ending: str, data: bytes) -> None:
    with atomic_output(name.with_name(name.name + ending)) as temporary:
        temporary.write_bytes(data)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].rstrip("-")
