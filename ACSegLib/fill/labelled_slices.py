"""Which slices a person has drawn, and what the drawn voxels say.

In a drawn slice everything counts: what is not drawn there is background. Slices are found by their shape: a drawn
slice is a plane of voxels, and what it leaves in the slices of the other axes are lines one voxel thick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.fill.oblique import lies_obliquely
from ACSegLib.volume import Segment, Segmentation

AXES: tuple[str, ...] = ("k", "j", "i")

#: Values of `Seeds.classes` where nothing is known, and where nothing is asked (outside the image).
UNKNOWN, OUTSIDE = -1, -2

#: Squares of 2 x 2 voxels that make an area of what other slices leave over.
_LEAST_SQUARES = 9


@dataclass
class Seeds:
    """What is known before the fill.

    Attributes
    ----------
    classes : ndarray of int16, shape (k, j, i)
        `UNKNOWN`, 0 for background, or the index of a class of `table`.
    table : list of tuple of int
        Class -> rows of `segments` that it belongs to; class 0 is background, (). Overlapping segments make classes
        of their own, so every voxel has exactly one class.
    segments : list of Segment
        The segments that take part, in the order of the input's table.
    slices : dict
        Axis name -> sorted indices of drawn slices.
    warnings : list of str
        What a person should know.
    """

    classes: np.ndarray
    table: list[tuple[int, ...]]
    segments: list[Segment]
    slices: dict[str, list[int]]
    warnings: list[str] = field(default_factory=list)

    @property
    def primary(self) -> int:
        """Array axis (0, 1, 2) with the most drawn slices."""
        return max(range(3), key=lambda a: (len(self.slices.get(AXES[a], [])), -a))


def occupied_slices(drawn: np.ndarray, axis: int) -> np.ndarray:
    """Indices along an array axis of the slices with a drawn voxel."""
    others = tuple(a for a in range(3) if a != axis)
    return np.flatnonzero(drawn.any(axis=others))


def _planar_share(drawn: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Per slice: drawn voxels, and how many 2 x 2 in-plane squares are drawn whole."""
    plane = np.moveaxis(drawn, axis, 0)
    squares = plane[:, 1:, 1:] & plane[:, :-1, 1:]
    squares &= plane[:, 1:, :-1]
    squares &= plane[:, :-1, :-1]
    return np.count_nonzero(plane, axis=(1, 2)), np.count_nonzero(squares, axis=(1, 2))


def find_slices(drawn: np.ndarray, axis: str = "auto") -> dict[str, list[int]]:
    """Find the slices that were drawn.

    Parameters
    ----------
    drawn : ndarray of bool, shape (k, j, i)
        Voxels of any segment.
    axis : {"auto", "k", "j", "i", "all"}
        "auto" decides: where the drawings leave out about half of the slices of one axis or more, and no area across
        them is drawn, that axis, with every slice that holds a drawing; otherwise, and with "all", the planar slices
        of every axis.

    Returns
    -------
    dict
        Axis name -> sorted slice indices; axes without drawn slices are left out.
    """
    if axis in AXES:
        found = occupied_slices(drawn, AXES.index(axis))
        return {axis: found.tolist()} if len(found) else {}
    if axis not in ("auto", "all"):
        raise InputError(f"axis {axis!r} is not one of: auto, i, j, k, all.")
    occupied = [occupied_slices(drawn, a) for a in range(3)]
    if not len(occupied[0]):
        return {}
    share = [len(found) / (found[-1] - found[0] + 1) for found in occupied]
    best = min(range(3), key=lambda a: (len(occupied[a]) == 1, share[a], a))
    if axis == "auto":
        lone = [a for a in range(3) if len(occupied[a]) == 1]
        if len(lone) == 1:
            best = lone[0]
        span = occupied[best][-1] - occupied[best][0] + 1
        if (2 * len(occupied[best]) <= span + 1 or len(lone) == 1) and not _crossed(drawn, best, occupied[best]):
            return {AXES[best]: occupied[best].tolist()}
        if min(share) > 0.9 and all(_thick(drawn, a) for a in range(3)):  # drawn slice after slice
            return {"k": occupied[0].tolist()}
    slices = {}
    for a in range(3):
        planar = _planar(drawn, a)
        if len(planar) and 2 * len(planar) <= drawn.shape[a] + 1:
            slices[AXES[a]] = planar.tolist()
    if not slices:
        best = best if share[best] < 0.9 else 0
        return {AXES[best]: occupied[best].tolist()}
    rest = drawn.copy()
    for name, numbers in slices.items():
        np.moveaxis(rest, AXES.index(name), 0)[numbers] = False
    for a in range(3):  # where many slices cross one of another axis, their lines outweigh its area
        hidden = _planar(rest, a, _LEAST_SQUARES).tolist()
        if hidden:
            slices[AXES[a]] = sorted({*slices.get(AXES[a], []), *hidden})
    return {name: slices[name] for name in AXES if name in slices}


