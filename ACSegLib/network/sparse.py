"""Which slices of a label volume somebody drew, and therefore which voxels the loss may count."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

#: Along any axis, labels that fill at least this part of the planes between their first and last are dense.
_DENSE_COVERAGE = 0.6
#: A plane was drawn if this part of its labelled area survives an in-plane erosion by one voxel: a plane that only
#: cuts through drawn planes holds lines, which do not.
_SOLID_PART = 0.2
_SHORTEST_RUN = 3


def drawn_slices(labels: np.ndarray) -> dict[int, list[int]]:
    """Find the drawn planes of a sparsely labelled volume; empty for dense labels.

    Parameters
    ----------
    labels : ndarray, shape (k, j, i)
        Not zero where labelled.

    Returns
    -------
    dict of int to list of int
        Axis (0: k, 1: j, 2: i) to the sorted indices of its drawn planes. Empty when the labels are dense, that is,
        when along some axis the planes that hold solid areas are mostly neighbours, and when there is no label.
    """
    drawn: dict[int, list[int]] = {axis: _solid_planes(labels, axis) for axis in range(3)}
    drawn = {axis: planes for axis, planes in drawn.items() if planes}
    if any(_is_dense(planes, labels.shape[axis]) for axis, planes in drawn.items()):
        return {}
    axis = max(drawn, key=lambda a: len(drawn[a]), default=None)
    if axis is None:  # nothing solid: thin drawings, in the planes of the axis that needs the fewest
        used = {a: np.flatnonzero(np.any(labels, axis=_others(a))) for a in range(3)}
        axis = min(used, key=lambda a: len(used[a]))
        planes = [int(n) for n in used[axis]]
        return {} if not planes or _is_dense(planes, labels.shape[axis]) else {axis: planes}
    left_over = (labels != 0) & ~known_voxels(labels.shape, drawn)
    extra = np.flatnonzero(np.any(left_over, axis=_others(axis)))
    drawn[axis] = sorted({*drawn[axis], *(int(n) for n in extra)})
    return drawn


def labelled_planes(labels: np.ndarray, axis: int) -> list[int]:
    """Indices of the planes across `axis` that hold any label."""
    return [int(n) for n in np.flatnonzero(np.any(labels, axis=_others(axis)))]


def known_voxels(shape: tuple[int, ...], drawn: Mapping[int, list[int]]) -> np.ndarray:
    """Boolean array of `shape`: the voxels of the drawn planes."""
    known = np.zeros(shape, bool)
    for axis, planes in drawn.items():
        index: list[slice | list[int]] = [slice(None)] * 3
        index[axis] = planes
        known[tuple(index)] = True
    return known


def _others(axis: int) -> tuple[int, ...]:
    return tuple(a for a in range(3) if a != axis)


def _solid_planes(labels: np.ndarray, axis: int) -> list[int]:
    found = []
    for n, plane in enumerate(np.moveaxis(labels, axis, 0)):
        mask = plane != 0
        area = np.count_nonzero(mask)
        if not area:
            continue
        inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
        if np.count_nonzero(inner) >= max(1, _SOLID_PART * area):
            found.append(n)
    return found


def _is_dense(planes: list[int], size: int) -> bool:
    span = planes[-1] - planes[0] + 1
    return len(planes) >= min(_SHORTEST_RUN, size) and len(planes) >= _DENSE_COVERAGE * span
