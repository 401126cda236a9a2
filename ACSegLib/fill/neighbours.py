"""Neighbours that nobody drew: cells of the look of a segment that are background on the labelled slices.

To the appearance classifier such a neighbour is at once background and cell. So it learns the look of both together.
Which of the two is meant, a random walk through all that looks alike decides. It starts where the interpolated outlines
are certain. The two meet where there is a neck, since few walkers pass it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage

from ACSegLib.fill import constants
from ACSegLib.fill.features import ImageFeatures
from ACSegLib.fill.random_walk import SlabProblem
from ACSegLib.fill.seeds import OUTSIDE, UNKNOWN
from ACSegLib.fill.shape import NearestOutlines
from ACSegLib.fill.solvers import CpuSolver
from ACSegLib.jobs import Progress


@dataclass(frozen=True)
class KnownPlanes:
    """Planes of the volume, and what is known in them.

    Attributes
    ----------
    numbers : sequence of int
        Planes along the primary axis.
    classes : ndarray of int16, (planes, J, I)
        Known classes, negative where unknown.
    groups : sequence of sequence of int
        The classes of each group.
    axis_weights : ndarray of float32, (3,)
        See `ACSegLib.fill.random_walk.SlabProblem`.
    without : int, optional
        As if this slice was not labelled.
    progress : Progress
        Stops the work if it was cancelled.
    """

    numbers: Sequence[int]
    classes: np.ndarray
    groups: Sequence[Sequence[int]]
    axis_weights: np.ndarray
    without: int | None = None
    progress: Progress = field(default_factory=Progress)

    def decided(self, group: int) -> np.ndarray:
        """1 where a group is known, 0 where anything else is, negative where nothing is; int16, (planes, J, I)."""
        return np.where(self.classes < 0, UNKNOWN, np.isin(self.classes, self.groups[group])).astype(np.int16)


@dataclass(frozen=True)
class Neighbours:
    """Neighbours of some appearance groups.

    Attributes
    ----------
    looks : dict
        Group -> the class that its neighbours have on marked slices.
    layers : tuple of ndarray
        Of the classifier that tells by the image alone what looks like a group.
    outlines : NearestOutlines
        Of each of these groups, and of its neighbours, in turn.
    """

    looks: dict[int, int]
    layers: tuple[np.ndarray, ...]
    outlines: NearestOutlines

    def share_out(self, probabilities: np.ndarray, known: KnownPlanes) -> None:
        """Give the background what looks like a group but is a neighbour of it, in place.

        Parameters
        ----------
        probabilities : ndarray of float32, (G, planes, J, I)
            Of the groups; all 0 in planes that are known whole.
        known : KnownPlanes
        """
        distances = self.outlines.planes(known.numbers, known.without)
        margin = constants.CONTESTED * float(self.outlines.gap)
        for n, g in enumerate(self.looks):
            pair = distances[:, 2 * n : 2 * n + 2]
            share = contest(pair, probabilities[g], known.decided(g), margin, known.axis_weights, known.progress)
            probabilities[0] += probabilities[g] * (1 - share)
            probabilities[g] *= share

    def cropped(self, keep: Sequence[int], first: int, rows: slice, columns: slice) -> Neighbours:
        """Neighbours in a part of the volume; see `ShapePrior.cropped`."""
        return replace(self, outlines=self.outlines.cropped(keep, first, rows, columns))

    def mark(self, features: ImageFeatures, plane: np.ndarray, k: int) -> np.ndarray:
        """Labelled slice `k` with the neighbours as classes of their own, int16, (J, I)."""
        return mark_lookalikes(
            features, plane, k, self.layers, dict.fromkeys(self.looks, constants.NEIGHBOUR_THRESHOLDS[-1]), self.looks
        )


def share_among_rivals(
    probabilities: np.ndarray, family: Sequence[int], outlines: NearestOutlines, known: KnownPlanes
) -> None:
    """Share out what looks like several drawn segments of one look among them, in place.

    Parameters
    ----------
    probabilities : ndarray of float32, (G, planes, J, I)
        See `Neighbours.share_out`.
    family : sequence of int
        Their groups.
    outlines : NearestOutlines
        Of these groups, in turn.
    known : KnownPlanes
    """
    distances = outlines.planes(known.numbers, known.without)
    margin = constants.CONTESTED * float(outlines.gap)
    total = probabilities[list(family)].sum(axis=0)
    shares = []
    for n, g in enumerate(family):
        others = np.delete(distances, n, axis=1).max(axis=1)
        pair = np.stack([distances[:, n], others], axis=1)
        shares.append(contest(pair, total, known.decided(g), margin, known.axis_weights, known.progress))
    every = np.maximum(np.sum(shares, axis=0), 1e-6)
    for g, share in zip(family, shares, strict=True):
        probabilities[g] = total * (share / every)


def contest(
    distances: np.ndarray,
    likeness: np.ndarray,
    decided: np.ndarray,
    margin: float,
    axis_weights: np.ndarray,
    progress: Progress | None = None,
) -> np.ndarray:
    """Share of a group in what looks like it and its neighbours alike.

    Parameters
    ----------
    distances : ndarray of float32, (K, 2, J, I)
        Signed distances to the interpolated outlines of the group and of its neighbours.
    likeness : ndarray of float32, (K, J, I)
        Probability to be one of them; 0 in planes that are known whole.
    decided : ndarray of int16, (K, J, I)
        1 where the group is known, 0 where anything else is, negative where nothing is.
    margin : float
        Difference of the distances from which on the nearer outline decides.
    axis_weights : ndarray of float32, (3,)
    progress : Progress, optional
        Stops the walk if it was cancelled.

    Returns
    -------
    ndarray of float32, (K, J, I)
    """
    lead = distances[:, 0] - distances[:, 1]
    share = (1 / (1 + np.exp(np.clip(-lead / constants.INSTANCE_WIDTH, -20, 20)))).astype(np.float32)
    if not (distances.max(axis=(0, 2, 3)) > 0).all():
        return share
    alike = likeness > constants.MIN_LIKENESS
    whole = ~likeness.any(axis=(1, 2))
    alike[whole] = distances[whole].max(axis=1) > 0
    seeds = np.where(decided >= 0, decided, np.where(lead > margin, 1, np.where(lead < -margin, 0, UNKNOWN)))
    seeds = np.where(alike, seeds, OUTSIDE).astype(np.int16)
    problem = SlabProblem(np.zeros_like(likeness), seeds, alike, 0.0, constants.CONTEST_GAMMA, axis_weights)
    start = share[None].copy()
    walked, _ = CpuSolver().solve(problem, [1], share[None], start, constants.CONTEST_TOLERANCE, progress)
    return np.where(alike, walked[0], share)


def mark_lookalikes(
    features: ImageFeatures,
    plane: np.ndarray,
    k: int,
    layers: tuple[np.ndarray, ...],
    thresholds: Mapping[int, float],
    looks: Mapping[int, int],
) -> np.ndarray:
    """Give background of a labelled slice that looks like a group a class of its own.

    Parameters
    ----------
    features : ImageFeatures
    plane : ndarray of int16, (J, I)
        Known classes of slice `k`.
    layers : tuple of ndarray
        Of a classifier of the groups by the image alone.
    thresholds, looks : mapping
        Group -> probability from which on a voxel looks like it, and class of such background.
    """
    likeness = _likeness(features, k, layers)
    out = plane.copy()
    for g, c in looks.items():
        out[_wide_parts((plane == 0) & (likeness[g] > thresholds[g]), features.spacing[1:]) & (plane == 0)] = c
    return out


def _likeness(features: ImageFeatures, k: int, layers: tuple[np.ndarray, ...]) -> np.ndarray:
    """Probability of each group in one plane, by the image alone, (G, J, I) float32."""
    from ACSegLib.fill import image_kernels as kernels

    low, high = max(k - 1, 0), min(k + 2, len(features.image))
    edges, fine = features.slab(low, high)
    out = np.zeros((len(layers[-1]), *edges.shape), np.float32)
    no_shape = np.zeros((1, 0, *edges.shape[1:]), np.float32), np.float32(0)
    kernels.group_probabilities(k - low, k - low + 1, features.for_kernels(edges, fine, low), no_shape, layers, out)
    return out[:, k - low]


def _wide_parts(mask: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """The parts of a mask that are as wide as a cell, without holes."""
    radius = constants.NEIGHBOUR_RADIUS
    if np.count_nonzero(mask) < radius**2:
        return np.zeros_like(mask)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"), tuple(spacing))[1:-1, 1:-1]
    core = depth > radius
    if not core.any():
        return core
    opened = mask & (ndimage.distance_transform_edt(~core, tuple(spacing)) <= radius)
    return np.asarray(ndimage.binary_fill_holes(opened))
