"""Area over which a cell touches its neighbours (other cells, the capillary, beads).

The contact is counted as the surface is (crossings of grid lines, see `ACSegLib.measure.surface`), so that the
contacts and the free surface of a cell add up to its surface area.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ACSegLib.distances import as_mask, sampling, within_distance
from ACSegLib.errors import InputError
from ACSegLib.measure.surface import line_weights
from ACSegLib.threads import chunks_of, in_threads
from ACSegLib.volume import unique_values


def contact_areas(
    mask: np.ndarray,
    labels: np.ndarray,
    spacing: Sequence[float],
    *,
    gap: float = 0.0,
    check: Callable[[], None] = lambda: None,
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
    check : callable, optional
        Called often; may raise `Cancelled`.

    Returns
    -------
    dict of int to float
        Label to area in the square of the unit; labels without contact are left out. With a gap, surface between two
        near neighbours counts for both.

    Raises
    ------
    InputError
        If the gap is negative, or the voxels are too uneven for their surface to be measured.
    """
    mask = as_mask(mask)
    if gap < 0:
        raise InputError(f"the contact gap must be 0 or more, not {gap}.")
    step = sampling(spacing)
    if not gap:
        return _touching(mask, labels, step, check)
    areas: dict[int, float] = {}
    for value in unique_values(labels):
        if not value:
            continue
        near = within_distance((labels == value) & ~mask, step, gap, check=check)
        area = _touching(mask, near.view(np.uint8), step, check)
        if area:
            areas[int(value)] = area[1]
    return areas


def _touching(
    mask: np.ndarray, labels: np.ndarray, step: tuple[float, float, float], check: Callable[[], None]
) -> dict[int, float]:
    from ACSegLib.measure import contact_kernels as kernels

    weights = line_weights(step)
    # A pair of voxels is met from its labelled side, so each line counts in both directions.
    offsets = np.array([offset for offset, _ in weights] + [[-o for o in offset] for offset, _ in weights])
    areas = np.array([area for _, area in weights] * 2)
    mask, labels = np.ascontiguousarray(mask), np.ascontiguousarray(labels)

    def look(part: slice) -> tuple[np.ndarray, np.ndarray]:
        return kernels.contacts(mask, labels, offsets, areas, part.start, part.stop)

    found = in_threads(look, chunks_of(mask), check)
    values, inverse = np.unique(np.concatenate([v for v, _ in found]), return_inverse=True)
    totals = np.bincount(inverse, weights=np.concatenate([a for _, a in found]), minlength=len(values))
    return {int(v): float(a) for v, a in zip(values, totals, strict=True) if a > 0}


def neighbour_areas(
    labels: np.ndarray, spacing: Sequence[float], check: Callable[[], None] = lambda: None
) -> dict[int, dict[int, float]]:
    """Areas over which labels of one array touch one another: `contact_areas` of all, in one pass.

    Parameters
    ----------
    labels : ndarray of unsigned int of up to 32 bits, shape (k, j, i)
    spacing : sequence of float
        Voxel size along (i, j, k).
    check : callable, optional
        Called often; may raise `Cancelled`.

    Returns
    -------
    dict of int to dict of int to float
        Label to the labels that it touches, each with the area in the square of the unit.

    Raises
    ------
    InputError
        If the voxels are too uneven for their surface to be measured.
    """
    return meeting_labels(labels, line_weights(sampling(spacing)), check)


def meeting_labels(
    labels: np.ndarray, lines: Sequence[tuple[Sequence[int], float]], check: Callable[[], None] = lambda: None
) -> dict[int, dict[int, float]]:
    """Labels that lie at the ends of lines, and the sum of the weights of these lines.

    Parameters
    ----------
    labels : ndarray of unsigned int of up to 32 bits, shape (k, j, i)
    lines : sequence of (offset, weight)
        Offsets (k, j, i), each in one direction.
    check : callable, optional
        Called often; may raise `Cancelled`.

    Returns
    -------
    dict of int to dict of int to float
        Label to the other labels that it meets, each with the weight.
    """
    from ACSegLib.measure import contact_kernels as kernels

    offsets, weights = np.array([offset for offset, _ in lines]), np.array([float(weight) for _, weight in lines])
    reach = int(np.abs(offsets[:, 0]).max())

    def look(part: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        start = max(part.start - reach, 0)
        planes = labels[start : part.stop + reach].astype(np.uint32)  # one type, so that the loop is compiled once
        return kernels.pairs(planes, offsets, weights, part.start - start, part.stop - start)

    found: dict[int, dict[int, float]] = {}
    for pairs in in_threads(look, chunks_of(labels), check):
        for one, other, weight in zip(*(values.tolist() for values in pairs), strict=True):
            for a, b in ((one, other), (other, one)):
                met = found.setdefault(a, {})
                met[b] = met.get(b, 0.0) + weight
    return found
