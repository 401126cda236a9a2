"""The band that a walk decides: its voxels one after the other, read from the image slab by slab."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ACSegLib.compute import threads
from ACSegLib.jobs import Progress
from ACSegLib.masks import Box
from ACSegLib.network.predict.working_probabilities import values_at
from ACSegLib.noise import Moments, robust_deviation
from ACSegLib.padding import Padding
from ACSegLib.threads import chunks_of, in_threads, look_up
from ACSegLib.workflows.walk_seeds import slabs

#: Standard deviation, in voxels, of the smoothing of the image before the walk, and how far it reaches.
IMAGE_SIGMA, _IMAGE_REACH = 0.5, 2
#: Weights of a voxel, its neighbours along an axis, and those after them.
_WEIGHTS = np.exp(-0.5 * (np.arange(_IMAGE_REACH + 1) / IMAGE_SIGMA) ** 2)
_WEIGHTS = (_WEIGHTS / (2 * _WEIGHTS.sum() - 1)).astype(np.float32)
#: Differences that tell the noise along an axis, about.
_SAMPLES = 1_000_000
#: Planes that tell what replaces a missing value.
_PLANES_OF_MEDIAN = 8


@dataclass(frozen=True)
class Band:
    """The n free voxels, in the order of the array, and what a walk needs to know of them.

    Attributes
    ----------
    image : ndarray of float32, (n,)
        Smoothed intensity.
    differences, neighbours : ndarray, (n, 6)
        See `ACSegLib.fill.walk.sparse_kernels.link`. Classes are places in `channels`.
    probabilities : ndarray of float32, (R, n)
        Of the channels that have seeds.
    means, spreads : ndarray of float, (R,)
        Mean and standard deviation of the smoothed intensities of each channel's seeds.
    difference : float
        Standard deviation of the differences of neighbours, the mean of three axes.
    """

    image: np.ndarray
    differences: np.ndarray
    neighbours: np.ndarray
    probabilities: np.ndarray
    means: np.ndarray
    spreads: np.ndarray
    difference: float


def read_band(
    array: Any,
    place: Box,
    seeds: np.ndarray,
    probabilities: Sequence[np.ndarray],
    channels: Sequence[int],
    progress: Progress,
    padding: Padding | None = None,
) -> Band:
    """Collect the free voxels of a box, and measure its seeds.

    Parameters
    ----------
    array : array-like
        The whole image; it may lie on the disk.
    place : Box
        The box in it.
    seeds : ndarray of int, shape (k, j, i)
        Of the box: a channel, or -1 for a free voxel.
    probabilities : sequence of ndarray, shape (k, j, i)
        Of the box, by channel.
    channels : sequence of int
        Those that have seeds.
    progress : Progress
    padding : Padding, optional
        Of the image.
    """
    from ACSegLib.fill.walk.sparse_kernels import link

    counts = in_threads(lambda part: [np.count_nonzero(plane < 0) for plane in seeds[part]], chunks_of(seeds))
    ends = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    total = int(ends[-1])
    image_of, differences = np.empty(total, np.float32), np.empty((total, 6), np.float32)
    neighbours, found = np.empty((total, 6), np.int32), np.empty((len(channels), total), np.float32)
    classes = np.full(max(channels) + 2, -1, seeds.dtype)  # of a channel; the last one is that of free voxels
    classes[list(channels)] = np.arange(len(channels))
    image = _SmoothedImage(array, place, padding)
    moments, samples = [Moments() for _ in channels], _Samples(seeds.shape)
    chosen = [probabilities[channel] for channel in channels]
    for low, high in slabs(seeds.shape):
        progress(low / len(seeds), "random walk: reading the image along the surface")
        first, last = max(low - 1, 0), min(high + 1, len(seeds))
        planes, known = image.planes(first, last), look_up(classes, seeds[first:last])
        own = slice(low - first, high - first)
        parts = [
            (k, planes[k - first], known[k - first], chosen, found[:, ends[k] : ends[k + 1]]) for k in range(low, high)
        ]
        for plane in in_threads(_examine, parts):
            for moment, (number, mean, squares) in zip(moments, plane, strict=True):
                moment.add(number, mean, squares)
        samples.add(planes[own.start :], low, high)
        index = _numbers(known, ends[first : last + 1])
        link(planes, known, index, (own.start, high - low), image_of, differences, neighbours)
    means = np.array([moment.mean for moment in moments])
    spreads = np.array([moment.spread for moment in moments])
    return Band(image_of, differences, neighbours, found, means, spreads, samples.deviation())


def _numbers(known: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Place of each free voxel in the list, int32; `ends` are the numbers of the first free voxel of each plane."""
    numbers = np.empty(known.shape, np.int32)

    def count(part: slice) -> None:
        for k in range(*part.indices(len(known))):
            np.cumsum(known[k] < 0, dtype=np.int32, out=numbers[k].reshape(-1))
            numbers[k] += np.int32(ends[k] - 1)

    in_threads(count, chunks_of(known))
    return numbers


