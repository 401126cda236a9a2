"""Statistical comparison of a measure: the same cells measured two ways, or groups of cells.

The tests themselves are scipy's and pingouin's; here they are chosen, guarded against what they cannot take (too few
cells, no spread, undefined values) and laid out as rows.

References
----------
Bland, Altman, "Statistical methods for assessing agreement between two methods", Lancet 327 (1986) 307-310.
Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6 (1979) 65-70.
Vallat, "Pingouin: statistics in Python", Journal of Open Source Software 3 (2018) 1026.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.json_values import Row

_NAN = float("nan")
#: Of all intervals and, as the share of cells within them, of the limits of agreement.
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class PairedComparison:
    """One measure of the same cells, two ways (first minus second).

    Means, differences and interval are in the measure's unit. `cohen_d` is the mean difference over the SD of the
    differences (d_z); `t_p` and `wilcoxon_p` are two-sided, `p_corrected` is `t_p` corrected for several measures.
    NaN where fewer than two pairs, or differences without spread, leave a value undefined.
    """

    measure: str
    pairs: int
    left_out: int
    mean_first: float
    mean_second: float
    difference: float
    difference_sd: float
    interval_low: float
    interval_high: float
    relative_difference: float
    t: float
    t_p: float
    wilcoxon_p: float
    cohen_d: float
    limit_low: float
    limit_high: float
    p_corrected: float = _NAN

    def as_row(self) -> Row:
        """The values as a row of a table."""
        return asdict(self)


def compare_paired(
    first: Sequence[float | None], second: Sequence[float | None], measure: str = ""
) -> PairedComparison:
    """Compare paired values by t-test and Wilcoxon test, with effect size, 95 % interval and Bland-Altman limits.

    Parameters
    ----------
    first, second : sequence of float
        One value per cell, in one order. Pairs with an undefined value are left out and counted.
    measure : str
        Name, for the table.

    Returns
    -------
    PairedComparison
    """
    a, b, left_out = _pairs(first, second, measure)
    n = len(a)
    difference = a - b
    mean = float(np.mean(difference)) if n else _NAN
    spread = float(np.std(difference, ddof=1)) if n > 1 else _NAN
    tested = {"t": _NAN, "t_p": _NAN, "wilcoxon_p": _NAN, "cohen_d": _NAN, "low": _NAN, "high": _NAN}
    if n > 1 and spread <= 1e-12 * max(float(np.max(np.abs(np.concatenate([a, b])))), 1e-300):
        # Equal differences: without spread there is no test; equal values are not different.
        tested.update(low=mean, high=mean, t_p=1.0 if mean == 0 else _NAN, wilcoxon_p=1.0 if mean == 0 else _NAN)
    elif n > 1:
        from scipy import stats

        t_test = stats.ttest_rel(a, b)
        interval = t_test.confidence_interval(_CONFIDENCE)
        tested.update(
            t=float(t_test.statistic),
            t_p=float(t_test.pvalue),
            wilcoxon_p=float(stats.wilcoxon(a, b).pvalue),
            cohen_d=mean / spread,
            low=float(interval.low),
            high=float(interval.high),
        )
    limits = bland_altman(a.tolist(), b.tolist())
    mean_first, mean_second = (float(np.mean(v)) if n else _NAN for v in (a, b))
    relative = mean / mean_second if n and mean_second else _NAN
    return PairedComparison(
        measure=measure,
        pairs=n,
        left_out=left_out,
        mean_first=mean_first,
        mean_second=mean_second,
        difference=mean,
        difference_sd=spread,
        interval_low=tested["low"],
        interval_high=tested["high"],
        relative_difference=relative,
        t=tested["t"],
        t_p=tested["t_p"],
        wilcoxon_p=tested["wilcoxon_p"],
        cohen_d=tested["cohen_d"],
        limit_low=limits.limit_low,
        limit_high=limits.limit_high,
    )


@dataclass(frozen=True)
class Agreement:
    """Means and differences of pairs, their bias, and the limits of agreement (NaN below two pairs)."""

    means: list[float]
    differences: list[float]
    bias: float
    limit_low: float
    limit_high: float


def bland_altman(first: Sequence[float | None], second: Sequence[float | None]) -> Agreement:
    """Compare pairs by their differences; the limits hold 95 % of these, if they are normally distributed."""
    from scipy import stats

    a, b, _ = _pairs(first, second, "")
    difference = a - b
    bias = float(np.mean(difference)) if len(a) else _NAN
    reach = float(stats.norm.ppf(0.5 + _CONFIDENCE / 2) * np.std(difference, ddof=1)) if len(a) > 1 else _NAN
    return Agreement(((a + b) / 2).tolist(), difference.tolist(), bias, bias - reach, bias + reach)


def correct_p_values(values: Sequence[float]) -> list[float]:
    """Correct p values for their number, as Holm does; undefined ones stay undefined and do not count."""
    array = np.array(values, float)
    known = np.isfinite(array)
    if known.any():
        import pingouin

        array[known] = pingouin.multicomp(array[known], method="holm")[1]
    return [float(v) for v in array]


def compare_groups(
    groups: Mapping[str, Sequence[float]],
    measure: str = "",
    minimum: int = 2,
    counted: str = "cells",
) -> list[Row]:
    """Compare groups of cells (cell types, treatments): all together, then each pair.

    Parameters
    ----------
    groups : mapping of name to values
        One value per cell; undefined ones are left out. At least two groups of `minimum` cells or more.
    measure : str
        Name, for the table.
    minimum : int
        Cells of a group that are enough for a test, 2 or more.
    counted : str
        What the values are of, for messages.

    Returns
    -------
    list of dict
        The first row is of all groups (Welch's ANOVA and Kruskal-Wallis; with two groups it is left out), then one row
        per pair: Welch's t-test, Mann-Whitney test, Hedges' g, difference of means with 95 % interval. The ANOVA's p is
        NaN where the cells of a group are all alike.

    Raises
    ------
    InputError
        If there are fewer than two groups, or one of them has too few cells.
    """
    clean = {name: _defined(values) for name, values in groups.items()}
    small = [name for name, values in clean.items() if len(values) < minimum]
    if len(clean) < 2 or small:
        what = f"group {small[0]!r} has {len(clean[small[0]])}" if small else f"there is {len(clean)} group"
        raise InputError(f"comparing {measure or 'groups'} needs two groups of {minimum} {counted} or more; {what}.")
    rows: list[Row] = []
    if len(clean) > 2:
        rows.append({"measure": measure, "comparison": "all groups", **_all_groups(clean)})
    for first, second in itertools.combinations(clean, 2):
        test = _two_groups(clean[first], clean[second])
        rows.append({"measure": measure, **test, "comparison": f"{first} - {second}"})
    return rows


def compare_group_measures(
    measures: Mapping[str, Mapping[str, Sequence[float]]],
    minimum: int = 2,
    counted: str = "cells",
) -> tuple[list[Row], dict[str, str]]:
    """Compare groups of cells by several measures; p values are corrected for all pairs of groups and all measures.

    Parameters
    ----------
    measures : mapping of measure to (mapping of group to values)
    minimum : int
    counted : str
        See `compare_groups`.

    Returns
    -------
    rows : list of dict
        Those of `compare_groups`, measure by measure; of three groups or more those with too few cells are left out.
    left_out : dict of str to str
        Measures that cannot be compared, or not for all groups, and why.
    """
    rows: list[Row] = []
    left_out: dict[str, str] = {}
    for measure, groups in measures.items():
        counts = {name: len(_defined(values)) for name, values in groups.items()}
        large = {name: groups[name] for name, count in counts.items() if count >= minimum}
        if 1 < len(large) < len(groups):
            small = ", ".join(f"{name!r} ({count})" for name, count in counts.items() if count < minimum)
            left_out[measure] = f"{measure} of the groups with fewer than {minimum} {counted}: {small}."
            groups = large
        try:
            rows += compare_groups(groups, measure, minimum, counted)
        except InputError as error:
            left_out[measure] = str(error)
    pairs = [row for row in rows if row["comparison"] != "all groups"]
    for row, p in zip(pairs, correct_p_values([row["p"] for row in pairs]), strict=True):
        row["p_corrected"] = p
    return rows, left_out


def _defined(values: Sequence[float | None]) -> np.ndarray:
    return np.array([v for v in values if v is not None and np.isfinite(v)])


def _all_groups(groups: Mapping[str, np.ndarray]) -> Row:
    import pandas
    import pingouin
    from scipy import stats

    table = pandas.DataFrame([{"group": g, "value": v} for g, values in groups.items() for v in values])
    welch = _NAN
    if all(np.ptp(v) > 0 for v in groups.values()):  # the weights are the groups' inverse variances
        anova = pingouin.welch_anova(table, dv="value", between="group")
        welch = float(anova["p_unc" if "p_unc" in anova else "p-unc"].iloc[0])  # as older releases name it
    flat = bool(np.ptp(table["value"].to_numpy()) == 0)
    return {
        "cells": len(table),
        "p": welch,
        "rank_p": 1.0 if flat else float(stats.kruskal(*groups.values()).pvalue),
        "test": "Welch ANOVA; Kruskal-Wallis",
    }


def _two_groups(a: np.ndarray, b: np.ndarray) -> Row:
    import pingouin
    from scipy import stats

    row: Row = {
        "test": "Welch t; Mann-Whitney",
        "cells": len(a) + len(b),
        "cells_first": len(a),
        "cells_second": len(b),
        "mean_first": float(np.mean(a)),
        "mean_second": float(np.mean(b)),
        "difference": float(np.mean(a) - np.mean(b)),
        "p": _NAN,
        "rank_p": float(stats.mannwhitneyu(a, b).pvalue),
        "hedges_g": _NAN,
        "interval_low": _NAN,
        "interval_high": _NAN,
    }
    if np.ptp(a) > 0 or np.ptp(b) > 0:
        t_test = stats.ttest_ind(a, b, equal_var=False)
        interval = t_test.confidence_interval(_CONFIDENCE)
        row.update(
            p=float(t_test.pvalue),
            hedges_g=float(pingouin.compute_effsize(a, b, eftype="hedges")),
            interval_low=float(interval.low),
            interval_high=float(interval.high),
        )
    return row


def _pairs(
    first: Sequence[float | None], second: Sequence[float | None], measure: str
) -> tuple[np.ndarray, np.ndarray, int]:
    a = np.array([_NAN if v is None else v for v in first], float)
    b = np.array([_NAN if v is None else v for v in second], float)
    if a.shape != b.shape or a.ndim != 1:
        raise InputError(f"{measure or 'paired values'}: {a.size} first and {b.size} second values do not pair up.")
    known = np.isfinite(a) & np.isfinite(b)
    return a[known], b[known], int(len(a) - np.count_nonzero(known))
