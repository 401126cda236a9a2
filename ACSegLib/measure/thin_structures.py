"""Thin structures of a cell (filopodia): how many, how long, how much volume.

A voxel belongs to a thin structure if no ball of the given radius that fits inside the cell covers it
(`ACSegLib.postprocess.thin_structures.thinner_than`). Those that are attached to the cell's body and are long enough
count; each is measured along its skeleton (Lee, Kashyap, Chu, CVGIP 56 (1994) 462-478).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ACSegLib.components import find_components
from ACSegLib.distances import as_mask, sampling, squared_distance
from ACSegLib.json_values import Row
from ACSegLib.masks import Box, bounding_box
from ACSegLib.postprocess.thin_structures import thinner_than


@dataclass(frozen=True)
class ThinStructures:
    """What was measured of the thin structures of a mask.

    Attributes
    ----------
    count : int
    length, mean_length, max_length, mean_diameter : float
        In the unit of the spacing; the mean diameter weighs structures by their length.
    volume : float
        In the cubic unit.
    volume_fraction : float
        Of the mask.
    """

    count: int
    length: float
    max_length: float
    mean_diameter: float
    volume: float
    volume_fraction: float

    @property
    def mean_length(self) -> float:
        """Mean length; 0 without structures."""
        return self.length / self.count if self.count else 0.0

    def as_row(self) -> Row:
        """The columns of a table."""
        return {
            "thin_parts": self.count,
            "thin_part_length": self.length,
            "thin_part_mean_length": self.mean_length,
            "thin_part_max_length": self.max_length,
            "thin_part_mean_diameter": self.mean_diameter,
            "thin_part_volume": self.volume,
            "thin_part_volume_fraction": self.volume_fraction,
        }


@dataclass(frozen=True)
class _Structure:
    length: float
    diameter: float
    voxels: int


def measure_thin_structures(
    mask: np.ndarray,
    spacing: Sequence[float],
    radius: float,
    *,
    check: Callable[[], None] = lambda: None,
) -> ThinStructures:
    """Count and measure the thin structures of a mask.

    Parameters
    ----------
    mask : ndarray, shape (k, j, i)
        Non-zero inside.
    spacing : sequence of float
        Voxel size along (i, j, k).
    radius : float
        A structure is thin where no ball of this radius fits, in the unit of `spacing`. Those shorter than twice the
        radius are roughness, not filopodia, and do not count.
    check : callable
        Called often; may raise to cancel.
    """
    mask = as_mask(mask)
    box = bounding_box(mask)
    structures: list[_Structure] = []
    voxels = 0
    if box is not None:
        crop = mask[box]
        voxels = int(np.count_nonzero(crop))
        thin = thinner_than(crop, spacing, radius, check=check)
        structures = [s for s in _structures(crop, thin, sampling(spacing), radius, check) if s.length >= 2 * radius]
    length = float(sum(s.length for s in structures))
    inside = sum(s.voxels for s in structures)
    return ThinStructures(
        count=len(structures),
        length=length,
        max_length=max((s.length for s in structures), default=0.0),
        mean_diameter=sum(s.length * s.diameter for s in structures) / length if length else 0.0,
        volume=float(inside) * float(np.prod(spacing)),
        volume_fraction=inside / voxels if voxels else 0.0,
    )


def combine_thin_structures(cells: Sequence[Row], voxels: int) -> ThinStructures:
    """The thin structures of several cells as one: counts, lengths and volumes add up, means weigh by them.

    Parameters
    ----------
    cells : sequence of rows
        Rows with the columns of `ThinStructures.as_row` and "voxels".
    voxels : int
        Of all cells together.
    """
    length = float(sum(c["thin_part_length"] for c in cells))
    weighted = sum(c["thin_part_mean_diameter"] * c["thin_part_length"] for c in cells)
    thin = sum(c["thin_part_volume_fraction"] * c["voxels"] for c in cells)
    return ThinStructures(
        count=sum(c["thin_parts"] for c in cells),
        length=length,
        max_length=max((c["thin_part_max_length"] for c in cells), default=0.0),
        mean_diameter=weighted / length if length else 0.0,
        volume=float(sum(c["thin_part_volume"] for c in cells)),
        volume_fraction=thin / voxels if voxels else 0.0,
    )


def _structures(
    mask: np.ndarray, thin: np.ndarray, step: tuple[float, float, float], radius: float, check: Callable[[], None]
) -> list[_Structure]:
    """Each connected thin structure that is attached to the body and is no sheet."""
    from scipy import ndimage

    components = find_components(thin)
    volume = float(np.prod(step))
    smallest = radius / max(step)  # fewer voxels than this cannot make up a part of length 2 * radius
    structures = []
    around = np.pad(mask, 1)
    for n, (box, size) in enumerate(zip(components.boxes, components.sizes, strict=True)):
        check()
        if size < smallest or _is_sheet(box, size * volume, step, radius):
            continue
        part = np.pad(components.mask(n), 1)
        body = around[tuple(slice(s.start, s.stop + 2) for s in box)] & ~part
        if not np.any(body & ndimage.binary_dilation(part, np.ones((3, 3, 3), bool))):
            continue  # it is detached (debris, a fragment of the wall) and belongs to no cell
        structures.append(_Structure(*_skeleton_length(part, step), int(size)))
    return structures


def _is_sheet(box: Box, volume: float, step: tuple[float, float, float], radius: float) -> bool:
    """Whether a structure has more volume than threads of the thin radius: a wall or a lamella, no filopodium."""
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
