"""How many labelled volumes a network needs, and which volume to label next.

The score of a network trained on ``x`` volumes is modelled as ``1 - b exp(-a x)`` (Erozan, Loesel, Heuveline,
Weinhardt, iScience 27 (2024) 109856, who so find that about 95 hand-labelled volumes are needed for a Dice of 98 %).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.volume import Volume

#: Voxels per side, about, at which a volume is described.
_DESCRIBED_SIDE = 48


@dataclass(frozen=True)
class LearningCurve:
    """A fitted curve ``1 - b exp(-a x)`` with its uncertainty.

    Parameters
    ----------
    a, b : float
        Rate per volume, and the error at no volume.
    covariance : ndarray, shape (2, 2)
        Of (a, b).
    freedom : int
        Degrees of freedom of the fit: points less two.
    """

    a: float
    b: float
    covariance: np.ndarray
    freedom: int

    def predict(self, volumes: float | np.ndarray) -> np.ndarray:
        """Expected score (0 to 1) after training on so many volumes."""
        return 1.0 - self.b * np.exp(-self.a * np.asarray(volumes, float))

    def band(self, volumes: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of the curve's 95 % confidence band (delta method, Student's t); infinite with no freedom left."""
        x = np.asarray(volumes, float)
        if not self.freedom:
            return np.full(x.shape, -np.inf), np.full(x.shape, np.inf)
        decay = np.exp(-self.a * x)
        gradient = np.stack([self.b * x * decay, -decay], axis=-1)
        variance = np.einsum("...i,ij,...j->...", gradient, self.covariance, gradient)
        reach = self._quantile() * np.sqrt(np.maximum(variance, 0))
        middle = self.predict(x)
        return middle - reach, middle + reach

    def volumes_for(self, target: float) -> tuple[float, float, float]:
        """Volumes at which the curve reaches a score: the estimate, and its 95 % interval.

        Parameters
        ----------
        target : float
            Score, between 0 and 1.

        Returns
        -------
        estimate, low, high : float
            0 or more; `high` may be infinite. All infinite if the curve never rises.

        Raises
        ------
        InputError
            If the target is not between 0 and 1.
        """
        if not 0 < target < 1:
            raise InputError(f"the target score must lie between 0 and 1, not {target}.")
        if self.b <= 1 - target:
            return 0.0, 0.0, 0.0
        if self.a <= 0:
            return math.inf, math.inf, math.inf
        log_ratio = math.log(self.b / (1 - target))
        needed = log_ratio / self.a
        if not self.freedom:
            return needed, 0.0, math.inf
        gradient = np.array([-log_ratio / self.a**2, 1 / (self.a * self.b)])
        variance = float(gradient @ self.covariance @ gradient)
        # On the scale of the logarithm the interval cannot reach below zero volumes.
        factor = math.exp(min(self._quantile() * math.sqrt(max(variance, 0)) / needed, 700.0))
        return needed, needed / factor, needed * factor

    def answer(self, target: float, labelled: int) -> str:
        """The curve, and how many volumes it asks for beyond those labelled, as a sentence for a person."""
        needed, low, high = self.volumes_for(target)
        formula = f"1 - {self.b:.4g} exp({-self.a:.4g} x)"
        if not math.isfinite(needed):
            return f"{formula}; the curve does not rise, so it never reaches {100 * target:g} %"
        upper = str(math.ceil(high)) if math.isfinite(high) else "any number"
        interval = f"95 % interval {math.floor(low)} to {upper}"  # outwards: it covers at least what it states
        more = f"{max(0, math.ceil(needed - labelled))} more"
        return f"{formula}; {100 * target:g} % at {math.ceil(needed)} volumes ({interval}), {more}"

    def _quantile(self) -> float:
        from scipy import stats

        return float(stats.t.ppf(0.975, self.freedom))


