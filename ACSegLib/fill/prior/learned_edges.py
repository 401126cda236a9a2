"""Edges that are learned from the labelled slices: how likely does the border of a segment run between two voxels?

One scale of differences for a whole volume fails where the noise grows with the intensity, where outlines run along
weak steps between strong ones, and where the image shows no border at all. The labelled slices have many pairs of
neighbours with a border between them, and far more without one. A logistic regression learns from them what the image
looks like at a border. The weight of an edge is the usual odds of a border over those between its two voxels. Where the
image does not show borders, all weights are alike, and the distance alone decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.fill.prior.features import ImageFeatures
from ACSegLib.jobs import Progress
from ACSegLib.threads import in_threads

#: What is known of a voxel: intensity, smoothed intensity, gradient, bright and dark sheets, two coarse gradients.
_FIELDS = 7
#: Planes whose weights are computed together, and pairs of neighbours that are learned from, at most. Bound.
_PLANES, _PAIRS = 8, 20_000
#: Steps of the regression; loss, of all pairs, that one more must save; change of the coefficients that counts. Bound.
_ITERATIONS, _ENOUGH, _SHORTEST = 50, 1e-3, 1e-6
#: Penalty of its squared coefficients: pairs beside each other are alike, so that far fewer are independent. With 100,
#: weak borders gain and strong ones lose. ``self_tuning.py``.
_PENALTY = 30.0


@dataclass(frozen=True)
class LearnedEdges:
    """What tells pairs of neighbours with a border between them from others.

    Attributes
    ----------
    linear : ndarray, (7,)
    quadratic : ndarray, (7, 7)
        Of what is known of a pair (`_pairs`): its sum with these is the logarithm of the odds of a border.
    usual : float
        The same sum of the usual pair.
    """

    linear: np.ndarray
    quadratic: np.ndarray
    usual: float

    def weights(self, features: ImageFeatures, first: int, stop: int, progress: Progress | None = None) -> np.ndarray:
        """Weights of the edges to the next voxel along each axis in planes first..stop-1, float32, (3, planes, J, I).

        1 of the usual pair of neighbours. The last voxels along an axis have no edge; theirs are 1.
        """
        weights = np.ones((3, stop - first, *features.image.shape[1:]), np.float32)
        limits = np.log((constants.MIN_EDGE_WEIGHT, constants.MAX_LEARNED_WEIGHT)).astype(np.float32)

        def compute(start: int) -> None:
            end = min(start + _PLANES, stop)
            fields = _fields(features, start, min(end + 1, stop))
            for axis, out in enumerate(weights[:, start - first : end - first]):
                pairs = _pairs(fields, axis) if axis == 0 else _pairs(fields[:, : end - start], axis)
                odds = self._sums(pairs.reshape(_FIELDS, -1)).reshape(pairs.shape[1:]) - np.float32(self.usual)
                near = np.moveaxis(out, axis, 0)[: odds.shape[axis]]
                near[...] = np.moveaxis(np.exp(np.clip(-odds, *limits)), axis, 0)

        in_threads(compute, range(first, stop, _PLANES), (progress or Progress()).check)
        return weights

    def _sums(self, pairs: np.ndarray) -> np.ndarray:
        """Logarithm of the odds of a border but for a constant, float32 (N,); `pairs` is (7, N)."""
        sums: np.ndarray = np.einsum("fn,fn->n", self.quadratic @ pairs + self.linear[:, None], pairs)
        return sums


def learn_edges(
    features: ImageFeatures, classes: np.ndarray, slices: Sequence[int], progress: Progress | None = None
) -> LearnedEdges | None:
    """Learn what the image looks like at the borders on labelled slices; None if they show no border.

    Parameters
    ----------
    features : ImageFeatures
    classes : ndarray of int16, (K, J, I)
    slices : sequence of int
        Those that are known whole.
    progress : Progress, optional
    """
    rng = np.random.default_rng(0)
    most = _PAIRS // (2 * max(len(slices), 1))
    found, borders = [np.zeros((_FIELDS, 0), np.float32)], [np.zeros(0, bool)]
    for k in slices:
        if progress is not None:
            progress.check()
        fields, plane = _fields(features, k, k + 1), classes[k : k + 1]
        for axis in (1, 2):
            near, far = (np.take(plane, range(start, plane.shape[axis] + start - 1), axis).ravel() for start in (0, 1))
            known = np.flatnonzero((near >= 0) & (far >= 0))
            chosen = rng.choice(known, min(len(known), most), replace=False)
            found.append(_pairs(fields, axis).reshape(_FIELDS, -1)[:, chosen])
            borders.append((near != far)[chosen])
    pairs, border = np.concatenate(found, axis=1), np.concatenate(borders)
    if not 0 < np.count_nonzero(border) < len(border):
        return None
    return _regression(pairs, border)


def _fields(features: ImageFeatures, first: int, stop: int) -> np.ndarray:
    """What is known of the voxels in planes first..stop-1, float32, (7, planes, J, I).

    All in units of the noise; all but the first two as logarithms of one more.
    """
    smooth, gradient, largest, _middle, smallest = features.texture(first, stop)
    image = features.image[first:stop]
    fields = np.stack([image, smooth, gradient, np.maximum(-smallest, 0), np.maximum(largest, 0), *(
        _at_full_size(level[1], factor, offset, first, smooth.shape)
        for level, factor, offset in zip(features.levels, features.factors, features.offsets, strict=True)
    )])  # fmt: skip
    fields /= np.float32(features.noise)
    np.log1p(fields[2:], out=fields[2:])
    return fields


def _at_full_size(
    level: np.ndarray, factor: np.ndarray, offset: np.ndarray, first: int, shape: tuple[int, ...]
) -> np.ndarray:
    """A coarse level at the voxels of `shape` (planes, J, I) from plane `first` on."""
    starts = (first, 0, 0)
    numbers = [
        np.minimum((np.arange(start, start + size) + o) // f, count - 1)
        for start, size, o, f, count in zip(starts, shape, offset, factor, level.shape, strict=True)
    ]
    return level[np.ix_(*numbers)]


def _pairs(fields: np.ndarray, axis: int) -> np.ndarray:
    """What is known of each voxel and the next one along an axis: differences, means, and of sheets the higher one."""
    near, far = (np.take(fields, range(start, fields.shape[axis + 1] + start - 1), axis + 1) for start in (0, 1))
    pairs = np.empty_like(near)
    pairs[:2] = np.log1p(np.abs(far[:2] - near[:2]))
    pairs[2:] = 0.5 * (near[2:] + far[2:])
    pairs[3:5] = np.maximum(near[3:5], far[3:5])
    return pairs


def _regression(pairs: np.ndarray, border: np.ndarray) -> LearnedEdges:
    """Logistic regression on what is known of pairs (7, N) and on its products."""
    rows, columns = np.triu_indices(_FIELDS)
    x = np.concatenate([pairs, pairs[rows] * pairs[columns]]).astype(np.float64)
    mean, spread = x.mean(axis=1, keepdims=True), np.maximum(x.std(axis=1, keepdims=True), constants.MIN_FEATURE_SPREAD)
    x = np.concatenate([(x - mean) / spread, np.ones((1, x.shape[1]))]).astype(np.float32)
    w = _minimum(x, border)
    w = (w[:-1, None] / spread)[:, 0]
    quadratic = np.zeros((_FIELDS, _FIELDS))
    quadratic[rows, columns] = w[_FIELDS:]
    edges = LearnedEdges(w[:_FIELDS].astype(np.float32), quadratic.astype(np.float32), 0.0)
    return LearnedEdges(edges.linear, edges.quadratic, float(np.median(edges._sums(pairs))))


def _minimum(x: np.ndarray, border: np.ndarray) -> np.ndarray:
    """Coefficients (F,) of the least loss, for rows x (F, N) of which the last one is 1, by Newton's method.

    The loss is convex, and few coefficients are sought on many pairs: half a dozen steps do.
    """
    from scipy import special

    penalty = np.full(len(x), _PENALTY)
    penalty[-1] = 0
    sign = np.where(border, -1.0, 1.0)

    def loss(w: np.ndarray) -> float:
        return float(np.logaddexp(0, sign * (w.astype(np.float32) @ x)).sum() + 0.5 * (penalty * w**2).sum())

    w = np.zeros(len(x))
    w[-1] = special.logit(border.mean())
    before, last = np.inf, loss(w)
    for _ in range(_ITERATIONS):
        if not before - last > _ENOUGH:
            break
        p = special.expit(w.astype(np.float32) @ x)
        slope = (x @ (p - border).astype(np.float32)).astype(np.float64) + penalty * w
        curvature = ((x * (p * (1 - p)).astype(np.float32)) @ x.T).astype(np.float64) + np.diag(penalty + 1e-6)
        step = np.linalg.solve(curvature, slope)
        before, last = last, loss(w - step)
        while last > before and np.abs(step).max() > _SHORTEST:  # the curvature may be less on the way
            step = step / 2
            last = loss(w - step)
        if last <= before:
            w = w - step
    return w
