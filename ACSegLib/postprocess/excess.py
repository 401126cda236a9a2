"""What a segment gains beyond the outermost labelled slice, without touching it, in excess of all that was labelled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: A segment gains this number of times what its labelled slices let expect, at most.
MAX_EXCESS = 5.0


def remove_excess(
    labels: np.ndarray, known: np.ndarray, areas: Mapping[int, float], changed: np.ndarray | None = None
) -> int:
    """Turn detached components beyond the outermost labelled slice into background, in place, where they are too many.

    Beyond that slice nothing says that what looks like a segment is something else. So there may be a bead that no
    slice crosses. But where all of a segment's detached components together are far larger than the segment, cells
    that look like it were taken for it.

    Parameters
    ----------
    labels : ndarray of int, shape (k, j, i)
        Classes of a slab of which one outer plane is labelled.
    known : ndarray of bool, shape (k, j, i)
        Labelled voxels.
    areas : mapping of int to float
        Class -> its mean area, in pixels, on the labelled slices that show it.
    changed : ndarray of bool, shape (k, j, i), optional
        What is changed is marked here.

    Returns
    -------
    int
        Voxels changed.
    """
    from scipy import ndimage

    count = 0
    if bool(known[0].all()) == bool(known[-1].all()):
        return count
    sizes = np.bincount(labels.ravel(), minlength=max(areas, default=0) + 1)
    for value, area in areas.items():
        most = MAX_EXCESS * area * len(labels)
        if sizes[value] <= most:
            continue
        components, number = ndimage.label(labels == value, np.ones((3, 3, 3), bool))
        detached = np.ones(number + 1, bool)
        detached[0] = False
        detached[components[known]] = False
        gained = detached[components]
        if np.count_nonzero(gained) > most:
            labels[gained] = 0
            count += int(np.count_nonzero(gained))
            if changed is not None:
                changed |= gained
    return count
