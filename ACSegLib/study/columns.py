"""What the columns of the tables are called on the page, and which unit they have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ACSegLib.geometry import unit_symbol
from ACSegLib.volume import UNITS_IN_MM

#: Columns of the tables: label for people, and the power of the length unit (None: no unit).
COLUMNS: Mapping[str, tuple[str, int | None]] = {
    "volume_name": ("name", None),
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
    "surface_distance_95": ("surface distance, 95th percentile", 1),
    "surface_dice": ("surface Dice", None),
    "tolerance": ("tolerance", 1),
    "volume": ("volume", 3),
    "volume_low": ("volume, from (90 %)", 3),
    "volume_high": ("volume, to (90 %)", 3),
    "volume_interval": ("interval from", None),
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
    "thin_radius": ("radius of thin structures", 1),
    "thin_part_length": ("length of filopodia", 1),
    "thin_part_mean_length": ("mean length of filopodia", 1),
    "thin_part_max_length": ("longest filopodium", 1),
    "thin_part_mean_diameter": ("mean diameter of filopodia", 1),
    "thin_part_volume": ("volume of filopodia", 3),
    "lac_mean": ("intensity mean", None),
    "lac_sd": ("intensity SD", None),
    "lac_interior_mean": ("intensity, interior", None),
    "result_volume": ("volume", 3),
    "truth_volume": ("reference volume", 3),
    "volume_difference": ("volume difference", 3),
    "result_surface_area": ("surface", 2),
    "truth_surface_area": ("reference surface", 2),
    "result_surface_to_volume": ("surface / volume", -1),
    "truth_surface_to_volume": ("reference surface / volume", -1),
    "touches_border": ("cut by border", None),
    "panoptic_quality": ("panoptic quality", None),
    "recognition_quality": ("recognition quality", None),
    "segmentation_quality": ("segmentation quality", None),
    "labels": ("labels", None),
    "volumes": ("training volumes", None),
    "measure": ("measure", None),
    "comparison": ("comparison", None),
    "pairs": ("pairs", None),
    "left_out": ("left out", None),
    "mean_first": ("mean, first", None),
    "mean_second": ("mean, second", None),
    "difference": ("difference", None),
    "interval": ("95\u00a0% interval", None),
    "relative_difference": ("relative", None),
    "cohen_d": ("Cohen's\u00a0d", None),
    "t_p": ("p\u00a0(t\u2011test)", None),
    "wilcoxon_p": ("p\u00a0(Wilcoxon)", None),
    "p_corrected": ("p,\u00a0corrected", None),
    "rank_p": ("p\u00a0(ranks)", None),
    "hedges_g": ("Hedges'\u00a0g", None),
}
#: Columns that are shown in percent.
PERCENT = ("dice", "jaccard", "surface_dice", "relative_volume_error", "relative_difference")
#: Columns of words, which are aligned to the left.
WORDS = ("volume_name", "method", "segment", "group", "labels", "measure", "comparison", "volume_interval")
#: Columns of p values.
P_VALUES = ("t_p", "wilcoxon_p", "p_corrected", "rank_p", "p")
#: What is measured with a larger radius is called a thin structure rather than a filopodium.
MAX_FILOPODIUM_RADIUS_MM = 1e-3
_SUPERSCRIPTS = {1: "", 2: "²", 3: "³"}


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
    unit = unit_symbol(unit)
    return f"1/{unit}" if power == -1 else unit + _SUPERSCRIPTS[power]


def thin_text(label: str, rows: Sequence[Mapping[str, object]]) -> str:
    """A label with "filopodia"; with "thin structures" if these are thicker, or of unknown size."""
    radii = [(float(str(row["thin_radius"])), str(row.get("unit"))) for row in rows if row.get("thin_radius")]
    if all(radius * UNITS_IN_MM.get(unit, math.inf) <= MAX_FILOPODIUM_RADIUS_MM for radius, unit in radii):
        return label
    return label.replace("filopodia", "thin structures").replace("filopodium", "thin structure")


def intensity_unit(rows: Sequence[Mapping[str, object]]) -> str:
    """Unit that the intensities of rows are in; "" for none, or several."""
    units = {str(row.get("intensity_unit") or "") for row in rows if row.get("lac_mean") is not None}
    return units.pop() if len(units) == 1 else ""


def intensity_texts(rows: Sequence[Mapping[str, object]]) -> tuple[str, str]:
    """What the intensities of rows are called, and their unit: ("LAC", "1/µm"), or ("intensity", "").

    Only an inverse length is a linear absorption coefficient; rows of several units have none.
    """
    unit = intensity_unit(rows)
    return ("LAC" if unit.startswith("1/") or unit.endswith("^-1") else "intensity"), unit_symbol(unit)
