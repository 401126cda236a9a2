"""Parallel-beam projection and back projection of a stack of slices; compiled.

Slices lie innermost in memory, (j, i, k): a ray's geometry is computed once for many slices, and the inner loop runs
over contiguous values. Joseph's method: P. M. Joseph, IEEE Trans. Med. Imaging 1 (1982) 192-196,
doi:10.1109/TMI.1982.4307572.
"""

from __future__ import annotations

import numpy as np

from ACSegLib.compiled import compiled
from ACSegLib.threads import spread


def project(image: np.ndarray, angles: np.ndarray, detectors: int) -> np.ndarray:
    """Line integrals, in voxels.

    Parameters
    ----------
    image : ndarray (j, i, k), float32
    angles : ndarray (n,), float64
        In radians; at 0 the rays run along j.
    detectors : int
        Detector pixels, one voxel wide, centred on the slice.

    Returns
    -------
    ndarray (n, detectors, k), float32
    """
    out = np.zeros((len(angles), detectors, image.shape[2]), np.float32)
    spread(_project, len(angles), image, angles, out)
    return out


@compiled()
def _project(begin: int, end: int, image: np.ndarray, angles: np.ndarray, out: np.ndarray) -> None:
    rows, columns, depth = image.shape
    detectors = out.shape[1]
    for a in range(begin, end):
        cos, sin = np.cos(angles[a]), np.sin(angles[a])
        steep = abs(cos) >= abs(sin)  # rays cross rows more often than columns
        main, side = (cos, sin) if steep else (sin, cos)
        length = np.float32(1.0 / abs(main))
        lines, width = (rows, columns) if steep else (columns, rows)
        for d in range(detectors):
            t = d - 0.5 * (detectors - 1)
            for line in range(lines):
                # t = x cos + y sin, with x along i and y along j from the middle of the slice
                position = (t - (line - 0.5 * (lines - 1)) * side) / main + 0.5 * (width - 1)
                low = int(np.floor(position))
                upper = np.float32(position - low)
                for step in range(2):
                    at = low + step
                    weight = (upper if step == 1 else np.float32(1.0) - upper) * length
                    if at < 0 or at >= width or weight == 0:
                        continue
                    row = image[line, at] if steep else image[at, line]
                    for k in range(depth):
                        out[a, d, k] += weight * row[k]


def back_project(sinogram: np.ndarray, angles: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Sum over the angles of each voxel's detector value, linearly interpolated.

    Parameters
    ----------
    sinogram : ndarray (n, detectors, k), float32
    angles : ndarray (n,), float64

    Returns
    -------
    ndarray (j, i, k), float32
    """
    out = np.zeros((rows, columns, sinogram.shape[2]), np.float32)
    spread(_back_project, rows, sinogram, angles, out)
    return out


@compiled()
def _back_project(begin: int, end: int, sinogram: np.ndarray, angles: np.ndarray, out: np.ndarray) -> None:
    views, detectors, depth = sinogram.shape
    rows, columns = out.shape[:2]
    for j in range(begin, end):
        for a in range(views):
            cos, sin = np.cos(angles[a]), np.sin(angles[a])
            start = (j - 0.5 * (rows - 1)) * sin - 0.5 * (columns - 1) * cos + 0.5 * (detectors - 1)
            for i in range(columns):
                position = start + i * cos
                low = int(np.floor(position))
                if low < 0 or low + 1 >= detectors:
                    continue
                upper = np.float32(position - low)
                lower = np.float32(1.0) - upper
                for k in range(depth):
                    out[j, i, k] += lower * sinogram[a, low, k] + upper * sinogram[a, low + 1, k]
