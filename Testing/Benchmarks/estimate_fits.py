"""Estimators of Dice and volume, fitted to segments whose truth is known, and a table of how far they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import harness
import numpy as np

from ACSegLib.segment_estimates import MAX_RATIO, MIN_ERROR, Estimator, SegmentEstimate, log_odds

#: Part of the calibrating segments that the intervals hold.
NOMINAL = 0.9
#: Groups of volumes, where kinds are not left out; the deviations of each are of a fit to the others.
FOLDS = 8
#: A segment with a smaller Dice should not be trusted.
BAD_DICE = 0.8
#: Probability of a bad segment from which on it is warned of; steps and ridge of the regression that gives it.
WARNED, NEWTON_STEPS, RIDGE = 0.3, 20, 1e-6
#: Dice that hardly matters to whoever is warned.
MARGIN = 0.05


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


@dataclass(frozen=True)
class Plan:
    """How an estimator is fitted.

    Attributes
    ----------
    by_kind : bool
        Whether the deviations of a kind of volumes are those of a fit to the other kinds, and each kind counts the
        same. Else they are of fits to other volumes, and each volume counts the same.
    odds : bool
        See `Estimator.odds`.
    error, spread, ratio_spread : tuple of int, optional
        Columns of the inputs on which the error, its usual deviation, and that of the volume besides the expected error
        depend; all columns if they are not given.
    above, below : float
        Part of the calibrating segments whose Dice may be above and below the interval. Room for a better Dice than
        expected costs hardly any width.
    ratio_part : float
        Part of the calibrating volumes that the intervals hold. Volumes of another kind deviate more.
    strength : (float, float)
        Of the ridge, for the error and for its usual deviation.
    """

    by_kind: bool = False
    odds: bool = False
    error: tuple[int, ...] | None = None
    spread: tuple[int, ...] | None = None
    ratio_spread: tuple[int, ...] | None = None
    above: float = (1 - NOMINAL) / 2
    below: float = (1 - NOMINAL) / 2
    ratio_part: float = NOMINAL
    strength: tuple[float, float] = (1e-3, 0.01)


def fit_estimator(segments: Sequence[Known], plan: Plan) -> Estimator:
    """Fit by least squares; the ends of the intervals are quantiles of the deviations.

    The deviations are of fits to other volumes or kinds (cross-conformal prediction, Vovk 2015,
    doi:10.1007/s10472-013-9368-4). Those of the fit itself would be too small.
    """
    fit = _Fit(segments, plan)
    x, weights = fit.x, fit.weights
    error = np.array([1 - s.dice for s in segments])
    error = log_odds(error) if plan.odds else np.log(np.maximum(error, MIN_ERROR))
    inputs = x if plan.error is None else x[:, (0, *plan.error)]
    coefficients = _widened(_ridge(inputs, error, weights, plan.strength[0]), plan.error, x.shape[1])
    deviation = fit.left(inputs, error, plan.strength[0])
    inputs = x if plan.spread is None else x[:, (0, *plan.spread)]
    spread, errors = fit.relative(inputs, deviation, 0.1 if plan.odds else 0.05)
    low, high = (
        -_quantile(-errors, weights, fit.rank(1 - plan.above)),
        _quantile(errors, weights, fit.rank(1 - plan.below)),
    )
    ends = min(0.0, low), max(0.0, high)
    ratios = np.array([[1.0, *np.clip(s.signs.ratios, -MAX_RATIO, MAX_RATIO)] for s in segments])
    ratio = np.log([max(s.voxels, 1.0) / s.signs.filled for s in segments])
    within = np.clip(ratio, -MAX_RATIO, MAX_RATIO)  # a segment that was lost must not count for more than all others
    strayed = fit.left(ratios, within, plan.strength[0]) + ratio - within
    columns = plan.ratio_spread
    inputs = x if columns is None else np.column_stack([x[:, 0], error - deviation, x[:, columns]])
    ratio_spread, relative = fit.relative(inputs, strayed, 0.002)
    return Estimator(
        error_coefficients=rounded(coefficients),
        error_spread=rounded(_widened(spread, plan.spread, x.shape[1])),
        error_interval=rounded(ends),
        ratio_coefficients=rounded(_ridge(ratios, within, weights, plan.strength[0])),
        ratio_spread=rounded(_widened(ratio_spread, columns, x.shape[1], coefficients)),
        ratio_interval=round(_quantile(np.abs(relative), weights, fit.rank(plan.ratio_part)), 2),
        odds=plan.odds,
    )


def fit_trusted(errors: np.ndarray, bad: np.ndarray) -> float:
    """Expected Dice below which a segment is bad with a probability of at least `WARNED`.

    Logistic regression on the log-odds of the expected errors, by Newton's method. All segments count the same, since a
    warning is right or wrong for one.
    """
    z = np.column_stack([np.ones(len(bad)), errors])
    slopes = np.zeros(2)
    for _ in range(NEWTON_STEPS):
        likely = 1 / (1 + np.exp(-z @ slopes))
        slopes += np.linalg.solve((z.T * (likely * (1 - likely))) @ z + RIDGE * np.eye(2), z.T @ (bad - likely))
    limit = (np.log(WARNED / (1 - WARNED)) - slopes[0]) / slopes[1]
    return round(float(1 / (1 + np.exp(limit))), 3)


def _widened(
    values: np.ndarray, columns: tuple[int, ...] | None, count: int, error: np.ndarray | None = None
) -> np.ndarray:
    """Coefficients of all inputs, given those of 1, of the expected error (if it is an input) and of some columns."""
    if columns is None:
        return values
    wide = np.zeros(count)
    wide[0] = values[0]
    if error is not None:
        wide += values[1] * error
    for column, value in zip(columns, values[-len(columns) :], strict=True):
        wide[column] += value
    return wide


class _Fit:
    """Segments with their weights, and the groups that are left out together."""

    def __init__(self, segments: Sequence[Known], plan: Plan) -> None:
        self.x = np.array([s.signs.vector for s in segments])
        self._plan = plan
        _, place = np.unique([f"{s.seed} {s.volume}" for s in segments], return_inverse=True)
        weights = 1.0 / np.bincount(place)[place]
        if plan.by_kind:
            _, self._group = np.unique([s.kind for s in segments], return_inverse=True)
            weights /= np.bincount(self._group, weights)[self._group]
        else:
            self._group = place % FOLDS
        self.weights = weights / weights.sum()

    def left(self, x: np.ndarray, y: np.ndarray, strength: float) -> np.ndarray:
        """What is left of `y` after fits to the other groups."""
        left = np.empty(len(y))
        for group in np.unique(self._group):
            out = self._group == group
            left[out] = y[out] - x[out] @ _ridge(x[~out], y[~out], self.weights[~out], strength)
        return left

    def relative(self, x: np.ndarray, deviation: np.ndarray, least: float) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of the usual deviation, and the deviations in units of it."""
        size = np.log(np.maximum(np.abs(deviation), least))
        usual = size - self.left(x, size, self._plan.strength[1])
        return _ridge(x, size, self.weights, self._plan.strength[1]), deviation / np.exp(usual)

    def rank(self, part: float) -> float:
        """Rank of the quantile of the deviations that holds a part of new segments of these groups."""
        count = len(self.x)
        return part if self._plan.by_kind else min(1.0, np.ceil((count + 1) * part) / count)


def rounded(values: Sequence[float] | np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(v), 4) for v in values)


def _ridge(x: np.ndarray, y: np.ndarray, weights: np.ndarray, strength: float) -> np.ndarray:
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


def table(
    segments: Sequence[Known],
    judge: Callable[[Known], SegmentEstimate],
    group: Callable[[Any], str] = lambda segment: segment.kind,
) -> str:
    """Coverage and width for each kind of volume or other group, and the warning's precision and recall."""
    rows = []
    kinds: dict[str, list[Known]] = {}
    for segment in segments:
        kinds.setdefault(group(segment), []).append(segment)
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
    words += f" of {bad.sum()} segments with a Dice below {BAD_DICE}; "
    near = np.mean([s.dice < BAD_DICE + MARGIN for s, told in zip(segments, warned, strict=True) if told] or [1])
    worse = np.array([s.dice < BAD_DICE - 2 * MARGIN for s in segments])
    words += f"{near:.0%} of those warned of have a Dice below {BAD_DICE + MARGIN:.2f}; "
    words += f"{np.mean(warned[worse]):.0%} of {worse.sum()} with one below {BAD_DICE - 2 * MARGIN:.2f} are warned of"
    return f"{harness.markdown_table(header, rows)}\n\n{words}"
