"""The level of the walk's probability at which a segment from strokes ends: where the image changes most.

The classifier learns from a first segmentation that strokes alone have made. If that is too small all around, as in
nuclei whose granules hide where they end, the walk is too small all around, too: its probability still falls at the
border, but below one half. So the level counts across whose surface the intensity changes most on average, as one can
choose the threshold of an image (Kohler, CGIP 15 (1981) 319, doi:10.1016/S0146-664X(81)80015-9).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from ACSegLib.fill.constants import LEVEL_GAIN, STROKE_LEVELS
from ACSegLib.masks import bounding_box
from ACSegLib.postprocess.holes import fill_holes

#: Where one half is among the levels.
_USUAL = STROKE_LEVELS.index(0.5)


def levels_at_edges(
    image: np.ndarray, candidates: np.ndarray, share: np.ndarray, seeds: np.ndarray, spacing: Sequence[float]
) -> dict[int, float]:
    """Choose for each class the level of its share at which it ends.

    One half stays unless the intensity changes by more than `LEVEL_GAIN` times as much across the surface of another
    level. Only what hangs together with strokes counts, and no face between two segments or around a hole.

    Parameters
    ----------
    image : ndarray of float32, (K, J, I)
        Smoothed, in any unit.
    candidates : ndarray of int16, (K, J, I)
        The likeliest class but background of each voxel; 0 for none.
    share : ndarray of float32, (K, J, I)
        Its probability, as a share of that and the probability of background.
    seeds : ndarray of int16, (K, J, I)
        Class of the strokes; negative elsewhere.
    spacing : sequence of float
        Of voxels along k, j, i, in any unit.

    Returns
    -------
    dict
        The level of each class that has strokes, within `STROKE_LEVELS`.
    """
    found = {}
    for number in np.unique(seeds[seeds > 0]).tolist():
        own = candidates == number
        box = bounding_box(own & (share > STROKE_LEVELS[0]), margin=1)
        if box is not None:
            counts = own[box] | (seeds[box] == 0)
            passed = np.searchsorted(STROKE_LEVELS, np.where(own[box], share[box], 0)).astype(np.int8)
            _leave_meant(passed, seeds[box] == number)
            slopes = _mean_slopes(image[box], passed, counts, spacing)
            usual = slopes[_USUAL]
            best = int(np.argmax(slopes * np.sign(usual)))
            found[number] = STROKE_LEVELS[best if abs(slopes[best]) > LEVEL_GAIN * abs(usual) else _USUAL]
    return found


def _leave_meant(passed: np.ndarray, strokes: np.ndarray) -> None:
    """Leave what hangs together with strokes at the lowest level, in place, and fill the holes of each level.

    Parameters
    ----------
    passed : ndarray of int8, (K, J, I)
        Number of levels that lie below the share of a voxel.
    strokes : ndarray of bool, (K, J, I)
    """
    parts, _count = ndimage.label(passed > 0)
    passed[~np.isin(parts, np.unique(parts[strokes & (parts > 0)]))] = 0
    for level in range(1, len(STROKE_LEVELS) + 1):
        solid = (passed >= level).astype(np.int8)
        fill_holes(solid, {1: np.inf})
        np.maximum(passed, solid * np.int8(level), out=passed)


def _mean_slopes(image: np.ndarray, passed: np.ndarray, counts: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Mean slope of the intensity towards the inside, across the surface of each level; 0 where there is none."""
    slopes, faces = np.zeros((2, len(STROKE_LEVELS) + 1))
    for axis, step in enumerate(spacing):
        front, back = _neighbours(passed, axis)
        first, second = _neighbours(counts, axis)
        where = np.nonzero((front != back) & first & second)
        a, b = front[where], back[where]
        before, after = _neighbours(image, axis)
        rise = np.where(b > a, 1, -1) * (after[where] - before[where]) / step
        for end, sign in ((np.minimum(a, b), 1), (np.maximum(a, b), -1)):
            slopes += sign * np.bincount(end, rise, len(slopes))
            faces += sign * np.bincount(end, minlength=len(faces))
    return np.cumsum(slopes)[:-1] / np.maximum(np.cumsum(faces)[:-1], 1)


def _neighbours(array: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The array without its last plane across an axis, and without its first one."""
    planes = np.moveaxis(array, axis, 0)
    return planes[:-1], planes[1:]


def shares_above(levels: dict[int, float], candidates: np.ndarray, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Factors of the probabilities of segments and of background by which one half lies where the level was.

    The odds of each segment against background rise alike everywhere, as if it had been more frequent (Saerens et al.,
    Neural Computation 14 (2002) 21, doi:10.1162/089976602753284446).

    Parameters
    ----------
    levels : dict
        Of each class, see `levels_at_edges`.
    candidates : ndarray of int16, (K, J, I)
    rest : ndarray of float32, (K, J, I)
        Probability of background.

    Returns
    -------
    tuple of ndarray of float32, (K, J, I)
    """
    odds = np.ones(max(int(candidates.max()), *levels) + 1, np.float32)
    for number, level in levels.items():
        odds[number] = (1 - level) / level
    raised = odds[candidates]
    total = raised * (1 - rest) + rest
    return raised / total, 1 / total
