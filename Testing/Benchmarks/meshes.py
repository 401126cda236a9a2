"""What smoothing does to a mesh: steps of voxels, noise of the outlines, and filopodia, against a ball and a cylinder.

    python Testing/Benchmarks/meshes.py

For a ball of radius 24 voxels, the table has the root mean square distance of the vertices from the sphere, and the
error of the area; for a filopodium of radius 1.6 voxels its radius in the mesh.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from ACSegLib.triangle_mesh import Mesh
from ACSegLib.volume import Geometry, Segmentation
from ACSegLib.workflows import MeshRequest, run

RADIUS, THIN, CENTRE = 24, 1.6, 35.3
LENGTHS = (0, 1, 2, 4)


def mesh_of(mask: np.ndarray, smooth: float) -> tuple[Mesh, np.ndarray]:
    """The mesh of the largest component, its points as offsets from the centre, (x, y, z)."""
    labels, _ = ndimage.label(ndimage.binary_fill_holes(mask))
    largest = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    segmentation = Segmentation.from_labels(largest.astype(np.uint8), Geometry((1, 1, 1), unit="um"), {1: "cell"})
    (mesh,) = run(MeshRequest(labels=segmentation, smooth=smooth))
    return mesh, np.asarray(mesh.points) - CENTRE


def main() -> None:
    """Print the table."""
    k, j, i = np.indices((72, 72, 72)) - CENTRE
    far = np.sqrt(k * k + j * j + i * i)
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=far.shape), 1)
    balls = {"ball": far <= RADIUS, "noisy outline": far <= RADIUS + noise / noise.std()}
    for name, mask in balls.items():
        for smooth in LENGTHS:
            mesh, points = mesh_of(mask, smooth)
            corners = points[np.asarray(mesh.triangles)]
            sides = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
            area = np.linalg.norm(np.cross(*sides), axis=1).sum() / 2
            rms = np.std(np.linalg.norm(points, axis=1))
            error = 100 * (area / (4 * np.pi * RADIUS**2) - 1)
            print(f"{name:14} --smooth {smooth}: {rms:.2f} voxels rms, area {error:+.1f} %")
    thin = (np.hypot(j, i) <= THIN) & (k > 0) & (k < 33) | (far <= 15)
    for smooth in LENGTHS:
        _, points = mesh_of(thin, smooth)
        shaft = points[(points[:, 2] > 20) & (points[:, 2] < 28)]
        radius = np.hypot(shaft[:, 0], shaft[:, 1]).mean()
        print(f"filopodium     --smooth {smooth}: radius {radius:.2f} voxels (true {THIN})")


if __name__ == "__main__":
    main()
