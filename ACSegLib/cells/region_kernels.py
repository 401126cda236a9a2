"""Compiled loops over regions and their boundaries. Imported where used: numba takes a second to load."""

from __future__ import annotations

import numpy as np

from ACSegLib.cells.voxel_kernels import _curvatures, score
from ACSegLib.compiled import compiled

# Columns of regions: sums over voxels, then areas, then maxima.
VOXELS, SEAM, GREY, SQUARE, PLACE, SPREAD = 0, 1, 2, 3, 4, 7
FREE, CUT, MET, SUMMIT, DEPTH = 13, 14, 15, 16, 17
REGION_WIDTH, REGION_SUMS = 18, 16
# Columns of boundaries: sums over faces, then maxima.
AREA, FACES, SEAMS, LIKELY, MAYBE, PLATES, AT, ABOUT, RIM, NOTCH = 0, 1, 2, 3, 4, 5, 11, 14, 20, 21
SADDLE, PASS = 24, 25
EDGE_WIDTH, EDGE_SUMS = 26, 24
#: Features of a boundary that do not say what the whole volume is like: of the boundary, and of its rim.
PAIR_WIDTH, RIM_WIDTH = 31, 4
#: Part of its surroundings that a mask fills at a plain surface, and from which on at a notch.
_PLAIN, _NOTCHED = 0.5, 0.58


@compiled()
def add_regions(
    labels: np.ndarray, seam: np.ndarray, grey: np.ndarray, distance: np.ndarray, depth: np.ndarray,
    step: np.ndarray, mean: float, spread: float, out: np.ndarray,
) -> None:  # fmt: skip
    """Sums and maxima over the voxels of each region; `out` has a row for each."""
    planes, rows, columns = labels.shape
    areas = np.array([step[1] * step[2], step[0] * step[2], step[0] * step[1]])
    for k in range(planes):
        for j in range(rows):
            for i in range(columns):
                label = labels[k, j, i]
                if label == 0:
                    continue
                row = out[label]
                value = (grey[k, j, i] - mean) / spread
                x, y, z = (k - planes / 2) * step[0], (j - rows / 2) * step[1], (i - columns / 2) * step[2]
                row[VOXELS] += 1
                row[SEAM] += seam[k, j, i]
                row[GREY] += value
                row[SQUARE] += value * value
                row[PLACE] += x
                row[PLACE + 1] += y
                row[PLACE + 2] += z
                row[SPREAD] += x * x
                row[SPREAD + 1] += y * y
                row[SPREAD + 2] += z * z
                row[SPREAD + 3] += x * y
                row[SPREAD + 4] += x * z
                row[SPREAD + 5] += y * z
                row[SUMMIT] = max(row[SUMMIT], distance[k, j, i])
                row[DEPTH] = max(row[DEPTH], depth[k, j, i])
                for n in range(6):
                    axis, way = n // 2, 2 * (n % 2) - 1
                    a, b, c = k, j, i
                    if axis == 0:
                        a += way
                    elif axis == 1:
                        b += way
                    else:
                        c += way
                    if not (0 <= a < planes and 0 <= b < rows and 0 <= c < columns):
                        row[CUT] += areas[axis]
                    elif labels[a, b, c] == 0:
                        row[FREE] += areas[axis]
                    elif labels[a, b, c] != label:
                        row[MET] += areas[axis]


