"""A given number of cells: which of the cells that were found to merge, or to divide again."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from ACSegLib.cells.merging import Merging
from ACSegLib.cells.region_kernels import CUT
from ACSegLib.cells.sizes import MIN_SIZE_GAP

#: Log odds of a seam from which on a cell is divided to reach a number: those below divide a wrong cell more often than
#: the right one (development phantoms). In tissue of many cells, every removed seam does so (simulated tissue).
MIN_ODDS, MIN_ODDS_IN_TISSUE = -0.5, 0.0


def cells_kept(merging: Merging, smallest: float) -> int:
    """How many regions stay cells: large ones, and the rests of cells that the border of the volume cuts."""
    lone = [n for n in merging.cells() if not merging.neighbours[n] and merging.regions[n, CUT]]
    rest = sum(smallest / MIN_SIZE_GAP <= merging.voxels(n) < smallest for n in lone)
    return rest + sum(merging.voxels(n) >= smallest for n in merging.cells())


def merge_to_count(
    found: Merging,
    fresh: Callable[[], Merging],
    count: int,
    smallest: float,
    least: float,
    min_odds: float = MIN_ODDS,
    check: Callable[[], None] = lambda: None,
) -> tuple[Merging, float]:
    """Go on from the cells that were found until there are `count`.

    Too many are merged, the least likely seams first. Of too few, those are divided whose last merging removed the
    likeliest seam; seams that hardly can be ones stay removed. A part below the smallest size makes up the number only
    if it was not merged, or if the border of the volume cuts it. Within a cell it is a granule.

    Parameters
    ----------
    found : Merging
        All seams that are left are likely.
    fresh : callable
        Gives the merging as it began.
    count : int
    smallest : float
        Voxels from which on a region is a cell.
    least : float
        What `smallest` may fall to if there are too few cells.
    min_odds : float, optional
        Log odds of a removed seam from which on it may come back.
    check : callable, optional
        Raises if the job was cancelled.

    Returns
    -------
    Merging, float
        With the cells, and the smallest size that counts.
    """
    if sum(found.voxels(n) >= smallest for n in found.cells()) >= count:
        found.run(lambda odds, cells: cells <= count, smallest, check)
        return found, smallest
    floor, first = smallest, None
    while True:
        undone, cells = steps_to_undo(found, count, smallest, floor, min_odds)
        first = undone if first is None else first
        if cells >= count or floor <= least:
            break
        floor = max(floor / 3, least)
    if cells < count:  # no size helps: as many as there are
        undone, floor = first, smallest
    if not undone:
        return found, floor
    return replayed(found, fresh(), undone, check), floor


def steps_to_undo(
    merging: Merging, count: int, smallest: float, least: float, min_odds: float = MIN_ODDS
) -> tuple[set[int], int]:
    """The steps of a merging to undo so that there are `count` cells, and how many there are then.

    A step that joined two cells makes one more. Undoing one that joined a cell and a fragment makes none, but gives
    access to earlier steps; the fragment goes to a neighbour. Regions of `smallest` voxels are cells, and those of
    `least` voxels if they were not merged, or if the border of the volume cuts them.
    """
    left: list[tuple[float, list[int]]] = []

    def offer(step: int) -> None:
        path: list[int] = []
        while step >= 0:
            path.append(step)
            odds, _, made_by, voxels, cut = merging.steps[step]
            large = [n for n in (0, 1) if voxels[n] >= (least if cut[n] else smallest)]
            if len(large) == 2 and odds >= min_odds:
                heapq.heappush(left, (-odds, path))
            if len(large) != 1:
                return
            step = made_by[large[0]]

    roots = [n for n in merging.cells() if merging.voxels(n) >= least]
    for root in roots:
        offer(merging.made_by[root])
    cells, undone = len(roots), set[int]()
    while cells < count and left:
        _, path = heapq.heappop(left)
        undone.update(path)
        for step in merging.steps[path[-1]].made_by:
            offer(step)
        cells += 1
    return undone, cells


def replayed(found: Merging, fresh: Merging, undone: Iterable[int], check: Callable[[], None]) -> Merging:
    """The merging with all steps of another one but some."""
    without = set(undone)

    def root(region: int) -> int:
        while fresh.parent[region] != region:
            region = fresh.parent[region]
        return region

    for number, step in enumerate(found.steps):
        if number % 256 == 0:
            check()
        if number not in without:
            fresh.merge(*(root(n) for n in step.regions))
    return fresh
