"""The first segmentation from strokes: each voxel gets the class of the stroke to which the cheapest path leads.

A path costs what the intensity changes along it, and a little for its length (Bai and Sapiro, Geodesic matting, IJCV 82
(2009) 113, doi:10.1007/s11263-008-0191-z). So a region ends where the image has edges, and it hangs together with its
stroke: what only looks like the cell, such as the wall of the capillary, belongs to the stroke that it hangs together
with. The appearance classifier of the fill then learns from this segmentation, and the random walk decides.

A level of the cost is chosen at which the region of a segment grows least. Far beyond it is background, even if no
stroke says so. Where a region between walls is better closed than one between edges, walls end it: see `path_costs`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from ACSegLib.fill.constants import (
    CLEAR,
    FITTING,
    LENGTH_COST,
    MAX_DEPTH,
    MAX_GEODESIC_VOXELS,
    MAX_SINGLE,
    MAX_TAKEN,
    MAX_WALL_EXCESS,
    MIN_EDGE_CONTRAST,
    MIN_EDGE_RANK,
    MIN_GROWTH,
    MIN_RANKED_CONTRAST,
    MIN_WALL_CONTRAST,
    MISFIT_WEIGHT,
    PAINTED_PENALTY,
    PLAUSIBLE,
    SAME,
    SECTION_LENGTHS,
    SEEN_MARGIN,
    SPLIT_MARGIN,
    WALL_ADVANTAGE,
    WHOLE_DAB,
)
from ACSegLib.fill.prior.features import ImageFeatures, pool_factors, smoothed
from ACSegLib.fill.prompts.crests import move_to_crests
from ACSegLib.fill.prompts.dabs import Dab, correct_around_dabs, find_dabs
from ACSegLib.fill.prompts.distinctness import distinctness, evidence
from ACSegLib.fill.prompts.meanings import Grown, Meaning
from ACSegLib.fill.prompts.path_costs import COST_RANGE, PathCosts, path_costs
from ACSegLib.fill.prompts.sections import Section, cores, find_sections, misfit, section_level, taken
from ACSegLib.fill.prompts.stroke_voxels import closed_room, pooled, typical_voxels, widened
from ACSegLib.fill.prompts.touching import cells_with_strokes
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.masks import Box, outside_of
from ACSegLib.postprocess.rules import fill_stroke_holes
from ACSegLib.threads import in_threads


@dataclass(frozen=True)
class FirstSegmentation:
    """A class for every voxel.

    Attributes
    ----------
    classes : ndarray of int16, (K, J, I)
        As the seeds where these are known or `OUTSIDE`; no voxel is unknown.
    walls : bool
        Whether its regions end at walls, so that both sides may look the same.
    """

    classes: np.ndarray
    walls: bool


def classes_around_strokes(
    features: ImageFeatures, seeds: np.ndarray, holes: bool = False, seen: FirstSegmentation | None = None
) -> FirstSegmentation:
    """Give every voxel a class from the strokes.

    Parameters
    ----------
    features : ImageFeatures
    seeds : ndarray of int16, (K, J, I)
        Class of the strokes; `UNKNOWN` or `OUTSIDE` elsewhere.
    holes : bool
        Whether classes may enclose background without a stroke of it.
    seen : FirstSegmentation, optional
        From fewer strokes. What it means stays, corrected around the strokes, unless clearly more speaks for another
        meaning.
    """
    search = StrokeSearch.of(features, seeds, holes)
    costs, coarse, _penalty = search.best() if seen is None else search.best_after(seen)
    first = np.where(seeds == UNKNOWN, search.on_image(coarse, seeds.shape), seeds)
    if costs.ends_at_walls:
        first = move_to_crests(features, first, seeds)
    return FirstSegmentation(first, costs.ends_at_walls)


@dataclass(frozen=True)
class StrokeSearch:
    """What the strokes may mean, on the grid of the search.

    One dab in the middle of a cell says more of it than all dabs together, as those that correct lie at its border. So
    regions are grown from single dabs first, then from all. A dab of background that lies in a region disproves the
    cost at which it ends; the weakest such limit is tried first, so that one dab at a border does not cut off the other
    end of a cell. Between edges, the region counts for which most speaks once it was corrected around the dabs. Between
    walls, where both sides look alike, it is the first that explains all dabs, and of these the one whose dab lies in
    its middle.

    Attributes
    ----------
    strokes : ndarray of int16, (K, J, I)
        The typical voxels of the strokes.
    dabs : list of Dab
    costs : tuple of PathCosts
        By edges and by walls.
    lengths : ndarray of int32, (3, 3, 3)
    steps : tuple of float
        Size of a voxel of the grid along k, j, i; the smallest is 1.
    factor : tuple of int
        By which the grid is coarser than the image, along each axis.
    holes : bool
        Whether classes may enclose background without a stroke of it.
    room : tuple of slice, optional
        Box on the grid outside of which strokes of background, such as the shell of a box, leave nothing else.
    """

    strokes: np.ndarray
    dabs: list[Dab]
    costs: tuple[PathCosts, PathCosts]
    lengths: np.ndarray
    steps: tuple[float, ...]
    factor: tuple[int, ...]
    holes: bool = False
    room: Box | None = None

    @classmethod
    def of(cls, features: ImageFeatures, seeds: np.ndarray, holes: bool = False) -> StrokeSearch:
        """The strokes among the seeds, on a grid of at most `MAX_GEODESIC_VOXELS`; see `classes_around_strokes`."""
        shape, spacing, factor = np.asarray(features.image.shape), np.asarray(features.spacing), np.ones(3, int)
        while math.prod((-(-shape // factor)).tolist()) > MAX_GEODESIC_VOXELS:
            factor = factor * pool_factors(spacing * factor, (shape // factor).tolist())
        steps = spacing * factor / (spacing * factor).min()
        costs, strokes = path_costs(features, factor), widened(pooled(seeds, factor), steps)
        room, drawn = closed_room(strokes), strokes
        if room is not None:
            around = outside_of(room, strokes.shape)
            drawn = np.where(around, UNKNOWN, strokes)
        typical, dabs = typical_voxels(drawn, costs[0].values), find_dabs(drawn)
        if room is not None:
            typical[around] = typical_voxels(np.where(around, strokes, UNKNOWN), costs[0].values)[around]
        return cls(typical, dabs, costs, _lengths(steps), tuple(steps.tolist()), tuple(factor.tolist()), holes, room)

    def on_image(self, classes: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """Classes of the grid of the search on that of the image."""
        for axis, f in enumerate(self.factor):
            classes = classes.repeat(f, axis) if f > 1 else classes
        k, j, i = shape
        return classes[:k, :j, :i]

    def fill_holes(self, classes: np.ndarray) -> None:
        """Fill the holes that may not be, in place."""
        if not self.holes:
            fill_stroke_holes(classes, self.strokes >= 0)

    def best(self) -> tuple[PathCosts, np.ndarray, float]:
        """The costs and the classes, background among them, that the strokes most likely mean; their penalty."""
        single = self.singles()
        costs = single[0].grown.costs
        if costs.ends_at_walls:
            return costs, *self._corrected(self.first_explaining(single))
        choices = self.choices(single)
        corrected = in_threads(self._corrected, choices)
        if len(corrected) == 1:
            return costs, *corrected[0]
        image = self.rim_image
        values = in_threads(lambda pair: evidence(image, pair[0]) - pair[1], corrected)
        against = [MISFIT_WEIGHT * self._misfit(meaning.classes) for meaning in choices]
        return costs, *corrected[int(np.argmax(np.subtract(values, against)))]

    def best_after(self, seen: FirstSegmentation) -> tuple[PathCosts, np.ndarray, float]:
        """The same, but what the person saw stays, corrected, unless clearly more speaks for something else."""
        fk, fj, fi = self.factor
        old, before = seen.classes[::fk, ::fj, ::fi], self.costs[seen.walls]
        kept, kept_penalty = self._around_dabs(old, before)
        costs, classes, penalty = self.best()
        if self._misfit(classes) < self._misfit(old):
            return costs, classes, penalty
        gain = evidence(self.rim_image, classes) - penalty - evidence(self.rim_image, kept) + kept_penalty
        if costs.ends_at_walls == seen.walls:
            changes = gain > SEEN_MARGIN[seen.walls]
        elif seen.walls:
            changes = gain > SEEN_MARGIN[0] and distinctness(self.rim_image, classes) >= CLEAR
        else:
            changes = gain > 0 and distinctness(self.rim_image, kept) < CLEAR
        return (costs, classes, penalty) if changes else (before, kept, kept_penalty)

    def singles(self) -> list[Meaning]:
        """What grows from all strokes of a segment, and from single dabs, to edges or to walls.

        Strokes around a room lie near its edges, which then seem to end regions well. So walls also count if they do
        without these strokes.
        """
        if self.sections:
            return self._up_to_sections()
        sources = [*self._single()]
        found = self._edges_or_walls(sources)
        if self.room is None or found[0].grown.costs.ends_at_walls:
            return found
        anywhere = replace(self, room=None).singles()
        return self._meanings(self.costs[1], sources) if anywhere[0].grown.costs.ends_at_walls else found

    @cached_property
    def sections(self) -> list[Section]:
        """What strokes say about the places where segments end."""
        return find_sections(self.dabs, self.steps)

    def _up_to_sections(self) -> list[Meaning]:
        """What grows from the cores of sections, up to where these end, to edges or to walls.

        Those end the segments whose paths tell the sections from what surrounds them. Where the image shows no edge to
        a cell that touches, the length of the paths does, as in a ball around the core. So it costs the more, the less
        the sections fit without. The region that grows least may be meant as well: it fits a section that was drawn a
        little too large. One that takes more of what surrounds the sections has leaked.
        """
        strokes = cores(self.sections, self.strokes)
        edges = in_threads(lambda n: self._from_cores(strokes, self.costs[0], n), SECTION_LENGTHS)
        walls = self._from_cores(strokes, self.costs[1], 1)
        misfits = [self._misfit(meaning.classes) for meaning in edges]
        if self._misfit(walls.classes) < min(misfits):
            return [walls]
        enough = next((n for n, value in enumerate(misfits) if value <= FITTING), len(edges))
        least = self._meaning(self.costs[0], strokes)
        leaks = taken(self.sections, least.classes) > taken(self.sections, edges[0].classes) + FITTING
        return [*([] if leaks else [least]), *edges[: enough + 1]]

    def _misfit(self, classes: np.ndarray) -> float:
        return misfit(self.sections, classes) if self.sections else 0.0

    def _from_cores(self, strokes: np.ndarray, costs: PathCosts, length: int) -> Meaning:
        """What grows from the cores of sections; the length of paths costs so many times as much as it does else."""
        lengths = self.lengths * np.int32(length)
        free = np.where(strokes == 0, UNKNOWN, strokes) if self.room is None else strokes
        _classes, distances = costs.spread(free, lengths)
        levels = {
            c: section_level([s for s in self.sections if s.number == c], distances)
            for c in {s.number for s in self.sections}
        }
        return self._explained(Grown.along(costs, strokes, lengths).ended_at(levels))

    def choices(self, single: list[Meaning]) -> list[Meaning]:
        """All that the dabs may mean between edges, apart from what is hardly more than the dabs.

        Where sections say where segments end, only what grows up to these is meant.

        What the other dabs mean without the one on the steepest ground is among it, so that this one, as it is added,
        cannot spoil all that is known.
        """
        found = single
        if not self.sections:
            found = [meaning for group in self._candidates(single) for meaning in group]
            costs = single[0].grown.costs
            found += self._meanings(costs, [*self._partly_united()])
        return in_threads(self._apart, _different([meaning for meaning in found if meaning.is_something] or found))

    def _apart(self, meaning: Meaning) -> Meaning:
        """The same without the cells that touch those with strokes, unless these stand out far less than all."""
        classes = cells_with_strokes(meaning.classes, self.strokes, self.costs[0].values, self.steps)
        if np.array_equal(classes, meaning.classes):
            return meaning
        whole, part = (evidence(self.rim_image, c) for c in (meaning.classes, classes))
        return meaning if whole > part + SPLIT_MARGIN else replace(meaning, classes=classes)

    @cached_property
    def rim_image(self) -> np.ndarray:
        """The image in which regions are compared by `distinctness`."""
        return smoothed(self.costs[0].values / np.float32(COST_RANGE), 1.0, (1.0, 1.0, 1.0))

    def first_explaining(self, single: list[Meaning]) -> Meaning:
        """The likeliest of the first candidates that explain all dabs; if none does, what explains them best."""
        tried: list[Meaning] = []
        for choices in self._candidates(single):
            tried += choices
            explaining = [meaning for meaning in choices if not meaning.wrong]
            if explaining:
                return _likeliest(explaining)
        return min(tried, key=lambda meaning: sum(meaning.depths))

    def corrected(self, meaning: Meaning) -> np.ndarray:
        """Its classes, corrected around the dabs."""
        return self._corrected(meaning)[0]

    def _corrected(self, meaning: Meaning) -> tuple[np.ndarray, float]:
        return self._around_dabs(meaning.classes, meaning.grown.costs)

    def _around_dabs(self, classes: np.ndarray, costs: PathCosts) -> tuple[np.ndarray, float]:
        """Classes, corrected around the dabs, background outside of the room; by how much less speaks for them.

        A dab of a segment where the image shows nothing would take all that is alike, as far as its error reaches. If
        that is very much, it changes only its own voxels, unless about as much speaks for the rest.
        """
        if self.room is not None:
            classes = np.where(outside_of(self.room, classes.shape), 0, classes).astype(np.int16)
            costs = replace(costs, room=self.room)
        corrected = self._with_dabs(classes, costs)
        much = np.count_nonzero(corrected > 0) > MAX_TAKEN * np.count_nonzero(classes > 0)
        if costs.ends_at_walls or not much:
            return corrected, 0.0
        painted = classes.copy()
        for dab in self.dabs:
            if dab.number:
                painted[dab.places] = dab.number
        careful = self._with_dabs(painted, costs)
        value, doubtful = (evidence(self.rim_image, c) for c in (corrected, careful))
        return (corrected, 0.0) if value >= doubtful - PAINTED_PENALTY else (careful, PAINTED_PENALTY)

    def _with_dabs(self, classes: np.ndarray, costs: PathCosts) -> np.ndarray:
        corrected = correct_around_dabs(classes, self.dabs, costs, self.lengths)
        self.fill_holes(corrected)
        return corrected

    def _meanings(self, costs: PathCosts, sources: Sequence[np.ndarray]) -> list[Meaning]:
        """What grows from each of the sources."""
        return in_threads(lambda strokes: self._meaning(costs, strokes), sources)

    def _meaning(self, costs: PathCosts, strokes: np.ndarray) -> Meaning:
        return self._explained(Grown.along(costs, strokes, self.lengths))

    def _explained(self, grown: Grown) -> Meaning:
        classes, _distances = grown.costs.spread(grown.seeds(), grown.lengths)
        self.fill_holes(classes)
        depths = self._depths(classes, grown.strokes)
        if self._is_nothing(classes, grown):
            return Meaning(grown, classes, depths, self.dabs, False)
        for n, dab in enumerate(self.dabs):
            if dab.number == 0 and grown.ends_before(dab):
                depths[n] = 0.0  # between the end of the region and certain background, nothing was said
        wrong = [d for d, depth in zip(self.dabs, depths, strict=True) if depth > MAX_DEPTH[d.number > 0]]
        return Meaning(grown, classes, depths, wrong)

    def _is_nothing(self, classes: np.ndarray, grown: Grown) -> bool:
        """Whether hardly more than the strokes is left of a class."""
        return any(
            np.count_nonzero(classes == c) < MIN_GROWTH * np.count_nonzero(grown.strokes == c) for c in grown.regions
        )

    def _depths(self, classes: np.ndarray, strokes: np.ndarray) -> list[float]:
        """See `Meaning.depths`."""
        radius = float(np.cbrt(3 * max(int(np.count_nonzero(classes > 0)), 1) / (4 * np.pi)))
        sources = np.argwhere(strokes > 0)
        depths = []
        for dab in self.dabs:
            size: float = radius
            if dab.number == 0 and len(sources):  # a region that leaks is far larger than what is meant
                size = min(size, float(np.sqrt(((sources - dab.centre) ** 2).sum(axis=1).min())))
            depths.append(min(dab.depth(classes) / max(size, 1.0), 1.0))
        return depths

    def _candidates(self, single: list[Meaning]) -> Iterator[list[Meaning]]:
        """From single dabs and from all: alone, then only up to the background, then against it."""
        yield single
        costs = single[0].grown.costs
        together = self._marked([d for d in self.dabs if d.is_stroke or (d.number and self._is_whole(d))])
        united = []
        if not any(np.array_equal(together, meaning.grown.strokes) for meaning in single):
            united = self._meanings(costs, [together])
            yield united
        if any(dab.number == 0 for dab in self.dabs):
            for alone in (single, united):
                limited = in_threads(self._limited, alone)
                yield [meaning for meaning, free in zip(limited, alone, strict=True) if meaning is not free]
            yield self._meanings(costs, [self.strokes])

    def _limited(self, meaning: Meaning) -> Meaning:
        """Regions that end before the dabs that disprove them, one dab after the other."""
        most: dict[int, float] = {}
        while True:
            reached = [meaning.grown.reached(dab) for dab in meaning.wrong if dab.number == 0]
            below = [(c, cost) for c, cost in reached if cost < most.get(c, np.inf)]
            if not below:
                return meaning
            most |= {c: max(cost for other, cost in below if other == c) for c, _cost in below}
            meaning = self._explained(meaning.grown.up_to(most))

    def _edges_or_walls(self, sources: Sequence[np.ndarray]) -> list[Meaning]:
        """What grows from each of the sources, to edges or to walls, whichever end the regions of the image.

        An image has edges or walls, whatever one dab looks like: one near a border can grow into what lies beyond. So
        the best closed of each decide, among those that explain the dabs, and all plausible ones between edges. A
        region between walls that is far less plausible has leaked up to the walls of something else. Walls look alike
        on both sides: where no region between them explains the dabs, and one between edges stands out once it was
        corrected, there are edges.
        """
        by_edges, by_walls = self.costs
        edges = self._meanings(by_edges, sources)
        plausible = [m for m in edges if not m.wrong and m.plausibility >= PLAUSIBLE] if len(sources) > 1 else []
        rivals = [_best_closed(edges), *plausible]
        if any(_is_among_strongest(rival.grown) for rival in rivals):
            return edges
        walls = self._meanings(by_walls, sources)
        best = _best_closed([meaning for meaning in walls if meaning.is_whole] or walls)
        if any(m.plausibility >= best.plausibility + PLAUSIBLE for m in plausible):
            return edges
        if not all(_is_better(best.grown, rival.grown, self.room is None) for rival in rivals):
            return edges
        if not best.wrong:
            return walls
        image = self.rim_image
        clear = in_threads(lambda meaning: distinctness(image, self.corrected(meaning)), edges)
        return edges if max(clear) >= CLEAR else walls

    def _marked(self, dabs: Sequence[Dab]) -> np.ndarray:
        """Typical voxels of some of the dabs, and of what lies around the room."""
        marked = np.full_like(self.strokes, UNKNOWN)
        if self.room is not None:
            marked[:] = self.strokes
            marked[self.room] = UNKNOWN
        for dab in dabs:
            marked[dab.places] = self.strokes[dab.places]
        return marked

    def _is_whole(self, dab: Dab) -> bool:
        """Whether no border cut a dab off, so that a region may grow from it."""
        sections = [other.section for other in self.dabs if other.number == dab.number and not other.is_stroke]
        return dab.section >= WHOLE_DAB * max(sections)

    @cached_property
    def _even_first(self) -> list[Dab]:
        """The dabs, those on even ground first."""
        slopes = ndimage.gaussian_gradient_magnitude(self.costs[0].values.astype(np.float32), 1.0)
        return sorted(self.dabs, key=lambda dab: float(np.median(slopes[dab.places])))

    def _partly_united(self) -> Iterator[np.ndarray]:
        """All strokes, with the first two dabs on even ground, with the first three, and so on, but not with all."""
        whole = [dab for dab in self._even_first if dab.number and not dab.is_stroke and self._is_whole(dab)]
        strokes = [dab for dab in self.dabs if dab.is_stroke]
        wanted = {dab.number for dab in whole}
        for n in range(2, min(len(whole), MAX_SINGLE)):
            if {dab.number for dab in whole[:n]} == wanted:
                yield self._marked([*strokes, *whole[:n]])

    def _single(self) -> Iterator[np.ndarray]:
        """All strokes of a segment, then a single dab each, those on even ground first."""
        if not any(dab.number for dab in self.dabs):
            yield self.strokes
            return
        choices: dict[int, list[list[Dab]]] = {}
        for c in {dab.number for dab in self._even_first if dab.number}:
            own = [dab for dab in self._even_first if dab.number == c]
            strokes, whole = (
                [d for d in own if d.is_stroke],
                [[d] for d in own if not d.is_stroke and self._is_whole(d)],
            )
            choices[c] = [strokes, *whole] if strokes else whole
        background = [dab for dab in self._even_first if dab.number == 0 and dab.is_stroke]
        most = max(map(len, choices.values()), default=0)
        for n in range(min(most, MAX_SINGLE)):
            yield self._marked([*background, *(dab for c in choices.values() for dab in c[min(n, len(c) - 1)])])


def _different(meanings: Sequence[Meaning]) -> list[Meaning]:
    """The meanings without those whose classes are nearly the same as of one before."""
    different: list[Meaning] = []
    for meaning in meanings:
        few = SAME * np.count_nonzero(meaning.classes > 0)
        if all(np.count_nonzero(meaning.classes != other.classes) > few for other in different):
            different.append(meaning)
    return different


def _likeliest(meanings: Sequence[Meaning]) -> Meaning:
    """The first of the likeliest."""
    return max(meanings, key=lambda meaning: meaning.likelihood) if len(meanings) > 1 else meanings[0]


def _best_closed(meanings: Sequence[Meaning]) -> Meaning:
    """Of those that explain the dabs, or of all if none does."""
    choices = [meaning for meaning in meanings if not meaning.wrong] or meanings
    return max(choices, key=lambda meaning: meaning.grown.usual("contrast"))


def _is_among_strongest(edges: Grown) -> bool:
    """Whether regions end at edges of which the image has few stronger ones, so that walls need not be tried."""
    return edges.usual("rank") >= MIN_EDGE_RANK and edges.usual("contrast") >= MIN_RANKED_CONTRAST


def _is_better(walls: Grown, edges: Grown, can_leak: bool) -> bool:
    """Whether the regions between walls are well closed and no far larger, and those between edges are not."""
    if walls.usual("contrast") < MIN_WALL_CONTRAST:
        return False
    if can_leak and walls.usual("voxels") > MAX_WALL_EXCESS * edges.usual("voxels"):
        return False  # they fill the surroundings too, up to the walls of something else
    contrast = edges.usual("contrast")
    return contrast < walls.usual("contrast") / WALL_ADVANTAGE[contrast >= MIN_EDGE_CONTRAST]


def _lengths(steps: Sequence[float]) -> np.ndarray:
    """Cost of the length of a step to each of the 26 neighbours, int32."""
    offsets = np.stack(np.meshgrid(*([-s, 0.0, s] for s in steps), indexing="ij"))
    return np.maximum(np.rint(LENGTH_COST * np.sqrt((offsets**2).sum(0))), 1).astype(np.int32)
