"""What is known before a fill: one class for each voxel of the labelled slices, or of scribbles."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ACSegLib.axes import AXES, both_names, checked_axis
from ACSegLib.errors import InputError
from ACSegLib.fill.gaps import notes_on_gaps
from ACSegLib.labelled_slices import LabelledSlices, declared_slices, find_labelled_slices, mark_slices
from ACSegLib.masks import relabelled
from ACSegLib.volume import Segment, Segmentation

#: Values of `Seeds.classes` where nothing is known, and where nothing is asked (outside of the image).
UNKNOWN, OUTSIDE = -1, -2

#: Share of a slice that is labelled, background included, from which on it is complete.
COMPLETE_SHARE = 0.9

#: Planes that are copied at a time where they do not lie together in memory.
PLANES_AT_ONCE = 32

#: Classes at most: they are int16, as half as much memory is read in each pass over them.
MAX_CLASSES = int(np.iinfo(np.int16).max)


@dataclass(frozen=True)
class SeedOptions:
    """How sparse labels are read.

    Attributes
    ----------
    axis : str
        See `ACSegLib.labelled_slices.find_labelled_slices`.
    slices : sequence or mapping, optional
        Every labelled slice: indices along `axis` (k when "auto"), or a mapping from axis to indices. A slice without a
        label is all background.
    mode : {"auto", "slices", "scribbles"}
        Scribbles label some voxels of a slice: voxels without a label are unknown, and `background` names the segment
        that marks background. See `chosen_mode` for "auto".
    background : str, optional
        Name (or id) of the segment that marks background.
    ignore : str, optional
        Name (or id) of a segment that marks voxels of labelled slices as unknown.
    outside : ndarray of bool, optional
        Voxels without an image value; they become background unless labelled.
    """

    axis: str = "auto"
    slices: Sequence[int] | Mapping[str, Sequence[int]] | None = None
    mode: str = "auto"
    background: str | None = None
    ignore: str | None = None
    outside: np.ndarray | None = None


@dataclass(frozen=True)
class Seeds:
    """What is known before the fill.

    Attributes
    ----------
    classes : ndarray of int16, shape (k, j, i)
        `UNKNOWN`, `OUTSIDE`, 0 for background, or the index of a class of `table`.
    table : list of tuple of int
        Class -> rows of `segments` that it belongs to; class 0 is background, (). Overlapping segments make classes
        of their own, so every voxel has exactly one class.
    segments : list of Segment
        All segments of the labels, in the order of their table.
    slices : dict
        Axis name -> sorted indices of labelled slices.
    checksums : list of int
        Of the label planes along the primary axis: they tell which planes an edit changed.
    warnings : list of str
        What a user should know.
    """

    classes: np.ndarray
    table: list[tuple[int, ...]]
    segments: list[Segment]
    slices: dict[str, list[int]]
    checksums: list[int]
    warnings: list[str] = field(default_factory=list)

    @property
    def primary(self) -> int:
        """Array axis (0, 1, 2) with the most labelled slices."""
        return _primary(self.slices)

    @property
    def labelled(self) -> list[int]:
        """Sorted indices of the labelled slices along the primary axis."""
        return self.slices.get(AXES[self.primary], [])

    def class_name(self, c: int) -> str:
        """Names of the segments of a class, joined; "background" for none."""
        return " + ".join(self.segments[row].name for row in self.table[c]) or "background"

    def classes_of(self, row: int) -> list[int]:
        """The classes that a segment takes part in."""
        return [c for c, rows in enumerate(self.table) if row in rows]


def _primary(slices: Mapping[str, Sequence[int]]) -> int:
    return max(range(3), key=lambda a: (len(slices.get(AXES[a], [])), -a))


def collect_seeds(labels: Segmentation, options: SeedOptions | None = None, previous: Seeds | None = None) -> Seeds:
    """Turn sparse labels into seeds, plane by plane along the axis with the most labelled slices.

    Parameters
    ----------
    labels : Segmentation
        Sparse labels; segments may overlap.
    options : SeedOptions, optional
    previous : Seeds, optional
        Seeds of the same labels before an edit, read with the same options: planes that did not change are taken from
        there. A class that no voxel has any longer stays in the table.

    Raises
    ------
    InputError
        If nothing is labelled, if the labels are no slices, or if the options contradict the labels.
    """
    options = options or SeedOptions()
    options = replace(options, mode=chosen_mode(labels, options))
    roles = _Roles.of(labels, options)
    labelled = _find_slices(labels, roles, options)
    checksums = _plane_checksums(labels, _primary(labelled.slices))
    read: tuple[np.ndarray, list[tuple[int, ...]]] | None = None
    if previous is not None:
        read = _read_changed_planes(labels, roles, labelled.slices, options.outside, checksums, previous)
    classes, table = read or _read_planes(labels, roles, labelled.slices, options.outside)
    warnings = [*labelled.notes(), *_warnings(classes, table, labelled.slices, labels, options.outside)]
    return Seeds(classes, table, list(labels.segments), labelled.slices, checksums, warnings)


def chosen_mode(labels: Segmentation, options: SeedOptions) -> str:
    """Tell strokes from labelled slices: the mode of the options, or what "auto" stands for.

    Labels are strokes if a segment marks background, and if either slices of every axis, or those that seem to be the
    labelled ones, show background and another segment without being covered by them, or the labels are no slices at
    all. Listed slices, and labels without a
    segment that marks background, are labelled slices.
    """
    if options.mode not in ("auto", "slices", "scribbles"):
        raise InputError(f"mode {options.mode!r} is not one of: auto, slices, scribbles.")
    if options.mode != "auto":
        return options.mode
    roles = _Roles.of(labels, options)
    if roles.background is None or options.slices is not None or options.axis != "auto":
        return "slices"
    background, others = labels.mask(roles.background), roles.labelled(labels)
    if not background.any() or not others.any():
        return "slices"
    incomplete = [_incomplete(background, others, axis) for axis in range(3)]
    if all(incomplete):
        return "scribbles"
    detected = find_labelled_slices(others | background, "auto", declared_slices(labels))
    if detected.problem(labels.name) or all(incomplete[AXES.index(axis)] for axis in detected.slices):
        return "scribbles"
    return "slices"


def _incomplete(background: np.ndarray, others: np.ndarray, axis: int) -> bool:
    """Whether a slice across an axis shows background and another segment, and much that is neither."""
    across = tuple(a for a in range(3) if a != axis)
    counts = [np.count_nonzero(mask, axis=across) for mask in (background, others)]
    size = background.size // background.shape[axis]
    return bool(((counts[0] > 0) & (counts[1] > 0) & (counts[0] + counts[1] < COMPLETE_SHARE * size)).any())


@dataclass(frozen=True)
class _Roles:
    """Rows of the segment table that are filled, and the segments that mark something else."""

    rows: list[int]
    background: Segment | None
    ignored: Segment | None

    @classmethod
    def of(cls, labels: Segmentation, options: SeedOptions) -> _Roles:
        background = labels.segment(options.background) if options.background else None
        ignored = labels.segment(options.ignore) if options.ignore else None
        rows = [r for r, s in enumerate(labels.segments) if s not in (background, ignored)]
        return cls(rows, background, ignored)

    def labelled(self, labels: Segmentation) -> np.ndarray:
        """Voxels of the segments that are filled, bool."""
        masks = []
        for number, layer in enumerate(labels.layers):
            values = {labels.segments[r].value for r in self.rows if labels.segments[r].layer == number}
            if all(value in values for value in range(1, min(int(layer.max(initial=0)), len(values) + 1) + 1)):
                masks.append(layer != 0)
            else:
                masks.append(relabelled(layer, dict.fromkeys(values, 1), bool))
        return masks[0] if len(masks) == 1 else np.logical_or.reduce(masks)


def _find_slices(labels: Segmentation, roles: _Roles, options: SeedOptions) -> LabelledSlices:
    """The labelled slices, detected or as listed; none for scribbles."""
    labelled = roles.labelled(labels)
    if not labelled.any():
        if roles.background is not None and labels.mask(roles.background).any():
            raise InputError(f"labels {labels.name!r} mark background only; draw a stroke inside of an object too.")
        raise InputError(f"labels {labels.name!r} hold no labelled voxel; label at least one slice.")
    if options.mode == "scribbles":
        if options.slices is not None:
            raise InputError("slices cannot be listed in scribbles mode: only labelled voxels count there.")
        return LabelledSlices()
    if options.slices is not None:
        slices = _listed_slices(options.slices, options.axis)
        _check_slices(slices, labelled)
        return LabelledSlices(slices)
    if roles.background is not None:
        labelled |= labels.mask(roles.background)
    ignored = labels.mask(roles.ignored) if roles.ignored is not None else None
    detected = find_labelled_slices(labelled, options.axis, declared_slices(labels), ignored)
    problem = detected.problem(labels.name)
    if problem:
        raise InputError(problem)
    return detected


def _listed_slices(slices: Sequence[int] | Mapping[str, Sequence[int]], axis: str) -> dict[str, list[int]]:
    if not len(slices):
        raise InputError("the list of labelled slices is empty; omit it, and ACSeg detects them.")
    if isinstance(slices, Mapping):
        return {
            checked_axis(name): sorted({int(n) for n in numbers}) for name, numbers in slices.items() if len(numbers)
        }
    if axis == "all":
        raise InputError("a list of slices needs one axis (x, y or z), not 'all'.")
    return {"k" if axis == "auto" else checked_axis(axis): sorted({int(n) for n in slices})}


def _check_slices(slices: Mapping[str, Sequence[int]], labelled: np.ndarray) -> None:
    """Refuse slices outside of the volume, and labels outside of the listed slices (they would be lost)."""
    for name, numbers in slices.items():
        size = labelled.shape[AXES.index(name)]
        wrong = [n for n in numbers if not 0 <= n < size]
        if wrong:
            raise InputError(
                f"slice {wrong[0]} does not exist on axis {both_names(name)}: it has slices 0 to {size - 1}."
            )
    rest = labelled & ~mark_slices(labelled.shape, slices)
    if rest.any():
        name = max(slices, key=lambda n: len(slices[n]))
        extra = np.flatnonzero(rest.any(axis=tuple(a for a in range(3) if AXES[a] != name)))
        raise InputError(
            f"slice {extra[0]} on axis {both_names(name)} holds labels but is not among the listed slices (slices "
            "count from 0); list it too, or erase the labels."
        )


def _plane_checksums(labels: Segmentation, axis: int) -> list[int]:
    """A checksum for each plane along an array axis, over all layers."""
    sums = [0] * labels.shape[axis]
    for layer in labels.layers:
        planes = np.moveaxis(layer, axis, 0)
        for start in range(0, len(sums), PLANES_AT_ONCE):
            block = np.ascontiguousarray(planes[start : start + PLANES_AT_ONCE])
            for k, plane in enumerate(block, start):
                sums[k] = zlib.crc32(plane.data, sums[k])
    return sums


def _read_planes(
    labels: Segmentation, roles: _Roles, slices: Mapping[str, Sequence[int]], outside: np.ndarray | None
) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Classes and class table of labels, whose labelled slices (or scribbles) are known."""
    classes, table = combine(labels, roles.rows)
    known = classes > 0
    if roles.background is not None:
        known |= labels.mask(roles.background)
    for name, numbers in slices.items():
        np.moveaxis(known, AXES.index(name), 0)[list(numbers)] = True
    if roles.ignored is not None:
        ignored = labels.mask(roles.ignored)
        known &= ~ignored
        classes[ignored] = 0
    classes[~known] = UNKNOWN
    if outside is not None:
        classes[outside & (classes == UNKNOWN)] = OUTSIDE
    return classes, table


