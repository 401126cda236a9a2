"""Which voxels of a mask lie in thin parts, such as filopodia; used by the fill and by predictions."""

from __future__ import annotations

import numpy as np

#: Thin is what an opening by so many steps removes, and lies further than one step from what it leaves.
OPENING = 2

#: Planes on either side of a voxel that decide whether it is thin.
REACH = 2 * OPENING + 1


def thin_voxels(mask: np.ndarray) -> np.ndarray:
    """The voxels of a bool mask (K, J, I) that lie in thin parts; at the border the mask goes on as it is."""
    bulk = mask
    for step in range(REACH):
        bulk = grow_or_shrink(bulk, step >= OPENING)
    return mask & ~bulk


def grow_or_shrink(mask: np.ndarray, grow: bool) -> np.ndarray:
    """Dilate (`grow`) or erode a bool mask by the six neighbours; at the border the mask goes on as it is."""
    combine = np.logical_or if grow else np.logical_and
    out = mask.copy()
    for axis in range(3):
        near, far = ([slice(None)] * 3 for _ in range(2))
        near[axis], far[axis] = slice(None, -1), slice(1, None)
        a, b = tuple(near), tuple(far)
        combine(out[a], mask[b], out=out[a])
        combine(out[b], mask[a], out=out[b])
    return out


def box_of(mask: np.ndarray) -> tuple[slice, ...]:
    """The box that holds what is True in a mask that is not empty, and a voxel around it where there is one."""
    flat: np.ndarray = np.any(mask, axis=0)
    lines: list[np.ndarray] = [np.any(mask, axis=(1, 2)), np.any(flat, axis=1), np.any(flat, axis=0)]
    ends = [np.flatnonzero(line)[[0, -1]] for line in lines]
    return tuple(slice(max(int(a) - 1, 0), int(b) + 2) for a, b in ends)
