"""From how many values on a report shows a statistic. Below these numbers it shows the values, and the reason.

================ =================================================================================================
mean ± SD        from 3 values: the SD of two is their difference in other words.
plot of values   from 3 values in one of the groups: fewer are quicker read in the table.
box              from 5 values, so that quartiles lie between points instead of on them.
paired tests     from 6 pairs: with 5 the smallest two-sided p of the Wilcoxon test is 0.063, so that it could find
                 no difference whatever the values are.
tests of groups  from 4 volumes in each group: with 3 the smallest two-sided p of the Mann-Whitney test is 0.1.
agreement limits from 10 pairs: a limit then is known to about 1.2 SD of the differences (95 % interval; Bland and
                 Altman, Lancet 327 (1986) 307-310: its standard error is about sqrt(3 / n) SD).
================ =================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ACSegLib.json_values import Row
from ACSegLib.study.tables import Rows

MIN_FOR_SD = 3
MIN_FOR_PLOT = 3
MIN_FOR_BOX = 5
MIN_PAIRS_FOR_TEST = 6
MIN_CELLS_FOR_TEST = 4
MIN_PAIRS_FOR_LIMITS = 10
#: Pairs from which a plot of differences shows more than the table.
MIN_PAIRS_FOR_PLOT = 3

_TESTED = ("interval_low", "interval_high", "t", "t_p", "wilcoxon_p", "cohen_d", "p_corrected")
_LIMITS = ("limit_low", "limit_high")


def worth_plotting(groups: Mapping[str, Sequence[float]]) -> bool:
    """Whether a group has values enough for a plot."""
    return any(len(values) >= MIN_FOR_PLOT for values in groups.values())


def withhold_tests(rows: Rows) -> str:
    """Take tests and limits of too few pairs out of rows of paired comparisons; gives a sentence on it, or ""."""
    few = [row for row in rows if independent_pairs(row) < MIN_PAIRS_FOR_TEST]
    for row in few:
        row.update(dict.fromkeys(_TESTED, float("nan")))
    for row in rows:
        if independent_pairs(row) < MIN_PAIRS_FOR_LIMITS:
            row.update(dict.fromkeys(_LIMITS, float("nan")))
    if not few:
        return ""
    which = "The comparisons have" if len(few) == len(rows) else "Some comparisons have"
    kind = "pairs of volumes" if any(independent_pairs(row) < row["pairs"] for row in few) else "pairs"
    return f"{which} fewer than {MIN_PAIRS_FOR_TEST} {kind}: they are described, not tested."


def independent_pairs(row: Row) -> int:
    """Pairs of a comparison that count in a test: of several cells of a volume only the volume."""
    number = row.get("independent_pairs")
    return int(row["pairs"] if number is None else number)
