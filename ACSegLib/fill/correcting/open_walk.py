"""The walk of a correction, on a list of the voxels that may change.

Most of the box around a correction keeps its classes. So what a fill does in a whole slab (`ACSegLib.fill.slab`) is
done here at the open voxels alone: their prior, their walk, and the best of their classes. Only the rules that follow
look at the slab.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ACSegLib.compute import threads
from ACSegLib.fill.constants import MAX_CLASSES_TOGETHER
from ACSegLib.fill.correcting.evidence import CorrectionEvidence
from ACSegLib.fill.prior.appearance import AppearanceClassifier
from ACSegLib.fill.prior.class_priors import ClassPriors, classes_of_nearest_seeds, shares_of_absent_groups
from ACSegLib.fill.seeds import UNKNOWN, count_classes
from ACSegLib.fill.slab import SMALL_PART, Context
from ACSegLib.fill.walk.boxed import CUT_SHARE, MARGIN, MORE, leak_bound
from ACSegLib.fill.walk.sparse_system import SparseProblem
from ACSegLib.jobs import Progress
from ACSegLib.postprocess.rules import WALK, Labelling, Rule, apply_rules
from ACSegLib.threads import chunks_of, in_order, in_threads

#: Voxels up to which a list is no work for threads. Bound.
FEW = 1 << 16


@dataclass(frozen=True)
class OpenVoxels:
    """The voxels of a slab whose class is sought, in the order of the array.

    Attributes
    ----------
    shape : tuple of int
        (K, J, I) of the slab.
    places : ndarray of int64, (N,)
        Their positions in the flattened slab.
    """

    shape: tuple[int, int, int]
    places: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray) -> OpenVoxels:
        """Those of a mask, bool, (K, J, I)."""
        return cls(mask.shape, np.flatnonzero(mask))

    @cached_property
    def starts(self) -> np.ndarray:
        """Where in the list the voxels of each row of the slab begin, int64 (K * J + 1)."""
        planes, rows, columns = self.shape
        return np.searchsorted(self.places, np.arange(planes * rows + 1) * columns)

    @cached_property
    def parts(self) -> list[slice]:
        """Parts of the list, one for each core; a single one where threads would cost more than they save."""
        count = len(self.places)
        number = threads() if count > FEW else 1
        ends = [count * n // number for n in range(number + 1)]
        return [slice(a, b) for a, b in itertools.pairwise(ends)]

    def inside(self, box: np.ndarray) -> VoxelsInBox:
        """Those in a box (3, 2)."""
        from ACSegLib.fill.walk import sparse_kernels

        first, last = np.empty((2, int(np.prod(box[:2, 1] - box[:2, 0]))), np.int64)
        sparse_kernels.inside(self.places, self.starts, self.shape, box, first, last)
        return VoxelsInBox(box, first, last)

    def at(self, array: np.ndarray) -> np.ndarray:
        """Values of an array (K, J, I) at the voxels, (N,)."""
        flat, values = array.reshape(-1), np.empty(len(self.places), array.dtype)

        def take(part: slice) -> None:
            values[part] = flat[self.places[part]]

        in_threads(take, self.parts)
        return values

    def put(self, array: np.ndarray, values: np.ndarray) -> None:
        """Write values (N,) into a contiguous array (K, J, I)."""
        flat = array.reshape(-1)

        def write(part: slice) -> None:
            flat[self.places[part]] = values[part]

        in_threads(write, self.parts)

    def problem(
        self, edges: np.ndarray, seeds: np.ndarray, beta: float, gamma: float, along: np.ndarray
    ) -> SparseProblem:
        """The walk among the voxels of a slab with an image and seeds, both (K, J, I)."""
        from ACSegLib.fill.walk.sparse_kernels import link

        count = len(self.places)
        index = np.empty(self.shape, np.int32)
        self.put(index, np.arange(count, dtype=np.int32))
        intensity, differences = np.empty(count, np.float32), np.empty((count, 6), np.float32)
        neighbours = np.empty((count, 6), np.int32)
        link(edges, seeds, index, (0, len(seeds)), intensity, differences, neighbours)
        return SparseProblem.of(differences, neighbours, beta, gamma, along.tolist())


@dataclass(frozen=True)
class VoxelsInBox:
    """Those of a list of voxels that lie in a box.

    Attributes
    ----------
    box : ndarray of int64, (3, 2)
    first, last : ndarray of int64, (planes * rows,)
        Where in the list those of each row of the box begin and end.
    """

    box: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @cached_property
    def lengths(self) -> np.ndarray:
        """Voxels of each row, int64 (planes * rows,)."""
        return self.last - self.first

    @cached_property
    def ends(self) -> np.ndarray:
        """Voxels up to the end of each row, int64 (planes * rows,)."""
        return np.cumsum(self.lengths)

    def __len__(self) -> int:
        return int(self.lengths.sum())

    @cached_property
    def places(self) -> np.ndarray:
        """Their places in the list, int64, ascending."""
        return np.repeat(self.last - self.ends, self.lengths) + np.arange(len(self))

    def part(self, problem: SparseProblem) -> SparseProblem:
        """The walk among them: no walker goes to other voxels of the list, but to seeds beyond the box."""
        from ACSegLib.fill.walk import sparse_kernels

        weights, neighbours = np.empty((len(self), 6), np.float32), np.empty((len(self), 6), np.int32)
        rows, shift = int(self.box[1, 1] - self.box[1, 0]), self.ends - self.last
        listed = (rows, self.first, self.last, shift)
        sparse_kernels.part(*listed, problem.weights, problem.neighbours, weights, neighbours)
        return SparseProblem(weights, neighbours, problem.gamma)


class Leading:
    """Best class of each open voxel, its probability and the second largest; probability that is left."""

    def __init__(self, count: int) -> None:
        self.best = np.zeros(count, np.int16)
        self.best_value, self.second_value = np.zeros((2, count), np.float32)
        self.rest = np.ones(count, np.float32)
        self._all = np.arange(count)

    def add(self, c: int, x: np.ndarray, prior: np.ndarray, share: float, voxels: np.ndarray | None = None) -> None:
        """Fold in the probabilities of a class at some voxels, moved by `share` towards its prior."""
        from ACSegLib.fill.walk import sparse_kernels

        where = self._all if voxels is None else voxels
        sparse_kernels.fold(where, x, prior, share, c, (self.best, self.best_value, self.second_value), self.rest)

    def add_background(self) -> None:
        """Fold in what the others leave."""
        rest = np.maximum(self.rest, 0)
        self.add(0, rest, rest, 0.0)


def solve_open(context: Context, first: int, last: int, progress: Progress) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Solve planes first..last of a correction, whose evidence is a `CorrectionEvidence`.

    Returns
    -------
    best : ndarray of int16, (K, J, I)
        Class of each voxel.
    uncertainty : ndarray of uint8, (K, J, I)
        0 (certain) to 255 (two classes are equally likely).
    iterations : list of int
        Of each walk.
    """
    evidence = context.evidence
    assert isinstance(evidence, CorrectionEvidence)
    seeds = evidence.classes[first : last + 1]
    voxels = OpenVoxels.of(seeds == UNKNOWN)
    progress.check()
    slab = evidence.features.slab(first, last + 1)
    named = evidence.with_names(seeds, first)
    priors = _priors(evidence, context.classifier, first, slab, named, voxels, progress)
    problem = voxels.problem(slab[0], seeds, context.beta, context.settings.gamma, evidence.axis_weights)
    progress.check()
    leading, iterations = _walked(context, voxels, problem, priors, progress)
    rules = WALK.rules(context.settings.gamma)  # what was segmented beyond the corrections is no neighbour, and no leak
    return *labelled(rules, seeds, named, voxels, leading, progress), iterations


