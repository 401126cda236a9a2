"""Small functions on masks (boolean, (k, j, i)) that several packages share: boxes, dilation, erosion."""

from __future__ import annotations

import numpy as np

Box = tuple[slice, slice, slice]


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


def bounding_box(mask: np.ndarray, margin: int = 0) -> Box | None:
    """Slices (k, j, i) of the smallest box that holds the mask, grown by `margin` inside the array; None if empty."""
    inside = np.any(mask, axis=0)
    spans: list[np.ndarray] = [np.any(mask, axis=(1, 2)), np.any(inside, axis=1), np.any(inside, axis=0)]
    if not spans[0].any():
        return None
    box = []
    for span in spans:
        found = np.flatnonzero(span)
        box.append(slice(max(int(found[0]) - margin, 0), min(int(found[-1]) + 1 + margin, len(span))))
    return box[0], box[1], box[2]


def eroded(mask: np.ndarray) -> np.ndarray:
    """Voxels (boolean, (k, j, i)) whose six neighbours are in the mask as well; outside the array nothing is."""
    inner = mask.copy()
    for axis in range(3):
        source, target = np.moveaxis(mask, axis, 0), np.moveaxis(inner, axis, 0)
        target[1:] &= source[:-1]
        target[:-1] &= source[1:]
        target[0] = target[-1] = False
    return inner
