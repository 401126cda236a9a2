"""Implicit shapes on a voxel grid: smooth random fields, warped ellipsoids, tubes and spheres.

A shape is known by its signed distance in voxels (negative inside, approximate far away), so that the share of a
voxel which it covers, and with it a realistic partial-volume edge, is ``clip(0.5 - distance, 0, 1)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Box = tuple[slice, slice, slice]
_SLAB_VOXELS = 1 << 22


def coverage(distance: np.ndarray) -> np.ndarray:
    """Share of each voxel that a shape covers, 0 to 1, from its signed distance in voxels."""
    return np.clip(0.5 - distance, 0.0, 1.0)


def box_around(centre: np.ndarray, reach: float | np.ndarray, shape: Sequence[int] | np.ndarray) -> Box | None:
    """Voxels within `reach` of `centre` (k, j, i), cut at the volume's border; None if there are none."""
    low = np.maximum(np.floor(np.min(np.atleast_2d(centre), 0) - reach).astype(int), 0)
    high = np.minimum(np.ceil(np.max(np.atleast_2d(centre), 0) + reach).astype(int) + 1, shape)
    if np.any(high <= low):
        return None
    k, j, i = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return k, j, i


def slabs(box: Box) -> Iterator[Box]:
    """Cut a box into slabs along k of bounded size, so that temporaries stay small."""
    k, j, i = box
    step = max(1, _SLAB_VOXELS // ((j.stop - j.start) * (i.stop - i.start)))
    for start in range(k.start, k.stop, step):
        yield slice(start, min(start + step, k.stop)), j, i


def whole(shape: Sequence[int]) -> Box:
    """The box of a whole volume."""
    k, j, i = (slice(0, int(n)) for n in shape)
    return k, j, i


class SmoothField:
    """A random field of unit variance: cubic B-splines with white-noise coefficients.

    Any box of it can be evaluated alone, and the values do not depend on how the volume is cut.

    Parameters
    ----------
    shape : sequence of int
        Grid on which it lives (any number of dimensions).
    length : float
        Knot spacing in voxels: about the size of the blobs.
    rng : numpy.random.Generator
        Source of the coefficients.
    """

    #: Mean over a knot interval of the sum of squared cubic B-spline weights.
    _VARIANCE = 151.0 / 315.0

    def __init__(self, shape: Sequence[int], length: float, rng: np.random.Generator) -> None:
        self._length = float(length)
        self._shift = rng.uniform(0, 1, len(shape))
        knots = [int(np.floor((n - 1) / self._length + 1)) + 4 for n in shape]
        self._coefficients = rng.standard_normal(knots, dtype=np.float32) * self._VARIANCE ** (-0.5 * len(shape))

    def __call__(self, box: Sequence[slice]) -> np.ndarray:
        """Values in a box, float32, of the box's shape."""
        field = self._coefficients
        for axis, part in enumerate(box):
            matrix, first = self._weights(part, self._shift[axis])
            field = np.moveaxis(field, axis, 0)[first : first + matrix.shape[1]]
            flat = np.ascontiguousarray(field.reshape(len(field), -1))
            field = np.moveaxis((matrix @ flat).reshape(matrix.shape[0], *field.shape[1:]), 0, axis)
        return np.ascontiguousarray(field, dtype=np.float32)

    def _weights(self, part: slice, shift: float) -> tuple[Any, int]:
        from scipy.sparse import csr_matrix

        position = np.arange(part.start, part.stop) / self._length + shift
        knot = np.floor(position).astype(int)
        t = position - knot
        weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], 1) / 6
        first = int(knot[0])
        columns = (knot - first)[:, None] + np.arange(4)
        rows = np.repeat(np.arange(len(position)), 4)
        shape = (len(position), int(columns.max()) + 1)
        return csr_matrix((weights.ravel().astype(np.float32), (rows, columns.ravel())), shape), first