def labelled(
    rules: Sequence[Rule],
    seeds: np.ndarray,
    named: np.ndarray,
    voxels: OpenVoxels,
    leading: Leading,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray]:
    """Class (int16) and uncertainty (uint8) of each voxel of a slab, from what leads at the open ones.

    Parameters
    ----------
    rules : sequence of Rule
        What turns probabilities into labels. Voxels that they change are marked as most uncertain.
    seeds, named : ndarray of int16, (K, J, I)
        Known classes, and these with the classes that voxels had before: what keeps one of them is no new component.
    voxels : OpenVoxels
    leading : Leading
        All classes but background are in it.
    progress : Progress
    """
    best, likeliest, value, known = (np.empty(seeds.shape, t) for t in (np.int16, np.int16, np.float32, bool))

    def begin(part: slice) -> None:
        best[part] = likeliest[part] = np.maximum(seeds[part], 0)
        value[part], known[part] = best[part] > 0, seeds[part] != UNKNOWN

    in_threads(begin, chunks_of(seeds), progress.check)
    voxels.put(likeliest, leading.best)
    voxels.put(value, leading.best_value)
    leading.add_background()
    voxels.put(best, leading.best)
    changed = np.zeros(best.shape, bool)
    voxels.put(known, (leading.best > 0) & (leading.best == voxels.at(named)))
    apply_rules(rules, Labelling(best, likeliest, value, known, changed), progress)
    uncertainty, unsure = np.zeros(best.shape, np.uint8), np.empty(len(voxels.places), np.uint8)

    def rate(part: slice) -> None:
        lead = leading.best_value[part] - leading.second_value[part]
        lead[changed.reshape(-1)[voxels.places[part]]] = 0
        unsure[part] = np.rint(255 * (1 - lead))

    in_threads(rate, voxels.parts)
    voxels.put(uncertainty, unsure)
    return best, uncertainty


