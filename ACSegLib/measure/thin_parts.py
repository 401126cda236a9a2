"""Thin parts of a cell (filopodia): how many, how long, how much volume.

A voxel belongs to a thin part if no ball of the given radius that fits inside the cell covers it (local thickness;
Hildebrand and Rueegsegger, Journal of Microscopy 185 (1997) 67-75). The thin parts that stick to the cell's body and
are long enough are counted; each is measured along its skeleton (Lee, Kashyap, Chu, CVGIP 56 (1994) 462-478).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.masks import bounding_box
from ACSegLib.measure.components import find_components
from ACSegLib.measure.regions import Box, as_mask, sampling, squared_distance, within_distance

#: Parts thinner than twice this many nanometres are thin, where voxels are small enough to show it.
FILOPODIUM_RADIUS_NM = 250.0


def default_radius(spacing: Sequence[float], unit: str) -> float:
    """Radius below which a part is thin: 250 nm, but at least 1.5 voxel edges; 3 edges where the unit is unknown."""
    from ACSegLib.volume import UNITS_IN_MM

    edge = max(spacing)
    if unit == "px":
        return 3.0 * edge
    return max(FILOPODIUM_RADIUS_NM * UNITS_IN_MM["nm"] / UNITS_IN_MM[unit], 1.5 * edge)


def split_thin_parts(
    mask: np.ndarray, spacing: Sequence[float], radius: float, *, check: Callable[[], None] = lambda: None
) -> np.ndarray:
    """Mask of the voxels that no ball of `radius` inside the mask covers.

    Parameters
    ----------
    mask : ndarray, shape (k, j, i)
        Non-zero inside.
    spacing : sequence of float
        Voxel size along (i, j, k).
    radius : float
        In the unit of `spacing`.

    Returns
    -------
    ndarray of bool, shape (k, j, i)
    """
    mask = as_mask(mask)
    step = sampling(spacing)
    if not radius > 0:
        raise InputError(f"the thin-part radius must be positive, not {radius}.")
    box = bounding_box(mask)
    thin = np.zeros(mask.shape, bool)
    if box is None:
        return thin
    crop = np.pad(mask[box], 1)
    core = ~within_distance(~crop, step, radius, check=check)
    core &= crop
    # A digital ball leaves single voxels of a round body uncovered; one voxel edge of slack takes them in.
    covered = within_distance(core, step, radius + max(step), check=check)
    thin[box] = (crop & ~covered)[1:-1, 1:-1, 1:-1]
    return thin


def thin_part_measures(
    mask: np.ndarray,
    spacing: Sequence[float],
    radius: float,
    *,
    minimum_length: float | None = None,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Count and measure the thin parts of a mask.

    Parameters
    ----------
    mask : ndarray, shape (k, j, i)
        Non-zero inside.
    spacing : sequence of float
        Voxel size along (i, j, k).
    radius : float
        A part is thin where no ball of this radius fits, in the unit of `spacing`.
    minimum_length : float, optional
        Shorter parts are roughness, not filopodia; twice the radius when left out.
    check : callable
        Called often; may raise to cancel.

    Returns
    -------
    dict
        "thin_parts" (int), "thin_part_length" (sum), "thin_part_mean_length", "thin_part_max_length",
        "thin_part_mean_diameter" (unit), "thin_part_volume" (cubic unit), "thin_part_volume_fraction"; plain floats.
    """
    mask = as_mask(mask)
    minimum = 2.0 * radius if minimum_length is None else float(minimum_length)
    box = bounding_box(mask)
    parts: list[tuple[float, float, int]] = []
    voxels = 0
    if box is not None:
        crop = mask[box]
        voxels = int(np.count_nonzero(crop))
        thin = split_thin_parts(crop, spacing, radius, check=check)
        parts = [p for p in _parts(crop, thin, sampling(spacing), radius, check) if p[0] >= minimum]
    volume = float(np.prod(spacing))
    lengths = [length for length, _, _ in parts]
    total = float(sum(lengths))
    return {
        "thin_parts": len(parts),
        "thin_part_length": total,
        "thin_part_mean_length": total / len(parts) if parts else 0.0,
        "thin_part_max_length": max(lengths, default=0.0),
        "thin_part_mean_diameter": sum(ln * d for ln, d, _ in parts) / total if total else 0.0,
        "thin_part_volume": float(sum(n for _, _, n in parts)) * volume,
        "thin_part_volume_fraction": sum(n for _, _, n in parts) / voxels if voxels else 0.0,
    }


