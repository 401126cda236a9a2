"""The solution of one slab: the random walk of each class, and labels and uncertainty from their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ACSegLib.fill.constants import MAX_CLASSES_TOGETHER, TOLERANCE
from ACSegLib.fill.prior.appearance import AppearanceClassifier
from ACSegLib.fill.prior.class_priors import (
    WHOLE,
    ClassPriors,
    classes_of_nearest_seeds,
    shares_of_absent_groups,
    shares_of_instances,
)
from ACSegLib.fill.prior.evidence import Evidence
from ACSegLib.fill.prompts.levels import levels_at_edges, shares_above
from ACSegLib.fill.seeds import OUTSIDE, UNKNOWN, count_classes
from ACSegLib.fill.tuning.estimates import SlabTally
from ACSegLib.fill.walk.boxed import CUT_SHARE, BoxedWalk, solve_boxed
from ACSegLib.fill.walk.random_walk import SlabProblem
from ACSegLib.fill.walk.solvers import Solver
from ACSegLib.jobs import Progress
from ACSegLib.masks import Box, box_size
from ACSegLib.postprocess.rules import (
    STROKE_HOLES,
    WALK,
    FillHoles,
    Labelling,
    Rule,
    apply_rules,
    rules_for_strokes,
)
from ACSegLib.threads import in_order

#: Part of a slab below which the box of a class is solved alone. Bound.
SMALL_PART = 0.4


@dataclass(frozen=True)
class Settings:
    """Strength of the prior, and what is an edge.

    Attributes
    ----------
    gamma : float
    edge : float
        Difference between neighbours that is an edge, in units of the noise.
    learned : bool
        Whether the edges are those that were learned (`Evidence.learned_edges`); `edge` does not matter then.
    """

    gamma: float
    edge: float
    learned: bool = False

    def beta(self, noise: float) -> float:
        """Factor of the squared difference in the edge weight."""
        return 1.0 / (2.0 * (self.edge * noise) ** 2)


@dataclass(frozen=True)
class Context:
    """Everything that the solution of a slab needs.

    Attributes
    ----------
    evidence : Evidence
    classifier : AppearanceClassifier
    settings : Settings
    solver : Solver
    tolerance : float
        Bound on the error of the probabilities.
    without_holes : tuple of int
        Classes that enclose no background.
    """

    evidence: Evidence
    classifier: AppearanceClassifier
    settings: Settings
    solver: Solver
    tolerance: float = TOLERANCE
    without_holes: tuple[int, ...] = ()

    @property
    def beta(self) -> float:
        """Factor of the squared difference in the edge weight."""
        return self.settings.beta(self.evidence.features.noise)


def solve_slab(
    context: Context, first: int, last: int, *, keep: bool = False, progress: Progress | None = None
) -> SlabResult:
    """Solve planes first..last; their outer planes are known, or the volume ends there. The caller finishes it.

    Parameters
    ----------
    keep : bool
        Also give the probabilities of every class.
    """
    prepared = prepare_slab(context.evidence, context.classifier, first, last, progress=progress)
    return solve_prepared(context, prepared, keep=keep, progress=progress)


@dataclass(frozen=True)
class PreparedSlab:
    """A slab before it is solved: all that does not depend on the settings.

    Attributes
    ----------
    first : int
        Its first plane.
    seeds : ndarray of int16, (K, J, I)
    edges : ndarray of float32, (K, J, I)
        Image whose differences make the weights, or height of walls.
    priors : ClassPriors
    evidence : Evidence
    ending : ndarray of float32, (K, J, I), or None
        Smoothed image at whose edges the segments end.
    """

    first: int
    seeds: np.ndarray
    edges: np.ndarray
    priors: ClassPriors
    evidence: Evidence
    ending: np.ndarray | None = None

    @cached_property
    def learned_weights(self) -> np.ndarray:
        """Weights of the edges that were learned, float32, (3, K, J, I)."""
        learned, stop = self.evidence.learned_edges, self.first + len(self.seeds)
        if learned is None:
            raise ValueError("no edges were learned from these labels")
        return learned.weights(self.evidence.features, self.first, stop)


def prepare_slab(
    evidence: Evidence,
    classifier: AppearanceClassifier,
    first: int,
    last: int,
    *,
    without: int | None = None,
    progress: Progress | None = None,
) -> PreparedSlab:
    """Compute the class priors of planes first..last.

    Parameters
    ----------
    without : int, optional
        Prepare as if this slice was not labelled (to see how well it is predicted).
    """
    seeds = evidence.classes[first : last + 1].copy()
    if without is not None:
        seeds[without - first] = np.where(seeds[without - first] == OUTSIDE, OUTSIDE, UNKNOWN)
    slab = evidence.features.slab(first, last + 1)
    priors = _class_priors(evidence, classifier, first, slab, seeds, without, progress or Progress())
    ending = slab[1] if evidence.ends_at_edges else None
    edges = evidence.walls.heights(evidence.features, first, last + 1) if evidence.walls else slab[0]
    return PreparedSlab(first, seeds, np.ascontiguousarray(edges), priors, evidence, ending)


def solve_prepared(
    context: Context, slab: PreparedSlab, *, keep: bool = False, progress: Progress | None = None
) -> SlabResult:
    """Solve a prepared slab with the settings of the context. The caller finishes it."""
    evidence, gamma, seeds = context.evidence, context.settings.gamma, slab.seeds
    problem = SlabProblem(
        slab.edges,
        seeds,
        seeds != OUTSIDE,
        context.beta,
        gamma,
        evidence.axis_weights,
        evidence.walls is not None,
        slab.learned_weights if context.settings.learned else None,
    )
    if evidence.whole_slices:
        rules = WALK.rules(gamma, evidence.usual_gap, evidence.usual_areas)
    else:
        rules = rules_for_strokes(evidence.count)
    if context.without_holes:
        size = np.inf if evidence.whole_slices else STROKE_HOLES
        rules = (*rules, FillHoles(dict.fromkeys(context.without_holes, size)))
    result = SlabResult(slab.first, seeds, rules, evidence.count, keep, slab.ending, evidence.features.spacing)
    progress = progress or Progress()
    wanted = slab.priors.worth_solving(context.tolerance, progress)
    boxes = _own_boxes(slab.priors, seeds, context.tolerance, progress) if not keep else {}
    together = [c for c in wanted if c not in boxes]
    for start in range(0, len(together), MAX_CLASSES_TOGETHER):
        batch = together[start : start + MAX_CLASSES_TOGETHER]
        progress.check()
        prior = np.stack([slab.priors.of(c) for c in batch])
        progress.check()
        x, done = context.solver.solve(problem, batch, prior, prior.copy(), context.tolerance, progress)
        result.add(batch, x, prior, WALK.share(gamma), done)
    _solve_boxed(context, problem, slab.priors, {c: box for c, box in boxes.items() if box}, result, progress)
    return result


def _own_boxes(priors: ClassPriors, seeds: np.ndarray, tolerance: float, progress: Progress) -> dict[int, Box | None]:
    """Boxes of classes that take a small part of a slab; see `ClassPriors.boxes`."""
    boxes = priors.boxes(seeds, CUT_SHARE * tolerance, progress.check)
    return {c: box for c, box in boxes.items() if box is None or box_size(box) < SMALL_PART * seeds.size}


def _solve_boxed(
    context: Context,
    problem: SlabProblem,
    priors: ClassPriors,
    boxes: dict[int, Box],
    result: SlabResult,
    progress: Progress,
) -> None:
    """Solve each class in its own box, several at once."""

    def solve(c: int) -> BoxedWalk:
        return solve_boxed(
            context.solver, problem, c, lambda box: priors.of(c, box), boxes[c], context.tolerance, progress
        )

    classes = list(boxes)
    for c, walk in zip(classes, in_order(solve, classes, context.solver.at_once), strict=True):
        result.add([c], walk.x, walk.prior, WALK.share(problem.gamma), walk.iterations, walk.box)


def _class_priors(
    evidence: Evidence,
    classifier: AppearanceClassifier,
    first: int,
    slab: tuple[np.ndarray, np.ndarray],
    seeds: np.ndarray,
    without: int | None,
    progress: Progress,
) -> ClassPriors:
    """Priors of the classes in a slab with these seeds."""
    known = (bool((seeds[0] != UNKNOWN).all()), len(seeds) > 1 and bool((seeds[-1] != UNKNOWN).all()))
    probabilities = evidence.group_probabilities(classifier.layers, first, slab, without, known, progress)
    evidence.share_among_rivals(probabilities, first, without, progress)
    present = {c for c in np.flatnonzero(count_classes(seeds, evidence.count)).tolist() if c > 0}
    instances, nearest = {}, None
    if evidence.instances is not None:
        instances = shares_of_instances(
            evidence.instances, range(first, first + len(seeds)), present, without, progress
        )
    else:
        nearest = classes_of_nearest_seeds(seeds, evidence.groups, evidence.features.spacing, progress.check)
    inherited = shares_of_absent_groups(classifier, evidence.groups, present)
    return ClassPriors(probabilities, evidence.groups, present, inherited, instances, nearest)


class SlabResult:
    """Best class of each voxel of a slab, its uncertainty, and on request all probabilities.

    Parameters
    ----------
    first : int
        Its first plane.
    seeds : ndarray of int16, (K, J, I)
        Known classes.
    rules : sequence of Rule
        What turns probabilities into labels; without any, the likeliest class wins everywhere.
    count : int
        Number of classes.
    keep : bool
        Whether the probabilities are to be kept.
    image : ndarray of float32, (K, J, I), optional
        At whose edges the segments end; see `ACSegLib.fill.prompts.levels`.
    spacing : sequence of float
        Of its voxels, along K, J, I.
    """

    def __init__(
        self,
        first: int,
        seeds: np.ndarray,
        rules: Sequence[Rule],
        count: int,
        keep: bool,
        image: np.ndarray | None = None,
        spacing: Sequence[float] = (1.0, 1.0, 1.0),
    ) -> None:
        self.first = first
        self._seeds, self._rules = seeds, rules
        self._image, self._spacing = image, spacing
        shape = seeds.shape
        self.best = np.maximum(seeds, 0)
        self.best_value = (seeds > 0).astype(np.float32)
        self.second_value = np.zeros(shape, np.float32)
        self._rest = 1 - self.best_value
        self._expected = np.zeros(count)
        self._prior_best = np.zeros(shape, np.int16)  # of which the prior is at least as likely as all others together
        self.probabilities = np.zeros((count, *shape), np.float16) if keep else None
        self.iterations: list[int] = []

    def add(
        self,
        classes: list[int],
        x: np.ndarray,
        prior: np.ndarray,
        share: float,
        iterations: int = 0,
        box: Box = WHOLE,
    ) -> None:
        """Fold in the probabilities (R, K, J, I) of some classes, moved by `share` towards their prior.

        They may be those of a box; beyond it they are those of seeds.
        """
        self.iterations.append(iterations)
        for c, likely in zip(classes, prior, strict=True):
            self._prior_best[box][likely > 0.5] = c
        self._fold(x, prior, share, classes, box)
        seeds = self._seeds[box]
        known = [np.count_nonzero(seeds == c) for c in classes]
        self._expected[classes] = x.sum(axis=(1, 2, 3), dtype=np.float64) - known
        if self.probabilities is not None:
            self.probabilities[(classes, *box)] = x

    def finish(self) -> SlabResult:
        """Fold in background as what the others leave, then put the labelled voxels back as they are.

        The rules come last; voxels that they change are marked as most uncertain.
        """
        rest = np.maximum(self._rest, 0)
        if self._image is not None:
            rest = self._ended_at_edges(self._image, rest)
        if not self._rules:
            self._fold_background(rest, self._seeds)
        else:
            likeliest, value = self.best.copy(), self.best_value.copy()
            self._fold_background(rest, self._seeds)
            changed = np.zeros(self.best.shape, bool)
            known = self._seeds != UNKNOWN
            apply_rules(self._rules, Labelling(self.best, likeliest, value, known, changed))
            self.second_value[changed] = self.best_value[changed]
        if self.probabilities is not None:
            outside = self._seeds == OUTSIDE
            self.probabilities[0] = rest
            self.probabilities[:, outside] = 0
            self.probabilities[0, outside] = 1
        return self

    def _ended_at_edges(self, image: np.ndarray, rest: np.ndarray) -> np.ndarray:
        """The probability of background, after all others were moved so that segments end at edges."""
        share = self.best_value / np.maximum(self.best_value + rest, np.float32(1e-6))
        levels = levels_at_edges(image, self.best, share, self._seeds, self._spacing)
        if any(level != 0.5 for level in levels.values()):
            raised, lowered = shares_above(levels, self.best, rest)
            self.best_value *= raised
            self.second_value *= raised
            if self.probabilities is not None:
                self.probabilities[1:] *= raised.astype(np.float16)
            rest = rest * lowered
        return rest

    def _fold(self, x: np.ndarray, prior: np.ndarray, share: float, classes: list[int], box: Box = WHOLE) -> None:
        from ACSegLib.fill.walk import kernels

        arrays = (self.best, self.best_value, self.second_value, self._rest)
        *leading, rest = parts = [np.ascontiguousarray(array[box]) for array in arrays]
        seeds = np.ascontiguousarray(self._seeds[box])
        kernels.merge_best(x, prior, np.float32(share), seeds, np.asarray(classes, np.int16), tuple(leading), rest)
        for array, part in zip(arrays, parts, strict=True):
            if not np.shares_memory(array, part):
                array[box] = part

    def _fold_background(self, rest: np.ndarray, seeds: np.ndarray) -> None:
        self._fold(rest[None], rest[None], 0.0, [0])
        known = seeds >= 0
        self.best[known] = seeds[known]
        self.best_value[known], self.second_value[known] = 1.0, 0.0
        outside = seeds == OUTSIDE
        self.best[outside], self.best_value[outside], self.second_value[outside] = 0, 1.0, 0.0

    def tally(self) -> SlabTally:
        """What was filled in the unknown voxels; after `finish`."""
        count = len(self._expected)
        unknown = self._seeds == UNKNOWN
        best = np.where(unknown, self.best, 0)
        prior = np.where(unknown, self._prior_best, 0)
        common, claimed = (np.bincount(v.ravel(), minlength=count) for v in (best[best == prior], prior))
        areas = np.stack([np.bincount(plane.ravel(), minlength=count) for plane in best])
        areas[:, 0] = 0  # known voxels are among them, and nobody asks for the background
        right = np.bincount(best.ravel(), weights=self.best_value.ravel(), minlength=count)
        return SlabTally(areas, right, self._expected, common, claimed, self._jumps())

    def _jumps(self) -> np.ndarray:
        """How far the labels of the slab's ends and the fill beside them differ; see `SlabTally`."""
        count = len(self._expected)
        jumps = np.zeros((count, 2))
        for end, beside in ((0, 1), (-1, -2)) if len(self.best) > 2 else ():
            if (self._seeds[end] != UNKNOWN).all():
                labelled, filled = self.best[end], self.best[beside]
                common = np.bincount(labelled[labelled == filled], minlength=count)
                both = count_classes(labelled[None], count) + count_classes(filled[None], count)
                jumps += np.column_stack([both - 2 * common, both])
        return jumps

    @property
    def uncertainty(self) -> np.ndarray:
        """0 (certain) to 255 (two classes are equally likely), uint8."""
        return np.rint(255 * (1 - (self.best_value - self.second_value))).astype(np.uint8)
