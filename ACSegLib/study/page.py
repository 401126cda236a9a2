"""The report as one page of HTML: sections of text, tables and figures, all inline. No files, no network."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ACSegLib.json_values import Row
from ACSegLib.study.columns import PERCENT, WORDS, intensity_texts, label_of, thin_text, unit_power, unit_text
from ACSegLib.study.figures import Plot
from ACSegLib.study.numbers import column_texts, decimals_for, fixed, format_value, with_minus

#: Rows of a table on the page. A page of 10,000 cells would be slow to open and nobody would read it.
MAX_ROWS = 300
#: Longer tables stand behind the figures of their section.
MAX_ROWS_BEFORE_FIGURES = 8


@dataclass(frozen=True)
class Column:
    """A column of a table: label, unit (or ""), and whether it holds text."""

    label: str
    unit: str = ""
    text: bool = False


@dataclass(frozen=True)
class Table:
    """A table of cells that are text already; the note stands below it."""

    columns: list[Column]
    cells: list[list[str]]
    caption: str = ""
    note: str = ""

    @property
    def is_long(self) -> bool:
        """Whether the figures of a section come before the table."""
        return len(self.cells) > MAX_ROWS_BEFORE_FIGURES


@dataclass(frozen=True)
class Figure:
    """A figure with its caption: a plot, or the bytes of a PNG file."""

    caption: str
    plot: Plot | None = None
    png: bytes = b""

    @property
    def base64(self) -> str:
        """The PNG file as text."""
        return base64.b64encode(self.png).decode("ascii")


@dataclass
class Section:
    """A part of the report with a heading."""

    title: str
    texts: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)


@dataclass
class StudyReport:
    """The whole page: facts are (figure, what it is) pairs shown large."""

    title: str
    subtitle: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)


def render(report: StudyReport) -> str:
    """Give the page as HTML text; all text in it is escaped."""
    from jinja2 import Environment

    from ACSegLib.study.page_template import PAGE

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["minus"] = with_minus
    return environment.from_string(PAGE).render(report=report)


def table_of(
    rows: Sequence[Row],
    columns: Sequence[str],
    caption: str = "",
    labels: Mapping[str, str] | None = None,
) -> Table:
    """Lay rows out as a table of the report; columns that no row has, or none defined, are left out.

    Parameters
    ----------
    rows : sequence of mapping
    columns : sequence of str
        Keys, in order; labels and units come from `COLUMNS`, and the unit of length from the rows.
    labels : mapping of str to str, optional
        Other labels than those of `COLUMNS`.
    """
    unit = next((str(row["unit"]) for row in rows if row.get("unit")), "")
    present = [c for c in columns if any(_is_defined(row.get(c)) for row in rows)]
    intensity, intensity_unit = intensity_texts(rows)
    heads = []
    for name in present:
        label, its_unit = (labels or {}).get(name) or label_of(name), unit_text(unit, unit_power(name))
        if name.startswith("lac_"):
            label, its_unit = label.replace("intensity", intensity), intensity_unit
        elif name.startswith("thin_"):
            label = thin_text(label, rows)
        elif name in PERCENT:
            its_unit = "%"
        heads.append(Column(label, its_unit, name in WORDS))
    texts = [column_texts([row.get(name) for row in rows[:MAX_ROWS]], name) for name in present]
    cells = [list(row) for row in zip(*texts, strict=True)]
    more = len(rows) - len(cells)
    return Table(heads, cells, caption, f"{more} more rows are in the workbook (--tables)." if more > 0 else "")


def _is_defined(value: object) -> bool:
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def table_of_tests(
    rows: Sequence[Row],
    columns: Sequence[str],
    caption: str = "",
    labels: Mapping[str, str] | None = None,
) -> Table:
    """Lay out rows of statistical tests: measures with their "unit", means and intervals of differences as text."""
    shown = []
    for row in rows:
        name = str(row["measure"])
        unit = "%" if name in PERCENT else row.get("unit")
        measure = ", ".join(text for text in (label_of(name), unit) if text)
        shown.append({**row, **_means_and_difference(row, 100 if name in PERCENT else 1), "measure": measure})
    return table_of(shown, columns, caption, labels=labels)


def _means_and_difference(row: Row, scale: float) -> dict[str, str | None]:
    """Means, their difference and its interval as text, rounded by the interval's width."""
    names = [name for name in ("mean_first", "mean_second", "difference") if name in row]
    low, high = row.get("interval_low"), row.get("interval_high")
    if low is None or high is None or not (math.isfinite(low) and high > low):
        values = [row[name] * scale if _is_defined(row[name]) else None for name in names]
        return {**dict(zip(names, map(format_value, values), strict=True)), "interval": None}
    low, high = low * scale, high * scale
    decimals = decimals_for((high - low) / 2)
    texts: dict[str, str | None] = {name: fixed(row[name] * scale, decimals) for name in names}
    return texts | {"interval": f"{fixed(low, decimals)} to {fixed(high, decimals)}"}
