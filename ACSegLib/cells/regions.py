"""The graph of regions that touch: what each is like, and what the boundaries between them are like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ACSegLib.cells.basins import Faces
from ACSegLib.cells.seam_voxels import PLATES
from ACSegLib.cells.seams import Seams

#: Faces that are described at once, so that memory stays bounded.
_FACES_AT_ONCE = 1 << 20
#: Radii, as standard deviations in voxels of the finest axis, of the surroundings that tell notches of a surface.
_SURROUNDINGS = (2.0, 5.0)


@dataclass(frozen=True)
class RegionGraph:
    """What regions and the boundaries between them are like.

    Attributes
    ----------
    regions : ndarray, shape (regions + 1, columns)
        Sums and maxima over voxels, row 0 being unused; `ACSegLib.cells.region_kernels` names the columns.
    a, b : ndarray of int64, shape (pairs,)
        The regions of a boundary, a < b.
    edges : ndarray, shape (pairs, columns)
        Sums and maxima over the faces of each boundary.
    step : ndarray, shape (3,)
        Voxel size along (k, j, i).
    known : ndarray
        What the whole volume is like; see `ACSegLib.cells.seam_voxels`.
    """

    regions: np.ndarray
    a: np.ndarray
    b: np.ndarray
    edges: np.ndarray
    step: np.ndarray
    known: np.ndarray


def connect(labels: np.ndarray, seams: Seams, check: Callable[[], None] = lambda: None) -> RegionGraph:
    """Measure the regions of a label array and the boundaries between them.

    Parameters
    ----------
    labels : ndarray of int32, shape (k, j, i)
    seams : Seams
    check : callable, optional
        Called now and then; may raise `Cancelled`.
    """
    from ACSegLib.cells import region_kernels as kernels

    count, scene = int(labels.max()), seams.scene
    regions = np.zeros((count + 1, kernels.REGION_WIDTH))
    mean, spread = scene.scaling[-2:]
    grey, step = scene.images[0], scene.step
    kernels.add_regions(labels, seams.odds, grey, seams.distance, seams.depth, step, mean, spread, regions)
    pairs = Faces.between(labels, count)
    places = np.stack(np.unravel_index(pairs.one, labels.shape), axis=1)
    filled, surface = _filled_around(labels, step, check), float(step.max())
    edges = np.zeros((len(pairs.a), kernels.EDGE_WIDTH))
    for first in range(0, len(places), _FACES_AT_ONCE):
        part = slice(first, first + _FACES_AT_ONCE)
        described = np.ascontiguousarray(scene.describe(places[part])[:, PLATES])
        faces = (pairs.pair[part], pairs.one[part], pairs.other[part], pairs.axis[part], described)
        fields = (seams.odds.ravel(), seams.distance.ravel(), seams.depth.ravel(), filled, surface)
        kernels.add_faces(*faces, *fields, np.array(labels.shape), step, edges)
    return RegionGraph(regions, pairs.a, pairs.b, edges, step, scene.known)


def _filled_around(labels: np.ndarray, step: np.ndarray, check: Callable[[], None]) -> np.ndarray:
    """Which part of the surroundings of each voxel lies in the mask; float32, shape (2, voxels)."""
    from scipy import ndimage

    mask = (labels > 0).astype(np.float32)
    out = np.empty((len(_SURROUNDINGS), *mask.shape), np.float32)
    for sigma, filled in zip(_SURROUNDINGS, out, strict=True):
        ndimage.gaussian_filter(mask, sigma / step, output=filled, truncate=2.5, mode="nearest")
        check()
    return out.reshape(len(out), -1)
