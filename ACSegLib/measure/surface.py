"""Surface area of a mask: five ways to estimate it, and the one that the error table of the benchmark chose.

``python Testing/Benchmarks/measure.py surface`` prints the table of errors on analytic shapes against resolution;
`Documentation/measuring.md` shows it, and why `DEFAULT_METHOD` was chosen.

References
----------
Lang, Ohser, "Cauchy-Crofton" estimators: Ohser, Schladitz, "3D Images of Materials Structures", Wiley 2009, chapter 5.
Lindblad, "Surface area estimation of digitized 3D objects using weighted local configurations", Image and Vision
Computing 23 (2005) 111-122.
Lorensen, Cline, "Marching cubes", SIGGRAPH 1987.
Taubin, "A signal processing approach to fair surface design", SIGGRAPH 1995.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from math import gcd

import numpy as np

from ACSegLib.distances import as_mask, sampling
from ACSegLib.errors import InputError
from ACSegLib.masks import bounding_box

#: Names of the estimators, see `surface_area`.
METHODS = ("crofton", "crofton49", "marching_cubes", "smoothed_mesh", "faces")
DEFAULT_METHOD = "crofton"
#: How many times longer one side of a voxel may be than another; beyond this, directions coincide in rounding.
MAX_ANISOTROPY = 1e5
#: Rounds of Taubin's filter, and the factors of its two steps; their inverses add up to a pass band of 0.1.
_SMOOTHING_ROUNDS, _SHRINK = 20, 0.5
_GROW = 1 / (0.1 - 1 / _SHRINK)

Offset = tuple[int, int, int]


def surface_area(mask: np.ndarray, spacing: Sequence[float], method: str = DEFAULT_METHOD) -> float:
    """Estimate the area of the surface of a mask.

    Parameters
    ----------
    mask : ndarray, shape (k, j, i)
        Non-zero inside. What lies outside the array counts as background.
    spacing : sequence of float
        Voxel size along (i, j, k), as `Geometry.spacing`.
    method : str
        "crofton": crossings of lines in the 13 directions of a 2 x 2 x 2 neighbourhood, each weighted by its share of
        the sphere of directions (equal to weighted local configurations); "crofton49": the same with the 49
        directions that reach two voxels; "marching_cubes": triangles through the mask's half level;
        "smoothed_mesh": these triangles smoothed by Taubin's filter; "faces": voxel faces counted.

    Returns
    -------
    float
        Area in the square of the spacing's unit; 0 for an empty mask.

    Raises
    ------
    InputError
        If there is no such method, or the voxels are too uneven (`line_weights`).
    """
    mask = as_mask(mask)
    step = sampling(spacing)
    box = bounding_box(mask)
    if box is None:
        return 0.0
    crop = mask[box]
    if method in ("crofton", "crofton49"):
        return _crofton(crop, step, 1 if method == "crofton" else 2)
    if method == "faces":
        return _faces(crop, step)
    if method in ("marching_cubes", "smoothed_mesh"):
        return _mesh_area(crop, step, smooth=method == "smoothed_mesh")
    raise InputError(f"surface area method must be one of {', '.join(METHODS)}, not {method!r}.")


@functools.lru_cache(maxsize=32)
def line_weights(step: tuple[float, float, float], reach: int = 1) -> tuple[tuple[Offset, float], ...]:
    """Offsets to a neighbour and the area that one change of label along it stands for.

    By Cauchy and Crofton the area is twice the mean, over directions, of the number of crossings per unit area of the
    lines' cross-section. The grid lines of an offset ``d`` are ``|d| / voxel volume`` to the unit area; the mean
    over directions weights each by its Voronoi cell on the sphere, which makes anisotropic voxels right as well.

    Parameters
    ----------
    step : tuple of float
        Voxel size along (k, j, i).
    reach : int
        Largest component of an offset: 1 gives 13 directions, 2 gives 49.

    Returns
    -------
    tuple of ((k, j, i) offset, area)

    Raises
    ------
    InputError
        If one side of a voxel is more than `MAX_ANISOTROPY` times as long as another.
    """
    from scipy.spatial import SphericalVoronoi

    if max(step) > MAX_ANISOTROPY * min(step):
        size = " x ".join(f"{v:g}" for v in reversed(step))
        raise InputError(
            f"voxels of {size} (x, y, z) have no surface area that can be measured; check the unit of each axis."
        )
    around = [d for d in itertools.product(range(-reach, reach + 1), repeat=3) if gcd(*d) == 1]
    vectors = np.array(around, float) * np.array(step)
    lengths = np.linalg.norm(vectors, axis=1)
    shares = SphericalVoronoi(vectors / lengths[:, None]).calculate_areas() / (4 * np.pi)
    areas = 2 * shares * np.prod(step) / lengths
    # Opposite offsets see the same lines: keep one of each pair with the weight of both.
    half = [(d, 2 * float(area)) for d, area in zip(around, areas, strict=True) if d > (0, 0, 0)]
    return tuple(((k, j, i), area) for (k, j, i), area in half)


def shifted(array: np.ndarray, offset: Offset) -> tuple[np.ndarray, np.ndarray]:
    """Two views of equal shape: the voxels that have a neighbour at `offset`, and those neighbours."""
    here = tuple(slice(max(-o, 0), n - max(o, 0)) for o, n in zip(offset, array.shape, strict=True))
    there = tuple(slice(max(o, 0), n - max(-o, 0)) for o, n in zip(offset, array.shape, strict=True))
    return array[here], array[there]


def _crofton(mask: np.ndarray, step: tuple[float, float, float], reach: int) -> float:
    padded = np.pad(mask, reach)
    total = 0.0
    for offset, area in line_weights(step, reach):
        here, there = shifted(padded, offset)
        total += area * sum(np.count_nonzero(a != b) for a, b in zip(here, there, strict=True))
    return float(total)


def _faces(mask: np.ndarray, step: tuple[float, float, float]) -> float:
    padded = np.pad(mask, 1)
    volume = float(np.prod(step))
    total = 0.0
    for axis, length in enumerate(step):
        total += volume / length * np.count_nonzero(np.diff(padded.view(np.int8), axis=axis))
    return float(total)


def _mesh_area(mask: np.ndarray, step: tuple[float, float, float], smooth: bool) -> float:
    from skimage.measure import marching_cubes, mesh_surface_area

    # The mesh is float32 by contract of scikit-image; the area is summed in float64.
    points, triangles, _, _ = marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5, spacing=step)
    if smooth:
        points = _taubin(points.astype(float), triangles)
    return float(mesh_surface_area(points, triangles))


def _taubin(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Low-pass filter of vertex positions that does not shrink the mesh."""
    from scipy.sparse import coo_matrix, diags

    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    links = coo_matrix((np.ones(len(edges)), edges.T), shape=(len(points), len(points))).tocsr()
    links.data[:] = 1.0
    average = diags(1 / np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1)) @ links
    for _ in range(_SMOOTHING_ROUNDS):
        for factor in (_SHRINK, _GROW):
            points = points + factor * (average @ points - points)
    return points