def _read_changed_planes(
    labels: Segmentation,
    roles: _Roles,
    slices: dict[str, list[int]],
    outside: np.ndarray | None,
    checksums: list[int],
    previous: Seeds,
) -> tuple[np.ndarray, list[tuple[int, ...]]] | None:
    """Classes and table from those before an edit; None where the edit changed more than some planes."""
    axis = previous.primary
    name = AXES[axis]
    across = {n: numbers for n, numbers in slices.items() if n != name}
    if _primary(slices) != axis or across != {n: v for n, v in previous.slices.items() if n != name}:
        return None
    labelled, before = set(slices.get(name, [])), set(previous.slices.get(name, []))
    edited = {k for k, (a, b) in enumerate(zip(checksums, previous.checksums, strict=True)) if a != b}
    planes = sorted(edited | (labelled ^ before))
    classes = previous.classes.copy()
    if planes:
        part = Segmentation(tuple(np.take(layer, planes, axis) for layer in labels.layers), labels.segments)
        here = {**across, name: [n for n, k in enumerate(planes) if k in labelled]}
        beyond = np.take(outside, planes, axis) if outside is not None else None
        fresh, entries = _read_planes(part, roles, here, beyond)
        if not set(entries) <= set(previous.table):
            return None
        translate = np.array([*(previous.table.index(entry) for entry in entries), OUTSIDE, UNKNOWN], np.int16)
        np.moveaxis(classes, axis, 0)[planes] = np.moveaxis(translate[fresh], axis, 0)
    return classes, previous.table


