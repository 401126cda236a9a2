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
    "cell": ("number", None),
    "method": ("method", None),
    "segment": ("segment", None),
    "group": ("group", None),
    "cells": ("n", None),
    "dice": ("Dice", None),
    "jaccard": ("Jaccard", None),
    "precision": ("precision", None),
    "recall": ("recall", None),
    "relative_volume_error": ("volume error", None),
    "average_surface_distance": ("average surface distance", 1),
    "surface_distance_95": ("95 % surface distance", 1),
    "surface_dice": ("surface Dice", None),
    "tolerance": ("tolerance", 1),
    "volume": ("volume", 3),
    "surface_area": ("surface", 2),
    "surface_to_volume": ("surface / volume", -1),
    "sphericity": ("sphericity", None),
    "axis_1": ("long axis", 1),
    "axis_2": ("middle axis", 1),
    "axis_3": ("short axis", 1),
    "centre_l": ("centre, L", 1),
    "centre_p": ("centre, P", 1),
    "centre_s": ("centre, S", 1),
    "thin_parts": ("filopodia", None),
    "thin_radius": ("their radius, at most", 1),
    "thin_part_length": ("their length", 1),
    "thin_part_mean_length": ("mean length", 1),
    "thin_part_max_length": ("longest", 1),
    "thin_part_mean_diameter": ("mean diameter", 1),
    "thin_part_volume": ("their volume", 3),
    "lac_mean": ("LAC mean", None),
    "lac_sd": ("LAC SD", None),
    "lac_interior_mean": ("LAC interior", None),
    "result_volume": ("volume", 3),
    "truth_volume": ("true volume", 3),
    "volume_difference": ("volume difference", 3),
    "result_surface_area": ("surface", 2),
    "truth_surface_area": ("true surface", 2),
    "result_surface_to_volume": ("surface / volume", -1),
    "truth_surface_to_volume": ("true surface / volume", -1),
    "touches_border": ("cut by border", None),
    "panoptic_quality": ("panoptic quality", None),
    "labels": ("labels", None),
    "volumes": ("training volumes", None),
    "measure": ("measure", None),
    "comparison": ("comparison", None),
    "pairs": ("pairs", None),
    "left_out": ("left out", None),
    "mean_first": ("mean, first", None),
    "mean_second": ("mean, second", None),
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
#: Columns that are shown in percent.
PERCENT = ("dice", "jaccard", "surface_dice", "relative_volume_error", "panoptic_quality")
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

    from ACSegLib.study.page_template import PAGE

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(PAGE).render(report=report)


def png_figure(data: bytes, caption: str) -> Figure:
    """A figure from the bytes of a PNG file."""
    return Figure(caption, png=base64.b64encode(data).decode("ascii"))


def table_of(
    rows: Sequence[Mapping[str, Any]],
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


def label_of(name: str) -> str:
    """Name of a column for people."""
    return COLUMNS[name][0] if name in COLUMNS else name.replace("_", " ")


def unit_power(name: str) -> int | None:
    """Power of the length unit in a column of the tables of cells and scores; None for one without unit."""
    if name.startswith("contact: "):
        return 2
    return COLUMNS[name][1] if name in COLUMNS else None


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


def mean_and_sd(values: Sequence[float | None]) -> tuple[float | None, float | None, int]:
    """Mean and SD of the values that are defined (None of too few), and the number of those that are not."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    mean = sum(known) / len(known) if known else None
    spread = None
    if mean is not None and len(known) > 1:
        spread = math.sqrt(sum((v - mean) ** 2 for v in known) / (len(known) - 1))
    return mean, spread, len(values) - len(known)


def plus_minus(values: Sequence[float | None], scale: float = 1.0, unit: str = "") -> str:
    """Mean and SD, "97.8 ± 2.1 % (1 undefined)", of the values that are defined; an en dash if none is."""
    mean, spread, undefined = mean_and_sd(values)
    if mean is None:
        return "–"
    text = f"{mean * scale:.4g}" + (f" ± {spread * scale:.2g}" if spread is not None else "") + unit
    return text + (f" ({undefined} undefined)" if undefined else "")


def summary_of(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """Mean and SD of columns, those without a defined value left out.

    Returns
    -------
    texts : dict of str
        See `plus_minus`.
    numbers : dict
        Under the column's name the mean, and with "_sd" and "_undefined" appended the SD and the number undefined.
    """
    texts: dict[str, str] = {}
    numbers: dict[str, Any] = {}
    for name in columns:
        values = [row.get(name) for row in rows]
        mean, spread, undefined = mean_and_sd(values)
        if mean is not None:
            texts[name] = plus_minus(values, 100, " %") if name in PERCENT else plus_minus(values)
            numbers |= {name: mean, f"{name}_sd": spread, f"{name}_undefined": undefined}
    return texts, numbers


def table_of_tests(
    rows: Sequence[Mapping[str, Any]],
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
