"""A study report as one page of HTML: sections of text, tables and figures, all inline. No files, no network."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Columns of the tables: label for people, and the power of the length unit (None: no unit).
COLUMNS: Mapping[str, tuple[str, int | None]] = {
    "volume_name": ("cell", None),
    "method": ("method", None),
    "segment": ("segment", None),
    "group": ("group", None),
    "dice": ("Dice", None),
    "jaccard": ("Jaccard", None),
    "precision": ("precision", None),
    "recall": ("recall", None),
    "relative_volume_error": ("volume error", None),
    "average_surface_distance": ("average surface distance", 1),
    "surface_distance_95": ("95 % surface distance", 1),
    "surface_dice": ("surface Dice", None),
    "volume": ("volume", 3),
    "surface_area": ("surface", 2),
    "surface_to_volume": ("surface / volume", -1),
    "sphericity": ("sphericity", None),
    "axis_1": ("long axis", 1),
    "axis_2": ("middle axis", 1),
    "axis_3": ("short axis", 1),
    "thin_parts": ("filopodia", None),
    "thin_part_length": ("their length", 1),
    "thin_part_volume": ("their volume", 3),
    "lac_mean": ("LAC mean", None),
    "lac_sd": ("LAC SD", None),
    "lac_interior_mean": ("LAC interior", None),
    "result_volume": ("volume", 3),
    "truth_volume": ("true volume", 3),
    "result_surface_to_volume": ("surface / volume", -1),
    "truth_surface_to_volume": ("true surface / volume", -1),
    "touches_border": ("cut by border", None),
    "panoptic_quality": ("panoptic quality", None),
    "measure": ("measure", None),
    "comparison": ("comparison", None),
    "pairs": ("pairs", None),
    "mean_first": ("mean", None),
    "mean_second": ("mean of truth", None),
    "difference": ("difference", None),
    "interval": ("95 % interval", None),
    "relative_difference": ("relative", None),
    "cohen_d": ("Cohen's d", None),
    "t_p": ("p (t-test)", None),
    "wilcoxon_p": ("p (Wilcoxon)", None),
    "p_corrected": ("p corrected", None),
    "rank_p": ("p (ranks)", None),
    "hedges_g": ("Hedges' g", None),
}
_SUPERSCRIPTS = {1: "", 2: "²", 3: "³"}


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

    from ACSegLib.measure.report_template import PAGE

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(PAGE).render(report=report)


def png_figure(data: bytes, caption: str) -> Figure:
    """A figure from the bytes of a PNG file."""
    return Figure(caption, png=base64.b64encode(data).decode("ascii"))


def table_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], caption: str = "", unit: str = "") -> Table:
    """Lay rows out as a table of the report; columns that no row has are left out.

    Parameters
    ----------
    rows : sequence of mapping
    columns : sequence of str
        Keys, in order; labels and units come from `COLUMNS`.
    unit : str
        Unit of length; that of the rows' "unit" when left out.
    """
    unit = unit or next((str(row["unit"]) for row in rows if row.get("unit")), "")
    present = [c for c in columns if any(row.get(c) is not None for row in rows)]
    heads = []
    for name in present:
        label, power = COLUMNS.get(name, (name.replace("_", " "), None))
        text = all(isinstance(row.get(name), (str, type(None))) for row in rows)
        heads.append(Column(label, unit_text(unit, power), text))
    cells = [[format_value(row.get(name), name) for name in present] for row in rows]
    return Table(heads, cells, caption)


def unit_text(unit: str, power: int | None) -> str:
    """ "µm³" for ("um", 3); "1/µm" for ("um", -1); "" for a column without unit."""
    if power is None or not unit:
        return ""
    unit = {"um": "µm", "angstrom": "Å"}.get(unit, unit)
    return f"1/{unit}" if power == -1 else unit + _SUPERSCRIPTS[power]


def format_value(value: Any, name: str = "") -> str:
    """A value for a person: four figures, p values by their size, an en dash where undefined."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if name in ("t_p", "wilcoxon_p", "p_corrected", "rank_p", "p") and value < 0.0001:
            return "< 0.0001"
        if name in ("relative_volume_error", "relative_difference"):
            return f"{100 * value:+.2f} %"
        return f"{value:.4g}"
    return str(value)


def plus_minus(values: Sequence[float | None], scale: float = 1.0) -> str:
    """Mean and SD of the values that are defined, "97.8 ± 2.1"; an en dash if none is."""
    known = [v * scale for v in values if v is not None and math.isfinite(v)]
    if not known:
        return "–"
    mean = sum(known) / len(known)
    if len(known) < 2:
        return f"{mean:.4g}"
    spread = math.sqrt(sum((v - mean) ** 2 for v in known) / (len(known) - 1))
    return f"{mean:.4g} ± {spread:.2g}"
