"""What speaks for a seam at each voxel: valleys in the image, and how far it lies from everything that is not cell.

References
----------
Felzenszwalb, Huttenlocher, "Distance transforms of sampled functions", Theory of Computing 8 (2012) 415-428: distances
to sources that have a cost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.threads import chunks_of, in_threads, spread

#: Dark and bright seams: smoothing, and the distance to the two sides that must be brighter (darker), in voxels.
SCALES = {"dark": (1.0, 3.0), "bright": (1.5, 4.0)}
#: A seam is as good as background from this many times the mean valley on, and counts from half of the mean on.
_CERTAIN_SEAM = 2.5
_FAINTEST_SEAM = 0.5
#: Distance, in voxels, from which on a place is as deep as it can be where nothing else says how deep it is.
_MAX_DEPTH = 15.0


@dataclass(frozen=True)
class Seams:
    """Evidence of seams in one segment, all of shape (k, j, i) and float32.

    Attributes
    ----------
    valleys : ndarray
        Depth of the valley at each voxel as a multiple of the mean depth in the mask.
    depth : ndarray
        Distance from background, in voxels of the finest axis; seams count as background the more, the surer they are.
    distance : ndarray
        Distance from background alone; 0 everywhere where there is no background.
    image : ndarray
        The image, smoothed within the mask.
    scale : float
        Mean depth of a valley in the mask, as a part of the contrast between cell and background.
    """

    valleys: np.ndarray
    depth: np.ndarray
    distance: np.ndarray
    image: np.ndarray
    scale: float = 1.0


def find_seams(
    image: np.ndarray | None,
    mask: np.ndarray,
    step: Sequence[float],
    kind: str,
    check: Callable[[], None] = lambda: None,
) -> Seams:
    """Find what speaks for seams.

    Parameters
    ----------
    image : ndarray or None, shape (k, j, i)
        None leaves the shape alone.
    mask : ndarray of bool, shape (k, j, i)
    step : sequence of float
        Voxel size along (k, j, i), the smallest being 1.
    kind : {"dark", "bright"}
        What seams look like.
    """
    from scipy import ndimage

    distance = np.where(mask, np.float32(1e8), np.float32(0))
    if mask.all():
        distance[:] = 0
    else:
        squared_envelope(distance, step)
        np.sqrt(distance, out=distance)
    check()
    if image is None:
        zero = np.zeros(mask.shape, np.float32)
        return Seams(zero, _smoothed_depth(distance, mask), distance, zero)
    sigma, reach = SCALES[kind]
    smooth = _smoothed(image, mask, sigma / np.asarray(step))
    check()
    valleys = _valleys(smooth, mask, step, reach, 1.0 if kind == "dark" else -1.0, check)
    mean = float(valleys[mask].mean()) if mask.any() else 0.0
    if mean > 0:
        valleys /= mean
    cost = np.clip(1 - (valleys - _FAINTEST_SEAM) / (_CERTAIN_SEAM - _FAINTEST_SEAM), 0, 1)
    cost *= _MAX_DEPTH
    np.square(cost, out=cost)
    cost[~mask] = 0
    check()
    squared_envelope(cost, step)
    np.sqrt(cost, out=cost)
    check()
    depth = ndimage.gaussian_filter(cost, 0.7 / np.asarray(step), output=np.float32)
    depth *= mask
    return Seams(valleys, depth, distance, smooth, mean / _contrast(image, smooth, mask))


def _contrast(image: np.ndarray, smooth: np.ndarray, mask: np.ndarray) -> float:
    """Difference between the means of cell and background, but at least two standard deviations of the cell."""
    within = smooth[mask]
    if not within.size:
        return 1.0
    spread_of_cell = 2 * float(within.std())
    around = _shell(mask)
    if around.any():
        return max(abs(float(within.mean()) - float(image[around].mean())), spread_of_cell, 1e-9)
    return max(spread_of_cell, 1e-9)


def _shell(mask: np.ndarray) -> np.ndarray:
    """Background 2 to 4 voxels from the mask."""
    from scipy import ndimage

    near = ndimage.binary_dilation(mask, iterations=2)
    return ndimage.binary_dilation(near, iterations=2) & ~near


def squared_envelope(cost: np.ndarray, step: Sequence[float]) -> None:
    """Replace costs by ``min over y of |x - y| ** 2 + cost[y]``, in place; float32, shape (k, j, i)."""
    from ACSegLib.cells import kernels

    planes, rows, columns = cost.shape
    spread(lambda a, b: kernels.envelope_along(cost.reshape(-1, columns, 1), step[2] ** 2, a, b), planes * rows)
    spread(lambda a, b: kernels.envelope_along(cost, step[1] ** 2, a, b), planes)
    turned = cost.transpose(1, 0, 2)
    spread(lambda a, b: kernels.envelope_along(turned, step[0] ** 2, a, b), rows)


def _smoothed_depth(distance: np.ndarray, mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    depth = ndimage.gaussian_filter(distance, 0.7, output=np.float32)
    depth *= mask
    return depth


def _smoothed(image: np.ndarray, mask: np.ndarray, sigmas: np.ndarray) -> np.ndarray:
    """Gaussian mean of the voxels of the mask alone: no step at the outline."""
    from scipy import ndimage

    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigmas)
    smooth = ndimage.gaussian_filter(np.where(mask, image, 0).astype(np.float32), sigmas)
    smooth /= np.maximum(weight, 1e-3)
    return smooth


def _valleys(
    image: np.ndarray, mask: np.ndarray, step: Sequence[float], reach: float, sign: float, check: Callable[[], None]
) -> np.ndarray:
    from ACSegLib.cells import kernels

    offsets = _directions(step, reach)
    out = np.zeros(image.shape, np.float32)
    in_threads(
        lambda part: kernels.find_valleys(image, mask, offsets, part.start, part.stop, sign, out),
        chunks_of(image),
        check,
    )
    return out


def _directions(step: Sequence[float], reach: float) -> np.ndarray:
    """Offsets (k, j, i) of length `reach` along the 13 directions to a voxel's neighbours; none twice."""
    around = np.array([(a, b, c) for a in (-1, 0, 1) for b in (-1, 0, 1) for c in (-1, 0, 1) if (a, b, c) > (0, 0, 0)])
    offsets = np.rint(reach * around / np.linalg.norm(around, axis=1)[:, None] / np.asarray(step)).astype(np.int64)
    return np.unique(offsets[offsets.any(axis=1)], axis=0)
