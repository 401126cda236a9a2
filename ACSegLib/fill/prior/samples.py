"""Training samples of the appearance classifier: image and shape features of voxels whose class is known."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from ACSegLib.fill.constants import MAX_CURVED, MAX_SAMPLE_WEIGHT, MAX_SAMPLES, MIN_CURVED, MIN_GROUP_SHARE
from ACSegLib.fill.prior.evidence import Evidence
from ACSegLib.fill.prior.features import SHAPE_FEATURES
from ACSegLib.masks import grow_or_shrink

#: Planes that are smoothed together, at most. Bound.
_RUN = 16


@dataclass(frozen=True)
class Samples:
    """Training voxels: features (N, F), groups (N,), the plane each lies in (N,), and its weight (N,).

    The last `shapes` features are of the shape prior. `place` has the row and column of each voxel, (2, N).
    """

    x: np.ndarray
    y: np.ndarray
    plane: np.ndarray
    weight: np.ndarray
    place: np.ndarray
    shapes: int = 0

    def part(self, keep: np.ndarray) -> Samples:
        """The samples where `keep` (bool, (N,)) is True."""
        return Samples(
            self.x[keep], self.y[keep], self.plane[keep], self.weight[keep], self.place[:, keep], self.shapes
        )

    def joined(self, other: Samples) -> Samples:
        """These samples and others of the same features."""
        return Samples(
            np.concatenate([self.x, other.x]),
            np.concatenate([self.y, other.y]),
            np.concatenate([self.plane, other.plane]),
            np.concatenate([self.weight, other.weight]),
            np.concatenate([self.place, other.place], axis=1),
            self.shapes,
        )


def choose_voxels(classes: np.ndarray, groups: list[list[int]], count: int) -> np.ndarray:
    """Choose known voxels to learn from, half of them within two voxels of an outline.

    A rare group (beads) gets a share of at least `MIN_GROUP_SHARE`, or it would be forgotten. The voxels around it
    count to that share too, so that its outline is learned without a bias to either side.

    Parameters
    ----------
    classes : ndarray of int16, (K, J, I)
        Negative where unknown.

    Returns
    -------
    ndarray, (5, N)
        plane, row, column, group and stratum, sorted by plane, row and column.
    """
    rng = np.random.default_rng(0)
    group_of = np.full(max(max(g) for g in groups) + 1, -1, np.int64)
    for number, members in enumerate(groups):
        group_of[members] = number
    planes = np.flatnonzero((classes >= 0).any(axis=(1, 2)))
    grouped = [np.where(classes[k] >= 0, group_of[np.maximum(classes[k], 0)], -1) for k in planes]
    total = np.sum([np.bincount(plane[plane >= 0], minlength=len(groups)) for plane in grouped], axis=0)
    strata = [_strata(plane, np.argsort(-total, kind="stable")) for plane in grouped]
    borders = [_near_border(plane) for plane in grouped]
    sizes = np.array([np.bincount(s[s >= 0], minlength=len(groups)) for s in strata])
    wanted = np.maximum(sizes.sum(0) / sizes.sum(), MIN_GROUP_SHARE) * count
    chosen = []
    for k, plane, stratum, border, size in zip(planes, grouped, strata, borders, sizes, strict=True):
        for g in range(len(groups)):
            number = int(np.ceil(wanted[g] * size[g] / max(sizes[:, g].sum(), 1)))
            here = stratum == g
            for pool in (np.flatnonzero(here & border), np.flatnonzero(here)):
                if len(pool):
                    picked = rng.choice(pool, min(-(-number // 2), len(pool)), replace=False)
                    place = np.unravel_index(picked, plane.shape)
                    chosen.append(np.stack([np.full(len(picked), k), *place, plane[place], stratum[place]]))
    points = np.concatenate(chosen, axis=1)
    return points[:, np.lexsort(points[2::-1])]


def _strata(plane: np.ndarray, by_size: np.ndarray) -> np.ndarray:
    """The rarest group within three voxels of each known voxel; -1 where unknown."""
    stratum = plane.copy()
    for g in by_size[1:]:
        if (plane == g).any():
            stratum[grow_or_shrink((plane == g)[None], True, 3)[0]] = g
    stratum[plane < 0] = -1
    return stratum


def _near_border(plane: np.ndarray) -> np.ndarray:
    """Known voxels within two voxels of another known group."""
    border = np.zeros(plane.shape, bool)
    for axis in (0, 1):
        for distance in (1, 2):
            a = np.take(plane, range(distance, plane.shape[axis]), axis)
            b = np.take(plane, range(plane.shape[axis] - distance), axis)
            differ = (a != b) & (a >= 0) & (b >= 0)
            front = [slice(None)] * 2
            back = [slice(None)] * 2
            front[axis], back[axis] = slice(distance, None), slice(None, -distance)
            border[tuple(front)] |= differ
            border[tuple(back)] |= differ
    return border


def collect_samples(evidence: Evidence, count: int = MAX_SAMPLES) -> Samples:
    """Gather features of chosen voxels; shape features leave out the labelled slice that a voxel lies in."""
    from ACSegLib.fill.prior import image_kernels as kernels

    features, shape, groups = evidence.features, evidence.shape, evidence.groups
    points = choose_voxels(evidence.classes, groups, count)
    x = np.empty((points.shape[1], features.count(len(shape.groups))), np.float32)
    plane = np.empty((x.shape[1], *evidence.classes.shape[1:]), np.float32)
    planes, starts = np.unique(points[0], return_index=True)
    ends = np.append(starts[1:], points.shape[1])
    for run in _runs(planes):
        low, high = max(int(planes[run][0]) - 1, 0), min(int(planes[run][-1]) + 2, len(features.image))
        image = features.for_kernels(*features.slab(low, high), low)
        for k, start, end in zip(planes[run].tolist(), starts[run], ends[run], strict=True):
            kernels.plane_features(k - low, image, (shape.planes([k], without=k), shape.margin), plane)
            x[start:end] = plane[:, points[1, start:end], points[2, start:end]].T
    counts = np.bincount(points[4], minlength=len(groups)).astype(float)
    share = counts / counts.sum()
    weight = np.where(counts > 0, np.maximum(share, MIN_GROUP_SHARE) / np.maximum(share, 1e-9), 0.0)
    # a group of a handful of voxels is not worth a thousand times its number
    weight = np.minimum(weight, MAX_SAMPLE_WEIGHT)[points[4]]
    return Samples(x, points[3], points[0], weight / weight.mean(), points[1:3], SHAPE_FEATURES * len(shape.groups))


def as_between_slices(evidence: Evidence, samples: Samples) -> Samples:
    """The samples, and the same with outlines that are as wrong as those between the labelled slices of `evidence`.

    Without the slice that a voxel lies in, outlines are interpolated over twice the distance, so that they are about
    four times as wrong; and on an outermost slice they say nothing. So each voxel is there once more, with the error of
    a random plane between labelled slices (`ShapePrior.as_between`). It is there without as well: outlines miss thin
    structures between the slices, which are lost where outlines are always right.

    The samples stay as they are where that error is not known: of fewer than three slices, and of many instances, most
    of which end within that distance. They stay where slices across another axis show it between the slices, too, and
    of many slices, few of which are outermost ones.
    """
    from ACSegLib.fill.prior import image_kernels as kernels

    shape = evidence.shape
    slices = sorted(shape.distances)
    if not MIN_CURVED <= len(slices) <= MAX_CURVED or evidence.instances is not None:
        return samples
    between = np.setdiff1d(np.arange(slices[0], slices[-1]), slices)
    if not len(between) or not np.isin(samples.plane, slices).all():
        return samples
    rng = np.random.default_rng(0)
    x = samples.x.copy()
    for k in slices:
        here = np.flatnonzero(samples.plane == k)
        distances = shape.as_between(k, rng.choice(between, len(here)), samples.place[:, here])
        x[here, x.shape[1] - samples.shapes :] = kernels.shape_features(distances, shape.margin).T
    return samples.joined(replace(samples, x=x))


def _runs(planes: np.ndarray) -> list[slice]:
    """Parts of ascending planes of at most `_RUN` that follow one another: they are smoothed together."""
    breaks = np.flatnonzero(np.diff(planes) > 1) + 1
    ends = [0, *breaks.tolist(), len(planes)]
    return [slice(a, min(a + _RUN, last)) for first, last in itertools.pairwise(ends) for a in range(first, last, _RUN)]
