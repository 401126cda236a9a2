"""Does labelling where `suggest_slices` says reach a Dice with fewer slices than even spacing does?"""

from __future__ import annotations

from statistics import fmean

import numpy as np
from fill_bench import Bench
from fill_cases import Case, drawn_mask

#: Slices that are drawn before the first suggestion.
_START = 2

#: Suggestions are followed until so many times the slices of even spacing are drawn.
_LIMIT = 2

_TARGET = 0.6


def suggestion(bench: Bench) -> None:
    """Five phantoms: the share of the slices of even spacing (every 20th) that following the suggestions takes.

    Dice is over the whole volume, labelled slices included, so that both ways are judged on the same voxels.
    """
    shares = []
    for seed in range(3 if bench.options.quick else 5):
        case = bench.phantom((64,) * 3 if bench.options.quick else (128,) * 3, seed=seed)
        even = case.slices["k"]
        wanted = _mean_dice(case, even)
        drawn, history = _follow_suggestions(case, wanted, _LIMIT * len(even))
        shares.append(len(drawn) / len(even) if history[-1] >= wanted else float("inf"))
        reached = "reached" if history[-1] >= wanted else "not reached"
        bench.target(
            f"suggestion, {case.name}",
            f"Dice of {len(even)} even slices, {wanted:.4f}",
            f"{reached} with {len(drawn)}: {', '.join(f'{value:.4f}' for value in history)}",
            shares[-1] <= _TARGET,
        )
    mean = fmean(shares)
    bench.target("suggestion, mean", "<= 60 % of the slices of even spacing", f"{100 * mean:.0f} %", mean <= _TARGET)


def _follow_suggestions(case: Case, wanted: float, limit: int) -> tuple[list[int], list[float]]:
    """Draw `_START` even slices, then each slice suggested, until the Dice is reached or `limit` slices are drawn."""
    from ACSegLib.fill import suggest_slices

    depth = len(case.truth)
    drawn = [depth * (2 * n + 1) // (2 * _START) for n in range(_START)]
    history = []
    while True:
        result = _fill(case, drawn)
        history.append(_dice(case, result.segmentation.labels))
        if history[-1] >= wanted or len(drawn) >= limit:
            return drawn, history
        drawn = sorted({*drawn, *suggest_slices(result, 1)})


def _fill(case: Case, drawn: list[int]):  # type: ignore[no-untyped-def]
    from ACSegLib.fill import fill
    from ACSegLib.volume import Geometry, Segmentation, Volume

    geometry = Geometry(spacing=case.spacing, unit=case.unit)
    labels = np.where(drawn_mask(case.truth.shape, {"k": drawn}), case.truth, 0).astype(case.truth.dtype)
    names = {value: name for value, name in case.names.items() if (case.truth == value).any()}
    sparse = Segmentation.from_labels(labels, geometry, names)
    return fill(Volume(case.image, geometry, case.name), sparse, axis="k", slices=drawn)


def _mean_dice(case: Case, drawn: list[int]) -> float:
    return _dice(case, _fill(case, drawn).segmentation.labels)


def _dice(case: Case, found: np.ndarray) -> float:
    values = [value for value in np.unique(case.truth) if value]
    pairs = [(case.truth == value, found == value) for value in values]
    return fmean(2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)) for a, b in pairs)
