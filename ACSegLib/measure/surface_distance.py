"""Distances between the surfaces of two masks.

Two definitions of a surface, both in use in the literature:

"surfels"
    the surface runs between voxels; its elements lie at voxel corners and weigh as much as their area (Nikolov et al.,
    "Deep learning to achieve clinically applicable segmentation", arXiv:1809.04430; equal to the package
    surface-distance). Right for anisotropic voxels, hence the default.
"voxels"
    the surface is the object's outermost voxels, all of equal weight (equal to MONAI, and to "Metrics reloaded").
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.compute import threads
from ACSegLib.distances import as_mask, sampling
from ACSegLib.errors import InputError
from ACSegLib.masks import Box, bounding_box

SURFACES = ("surfels", "voxels")

#: Part of the tolerance of a surface Dice by which a distance may be over it.
_ROUNDING = 1e-9

# The corner code of a 2 x 2 x 2 neighbourhood: bit 0 is the neighbour at (0, 0, 0), bit 7 the one at (1, 1, 1).
_CORNERS = [(k, j, i) for k in (0, 1) for j in (0, 1) for i in (0, 1)]


@dataclass(frozen=True)
class SurfaceDistances:
    """Distance of every surface element to the other mask's surface, and the elements' weights (area or 1).

    Each is a float64 array with one value an element; all four are empty if a surface is.
    """

    result_to_truth: np.ndarray
    truth_to_result: np.ndarray
    result_weights: np.ndarray
    truth_weights: np.ndarray

    @property
    def defined(self) -> bool:
        """Whether both masks have a surface."""
        return bool(len(self.result_to_truth) and len(self.truth_to_result))

    def average(self) -> float:
        """Average symmetric surface distance: over all elements of both surfaces, by weight. NaN if undefined."""
        if not self.defined:
            return float("nan")
        total = self.result_to_truth @ self.result_weights + self.truth_to_result @ self.truth_weights
        return float(total / (self.result_weights.sum() + self.truth_weights.sum()))

    def percentile(self, percent: float = 95.0) -> float:
        """Symmetric percentile distance (robust Hausdorff): the larger of the two directions'. NaN if undefined."""
        if not self.defined:
            return float("nan")
        return max(
            _percentile(self.result_to_truth, self.result_weights, percent),
            _percentile(self.truth_to_result, self.truth_weights, percent),
        )

    def dice(self, tolerance: float) -> float:
        """Surface Dice: share of both surfaces that lies within `tolerance` of the other. NaN if undefined."""
        if not self.defined:
            return float("nan")
        # Distances and a tolerance of one voxel edge are both lengths of vectors: rounding must not decide.
        reach = tolerance * (1 + _ROUNDING)
        near = self.result_weights[self.result_to_truth <= reach].sum()
        near += self.truth_weights[self.truth_to_result <= reach].sum()
        return float(near / (self.result_weights.sum() + self.truth_weights.sum()))


def surface_distances(
    result: np.ndarray,
    truth: np.ndarray,
    spacing: Sequence[float],
    *,
    surface: str = "surfels",
    ignore: np.ndarray | None = None,
) -> SurfaceDistances:
    """Measure how far two masks' surfaces lie apart.

    Parameters
    ----------
    result, truth : ndarray, shape (k, j, i)
        Non-zero inside.
    spacing : sequence of float
        Voxel size along (i, j, k).
    surface : {"surfels", "voxels"}
        See the module.
    ignore : ndarray, shape (k, j, i), optional
        Surface elements that touch a non-zero voxel of it do not count, neither as source nor as target.

    Returns
    -------
    SurfaceDistances
        In the unit of `spacing`.

    Raises
    ------
    InputError
        If `surface` is none of these, or the spacing is not three positive numbers.
    """
    from scipy.spatial import cKDTree

    if surface not in SURFACES:
        raise InputError(f"surface must be one of {', '.join(SURFACES)}, not {surface!r}.")
    step = sampling(spacing)
    directed = []
    for mask in (result, truth):
        # A mask's surface lies in its own box, so nothing larger than that is ever made.
        points, weights = _surface(as_mask(mask), step, surface, ignore)
        directed.append((points, weights))
    (points_r, weights_r), (points_t, weights_t) = directed
    if not len(points_r) or not len(points_t):
        none = np.empty(0)
        return SurfaceDistances(none, none, none, none)
    # Exact distances between surface points alone: 100 times fewer points than a distance map over the box has.
    tree_r, tree_t = (cKDTree(p, balanced_tree=False, compact_nodes=False) for p in (points_r, points_t))
    to_truth = tree_t.query(points_r, workers=threads())[0]
    to_result = tree_r.query(points_t, workers=threads())[0]
    return SurfaceDistances(to_truth, to_result, weights_r, weights_t)