def combine_thin_parts(cells: Sequence[Mapping[str, Any]], voxels: int) -> dict[str, Any]:
    """The figures of several cells as one: counts, lengths and volumes add up, means weigh by them.

    Parameters
    ----------
    cells : sequence of mapping
        Results of `thin_part_measures`, with "voxels" beside them.
    voxels : int
        Of all cells together.
    """
    count = sum(c["thin_parts"] for c in cells)
    length = float(sum(c["thin_part_length"] for c in cells))
    weighted = sum(c["thin_part_mean_diameter"] * c["thin_part_length"] for c in cells)
    thin = sum(c["thin_part_volume_fraction"] * c["voxels"] for c in cells)
    return {
        "thin_parts": count,
        "thin_part_length": length,
        "thin_part_mean_length": length / count if count else 0.0,
        "thin_part_max_length": max((c["thin_part_max_length"] for c in cells), default=0.0),
        "thin_part_mean_diameter": weighted / length if length else 0.0,
        "thin_part_volume": float(sum(c["thin_part_volume"] for c in cells)),
        "thin_part_volume_fraction": thin / voxels if voxels else 0.0,
    }


def _parts(
    mask: np.ndarray, thin: np.ndarray, step: tuple[float, float, float], radius: float, check: Callable[[], None]
) -> list[tuple[float, float, int]]:
    """(length, mean diameter, voxels) of each connected thin part."""
    from scipy import ndimage

    pieces = find_components(thin)
    volume = float(np.prod(step))
    smallest = radius / max(step)  # fewer voxels than this cannot make up a part of length 2 * radius
    found = []
    around = np.pad(mask, 1)
    for n, (box, size) in enumerate(zip(pieces.boxes, pieces.sizes, strict=True)):
        check()
        if size < smallest or _is_sheet(box, size * volume, step, radius):
            continue
        part = np.pad(pieces.mask(n), 1)
        body = around[tuple(slice(s.start, s.stop + 2) for s in box)] & ~part
        if not np.any(body & ndimage.binary_dilation(part, np.ones((3, 3, 3), bool))):
            continue  # a thin thing of its own (debris, a piece of wall) is no part of a cell
        length, diameter = _skeleton_length(part, step)
        found.append((length, diameter, int(size)))
    return found


def _is_sheet(box: Box, volume: float, step: tuple[float, float, float], radius: float) -> bool:
    """Whether a part has more volume than threads of the thin radius could: a wall or a lamella, no filopodium."""
    diagonal = float(np.linalg.norm([(s.stop - s.start) * d for s, d in zip(box, step, strict=True)]))
    return volume > 2 * np.pi * radius**2 * diagonal


def _skeleton_length(part: np.ndarray, step: tuple[float, float, float]) -> tuple[float, float]:
    """Length of the longest path along a part's skeleton, ends included, and the part's mean diameter."""
    from skimage.morphology import skeletonize

    depth = np.sqrt(squared_distance(~part, step))
    skeleton = np.argwhere(skeletonize(part) > 0)
    if not len(skeleton):  # thinning may erase a part of a few voxels
        skeleton = np.argwhere(depth == depth.max())[:1]
    half = float(np.prod(step)) ** (1 / 3) / 2
    radii = depth[tuple(skeleton.T)]
    length, start, stop = _longest_path(skeleton, np.array(step))
    voxels, points = np.argwhere(part) * np.array(step), skeleton * np.array(step)
    if start == stop:
        length = float(np.linalg.norm(np.ptp(voxels, axis=0)))
    else:
        length += sum(_beyond(end, points, voxels, 2 * float(radii[end]) + max(step)) for end in (start, stop))
    # Half a voxel at either end, and what the slack of the body (one voxel edge) covers of the root.
    return length + 2 * half + max(step), float(2 * np.mean(radii))


def _beyond(end: int, points: np.ndarray, voxels: np.ndarray, width: float) -> float:
    """How far a part reaches beyond the end of its skeleton, which thinning shortens, in the skeleton's direction."""
    tip = points[end]
    near = points[np.linalg.norm(points - tip, axis=1) <= width]
    direction = tip - near.mean(axis=0)
    size = float(np.linalg.norm(direction))
    if size == 0:
        return 0.0
    ahead = voxels[np.linalg.norm(voxels - tip, axis=1) <= 2 * width] - tip
    return max(float(np.max(ahead @ direction)) / size, 0.0)


def _longest_path(points: np.ndarray, step: np.ndarray) -> tuple[float, int, int]:
    """Length of the longest shortest path between skeleton voxels (26-connected), and the indices of its ends."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import dijkstra
    from scipy.spatial import cKDTree

    if len(points) == 1:
        return 0.0, 0, 0
    pairs = cKDTree(points).query_pairs(1.9, output_type="ndarray")  # up to the diagonal of a voxel, sqrt(3)
    if not len(pairs):
        return 0.0, 0, 0
    lengths = np.linalg.norm((points[pairs[:, 0]] - points[pairs[:, 1]]) * step, axis=1)
    graph = coo_matrix((lengths, pairs.T), shape=(len(points), len(points))).tocsr()
    best = (0.0, 0, 0)
    # Two sweeps find the longest path of a tree, which a skeleton is but for rare small loops.
    start = int(pairs[0, 0])
    for _ in range(2):
        reach = dijkstra(graph, directed=False, indices=start)
        reach[~np.isfinite(reach)] = -1
        stop = int(np.argmax(reach))
        best = (float(reach[stop]), start, stop)
        start = stop
    return best
