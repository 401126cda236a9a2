"""Estimators of Dice and volume, fitted to segments whose truth is known, and a table of how far they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import harness
import numpy as np

from ACSegLib.segment_estimates import MAX_RATIO, MIN_ERROR, Estimator, SegmentEstimate

#: Part of the calibrating segments that the intervals hold.
NOMINAL = 0.9
#: Groups of volumes; the deviations of each are of a fit to the others.
FOLDS = 8
#: A segment with a smaller Dice should not be trusted.
BAD_DICE = 0.8


class Signs(Protocol):
    """What tells how right a segment is."""

    filled: float

    @property
    def ratios(self) -> tuple[float, ...]:
        """Estimates of the logarithm of true over found volume."""
        ...

    @property
    def vector(self) -> np.ndarray:
        """Inputs of the linear models."""
        ...


class Known(Protocol):
    """A segment whose truth is known."""

    volume: str
    kind: str
    seed: int
    signs: Signs
    dice: float
    voxels: float


class Collected:
    """Rows of segments by key, kept in a JSON file if one is given."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self.rows: dict[str, list[dict[str, Any]]] = json.loads(file.read_text()) if file and file.exists() else {}

    def get(self, key: str, make: Callable[[], Iterable[Any]]) -> list[dict[str, Any]]:
        """The rows of a key; of a new one those of the segments (dataclasses) that `make` gives."""
        if key not in self.rows:
            harness.say(key)
            self.rows[key] = [asdict(segment) for segment in make()]
            if self._file:
                self._file.write_text(json.dumps(self.rows))
        return self.rows[key]


def fit_estimator(segments: Sequence[Known]) -> Estimator:
    """Fit by least squares; the ends of the intervals are quantiles of the deviations.

    The deviations are of fits to other volumes (cross-conformal prediction, Vovk 2015,
    doi:10.1007/s10472-013-9368-4). Those of the fit itself would be too small.
    """
    x, weights, count = np.array([s.signs.vector for s in segments]), _weights(segments), len(segments)
    error = np.log(np.maximum([1 - s.dice for s in segments], MIN_ERROR))
    error_spread, errors = _relative(x, _held_out(x, error, segments), segments, 0.05)
    rank = min(1.0, np.ceil((count + 1) * (1 + NOMINAL) / 2) / count)
    low, high = -_quantile(-errors, weights, rank), _quantile(errors, weights, rank)
    ratios = np.array([[1.0, *np.clip(s.signs.ratios, -MAX_RATIO, MAX_RATIO)] for s in segments])
    ratio = np.log([max(s.voxels, 1.0) / s.signs.filled for s in segments])
    within = np.clip(ratio, -MAX_RATIO, MAX_RATIO)  # a segment that was lost must not count for more than all others
    deviation = _held_out(ratios, within, segments) + ratio - within
    ratio_spread, relative = _relative(x, deviation, segments, 0.002)
    slopes = _ridge(ratios, within, weights)
    return Estimator(
        error_coefficients=_rounded(_ridge(x, error, weights)),
        error_spread=_rounded(error_spread),
        error_interval=(round(low, 4), round(high, 4)),
        ratio_coefficients=_rounded(slopes),
        ratio_spread=_rounded(ratio_spread),
        ratio_interval=round(_quantile(np.abs(relative), weights, min(1.0, np.ceil((count + 1) * NOMINAL) / count)), 2),
    )


def _relative(
    x: np.ndarray, deviation: np.ndarray, segments: Sequence[Known], least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of the usual deviation, and the deviations in units of it."""
    size = np.log(np.maximum(np.abs(deviation), least))
    usual = size - _held_out(x, size, segments, 0.01)
    return _ridge(x, size, _weights(segments), 0.01), deviation / np.exp(usual)


def _held_out(x: np.ndarray, y: np.ndarray, segments: Sequence[Known], strength: float = 1e-3) -> np.ndarray:
    """What is left of `y` after fits to the other volumes."""
    weights, left = _weights(segments), np.empty(len(y))
    _, place = np.unique([f"{s.seed} {s.volume}" for s in segments], return_inverse=True)
    for fold in range(FOLDS):
        out = place % FOLDS == fold
        left[out] = y[out] - x[out] @ _ridge(x[~out], y[~out], weights[~out], strength)
    return left


def _rounded(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(v), 4) for v in values)


def _weights(segments: Sequence[Known]) -> np.ndarray:
    """Each volume counts the same, however many segments it has."""
    _, inverse, counts = np.unique([f"{s.seed} {s.volume}" for s in segments], return_inverse=True, return_counts=True)
    weights: np.ndarray = 1.0 / counts[inverse]
    return weights / weights.sum()


def _ridge(x: np.ndarray, y: np.ndarray, weights: np.ndarray, strength: float = 1e-3) -> np.ndarray:
    """Coefficients by least squares; those of the columns after the first are kept small, in units of their SD."""
    centre, scale = x[:, 1:].mean(axis=0), x[:, 1:].std(axis=0) + 1e-9
    z = np.column_stack([np.ones(len(x)), (x[:, 1:] - centre) / scale])
    weights = weights / weights.sum()
    penalty = strength * np.eye(z.shape[1])
    penalty[0, 0] = 0
    slopes = np.linalg.solve((z.T * weights) @ z + penalty, (z.T * weights) @ y)
    slopes[1:] /= scale
    slopes[0] -= slopes[1:] @ centre
    result: np.ndarray = slopes
    return result


def _quantile(values: np.ndarray, weights: np.ndarray, rank: float) -> float:
    order = np.argsort(values)
    place = int(np.searchsorted(np.cumsum(weights[order]), rank - 1e-12))
    return float(values[order[min(place, len(values) - 1)]])


def table(segments: Sequence[Known], judge: Callable[[Known], SegmentEstimate]) -> str:
    """Coverage and width for each kind of volume, and the warning's precision and recall."""
    rows = []
    kinds = {s.kind: [t for t in segments if t.kind == s.kind] for s in segments}
    for kind, members in [*kinds.items(), ("all", segments)]:
        estimates = [judge(s) for s in members]
        dice = [e.dice.low <= s.dice <= e.dice.high for e, s in zip(estimates, members, strict=True)]
        told = [(e.voxels, s.voxels) for e, s in zip(estimates, members, strict=True) if e.voxels is not None]
        volume = [interval.low <= truth <= interval.high for interval, truth in told]
        deviation = [abs(e.dice.value - s.dice) for e, s in zip(estimates, members, strict=True)]
        widths = [e.dice.high - e.dice.low for e in estimates]
        parts = [(interval.high - interval.low) / 2 / interval.value for interval, _ in told]
        rows.append(
            [
                kind,
                len(members),
                f"{np.mean(dice):.0%}",
                f"{np.median(widths):.3f}",
                f"{np.median(deviation):.3f}",
                f"{np.mean(volume):.0%}" if told else "-",
                f"+-{np.median(parts):.1%}" if told else "-",
            ]
        )
    header = ["volumes", "segments", "Dice in", "width", "deviation", "volume in", "half width"]
    warned = np.array([not judge(s).trusted for s in segments])
    bad = np.array([s.dice < BAD_DICE for s in segments])
    both = np.count_nonzero(warned & bad)
    words = f"do not trust: precision {both / max(warned.sum(), 1):.2f}, recall {both / max(bad.sum(), 1):.2f}"
    return f"{harness.markdown_table(header, rows)}\n\n{words} of {bad.sum()} segments with a Dice below {BAD_DICE}"
