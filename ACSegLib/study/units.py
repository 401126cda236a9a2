"""Units of analysis: cells of one volume are not independent, so that tests count volumes.

References
----------
Lord, Velle, Mullins, Fritz-Laylin, "SuperPlots: communicating reproducibility and variability in cell biology", Journal
of Cell Biology 219 (2020) e202001064.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from ACSegLib.json_values import Row
from ACSegLib.measure.comparison import compare_paired
from ACSegLib.study.evidence import MIN_PAIRS_FOR_TEST
from ACSegLib.study.numbers import mean_and_sd
from ACSegLib.study.tables import Rows

#: What the report says where a volume has several cells.
ON_VOLUMES = (
    f"Cells of one volume are not independent: paired tests compare means of volumes, from {MIN_PAIRS_FOR_TEST} "
    "volumes on (Lord et al., J. Cell Biol. 219, e202001064, 2020)."
)


def volume_of(row: Row) -> str:
    """Name of the volume that a row was measured in."""
    return str(row.get("source_volume", row["volume_name"]))


def are_clustered(rows: Sequence[Row]) -> bool:
    """Whether a volume has several of the rows."""
    return len({volume_of(row) for row in rows}) < len(rows)


def means_of_volumes(rows: Rows, columns: Sequence[str]) -> Rows:
    """One row per volume: the means of its cells' columns, and in "cells" their number."""
    volumes: dict[str, Rows] = {}
    for row in rows:
        volumes.setdefault(volume_of(row), []).append(row)
    means = []
    for volume, cells in volumes.items():
        averaged = {name: mean_and_sd([cell.get(name) for cell in cells])[0] for name in columns}
        averaged |= dict.fromkeys(("volume_low", "volume_high"))  # a mean has no such interval
        cut = any(cell.get("touches_border") for cell in cells)
        means.append({**cells[0], **averaged, "volume_name": volume, "cells": len(cells), "touches_border": cut})
    return means


def compare_pairs(
    first: Sequence[float | None], second: Sequence[float | None], volumes: Sequence[str], measure: str
) -> Row:
    """Compare paired values of cells, averaged by volume where there are volumes enough for a test.

    Parameters
    ----------
    first, second : sequence of float
        One value per cell.
    volumes : sequence of str
        The volume of each cell.
    measure : str

    Returns
    -------
    dict
        That of `PairedComparison`; "independent_pairs" counts volumes.
    """
    compared = compare_paired(first, second, measure)
    pairs: dict[str, list[tuple[float, float]]] = {}
    for a, b, volume in zip(first, second, volumes, strict=True):
        if a is not None and b is not None:
            pairs.setdefault(volume, []).append((a, b))
    if MIN_PAIRS_FOR_TEST <= len(pairs) < compared.pairs:
        means = [tuple(map(fmean, zip(*values, strict=True))) for values in pairs.values()]
        compared = compare_paired([a for a, _ in means], [b for _, b in means], measure)
    return {**compared.as_row(), "independent_pairs": len(pairs)}