def _planar(drawn: np.ndarray, axis: int, least: int = 1) -> np.ndarray:
    """Indices of the slices that hold areas (of `least` squares) rather than the lines that other slices leave."""
    voxels, squares = _planar_share(drawn, axis)
    return np.flatnonzero((squares >= least) & (2 * squares >= voxels))


def holds_area(plane: np.ndarray) -> bool:
    """Whether a slice (bool, 2D) was drawn as such, rather than crossed by slices of other axes."""
    return len(_planar(plane[None], 0)) > 0


def _crossed(drawn: np.ndarray, axis: int, numbers: np.ndarray) -> bool:
    """Whether slices of another axis were drawn too: what is no area in these slices is one in those."""
    planes = np.take(drawn, numbers, axis)
    lines = np.delete(numbers, _planar(planes, axis))
    if not len(lines):
        return False
    rest = np.zeros_like(drawn)
    np.moveaxis(rest, axis, 0)[lines] = np.moveaxis(drawn, axis, 0)[lines]
    return any(len(_planar(rest, a, _LEAST_SQUARES)) for a in range(3) if a != axis)


def _thick(drawn: np.ndarray, axis: int) -> bool:
    """Whether most slices of an axis hold areas rather than the lines that other axes' slices leave."""
    voxels, squares = _planar_share(drawn, axis)
    used = voxels > 0
    return bool(np.mean(2 * squares[used] >= voxels[used]) > 0.5)


