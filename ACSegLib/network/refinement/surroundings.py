"""What surrounds a cell: medium, and vacuum beyond the wall, told from the intensities that no segment has.

A specimen in a capillary has three things around its cells. The medium is darker than a cell. Vacuum, outside the
glass, is darker still. The wall lies between them and may have any intensity, that of a cell too. So a wall is known by
its place: no medium lies nearer to the vacuum than the wall is thick, and no cell does either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ACSegLib.distances import capped_distance, within_distance

#: Scaled intensity from which on an unlabelled voxel is too bright for medium or vacuum.
DARK = 0.6
#: Standard deviation, in voxels, of the smoothing before dark voxels are divided in two.
SIGMA = 0.7
#: Fewest dark voxels that tell what surrounds a cell.
MIN_DARK = 200
#: Vacuum and medium are two things if the division explains this share of the variance (Otsu 1979), if their
#: intensities differ by this share of the contrast, and if each has this share of the dark voxels.
MIN_EXPLAINED, MIN_DIFFERENCE, MIN_SHARE = 0.75, 0.25, 0.02
#: Smallest component of the vacuum, as a share of the image. Each touches the border of the image.
MIN_VACUUM = 0.005
#: A medium this near to the cell, as a share of the contrast, tells nothing: the main network took medium for a cell.
MAX_MEDIUM = 0.8
#: Largest difference from the medium's intensity, as a share of the contrast, of a voxel that is surely medium.
SURELY_MEDIUM = 0.3
#: Distance from a segment, in voxels, from which on a voxel may surely be medium; fewest of them that tell a wall.
AWAY, MIN_VOXELS = 2, 50
#: Percentile of the distances of medium from vacuum that tells the thickness of a wall; thickest wall, in voxels.
NEAREST, MAX_WALL = 5, 24
#: A wall is unlabelled in this share of its voxels at least: cells do not touch all of it.
MIN_UNLABELLED = 0.5


@dataclass(frozen=True)
class Surroundings:
    """What lies around the largest segment.

    Parameters
    ----------
    medium : float
        Scaled intensity of the medium: not 0 where the background that the image was scaled by is vacuum, or the blur
        of the surface.
    from_vacuum : ndarray of float32, shape (k, j, i), or None
        Distance of each voxel from the vacuum, in voxels, at most `MAX_WALL`; None without vacuum or wall.
    wall : float
        Distance from the vacuum up to which the wall reaches.
    """

    medium: float = 0.0
    from_vacuum: np.ndarray | None = None
    wall: float = 0.0

    def contrast(self, scaled: np.ndarray) -> np.ndarray:
        """An image in which the medium is 0 and the segment 1."""
        return (scaled - np.float32(self.medium)) / np.float32(1 - self.medium)

    def in_wall(self, margin: float, surface: float = np.inf) -> np.ndarray | bool:
        """Where voxels lie nearer to the vacuum than the wall is thick, less a margin, and than `surface`."""
        return False if self.from_vacuum is None else self.from_vacuum < min(self.wall - margin, surface)


def find_surroundings(
    scaled: np.ndarray, labelled: np.ndarray, check: Callable[[], None] = lambda: None
) -> Surroundings:
    """Find medium, vacuum and wall around what is labelled.

    Parameters
    ----------
    scaled : ndarray of float32, shape (k, j, i)
        Image in which the background around the largest segment is 0 and the segment is 1.
    labelled : ndarray of bool, shape (k, j, i)
        Where the main network sees any segment.
    check : callable
        Raises `Cancelled` when the user asks to stop.
    """
    from scipy.ndimage import binary_erosion, gaussian_filter

    unlabelled = ~labelled
    smooth = gaussian_filter(scaled, SIGMA)
    dark = (smooth < DARK) & unlabelled  # smoothed, so that the flank of a bright wall is not taken for a medium
    if labelled.any():
        dark &= ~within_distance(labelled, (1, 1, 1), 1.5, check=check)
    if np.count_nonzero(dark) < MIN_DARK:
        return Surroundings()
    division = _divide(smooth[dark])
    check()
    if division is None:  # away from a blurred surface a medium is darker than the background beside it
        return Surroundings(min(0.0, float(np.median(smooth[dark]))))
    threshold, medium = division
    vacuum = _at_the_border((smooth < threshold) & unlabelled)
    check()
    if not vacuum.any() or medium >= MAX_MEDIUM:
        return Surroundings()
    del smooth, dark
    near = within_distance(labelled, (1, 1, 1), AWAY, check=check) if labelled.any() else labelled
    surely = binary_erosion((np.abs((scaled - medium) / (1 - medium)) < SURELY_MEDIUM) & ~vacuum & ~near & unlabelled)
    del near
    check()
    if np.count_nonzero(surely) < MIN_VOXELS:
        return Surroundings(medium)
    distance = capped_distance(vacuum, (1, 1, 1), MAX_WALL, check)
    wall = float(np.percentile(distance[surely], NEAREST))
    shell = (distance > 0) & (distance < wall - 1)
    if wall >= MAX_WALL or not shell.any() or np.mean(unlabelled[shell]) < MIN_UNLABELLED:
        return Surroundings(medium)
    return Surroundings(medium, distance, wall)


def _divide(values: np.ndarray) -> tuple[float, float] | None:
    """Threshold between vacuum and medium, and the median of the medium; None if the values are one thing."""
    counts, edges = np.histogram(values, 128)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts) / values.size
    moment = np.cumsum(counts * centres) / values.size
    with np.errstate(divide="ignore", invalid="ignore"):
        between = np.nan_to_num((moment[-1] * below - moment) ** 2 / (below * (1 - below)))
    best = int(between.argmax())
    low = values <= edges[best + 1]
    if not MIN_SHARE < np.mean(low) < 1 - MIN_SHARE or between[best] < MIN_EXPLAINED * values.var():
        return None
    vacuum, medium = float(np.median(values[low])), float(np.median(values[~low]))
    return (float(edges[best + 1]), medium) if medium - vacuum > MIN_DIFFERENCE else None


def _at_the_border(mask: np.ndarray) -> np.ndarray:
    """The large components of a mask that touch the border of the image."""
    from scipy.ndimage import label

    components, count = label(mask)
    kept = np.zeros(count + 1, bool)
    for axis in range(3):
        for end in (0, -1):
            kept[np.unique(components.take(end, axis=axis))] = True
    kept &= np.bincount(components.ravel(), minlength=count + 1) >= MIN_VACUUM * mask.size
    kept[0] = False
    return kept[components]
