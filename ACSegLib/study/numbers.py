"""Numbers as text: values, means with their spread, and summaries of columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ACSegLib.study.columns import PERCENT
from ACSegLib.study.tables import Row


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


def summary_of(rows: Sequence[Row], columns: Sequence[str]) -> tuple[dict[str, str], dict[str, Any]]:
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
