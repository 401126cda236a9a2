"""Closed outlines: thin lines around a region of a plane, also an oblique one, told apart from strokes and slices.

A person who draws only the contour of a cell means the region inside of it. Such a line is thin everywhere, closes upon
itself, and encloses more than a loop of a stroke does. Lines on slice after slice are dense labels, such as a shell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ACSegLib.axes import AXES
from ACSegLib.volume import Segment, Segmentation

#: Largest distance of a line's voxels from its border: lines up to four voxels wide. A ring of a structure is wider.
#: A share of them may lie deeper, where the line runs close to itself, around a bump of the cell.
MAX_LINE_DEPTH, MAX_DEEPER = 2.3, 0.03

#: Area that an outline encloses, in voxels, at least; and its share of the squared length of the line (a circle: 0.08).
MIN_AREA, MIN_ROUNDNESS = 9, 0.01

#: Share of the enclosed voxels that other labels cover, at most. A wall or membrane encloses what was labelled too; an
#: outline may enclose a dab, or another outline. One line of a segment that encloses more decides for all of them.
MAX_COVERED = 0.05

#: Label values up to this are looked at.
MAX_VALUE = 1 << 16

#: Share of the voxels around a segment's labels that these take, at most; they are dense otherwise.
MAX_SHARE = 0.5

#: Share of a slice's voxels that have none on adjacent slices, at least: lines of other planes may cross an outline.
MIN_ALONE = 0.25

#: More adjacent slices than these with outlines are a tube or a shell.
MAX_ADJACENT = 2

#: Voxels around an outline that are background: farther than the first distance, up to the second one.
RING = (1.0, 4.0)

#: Share of a segment's voxels that have labelled voxels all around them on a slice, at most, in lines.
MAX_AREAS = 0.2

#: Oblique planes: voxels of a line, at least; planes tried; triples of voxels tried for each; voxels looked at.
MIN_LINE, MAX_PLANES, TRIPLES, MAX_PLACES = 16, 12, 200, 100_000

#: Distance of the voxels of an oblique line from its plane, at most, in voxels.
PLANE_DISTANCE = 1.0


@dataclass(frozen=True)
class Outline:
    """An outline and what it says. The places are indices (k, j, i), shape (3, N).

    Attributes
    ----------
    segment : Segment
    line, inside, around : ndarray of int
        The line, what it encloses, and the voxels near it outside, on its plane.
    plane : tuple of (int, int) or None
        Array axis and slice; None for an oblique plane.
    """

    segment: Segment
    line: np.ndarray
    inside: np.ndarray
    around: np.ndarray
    plane: tuple[int, int] | None

    def moved(self, start: Sequence[int]) -> Outline:
        """The outline in the volume, of one in a part of it that starts at (k, j, i)."""
        line, inside, around = (part + np.asarray(start)[:, None] for part in (self.line, self.inside, self.around))
        plane = None if self.plane is None else (self.plane[0], self.plane[1] + start[self.plane[0]])
        return Outline(self.segment, line, inside, around, plane)

    @property
    def place(self) -> str:
        """Where it lies, for a message."""
        return "an oblique plane" if self.plane is None else f"{AXES[self.plane[0]]} = {self.plane[1]}"


def find_outlines(labels: Segmentation, rows: Sequence[Segment] | None = None) -> list[Outline]:
    """Find closed outlines, the largest first.

    They count only if they enclose at least as much as is labelled beside them: a thin ring among labelled slices is
    what it looks like.

    Parameters
    ----------
    labels : Segmentation
    rows : sequence of Segment, optional
        Segments that stand for structures; all by default.
    """
    segments = labels.segments if rows is None else rows
    boxes = [ndimage.find_objects(layer) if layer.max(initial=0) <= MAX_VALUE else [] for layer in labels.layers]
    outlines: list[Outline] = []
    for segment in segments:
        known = boxes[segment.layer]
        box = known[segment.value - 1] if segment.value <= len(known) else None
        if box is not None:
            margin = int(RING[1]) + 1
            box = tuple(slice(max(side.start - margin, 0), side.stop + margin) for side in box)
            found = _outlines_of(segment, labels.layers[segment.layer][box] == segment.value)
            outlines += [o.moved([side.start for side in box]) for o in found]
    if not outlines:
        return []
    others = labels.occupied()
    for segment in labels.segments:
        if segment not in segments:
            others &= ~labels.mask(segment)
    for outline in outlines:
        others[tuple(outline.line)] = False
    walls = {o.segment.id for o in outlines if others[tuple(o.inside)].mean() > MAX_COVERED}
    outlines = [o for o in outlines if o.segment.id not in walls]
    if sum(o.inside.shape[1] for o in outlines) < np.count_nonzero(others):
        return []
    return sorted(outlines, key=lambda o: -o.inside.shape[1])


def _outlines_of(segment: Segment, mask: np.ndarray) -> list[Outline]:
    """Outlines of a segment: first on slices, then on oblique planes."""
    used = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    if not len(used[0]):
        return []
    numbers = [np.unique(np.clip([n - 1, n, n + 1], 0, size - 1)) for n, size in zip(used, mask.shape, strict=True)]
    packed = mask[np.ix_(*numbers)]  # sparse labels take a small part of the volume
    count = int(np.count_nonzero(packed))
    if count > MAX_SHARE * packed.size:
        return []
    outlines = []
    for axis in range(3):
        slices = [int(numbers[axis][n]) for n in _lone_slices(packed, axis)]
        outlines += [o for n in _without_stacks(slices) for o in _on_slice(segment, mask, axis, n)]
    if count > MAX_PLACES or _holds_areas(packed, count):
        return outlines
    rest = mask.copy()
    for outline in outlines:
        rest[tuple(outline.line)] = False
    return [*outlines, *_on_oblique_planes(segment, mask, rest)]


def _holds_areas(mask: np.ndarray, count: int) -> bool:
    """Whether much of the labels are areas of slices, as labelled slices have, and not lines."""
    squares = (np.ones([1 if a == axis else 3 for a in range(3)]) for axis in range(3))
    return any(np.count_nonzero(ndimage.binary_erosion(mask, square)) > MAX_AREAS * count for square in squares)


def _lone_slices(mask: np.ndarray, axis: int) -> list[int]:
    """Slices of an array axis with labels that those of the adjacent slices do not go on from."""
    planes = np.moveaxis(mask, axis, 0)
    alone = planes.copy()
    alone[1:] &= ~planes[:-1]
    alone[:-1] &= ~planes[1:]
    voxels, lone = (np.count_nonzero(part, axis=(1, 2)) for part in (planes, alone))
    return np.flatnonzero((lone > MIN_ALONE * voxels) & (voxels >= MIN_LINE // 2)).tolist()


def _without_stacks(numbers: list[int]) -> list[int]:
    """Leave out more than some adjacent slices."""
    known, stacked = set(numbers), set()
    for n in numbers:
        stack = {n + step for step in range(MAX_ADJACENT + 1)}
        stacked |= stack if stack <= known else set()
    return [n for n in numbers if n not in stacked]


def _on_slice(segment: Segment, mask: np.ndarray, axis: int, number: int) -> Iterator[Outline]:
    """Outlines on a slice of an array axis."""
    for parts in _closed_lines(np.moveaxis(mask, axis, 0)[number]):
        line, inside, around = (np.insert(np.stack(np.nonzero(part)), axis, number, axis=0) for part in parts)
        yield Outline(segment, line, inside, around, (axis, number))


def _closed_lines(plane: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Closed lines of a plane, with what each encloses and what is near it outside; all bool, shape of the plane.

    Gaps of two voxels are closed.
    """
    if np.count_nonzero(plane) < MIN_LINE // 2:
        return
    square = np.ones((3, 3))
    parts, _count = ndimage.label(ndimage.binary_dilation(plane, square), square)
    for number, box in enumerate(ndimage.find_objects(parts), 1):
        if min(side.stop - side.start for side in box) < 7:
            continue
        reach = int(RING[1]) + 1
        wide = tuple(slice(max(s.start - reach, 0), s.stop + reach) for s in box)
        found = _closed_line((parts[wide] == number) & plane[wide])
        if found is None:
            continue
        whole = tuple(np.zeros(plane.shape, bool) for _ in found)
        for target, part in zip(whole, found, strict=True):
            target[wide] = part
        yield whole[0], whole[1], whole[2]