class _SmoothedImage:
    """The smoothed image of a box, some planes at a time; padding and missing values are replaced.

    What replaces missing values is the median.
    """

    def __init__(self, array: Any, place: Box, padding: Padding | None) -> None:
        self._array, self._place, self._padding = array, place, padding

    def planes(self, first: int, last: int) -> np.ndarray:
        """Planes of the box, float32."""
        step = -(-(last - first) // threads())
        out = np.empty((last - first, *(side.stop - side.start for side in self._place[1:])), np.float32)
        parts = [(k, min(k + step, last)) for k in range(first, last, step)]
        in_threads(lambda part: self._write(*part, out[part[0] - first : part[1] - first]), parts)
        return out

    def _write(self, first: int, last: int, out: np.ndarray) -> None:
        from ACSegLib.workflows.band_kernels import smooth_planes

        count = self._place[0].stop - self._place[0].start
        low, high = max(first - _IMAGE_REACH, 0), min(last + _IMAGE_REACH, count)
        part = self._read(low, high).astype(np.float32, copy=False)
        if self._padding is not None:
            part = part.copy()
            self._padding.replace(part)
        if not np.isfinite(part).all():
            value = self._median
            part = np.nan_to_num(part, nan=value, posinf=value, neginf=value)
        smooth_planes(part, _WEIGHTS, low, count, first, out)

    def _read(self, low: int, high: int) -> np.ndarray:
        start = self._place[0].start
        return np.asarray(self._array[(slice(start + low, start + high), *self._place[1:])])

    @functools.cached_property
    def _median(self) -> float:
        count = self._place[0].stop - self._place[0].start
        chosen = np.unique(np.linspace(0, count - 1, _PLANES_OF_MEDIAN).astype(int))
        values = np.concatenate([self._read(k, k + 1).astype(np.float32).ravel() for k in chosen])
        values = values[np.isfinite(values)]
        return float(np.median(values)) if values.size else 0.0


def _examine(part: tuple[int, np.ndarray, np.ndarray, list[np.ndarray], np.ndarray]) -> np.ndarray:
    """Write the probabilities of the free voxels of plane `k`, (R, n); gives the moments of the classes in it.

    See `ACSegLib.workflows.band_kernels.moments_of_plane`.
    """
    from ACSegLib.workflows.band_kernels import moments_of_plane

    k, plane, known, probabilities, out = part
    j, i = np.divmod(np.flatnonzero(known < 0), known.shape[1])
    for row, probability in zip(out, probabilities, strict=True):
        row[...] = values_at(probability, (np.full(len(j), k), j, i))
    moments = np.zeros((len(out), 3))
    moments_of_plane(plane, known, moments)
    return moments


class _Samples:
    """Differences of neighbours at places that are spread evenly over a box."""

    def __init__(self, shape: Sequence[int]) -> None:
        every = max(1, math.prod(shape) // _SAMPLES)
        self._places, self._found = [], []
        for axis in range(3):
            inner = [n - (a == axis) for a, n in enumerate(shape)]
            self._places.append(np.unravel_index(np.arange(0, math.prod(inner), every), inner))
            self._found.append(list[np.ndarray]())

    def add(self, planes: np.ndarray, low: int, high: int) -> None:
        """Take planes from `low` on, and the one after `high` if there is one."""

        def take(axis: int) -> None:
            k, j, i = self._places[axis]
            part = slice(*np.searchsorted(k, (low, high)))
            here = [k[part] - low, j[part], i[part]]
            after = [at + (a == axis) for a, at in enumerate(here)]
            self._found[axis].append(planes[tuple(after)] - planes[tuple(here)])

        in_threads(take, range(3))

    def deviation(self) -> float:
        """Standard deviation of the differences, the mean over the axes: a result must not depend on their order."""
        return sum(robust_deviation(np.concatenate(found)) for found in self._found) / len(self._found)