@compiled()
def add_faces(
    pair: np.ndarray, one: np.ndarray, other: np.ndarray, axis: np.ndarray, described: np.ndarray, seam: np.ndarray,
    distance: np.ndarray, depth: np.ndarray, filled: np.ndarray, surface: float, shape: np.ndarray, step: np.ndarray,
    out: np.ndarray,
) -> None:  # fmt: skip
    """Sums and maxima over the faces of each boundary; `one` and `other` are flat voxels, `out` has a row a boundary.

    `described` (faces, 6) holds what the image is like at each face, and `filled` (2, voxels) which part of the
    surroundings of each voxel the mask fills. A voxel of the mask's surface, which is no farther from the background
    than `surface`, is at the rim of a boundary; 0 looks for none.
    """
    planes, rows, columns = shape
    areas = np.array([step[1] * step[2], step[0] * step[2], step[0] * step[1]])
    for n in range(len(pair)):
        row = out[pair[n]]
        a, b = one[n], other[n]
        area = areas[axis[n]]
        likely = max(seam[a], seam[b])
        i, j, k = a % columns, a // columns % rows, a // (columns * rows)
        x, y, z = (k - planes / 2) * step[0], (j - rows / 2) * step[1], (i - columns / 2) * step[2]
        x += step[0] / 2 * (axis[n] == 0)
        y += step[1] / 2 * (axis[n] == 1)
        z += step[2] / 2 * (axis[n] == 2)
        row[AREA] += area
        row[FACES] += 1
        row[SEAMS] += area * likely
        row[LIKELY] += area * (likely > 0.5)
        row[MAYBE] += area * (likely > 0.25)
        for m in range(6):
            row[PLATES + m] += area * described[n, m]
        row[AT] += area * x
        row[AT + 1] += area * y
        row[AT + 2] += area * z
        row[ABOUT] += area * x * x
        row[ABOUT + 1] += area * y * y
        row[ABOUT + 2] += area * z * z
        row[ABOUT + 3] += area * x * y
        row[ABOUT + 4] += area * x * z
        row[ABOUT + 5] += area * y * z
        for voxel in (a, b):
            if 0 < distance[voxel] <= surface:
                row[RIM] += 1
                row[NOTCH] += filled[0, voxel]
                row[NOTCH + 1] += filled[1, voxel]
                row[NOTCH + 2] += filled[0, voxel] > _NOTCHED
        row[SADDLE] = max(row[SADDLE], min(distance[a], distance[b]))
        row[PASS] = max(row[PASS], min(depth[a], depth[b]))


@compiled()
def _axes(row: np.ndarray, first: int, second: int, count: float, least: float) -> tuple[float, float, float]:
    """Variances along the principal axes, falling, of sums of places and their products; at least `least` each."""
    x, y, z = row[first] / count, row[first + 1] / count, row[first + 2] / count
    xx = row[second] / count - x * x + least
    yy = row[second + 1] / count - y * y + least
    zz = row[second + 2] / count - z * z + least
    xy = row[second + 3] / count - x * y
    xz = row[second + 4] / count - x * z
    yz = row[second + 5] / count - y * z
    a, b, c = _curvatures(xx, yy, zz, xy, xz, yz)
    return max(a, least), max(b, least), max(c, least)


@compiled()
def _fullness(row: np.ndarray, voxel: float, least: float) -> float:
    """Volume of a region as a part of that of the ellipsoid with the same spread: 1 for ellipsoids, less with necks."""
    a, b, c = _axes(row, PLACE, SPREAD, row[VOXELS], least)
    return row[VOXELS] * voxel / (46.832 * np.sqrt(a * b * c))


