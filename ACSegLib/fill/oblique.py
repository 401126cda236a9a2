"""Drawings made in views that are oblique to the volume: they cross its slices as lines, and leave none whole."""

from __future__ import annotations

import numpy as np

from ACSegLib.masks import eroded

#: Mean number of consecutive slices that an oblique drawing crosses on every axis, at least.
_LONG_RUN = 3

#: Standard deviation of the voxels of an oblique plane about it, in voxels, at most.
_PLANE_THICKNESS = 0.7

#: Share of the drawn voxels that lie in planes, or deep inside what is drawn, from which on they decide.
_MOST = 0.5


def lies_obliquely(drawn: np.ndarray) -> bool:
    """Tell whether a drawing was made in views that are oblique to the volume.

    Most of it are then thin planes that cross slice after slice of every axis. Whole slices, drawn along any axis or
    several, thin lines, solid bodies, and blobs of a spherical brush do not look so.

    Parameters
    ----------
    drawn : ndarray of bool, shape (k, j, i)
        Voxels of any segment.
    """
    from scipy import ndimage

    box = []
    for axis in range(3):
        used = np.flatnonzero(drawn.any(axis=tuple(a for a in range(3) if a != axis)))
        runs = 1 + np.count_nonzero(np.diff(used) > 1)
        if len(used) < _LONG_RUN * runs:
            return False
        box.append(slice(used[0], used[-1] + 1))
    drawn = drawn[tuple(box)]
    count = np.count_nonzero(drawn)
    if np.count_nonzero(eroded(drawn)) > _MOST * count:
        return False
    parts, _ = ndimage.label(drawn, np.ones((3, 3, 3)))
    places = np.argwhere(parts)
    numbers = parts[tuple(places.T)]
    oblique = [len(p) for n in np.unique(numbers) if _is_oblique_plane(p := places[numbers == n])]
    return bool(sum(oblique) > _MOST * count)


def _is_oblique_plane(places: np.ndarray) -> bool:
    """Whether voxels, (n, 3), lie in a plane, about one voxel thick, that no axis is normal to."""
    if len(places) < _LONG_RUN**2 or np.ptp(places, axis=0).min() < _LONG_RUN:
        return False
    thin, wide, _wider = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(places.T)), 0))
    return bool(thin < _PLANE_THICKNESS < wide / 2)