def _surface(
    mask: np.ndarray, step: tuple[float, float, float], surface: str, ignore: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) of surface elements and their weights (n,), both float64."""
    box = bounding_box(mask)
    if box is None:
        return np.empty((0, 3)), np.empty(0)
    crop = np.pad(mask[box], 1)
    skip = None
    if ignore is not None:
        skip = _with_margin(as_mask(ignore, "ignore mask"), box)
    if surface == "voxels":
        from scipy import ndimage

        edge = crop & ~ndimage.binary_erosion(crop)
        if skip is not None:
            edge &= ~ndimage.binary_dilation(skip)
        points = np.argwhere(edge)
        weights = np.ones(len(points))
    else:
        codes = _corner_codes(crop)
        edge = (codes != 0) & (codes != 255)
        if skip is not None:
            edge &= _corner_codes(skip) == 0
        points = np.argwhere(edge)
        weights = surfel_areas(step)[codes[edge]]
    corner = np.array([part.start for part in box], float)
    return (points + corner) * np.array(step), weights


def _with_margin(mask: np.ndarray, box: Box) -> np.ndarray:
    """A mask in a box and one voxel around it; beyond the array's border it goes on as it is there."""
    wide = tuple(slice(max(part.start - 1, 0), part.stop + 1) for part in box)
    beyond = [(int(part.start == 0), int(part.stop == n)) for part, n in zip(box, mask.shape, strict=True)]
    return np.pad(mask[wide], beyond, mode="edge")


def _corner_codes(mask: np.ndarray) -> np.ndarray:
    """For each voxel corner inside the array, which of its eight voxels are set, as a byte."""
    shape = tuple(n - 1 for n in mask.shape)
    codes = np.zeros(shape, np.uint8)
    for bit, corner in enumerate(_CORNERS):
        window = tuple(slice(c, c + n) for c, n in zip(corner, shape, strict=True))
        codes |= mask[window].view(np.uint8) << np.uint8(bit)
    return codes


@functools.lru_cache(maxsize=32)
def surfel_areas(step: tuple[float, float, float]) -> np.ndarray:
    """Area of the surface patch of each of the 256 corner codes.

    It is that of the marching cubes triangles of the code or of its complement, whichever is smaller: an ambiguous
    configuration and its complement part the same eight voxels, so they get the same patch.
    """
    from skimage.measure import marching_cubes, mesh_surface_area

    areas = np.zeros(256)
    for code in range(1, 255):
        cube = np.array([code >> bit & 1 for bit in range(8)], np.float32).reshape(2, 2, 2)
        points, triangles, _, _ = marching_cubes(cube, 0.5, method="lorensen")
        areas[code] = mesh_surface_area(points.astype(float) * np.array(step), triangles)
    areas = np.minimum(areas, areas[::-1])
    areas.setflags(write=False)
    return areas


def _percentile(distances: np.ndarray, weights: np.ndarray, percent: float) -> float:
    """Percentile by weight; with equal weights numpy's, which interpolates, as MONAI does."""
    if np.all(weights == weights[0]):
        return float(np.percentile(distances, percent))
    order = np.argsort(distances, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    place = min(int(np.searchsorted(share, percent / 100.0)), len(order) - 1)
    return float(distances[order[place]])
