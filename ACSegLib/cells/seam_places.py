"""Where a seam runs: a random walk from the cores of cells, which hardly crosses dark or bright sheets.

A network closes the seams of cells that touch. Then the shape says that there is a seam, but not where it bends: a
boundary of regions runs straight from neck to neck. In the image a seam is a thin sheet that is darker or brighter than
both sides. Voxels near a boundary go to the cell whose core a random walk reaches first with the highest probability
(Grady, IEEE PAMI 28 (2006) 1768-1783). Steps onto a sheet are unlikely. The second walk looks for sheets along the seam
that the first has found: see `ACSegLib.cells.seam_sheets`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from ACSegLib.cells.basins import largest_by_region
from ACSegLib.cells.seam_sheets import likely_along, likely_anywhere
from ACSegLib.cells.seams import Seams, squared_envelope
from ACSegLib.masks import Box, at_borders, bounding_box, grown_box

#: Distance from a seam, in voxels of the finest axis, up to which a voxel may change its cell.
REACH = 8.0
#: The same, as a part of the largest distance within its own cell: each cell keeps a core.
_CORE = 0.5
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
    boxes = [
        None if box is None else grown_box(box, 2 * REACH, step.tolist(), part.shape) for box in find_objects(part)
    ]
    found = _walked(part, likely_anywhere(seams, near, free, part > 0, kind, check), free, boxes, step, check)
    along = likely_along(seams, near, free, found, boxes, kind, check)
    out = cells.copy()
    out[near] = _walked(part, along, free, boxes, step, check)
    return out


def _walked(
    cells: np.ndarray,
    steps: np.ndarray,
    free: np.ndarray,
    boxes: Sequence[Box | None],
    step: np.ndarray,
    check: Callable[[], None],
) -> np.ndarray:
    """The cells after each free voxel went to the one that a walk from it most likely reaches first."""
    numbers = np.unique(cells[free])
    sizes = np.bincount(cells[free])[numbers]
    *others, largest = numbers[np.argsort(sizes, kind="stable")].tolist() or [0]
    settled, best = cells.copy(), np.zeros(cells.shape, np.float32)
    left = np.ones(cells.shape, np.float32)  # what the largest cell has of each voxel, as probabilities add up to 1
    for number in others:
        box = boxes[number - 1]
        assert box is not None
        reached = _probabilities(cells[box] == number, steps[box], free[box], step, check)
        left[box] -= reached
        better = free[box] & (reached > best[box])
        best[box][better] = reached[better]
        settled[box][better] = number
    settled[free & (left > best)] = largest
    return settled


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
