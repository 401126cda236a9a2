"""What a fill gives: dense labels, uncertainty, probabilities, and a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ACSegLib.axes import AXES
from ACSegLib.fill import constants
from ACSegLib.fill.orientation import Orientation
from ACSegLib.fill.seeds import SeedOptions, Seeds, count_classes
from ACSegLib.fill.slab import Context, SlabResult
from ACSegLib.fill.tuning.estimates import SlabTally, collect_signs, estimate, too_far_apart, useful_distance
from ACSegLib.fill.tuning.holdout import mean_dice
from ACSegLib.fill.tuning.selection import Choice
from ACSegLib.fill_report import FillReport
from ACSegLib.padding import Padding
from ACSegLib.segment_estimates import SegmentEstimate, trust_warnings
from ACSegLib.volume import Segment, Segmentation, Volume, distinct_names, label_dtype


@dataclass(frozen=True)
class FillState:
    """What a refill needs of the fill before it.

    Attributes
    ----------
    choice : Choice
        The settings, and what they were chosen by.
    probabilities : ndarray of float16, (classes, K, J, I), or None
        Of the classes, if they were asked for.
    tallies : dict
        First and last plane of each slab -> what was filled there.
    padding : Padding, optional
        Of the image.
    """

    volume: Volume
    options: SeedOptions
    seeds: Seeds
    context: Context
    choice: Choice
    probabilities: np.ndarray | None
    tallies: dict[tuple[int, int], SlabTally] = field(default_factory=dict)
    padding: Padding | None = None


@dataclass(frozen=True)
class FillResult:
    """What a fill gives.

    Attributes
    ----------
    segmentation : Segmentation
        Dense; labelled voxels as they were labelled.
    uncertainty : ndarray of uint8, shape (k, j, i)
        0 (certain) to 255 (the two most probable classes are equally probable).
    probabilities : dict or None
        Segment id -> float16 array (k, j, i), when asked for.
    report : FillReport
    slices : dict
        Axis name -> labelled slices used.
    state : FillState
        For a refill.
    """

    segmentation: Segmentation
    uncertainty: np.ndarray
    probabilities: dict[str, np.ndarray] | None
    report: FillReport
    slices: dict[str, list[int]]
    state: FillState = field(repr=False)

    @property
    def known(self) -> np.ndarray:
        """Voxels that were known before the fill (labelled, or background of a labelled slice): bool, (k, j, i)."""
        evidence = self.state.context.evidence
        return np.ascontiguousarray(evidence.orientation.leave(evidence.classes >= 0))

    def report_on(self, segments: Sequence[Segment]) -> FillReport:
        """The report of a result of these segments alone, with a warning of each that is not to be trusted."""
        rows, overlap = self.state.seeds.segments, self.state.choice.overlap
        names = dict(zip([s.id for s in segments], distinct_names(segments), strict=True))
        shown = {old: names[s.id] for old, s in zip(distinct_names(rows), rows, strict=True) if s.id in names}
        estimates = [replace(e, segment=shown[e.segment]) for e in self.report.estimates if e.segment in shown]
        dice = self.report.cross_validation_dice
        if overlap is not None and len(shown) < len(rows):
            judged = [any(rows[row].id in names for row in members) for members in self.state.seeds.table]
            dice = mean_dice(overlap[[True, *judged[1:]]]) if overlap[judged, 1].any() else None
        advice = ("label more slices that show it", "label more slices that show them")
        warnings = [*self.report.warnings, *trust_warnings(estimates, *advice)]
        return replace(self.report, warnings=warnings, estimates=estimates, cross_validation_dice=dice)


class Assembly:
    """Classes, uncertainty and probabilities of the whole volume, written slab by slab.

    Parameters
    ----------
    shape : tuple of int
        (K, J, I), as in the evidence.
    count : int
        Number of classes whose probabilities are kept; 0 for none.
    previous : FillResult, optional
        The fill before an edit, whose uncertainty and probabilities stay where no slab is solved again.
    """

    def __init__(self, shape: tuple[int, ...], count: int, previous: FillResult | None = None) -> None:
        self.slabs: list[list[int]] = []
        self.iterations: list[int] = []
        self.tallies: dict[tuple[int, int], SlabTally] = dict(previous.state.tallies) if previous else {}
        if previous is None:
            self.best = np.zeros(shape, np.int16)
            self.uncertainty = np.zeros(shape, np.uint8)
            self.probabilities = np.zeros((count, *shape), np.float16) if count else None
        else:
            state = previous.state
            self.best = np.empty(shape, np.int16)  # of the slabs to redo alone, so no other page is touched
            self.uncertainty = state.context.evidence.orientation.enter(previous.uncertainty).copy()
            kept = state.probabilities
            self.probabilities = kept.copy() if count and kept is not None else None

    def write(self, slab: SlabResult) -> None:
        """Finish a slab and write it."""
        slab.finish()
        last = slab.first + len(slab.best) - 1
        planes = slice(slab.first, last + 1)
        self.best[planes] = slab.best
        self.uncertainty[planes] = slab.uncertainty
        if self.probabilities is not None:
            self.probabilities[:, planes] = slab.probabilities
        self.slabs.append([slab.first, last])
        self.iterations += slab.iterations
        self.tallies[slab.first, last] = slab.tally()

    def result(
        self, labels: Segmentation, state: FillState, changes: list[int] | None, previous: FillResult | None
    ) -> FillResult:
        """Put the result together; after a refill with the slices that changed and the fill before."""
        seeds, orientation = state.seeds, state.context.evidence.orientation
        if previous is None:
            segmentation = _segmentation(orientation.leave(self.best), seeds, labels)
        else:
            segmentation = self._patched(previous.segmentation, state, labels)
        by_segment = None
        if self.probabilities is not None:
            by_segment = _segment_probabilities(self.probabilities, seeds, orientation)
        uncertainty = np.ascontiguousarray(orientation.leave(self.uncertainty))
        report = self._report(state, changes)
        return FillResult(segmentation, uncertainty, by_segment, report, seeds.slices, state)

    def _patched(self, before: Segmentation, state: FillState, labels: Segmentation) -> Segmentation:
        """The segmentation of the fill before, with the planes of the slabs replaced."""
        layers, seeds = [], state.seeds
        for old, values in zip(before.layers, _value_tables(seeds, labels), strict=True):
            layer = old.copy()
            planes = state.context.evidence.orientation.enter(layer)
            for first, last in self.slabs:
                planes[first : last + 1] = np.take(values, self.best[first : last + 1])
            layers.append(layer)
        return _with_layers(layers, seeds, labels)

    def _report(self, state: FillState, changes: list[int] | None) -> FillReport:
        seeds, context, choice = state.seeds, state.context, state.choice
        walls = context.evidence.walls
        counts = count_classes(context.evidence.classes, context.evidence.count)
        warnings = [*seeds.warnings, *([context.solver.note] if context.solver.note else [])]
        if state.padding is not None:
            warnings.append(state.padding.note("it became background where it is not labelled."))
        if max(self.iterations, default=0) > constants.MAX_ITERATIONS:
            warnings.append(
                f"the solver stopped at its limit of {constants.MAX_ITERATIONS} iterations before the error of the "
                f"probabilities was below {context.tolerance:g}; a stronger prior (--gamma) or a larger tolerance "
                "makes it end."
            )
        if choice.left_out == [] and sum(map(len, seeds.slices.values())) > 1:
            warnings.append(
                "how right this fill is cannot be told: no completely labelled slice lies between two others, so "
                "none can be hidden as a test. Check the fill between the slices, or label at least three."
            )
        estimates, notes = _estimates(state)
        warnings += notes
        return FillReport(
            axis=AXES[seeds.primary],
            slices=seeds.slices,
            warnings=warnings,
            segments=[s.name for s in seeds.segments],
            known_voxels={seeds.class_name(c): int(n) for c, n in enumerate(counts)},
            slabs=sorted(context.evidence.orientation.slices(slab) for slab in self.slabs),
            solver=context.solver.name,
            gamma=context.settings.gamma,
            edge=context.settings.edge,
            beta=context.beta,
            tolerance=context.tolerance,
            iterations=self.iterations,
            left_out=choice.left_out,
            prior_dice=choice.prior_dice,
            cross_validation_dice=choice.cross_validation_dice,
            whole_slices_hidden=choice.overlap is not None and context.evidence.instances is not None,
            changed_slices=changes,
            estimates=estimates,
            walls=None if walls is None else "bright" if walls.bright else "dark",
            learned_edges=context.settings.learned,
        )


def _estimates(state: FillState) -> tuple[list[SegmentEstimate], list[str]]:
    """Estimates of the segments that labelled slices show, or a sentence on why there are none."""
    seeds, overlap, evidence = state.seeds, state.choice.overlap, state.context.evidence
    if overlap is None:
        return [], []
    slabs = evidence.slabs()
    tallies = {slab: tally for slab, tally in state.tallies.items() if slab in slabs}
    signs = collect_signs(evidence, seeds, tallies, overlap)
    if too_far_apart(list(signs.values())):
        distance = useful_distance(list(signs.values()), float(np.median(np.diff(seeds.slices[AXES[seeds.primary]]))))
        return [], [
            "how right this fill is cannot be told: most segments lie on a single labelled slice, so others probably "
            f"lie between the slices and are lost in them. Label slices at most {distance} apart."
        ]
    notes, spacing = [], evidence.features.spacing
    if evidence.instances is not None and max(spacing) >= constants.UNEVEN_SPACING * min(spacing):
        notes.append(
            "the Dice may be lower than expected: of so many segments in voxels that are not cubes, fewer than 90 % of "
            "the intervals held in tests."
        )
    names = distinct_names(seeds.segments)
    return [estimate(names[row], found) for row, found in signs.items()], notes


def _segment_probabilities(probabilities: np.ndarray, seeds: Seeds, orientation: Orientation) -> dict[str, np.ndarray]:
    by_segment = {}
    for row, segment in enumerate(seeds.segments):
        members = seeds.classes_of(row)
        if members:
            total = probabilities[members[0]] if len(members) == 1 else probabilities[members].sum(axis=0)
            by_segment[segment.id] = np.ascontiguousarray(orientation.leave(total))
    return by_segment


def _value_tables(seeds: Seeds, labels: Segmentation) -> list[np.ndarray]:
    """For each layer, the label value of each class."""
    dtype = label_dtype(s.value for s in labels.segments)
    tables = []
    for number in range(len(labels.layers)):
        value_of = np.zeros(len(seeds.table), dtype)
        for c, rows in enumerate(seeds.table):
            for row in rows:
                if seeds.segments[row].layer == number:
                    value_of[c] = seeds.segments[row].value
        tables.append(value_of)
    return tables


def _segmentation(best: np.ndarray, seeds: Seeds, labels: Segmentation) -> Segmentation:
    """Classes back to the input's segments, layers and values."""
    layers = [np.ascontiguousarray(np.take(values, best)) for values in _value_tables(seeds, labels)]
    return _with_layers(layers, seeds, labels)


def _with_layers(layers: list[np.ndarray], seeds: Seeds, labels: Segmentation) -> Segmentation:
    """Dense labels with the input's segments as they are named now; those that marked something are left out.

    A list of labelled slices does not come along: the result is dense.
    """
    used = {row for rows in seeds.table for row in rows}
    segments: list[Segment] = [replace(s) for row, s in enumerate(labels.segments) if row in used]
    meta = {key: value for key, value in labels.meta.items() if key != "slices"}
    return Segmentation(tuple(layers), segments, labels.geometry, labels.name, meta)
