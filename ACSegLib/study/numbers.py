"""Numbers as text: values, means with their spread, and summaries of columns."""

from __future__ import annotations

import math
import re
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
#: Larger p values are 1.
MAX_P = 0.995
#: Decimals of percentages in tables.
PERCENT_DECIMALS = 2

_HYPHENS = re.compile(r"(?<![\w.)])-(?=\d)")


def format_value(value: Any, name: str = "") -> str:
    """A value for a person: four figures, of p values two, of effect sizes two decimals, an en dash where undefined.

    Shares (see `PERCENT`) are in percent, without the sign.
    """
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if name in P_VALUES:
            return _p_text(value)
        if name in EFFECT_SIZES:
            return f"{value:.2f}"
        if name in PERCENT:
            return fixed(100 * value, PERCENT_DECIMALS)
        return plain(value)
    return str(value)


def _p_text(p: float) -> str:
    """Two figures: "0.10", "0.0049", "1"."""
    if p < float(MIN_P):
        return f"< {MIN_P}"
    return f"{p:.{1 - _exponent(p)}f}" if p < MAX_P else "1"


def column_texts(values: Sequence[Any], name: str = "") -> list[str]:
    """The values of a column of a table, so that numbers have the same decimals and stand below one another.

    The largest has four figures. Values too different in size for this have four figures each.
    """
    if name in PERCENT or any(isinstance(v, float) for v in values):  # workbooks give 1 for 1.0
        values = [float(v) if isinstance(v, int) and not isinstance(v, bool) else v for v in values]
    floats = [v for v in values if isinstance(v, float) and math.isfinite(v)]
    decimals = None if name in (*P_VALUES, *EFFECT_SIZES, *PERCENT) else _common_decimals(floats)
    if decimals is None:
        return [format_value(value, name) for value in values]
    return [fixed(v, decimals) if isinstance(v, float) and math.isfinite(v) else format_value(v, name) for v in values]


def _common_decimals(values: Sequence[float]) -> int | None:
    """Decimals with which the largest value has four figures (one or two more if small ones need them), or None."""
    sizes = [abs(v) for v in values if v]
    if not sizes or _exponent(max(sizes)) >= MAX_DIGITS:
        return None
    if all(v == round(v) for v in values):
        return 0
    usual, needed = max(3 - _exponent(max(sizes)), 0), 1 - _exponent(min(sizes))
    return max(usual, needed) if needed <= usual + 2 else None


def with_minus(text: str) -> str:
    """A text of numbers with minus signs instead of hyphens."""
    return _HYPHENS.sub("\u2212", text)


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


#: Longer side of an interval over the shorter one, up to which a number is written with a plus-minus sign.
MAX_LOPSIDED = 1.6


def with_interval(value: float, low: float, high: float, unit: str = "", level: str = "") -> str:
    """A number and its interval, to two figures of half of its width: "412 ± 9 um3", or "570 um3 (340 to 1220)".

    Parameters
    ----------
    value, low, high : float
        If one side of the interval is much longer, both ends are given. Else the longer one follows the sign.
    unit : str
        Written after the number, with a space before it.
    level : str
        Of the interval, such as "90 %": "412 ± 9 um3 (90 %)", "570 um3 (340 to 1220, 90 %)".
    """
    half = (high - low) / 2
    shorter, longer = sorted((high - value, value - low))
    if not half > 1e-9 * abs(value):
        middle, *ends = map(plain, (value, low, high))
    elif longer <= MAX_LOPSIDED * shorter:
        return rounded(value, longer) + unit + (f" ({level})" if level else "")
    else:
        exponent = _exponent(max(abs(value), abs(low), abs(high)))
        written = -MAX_ZEROS <= exponent < MAX_DIGITS
        scale, power = (1.0, "") if written else (10.0**exponent, f"·10{_raised(exponent)}")
        middle, *ends = (fixed(number / scale, decimals_for(half / scale)) + power for number in (value, low, high))
    return f"{middle}{unit} ({', '.join(filter(None, (' to '.join(ends), level)))})"


def decimals_for(error: float) -> int:
    """Decimals that show two figures of an error; negative for one of 100 and more."""
    return 1 - _exponent(float(f"{error:.1e}"))


def fixed(value: float, decimals: int) -> str:
    """A number with so many decimals; of negative ones the digits before the point are rounded.

    Numbers with too many digits for that are written with a power of ten.
    """
    if _exponent(value) >= MAX_DIGITS:
        return plain(value, max(_exponent(value) + decimals + 1, 1))
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
            texts[name] = plus_minus(values, 100 if name in PERCENT else 1)
            numbers |= {name: mean, f"{name}_sd": spread, f"{name}_undefined": undefined}
    return texts, numbers
