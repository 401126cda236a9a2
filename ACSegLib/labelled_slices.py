"""Which slices of a volume a person labelled: one detector for the fill, the training, ``acseg info`` and the guides.

On a labelled slice every voxel is known: one without a label is background. A labelled slice is a plane of voxels. What
it leaves on the slices of the other two axes are lines that are one voxel thick.

Along the axis of the labelled slices, labels end abruptly: the labels of a slice have no continuation on the next one,
however large they are. Dense labels end in rounded caps. The detector therefore measures, for a set of slices, the
share of all ends of labels along the axis that lie at the ends of the set (`SliceProfile.cut_share`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ACSegLib.axes import AXES, both_names, checked_axis
from ACSegLib.oblique_labels import are_strips, lie_obliquely
from ACSegLib.slice_profiles import SliceProfile, runs_of
from ACSegLib.volume import Segmentation

# Testing/Benchmarks/labelled_slices.py measures the detector with these constants on real and simulated labels.

#: Share of the ends of labels that lie at the ends of a set of labelled slices, at least. It is 1 for single slices.
#: Measured: 0.57 and more for stacks of adjacent slices, 0.44 and less for dense labels.
MIN_CUT_SHARE = 0.5

#: A box ends abruptly, or not at all, along every axis. It counts as adjacent labelled slices if they are thinner than
#: this share of its other extents, and as dense labels otherwise. Slices of several axes keep to the same bound.
MAX_BOX_THICKNESS = 0.4

#: Labels whose first and last slice have at least this share of the voxels of the slices between end abruptly, too:
#: specks and other small structures, of which a slice shows others than the next one, end everywhere in a stack. A
#: choice: of flat cells the outermost slices have about half.
MIN_END_SIZE = 0.8

#: Squares of 2 x 2 labelled voxels that make an area of what the slices of other axes leave over.
MIN_SQUARES = 9

#: Share of the labelled voxels that may lie outside of the labelled slices. With more, the labels are dense.
MAX_LEFT_OVER = 0.2

#: A slice with fewer labelled voxels than this share of the labelled slices on either side (of their geometric mean)
#: holds stray voxels.
MAX_STRAY_SHARE = 0.05

#: The same for the first and the last slice, which have one neighbour: an object may end there.
MAX_STRAY_SHARE_AT_END = 0.01

#: Ignored share of the voxels off the labelled slices, at least, where "ignored" means that nobody labelled them.
MIN_IGNORED_SHARE = 0.99


@dataclass(frozen=True)
class LabelledSlices:
    """Result of the detector.

    Attributes
    ----------
    slices : dict
        Axis "k", "j" or "i" -> sorted indices of the labelled slices, from 0. Empty if there are no labels, or if they
        are dense.
    dense : bool
        The labels are solid in three dimensions: no set of slices holds them.
    oblique : bool
        The labels are planes that are oblique to the axes, so they fill no slice.
    stray : dict
        Axis -> indices of slices that hold so few labelled voxels that nobody labelled them; not in `slices`.
    drawn_along : str
        The axis of the slices that hold all labels, if another one was named along which they leave no gap.
    """

    slices: dict[str, list[int]] = field(default_factory=dict)
    dense: bool = False
    oblique: bool = False
    stray: dict[str, list[int]] = field(default_factory=dict)
    drawn_along: str = ""

    def problem(self, name: str) -> str | None:
        """Why these labels are no labelled slices, and what to do; None if they are."""
        if self.oblique:
            return (
                f"the labels {name!r} lie obliquely in the volume and cross its slices as strips or lines; rotate the "
                "views to the volume ('Align views' in the module ACSeg, 'Rotate to volume plane' in a slice view of "
                "Slicer) and label whole slices, or let a segment mark the background (mode scribbles)."
            )
        if self.drawn_along:
            named, (other,) = both_names(self.drawn_along), self.slices
            return (
                f"the labels {name!r} are slices along {named}, but axis {both_names(other)} was named: along it they "
                f"leave no gap, so there is nothing to fill. Name axis {named[0]}, or none."
            )
        if self.dense:
            return (
                f"the labels {name!r} are dense: they are solid in three dimensions and leave no slices between "
                "labelled ones, so there is nothing to fill. Label whole slices (not with a sphere brush), or name the "
                "axis of the labelled slices (axis x, y or z). For strokes and dabs, use mode scribbles. To "
                "correct a dense segmentation, use 'acseg correct'."
            )
        return None

    def notes(self, otherwise: str = "list every labelled slice if it does (--slices)") -> list[str]:
        """What a user should know: slices with stray voxels, to be erased; `otherwise` says what else can be done."""
        return [
            f"slice {n} on axis {both_names(axis)} (slices count from 0) holds only a few stray voxels, so it does not "
            f"count as labelled; erase them, or {otherwise}."
            for axis, numbers in self.stray.items()
            for n in numbers
        ]


def find_labelled_slices(
    labelled: np.ndarray,
    axis: str = "auto",
    declared: Mapping[str, Sequence[int]] | None = None,
    ignored: np.ndarray | None = None,
) -> LabelledSlices:
    """Find the slices that a person labelled.

    Parameters
    ----------
    labelled : ndarray of bool, shape (k, j, i)
        Voxels with a label, ignored regions not among them.
    axis : str
        "auto": slices of one axis that hold all labels; where there is no such axis, slices with areas on any of the
        three axes; where these hold too little, dense labels. "all": slices with areas on any axis. An axis ("k" or
        "z", ...): every slice with labels along it.
    declared : mapping, optional
        Axis -> slices that are known to be labelled (see `declared_slices`). With "auto" they are believed; slices
        labelled since are added.
    ignored : ndarray of bool, shape (k, j, i), optional
        Ignored regions; see `with_background_slices`.

    Returns
    -------
    LabelledSlices

    Raises
    ------
    InputError
        If `axis` is none of these.
    """
    return with_background_slices(_detected(labelled, axis, declared), ignored)


def _detected(
    labelled: np.ndarray, axis: str = "auto", declared: Mapping[str, Sequence[int]] | None = None
) -> LabelledSlices:
    """Slices that hold labels; see `find_labelled_slices`."""
    if axis not in ("auto", "all"):
        axis = checked_axis(axis)
    if declared and axis == "auto":
        later = labelled & ~mark_slices(labelled.shape, declared)
        detected = _detected(labelled) if later.any() else LabelledSlices()
        if not detected.problem(""):
            names = [name for name in AXES if name in declared or name in detected.slices]
            slices = {name: sorted({*declared.get(name, []), *detected.slices.get(name, [])}) for name in names}
            return replace(detected, slices=slices)
    packed, numbers = _packed(labelled)
    if not packed.size:
        return LabelledSlices()
    detected = _find(packed, axis, numbers)

    def unpacked(slices: dict[str, list[int]]) -> dict[str, list[int]]:
        return {name: numbers[AXES.index(name)][chosen].tolist() for name, chosen in slices.items()}

    return replace(detected, slices=unpacked(detected.slices), stray=unpacked(detected.stray))


def _packed(labelled: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """The slices of all axes that hold labels or lie next to one that does, and their indices along each axis.

    Sparse labels take a fraction of the volume then, and what adjoins what stays the same.
    """
    numbers = []
    for axis in range(3):
        occupied = np.asarray(labelled.any(axis=tuple(a for a in range(3) if a != axis)))
        near = occupied.copy()
        near[1:] |= occupied[:-1]
        near[:-1] |= occupied[1:]
        numbers.append(np.flatnonzero(near))
    return labelled[np.ix_(*numbers)], numbers


def _find(labelled: np.ndarray, axis: str, numbers: list[np.ndarray]) -> LabelledSlices:
    """The labelled slices, by their places in the packed labels; `numbers` are the indices in the volume."""
    profiles = [SliceProfile.of(labelled, a, numbers[a]) for a in range(3)]
    if axis in AXES:
        found = _without_stray({axis: profiles[AXES.index(axis)].occupied}, profiles)
        return replace(found, drawn_along=_drawn_along_another(axis, labelled, profiles))
    if axis == "auto":
        if lie_obliquely(labelled) or _hold_strips(labelled, profiles):
            return LabelledSlices(_fewest(profiles), oblique=True)
        single = _single_axis(labelled, profiles)
        if single is not None:
            return _without_stray(single, profiles)
    return _several_axes(labelled, profiles, axis == "all")


def _hold_strips(labelled: np.ndarray, profiles: list[SliceProfile]) -> bool:
    """Whether labels are strips that a view close to one axis leaves on its slices; see `are_strips`.

    Specks look like strips along several axes, and labels on single slices are slices, whatever they show.
    """
    if any(p.thickness == 1 for p in profiles):
        return False
    return sum(are_strips(np.moveaxis(labelled, a, 0), p.voxels, p.overlap) for a, p in enumerate(profiles)) == 1


def with_background_slices(found: LabelledSlices, ignored: np.ndarray | None) -> LabelledSlices:
    """Add slices of nothing but background, where the ignored region is what nobody labelled, as in Amira.

    There, a slice without a label and without an ignored voxel was labelled.

    Parameters
    ----------
    found : LabelledSlices
    ignored : ndarray of bool, shape (k, j, i), or None
    """
    if ignored is None or not found.slices:
        return found
    slices = {}
    for axis, numbers in found.slices.items():
        others = tuple(a for a in range(3) if AXES[a] != axis)
        slices[axis] = sorted({*numbers, *np.flatnonzero(~ignored.any(axis=others)).tolist()})
    if slices == found.slices:
        return found
    off = ~mark_slices(ignored.shape, slices)
    if np.count_nonzero(ignored & off) < max(1, MIN_IGNORED_SHARE * np.count_nonzero(off)):
        return found
    stray = {axis: [n for n in numbers if n not in slices.get(axis, [])] for axis, numbers in found.stray.items()}
    return replace(found, slices=slices, stray={axis: numbers for axis, numbers in stray.items() if numbers})


def declared_slices(labels: Segmentation) -> dict[str, list[int]]:
    """The labelled slices that come with labels in ``meta["slices"]`` (axis -> indices); empty if none do.

    Such a list also names slices that were looked at and hold nothing.
    """
    declared = labels.meta.get("slices")
    if not isinstance(declared, Mapping):
        return {}
    return {checked_axis(axis): sorted({int(n) for n in numbers}) for axis, numbers in declared.items()}


def mark_slices(
    shape: tuple[int, ...], slices: Mapping[str, Sequence[int]], others: np.ndarray | None = None
) -> np.ndarray:
    """Boolean array of a shape (k, j, i): the voxels of the named slices, and those of a mask of others."""
    known = np.zeros(shape, bool) if others is None else others.copy()
    for axis, numbers in slices.items():
        np.moveaxis(known, AXES.index(axis), 0)[list(numbers)] = True
    return known


def _fewest(profiles: list[SliceProfile]) -> dict[str, list[int]]:
    """Every slice with labels of the axis that has the fewest of them; of a single slice, that slice."""
    used = [p.occupied for p in profiles]
    lone = [a for a in range(3) if len(used[a]) == 1]
    best = lone[0] if len(lone) == 1 else min(range(3), key=lambda a: (len(used[a]) == 1, len(used[a]), a))
    return {AXES[best]: used[best]}


def _single_axis(labelled: np.ndarray, profiles: list[SliceProfile]) -> dict[str, list[int]] | None:
    """Slices of one axis that hold all labels; None where no axis has them, or slices of others cross them."""
    shares = [p.cut_share(p.occupied) for p in profiles]
    cut = [shares[a] >= MIN_CUT_SHARE or _ends_abruptly(profiles, a) for a in range(3)]
    flat = [cut[a] or not profiles[a].has_ends for a in range(3)]
    order = sorted(range(3), key=lambda a: (-round(shares[a], 1), len(profiles[a].occupied), a))
    for a in (a for a in order if cut[a]):
        numbers = profiles[a].occupied
        is_box = all(flat) and not _is_thin(numbers, min(profiles[b].thickness for b in range(3) if b != a))
        if not is_box and not _crossed(labelled, a, profiles[a]):
            return {AXES[a]: numbers}
    return None


def _ends_abruptly(profiles: list[SliceProfile], axis: int) -> bool:
    """Whether the first and the last slices of thin stacks along an axis hold about as much as those between."""
    profile = profiles[axis]
    runs, size = runs_of(profile.occupied), len(profile.voxels)
    inner = [run for run in runs if run[0] > 0 and run[-1] < size - 1]
    if len(inner) < len(runs) or not _is_thin(profile.occupied, min(p.thickness for p in profiles if p is not profile)):
        return False
    ends = [min(profile.voxels[run[0]], profile.voxels[run[-1]]) / np.median(profile.voxels[run]) for run in runs]
    return bool(min(ends) >= MIN_END_SIZE)


def _drawn_along_another(axis: str, labelled: np.ndarray, profiles: list[SliceProfile]) -> str:
    """The axis of the slices that hold all labels, if these leave gaps along it and none along the one that is named.

    Other planes were labelled then, and a fill from those that are named would add nothing.
    """
    occupied = profiles[AXES.index(axis)].occupied
    if len(occupied) < 2 or len(runs_of(occupied)) > 1:
        return ""
    for other, numbers in (_single_axis(labelled, profiles) or {}).items():
        if other != axis and (len(numbers) == 1 or len(runs_of(numbers)) > 1):
            return other
    return ""


def _is_thin(numbers: Sequence[int], extent: int) -> bool:
    """Whether adjacent slices make stacks that are thin for an extent of the labels; single slices are thin."""
    thickness = max(len(run) for run in runs_of(numbers))
    return thickness == 1 or thickness <= MAX_BOX_THICKNESS * extent


def _crossed(labelled: np.ndarray, axis: int, profile: SliceProfile) -> bool:
    """Whether slices of another axis were labelled too: what is no area on these slices is one on those."""
    lines = np.flatnonzero((profile.voxels > 0) & ~profile.planar())
    if not len(lines):
        return False
    rest = np.zeros_like(labelled)
    np.moveaxis(rest, axis, 0)[lines] = np.moveaxis(labelled, axis, 0)[lines]
    return any(SliceProfile.of(rest, a).planar(MIN_SQUARES).any() for a in range(3) if a != axis)


def _several_axes(labelled: np.ndarray, profiles: list[SliceProfile], forced: bool) -> LabelledSlices:
    """Slices with areas on any axis; dense labels where these do not hold the labels, unless slices are `forced`."""
    slices: dict[str, list[int]] = {}
    for a, profile in enumerate(profiles):
        planar = np.flatnonzero(profile.planar()).tolist()
        others = min(profiles[b].span for b in range(3) if b != a)
        if planar and _is_thin(planar, others) and profile.cut_share(planar) >= MIN_CUT_SHARE:
            slices[AXES[a]] = planar
    if not slices:
        return LabelledSlices(_fewest(profiles)) if forced else LabelledSlices(dense=True)
    rest = labelled & ~mark_slices(labelled.shape, slices)
    for a in range(3):  # where many slices cross one of another axis, their lines outweigh its area
        hidden = np.flatnonzero(SliceProfile.of(rest, a).planar(MIN_SQUARES)).tolist()
        if hidden:
            slices[AXES[a]] = sorted({*slices.get(AXES[a], []), *hidden})
    rest &= ~mark_slices(labelled.shape, slices)
    left_over = np.count_nonzero(rest)
    if not forced and left_over > MAX_LEFT_OVER * profiles[0].voxels.sum():
        return LabelledSlices(dense=True)
    detected = _without_stray({name: slices[name] for name in AXES if name in slices}, profiles)
    if left_over:
        main = max(detected.slices, key=lambda name: len(detected.slices[name]))
        across = tuple(a for a in range(3) if a != AXES.index(main))
        numbers = {*detected.stray.get(main, []), *np.flatnonzero(rest.any(axis=across)).tolist()}
        detected.stray[main] = sorted(numbers)
    return detected


def _without_stray(slices: dict[str, list[int]], profiles: list[SliceProfile]) -> LabelledSlices:
    """Take out the slices that hold stray voxels only."""
    kept: dict[str, list[int]] = {}
    stray: dict[str, list[int]] = {}
    for name, numbers in slices.items():
        gone = _stray(numbers, profiles[AXES.index(name)])
        kept[name] = [n for n in numbers if n not in gone]
        if gone:
            stray[name] = sorted(gone)
    return LabelledSlices(kept, stray=stray)


def _stray(numbers: list[int], profile: SliceProfile) -> set[int]:
    """Slices whose number of labelled voxels is tiny compared with the slices around them.

    Adjacent slices of similar size are judged together: by the largest of them.
    """
    voxels = profile.voxels
    groups: list[list[int]] = []
    for n in numbers:
        before = groups[-1][-1] if groups else -2
        similar = min(voxels[n], voxels[before]) >= MAX_STRAY_SHARE * max(voxels[n], voxels[before])
        if n == before + 1 and similar:
            groups[-1].append(n)
        else:
            groups.append([n])
    sizes = [int(voxels[group].max()) for group in groups]
    starts = profile.numbers[[group[0] for group in groups]]
    usual = np.diff(starts[np.array(sizes) >= MAX_STRAY_SHARE * max(sizes, default=0)])
    thickness = max(map(len, groups), default=1)
    kept = list(range(len(groups)))
    for g in sorted(range(len(groups)), key=lambda g: sizes[g]):
        place = kept.index(g)
        sides = [kept[n] for n in (place - 1, place + 1) if 0 <= n < len(kept)]
        limit = MAX_STRAY_SHARE if len(sides) == 2 else MAX_STRAY_SHARE_AT_END
        expected = np.exp(np.mean([np.log(sizes[h]) for h in sides])) if sides else 0.0
        tiny = sizes[g] < limit * expected
        # at the usual distance from its neighbours, a slice was labelled: it shows a tip
        distances = np.array([abs(starts[g] - starts[h]) for h in sides])
        regular = bool(len(usual)) and bool((np.abs(distances - np.median(usual)) < thickness).all())
        if tiny and not regular:
            kept.remove(g)
    return {n for g, group in enumerate(groups) if g not in kept for n in group}
