"""Everything that one fill knows, and how it solves one slab.

The volume is turned so that the drawn slices lie along axis 0. Slices that are known whole cut it into slabs that do
not depend on each other: they bound the memory, and an edit of one slice touches two of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from ACSegLib.fill.appearance import PriorNetwork
from ACSegLib.fill.constants import TOLERANCE
from ACSegLib.fill.features import ImageFeatures
from ACSegLib.fill.random_walk import SlabProblem
from ACSegLib.fill.seeds import OUTSIDE, UNKNOWN, count_classes
from ACSegLib.fill.shape import ShapeGuess
from ACSegLib.fill.solvers import Solver
from ACSegLib.jobs import Progress
from ACSegLib.postprocess.rules import WALK, Labelling, Rule, apply_rules

#: Classes solved together share the passes over the edge weights.
TOGETHER = 4

#: Voxels whose prior is computed between two looks for a cancel: about half a second.
_VOXELS_AT_ONCE = 4_000_000

#: Width, in voxels, over which neighbouring instances share the prior of their group.
_INSTANCE_WIDTH = 2.0


@dataclass(frozen=True)
class Settings:
    """Strength of the prior, and which difference between neighbours (in units of the noise) is an edge."""

    gamma: float
    edge: float

    def beta(self, noise: float) -> float:
        """Factor of the squared difference in the edge weight."""
        return 1.0 / (2.0 * (self.edge * noise) ** 2)


@dataclass
class Context:
    """What a fill works with; see `ACSegLib.fill.pipeline`.

    Attributes
    ----------
    classes : ndarray of int16, (K, J, I)
        Seeds, turned; see `ACSegLib.fill.seeds.Seeds`.
    cuts : list of int
        Slices that are known whole.
    groups : list of list of int
        Class groups of the network; `members` tells the classes of a shared group apart.
    whole_slices : bool
        Whether slices were drawn as a whole; in scribbles, what was not drawn says nothing.
    """

    features: ImageFeatures
    classes: np.ndarray
    cuts: list[int]
    count: int
    groups: list[list[int]]
    shape: ShapeGuess
    members: ShapeGuess | None
    solver: Solver
    network: PriorNetwork | None = None
    settings: Settings = field(default_factory=lambda: Settings(0.3, 3.0))
    tolerance: float = TOLERANCE
    whole_slices: bool = True
    iterations: list[int] = field(default_factory=list)

    @property
    def axis_weights(self) -> np.ndarray:
        """1 / h^2 along K, J, I."""
        return (1.0 / np.asarray(self.features.spacing) ** 2).astype(np.float32)

    @property
    def group_of(self) -> np.ndarray:
        """Group of each class; -1 for the two negative values that mean unknown and outside."""
        table = np.full(self.count + 2, -1, np.int64)
        for number, members in enumerate(self.groups):
            table[members] = number
        return table

    def slabs(self) -> list[tuple[int, int]]:
        """First and last plane of each slab; neighbours share the drawn slice between them."""
        ends = sorted({0, len(self.classes) - 1, *self.cuts})
        if len(ends) == 1:
            return [(0, 0)]
        return list(itertools.pairwise(ends))

    def group_prior(
        self,
        first: int,
        edges: np.ndarray,
        fine: np.ndarray,
        without: int | None = None,
        network: PriorNetwork | None = None,
        known: tuple[bool, bool] = (False, False),
        progress: Progress | None = None,
    ) -> np.ndarray:
        """Prior of each group in a slab, (G, K, J, I) float32; 0 in an outer plane that is known whole."""
        from ACSegLib.fill import image_kernels as kernels

        network = network or self.network
        assert network is not None
        out = np.zeros((len(self.groups), *edges.shape), np.float32)
        begin, end = int(known[0]), len(edges) - int(known[1])
        step = max(1, _VOXELS_AT_ONCE // edges[0].size)
        for start in range(begin, end, step):
            if progress is not None:
                progress.check()
            stop = min(start + step, end)
            guess = self.shape.planes(list(range(first + start, first + stop)), without)
            kernels.prior_planes(
                start, stop, first, edges, fine, self.features.inverse_spacing, tuple(self.features.levels),
                self.features.placement, guess, self.shape.reach, network.layers, out,
            )  # fmt: skip
        return out

    def solve(
        self,
        first: int,
        last: int,
        *,
        keep: bool = False,
        without: int | None = None,
        network: PriorNetwork | None = None,
        settings: Settings | None = None,
        progress: Progress | None = None,
    ) -> SlabResult:
        """Solve planes first..last; their outer planes are drawn, or the volume ends there. The caller finishes it.

        Parameters
        ----------
        keep : bool
            Also give the probabilities of every class.
        without : int, optional
            Solve as if this slice had not been drawn (to see how well it is predicted).
        """
        settings = settings or self.settings
        edges, fine = self.features.slab(first, last + 1)
        seeds = self.classes[first : last + 1].copy()
        if without is not None:
            seeds[without - first] = np.where(seeds[without - first] == OUTSIDE, OUTSIDE, -1)
        known = (bool((seeds[0] != UNKNOWN).all()), len(seeds) > 1 and bool((seeds[-1] != UNKNOWN).all()))
        prior = self.group_prior(first, edges, fine, without, network, known, progress)
        present = {c for c in np.flatnonzero(count_classes(seeds, self.count)).tolist() if c > 0}
        give_to_present(prior, self.groups, present, network or self.network)
        priors = ClassPriors(self, prior, first, seeds, present, without)
        problem = SlabProblem(
            np.ascontiguousarray(edges), seeds, seeds != OUTSIDE, settings.beta(self.features.noise), settings.gamma,
            self.axis_weights,
        )  # fmt: skip
        rules = WALK.rules(settings.gamma) if self.whole_slices else ()
        result = SlabResult(first, seeds, rules, self.count if keep else 0)
        wanted = priors.worth_solving(self.tolerance)
        for start in range(0, len(wanted), TOGETHER):
            batch = wanted[start : start + TOGETHER]
            given = np.stack([priors.of(c) for c in batch])
            x, done = self.solver.solve(problem, batch, given, given.copy(), self.tolerance, progress or Progress())
            self.iterations.append(done)
            result.add(batch, x, given, WALK.share(settings.gamma))
        return result


def give_to_present(
    prior: np.ndarray, groups: list[list[int]], present: set[int], network: PriorNetwork | None
) -> None:
    """Give the prior (G, K, J, I) of groups that no slice of a slab shows to those that look alike, in place.

    Where the image cannot tell two cells apart, the one that was drawn around here is meant: of the other's shape, the
    slab knows nothing. `present` are the classes that the slab shows.
    """
    assert network is not None
    seen = [bool(present.intersection(members)) for members in groups]
    for absent in range(1, len(groups)):
        heirs = [] if seen[absent] else [g for g in network.look_alikes(absent) if seen[g]]
        if heirs:
            heir = max(heirs, key=lambda g: network.taken_for[g, absent])
            # of what looks like the absent one, so much is the other, if the two are as frequent
            share = min(1.0, network.taken_for[heir, absent] / max(network.taken_for[absent, absent], 1e-6))
            prior[heir] += np.float32(share) * prior[absent]
            prior[absent] *= np.float32(1 - share)


class ClassPriors:
    """Priors of single classes in one slab, from those of the groups.

    Of a group that classes share, only the classes `present` in the slab have one.
    """

    def __init__(
        self, context: Context, prior: np.ndarray, first: int, seeds: np.ndarray, present: set[int], without: int | None
    ) -> None:
        self._prior, self._seeds, self._spacing = prior, seeds, context.features.spacing
        self._nearest_class: np.ndarray | None = None
        self._group_of = {c: g for g, members in enumerate(context.groups) for c in members}
        self._groups = context.groups
        self._present = present
        self._closeness: dict[int, np.ndarray] = {}
        if context.members is not None and present:
            numbers = list(range(first, first + prior.shape[1]))
            distances = context.members.planes(numbers, without)
            index = [members[0] for members in context.members.groups]
            total = np.full(prior.shape[1:], 1e-12, np.float32)
            for c in sorted(present):
                close = np.exp(distances[:, index.index(c)] / _INSTANCE_WIDTH).astype(np.float32)
                self._closeness[c] = close
                total += close
            for c in self._closeness:
                self._closeness[c] /= total

    def of(self, c: int) -> np.ndarray:
        """Prior of a class, (K, J, I) float32."""
        group = self._groups[self._group_of[c]]
        prior = self._prior[self._group_of[c]]
        if c in self._closeness:
            return prior * self._closeness[c]
        return prior * (self._nearest(group) == c) if len(group) > 1 else prior

    def _nearest(self, group: list[int]) -> np.ndarray:
        """The class of a group that was drawn nearest to each voxel: in scribbles no outlines share the group out."""
        if self._nearest_class is None:
            drawn = np.isin(self._seeds, group)
            where = ndimage.distance_transform_edt(~drawn, self._spacing, return_distances=False, return_indices=True)
            self._nearest_class = self._seeds[tuple(where)]
        return self._nearest_class

    def worth_solving(self, tolerance: float) -> list[int]:
        """Classes that may come out anywhere in the slab, background (what is left) not among them."""
        wanted = []
        for group in self._groups:
            for c in group:
                shared = len(group) > 1
                if c and (c in self._present or (not shared and float(self.of(c).max()) > tolerance)):
                    wanted.append(c)
        return wanted


class SlabResult:
    """Best class of each voxel of a slab, how sure it is, and on request all probabilities.

    Parameters
    ----------
    first : int
        Its first plane.
    seeds : ndarray of int16, (K, J, I)
        Known classes.
    rules : sequence of Rule
        What turns probabilities into labels; without any, the likeliest class wins everywhere.
    keep : int
        Number of classes if the probabilities are to be kept, else 0.
    """

    def __init__(self, first: int, seeds: np.ndarray, rules: Sequence[Rule], keep: int) -> None:
        self.first = first
        self._seeds, self._rules = seeds, rules
        shape = seeds.shape
        self.best = np.zeros(shape, np.int16)
        self.best_value = np.zeros(shape, np.float32)
        self.second = np.zeros(shape, np.float32)
        self._rest = np.ones(shape, np.float32)
        self.probabilities = np.zeros((keep, *shape), np.float16) if keep else None

    def add(self, classes: list[int], x: np.ndarray, prior: np.ndarray, share: float) -> None:
        """Fold in the probabilities (R, K, J, I) of some classes, moved by `share` towards their prior."""
        self._fold(x, prior, share, classes)
        if self.probabilities is not None:
            self.probabilities[classes] = x

    def finish(self) -> SlabResult:
        """Fold in background as what the others leave, then put the drawn voxels back as drawn.

        The rules come last; voxels that they change are marked as most uncertain.
        """
        rest = np.maximum(self._rest, 0)
        if not self._rules:
            self._fold_background(rest, self._seeds)
        else:
            likeliest, value = self.best.copy(), self.best_value.copy()
            self._fold_background(rest, self._seeds)
            changed = np.zeros(self.best.shape, bool)
            apply_rules(self._rules, Labelling(self.best, likeliest, value, self._seeds != UNKNOWN, changed))
            self.second[changed] = self.best_value[changed]
        if self.probabilities is not None:
            outside = self._seeds == OUTSIDE
            self.probabilities[0] = rest
            self.probabilities[:, outside] = 0
            self.probabilities[0, outside] = 1
        return self

    def _fold(self, x: np.ndarray, prior: np.ndarray, share: float, classes: list[int]) -> None:
        from ACSegLib.fill import walk_kernels as kernels

        leading = (self.best, self.best_value, self.second)
        kernels.merge_best(x, prior, np.float32(share), self._seeds, np.asarray(classes, np.int16), leading, self._rest)

    def _fold_background(self, rest: np.ndarray, seeds: np.ndarray) -> None:
        self._fold(rest[None], rest[None], 0.0, [0])
        drawn = seeds >= 0
        self.best[drawn] = seeds[drawn]
        self.best_value[drawn], self.second[drawn] = 1.0, 0.0
        outside = seeds == OUTSIDE
        self.best[outside], self.best_value[outside], self.second[outside] = 0, 1.0, 0.0

    @property
    def uncertainty(self) -> np.ndarray:
        """0 (sure) to 255 (two classes are equally likely), uint8."""
        return np.rint(255 * (1 - (self.best_value - self.second))).astype(np.uint8)
