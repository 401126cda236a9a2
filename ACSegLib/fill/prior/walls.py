"""Walls: thin bright or dark sheets along which the outlines of segments run, such as membranes.

Cells between stained membranes look alike. The differences of neighbours are large on the way up a wall and on the way
down, and noise hides them in single voxels. The Hessian measures a sheet over its width (Sato et al., Medical Image
Analysis 2 (1998) 143, doi:10.1016/S1361-8415(98)80009-1). Where the outlines on the labelled slices run along such
sheets, the edges of the random walk are these walls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ACSegLib.fill import constants
from ACSegLib.fill.prior.features import ImageFeatures
from ACSegLib.jobs import Progress
from ACSegLib.noise import robust_deviation


@dataclass(frozen=True)
class Walls:
    """How the walls of a volume look.

    Attributes
    ----------
    bright : bool
        Whether they are brighter than what they separate.
    usual : float
        Usual height where the image shows no wall, but noise.
    """

    bright: bool
    usual: float

    def heights(self, features: ImageFeatures, first: int, stop: int) -> np.ndarray:
        """Height of the walls in planes first..stop-1, float32, (planes, J, I).

        `constants.WALL_LEVEL` times the usual height counts as one noise level of the image, so that the same edge
        scales serve.
        """
        scale = features.noise / (constants.WALL_LEVEL * self.usual)
        heights: np.ndarray = sheets(features, first, stop)[0 if self.bright else 1] * np.float32(scale)
        return heights


def sheets(features: ImageFeatures, first: int, stop: int) -> np.ndarray:
    """Height of bright and of dark sheets in planes first..stop-1, 0 and more, float32, (2, planes, J, I)."""
    _value, _gradient, largest, _middle, smallest = features.texture(first, stop)
    return np.maximum(np.stack([-smallest, largest]), 0)


def find_walls(
    features: ImageFeatures, classes: np.ndarray, slices: Sequence[int], progress: Progress | None = None
) -> Walls | None:
    """Find the walls along which the outlines on labelled slices run; None if they run along none.

    At a step of the intensity, too, the image bends: one way on its upper side, the other way on its lower side. So the
    outlines run along walls only if they have higher bright sheets than other pixels but not higher dark ones, or the
    other way round.

    Parameters
    ----------
    features : ImageFeatures
    classes : ndarray of int16, (K, J, I)
    slices : sequence of int
        Those that are known whole.
    progress : Progress, optional
    """
    heights, planes = [], [classes[k] for k in slices]
    for k in slices:
        heights.append(sheets(features, k, k + 1)[:, 0])
        if progress is not None:
            progress.check()
    bright, dark = ([both[sign] for both in heights] for sign in (0, 1))
    advantage = rank_at_outlines(bright, planes) - rank_at_outlines(dark, planes)
    if abs(advantage) < constants.MIN_WALL_ADVANTAGE:
        return None
    sizes = np.stack(bright if advantage > 0 else dark)
    # as of the noise of the image: without any, a small part of the usual height is small
    return Walls(advantage > 0, max(robust_deviation(sizes), 0.25 * float(sizes.mean()), 1e-4))


def rank_at_outlines(heights: Sequence[np.ndarray], planes: Sequence[np.ndarray]) -> float:
    """Mean share of the other pixels that have lower sheets near them than a pixel at an outline; 0.5 without outlines.

    Parameters
    ----------
    heights, planes : sequence of ndarray, (J, I)
        Of sheets, and the classes of the same slices.
    """
    at: list[np.ndarray] = [np.zeros(0)]
    off: list[np.ndarray] = [np.zeros(0)]
    for height, plane in zip(heights, planes, strict=True):
        outline = ndimage.maximum_filter(plane, 3) != ndimage.minimum_filter(plane, 3)
        near = ndimage.maximum_filter(height, 3)
        at.append(near[outline])
        off.append(near[~outline])
    outlines, others = np.concatenate(at), np.sort(np.concatenate(off))
    if not len(outlines) or not len(others):
        return 0.5
    lower = np.searchsorted(others, outlines) + np.searchsorted(others, outlines, side="right")
    return float(lower.mean()) / (2 * len(others))
