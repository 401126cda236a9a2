"""Compiled loops of the seam model's features and trees. Imported where used: numba takes a second to load."""

from __future__ import annotations

import numpy as np

from ACSegLib.compiled import compiled


@compiled(inline="always")
def _curvatures(xx: float, yy: float, zz: float, xy: float, xz: float, yz: float) -> tuple[float, float, float]:
    """Eigenvalues of a symmetric 3 x 3 matrix, falling (Smith, Communications of the ACM 4 (1961) 168)."""
    mean = (xx + yy + zz) / 3
    a, b, c = xx - mean, yy - mean, zz - mean
    size = np.sqrt(max((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6, 0.0))
    if size < 1e-12:
        return mean, mean, mean
    det = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)
    angle = np.arccos(min(max(det / (2 * size**3), -1.0), 1.0)) / 3
    first = mean + 2 * size * np.cos(angle)
    last = mean + 2 * size * np.cos(angle + 2.0943951023931953)
    return first, 3 * mean - first - last, last


@compiled()
def describe_place(field: np.ndarray, k: int, j: int, i: int, step: np.ndarray, out: np.ndarray, at: int) -> None:
    """Put the three curvatures (falling) and the slope of a field at a voxel into ``out[at:at + 4]``."""
    planes, rows, columns = field.shape
    k0, k1 = max(k - 1, 0), min(k + 1, planes - 1)
    j0, j1 = max(j - 1, 0), min(j + 1, rows - 1)
    i0, i1 = max(i - 1, 0), min(i + 1, columns - 1)
    here = field[k, j, i]
    a, b, c = step
    xx = (field[k1, j, i] + field[k0, j, i] - 2 * here) / (a * a)
    yy = (field[k, j1, i] + field[k, j0, i] - 2 * here) / (b * b)
    zz = (field[k, j, i1] + field[k, j, i0] - 2 * here) / (c * c)
    xy = (field[k1, j1, i] + field[k0, j0, i] - field[k1, j0, i] - field[k0, j1, i]) / (4 * a * b)
    xz = (field[k1, j, i1] + field[k0, j, i0] - field[k1, j, i0] - field[k0, j, i1]) / (4 * a * c)
    yz = (field[k, j1, i1] + field[k, j0, i0] - field[k, j1, i0] - field[k, j0, i1]) / (4 * b * c)
    first, second, third = _curvatures(xx, yy, zz, xy, xz, yz)
    x = (field[k1, j, i] - field[k0, j, i]) / (2 * a)
    y = (field[k, j1, i] - field[k, j0, i]) / (2 * b)
    z = (field[k, j, i1] - field[k, j, i0]) / (2 * c)
    out[at], out[at + 1], out[at + 2] = first, second, third
    out[at + 3] = np.sqrt(x * x + y * y + z * z)


@compiled()
def describe_voxel(
    images: np.ndarray,
    depths: np.ndarray,
    summit: np.ndarray,
    k: int,
    j: int,
    i: int,
    step: np.ndarray,
    scaling: np.ndarray,
    known: np.ndarray,
    out: np.ndarray,
) -> None:
    """Put the features of a voxel into `out`; see `ACSegLib.cells.seam_voxels.VoxelScene`."""
    at = 0
    for n in range(len(images)):
        describe_place(images[n], k, j, i, step, out, at)
        for m in range(4):
            out[at + m] /= scaling[at + m]
        at += 4
    mean, spread = scaling[at], scaling[at + 1]
    for n in range(len(images)):
        out[at + n] = (images[n, k, j, i] - mean) / spread
    at += len(images)
    for n in range(len(depths)):
        describe_place(depths[n], k, j, i, step, out, at)
        at += 4
    depth = depths[0, k, j, i]
    out[at] = depth
    out[at + 1] = depth / max(summit[k, j, i], 1.0)
    at += 2
    for n in range(len(known)):
        out[at + n] = known[n]


@compiled()
def describe_voxels(
    images: np.ndarray,
    depths: np.ndarray,
    summit: np.ndarray,
    places: np.ndarray,
    step: np.ndarray,
    scaling: np.ndarray,
    known: np.ndarray,
    out: np.ndarray,
) -> None:
    """Features of each of `places` (n, 3); `out` has a row for each."""
    for n in range(len(places)):
        k, j, i = places[n]
        describe_voxel(images, depths, summit, k, j, i, step, scaling, known, out[n])


@compiled()
def score(
    features: np.ndarray, roots: np.ndarray, feature: np.ndarray, threshold: np.ndarray, left: np.ndarray,
    right: np.ndarray, value: np.ndarray,
) -> float:  # fmt: skip
    """Sum of the leaves of all trees that a row of features falls into."""
    total = 0.0
    for root in roots:
        node = root
        while feature[node] >= 0:
            node = left[node] if features[feature[node]] <= threshold[node] else right[node]
        total += value[node]
    return total


@compiled()
def judge_voxels(
    images: np.ndarray, depths: np.ndarray, summit: np.ndarray, mask: np.ndarray, first: int, last: int,
    step: np.ndarray, scaling: np.ndarray, known: np.ndarray, width: int, roots: np.ndarray, feature: np.ndarray,
    threshold: np.ndarray, left: np.ndarray, right: np.ndarray, value: np.ndarray, out: np.ndarray,
) -> None:  # fmt: skip
    """Probability of a seam at each voxel of the mask in planes `first` to `last`; `out` is float32 (k, j, i)."""
    row = np.zeros(width, np.float32)
    _, rows, columns = mask.shape
    for k in range(first, last):
        for j in range(rows):
            for i in range(columns):
                if mask[k, j, i]:
                    describe_voxel(images, depths, summit, k, j, i, step, scaling, known, row)
                    out[k, j, i] = 1 / (1 + np.exp(-score(row, roots, feature, threshold, left, right, value)))
