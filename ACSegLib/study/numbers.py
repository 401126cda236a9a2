"""Numbers as text: values, means with their spread, and summaries of columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ACSegLib.json_values import Row
from ACSegLib.study.columns import P_VALUES, PERCENT
from ACSegLib.study.evidence import MIN_FOR_SD

#: Numbers with more digits before the point, or more zeros behind it, are written with a power of ten.
MAX_DIGITS, MAX_ZEROS = 6, 4
#: Columns of standardised effects: few cells do not tell them more exactly than two decimals.
EFFECT_SIZES = ("cohen_d", "hedges_g")
#: Smaller p values are not distinguished: tests of few cells are not that exact.
MIN_P = "0.0001"


def format_value(value: Any, name: str = "") -> str:
    """A value for a person: four figures, of p values two, of effect sizes two decimals, an en dash where undefined."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if name in P_VALUES:
            return plain(value, 2) if value >= float(MIN_P) else f"< {MIN_P}"
        if name in EFFECT_SIZES:
            return f"{value:.2f}"
        if name in ("relative_volume_error", "relative_difference"):
            return f"{100 * value:+.2f} %"
        return plain(value)
    return str(value)


def mean_and_sd(values: Sequence[float | None]) -> tuple[float | None, float | None, int]:
    """Mean and SD of the values that are defined (None of too few), and the number of those that are not."""
    known = [v for v in values if v is not None and math.isfinite(v)]
    mean = sum(known) / len(known) if known else None
    spread = None
    if mean is not None and len(known) > 1:
        spread = math.sqrt(sum((v - mean) ** 2 for v in known) / (len(known) - 1))
    return mean, spread, len(values) - len(known)


def plain(value: float, figures: int = 4) -> str:
    """A number with so many figures, as people write it: "239.3", "1.2·10⁻⁵", never "1.2e-05"."""
    exponent = _exponent(value)
    if -MAX_ZEROS <= exponent < MAX_DIGITS:
        text = f"{value:.{max(figures - 1 - exponent, 0)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{plain(value / 10.0**exponent, figures)}·10{_raised(exponent)}"


def rounded(mean: float, error: float, sign: str = "±") -> str:
    """A number and its error, rounded by the error: two figures of it, "240 ± 190", "97.4 ± 1.7"."""
    if not error > 1e-9 * abs(mean):  # the values are equal up to rounding
        return f"{plain(mean)} {sign} 0"
    exponent = _exponent(max(abs(mean), error))
    if not -MAX_ZEROS <= exponent < MAX_DIGITS:
        scale = 10.0**exponent
        return f"({rounded(mean / scale, error / scale, sign)})·10{_raised(exponent)}"
    decimals = decimals_for(error)
    return f"{fixed(mean, decimals)} {sign} {fixed(error, decimals)}"


def decimals_for(error: float) -> int:
    """Decimals that show two figures of an error; negative for one of 100 and more."""
    return 1 - _exponent(float(f"{error:.1e}"))


def fixed(value: float, decimals: int) -> str:
    """A number with so many decimals; of negative ones the digits before the point are rounded."""
    return f"{round(value, decimals) + 0.0:.{max(decimals, 0)}f}"


def _exponent(value: float) -> int:
    return math.floor(math.log10(abs(value))) if value else 0


def _raised(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))


def plus_minus(values: Sequence[float | None], scale: float = 1.0, unit: str = "") -> str:
    """Mean and SD, "97.8 ± 2.1 % (1 undefined)", of the values that are defined; an en dash if none is.

    The SD is shown from `ACSegLib.study.evidence.MIN_FOR_SD` values on.
    """
    mean, spread, undefined = mean_and_sd(values)
    if mean is None:
        return "–"
    shown = spread is not None and len(values) - undefined >= MIN_FOR_SD
    text = (rounded(mean * scale, spread * scale) if shown and spread is not None else plain(mean * scale)) + unit
    return text + (f" ({undefined} undefined)" if undefined else "")


def summary_of(rows: Sequence[Row], columns: Sequence[str]) -> tuple[dict[str, str], Row]:
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