def combine(segmentation: Segmentation, rows: Sequence[int]) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Class array (0 where nothing is drawn) and class table of the chosen rows of the segment table."""
    table: list[tuple[int, ...]] = [()]
    classes = np.zeros(segmentation.shape, np.int16)
    for number, layer in enumerate(segmentation.layers):
        members = [r for r in rows if segmentation.segments[r].layer == number]
        if not members:
            continue
        top = int(layer.max())
        row_of = np.zeros(top + 1, np.int16)
        for r in members:
            if segmentation.segments[r].value <= top:
                row_of[segmentation.segments[r].value] = r + 1
        if len(table) == 1:
            table += [(r,) for r in members]
            class_of = np.zeros(max(members) + 2, np.int16)
            class_of[[r + 1 for r in members]] = np.arange(1, len(members) + 1)
            classes = np.take(class_of[row_of], layer)
            continue
        here = np.take(row_of, layer)
        where = np.nonzero(here)
        pairs, inverse = np.unique(np.stack([classes[where], here[where]]), axis=1, return_inverse=True)
        codes = []
        for old, row in pairs.T:
            entry = (*table[old], int(row) - 1)
            if entry not in table:
                table.append(entry)
            codes.append(table.index(entry))
        classes[where] = np.asarray(codes, np.int16)[inverse.ravel()]
    return classes, table


def count_classes(classes: np.ndarray, count: int) -> np.ndarray:
    """Number of known voxels of each class, (count,); plane by plane, so no large copy is made."""
    found = np.zeros(count, np.int64)
    for plane in classes:
        found += np.bincount(plane[plane >= 0], minlength=count)
    return found


def _given_slices(slices: Sequence[int] | Mapping[str, Sequence[int]], axis: str) -> dict[str, list[int]]:
    if not len(slices):
        raise InputError("the list of drawn slices is empty; leave it out to have them found.")
    if isinstance(slices, Mapping):
        return {name: sorted({int(n) for n in numbers}) for name, numbers in slices.items() if len(numbers)}
    if axis == "all":
        raise InputError("a list of slices needs one axis (i, j or k), not 'all'.")
    return {"k" if axis == "auto" else axis: sorted({int(n) for n in slices})}


def _check_slices(slices: Mapping[str, Sequence[int]], drawn: np.ndarray) -> None:
    """Refuse slices outside the volume, and drawings outside the listed slices (they would be lost)."""
    rest = np.ones(drawn.shape, bool)
    for name, numbers in slices.items():
        if name not in AXES:
            raise InputError(f"axis {name!r} is not one of: i, j, k.")
        a = AXES.index(name)
        wrong = [n for n in numbers if not 0 <= n < drawn.shape[a]]
        if wrong:
            raise InputError(
                f"slice {wrong[0]} does not exist on axis {name}: it has slices 0 to {drawn.shape[a] - 1}."
            )
        np.moveaxis(rest, a, 0)[list(numbers)] = False
    rest &= drawn
    if rest.any():
        name = max(slices, key=lambda n: len(slices[n]))
        extra = occupied_slices(rest, AXES.index(name))
        raise InputError(
            f"slice {extra[0]} on axis {name} holds a drawing but is not among the listed slices; list it too, "
            "or erase the drawing."
        )


def collect_seeds(
    labels: Segmentation,
    *,
    axis: str = "auto",
    slices: Sequence[int] | Mapping[str, Sequence[int]] | None = None,
    mode: str = "slices",
    background: str | None = None,
    ignore: str | None = None,
    outside: np.ndarray | None = None,
) -> Seeds:
    """Turn drawings into seeds.

    Parameters
    ----------
    labels : Segmentation
        Sparse drawings; segments may overlap.
    axis, slices
        See `find_slices`; listed slices (indices along `axis`, k when "auto", or a mapping from axis to indices) name
        every drawn slice, so one without a drawing is all background.
    mode : {"slices", "scribbles"}
        Scribbles are partial drawings: what is not drawn is unknown, and `background` names the segment that marks
        background.
    ignore : str, optional
        Name (or id) of a segment that marks voxels of drawn slices as unknown.
    outside : ndarray of bool, optional
        Voxels without an image value; they come out as background unless drawn.

    Raises
    ------
    InputError
        If nothing was drawn, or the options contradict the drawing.
    """
    special = {s: labels.segment(s) for s in (background, ignore) if s}
    rows = [r for r, s in enumerate(labels.segments) if s not in special.values()]
    classes, table = combine(labels, rows)
    drawn = classes > 0
    if not drawn.any():
        raise InputError(f"labels {labels.name!r} hold no drawn voxel; draw on at least one slice.")
    unknown = labels.mask(special[ignore]) if ignore else None
    known = drawn | labels.mask(special[background]) if background else drawn.copy()
    if mode == "scribbles":
        if slices is not None:
            raise InputError("slices cannot be listed in scribbles mode: only what is drawn counts there.")
        if not background:
            raise InputError("scribbles mode needs a segment that marks background; name it with --background.")
        found: dict[str, list[int]] = {}
    elif mode == "slices":
        if slices is None and axis == "auto" and lies_obliquely(drawn):
            raise InputError(
                f"the drawing {labels.name!r} lies obliquely in the volume and crosses its slices as lines; turn the "
                "views to the volume ('Align views' in the module ACSeg, 'Rotate to volume plane' in a slice view of "
                "Slicer) and draw whole slices, or let a segment mark the background (mode scribbles)."
            )
        found = find_slices(known, axis) if slices is None else _given_slices(slices, axis)
        _check_slices(found, drawn) if slices is not None else None
        for name, numbers in found.items():
            np.moveaxis(known, AXES.index(name), 0)[numbers] = True
    else:
        raise InputError(f"mode {mode!r} is not one of: slices, scribbles.")
    if unknown is not None:
        known &= ~unknown
        classes[unknown & drawn] = 0
    classes[~known] = UNKNOWN
    if outside is not None:
        classes[outside & (classes == UNKNOWN)] = OUTSIDE
    seeds = Seeds(classes, table, list(labels.segments), found)
    seeds.warnings += warnings_for(seeds, labels)
    return seeds


def warnings_for(seeds: Seeds, labels: Segmentation) -> list[str]:
    """What a person should know about their drawing."""
    notes = []
    if not (seeds.classes == UNKNOWN).any():
        notes.append("every slice is drawn: there is nothing to fill.")
    if seeds.slices and sum(map(len, seeds.slices.values())) == 1:
        axis, numbers = next(iter(seeds.slices.items()))
        notes.append(
            f"only slice {numbers[0]} on axis {axis} is drawn: there is nothing to fill between, and no slice to check "
            "the result with; draw at least one more."
        )
    present = set(np.flatnonzero(count_classes(seeds.classes, len(seeds.table))).tolist())
    for row, segment in enumerate(labels.segments):
        members = [c for c, rows in enumerate(seeds.table) if row in rows]
        if members and not present.intersection(members):
            notes.append(f"segment {segment.name!r} is drawn nowhere, so the result has none of it.")
    return notes
