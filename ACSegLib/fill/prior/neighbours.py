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
from ACSegLib.fill.prior.features import ImageFeatures
from ACSegLib.fill.prior.shape import NearestOutlines
from ACSegLib.fill.walk.voxel_walk import VoxelWalk
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
    edges, axis_weights : ndarray of float32, (planes, J, I) and (3,)
        See `ACSegLib.fill.walk.random_walk.SlabProblem`.
    beta : float
        See there.
    without : int, optional
        As if this slice was not labelled.
    progress : Progress
        Stops the work if it was cancelled.
    """

    numbers: Sequence[int]
    classes: np.ndarray
    groups: Sequence[Sequence[int]]
    edges: np.ndarray
    axis_weights: np.ndarray
    beta: float
    without: int | None = None
    progress: Progress = field(default_factory=Progress)

    @property
    def count(self) -> int:
        """Number of classes."""
        return sum(len(group) for group in self.groups)


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
        for n, g in enumerate(self.looks):
            pair = NearestOutlines.of(self.outlines, [2 * n, 2 * n + 1])
            owners = np.ones(known.count, np.int8)
            owners[list(known.groups[g])] = 0
            places, shares = contest(probabilities[g], pair, known, owners, constants.NEGLIGIBLE_LIKENESS)
            own, background = probabilities[g].reshape(-1), probabilities[0].reshape(-1)
            background[places] += own[places] * shares[1]
            own[places] *= shares[0]

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

    Far from all their outlines, the appearance decides as before: whose filopodium it is, no outline tells.

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
    total = np.add(probabilities[family[0]], probabilities[family[1]])
    for g in family[2:]:
        total += probabilities[g]
    owners = np.full(known.count, -1, np.int8)
    for n, g in enumerate(family):
        owners[list(known.groups[g])] = n
    reach = constants.CONTESTED * float(outlines.gap)
    places, shares = contest(total, outlines, known, owners, constants.MIN_LIKENESS, reach)
    here = total.reshape(-1)[places]
    for g, share in zip(family, shares, strict=True):
        probabilities[g].reshape(-1)[places] = here * share


def contest(
    likeness: np.ndarray,
    outlines: NearestOutlines,
    known: KnownPlanes,
    owners: np.ndarray,
    least: float,
    reach: float = np.inf,
) -> tuple[np.ndarray, np.ndarray]:
    """Share out what looks like several segments alike, or like a segment and its neighbours.

    Parameters
    ----------
    likeness : ndarray of float32, (K, J, I)
        Probability to be one of them; 0 in planes that are known whole.
    outlines : NearestOutlines
        Of each of them.
    known : KnownPlanes
    owners : ndarray of int8
        Class -> which of them has its voxels; negative for none of them.
    least : float
        Likeness from which voxels are shared out.
    reach : float
        Distance from the nearest outline up to which they are.

    Returns
    -------
    places : ndarray of int64, (N,)
        Voxels that are shared out, and known ones, as ascending positions in the flattened planes.
    shares : ndarray of float32, (R, N)
        Share of each there; the sum is 1.
    """
    planes = []
    for n, k in enumerate(known.numbers):
        known.progress.check()
        entry = _enter(likeness[n].ravel(), known.classes[n].ravel(), owners, least)
        planes.append(entry.judged(outlines.at(k, entry.places, known.without), float(outlines.gap), reach))
    size = likeness[0].size
    places = np.concatenate([entry.places + n * size for n, entry in enumerate(planes)])
    shares = np.concatenate([entry.shares for entry in planes], axis=1)
    passed = np.concatenate([entry.alike for entry in planes])
    ends = np.concatenate([entry.known for entry in planes])
    walk = VoxelWalk(known.edges, places[passed], ends[passed], shares[:, passed], known.axis_weights, known.beta)
    shares[:, passed] = walk.solve(constants.CONTEST_GAMMA, constants.CONTEST_TOLERANCE, known.progress)
    return places, shares


@dataclass(frozen=True)
class _Entry:
    """Pixels of a plane that are shared out, or that walks end at.

    Attributes
    ----------
    whole : bool
        Whether the plane is known whole. Then they are those inside of an outline.
    places : ndarray of int64, (N,)
        Positions in the flattened plane.
    owner : ndarray of int8, (N,)
        Who has them; negative where that is not known.
    alike : ndarray of bool, (N,)
        Whether the walk passes them.
    shares : ndarray of float32, (R, N)
    known : ndarray of bool, (N,)
        Where the shares are known.
    """

    whole: bool
    places: np.ndarray
    owner: np.ndarray
    alike: np.ndarray
    shares: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    known: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def judged(self, distances: np.ndarray, gap: float, reach: float) -> _Entry:
        """What the interpolated outlines say, by their signed distances (R, N); beyond their reach, nothing."""
        highest, second = distances[0], np.full(distances.shape[1], -np.inf, np.float32)
        for row in distances[1:]:
            second = np.maximum(second, np.minimum(highest, row))
            highest = np.maximum(highest, row)
        kept = highest > 0 if self.whole else (highest > -reach) | (self.owner >= 0)
        distances, highest, second, owner = distances[:, kept], highest[kept], second[kept], self.owner[kept]
        known = (highest - second > constants.CONTESTED * gap) | (owner >= 0)
        owner = np.where(owner >= 0, owner, distances.argmax(axis=0))
        shares = (owner == np.arange(len(distances))[:, None]).astype(np.float32)
        open_ = ~known
        likely = np.exp((distances[:, open_] - highest[open_]) / np.float32(constants.INSTANCE_WIDTH))
        shares[:, open_] = likely / likely.sum(axis=0)
        return _Entry(self.whole, self.places[kept], owner, self.alike[kept], shares, known)


def _enter(likeness: np.ndarray, classes: np.ndarray, owners: np.ndarray, least: float) -> _Entry:
    """Pixels of a plane that look alike; of a plane that is known whole, those with an owner."""
    whole = not likeness.any()
    places = np.flatnonzero(classes >= 0) if whole else np.flatnonzero(likeness > least)
    found = classes[places]
    owner = np.where(found >= 0, owners[found], np.int8(-1))
    own = (found < 0) | (owner >= 0)
    places, owner = places[own], owner[own]
    return _Entry(whole, places, owner, whole | (likeness[places] > constants.MIN_LIKENESS))


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
    from ACSegLib.fill.prior import image_kernels as kernels

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