def fit_learning_curve(
    volumes: Sequence[float], scores: Sequence[float], deviations: Sequence[float] | None = None
) -> LearningCurve:
    """Fit ``1 - b exp(-a x)`` to scores by least squares.

    Parameters
    ----------
    volumes : sequence of float
        Number of training volumes of each score; at least two different numbers.
    scores : sequence of float
        Dice or another score, 0 to 1.
    deviations : sequence of float, optional
        Standard deviation of each score; the points are weighted by their inverse squares.

    Raises
    ------
    InputError
        If there are too few points, scores out of range, or no such curve describes them.
    """
    from scipy.optimize import OptimizeWarning, curve_fit

    x, y = np.array(volumes, float), np.array(scores, float)
    sigma = None if deviations is None else np.array(deviations, float)
    if x.shape != y.shape or (sigma is not None and sigma.shape != x.shape):
        raise InputError(f"{x.size} numbers of volumes and {y.size} scores do not pair up.")
    if len(np.unique(x)) < 2:
        raise InputError("a learning curve needs scores at two different numbers of volumes or more.")
    if not np.all((y >= 0) & (y <= 1)):
        raise InputError("scores must lie between 0 and 1; divide percentages by 100.")
    if np.all(y == 1):
        raise InputError("every score is 1 already; there is no curve to fit.")
    if sigma is not None:
        sigma = np.where(sigma > 0, sigma, np.min(sigma[sigma > 0]) if np.any(sigma > 0) else 1.0)
    try:
        with warnings.catch_warnings():
            # Two points leave the covariance open, which `freedom` shows; scipy need not warn of it.
            warnings.simplefilter("ignore", OptimizeWarning)
            (a, b), covariance = curve_fit(_curve, x, y, p0=_linear_guess(x, y), sigma=sigma, maxfev=20000)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"no learning curve describes these scores ({error}).") from error
    return LearningCurve(float(a), float(b), covariance, len(x) - 2)


def _curve(volumes: np.ndarray, a: float, b: float) -> np.ndarray:
    return 1 - b * np.exp(-a * volumes)


