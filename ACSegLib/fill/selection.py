"""Chooses the strength of the prior and the edge scale for each volume, by holding parts of its labels out.

Parts of the labelled slices are hidden (`ACSegLib.fill.trials`) and filled with some settings, by a classifier that
did not learn from them. The settings that give the labels back best are those of the fill, and their Dice is its
cross-validation.

Usually blocks are hidden, and not whole slices: a slice that is left out is twice as far from the next labelled one as
any voxel of the fill, which favours the prior whatever the volume.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.fill.evidence import Evidence
from ACSegLib.fill.holdout import mean_dice, runs_of_slices
from ACSegLib.fill.samples import Samples
from ACSegLib.fill.slab import Settings
from ACSegLib.fill.solvers import Solver
from ACSegLib.fill.trials import block_trials, slice_trials
from ACSegLib.jobs import Progress


@dataclass(frozen=True)
class Choice:
    """The settings, and what they were chosen by.

    Attributes
    ----------
    left_out : list of int or None
        Slices of which parts were hidden; None if the settings were given.
    prior_dice : float or None
        Dice of the prior alone on these parts; None where nothing can be hidden.
    cross_validation_dice : float or None
        Mean Dice of the fill on these parts; None where nothing can be hidden.
    overlap : ndarray, (classes, 3), or None
        Of these parts and their fill; see `ACSegLib.fill.trials.overlap`.
    """

    settings: Settings
    left_out: list[int] | None = field(default_factory=list)
    prior_dice: float | None = None
    cross_validation_dice: float | None = None
    overlap: np.ndarray | None = None


def choose_settings(evidence: Evidence, samples: Samples, solver: Solver, progress: Progress) -> Choice:
    """Choose the settings that give hidden labels back best."""
    inner = [k for k in evidence.cuts[1:-1] if (evidence.classes[k] > 0).any()]
    if not inner:
        return Choice(Settings(constants.DEFAULT_GAMMA, constants.DEFAULT_EDGE))
    blocks = evidence.instances is None
    stages = progress.stages(learn=4, fill=6)
    if blocks:
        trials = block_trials(evidence, samples, solver, stages.learn)
        judged = sorted({k for run in runs_of_slices(evidence.cuts) for k in run[1:-1]})
    else:
        judged = _evenly(inner, constants.MAX_LEFT_OUT)
        trials = slice_trials(evidence, samples, judged, solver, stages.learn)
    overlaps: dict[Settings, np.ndarray] = {}

    def judge(settings: Settings) -> float:
        if settings not in overlaps:
            # how many will be tried is not known; each takes a part of what is left
            stages.fill(1 - 0.8 ** len(overlaps), "cross-validation: filling hidden parts of labelled slices")
            overlaps[settings] = np.sum([trial.overlap(settings, progress) for trial in trials], axis=0)
        # a few voxels of a bead should not decide; of instances, none is more important than another
        return mean_dice(overlaps[settings], by_size=blocks)

    settings = search(judge)
    prior = mean_dice(np.sum([trial.prior_overlap() for trial in trials], axis=0), by_size=True)
    return Choice(settings, judged, prior, mean_dice(overlaps[settings]), overlaps[settings])


def search(judge: Callable[[Settings], float]) -> Settings:
    """Find the settings of `constants.GAMMAS` x `constants.EDGES` that are judged best, from the strong prior on.

    From the settings at hand one step is made in each direction; the first that is better by `constants.MIN_GAIN` is
    taken, as often as it is better. Few of the settings are tried, and of settings that are hardly different those
    with the stronger prior are kept: it finds thin structures.
    """
    gammas, edges = constants.GAMMAS, constants.EDGES
    place = 0, edges.index(constants.DEFAULT_EDGE)
    best = judge(Settings(gammas[place[0]], edges[place[1]]))
    # weaker prior, the same with narrower edges, narrower edges, wider edges, stronger prior
    moves = [(1, 0), (1, -1), (0, -1), (0, 1), (-1, 0)]
    waiting = list(moves)
    while waiting:
        move = waiting.pop(0)
        g, e = place[0] + move[0], place[1] + move[1]
        if not (0 <= g < len(gammas) and 0 <= e < len(edges)):
            continue
        value = judge(Settings(gammas[g], edges[e]))
        if value > best + constants.MIN_GAIN:
            place, best = (g, e), value
            waiting = [move, *(m for m in moves if m not in (move, (-move[0], -move[1])))]
    return Settings(gammas[place[0]], edges[place[1]])


def _evenly(numbers: list[int], max_count: int) -> list[int]:
    """At most so many of the numbers, evenly spread."""
    chosen = np.unique(np.linspace(0, len(numbers) - 1, min(len(numbers), max_count)).astype(int))
    return [numbers[n] for n in chosen]