def combine(segmentation: Segmentation, rows: Sequence[int]) -> tuple[np.ndarray, list[tuple[int, ...]]]:
    """Class array (0 without a label) and class table of the chosen rows of the segment table.

    Raises
    ------
    InputError
        If there are more than `MAX_CLASSES` segments.
    """
    if len(rows) > MAX_CLASSES:
        raise InputError(
            f"labels {segmentation.name!r} have {len(rows)} segments, but a fill or a correction takes {MAX_CLASSES} "
            "at most; cut out a part of the volume that has fewer."
        )
    table: list[tuple[int, ...]] = [()]
    classes: np.ndarray | None = None
    for number, layer in enumerate(segmentation.layers):
        members = [r for r in rows if segmentation.segments[r].layer == number]
        if not members:
            continue
        values = [segmentation.segments[r].value for r in members]
        if classes is None:
            table += [(r,) for r in members]
            classes = relabelled(layer, {value: n for n, value in enumerate(values, 1)}, np.int16)
            continue
        here = relabelled(layer, {value: r + 1 for value, r in zip(values, members, strict=True)}, np.int16)
        where = np.nonzero(here)
        pairs, inverse = np.unique(np.stack([classes[where], here[where]]), axis=1, return_inverse=True)
        codes = []
        for old, row in pairs.T:
            entry = (*table[old], int(row) - 1)
            if entry not in table:
                table.append(entry)
            codes.append(table.index(entry))
        classes[where] = np.asarray(codes, np.int16)[inverse.ravel()]
    return np.zeros(segmentation.shape, np.int16) if classes is None else classes, table