def _linear_guess(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Start of the fit: the straight line through the logarithm of the error."""
    error = np.maximum(1 - y, 1e-4)
    slope, offset = np.polyfit(x, np.log(error), 1)
    return max(-float(slope), 1e-6), float(np.exp(min(offset, 0.0)))


def describe_volume(volume: Volume) -> np.ndarray:
    """Describe a volume by what a network sees of it: intensities, edges at two scales, and noise.

    Parameters
    ----------
    volume : Volume
        Read at no more than about `_DESCRIBED_SIDE` voxels per side.

    Returns
    -------
    ndarray of float64
        26 values; compare them with `novelty`.

    Raises
    ------
    InputError
        If the volume holds no finite value.
    """
    from scipy import ndimage

    stride = tuple(max(1, n // _DESCRIBED_SIDE) for n in volume.shape)
    sample = np.array(volume.array[:: stride[0], :: stride[1], :: stride[2]], np.float32)
    finite = np.isfinite(sample)
    if not finite.any():
        raise InputError(f"{volume.name!r} holds no finite value; it cannot be described.")
    sample[~finite] = np.median(sample[finite])
    quantiles = np.quantile(sample, (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99))
    spread = max(float(quantiles[-1] - quantiles[0]), 1e-12)
    edges = []
    for sigma in (1.0, 2.0):
        edge = ndimage.gaussian_gradient_magnitude(sample, sigma) / spread
        edges.append(np.quantile(edge, (0.25, 0.5, 0.75, 0.95, 0.99)))
    noise = (sample - ndimage.median_filter(sample, 3)) / spread
    intensities = [np.std(noise), np.quantile(np.abs(noise), 0.5), np.quantile(np.abs(noise), 0.95)]
    size = np.log(np.array(volume.geometry.spacing, float)), [np.log(spread)]
    return np.concatenate([quantiles, *edges, intensities, *size])


def disagreement(predictions: Sequence[np.ndarray]) -> float:
    """How much several predictions of one volume disagree: 1 less the mean Dice of all pairs (0 agree, 1 disjoint).

    Parameters
    ----------
    predictions : sequence of ndarray, shape (k, j, i)
        Non-zero inside; from networks trained on different subsets, for example. At least two.

    Raises
    ------
    InputError
        If there are fewer than two predictions.
    """
    if len(predictions) < 2:
        raise InputError("disagreement needs two predictions of a volume or more.")
    masks = [np.asarray(p) != 0 for p in predictions]
    sizes = [int(np.count_nonzero(m)) for m in masks]
    scores = []
    for n, first in enumerate(masks):
        for m in range(n + 1, len(masks)):
            both = int(np.count_nonzero(first & masks[m]))
            total = sizes[n] + sizes[m]
            scores.append(2 * both / total if total else 1.0)
    return 1.0 - float(np.mean(scores))


@dataclass(frozen=True)
class Suggestion:
    """A volume to label next: its rank (1 is first), novelty, disagreement (NaN if unknown) and cell type."""

    name: str
    rank: int
    novelty: float
    disagreement: float
    group: str


def suggest_volumes(
    candidates: Mapping[str, np.ndarray],
    training: Sequence[np.ndarray],
    *,
    disagreements: Mapping[str, float] | None = None,
    groups: Mapping[str, str] | None = None,
) -> list[Suggestion]:
    """Order unlabelled volumes by how much labelling each would teach.

    Volumes are taken one by one: each time the one that is furthest from all that is labelled or taken already, and on
    which the predictions disagree most (core-set choice; Sener and Savarese, ICLR 2018, weighted by disagreement).
    So near copies of one another do not all come first.

    Parameters
    ----------
    candidates : mapping of name to ndarray
        From `describe_volume`.
    training : sequence of ndarray
        Of the labelled volumes; may be empty.
    disagreements : mapping of name to float, optional
        See `disagreement`.
    groups : mapping of name to str, optional
        Cell type; the order is then made within each type, and the types take turns.

    Returns
    -------
    list of Suggestion
        All candidates, the best first.
    """
    if not candidates:
        return []
    names = list(candidates)
    points, known = _standardised([candidates[n] for n in names], list(training))
    groups, disagreements = groups or {}, disagreements or {}
    unsure = np.array([disagreements.get(n, float("nan")) for n in names])
    top = np.nanmax(unsure) if np.any(np.isfinite(unsure)) else 0.0
    weight = 1 + (np.nan_to_num(unsure / top, nan=float(np.nanmean(unsure / top))) if top > 0 else 0.0)
    distance = _nearest(points, known)
    remaining = set(range(len(names)))
    turns: list[str] = []
    suggestions: list[Suggestion] = []
    while remaining:
        waiting = {groups.get(names[n], "") for n in remaining}
        if not any(g in waiting for g in turns):
            turns = sorted(waiting)
        group = next(g for g in turns if g in waiting)
        turns.remove(group)
        inside = [n for n in remaining if groups.get(names[n], "") == group]
        best = max(inside, key=lambda n: (distance[n] * np.broadcast_to(weight, distance.shape)[n], -n))
        suggestions.append(
            Suggestion(names[best], len(suggestions) + 1, float(distance[best]), float(unsure[best]), group)
        )
        remaining.remove(best)
        distance = np.minimum(distance, np.linalg.norm(points - points[best], axis=1))
    return suggestions


def _standardised(candidates: Sequence[np.ndarray], training: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Both sets with each value scaled to unit spread (of both together); values that never vary drop out."""
    every = np.array([*candidates, *training], float)
    spread = every.std(axis=0)
    scale = np.where(spread > 1e-9 * np.maximum(np.abs(every).max(axis=0), 1e-300), spread, np.inf)
    every = (every - every.mean(axis=0)) / scale / math.sqrt(every.shape[1])
    return every[: len(candidates)], every[len(candidates) :]


def _nearest(points: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Distance of each point to the nearest known one; to the centre of all if none is known."""
    if not len(known):
        known = points.mean(axis=0, keepdims=True)
    return np.min(np.linalg.norm(points[:, None] - known[None], axis=2), axis=1)
