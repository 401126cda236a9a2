"""What a person decided: the differences between a segmentation and the same one after corrections.

A voxel whose class differs was decided. On a slice that was drawn right as a whole, every voxel was: the person looked
at all of it. Such a slice is named, or it is recognised by its changes: they move most of its outlines, and the slices
beside it have hardly any. If changes run along most of the outlines of nearly every slice, whichever way one
looks, the volume was drawn right as a whole.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import ndimage

from ACSegLib.axes import AXES, both_names, checked_axis, united_slices
from ACSegLib.errors import InputError
from ACSegLib.fill.seeds import combine
from ACSegLib.geometry import size_text
from ACSegLib.labelled_slices import mark_slices
from ACSegLib.masks import Box, at_borders, bounding_box
from ACSegLib.oblique_labels import oblique_planes
from ACSegLib.threads import chunks_of, in_threads
from ACSegLib.unfilled_labels import few_slices
from ACSegLib.volume import Segment, Segmentation

#: Share of the outlines of a slice that has changes within `NEAR_OUTLINE` voxels, from which on it was redrawn.
REDRAWN_SHARE, NEAR_OUTLINE = 0.5, 2

#: Share of the earlier outlines (a pixel on either side) that changed itself, at least.
MIN_MOVED = 0.15

#: Extent of the changes of a redrawn slice along either side, in voxels, at least: a line is no slice.
MIN_EXTENT = 5

#: Changes of the slices beside a redrawn one, as a share of its own, at most.
MAX_BESIDE = 0.25

#: Share of the slices that hold a segment, along each axis, that changed if the whole volume was drawn right.
NEARLY_ALL = 0.75


@dataclass(frozen=True)
class Decisions:
    """The differences between a segmentation and its correction.

    Attributes
    ----------
    segmentation, corrected : Segmentation
    partners : dict
        Row of the segmentation -> row of the corrected one.
    changed : ndarray of bool, shape (k, j, i)
        Voxels whose class differs.
    known : ndarray of bool, shape (k, j, i)
        Voxels that the person decided: those that changed, those of `slices`, and those decided earlier.
    fresh : ndarray of bool, shape (k, j, i)
        Those of `known` that were not decided earlier: they tell how wrong the segmentation is.
    slices : dict
        Axis name -> slices that were decided as a whole.
    notes : list of str
        What a user should know.
    """

    segmentation: Segmentation
    corrected: Segmentation
    partners: dict[int, int]
    changed: np.ndarray
    known: np.ndarray
    fresh: np.ndarray
    slices: dict[str, list[int]]
    notes: list[str] = field(default_factory=list)

    def classes(self, box: Box) -> Classes:
        """The classes in a box."""
        return _classes(self.segmentation, self.corrected, self.partners, box)

    @property
    def whole_slices(self) -> bool:
        """Whether any slice was decided as a whole; otherwise there are strokes alone."""
        return any(self.slices.values())

    @property
    def wrong_all_along(self) -> bool:
        """Whether changes run along most of the outlines of a slice that was decided as a whole."""
        return any(_slice_redrawn(self, AXES.index(axis), n) for axis, numbers in self.slices.items() for n in numbers)


@dataclass(frozen=True)
class Classes:
    """Classes in a box, in one table for both segmentations.

    Attributes
    ----------
    before, after : ndarray of int16, shape (k, j, i)
        0 for background, or an index of `table`.
    table : list of tuple of int
        Class -> rows of the corrected segmentation that it belongs to; class 0 is background, ().
    """

    before: np.ndarray
    after: np.ndarray
    table: list[tuple[int, ...]]


def find_decisions(
    segmentation: Segmentation,
    corrected: Segmentation,
    slices: Mapping[str, list[int]] | None = None,
    decided: np.ndarray | None = None,
) -> Decisions:
    """Compare a segmentation with its correction.

    Parameters
    ----------
    segmentation, corrected : Segmentation
        On the same grid. Segments are matched by id, then by name, then by label value.
    slices : mapping, optional
        Axis name -> slices that were decided as a whole, whether something changed on them or not.
    decided : ndarray of bool, shape (k, j, i), optional
        Voxels that were decided earlier; they are as `corrected` has them.

    Raises
    ------
    InputError
        If the two differ in shape, if one of them holds a few slices only, if a slice does not exist, or if nothing was
        decided.
    """
    if segmentation.shape != corrected.shape:
        raise InputError(
            f"the segmentation has {size_text(segmentation.shape)} voxels and the corrected one "
            f"{size_text(corrected.shape)}; correct a copy of the segmentation itself."
        )
    if not segmentation.segments and not corrected.segments:
        raise InputError(f"segmentation {segmentation.name!r} has no segment, so there is nothing to correct.")
    named = _checked_slices(slices or {}, corrected.shape)
    partners, notes = match_segments(segmentation, corrected)
    changed = _changed(segmentation, corrected, partners)
    if not changed.any() and not named:
        deleted = [s.name for row, s in enumerate(segmentation.segments) if row not in partners]
        but = f" but for the deleted segments {', '.join(map(repr, deleted))}" if deleted else ""
        raise InputError(
            f"the corrected segmentation does not differ from the segmentation{but}, so nothing says what is wrong; "
            "draw a slice right or correct some voxels, or name the slices that you checked (--slices)."
        )
    _require_whole(segmentation, corrected, changed)
    if changed.any() and not _has_voxels(segmentation):
        notes.append(
            "the segmentation was empty before your changes; to compute one from labelled slices or strokes, use the "
            "fill, which reaches farther."
        )
    decisions = Decisions(segmentation, corrected, partners, changed, changed, changed, named, notes)
    if _redrawn_everywhere(decisions):
        notes.append(
            "you changed the outlines on nearly every slice, so the whole volume is taken as you left it, and nothing "
            "else is corrected; to have the rest computed, correct a few slices only."
        )
        return replace(decisions, known=np.ones_like(changed), fresh=np.ones_like(changed))
    whole = united_slices(named, _redrawn(decisions))
    fresh = mark_slices(changed.shape, whole, changed) if whole else changed
    known = fresh if decided is None else fresh | decided
    return replace(decisions, known=known, fresh=fresh, slices=whole)


def _require_whole(segmentation: Segmentation, corrected: Segmentation, changed: np.ndarray) -> None:
    """Refuse labels of a few slices in the place of a segmentation, or of its corrected copy: all else was not erased.

    Looked for where most voxels changed: it takes time.
    """
    before, after = (sum(map(np.count_nonzero, labels.layers)) for labels in (segmentation, corrected))
    if 2 * np.count_nonzero(changed) <= max(before, after):
        return
    if 0 < before < after and (found := few_slices(segmentation)):
        raise InputError(
            f"{segmentation.name!r}: the labels lie on {found} only, so that there is no segmentation to correct; fill "
            "between the slices first."
        )
    if after < before and (found := few_slices(corrected, single=not few_slices(segmentation, single=True))):
        raise InputError(
            f"{corrected.name!r}: the labels lie on {found} only, and all others of {segmentation.name!r} would be "
            "erased; draw the slices right in a copy of the segmentation, and give this copy."
        )


def _checked_slices(slices: Mapping[str, list[int]], shape: tuple[int, ...]) -> dict[str, list[int]]:
    checked: dict[str, list[int]] = {}
    for name, numbers in slices.items():
        axis = checked_axis(name)
        size = shape[AXES.index(axis)]
        wrong = [n for n in numbers if not 0 <= n < size]
        if wrong:
            raise InputError(
                f"slice {wrong[0]} does not exist on axis {both_names(axis)}: it has slices 0 to {size - 1}."
            )
        if len(numbers):
            checked[axis] = sorted({int(n) for n in numbers})
    return checked


def match_segments(segmentation: Segmentation, corrected: Segmentation) -> tuple[dict[int, int], list[str]]:
    """Row of the segmentation -> row of the corrected one, and what a user should know of the others."""
    partners: dict[int, int] = {}
    free = dict(enumerate(corrected.segments))
    notes: list[str] = []
    tests: list[tuple[str, Callable[[Segment, Segment], bool]]] = [
        ("id", lambda a, b: a.id == b.id),
        ("name", lambda a, b: a.name == b.name),
        ("value", lambda a, b: _renamed(segmentation, a, corrected, b)),
    ]
    for _kind, same in tests:
        for row, segment in enumerate(segmentation.segments):
            partner = next((r for r, s in free.items() if row not in partners and same(segment, s)), None)
            if partner is not None:
                partners[row] = partner
                if free.pop(partner).name != segment.name:
                    new = corrected.segments[partner].name
                    notes.append(f"segment {segment.name!r} is called {new!r} in the corrected segmentation.")
    missing = [s.name for row, s in enumerate(segmentation.segments) if row not in partners]
    notes += [f"segment {name!r} was deleted; the result does not have it." for name in missing]
    notes += [f"segment {segment.name!r} is new." for segment in free.values()]
    return partners, notes


def is_number(segment: Segment) -> bool:
    """Whether a segment has the id and the name that a label value gets."""
    return segment.id == segment.name == f"Segment_{segment.value}"


def _renamed(segmentation: Segmentation, before: Segment, corrected: Segmentation, after: Segment) -> bool:
    """Whether segments of other ids and names are one: they have the same label value, and share a voxel.

    Values are given anew, so that a new segment may have that of a deleted one. A mere number says what it means.
    """
    if (before.layer, before.value) != (after.layer, after.value):
        return False
    if is_number(before) or is_number(after):
        return True
    return bool((segmentation.mask(before) & corrected.mask(after)).any())


def _changed(segmentation: Segmentation, corrected: Segmentation, partners: Mapping[int, int]) -> np.ndarray:
    """Voxels whose class differs, bool."""
    rows = [(segmentation.segments[a], corrected.segments[b]) for a, b in partners.items()]
    alike = len(rows) == len(segmentation.segments) and len(segmentation.layers) == len(corrected.layers)
    if alike and all((a.layer, a.value) == (b.layer, b.value) for a, b in rows):
        changed = np.empty(segmentation.shape, bool)

        def compare(part: slice) -> None:
            changed[part] = False
            for old, new in zip(segmentation.layers, corrected.layers, strict=True):
                changed[part] |= old[part] != new[part]

        in_threads(compare, chunks_of(changed))
        return changed
    classes = _classes(segmentation, corrected, partners, (slice(None),) * 3)
    return classes.before != classes.after


def _classes(
    segmentation: Segmentation, corrected: Segmentation, partners: Mapping[int, int], box: Box | tuple[np.ndarray, ...]
) -> Classes:
    after, table = combine(_part(corrected, box), range(len(corrected.segments)))
    before, entries = combine(_part(segmentation, box), sorted(partners))
    translate = np.zeros(len(entries), np.int16)
    for c, rows in enumerate(entries):
        entry = tuple(sorted(partners[row] for row in rows))
        if entry not in table:
            table.append(entry)
        translate[c] = table.index(entry)
    if not np.array_equal(translate, np.arange(len(translate))):
        before = np.take(translate, before)
    return Classes(before, after, table)


def _part(segmentation: Segmentation, box: Box | tuple[np.ndarray, ...]) -> Segmentation:
    return Segmentation(tuple(layer[box] for layer in segmentation.layers), segmentation.segments)


def _redrawn(decisions: Decisions) -> dict[str, list[int]]:
    """Slices whose changes run along most of their outlines, beside slices that have hardly any."""
    slices: dict[str, list[int]] = {}
    box = bounding_box(decisions.changed)
    if box is None:
        return slices
    inside = decisions.changed[box]
    for axis, name in enumerate(AXES):
        counts = np.count_nonzero(inside, axis=tuple(a for a in range(3) if a != axis))
        beside = np.maximum(np.append(counts[1:], 0), np.append(0, counts[:-1]))
        for n in np.flatnonzero((counts > 0) & (beside <= MAX_BESIDE * counts)).tolist():
            number = n + box[axis].start
            if _slice_redrawn(decisions, axis, number):
                slices.setdefault(name, []).append(number)
    return slices


def _slice_redrawn(decisions: Decisions, axis: int, number: int) -> bool:
    plane = [slice(None)] * 3
    plane[axis] = slice(number, number + 1)
    return _outlines_redrawn(
        decisions.classes((plane[0], plane[1], plane[2])), np.take(decisions.changed, number, axis), axis
    )


def _redrawn_everywhere(decisions: Decisions) -> bool:
    """Whether changes run along most of the outlines, on nearly every slice that holds a segment, along every axis."""
    box = bounding_box(decisions.changed)
    if box is None or not _has_voxels(decisions.segmentation):
        return False
    if not all(_nearly_all_changed(decisions, axis, box) for axis in range(3)):
        return False
    near = outlines = 0
    for number in range(box[0].start, box[0].stop):
        classes = decisions.classes((slice(number, number + 1), slice(None), slice(None)))
        counts = _near_changes(_outlines_of_both(classes, 0), decisions.changed[number])
        near, outlines = near + counts[0], outlines + counts[1]
    return near >= REDRAWN_SHARE * outlines


def _has_voxels(segmentation: Segmentation) -> bool:
    """Whether any voxel is labelled; the first plane that has one ends the search."""
    return any(plane.any() for layer in segmentation.layers for plane in layer)


def _nearly_all_changed(decisions: Decisions, axis: int, box: Box) -> bool:
    """Whether there are changes, in a box that holds all, on nearly every slice along an axis that holds a segment."""
    changed = np.zeros(decisions.changed.shape[axis], bool)
    changed[box[axis]] = decisions.changed[box].any(axis=tuple(a for a in range(3) if a != axis))
    layers = (*decisions.segmentation.layers, *decisions.corrected.layers)
    untouched = (n for n in np.flatnonzero(~changed).tolist() if any(np.take(a, n, axis).any() for a in layers))
    most = int((1 - NEARLY_ALL) * np.count_nonzero(changed))
    return len(list(itertools.islice(untouched, most + 1))) <= most  # it ends at one too many: planes take time


def redrawn_obliquely(decisions: Decisions) -> bool:
    """Whether changes run along most of the outlines of a plane that is oblique to the voxels.

    Such a plane is looked at along the axis that it is steepest to: one voxel of each column.
    """
    return any(_plane_redrawn(decisions, places) for places in oblique_planes(decisions.changed))


def _plane_redrawn(decisions: Decisions, places: np.ndarray) -> bool:
    """Whether the plane through these voxels, (n, 3), was redrawn."""
    middle, normal = places.mean(axis=0), np.linalg.eigh(np.cov(places.T))[1][:, 0]
    axis = int(np.argmax(np.abs(normal)))
    sides = [a for a in range(3) if a != axis]
    columns = np.ogrid[tuple(slice(decisions.changed.shape[a]) for a in sides)]
    steps = sum(normal[a] * (n - middle[a]) for a, n in zip(sides, columns, strict=True))
    level = np.rint(middle[axis] - steps / normal[axis]).astype(int)
    last = decisions.changed.shape[axis] - 1
    inside = (level >= 0) & (level <= last)

    def at(height: np.ndarray) -> tuple[np.ndarray, ...]:
        place = {axis: np.clip(height, 0, last), **dict(zip(sides, columns, strict=True))}
        return tuple(place[a][np.newaxis] for a in range(3))

    classes = _classes(decisions.segmentation, decisions.corrected, decisions.partners, at(level))
    classes = replace(classes, before=np.where(inside, classes.before, 0), after=np.where(inside, classes.after, 0))
    changed = np.any([decisions.changed[at(level + step)][0] for step in (-1, 0, 1)], axis=0)
    return _outlines_redrawn(classes, inside & changed, 0)


def _outlines_redrawn(classes: Classes, changed: np.ndarray, axis: int) -> bool:
    """Whether changes of a slice move most of its outlines; a dab beside them, or in the middle of a part, does not."""
    earlier = at_borders(classes.before.squeeze(axis))
    if np.count_nonzero(earlier & changed) <= MIN_MOVED * np.count_nonzero(earlier):
        return False
    outlines = _outlines_of_both(classes, axis)
    if not all(_extent(changed, a) >= max(MIN_EXTENT, REDRAWN_SHARE * _extent(outlines, a)) for a in (0, 1)):
        return False
    near, count = _near_changes(outlines, changed)
    return near >= REDRAWN_SHARE * count


def _outlines_of_both(classes: Classes, axis: int) -> np.ndarray:
    """Outlines before and after, of a slice along an axis."""
    return at_borders(classes.before.squeeze(axis)) | at_borders(classes.after.squeeze(axis))


def _near_changes(outlines: np.ndarray, changed: np.ndarray) -> tuple[int, int]:
    """Pixels of outlines that have a change nearby, and all of them."""
    near = ndimage.binary_dilation(changed, iterations=NEAR_OUTLINE)
    return int(np.count_nonzero(outlines & near)), int(np.count_nonzero(outlines))


def _extent(plane: np.ndarray, axis: int) -> int:
    """Pixels from the first to the last set one along an axis."""
    used = np.flatnonzero(plane.any(axis=1 - axis))
    return int(used[-1] - used[0] + 1) if len(used) else 0