def _priors(
    evidence: CorrectionEvidence,
    classifier: AppearanceClassifier,
    first: int,
    slab: tuple[np.ndarray, np.ndarray],
    named: np.ndarray,
    voxels: OpenVoxels,
    progress: Progress,
) -> ClassPriors:
    """Priors of the classes at the open voxels."""
    probabilities = evidence.probabilities_at(classifier.layers, first, slab, voxels.places, voxels.starts, progress)
    present = {c for c in np.flatnonzero(count_classes(named, evidence.count)).tolist() if c > 0}
    nearest = classes_of_nearest_seeds(named, evidence.groups, evidence.features.spacing, progress.check)
    inherited = shares_of_absent_groups(classifier, evidence.groups, present)
    return ClassPriors(
        probabilities, evidence.groups, present, inherited, {}, None if nearest is None else voxels.at(nearest)
    )


def _walked(
    context: Context, voxels: OpenVoxels, problem: SparseProblem, priors: ClassPriors, progress: Progress
) -> tuple[Leading, list[int]]:
    """The walks of all classes that may come out, and their iterations."""
    leading, iterations = Leading(len(voxels.places)), []
    share = WALK.share(problem.gamma)
    wanted = priors.worth_solving(context.tolerance, progress)
    boxes = _boxes(voxels, problem, priors, wanted, context.evidence.count, CUT_SHARE * context.tolerance, progress)
    together = [c for c, box in boxes.items() if len(voxels.inside(box)) > SMALL_PART * len(voxels.places)]
    apart = [c for c in boxes if c not in together]
    for start in range(0, len(together), MAX_CLASSES_TOGETHER):
        batch = together[start : start + MAX_CLASSES_TOGETHER]
        prior = np.stack([priors.of(c) for c in batch])
        progress.check()
        last = not apart and start + len(batch) == len(together)  # which may overwrite the problem
        system = problem if last else problem.copy()
        x, done = context.solver.solve_sparse(system, batch, prior, prior, context.tolerance, progress)
        for c, found, shares in zip(batch, x, prior, strict=True):
            leading.add(c, found, shares, share)
        iterations.append(done)

    def solve(c: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        return _solve_boxed(context, voxels, problem, priors, c, boxes[c], progress)

    for c, (own, x, prior, done) in zip(apart, in_order(solve, apart, context.solver.at_once), strict=True):
        leading.add(c, x, prior, share, own)
        iterations.append(done)
    return leading, iterations


def _boxes(
    voxels: OpenVoxels,
    problem: SparseProblem,
    priors: ClassPriors,
    wanted: Sequence[int],
    count: int,
    least: float,
    progress: Progress,
) -> dict[int, np.ndarray]:
    """Class -> box (3, 2) around open voxels where its prior is more than `least`, and its seeds beside open voxels.

    `wanted` are classes below `count`. One without such voxels has no box: it comes out nowhere.
    """
    from ACSegLib.fill.walk import sparse_kernels

    likely = priors.likely(least)

    def widened(part: slice) -> np.ndarray:
        boxes = np.tile(np.array([np.iinfo(np.int64).max, 0]), (count, 3, 1))
        sparse_kernels.widen(part.start, part.stop, voxels.places, voxels.shape, problem.neighbours, likely, boxes)
        return boxes

    def spanned(c: int) -> np.ndarray:
        places = voxels.places[priors.of(c) > least]
        if not len(places):
            return np.array([[np.iinfo(np.int64).max, 0]] * 3)
        return np.array([(place.min(), place.max() + 1) for place in np.unravel_index(places, voxels.shape)])

    parts = in_threads(widened, voxels.parts, progress.check)
    low, high = np.min([p[..., 0] for p in parts], axis=0), np.max([p[..., 1] for p in parts], axis=0)
    single = [c for c in wanted if priors.is_alone(c)]
    for c, box in zip(single, in_threads(spanned, single, progress.check), strict=True):
        low[c], high[c] = np.minimum(low[c], box[:, 0]), np.maximum(high[c], box[:, 1])
    return {c: np.stack([low[c], high[c]], axis=1) for c in wanted if high[c, 0] > 0}


def _solve_boxed(
    context: Context,
    voxels: OpenVoxels,
    problem: SparseProblem,
    priors: ClassPriors,
    c: int,
    start: np.ndarray,
    progress: Progress,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Solve a class in a box that grows until nothing flows out of it; see `ACSegLib.fill.walk.boxed`.

    Returns the voxels in the box, as places in the list, its probability and prior there, and the iterations.
    """
    tolerance, shape = context.tolerance, np.array(voxels.shape)
    bound = leak_bound(tolerance, problem.gamma, context.evidence.axis_weights)
    box, grow, total = start, np.full((3, 2), MARGIN), 0
    found: tuple[np.ndarray, np.ndarray] | None = None
    while True:
        box = np.stack([np.maximum(box[:, 0] - grow[:, 0], 0), np.minimum(box[:, 1] + grow[:, 1], shape)], axis=1)
        inside = voxels.inside(box)
        own = inside.places
        prior = np.ascontiguousarray(priors.of(c, own), np.float32)[None]
        begun = prior.copy()
        if found is not None:  # the walk goes on from where it was
            begun[0, np.searchsorted(own, found[0])] = found[1]
        part = inside.part(problem)
        x, done = context.solver.solve_sparse(part, [c], prior, begun, (1 - CUT_SHARE) * tolerance, progress)
        found, total = (own, x[0]), total + done
        grow = MORE * _leaks(x[0], voxels, inside, bound)
        if not grow.any():
            return own, x[0], prior[0], total


def _leaks(x: np.ndarray, voxels: OpenVoxels, inside: VoxelsInBox, bound: np.ndarray) -> np.ndarray:
    """Whether more than the bound flows out at each side of a box, where the slab does not end; bool, (3, 2)."""
    box, used = inside.box, inside.lengths > 0
    begin, end = (inside.ends - inside.lengths)[used], inside.ends[used] - 1
    rows = np.zeros(len(used), np.float32)
    rows[used] = np.maximum.reduceat(x, begin)
    rows = rows.reshape(box[:2, 1] - box[:2, 0])
    left, right = (voxels.places[at] % voxels.shape[2] for at in (inside.first[used], inside.last[used] - 1))
    columns = x[begin][left == box[2, 0]], x[end][right == box[2, 1] - 1]
    faces = (rows[0], rows[-1]), (rows[:, 0], rows[:, -1]), columns
    leaks = [[bool((face > bound[axis]).any()) for face in ends] for axis, ends in enumerate(faces)]
    return np.array(leaks) & np.stack([box[:, 0] > 0, box[:, 1] < voxels.shape], axis=1)
