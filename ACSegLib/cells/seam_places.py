"""Where a seam runs: a random walk from the cores of cells, which hardly crosses dark or bright sheets.

A network closes the seams of cells that touch. Then the shape says that there is a seam, but not where it bends: a
boundary of regions runs straight from neck to neck. In the image a seam is a thin sheet that is darker or brighter than
both sides. There the largest curvature of the image is high (Sato et al., "Tissue classification based on 3D local
intensity structures", IEEE TVCG 6 (2000) 160-180). Voxels near a boundary go to the cell whose core a random walk
reaches first with the highest probability (Grady, IEEE PAMI 28 (2006) 1768-1783). Steps onto a sheet are unlikely.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ACSegLib.cells.basins import largest_by_region
from ACSegLib.cells.seams import Seams, likely_seams, squared_envelope
from ACSegLib.masks import Box, at_borders, bounding_box, grown_box

#: Distance from a seam, in voxels of the finest axis, up to which a voxel may change its cell.
REACH = 8.0
#: The same, as a part of the largest distance within its own cell: each cell keeps a core.
_CORE = 0.5
#: How much the curvature counts at the first two scales of the image, and the logarithm of a likelihood for a curvature
#: as large as its own root mean square. Faint seams at noise are placed best where the finest scale decides.
_COUNTS, _FALL = (1.0, 0.6), 2.0
#: Width, in voxels, of the box around a likely seam within which sheets count.
_NEAR_SEAM = 5
#: Least likelihood of a step, beside one to a voxel that lies on no sheet.
_MIN_STEP = 0.02
#: Voxels that are looked at between two looks for a cancel.
_AT_ONCE = 1 << 20
#: Largest change of a probability in the last sweep, and most sweeps.
_TOLERANCE, _SWEEPS = 1e-3, 300


def settle_seams(
    cells: np.ndarray, seams: Seams, kind: str, fixed: np.ndarray | None, check: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Let each seam follow the sheet that the image shows near it.

    Parameters
    ----------
    cells : ndarray of int32, shape (k, j, i)
        Number of the cell of each voxel, 0 outside of all.
    seams : Seams
        With an image.
    kind : {"dark", "bright"}
        What seams look like.
    fixed : ndarray of bool, shape (k, j, i), optional
        Voxels that keep their cell.
    check : callable, optional
        Raises if the user has asked to stop.

    Returns
    -------
    ndarray of int32, shape (k, j, i)
        The same cells; each has kept its core.
    """
    from scipy.ndimage import find_objects

    step = seams.scene.step
    near = bounding_box(at_borders(cells, with_background=False), margin=math.ceil(2 * REACH))
    if near is None:
        return cells
    part = np.ascontiguousarray(cells[near])
    free = _free_voxels(part, step)
    if fixed is not None:
        free &= ~fixed[near]
    check()
    steps = _likelihood_of_steps(seams, near, free, part > 0, kind, check)
    check()
    boxes, numbers = find_objects(part), np.unique(part[free])
    sizes = np.bincount(part[free])[numbers]
    *others, largest = numbers[np.argsort(sizes, kind="stable")].tolist() or [0]
    settled, best = part.copy(), np.zeros(part.shape, np.float32)
    left = np.ones(part.shape, np.float32)  # what the largest cell has of each voxel, as probabilities add up to 1
    for number in others:
        box = grown_box(boxes[number - 1], 2 * REACH, step.tolist(), part.shape)
        reached = _probabilities(part[box] == number, steps[box], free[box], step, check)
        left[box] -= reached
        better = free[box] & (reached > best[box])
        best[box][better] = reached[better]
        settled[box][better] = number
    settled[free & (left > best)] = largest
    out = cells.copy()
    out[near] = settled
    return out


def _probabilities(
    own: np.ndarray, steps: np.ndarray, free: np.ndarray, step: np.ndarray, check: Callable[[], None]
) -> np.ndarray:
    """Probability that a walk from each voxel reaches a cell first; float32. Where no voxel is free, 1 in the cell."""
    from ACSegLib.cells import seam_kernels

    reached, weights = np.pad(own.astype(np.float32), 1), np.pad(steps, 1)
    places = np.flatnonzero(np.pad(free, 1))
    strides = np.array(reached.strides) // reached.itemsize
    along = (1 / step**2).astype(np.float32)
    for _ in range(_SWEEPS):
        check()
        if seam_kernels.walk(reached.reshape(-1), weights.reshape(-1), places, strides, along) < _TOLERANCE:
            break
    return reached[1:-1, 1:-1, 1:-1]


def _free_voxels(cells: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Voxels that may go to another cell: near a seam, but outside of the core of their own cell."""
    away = np.where(at_borders(cells, with_background=False), np.float32(0), np.float32(1e8))
    squared_envelope(away, step.tolist())
    np.sqrt(away, out=away)
    farthest = largest_by_region(away, cells, int(cells.max()))
    reach = np.minimum(REACH, _CORE * farthest).astype(np.float32)
    return np.asarray((cells > 0) & (away <= reach[cells]))


def _likelihood_of_steps(
    seams: Seams, near: Box, free: np.ndarray, mask: np.ndarray, kind: str, check: Callable[[], None]
) -> np.ndarray:
    """How likely a step onto each voxel of a box is: 1 away from sheets, 0 outside of the mask; float32.

    Sheets are measured in units of the root mean square of the curvature, which is the texture of the cells. They count
    the more, the likelier a seam is close by. Only free voxels and their neighbours are looked at.
    """
    from scipy.ndimage import binary_dilation, maximum_filter

    from ACSegLib.cells import seam_kernels

    scene, (sign, plates) = seams.scene, (1, 0) if kind == "dark" else (-1, 2)
    places = np.argwhere(binary_dilation(free) & mask)
    sheet = np.zeros(len(places), np.float32)
    for n, counts in enumerate(_COUNTS):
        image, factor = np.float32(sign) * scene.images[n][near], counts / float(scene.scaling[4 * n + plates])
        for first in range(0, len(places), _AT_ONCE):
            check()
            part = slice(first, first + _AT_ONCE)
            seam_kernels.add_sheets(image, places[part], scene.step, factor, sheet[part])
    likely = maximum_filter(np.where(mask, likely_seams(seams.odds[near]), 0), _NEAR_SEAM)
    steps = mask.astype(np.float32)
    at = tuple(places.T)
    steps[at] = np.maximum(np.exp(-np.float32(_FALL) * sheet * likely[at]), np.float32(_MIN_STEP))
    return steps
