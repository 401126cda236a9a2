"""Image features for the appearance prior: intensity, edges and second derivatives at four scales.

Two coarse levels (about 2 and 4 voxels) are computed once for the volume; the two fine scales slab by slab, so the
memory in addition to the image is a sixth of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.files.lazy import every_nth
from ACSegLib.fill.constants import CLASS_PERCENTILES, FINE_SIGMA, IMAGE_PERCENTILES, LEVEL_SIGMAS
from ACSegLib.float32 import levels_of
from ACSegLib.jobs import Progress
from ACSegLib.noise import robust_deviation

#: Features of the fine scale, of each coarse level, and of each group's shape.
FINE_FEATURES, LEVEL_FEATURES, SHAPE_FEATURES = 6, 5, 2

#: Planes on either side of a slab that its smoothing needs.
_HALO = 3
#: Voxels that tell the range of intensities, about; classes that widen it, voxels of each, and fewest that tell. Bound.
_SAMPLE_VOXELS = 4_000_000
_MAX_CLASSES, _VOXELS_OF_CLASS, _MIN_VOXELS_OF_CLASS = 64, 200_000, 8
#: Times the range of the others that a value of a small class may lie beyond it. Bound.
_BEYOND = 4.0
#: Values of float32 within the range of intensities, at least, of an image in a wider type. Bound.
_MIN_LEVELS = 16


def half_kernel(sigma: float) -> np.ndarray:
    """Right half, centre first, of a normalised Gaussian of `sigma` voxels; [1] where it is too narrow to matter."""
    if sigma < 0.25:
        return np.ones(1, np.float32)
    taps = np.exp(-0.5 * (np.arange(int(np.ceil(3 * sigma)) + 1) / sigma) ** 2)
    return (taps / (2 * taps.sum() - taps[0])).astype(np.float32)


def smoothed(
    image: np.ndarray, sigma: float, spacing: Sequence[float], planes: tuple[int, int] | None = None
) -> np.ndarray:
    """The image, float32, after a Gaussian of `sigma`, in the unit of the spacing.

    `planes` are the first plane that is wanted, and the one after the last, if not all are.
    """
    from ACSegLib.fill.prior import image_kernels as kernels

    first, last = planes or (0, len(image))
    scratch, out = np.empty((2, last - first, *image.shape[1:]), np.float32)
    weights_k, weights_j, weights_i = (half_kernel(sigma / h) for h in spacing)
    kernels.smooth(image, scratch, out, weights_k, weights_j, weights_i, first)
    return out


def intensity_range(
    image: np.ndarray, classes: np.ndarray | None = None, outside: np.ndarray | None = None
) -> tuple[float, float]:
    """Robust intensity range: 0.1 to 99.9 %, widened to hold most voxels of each labelled class.

    Hot voxels fall outside it (and are clipped), small bright beads that were labelled do not.

    Parameters
    ----------
    image : ndarray, shape (k, j, i)
    classes : ndarray of int, same shape, optional
        Known classes; negative where unknown.
    outside : ndarray of bool, same shape, optional
        Voxels without an image value, such as padding. Those that are not finite need not be named.

    Raises
    ------
    InputError
        If there is no finite value, or the values are too large, or too far from 0 for their differences, for float32.
    """
    sample = every_nth(image, _SAMPLE_VOXELS)
    _require_resolution(sample)
    sample = sample.astype(np.float32)
    sample = sample.ravel() if outside is None else sample[~every_nth(outside, _SAMPLE_VOXELS)]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        raise InputError("the image holds no finite value.")
    low, high = np.percentile(sample, IMAGE_PERCENTILES)
    if classes is not None:
        where = classes > 0 if outside is None else (classes > 0) & ~outside
        numbers, values = classes[where], image[where]
        order = np.argsort(numbers, kind="stable")
        for own in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)[:_MAX_CLASSES]:
            labelled = values[own[:_VOXELS_OF_CLASS]].astype(np.float32)
            labelled = _without_hot(labelled[np.isfinite(labelled)])
            if labelled.size >= _MIN_VOXELS_OF_CLASS:
                a, b = np.percentile(labelled, CLASS_PERCENTILES)
                low, high = min(low, a), max(high, b)
    if not high > low:
        low, high = float(sample.min()), float(sample.max())
    if not high > low:
        high = low + 1.0
    return float(low), float(high)


def _without_hot(values: np.ndarray) -> np.ndarray:
    """The values of a class without its lowest and its highest one, if these lie far from all others.

    Percentiles leave out hot and dead voxels of a large class, but not the one in a dab.
    """
    if values.size < 5 or values.size * CLASS_PERCENTILES[0] >= 100:
        return values
    low, *_, high = np.sort(values)[1:-1].astype(np.float64)
    margin = _BEYOND * (high - low)
    return values[(values >= low - margin) & (values <= high + margin)]


def _require_resolution(sample: np.ndarray) -> None:
    """Raise InputError if intensities in wider types become infinite or one value in float32, as fills compute."""
    found = levels_of(sample, IMAGE_PERCENTILES)
    if found is None:
        return
    if found.are_too_large:
        raise InputError(
            f"the image has intensities of {found.largest:.3g}, too large for 32 bits; divide it by a constant."
        )
    if 0 < found.steps < _MIN_LEVELS:
        raise InputError(
            f"the intensities of the image, {found.low!r} to {found.high!r}, can hardly be told apart in 32 bits; "
            "subtract their mean, or multiply them."
        )


@dataclass
class ImageFeatures:
    """A volume, scaled to 0..1, with the labelled slices along axis 0, and its coarse levels.

    Attributes
    ----------
    image : ndarray of float32, shape (K, J, I)
    spacing : tuple of float
        Voxel size along K, J, I, in units of the finest axis.
    levels, factors
        Coarse features (5, K', J', I') and by how much each was pooled along K, J, I.
    noise : float
        Robust size of the differences between neighbours: the scale of beta.
    offsets
        Where the volume's first voxel lies in each coarse level, in full-size voxels (not 0 in a cropped one).
    """

    image: np.ndarray
    spacing: tuple[float, ...]
    levels: list[np.ndarray]
    factors: list[np.ndarray]
    noise: float
    offsets: list[np.ndarray] = field(default_factory=lambda: [np.zeros(3, np.int64)] * 2)

    @property
    def placement(self) -> tuple[np.ndarray, ...]:
        """Factors and offsets of each level, (2, 3) int64, as the compiled loops take them."""
        return tuple(np.stack(pair) for pair in zip(self.factors, self.offsets, strict=True))

    @property
    def inverse_spacing(self) -> np.ndarray:
        """1 / spacing, float32."""
        return (1.0 / np.asarray(self.spacing)).astype(np.float32)

    def for_kernels(self, edges: np.ndarray, fine: np.ndarray, first: int) -> tuple[Any, ...]:
        """A slab (see `slab`) that starts at plane `first` as the compiled loops take it."""
        return edges, fine, first, self.inverse_spacing, tuple(self.levels), self.placement

    def count(self, groups: int) -> int:
        """Number of features of a voxel, with the shape of `groups` groups."""
        return FINE_FEATURES + 2 * LEVEL_FEATURES + SHAPE_FEATURES * groups

    def cropped(self, first: int, last: int, rows: slice, columns: slice) -> ImageFeatures:
        """Features of a box, planes first..last; its coarse levels are cut at whole coarse voxels."""
        image = np.ascontiguousarray(self.image[first : last + 1, rows, columns])
        levels, factors, offsets = [], [], []
        for level, factor, offset in zip(self.levels, self.factors, self.offsets, strict=True):
            low = np.array([first, rows.start, columns.start]) // factor
            high = np.array([last + 1, rows.stop, columns.stop]) // factor + 1
            box = tuple(slice(max(a - 1, 0), b + 1) for a, b in zip(low, high, strict=True))
            levels.append(np.ascontiguousarray(level[(slice(None), *box)]))
            factors.append(factor)
            start = np.array([b.start for b in box]) * factor
            offsets.append(offset + np.array([first, rows.start, columns.start]) - start)
        return ImageFeatures(image, self.spacing, levels, factors, self.noise, offsets)

    def slab(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Image and smoothed image of planes first..last-1, both (planes, J, I) float32; the first is a view."""
        a, b = max(first - _HALO, 0), min(last + _HALO, len(self.image))
        return self.image[first:last], smoothed(self.image[a:b], FINE_SIGMA, self.spacing, (first - a, last - a))

    def texture(self, first: int, stop: int) -> np.ndarray:
        """Smoothed image, gradient and second derivatives of planes first..stop-1, float32, (5, planes, J, I)."""
        from ACSegLib.fill.prior import image_kernels as kernels

        low, high = max(first - 1, 0), min(stop + 1, len(self.image))
        _image, fine = self.slab(low, high)
        texture = np.empty((LEVEL_FEATURES, *fine.shape), np.float32)
        kernels.texture(np.ascontiguousarray(fine), self.inverse_spacing, texture)
        return texture[:, first - low : stop - low]


def pool_factors(spacing: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Halve each axis whose voxels are not already much longer than the finest."""
    halve = (spacing <= 1.5 * spacing.min()) & (np.asarray(shape) >= 4)
    return np.where(halve, 2, 1)


def prepare(
    image: np.ndarray, spacing: Sequence[float], limits: tuple[float, float], progress: Progress | None = None
) -> ImageFeatures:
    """Scale an image and compute its coarse levels.

    Parameters
    ----------
    image : ndarray, shape (K, J, I)
        Any numeric type; not finite values must have been replaced.
    spacing : sequence of 3 floats
        Voxel size along K, J, I, any unit.
    limits : tuple of float
        Intensities that become 0 and 1; beyond them the image is clipped.
    """
    from ACSegLib.fill.prior import image_kernels as kernels

    progress = progress or Progress()
    relative = np.asarray(spacing, float) / min(spacing)
    scaled = np.empty(image.shape, np.float32)
    kernels.scale_clip(_native(image), limits[0], limits[1], scaled)
    progress.check()
    stages = progress.stages(scale=1, levels=2)
    stages.levels(0.0, "computing image features")
    levels: list[np.ndarray] = []
    factors: list[np.ndarray] = []
    level, total, voxel = scaled, np.ones(3, int), relative
    for sigma, part in stages.levels.each(LEVEL_SIGMAS):
        factor = pool_factors(voxel, level.shape)
        pooled = np.empty(-(-np.asarray(level.shape) // factor), np.float32)
        kernels.pool(level, int(factor[0]), int(factor[1]), int(factor[2]), pooled)
        total, voxel = total * factor, voxel * factor
        step = voxel / voxel.min()
        part.check()
        level = smoothed(pooled, sigma, step.tolist())
        part.check()
        features = np.empty((LEVEL_FEATURES, *level.shape), np.float32)
        kernels.texture(level, (1.0 / step).astype(np.float32), features)
        levels.append(features)
        factors.append(total.astype(np.int64))
        part(1.0, "computing image features")
    progress.check()
    prepared = ImageFeatures(scaled, tuple(relative), levels, factors, 1.0)
    prepared.noise = _noise(prepared)
    return prepared


def _native(image: np.ndarray) -> np.ndarray:
    """C-contiguous, in this machine's byte order and in a type that the compiled loops know."""
    if image.dtype in (np.float16, np.bool_):
        image = image.astype(np.float32)
    return np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("="))


def _noise(features: ImageFeatures) -> float:
    """Robust standard deviation of neighbour differences, in three places of the volume."""
    differences: list[np.ndarray] = []
    planes = len(features.image)
    for k in sorted({planes // 4, planes // 2, (3 * planes) // 4}):
        edges, _ = features.slab(k, min(k + 2, planes))
        for axis in (1, 2):
            differences.append(np.abs(np.diff(edges, axis=axis)).ravel())
    size = np.concatenate(differences)
    typical = robust_deviation(size)
    # an image without noise has a median of 0: then a hundredth of its usual range is small
    return max(typical, 0.25 * float(np.mean(size)), 1e-3)
