"""Closed triangle meshes of segments, with the volume of their voxels.

Marching cubes puts a vertex on each edge between a voxel inside and one outside. At the middle of these edges, the mesh
of a small cell has several percent less volume than its voxels. All vertices are therefore moved along their edges by
one fraction of a voxel, for which the volumes agree. The vertices stay between the same voxels, so the mesh does not
intersect itself.

References
----------
Lorensen, Cline, "Marching cubes: A high resolution 3D surface construction algorithm", SIGGRAPH 1987.
Desbrun, Meyer, Schroeder, Barr, "Implicit fairing of irregular meshes using diffusion and curvature flow", SIGGRAPH
1999.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ACSegLib.geometry import Geometry
from ACSegLib.triangle_mesh import Mesh, signed_volume

#: Vertices stay at least this far, in voxels, from the centres of the voxels on either side.
_MARGIN = 0.02
#: Squared length of an edge of marching cubes, in squared voxels, on average.
_SQUARED_EDGE = 0.6
#: Of the residual of all vertices together, in voxels per root of their number; and iterations at most.
_TOLERANCE, _MAX_STEPS = 1e-3, 1000


def mesh_of(mask: np.ndarray, geometry: Geometry, smooth: float = 0.0) -> Mesh:
    """Make the closed mesh of a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (k, j, i)
        With at least one voxel. What lies outside of the array is background, so cells that its border cuts are closed
        there.
    geometry : Geometry
        Where the mask lies; its unit is that of the mesh.
    smooth : float
        Length in voxels over which the surface is smoothed; 0: not at all. The volume is kept.

    Returns
    -------
    Mesh
        Each edge belongs to two triangles.
    """
    padded = np.pad(mask, 1)
    corners, triangles = _marching_cubes(padded)
    voxels = float(np.count_nonzero(mask))
    points = _with_volume(corners, _outwards(corners, padded), triangles, voxels)
    if smooth:
        points = _smoothed(points, triangles, smooth)
        points = _with_volume(points, _normals(points, triangles), triangles, voxels, smooth)
    indices = points[:, ::-1] - 1  # (i, j, k) of the mask, without the margin
    matrix = geometry.ijk_to_lps
    places = indices @ matrix[:3, :3].T + matrix[:3, 3]
    placed = Mesh(places, triangles, unit=geometry.unit, voxel_volume=voxels * geometry.voxel_volume)
    return placed if placed.volume > 0 else replace(placed, triangles=triangles[:, ::-1])


def _marching_cubes(padded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (k, j, i) halfway between voxels, and triangles that face outwards."""
    from skimage.measure import marching_cubes

    # The variant of Lewiner, scikit-image's default, leaves holes in some rough masks.
    points, triangles, _, _ = marching_cubes(padded.astype(np.float32), 0.5, method="lorensen")
    points, triangles = points.astype(np.float64), triangles.astype(np.int64)
    return points, triangles if signed_volume(points, triangles) > 0 else triangles[:, ::-1]


def _outwards(corners: np.ndarray, padded: np.ndarray) -> np.ndarray:
    """Unit vectors from the voxel inside to the voxel outside, between which each vertex lies."""
    below = np.floor(corners).astype(int)
    axis = np.argmax(corners != below, axis=1)
    inside = padded[tuple(below.T)]
    directions = np.zeros_like(corners)
    directions[np.arange(len(corners)), axis] = np.where(inside, 1.0, -1.0)
    return directions


def _with_volume(
    points: np.ndarray, directions: np.ndarray, triangles: np.ndarray, volume: float, more: float = 0.0
) -> np.ndarray:
    """Move all vertices along their directions by one distance until the volume is right.

    The distance is below half a voxel, outwards `more` than that: smoothing takes much from a small bead.
    """
    from scipy.optimize import brentq

    def excess(distance: float) -> float:
        return signed_volume(points + distance * directions, triangles) - volume

    low, high = -0.5 + _MARGIN, 0.5 - _MARGIN + more
    if excess(high) <= 0:
        return points + high * directions
    if excess(low) >= 0:
        return points + low * directions
    return points + brentq(excess, low, high, xtol=1e-6) * directions


def _normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals of the vertices, weighted by the areas of their triangles."""
    a, b, c = (points[triangles[:, n]] for n in range(3))
    faces = np.cross(b - a, c - a)
    normals = np.stack(
        [np.bincount(triangles.ravel(), np.repeat(faces[:, axis], 3), len(points)) for axis in range(3)], axis=1
    )
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _smoothed(points: np.ndarray, triangles: np.ndarray, length: float) -> np.ndarray:
    """Implicit low-pass filter of the vertices; what it takes from long waves, a second pass gives back."""
    from scipy.sparse import coo_matrix, diags, identity
    from scipy.sparse.linalg import cg

    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    links = coo_matrix((np.ones(len(edges)), edges.T), shape=(len(points), len(points))).tocsr()
    links.data[:] = 1.0
    degrees = np.asarray(links.sum(axis=1)).ravel()
    time = 4 * length**2 / _SQUARED_EDGE
    system = identity(len(points), format="csr") + (time / degrees.mean()) * (diags(degrees) - links)
    scale = diags(1 / system.diagonal())

    def filtered(values: np.ndarray) -> np.ndarray:
        columns = [
            cg(
                system, column, column.copy(), atol=_TOLERANCE * len(points) ** 0.5, rtol=0, maxiter=_MAX_STEPS, M=scale
            )[0]
            for column in values.T
        ]
        return np.stack(columns, axis=1)

    once = filtered(points)
    return once + filtered(points - once)
