"""What a correction solves: a box around the open voxels, its seeds, and what its prior is learned from.

Where slices were drawn right, their voxels tell how far to trust the segmentation (`deviation`), and how far from them
this holds (`reliability`). Strokes do not: they are wrong places only. Then the appearance is learned from the strokes
and from the segmentation away from them, and the segmentation itself is distrusted at the strokes, the farther the
better the image shows what they mended (`visibility`). In both cases the prior passes into the segmentation with the
distance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ACSegLib.axes import AXES
from ACSegLib.distances import capped_distance
from ACSegLib.errors import InputError
from ACSegLib.fill.constants import DEFAULT_EDGE, TOLERANCE
from ACSegLib.fill.correcting.believed_names import believed_names
from ACSegLib.fill.correcting.decisions import Classes, Decisions
from ACSegLib.fill.correcting.deviation import Deviation
from ACSegLib.fill.correcting.evidence import CorrectionEvidence
from ACSegLib.fill.correcting.open_walk import solve_open
from ACSegLib.fill.correcting.opened import Opened
from ACSegLib.fill.correcting.reliability import (
    EVERYWHERE,
    OUTLINE_WIDTH,
    RIM,
    Reliability,
    find_reliability,
)
from ACSegLib.fill.correcting.segment_distances import SegmentDistances, places_of
from ACSegLib.fill.correcting.visibility import visibility
from ACSegLib.fill.prior.appearance import AppearanceClassifier, train_classifier
from ACSegLib.fill.prior.evidence import group_classes
from ACSegLib.fill.prior.features import intensity_range, prepare
from ACSegLib.fill.prior.samples import Samples, collect_samples
from ACSegLib.fill.seeds import OUTSIDE, UNKNOWN
from ACSegLib.fill.slab import Context, Settings
from ACSegLib.fill.walk.solvers import Solver
from ACSegLib.jobs import Progress
from ACSegLib.masks import Box, bounding_box, relative_box
from ACSegLib.padding import padding_of
from ACSegLib.volume import Volume

#: Strength of the prior. `Testing/Benchmarks/correct.py`: less of it rounds small segments off, more changes nothing.
GAMMA = 1.0

#: The same around strokes, whose appearance is learned from few voxels.
STROKE_GAMMA = 0.3

#: Updates of the appearance classifier, and voxels that it learns from.
STEPS, SAMPLES = 500, 20_000

#: Voxels around the open ones that the image features need.
MARGIN = 8

#: Distance, along the axis of the slices drawn right, within which they are learned from, in voxels.
LEARNING_REACH = 64.0

#: Planes and voxels on which the segmentation is believed, since it is deeper there than all errors; and the quantile
#: of the depths of the errors that stands for all.
BELIEVED_PLANES, BELIEVED_SAMPLES, DEPTH_QUANTILE = 8, 5_000, 0.98

#: Distance in ranges of the learned prior beyond which the segmentation has all of it.
FAR_AWAY = 4.0

#: Around strokes: distance within which the segmentation says nothing where it says what proved wrong, and distance up
#: to which it is learned from, both in voxels.
WRONG_RADIUS, LEARNING_RADIUS = 10.0, 32.0

#: Part of its reach that a stroke has where the image does not show what it mended. The rest is in proportion to the
#: square of how well the image shows it. `Testing/Benchmarks/correct_tasks.py`.
UNSEEN_REACH = 0.3

#: A class that may change everywhere keeps the voxels whose distance from the changes is at least this share of the
#: largest one: with no seed left, it would vanish.
ANCHORED = 0.75


@dataclass(frozen=True)
class Solution:
    """What a walk around corrections gives.

    Attributes
    ----------
    best : ndarray of int16, (k, j, i) of the box
        Class of each voxel.
    uncertainty : ndarray of uint8, (k, j, i) of the box
    iterations : list of int
    seen : float or None
        How well the image shows what strokes mended, 0 to 1; see `visibility`. None for slices drawn right.
    """

    best: np.ndarray
    uncertainty: np.ndarray
    iterations: list[int]
    seen: float | None


@dataclass(frozen=True)
class CorrectionProblem:
    """A box around the open voxels; `evidence` has the slices that were drawn right along axis 0.

    Attributes
    ----------
    axis : int
        Axis of the volume that is axis 0 of `evidence`.
    box : tuple of slice
    classes : Classes
    open : ndarray of bool, (k, j, i) of the box
    evidence : CorrectionEvidence
    learned : ndarray of int16, as the classes of `evidence`
        Classes to learn from; negative where nothing is known.
    distances : SegmentDistances
        Those of the groups but background in the segmentation.
    believed : ndarray of int16, as the classes of `evidence`, or None
        Classes of the segmentation to learn from as well.
    strokes : ndarray of int16, as the classes of `evidence`, or None
        Class that each voxel of a stroke had before; negative elsewhere. None where slices were drawn right.
    """

    axis: int
    box: Box
    classes: Classes
    open: np.ndarray
    evidence: CorrectionEvidence
    learned: np.ndarray
    distances: SegmentDistances
    believed: np.ndarray | None = None
    strokes: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        volume: Volume,
        decisions: Decisions,
        opened: Opened,
        spacing: np.ndarray,
        probabilities: Mapping[str, np.ndarray],
        progress: Progress,
    ) -> CorrectionProblem:
        """Gather what is known around the open voxels; `spacing` is along (k, j, i)."""
        axis = max(range(3), key=lambda a: (len(decisions.slices.get(AXES[a], [])), -a))
        box = _box(decisions, opened, axis, spacing, volume.shape)
        wanted = np.zeros([side.stop - side.start for side in box], bool)
        common = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, opened.box, strict=True)]
        here, there = relative_box(common, box), relative_box(common, opened.box)
        wanted[here] = opened.open[there]
        classes = decisions.classes(box)
        cut = _Cut(box, axis)
        progress.check()
        image, outside = _image(volume, cut)
        before, after, unknown = (cut.turned(a) for a in (classes.before, classes.after, wanted))
        learned = np.where(cut(decisions.fresh) & ~outside, after, np.int16(UNKNOWN))
        progress.check()
        limits = intensity_range(image, learned, outside)
        if outside.any():
            image = np.where(outside, np.asarray(limits[0], image.dtype), image)
        features = prepare(image, cut.spacing(spacing), limits, progress)
        progress.check()
        groups = group_classes(len(classes.table))
        given = _group_probabilities(decisions, classes, groups[1:], probabilities, cut)
        shape = Deviation.of(groups[1:], before, features.spacing, given, progress.check)
        distances = shape.distances
        progress.check()
        trust = believed = sure = strokes = away = names = None
        changed = cut(decisions.changed)
        if opened.nearness is None:
            sure = _sure(before, changed, learned, distances)
            untaught = _untaught(before, changed, [learned] if sure is None else [learned, sure], distances)
            if untaught:
                unknown &= ~np.isin(before, untaught)
            shape = shape.within_what_is_shown(before, learned)
            if len(groups[-1]) > 1:
                names = believed_names(before, after, cut(decisions.known), features.spacing, progress.check)
        else:
            away = capped_distance(changed, features.spacing, LEARNING_RADIUS)
            progress.check()
            learned = _with_belief(learned, before, changed, away)
            nearness = np.zeros(wanted.shape, np.float32)
            nearness[here] = opened.nearness[there]
            trust = _distrust(before, changed, 1 - cut.turned(nearness))
            strokes = np.where(changed, before, UNKNOWN).astype(np.int16)
            believed, shape = distances, shape.without_distances()
        if all_open := _all_open(before, changed, unknown):
            if away is None:
                away = capped_distance(changed, features.spacing, LEARNING_RADIUS)
            unknown &= ~_anchors(before, changed, all_open, away)
        seeds = after.copy()
        np.copyto(seeds, np.int16(UNKNOWN), where=unknown)
        if outside.any():
            np.copyto(seeds, np.int16(OUTSIDE), where=unknown & outside)
        cuts = [k for k in range(len(seeds)) if not (seeds[k] == UNKNOWN).any()]
        channels: Any = shape  # it gives what the prior asks of a ShapePrior: groups, margin and planes
        evidence = CorrectionEvidence(features, seeds, cuts, len(classes.table), groups, channels, None)
        evidence = replace(evidence, trust=trust, believed=believed, names=names)
        return cls(axis, box, classes, wanted, evidence, learned, distances, sure, strokes)

    @cached_property
    def _samples(self) -> Samples:
        return collect_samples(replace(self.evidence, classes=self.learned), SAMPLES)

    @cached_property
    def _believed_samples(self) -> Samples | None:
        if self.believed is None:
            return None
        return collect_samples(replace(self.evidence, classes=self.believed), BELIEVED_SAMPLES)

    def reliability(self, progress: Progress) -> Reliability | None:
        """How far what slices drawn right teach is followed. None of strokes."""
        if self.strokes is not None:
            return None
        progress(0.0, "learning from what was corrected")
        samples, spacing = self._samples, self.evidence.features.spacing
        depth = self.distances.at(places_of(self.learned.shape, (samples.plane, *samples.place)))
        return find_reliability(samples, self._believed_samples, depth, spacing, progress)

    def solve(self, reliability: Reliability | None, solver: Solver, progress: Progress) -> Solution:
        """Solve the walk around the corrections, with their `reliability`."""
        progress(0.0, "learning from what was corrected")
        evidence, classifier = self._learn(reliability, progress)
        gamma = GAMMA if self.strokes is None else STROKE_GAMMA
        context = Context(evidence, classifier, Settings(gamma, DEFAULT_EDGE), solver, TOLERANCE)
        best = evidence.classes.copy()
        unsure = np.zeros(best.shape, np.uint8)
        iterations: list[int] = []
        slabs = [s for s in evidence.slabs() if (evidence.classes[s[0] : s[1] + 1] == UNKNOWN).any()]
        for number, (first, last) in enumerate(slabs):
            progress(0.3 + 0.7 * number / len(slabs), "solving around the corrections")
            planes = slice(first, last + 1)
            best[planes], unsure[planes], done = solve_open(context, first, last, progress)
            iterations += done
        classes, uncertainty = np.moveaxis(best, 0, self.axis), np.moveaxis(unsure, 0, self.axis)
        return Solution(classes, uncertainty, iterations, None if self.strokes is None else evidence.weight)

    def _learn(
        self, reliability: Reliability | None, progress: Progress
    ) -> tuple[CorrectionEvidence, AppearanceClassifier]:
        """The evidence, with the part that the segmentation has, and the appearance classifier."""
        evidence, samples, believed = self.evidence, self._samples, self._believed_samples
        if self.strokes is not None:
            evidence, samples = self._seen(samples, self.strokes, progress)
        elif reliability is not None:
            evidence = replace(evidence, believed=self.distances, width=OUTLINE_WIDTH, lead=reliability.lead)
            if reliability.length < EVERYWHERE:
                away = capped_distance(self.learned >= 0, evidence.features.spacing, FAR_AWAY * reliability.length)
                evidence = replace(evidence, away=away, length=reliability.length)
        if believed is not None:
            samples = samples.joined(believed)
        return evidence, train_classifier(samples, len(evidence.groups), steps=STEPS, progress=progress)

    def _seen(self, samples: Samples, strokes: np.ndarray, progress: Progress) -> tuple[CorrectionEvidence, Samples]:
        """The evidence around strokes, as far as the image shows what they mended, and the samples with all strokes."""
        evidence, trust = self.evidence, self.evidence.trust
        assert trust is not None
        told = collect_samples(replace(evidence, classes=np.where(strokes >= 0, self.learned, UNKNOWN)), SAMPLES)
        rest = samples.part(strokes[(samples.plane, *samples.place)] < 0)
        group_of = np.zeros(len(self.classes.table), np.int64)
        for number, members in enumerate(evidence.groups):
            group_of[members] = number
        origin = group_of[strokes[(told.plane, *told.place)]]
        near = trust[(rest.plane, *rest.place)] < 1
        seen = visibility(rest, told, origin, near, len(evidence.groups), progress)
        share = UNSEEN_REACH + (1 - UNSEEN_REACH) * seen**2
        trust = np.minimum(trust / np.float32(share), 1) ** 2
        return replace(evidence, trust=trust, weight=seen), samples.joined(told)


@dataclass(frozen=True)
class _Cut:
    """Takes a box out of arrays (k, j, i), and brings an axis to the front."""

    box: Box
    axis: int

    def __call__(self, array: np.ndarray) -> np.ndarray:
        return self.turned(array[self.box])

    def turned(self, array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.moveaxis(array, self.axis, 0))

    def spacing(self, spacing: np.ndarray) -> list[float]:
        return [float(spacing[a]) for a in (self.axis, *[a for a in range(3) if a != self.axis])]


def _image(volume: Volume, cut: _Cut) -> tuple[np.ndarray, np.ndarray]:
    """The image in the box, and where it has no value."""
    image = cut(volume.array)
    outside = ~np.isfinite(image) if image.dtype.kind == "f" else np.zeros(image.shape, bool)
    padding = padding_of(volume.array)
    if padding is not None and not (padded := padding.where(image)).all():  # alone, it is the image that there is
        outside |= padded
    if outside.all():
        raise InputError(f"volume {volume.name!r} holds no finite value where it was corrected.")
    return image, outside


def _ends(side: slice) -> tuple[int, int]:
    return side.start, side.stop


def _box(decisions: Decisions, opened: Opened, axis: int, spacing: np.ndarray, shape: Sequence[int]) -> Box:
    """A box around the open voxels, with what the features need, and with what is learned from near them."""
    tight = bounding_box(opened.open)
    assert tight is not None
    margin = MARGIN if decisions.whole_slices else LEARNING_RADIUS
    sides = []
    for side, within, h, size in zip(tight, opened.box, spacing, shape, strict=True):
        more = int(np.ceil(margin / h))
        sides.append(slice(max(side.start + within.start - more, 0), min(side.stop + within.start + more, size)))
    far = int(np.ceil(LEARNING_REACH / spacing[axis]))
    low, high = _ends(sides[axis])
    near = [n for n in decisions.slices.get(AXES[axis], []) if low - far <= n < high + far]
    sides[axis] = slice(min([low, *near]), max([high, *(n + 1 for n in near)]))
    return sides[0], sides[1], sides[2]


def _group_probabilities(
    decisions: Decisions, classes: Classes, groups: list[list[int]], probabilities: Mapping[str, np.ndarray], cut: _Cut
) -> np.ndarray | None:
    """Probability of groups in the box, (P, K, J, I), of those whose segments have some; None if no one has."""
    identifiers = [segment.id for segment in decisions.corrected.segments]
    totals = []
    for group in groups:
        names = {identifiers[row] for c in group for row in classes.table[c]} & set(probabilities)
        if names:
            totals.append(np.sum([cut(probabilities[name]) for name in sorted(names)], axis=0, dtype=np.float32))
    return np.stack(totals) if totals else None


def _sure(
    before: np.ndarray, changed: np.ndarray, learned: np.ndarray, distances: SegmentDistances
) -> np.ndarray | None:
    """The segmentation on some planes, where it lies deeper than all errors; UNKNOWN elsewhere, None if nowhere."""
    errors, in_segment = _depth(distances.at(np.flatnonzero(changed))), before[changed] > 0
    sure = np.full(before.shape, UNKNOWN, np.int16)
    planes = np.unique(np.linspace(0, len(before) - 1, BELIEVED_PLANES + 2).astype(int)[1:-1])
    depth = _depth(distances.planes(planes.tolist()).swapaxes(0, 1))
    for segment in (False, True):
        wrong = errors[in_segment == segment]
        deepest = float(np.quantile(wrong, DEPTH_QUANTILE)) if len(wrong) else 0.0
        deep = ((before[planes] > 0) == segment) & (learned[planes] == UNKNOWN) & (depth > deepest + 0.5)
        sure[planes] = np.where(deep, before[planes], sure[planes])
    return sure if (sure >= 0).any() else None


def _depth(distances: np.ndarray) -> np.ndarray:
    """Distance to the nearest outline, from signed distances (G, ...)."""
    return np.asarray(np.abs(distances).min(axis=0))


def _untaught(
    before: np.ndarray, changed: np.ndarray, taught: Sequence[np.ndarray], distances: SegmentDistances
) -> list[int]:
    """Classes that lost only voxels at their rim, and of which no voxel shows what they look like.

    Their other voxels stay: a slice beside a thin segment does not tell that it is nowhere.
    """
    lost, depth = before[changed], _depth(distances.at(np.flatnonzero(changed)))
    deep = np.unique(lost[depth > RIM])
    seen = [np.unique(a[a >= 0]) for a in taught]
    return [c for c in np.unique(lost).tolist() if c not in deep and not any(c in classes for classes in seen)]


def _distrust(before: np.ndarray, changed: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Part of their reach that voxels are away from the strokes, 1 at most at the farthest voxels of these classes."""
    touched = np.isin(before, np.unique(before[changed])) & (before > 0)
    farthest = float(share[touched].max(initial=0.0)) or 1.0
    return np.minimum(share / np.float32(farthest), 1)


