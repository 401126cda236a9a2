"""Which voxels a correction may change: those around a change where the segmentation may be wrong as well.

An error reaches as far across slices as along them, so each connected change of slices drawn right opens the voxels
within a distance of its own extent. A stroke is put in the middle of what is wrong, so its depth tells more than its
extent: its distance from what already has its class. On slices drawn right, changes with small gaps between them are
one: where an outline is half a voxel off, they make no closed ring. And an error is as deep elsewhere as it proved to
be here: voxels that lie farther from every outline of the segmentation than the changes did stay as they are. So do
classes that no change touched: nothing shows them wrong.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ACSegLib.distances import capped_distance, within_distance
from ACSegLib.fill.correcting.decisions import Classes, Decisions
from ACSegLib.masks import Box, at_borders, bounding_box, box_size, grown_box, relative_box
from ACSegLib.threads import chunks_of, in_threads

#: How far an error reaches, as a multiple of its largest extent, and the bounds of this in voxels of the finest axis.
REACH_FACTOR, MIN_REACH, MAX_REACH = 1.0, 8.0, 48.0

#: Reach of an outline that proved wrong all along, as a multiple of its extent, where the image shows the right one;
#: and the size of the box in which voxels may change then, which bounds the time.
PROVEN_FACTOR, MAX_BOX = 2.0, 2**24

#: Reach of a stroke as a multiple of its depth, and the least, in voxels of the finest axis: it may lie at a surface.
#: `Testing/Benchmarks/correct_tasks.py`.
DEPTH_REACH_FACTOR, MIN_STROKE_REACH = 3.0, 4.0

#: Depth up to which it is looked for, and reach of deeper strokes as a multiple of their extent: they are smaller than
#: the errors that they mark.
DEEPEST, STROKE_REACH_FACTOR = 24.0, 2.0

#: Gap that joins two changes of slices drawn right into one error, in voxels of the finest axis.
#: `Testing/Benchmarks/correct.py`.
GAP = 4.0

#: Depth that is open, as a multiple of that of nearly all (`DEPTH_QUANTILE`) changes, and what is added, in voxels.
DEPTH_FACTOR, DEPTH_QUANTILE, DEPTH_MARGIN = 1.5, 0.98, 3.0


@dataclass(frozen=True)
class Opened:
    """Voxels that may change.

    Attributes
    ----------
    box : tuple of slice
        Holds all of them; empty slices if there are none.
    open : ndarray of bool, shape of the box
    nearness : ndarray of float32, shape of the box, or None
        Of strokes: 1 at them, falling to 0 at the distance that each of them reaches. None for slices drawn right.
    reach : float
        Largest distance from a change, in voxels of the finest axis.
    touched : set of tuple of int
        Classes, as rows of segments, that a change made or unmade.
    """

    box: Box
    open: np.ndarray
    nearness: np.ndarray | None
    reach: float
    touched: set[tuple[int, ...]]

    def may_become(self, table: Sequence[tuple[int, ...]]) -> np.ndarray:
        """Whether an open voxel may become each class of a table, bool."""
        return np.array([entry in self.touched for entry in table])


def open_voxels(
    decisions: Decisions,
    protected: np.ndarray | None,
    spacing: Sequence[float],
    reach: float | None,
    check: Callable[[], None] = lambda: None,
) -> Opened:
    """Find the voxels that may change.

    Parameters
    ----------
    decisions : Decisions
    protected : ndarray of bool, shape (k, j, i), optional
        Voxels that may not change.
    spacing : sequence of float
        Along (k, j, i), in voxels of the finest axis.
    reach : float, optional
        Distance from a change within which voxels may change; found from the extent of each change if left out.
    check : callable, optional
        Called often; may raise `Cancelled`.
    """
    changes = bounding_box(decisions.changed)
    if changes is None:
        return Opened((slice(0, 0),) * 3, np.zeros((0, 0, 0), bool), None, 0.0, set())
    given = None if reach is None else {float(reach): decisions.changed[changes]}
    reaches = given or _reaches(decisions, changes, spacing, check)
    largest = max(reaches)
    box = grown_box(changes, largest, spacing, decisions.changed.shape)
    inner = relative_box(changes, box)
    nearness = np.zeros([side.stop - side.start for side in box], bool if decisions.whole_slices else np.float32)
    for distance, part in reaches.items():
        mask = np.zeros(nearness.shape, bool)
        mask[inner] = part
        own = bounding_box(mask)
        assert own is not None
        around = grown_box(own, distance, spacing, mask.shape)
        near = _nearness(mask[around], spacing, distance, decisions.whole_slices, check)
        np.maximum(nearness[around], near, out=nearness[around])
    classes, changed = decisions.classes(box), decisions.changed[box]
    touched = np.union1d(classes.before[changed], classes.after[changed])
    near = _shallow(classes, changed, spacing, check)
    is_touched = np.zeros(len(classes.table), bool)
    is_touched[touched] = True
    closed = [decisions.known[box]] if protected is None else [decisions.known[box], protected[box]]

    def restrict(part: slice) -> None:
        near[part] &= nearness[part] > 0
        near[part] &= is_touched[classes.before[part]]
        for mask in closed:
            near[part] &= ~mask[part]

    in_threads(restrict, chunks_of(near), check)
    return Opened(box, near, None if decisions.whole_slices else nearness, largest, {classes.table[c] for c in touched})


def proven_reach(decisions: Decisions, spacing: Sequence[float]) -> float:
    """How far voxels may change where slices drawn right prove that the image shows the borders everywhere.

    This is `MAX_REACH`, in voxels of the finest axis. An outline that was wrong all along is wrong elsewhere, too.
    Then it is `PROVEN_FACTOR` times the extent of the changes, within a box of `MAX_BOX` voxels, if that is farther.
    """
    changes = bounding_box(decisions.changed)
    if changes is None or not decisions.wrong_all_along:
        return MAX_REACH
    extent = max((side.stop - side.start) * h for side, h in zip(changes, spacing, strict=True))
    reaches = np.arange(MAX_REACH, max(PROVEN_FACTOR * extent, MAX_REACH) + 1).tolist()
    shape = decisions.changed.shape
    fitting = bisect_right(reaches, MAX_BOX, key=lambda reach: box_size(grown_box(changes, reach, spacing, shape)))
    return float(reaches[max(fitting - 1, 0)])


def _nearness(
    mask: np.ndarray, spacing: Sequence[float], distance: float, whole_slices: bool, check: Callable[[], None]
) -> np.ndarray:
    """1 at a mask, falling to 0 at some distance, float32; for slices drawn right whether it is nearer, bool."""
    if whole_slices:
        return within_distance(mask, spacing, distance, check=check)
    distance = max(distance, 1e-3)
    return 1 - capped_distance(mask, spacing, distance, check) / np.float32(distance)


def _reaches(
    decisions: Decisions, changes: Box, spacing: Sequence[float], check: Callable[[], None]
) -> dict[float, np.ndarray]:
    """Distance -> the changes that reach so far; the distances are in steps of a factor of the root of two."""
    changed = decisions.changed[changes]
    joined = within_distance(changed, spacing, GAP / 2, check=check) if decisions.whole_slices else changed
    parts = np.where(changed, ndimage.label(joined, np.ones((3, 3, 3)))[0], 0)
    masks: dict[float, np.ndarray] = {}
    for number, box in enumerate(ndimage.find_objects(parts), start=1):
        check()
        if box is None:
            continue
        part = parts[box] == number
        extent = max((side.stop - side.start) * h for side, h in zip(box, spacing, strict=True))
        if decisions.whole_slices:
            wanted = np.clip(REACH_FACTOR * extent, MIN_REACH, MAX_REACH)
        else:
            wanted = np.clip(_stroke_reach(decisions, changes, box, part, extent, spacing), MIN_STROKE_REACH, MAX_REACH)
        distance = min(MAX_REACH, float(2 ** (np.ceil(2 * np.log2(wanted)) / 2)))
        mask = masks.setdefault(distance, np.zeros(changed.shape, bool))
        mask[box] |= part
    return masks


def _stroke_reach(
    decisions: Decisions,
    changes: Sequence[slice],
    box: Sequence[slice],
    part: np.ndarray,
    extent: float,
    spacing: Sequence[float],
) -> float:
    """How far the error around a stroke reaches: some times the depth of the stroke, or its extent where it is deep."""
    place = [slice(a.start + b.start, a.start + b.stop) for a, b in zip(changes, box, strict=True)]
    around = grown_box((place[0], place[1], place[2]), DEEPEST, spacing, decisions.changed.shape)
    classes = decisions.classes(around)
    stroke = np.zeros(classes.before.shape, bool)
    stroke[relative_box(place, around)] = part
    depth = 0.0
    for c in np.unique(classes.after[stroke]):
        away = capped_distance(classes.before == c, spacing, DEEPEST)
        depth = max(depth, float(away[stroke & (classes.after == c)].max()))
    if depth < DEEPEST:
        return DEPTH_REACH_FACTOR * depth
    if (classes.before[stroke] > 0).all() and (classes.after[stroke] > 0).all():
        return MAX_REACH  # all of an object has the name of another one
    return STROKE_REACH_FACTOR * extent


def _shallow(classes: Classes, changed: np.ndarray, spacing: Sequence[float], check: Callable[[], None]) -> np.ndarray:
    """Voxels that lie no deeper in their class than nearly all changes did, background and segments apart."""
    before = classes.before
    outlines = at_borders(before)
    if not outlines.any():
        return np.ones(before.shape, bool)
    background = before == 0
    limits = []
    cap = max(MAX_REACH, *before.shape)
    for mask in (background, ~background):
        depths = _depths(outlines, changed & mask, spacing, cap, check)
        limits.append(
            DEPTH_FACTOR * float(np.quantile(depths, DEPTH_QUANTILE)) + DEPTH_MARGIN if len(depths) else DEPTH_MARGIN
        )
    depth = capped_distance(outlines, spacing, max(limits) + 1, check)
    shallow = np.empty(before.shape, bool)

    def compare(part: slice) -> None:
        shallow[part] = depth[part] <= np.where(background[part], limits[0], limits[1])

    in_threads(compare, chunks_of(shallow), check)
    return shallow


def _depths(
    outlines: np.ndarray, where: np.ndarray, spacing: Sequence[float], cap: float, check: Callable[[], None]
) -> np.ndarray:
    """Distance of some voxels to the outlines, computed around these voxels alone."""
    distance, size = np.zeros(0), 4.0
    place = bounding_box(where)
    while place is not None:
        around = grown_box(place, size, spacing, where.shape)
        distance = capped_distance(outlines[around], spacing, size, check)[where[around]]
        if size >= cap or float(np.mean(distance < size)) >= DEPTH_QUANTILE:
            break
        size *= 4
    return distance
