"""A triangle mesh: what `measure.mesh` makes of a segment and `files.meshes` writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ACSegLib.volume import Vector


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh.

    Parameters
    ----------
    points : ndarray of float64, shape (n, 3)
        Positions of the vertices: (x, y, z) in LPS.
    triangles : ndarray of int, shape (m, 3)
        Vertices of each triangle, counter-clockwise seen from outside.
    name : str
    colour : tuple of float
        Red, green and blue, from 0 to 1.
    unit : str
        Unit of the positions.
    voxel_volume : float
        Volume of the voxels that it was made of, in cubic `unit`.
    """

    points: np.ndarray
    triangles: np.ndarray
    name: str = ""
    colour: Vector = (0.7, 0.7, 0.7)
    unit: str = "px"
    voxel_volume: float = 0.0

    @property
    def volume(self) -> float:
        """Volume that the mesh encloses, in cubic `unit`."""
        return signed_volume(self.points, self.triangles)


def signed_volume(points: np.ndarray, triangles: np.ndarray) -> float:
    """Volume inside a closed mesh; negative if its triangles face inwards."""
    a, b, c = (points[triangles[:, n]] - points.mean(axis=0) for n in range(3))
    return float(np.einsum("ni,ni->", a, np.cross(b, c)) / 6)
