"""Where a segment runs on into a neighbour that nobody labelled: the waist beyond the outermost labelled slice."""

from __future__ import annotations

import numpy as np

#: A waist is narrower than this fraction of the segment's area on its outermost labelled slice.
MAX_WAIST = 0.7

#: Beyond the waist, the area grows again by at least this fraction of it.
MIN_REGROWTH = 0.2


def end_at_waists(labels: np.ndarray, known: np.ndarray, gap: int, changed: np.ndarray | None = None) -> int:
    """End segments at the waist to a neighbour, in place, beyond the outermost labelled slice.

    A cell becomes thinner towards its end. Where a segment becomes thinner and thicker again, and is still there at the
    usual distance of labelled slices, it has run on into another object: there, the user would have labelled it.

    Parameters
    ----------
    labels : ndarray of int, shape (k, j, i)
        Classes of a slab of which one outer plane is labelled.
    known : ndarray of bool, shape (k, j, i)
        Labelled voxels.
    gap : int
        Usual distance of labelled slices, in planes.
    changed : ndarray of bool, shape (k, j, i), optional
        What is changed is marked here.

    Returns
    -------
    int
        Voxels changed.
    """
    from scipy import ndimage

    count = 0
    first, last = bool(known[0].all()), bool(known[-1].all())
    if first == last or gap < 1 or gap >= len(labels):
        return count
    ordered = labels if first else labels[::-1]
    marks = None if changed is None else changed if first else changed[::-1]
    free = ~(known if first else known[::-1])
    for value in np.unique(ordered[0]):
        if value == 0:
            continue
        components, _ = ndimage.label(ordered == value)
        touching = np.unique(components[0])
        body = np.isin(components, touching[touching > 0])
        areas = np.count_nonzero(body, axis=(1, 2))
        waist = _waist(areas, gap)
        if waist is not None:
            beyond = body & free
            beyond[: waist + 1] = False
            ordered[beyond] = 0
            if marks is not None:
                marks |= beyond
            count += int(np.count_nonzero(beyond))
    return count


def _waist(areas: np.ndarray, gap: int) -> int | None:
    """The plane of the waist, from the areas outwards of the labelled plane; None without one."""
    largest_beyond = np.maximum.accumulate(areas[::-1])[::-1]
    regrowth = (largest_beyond - areas) * (areas <= MAX_WAIST * areas[0])
    waist = int(np.argmax(regrowth))
    needed = MIN_REGROWTH * areas[0]
    return waist if regrowth[waist] >= needed and waist < gap and areas[gap] >= needed else None