def count_classes(classes: np.ndarray, count: int) -> np.ndarray:
    """Number of known voxels of each class, (count,); plane by plane, so no large copy is made."""
    total = np.zeros(count, np.int64)
    for plane in classes:
        known = plane >= 0
        if known.any():
            total += np.bincount(plane[known], minlength=count)
    return total


def _warnings(
    classes: np.ndarray,
    table: list[tuple[int, ...]],
    slices: Mapping[str, Sequence[int]],
    labels: Segmentation,
    outside: np.ndarray | None,
) -> list[str]:
    """What a user should know about their labels."""
    notes = []
    if not any((plane == UNKNOWN).any() for plane in classes):
        notes.append(
            "every slice is labelled: there is nothing to fill. To correct a dense segmentation, use 'acseg correct'."
        )
    if slices and sum(map(len, slices.values())) == 1:
        axis, numbers = next(iter(slices.items()))
        notes.append(
            f"only slice {numbers[0]} on axis {both_names(axis)} is labelled (slices count from 0): there is nothing "
            "to fill between, and no slice to check the result with; label at least one more. If you drew strokes, use "
            "mode scribbles."
        )
    present = set(np.flatnonzero(count_classes(classes, len(table))).tolist())
    for row, segment in enumerate(labels.segments):
        members = [c for c, rows in enumerate(table) if row in rows]
        if members and not present.intersection(members):
            notes.append(f"segment {segment.name!r} has no labelled voxel, so the result has none of it.")
    notes += notes_on_gaps(classes, table, slices, labels.segments)
    if outside is not None and (lost := int(np.count_nonzero(classes[outside] > 0))):
        notes.append(
            f"{lost} of {int(np.count_nonzero(classes > 0))} labelled voxels lie where the image has no value (not "
            "finite, or padding), and nothing is filled there; check the image."
        )
    return notes
