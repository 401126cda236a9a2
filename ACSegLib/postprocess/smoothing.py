"""Smoothing of label boundaries by a majority vote, with curved surfaces and thin structures left where they are.

A voxel takes the label that has most weight around it. Gaussian weights would shrink what is convex, by their second
moment times the curvature; the weights are therefore the difference of two Gaussians whose second moment is zero (the
idea of Taubin, A signal processing approach to fair surface design, SIGGRAPH 1995, for votes instead of meshes). What
is thinner than the Gaussian (filopodia) would still be eaten, so parts of a segment into which no ball fits that would
survive the vote are found first, by a morphological opening, and protected unless they are mere bumps. Only voxels
near boundaries are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ACSegLib.jobs import Progress

#: A ball of this many standard deviations holds half of the weight: a voxel whose ball is of one label keeps it.
_BALL = 1.25
#: The weights are cut off here, in standard deviations of the narrower Gaussian.
_REACH = 2.5
#: Thin structures are at least this many standard deviations long; what is shorter, on a thick part, is a bump. A
#: choice: longer than the window of the weights, which spans 5.
_MIN_LENGTH = 6.0
#: Windows of more voxels than this are summed along one axis after the other.
_MAX_WINDOW = 4096
#: Looks at voxels between two checks for a cancel: a fraction of a second.
_MAX_LOOKS = 1 << 28


def smooth_labels(
    labels: np.ndarray, sigmas: tuple[float, ...], keep: np.ndarray | None = None, progress: Progress | None = None
) -> np.ndarray:
    """Smooth the boundaries of a label array.

    Parameters
    ----------
    labels : ndarray of unsigned integers, shape (k, j, i)
        0 is background, which votes like any label.
    sigmas : tuple of 3 floats
        Standard deviations along k, j, i, in voxels.
    keep : ndarray of bool, shape (k, j, i), optional
        Voxels that do not change; they vote all the same.

    Returns
    -------
    ndarray
        New array of the same type. Ties leave a voxel as it was.
    """
    from ACSegLib.postprocess import smoothing_kernels as kernels

    progress = progress or Progress()
    stages = progress.stages(boundaries=1, thick=2, thin=2, protect=1, vote=4)
    stages.boundaries(0.0, "smoothing: boundaries")
    labels = np.ascontiguousarray(labels)
    ball = _ball(sigmas, _BALL)
    near = np.zeros(labels.shape, np.uint8)
    planes = max(1, _MAX_LOOKS // (len(ball) * labels[0].size))
    for start in range(0, len(labels), planes):
        stages.boundaries(start / len(labels), "smoothing: boundaries")
        kernels.mark_near_boundaries(labels, ball, near, start, min(start + planes, len(labels)))
    voxels = np.flatnonzero(near)
    if not len(voxels):
        return labels.copy()
    for part in _parts(len(voxels), len(ball), stages.thick, "smoothing: thick parts"):
        kernels.find_cores(labels, ball, voxels[part], near)
    voxels = voxels[near.reshape(-1)[voxels] == 1]
    thin = np.zeros(len(voxels), bool)
    for part in _parts(len(voxels), len(ball), stages.thin, "smoothing: thin structures"):
        kernels.find_thin(labels, ball, voxels[part], near, thin[part])
    candidate = ~_protected(labels, voxels, thin, sigmas)
    if keep is not None:
        candidate &= ~keep.reshape(-1)[voxels]
    voxels = voxels[candidate]
    result = _voted(labels, voxels, sigmas, stages.vote)
    progress(1.0, "smoothed")
    return result


def _voted(labels: np.ndarray, voxels: np.ndarray, sigmas: tuple[float, ...], progress: Progress) -> np.ndarray:
    """The labels after the vote of some voxels, given by their flat indices."""
    from ACSegLib.postprocess import smoothing_kernels as kernels
    from ACSegLib.postprocess.wide_votes import vote_in_tiles

    result = labels.copy()
    axes = [_gaussians(sigma) for sigma in sigmas]
    surplus = _surplus(axes)
    if np.prod([len(axis.offsets) for axis in axes]) > _MAX_WINDOW:
        candidate = np.zeros(labels.shape, bool)
        candidate.reshape(-1)[voxels] = True
        factors = [(axis.narrow.astype(np.float32), axis.wide.astype(np.float32)) for axis in axes]
        vote_in_tiles(labels, candidate, factors, surplus, result, progress)
        return result
    window = _offsets(len(axis.offsets) // 2 for axis in axes)
    narrow, wide = (
        np.einsum("k,j,i->kji", *(getattr(axis, name) for axis in axes)).ravel() for name in ("narrow", "wide")
    )
    weights = ((1 + surplus) * narrow - surplus * wide).astype(np.float32)
    for part in _parts(len(voxels), len(window), progress, "smoothing: voting"):
        kernels.vote(labels, window, weights, voxels[part], result)
    return result


def _parts(count: int, looks: int, progress: Progress, message: str) -> Iterator[slice]:
    """Parts of so many voxels, at each of which so many others are looked at."""
    step = max(1, _MAX_LOOKS // looks)
    for start in range(0, count, step):
        progress(start / count, message)
        yield slice(start, min(start + step, count))


def _offsets(reach: Iterable[int]) -> np.ndarray:
    axes = np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij")
    return np.stack([axis.ravel() for axis in axes], axis=1)


def _ball(sigmas: tuple[float, ...], radius: float) -> np.ndarray:
    """Offsets (n, 3) of the voxels within `radius` standard deviations."""
    offsets = _offsets(int(radius * sigma) for sigma in sigmas)
    return offsets[np.sum((offsets / np.asarray(sigmas)) ** 2, axis=1) <= radius**2]


class _Axis(NamedTuple):
    """The window along one axis: offsets in standard deviations, and both Gaussians, each of sum 1."""

    offsets: np.ndarray
    narrow: np.ndarray
    wide: np.ndarray


def _gaussians(sigma: float) -> _Axis:
    reach = int(np.ceil(_REACH * sigma))
    offsets = np.arange(-reach, reach + 1) / sigma
    narrow, wide = np.exp(-(offsets**2) / 2), np.exp(-(offsets**2) / 4)
    return _Axis(offsets, narrow / narrow.sum(), wide / wide.sum())


def _surplus(axes: Sequence[_Axis]) -> float:
    """How much of the wide Gaussian to subtract, so that the second moment of the weights is 0."""
    narrow, wide = (sum(getattr(axis, name) @ axis.offsets**2 for axis in axes) for name in ("narrow", "wide"))
    return float(narrow / (wide - narrow))


def _protected(labels: np.ndarray, voxels: np.ndarray, thin: np.ndarray, sigmas: tuple[float, ...]) -> np.ndarray:
    """Which of the (sorted) boundary voxels belong to a thin structure rather than to a bump on a thick part."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    protected = np.zeros(len(voxels), bool)
    members = voxels[thin]
    if not len(members):
        return protected
    flat = labels.reshape(-1)
    shape = labels.shape
    place = np.stack(np.unravel_index(members, shape), axis=1)
    isolated = np.ones(len(members), bool)
    pairs = []
    for offset in np.ndindex(3, 3, 3):
        step = np.array(offset) - 1
        if not step.any():
            continue
        there = place + step
        inside = np.all((there >= 0) & (there < shape), axis=1)
        source = np.flatnonzero(inside)
        target = np.ravel_multi_index(tuple(there[inside].T), shape)
        same = flat[target] == flat[members[source]]
        source, target = source[same], target[same]
        position = np.minimum(np.searchsorted(members, target), len(members) - 1)
        linked = members[position] == target
        isolated[source[~linked]] = False
        pairs.append(np.stack([source[linked], position[linked]]))
    rows, columns = np.concatenate(pairs, axis=1)
    graph = coo_array((np.ones(len(rows), bool), (rows, columns)), shape=(len(members),) * 2)
    count, part = connected_components(graph, directed=False)
    length = np.zeros(count)
    for axis, sigma in enumerate(sigmas):
        low, high = np.full(count, shape[axis]), np.full(count, -1)
        np.minimum.at(low, part, place[:, axis])
        np.maximum.at(high, part, place[:, axis])
        length = np.maximum(length, (high - low + 1) / sigma)
    whole = np.ones(count, bool)
    whole[part[~isolated]] = False
    protected[thin] = ((length >= _MIN_LENGTH) | whole)[part]
    return protected
