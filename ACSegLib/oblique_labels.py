"""Labels that were made in views oblique to the volume: they fill none of its slices."""

from __future__ import annotations

import numpy as np

from ACSegLib.masks import eroded

#: Mean number of consecutive slices that oblique labels cross on every axis, at least.
MIN_RUN = 3

#: Standard deviation of the voxels of an oblique plane about it, in voxels, at most.
MAX_PLANE_THICKNESS = 0.7

#: Share of the labelled voxels that lie in oblique planes, or deep inside of the labels, from which on they decide.
MIN_SHARE = 0.5

#: Strips on adjacent slices overlap by less than this share of the smaller one. Labels of one object overlap by more.
MAX_STRIP_OVERLAP = 0.25

#: A strip has at least this share of the voxels of the strip next to it. Fewer are stray voxels near a labelled slice.
MIN_STRIP_SIZE = 0.05

#: Share of the labelled voxels that lie in strips, from which on labels are oblique.
MIN_STRIP_SHARE = 0.2


def lie_obliquely(labelled: np.ndarray) -> bool:
    """Whether most labels are thin planes that cross slice after slice of every axis.

    Whole slices, labelled along any axis or several, thin lines, solid bodies, and blobs of a spherical brush do not
    look so.

    Parameters
    ----------
    labelled : ndarray of bool, shape (k, j, i)
        Voxels of any segment.
    """
    count = np.count_nonzero(labelled)
    return bool(sum(map(len, oblique_planes(labelled))) > MIN_SHARE * count)


def oblique_planes(labelled: np.ndarray) -> list[np.ndarray]:
    """Voxels, (n, 3) int each, of the parts of labels that are planes oblique to the axes.

    There are none where labels leave out slices of an axis, or are solid.

    Parameters
    ----------
    labelled : ndarray of bool, shape (k, j, i)
    """
    from scipy import ndimage

    box = []
    for axis in range(3):
        used = np.flatnonzero(labelled.any(axis=tuple(a for a in range(3) if a != axis)))
        runs = 1 + np.count_nonzero(np.diff(used) > 1)
        if len(used) < MIN_RUN * runs:
            return []
        box.append(slice(used[0], used[-1] + 1))
    labelled = labelled[tuple(box)]
    if np.count_nonzero(eroded(labelled)) > MIN_SHARE * np.count_nonzero(labelled):
        return []
    parts, _ = ndimage.label(labelled, np.ones((3, 3, 3)))
    places = np.argwhere(parts)
    numbers = parts[tuple(places.T)]
    found = [part for n in np.unique(numbers) if _is_oblique_plane(part := places[numbers == n])]
    return [part + [side.start for side in box] for part in found]


def _is_oblique_plane(places: np.ndarray) -> bool:
    """Whether voxels, (n, 3), lie in a plane, about one voxel thick, that no axis is normal to."""
    if len(places) < MIN_RUN**2 or np.ptp(places, axis=0).min() < MIN_RUN:
        return False
    thin, wide, _wider = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(places.T)), 0))
    return bool(thin < MAX_PLANE_THICKNESS < wide / 2)


def are_strips(planes: np.ndarray, voxels: np.ndarray, overlap: np.ndarray) -> bool:
    """Whether adjacent slices hold complementary strips of the same plane.

    A view that is a few degrees off an axis crosses two or three slices. It leaves on each a strip that ends where the
    strip on the next slice begins.

    Parameters
    ----------
    planes : ndarray of bool, shape (K, J, I)
        Voxels of any segment, slice by slice.
    voxels : ndarray of int, shape (K,)
        Labelled voxels of each slice.
    overlap : ndarray of int, shape (K - 1,)
        Voxels labelled on a slice and on the next one.
    """
    smaller, larger = np.minimum(voxels[1:], voxels[:-1]), np.maximum(voxels[1:], voxels[:-1])
    pairs = np.flatnonzero((smaller > 0) & (smaller >= MIN_STRIP_SIZE * larger))
    apart = pairs[overlap[pairs] < MAX_STRIP_OVERLAP * smaller[pairs]]
    in_strips = np.zeros(len(voxels), bool)
    in_strips[[*apart, *(apart + 1)]] = True
    if not len(apart) or 2 * len(apart) < len(pairs) or voxels[in_strips].sum() < MIN_STRIP_SHARE * voxels.sum():
        return False
    touching = sum(_touch(planes[n], planes[n + 1], int(smaller[n])) for n in apart)
    return 2 * touching >= len(pairs)


def _touch(here: np.ndarray, there: np.ndarray, voxels: int) -> bool:
    """Whether two plane regions, the smaller of so many voxels, share a long border."""
    from scipy import ndimage

    border = np.count_nonzero(ndimage.binary_dilation(here, np.ones((3, 3))) & there & ~here)
    return border >= max(3, 0.5 * np.sqrt(voxels))
