"""Where a cell ends that lies against a wall: the wall's face, and the film of medium that may lie in between.

Blur hides both. At a wall that is brighter than the cell, the outermost voxels of the cell are brighter than the cell,
and those of a film thinner than a voxel are as bright as the cell. But blur keeps integrals: along a line through the
wall, a film of medium lacks its thickness times the contrast between cell and medium, however blurred it is. The
profile without a film is known from where bare medium lies behind the same wall: the share of the wall in a voxel at a
distance from the vacuum is the same there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ACSegLib.distances import within_distance

#: Depths behind the assumed wall, in voxels, at which is asked whether cell or medium lies there.
BEHIND = (1.5, 3.5)
#: Fewest voxels at a distance from the vacuum that tell an intensity, and fewest such distances.
MIN_VOXELS, MIN_DISTANCES = 20, 5
#: Fewest voxels, as a share of the distance that has most: the last distance is met in part only.
MIN_SHARE = 0.2
#: Films, in voxels, that can be told: a profile that fits no film is not one of a cell at a wall.
FILMS = (-1.0, 2.5)
#: Least part of the wall that the cell must touch, as a multiple of the part with medium behind it.
MIN_CONTACT = 0.1
#: Largest difference between the wall before the cell and before medium, as a share of its contrast.
MAX_UNLIKE = 0.2
#: Most voxels between a cell and a wall that blur mixes; least share of the wall in them.
BLUR, MIN_WALL_SHARE = 2, 0.05
#: Least contrast of a wall, as a multiple of the cell's, that tells where its face is.
MIN_WALL = 2.5


@dataclass(frozen=True)
class WallContact:
    """How a cell meets a wall.

    Parameters
    ----------
    face : float
        Distance of the wall's inner face from the vacuum, in voxels.
    film : float
        Thickness of the medium between wall and cell, in voxels, 0 or more.
    wall : float
        Contrast of the wall with the medium, as a multiple of the cell's.
    """

    face: float
    film: float
    wall: float


def find_contact(
    scaled: np.ndarray,
    from_vacuum: np.ndarray,
    wall: float,
    cell: np.ndarray,
    labelled: np.ndarray,
    check: Callable[[], None] = lambda: None,
) -> WallContact | None:
    """Measure how a cell meets the wall.

    Parameters
    ----------
    scaled : ndarray of float32, shape (k, j, i)
        Image, in any unit.
    from_vacuum : ndarray of float32, shape (k, j, i)
        Distance of each voxel from the vacuum outside of the wall, in voxels.
    wall : float
        Distance from the vacuum up to which the wall surely reaches.
    cell, labelled : ndarray of bool, shape (k, j, i)
        The cell, to a voxel or two, and all segments.
    check : callable
        Raises `Cancelled` when the user asks to stop.

    Returns
    -------
    WallContact or None
        None where too little of the wall has a cell or bare medium behind it, where the wall is hardly brighter than
        the cell, or where the intensities fit no film.
    """
    depth = wall + BEHIND[1]
    deep = (from_vacuum >= wall + BEHIND[0]) & (from_vacuum < depth)
    cells = deep & ~within_distance(~cell, (1, 1, 1), 1.5, check=check)
    if np.count_nonzero(cells) < MIN_VOXELS:
        return None
    medium = deep & ~within_distance(labelled, (1, 1, 1), 3, check=check)
    sides = [within_distance(each, (1, 1, 1), depth, check=check) for each in (cells, medium, deep & ~cells)]
    band = (from_vacuum > 0) & (from_vacuum < depth)
    of_cell, count_cell = _profile(scaled, from_vacuum, band & sides[0] & ~sides[2], depth)
    check()
    of_medium, count_medium = _profile(scaled, from_vacuum, band & sides[1] & ~sides[0], depth)
    check()
    if count_cell.sum() < MIN_CONTACT * count_medium.sum():
        return None
    fewer = np.minimum(count_cell, count_medium)
    known = np.flatnonzero(fewer >= max(MIN_VOXELS, MIN_SHARE * float(fewer.max())))
    if len(known) < MIN_DISTANCES:
        return None
    return _contact(known + 0.5, of_cell[known], of_medium[known])


def rim_at_wall(
    cell: np.ndarray,
    free: np.ndarray,
    contrast: np.ndarray,
    wall: float,
    check: Callable[[], None] = lambda: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Share out the blurred voxels between a cell and the wall that it touches: up to halfway they are the cell's.

    Parameters
    ----------
    cell, free : ndarray of bool, shape (k, j, i)
        The cell, and the voxels of no segment.
    contrast : ndarray of float32, shape (k, j, i)
        Image in which the medium is 0 and the cell 1.
    wall : float
        Contrast of the wall, over 1.
    check : callable
        Raises `Cancelled` when the user asks to stop.

    Returns
    -------
    tuple of ndarray
        Mask of the voxels that the cell gains; the cell's share of each of them, from a half to 1.
    """
    from scipy.ndimage import binary_dilation

    half = (1 + wall) / 2
    between = free & (contrast > 1 + MIN_WALL_SHARE * (wall - 1)) & (contrast <= half)
    between &= within_distance(free & (contrast > half), (1, 1, 1), BLUR, check=check)
    rim = binary_dilation(cell, iterations=BLUR, mask=between | cell) & ~cell
    check()
    return rim, np.clip((wall - contrast[rim]) / (wall - 1), 0.5 + 1e-3, 1)


def _profile(image: np.ndarray, distance: np.ndarray, where: np.ndarray, depth: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean of an image at each whole distance, and the number of voxels."""
    size = int(np.ceil(depth)) + 1
    at = distance[where].astype(np.intp)
    count = np.bincount(at, minlength=size)
    return np.bincount(at, weights=image[where], minlength=size) / np.maximum(count, 1), count


def _contact(distances: np.ndarray, of_cell: np.ndarray, of_medium: np.ndarray) -> WallContact | None:
    medium, cell = (float(np.mean(profile[-3:])) for profile in (of_medium, of_cell))
    peak = int(np.argmax(of_medium))
    bright = float(of_medium[peak] + of_cell[peak]) / 2
    if cell <= medium or bright - medium < MIN_WALL * (cell - medium):
        return None
    if abs(float(of_medium[peak] - of_cell[peak])) > MAX_UNLIKE * (bright - medium):
        return None
    share = (of_medium - medium) / (float(of_medium[peak]) - medium)
    after = np.flatnonzero(share[peak:] < 0.5)
    if not after.size:
        return None
    last = peak + int(after[0])
    face = np.interp(0.5, share[[last, last - 1]], distances[[last, last - 1]])
    missing = (cell + (bright - cell) * share - of_cell) / (cell - medium)
    film = float(np.sum((missing[peak + 1 :] + missing[peak:-1]) / 2 * np.diff(distances[peak:])))
    if not FILMS[0] < film < FILMS[1]:
        return None
    return WallContact(float(face), max(film, 0.0), (bright - medium) / (cell - medium))