@dataclass
class Blob:
    """An ellipsoid, turned, with a warped and rough surface.

    Parameters
    ----------
    centre : ndarray (3,)
        (k, j, i) in voxels.
    axes : ndarray (3,)
        Semi-axes in voxels.
    rotation : ndarray (3, 3)
        Columns are the directions of the axes.
    displacements : list of (float, SmoothField)
        Added to the distance: amplitude in voxels, and the field.
    """

    centre: np.ndarray
    axes: np.ndarray
    rotation: np.ndarray
    displacements: list[tuple[float, SmoothField]]

    def distance(self, box: Box) -> np.ndarray:
        """Signed distance in voxels, float32: first-order for an ellipsoid (exact for a sphere)."""
        k, j, i = (
            np.arange(part.start, part.stop, dtype=np.float32) - np.float32(c)
            for part, c in zip(box, self.centre, strict=True)
        )
        scaled = np.zeros([part.stop - part.start for part in box], np.float32)
        steep = np.zeros_like(scaled)
        for axis in range(3):
            r = self.rotation[:, axis].astype(np.float32) / np.float32(self.axes[axis])
            u = (k * r[0])[:, None, None] + (j * r[1])[None, :, None] + (i * r[2])[None, None, :]
            u *= u
            scaled += u
            steep += u / np.float32(self.axes[axis] ** 2)
        np.sqrt(scaled, out=scaled)
        np.sqrt(steep, out=steep)
        distance = scaled * (scaled - 1) / np.maximum(steep, 1e-6)
        # At the centre the quotient is 0 / 0, while the distance is the shortest semi-axis.
        distance[scaled < 1e-3] = -float(self.axes.min())
        for amplitude, field in self.displacements:
            distance += np.float32(amplitude) * field(box)
        return distance

    @property
    def reach(self) -> float:
        """Radius of a ball around the centre that holds the shape."""
        return float(self.axes.max() + 4 * sum(a for a, _ in self.displacements) + 2)


@dataclass
class Tube:
    """A curved tube of varying radius; a sphere when it has a single point.

    Parameters
    ----------
    points : ndarray (n, 3)
        Centre line (k, j, i) in voxels.
    radii : ndarray (n,)
        In voxels.
    """

    points: np.ndarray
    radii: np.ndarray

    def box(self, shape: Sequence[int], margin: float = 2.0) -> Box | None:
        """Voxels that it may touch."""
        return box_around(self.points, float(self.radii.max()) + margin, shape)

    def distance(self, box: Box) -> np.ndarray:
        """Signed distance in voxels, float32; capped at some voxels outside."""
        start = np.array([part.start for part in box])
        extent = np.array([part.stop - part.start for part in box])
        distance = np.full(extent, 1e3, np.float32)
        ends = self.points[1:] if len(self.points) > 1 else self.points
        outer = self.radii[1:] if len(self.points) > 1 else self.radii
        for p, q, r, s in zip(self.points, ends, self.radii, outer, strict=False):
            local = box_around(np.array([p, q]) - start, max(r, s) + 3.0, extent)
            if local is not None:
                np.minimum(distance[local], _segment(local, p - start, q - start, r, s), out=distance[local])
        return distance


def _segment(box: Box, p: np.ndarray, q: np.ndarray, r: float, s: float) -> np.ndarray:
    """Distance to the segment from `p` to `q`, less a radius that goes from `r` to `s`."""
    grid = np.ogrid[box]
    along = q - p
    length = float(along @ along)
    offset = [axis - c for axis, c in zip(grid, p, strict=True)]
    t = sum(o * a for o, a in zip(offset, along, strict=True)) / length if length > 0 else np.zeros((1, 1, 1))
    t = np.clip(t, 0.0, 1.0)
    square = sum((o - t * a) ** 2 for o, a in zip(offset, along, strict=True))
    return (np.sqrt(square) - (r + (s - r) * t)).astype(np.float32)


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """Uniformly random (3, 3) rotation."""
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    if np.linalg.det(q) < 0:
        q[:, 0] = -q[:, 0]
    return q


def random_direction(rng: np.random.Generator) -> np.ndarray:
    """Uniformly random unit vector."""
    vector = rng.standard_normal(3)
    return vector / np.linalg.norm(vector)


def winding_line(
    start: np.ndarray, direction: np.ndarray, length: float, bend: float, rng: np.random.Generator
) -> np.ndarray:
    """Points of a smoothly curved line, about two voxels apart.

    Parameters
    ----------
    length : float
        In voxels.
    bend : float
        Total turning, in radians, that a line of this length typically makes.

    Returns
    -------
    ndarray (n, 3)
    """
    count = max(2, round(length / 2))
    axis = np.cross(direction, random_direction(rng))
    axis /= np.linalg.norm(axis)
    points = [np.asarray(start, float)]
    heading = np.asarray(direction, float)
    for _ in range(count):
        axis = axis + 0.35 * random_direction(rng)
        axis -= heading * (axis @ heading)
        axis /= np.linalg.norm(axis)
        heading = heading + np.cross(axis, heading) * (bend / count)
        heading /= np.linalg.norm(heading)
        points.append(points[-1] + heading * (length / count))
    return np.array(points)