def _closed_line(line: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """The line, its inside and its surroundings, if it is a closed thin line."""
    depths = ndimage.distance_transform_edt(np.pad(line, 1))
    depth = float(np.quantile(depths[depths > 0], 1 - MAX_DEEPER))
    if depth > MAX_LINE_DEPTH:
        return None
    square = np.ones((3, 3))
    wide = ndimage.binary_fill_holes(ndimage.binary_dilation(np.pad(line, 2), square))
    filled = ndimage.binary_erosion(wide, square)[2:-2, 2:-2] | line
    inside = filled & ~line
    area = np.count_nonzero(inside)
    length = np.count_nonzero(line) / (2 * depth - 1)
    if area < max(MIN_AREA, MIN_ROUNDNESS * length**2):
        return None
    if ndimage.distance_transform_edt(inside).max() < 2 * depth:
        return None
    away = ndimage.distance_transform_edt(~filled)
    around = (away > RING[0]) & (away <= RING[1])
    return line, inside, around


def _on_oblique_planes(segment: Segment, mask: np.ndarray, rest: np.ndarray) -> Iterator[Outline]:
    """Outlines on oblique planes, which are found one after the other (RANSAC) in the voxels that are left over."""
    places = np.argwhere(rest).astype(float)
    if not MIN_LINE <= len(places) <= MAX_PLACES:
        return
    every = np.argwhere(mask)
    rng = np.random.default_rng(0)
    for _ in range(MAX_PLANES):
        plane = _fullest_plane(places, rng)
        if plane is None:
            return
        centre, normal = plane
        on_plane = np.abs((every - centre) @ normal) <= PLANE_DISTANCE
        yield from _on_oblique_plane(segment, every[on_plane], centre, normal, mask.shape)
        places = places[np.abs((places - centre) @ normal) > PLANE_DISTANCE]


def _fullest_plane(places: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """Point and unit normal of the plane that most voxels lie on; None where few are left."""
    if len(places) < MIN_LINE:
        return None
    sample = places[rng.permutation(len(places))[:500]]
    corners = sample[rng.integers(len(sample), size=(TRIPLES, 3))]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sizes = np.linalg.norm(normals, axis=1)
    corners, normals = corners[sizes > MIN_LINE], normals[sizes > MIN_LINE] / sizes[sizes > MIN_LINE, None]
    if not len(normals):
        return None
    heights = sample @ normals.T - np.einsum("nd,nd->n", corners[:, 0], normals)
    best = int(np.argmax(np.count_nonzero(np.abs(heights) <= PLANE_DISTANCE, axis=0)))
    centre, normal = corners[best, 0], normals[best]
    for _ in range(3):
        near = places[np.abs((places - centre) @ normal) <= PLANE_DISTANCE]
        if len(near) < MIN_LINE:
            return None
        centre = near.mean(0)
        normal = np.linalg.eigh(np.cov(near.T))[1][:, 0]
    return centre, normal


def _on_oblique_plane(
    segment: Segment, places: np.ndarray, centre: np.ndarray, normal: np.ndarray, shape: tuple[int, ...]
) -> Iterator[Outline]:
    """Outlines among voxels (N, 3) of a plane, seen along the axis that its normal is closest to."""
    axis = int(np.argmax(np.abs(normal)))
    if np.ptp(places[:, axis]) < 2:
        return
    across = [a for a in range(3) if a != axis]
    seen = np.zeros([shape[a] for a in across], bool)
    seen[tuple(places[:, across].T)] = True

    def on_plane(pixels: np.ndarray) -> np.ndarray:
        rows, columns = np.nonzero(pixels)
        rise = (rows - centre[across[0]]) * normal[across[0]] + (columns - centre[across[1]]) * normal[across[1]]
        heights = np.rint(centre[axis] - rise / normal[axis]).astype(int)
        within = (heights >= 0) & (heights < shape[axis])
        return np.insert(np.stack([rows, columns]), axis, heights, axis=0)[:, within]

    for line, inside, around in _closed_lines(seen):
        own = places[line[tuple(places[:, across].T)]].T
        yield Outline(segment, own, on_plane(inside), on_plane(around), None)