def _all_open(before: np.ndarray, changed: np.ndarray, unknown: np.ndarray) -> list[int]:
    """Classes that a change took voxels from, and whose other voxels are all to be found."""
    found = np.intersect1d(before[changed], before[unknown])
    for classes, *masks in zip(before, changed, unknown, strict=True):
        if not len(found):  # as soon as a voxel of each is found that stays: planes take time
            break
        stays = np.bincount(classes[~np.logical_or(*masks)], minlength=int(found.max()) + 1) > 0
        found = found[~stays[found]]
    return [int(c) for c in found]


def _anchors(before: np.ndarray, changed: np.ndarray, classes: Sequence[int], away: np.ndarray) -> np.ndarray:
    """Voxels that stay as segmented, bool: the part of these classes that is farthest from the changes."""
    anchors = np.zeros(before.shape, bool)
    for c in classes:
        left = (before == c) & ~changed
        anchors |= left & (away >= ANCHORED * away[left].max())
    return anchors


def _with_belief(learned: np.ndarray, before: np.ndarray, changed: np.ndarray, away: np.ndarray) -> np.ndarray:
    """Classes to learn from around strokes: these, and the segmentation, but not near them where it says the same.

    Of a class that lies near the strokes with all it has, the nearer half is doubted alone: with nothing to learn from,
    it would vanish.
    """
    doubtful = np.zeros(before.shape, bool)
    for c in np.unique(before[changed]):
        own = before == c
        distances = away[own & ~changed & (away < LEARNING_RADIUS)]
        radius = min(WRONG_RADIUS, float(np.median(distances))) if len(distances) else WRONG_RADIUS
        doubtful |= own & (away < radius)
    believed = (learned == UNKNOWN) & ~doubtful & (away < LEARNING_RADIUS)
    return np.where(believed, before, learned).astype(np.int16)
