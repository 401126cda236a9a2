"""Area over which a cell touches its neighbours (other cells, the capillary, beads).

The contact is counted as the surface is (crossings of lattice lines, see `ACSegLib.measure.surface`), so that the
contacts and the free surface of a cell add up to its surface area.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.measure.regions import as_mask, sampling, within_distance
from ACSegLib.measure.surface import line_weights, shifted


def contact_areas(
    mask: np.ndarray, labels: np.ndarray, spacing: Sequence[float], *, gap: float = 0.0
) -> dict[int, float]:
    """Area of a mask's surface that lies on each other label.

    Parameters
    ----------
    mask : ndarray, shape (k, j, i)
        Non-zero inside; at least one voxel (and the gap) away from the array's edge where the contact matters.
    labels : ndarray of unsigned int, shape (k, j, i)
        The neighbours; what lies inside the mask is disregarded.
    spacing : sequence of float
        Voxel size along (i, j, k).
    gap : float
        Also count surface that has the label within this distance, in the unit of `spacing`.

    Returns
    -------
    dict of int to float
        Label to area in the square of the unit; labels without contact are left out. With a gap, surface between two
        near neighbours counts for both.
    """
    mask = as_mask(mask)
    if gap < 0:
        raise InputError(f"the contact gap must be 0 or more, not {gap}.")
    step = sampling(spacing)
    outside = np.where(mask, labels.dtype.type(0), labels)
    if not gap:
        return _touching(mask, outside, step)
    areas: dict[int, float] = {}
    for value in np.unique(outside[outside > 0]):
        near = within_distance(outside == value, step, gap) & ~mask
        area = _touching(mask, near.view(np.uint8), step)
        if area:
            areas[int(value)] = area[1]
    return areas


def _touching(mask: np.ndarray, outside: np.ndarray, step: tuple[float, float, float]) -> dict[int, float]:
    areas: dict[int, float] = {}
    for offset, area in line_weights(step):
        here, there = shifted(mask, offset)
        label_here, label_there = shifted(outside, offset)
        crossing = here != there
        # `outside` is 0 inside the mask, so of a crossing's two voxels only the outer one can have a label.
        touched = np.maximum(label_here[crossing], label_there[crossing])
        for value, count in zip(*np.unique(touched[touched > 0], return_counts=True), strict=True):
            areas[int(value)] = areas.get(int(value), 0.0) + area * int(count)
    return areas
