"""Where a seam runs: a random walk from the cores of cells, which hardly crosses dark or bright sheets.

A network closes the seams of cells that touch. Then the shape says that there is a seam, but not where it bends: a
boundary of regions runs straight from neck to neck. In the image a seam is a thin sheet that is darker or brighter than
both sides. A closing of the image by a box shows such sheets (Serra, "Image Analysis and Mathematical Morphology",
1982). Voxels near a boundary go to the cell whose core a random walk reaches first with the highest probability (Grady,
IEEE PAMI 28 (2006) 1768-1783), where steps onto a sheet are unlikely.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ACSegLib.cells.basins import largest_by_region
from ACSegLib.cells.seams import Seams, likely_seams, squared_envelope
from ACSegLib.masks import at_borders, bounding_box, grown_box
from ACSegLib.noise import robust_deviation

#: Distance from a seam, in voxels of the finest axis, up to which a voxel may change its cell.
REACH = 8.0
#: The same, as a part of the largest distance within its own cell: each cell keeps a core.
_CORE = 0.5
#: Half width, in voxels, of the box that closes sheets.
_HALF_SHEET = 3
#: Least likelihood of a step, beside one to a voxel that lies on no sheet.
_MIN_STEP = 0.03
#: Largest change of a probability in the last sweep, and most sweeps.
_TOLERANCE, _SWEEPS = 1e-3, 300
#: Voxels that tell the median of differences.
_SAMPLED = 200_000


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
    steps = _likelihood_of_steps(seams.scene.images[0][near], part > 0, kind, likely_seams(seams.odds[near]))
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


def _likelihood_of_steps(image: np.ndarray, mask: np.ndarray, kind: str, likely: np.ndarray) -> np.ndarray:
    """How likely a step onto each voxel is: 1 away from sheets, 0 outside of the mask; float32.

    Sheets are measured in units of what neighbours differ by, which is the texture of the cells. They count the more,
    the likelier a seam is (0 to 1) within the same box.
    """
    from scipy.ndimage import maximum_filter, minimum_filter

    image = image if kind == "dark" else -image
    size = 2 * _HALF_SHEET + 1
    closed = maximum_filter(np.where(mask, image, -np.inf), size)
    closed = minimum_filter(np.where(mask, closed, np.inf), size)
    steps = np.where(mask, image - closed, 0).astype(np.float32)
    texture = _texture(image, mask)
    if texture:
        steps *= maximum_filter(likely, size)
        np.exp(steps / np.float32(2 * texture), out=steps)
        np.maximum(steps, np.float32(_MIN_STEP), out=steps)
    else:
        steps[:] = 1
    steps *= mask
    return steps


def _texture(image: np.ndarray, mask: np.ndarray) -> float:
    """Standard deviation of the differences of neighbours in a mask, by their median; the mean over the axes."""
    found = []
    for axis in range(3):
        low = tuple(slice(0, -1) if n == axis else slice(None) for n in range(3))
        high = tuple(slice(1, None) if n == axis else slice(None) for n in range(3))
        places = np.flatnonzero(mask[low] & mask[high])
        places = places[:: max(1, len(places) // _SAMPLED)]
        if len(places):
            found.append(robust_deviation(image[high].ravel()[places] - image[low].ravel()[places]))
    return sum(found) / len(found) if found else 0.0
