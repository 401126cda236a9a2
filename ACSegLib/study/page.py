"""The report as one page of HTML: sections of text, tables and figures, all inline. No files, no network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ACSegLib.study.columns import label_of, unit_power, unit_text
from ACSegLib.study.numbers import format_value
from ACSegLib.study.tables import Row


@dataclass(frozen=True)
class Column:
    """A column of a table: label, unit (or ""), and whether it holds text."""

    label: str
    unit: str = ""
    text: bool = False


@dataclass(frozen=True)
class Table:
    """A table of cells that are text already."""

    columns: list[Column]
    cells: list[list[str]]
    caption: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure: SVG text, or a PNG in base64."""

    caption: str
    svg: str = ""
    png: str = ""


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
    return environment.from_string(PAGE).render(report=report)


def png_figure(data: bytes, caption: str) -> Figure:
    """A figure from the bytes of a PNG file."""
    return Figure(caption, png=base64.b64encode(data).decode("ascii"))


def table_of(
    rows: Sequence[Row],
    columns: Sequence[str],
    caption: str = "",
    unit: str = "",
    labels: Mapping[str, str] | None = None,
) -> Table:
    """Lay rows out as a table of the report; columns that no row has are left out.

    Parameters
    ----------
    rows : sequence of mapping
    columns : sequence of str
        Keys, in order; labels and units come from `COLUMNS`.
    unit : str
        Unit of length; that of the rows' "unit" when left out.
    labels : mapping of str to str, optional
        Other labels than those of `COLUMNS`.
    """
    unit = unit or next((str(row["unit"]) for row in rows if row.get("unit")), "")
    present = [c for c in columns if any(row.get(c) is not None for row in rows)]
    heads = []
    for name in present:
        text = all(isinstance(row.get(name), (str, type(None))) for row in rows)
        heads.append(Column((labels or {}).get(name) or label_of(name), unit_text(unit, unit_power(name)), text))
    cells = [[format_value(row.get(name), name) for name in present] for row in rows]
    return Table(heads, cells, caption)


def table_of_tests(
    rows: Sequence[Row],
    columns: Sequence[str],
    caption: str = "",
    labels: Mapping[str, str] | None = None,
) -> Table:
    """Lay out rows of statistical tests: measures with their "unit", intervals of differences as text."""
    shown = []
    for row in rows:
        low, high = (format_value(row.get(f"interval_{end}")) for end in ("low", "high"))
        measure = ", ".join(text for text in (label_of(str(row["measure"])), row.get("unit")) if text)
        shown.append({**row, "measure": measure, "interval": "–" if low == "–" else f"{low} to {high}"})
    return table_of(shown, columns, caption, labels=labels)