@compiled()
def describe_pair(
    one: np.ndarray, two: np.ndarray, edge: np.ndarray, step: np.ndarray, known: np.ndarray,
    out: np.ndarray,
) -> None:  # fmt: skip
    """Put the features of the boundary of two regions into `out`; see `ACSegLib.cells.merging`."""
    voxel = step[0] * step[1] * step[2]
    least = voxel ** (2 / 3) / 12
    small, large = (one, two) if one[VOXELS] < two[VOXELS] else (two, one)
    area = edge[AREA]
    for n in range(3):
        out[n] = edge[SEAMS + n] / area
    out[3] = (one[SEAM] + two[SEAM]) / (one[VOXELS] + two[VOXELS])
    for n in range(6):
        out[4 + n] = edge[PLATES + n] / area
    depth, summit = min(one[DEPTH], two[DEPTH]), min(one[SUMMIT], two[SUMMIT])
    out[10] = edge[PASS] / depth if depth > 0 else 1.0
    out[11] = edge[SADDLE] / summit if summit > 0 else 1.0
    union = one + two
    radius = (small[VOXELS] * voxel * 0.238732) ** (1 / 3)
    whole = (union[VOXELS] * voxel * 0.238732) ** (1 / 3)
    out[12] = np.log(area / (np.pi * radius**2))
    out[13] = np.log(area / (np.pi * whole**2))
    step_of_grey = abs(one[GREY] / one[VOXELS] - two[GREY] / two[VOXELS])
    within = one[SQUARE] - one[GREY] ** 2 / one[VOXELS] + two[SQUARE] - two[GREY] ** 2 / two[VOXELS]
    out[14] = step_of_grey
    out[15] = step_of_grey / np.sqrt(max(within / union[VOXELS], 1e-4))
    out[16] = np.log(large[VOXELS] / small[VOXELS])
    out[17] = np.log(radius)
    full, full_small, full_large = (
        _fullness(union, voxel, least),
        _fullness(small, voxel, least),
        _fullness(large, voxel, least),
    )
    out[18] = full
    out[19] = min(full_small, full_large)
    out[20] = full - (full_small * small[VOXELS] + full_large * large[VOXELS]) / union[VOXELS]
    away = 0.0
    for n in range(3):
        away += (one[PLACE + n] / one[VOXELS] - two[PLACE + n] / two[VOXELS]) ** 2
    large_radius = (large[VOXELS] * voxel * 0.238732) ** (1 / 3)
    out[21] = np.sqrt(away) / (radius + large_radius)
    long, middle, short = _axes(edge, AT, ABOUT, area, least)
    out[22] = np.sqrt(short / middle)
    out[23] = area / (12.566371 * np.sqrt(long * middle))
    out[24] = np.sqrt(short) / radius
    skin_small = small[FREE] + small[CUT] + small[MET]
    skin_large = large[FREE] + large[CUT] + large[MET]
    skin = skin_small + skin_large - 2 * area
    out[25] = 4.836 * (union[VOXELS] * voxel) ** (2 / 3) / max(skin, 1e-6)
    out[26] = 4.836 * (small[VOXELS] * voxel) ** (2 / 3) / max(skin_small, 1e-6)
    out[27] = small[CUT] / max(skin_small, 1e-6)
    out[28] = area / max(skin_small, 1e-6)
    out[29] = small[FREE] / max(skin_small, 1e-6)
    out[30] = np.log(edge[FACES])
    last = PAIR_WIDTH + len(known)
    for n in range(len(known)):
        out[PAIR_WIDTH + n] = known[n]
    rim = edge[RIM]
    out[last] = edge[NOTCH] / rim if rim > 0 else _PLAIN
    out[last + 1] = edge[NOTCH + 1] / rim if rim > 0 else _PLAIN
    out[last + 2] = edge[NOTCH + 2] / rim if rim > 0 else 0.0
    out[last + 3] = rim / np.sqrt(edge[FACES])


@compiled()
def judge_pair(
    regions: np.ndarray, a: int, b: int, edges: np.ndarray, n: int, step: np.ndarray,
    known: np.ndarray, features: np.ndarray, roots: np.ndarray, feature: np.ndarray, threshold: np.ndarray,
    left: np.ndarray, right: np.ndarray, value: np.ndarray,
) -> float:  # fmt: skip
    """Log odds that the boundary `n` of two regions is a seam between two cells; `features` is a work array."""
    describe_pair(regions[a], regions[b], edges[n], step, known, features)
    return score(features, roots, feature, threshold, left, right, value)


@compiled()
def add_rows(rows: np.ndarray, a: int, b: int, sums: int) -> None:
    """Add row `b` to row `a`: the first `sums` columns are sums, the others maxima."""
    for n in range(rows.shape[1]):
        if n < sums:
            rows[a, n] += rows[b, n]
        else:
            rows[a, n] = max(rows[a, n], rows[b, n])
