"""How likely each voxel lies at a seam, and how far it lies from everything that is not cell.

References
----------
Felzenszwalb, Huttenlocher, "Distance transforms of sampled functions", Theory of Computing 8 (2012) 415-428: distances
to sources that have a cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.cells.seam_voxels import VoxelScene, scene_of
from ACSegLib.cells.trees import Trees
from ACSegLib.jobs import Progress
from ACSegLib.threads import spread

#: A seam is as good as background from this probability on, and counts from the other on.
_CERTAIN_SEAM = 0.3
_FAINTEST_SEAM = 0.05
#: Distance, in voxels, from which on a place is as deep as it can be where nothing else says how deep it is.
_MAX_DEPTH = 30.0


@dataclass(frozen=True)
class Seams:
    """Evidence of seams in one segment, all of shape (k, j, i) and float32.

    Attributes
    ----------
    odds : ndarray
        Probability that the voxel lies at a seam between two cells.
    depth : ndarray
        Distance from background, in voxels of the finest axis; seams count as background the more, the surer they are.
    distance : ndarray
        Distance from background alone; 0 everywhere where there is no background.
    scene : VoxelScene
        Image and distance at several scales.
    """

    odds: np.ndarray
    depth: np.ndarray
    distance: np.ndarray
    scene: VoxelScene


def find_seams(
    image: np.ndarray | None,
    mask: np.ndarray,
    step: Sequence[float],
    trees: Trees,
    kind: str = "auto",
    progress: Progress | None = None,
) -> Seams:
    """Find what speaks for seams.

    Parameters
    ----------
    image : ndarray or None, shape (k, j, i)
        None leaves the shape alone.
    mask : ndarray of bool, shape (k, j, i)
    step : sequence of float
        Voxel size along (k, j, i), the smallest being 1.
    trees : Trees
        Log odds that a voxel lies at a seam, from the features of `VoxelScene.describe`.
    kind : {"auto", "dark", "bright"}
        What seams look like.
    progress : Progress, optional
    """
    stages = (progress or Progress()).stages(distance=2, smooth=3, judge=5)
    stages.distance(0.0, "looking for seams")
    distance = distance_from_background(mask, step, stages.distance.check)
    stages.distance(0.5, "looking for seams")
    scene = scene_of(image, mask, distance, step, kind, stages.smooth.check)
    stages.judge(0.0, "looking for seams")
    odds = scene.judge(mask, trees, stages.judge.check)
    return Seams(odds, depth_of(odds, mask, step, stages.judge.check), distance, scene)


def distance_from_background(
    mask: np.ndarray, step: Sequence[float], check: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Distance of each voxel from background, in voxels of the finest axis; 0 everywhere where there is none."""
    distance = np.where(mask, np.float32(1e8), np.float32(0))
    if mask.all():
        distance[:] = 0
        return distance
    squared_envelope(distance, step, check)
    return np.sqrt(distance, out=distance)


def depth_of(
    odds: np.ndarray, mask: np.ndarray, step: Sequence[float], check: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Distance from background, where seams count as background the more, the surer they are."""
    from scipy import ndimage

    cost = 1 - likely_seams(odds)
    cost *= _MAX_DEPTH
    np.square(cost, out=cost)
    cost[~mask] = 0
    squared_envelope(cost, step, check)
    np.sqrt(cost, out=cost)
    check()
    depth = ndimage.gaussian_filter(cost, 0.7 / np.asarray(step), output=np.float32)
    depth *= mask
    return depth


def likely_seams(odds: np.ndarray) -> np.ndarray:
    """How much each voxel counts as a seam: 0 for probabilities of the faintest seam, 1 from a certain one on."""
    return np.clip((odds - _FAINTEST_SEAM) / (_CERTAIN_SEAM - _FAINTEST_SEAM), 0, 1)


def squared_envelope(cost: np.ndarray, step: Sequence[float], check: Callable[[], None] = lambda: None) -> None:
    """Replace costs by ``min over y of |x - y| ** 2 + cost[y]``, in place; float32, shape (k, j, i)."""
    from ACSegLib.cells import kernels

    planes, rows, columns = cost.shape
    weights = [float(side) ** 2 for side in step]  # the loop is compiled for one type of number
    spread(lambda a, b: kernels.envelope_along(cost.reshape(-1, columns, 1), weights[2], a, b), planes * rows)
    check()
    spread(lambda a, b: kernels.envelope_along(cost, weights[1], a, b), planes)
    check()
    turned = cost.transpose(1, 0, 2)
    spread(lambda a, b: kernels.envelope_along(turned, weights[0], a, b), rows)
