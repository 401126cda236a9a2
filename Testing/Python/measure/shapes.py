"""Digitised shapes with known measures, shared by the tests of the measures."""

from __future__ import annotations

import numpy as np


def grid(shape, spacing=(1.0, 1.0, 1.0), centre=None):
    """Coordinates (x, y, z) of voxel centres relative to `centre` (i, j, k index), each of shape (k, j, i)."""
    centre = [(n - 1) / 2 for n in reversed(shape)] if centre is None else centre
    k, j, i = np.indices(shape)
    return tuple((a - c) * s for a, c, s in zip((i, j, k), centre, spacing, strict=True))


def ball(shape, radius, spacing=(1.0, 1.0, 1.0), centre=None):
    x, y, z = grid(shape, spacing, centre)
    return x * x + y * y + z * z <= radius * radius


def capsule(shape, start, stop, radius, spacing=(1.0, 1.0, 1.0)):
    """All points within `radius` of the segment between two points (x, y, z), relative to the centre."""
    points = np.stack(grid(shape, spacing), axis=-1)
    a, b = np.asarray(start, float), np.asarray(stop, float)
    along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
    return np.sum((points - a - along[..., None] * (b - a)) ** 2, axis=-1) <= radius**2
