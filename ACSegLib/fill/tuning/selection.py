"""Chooses the strength of the prior and the edge scale for each volume, by holding parts of its labels out.

Parts of the labelled slices are hidden (`ACSegLib.fill.tuning.trials`) and filled with some settings, by a classifier
that did not learn from them. The settings that give the labels back best are those of the fill, and their Dice is its
cross-validation.

Usually bands are hidden, and not whole slices: a slice that is left out is twice as far from the next labelled one as
any voxel of the fill, which favours the prior whatever the volume. Bands of the outermost slices only choose: the
cross-validation is that of the slices between others. Where none lies between others, the outermost ones choose alone,
and there is no cross-validation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.fill.prior.evidence import Evidence
from ACSegLib.fill.prior.samples import Samples
from ACSegLib.fill.slab import Settings
from ACSegLib.fill.tuning.holdout import mean_dice
from ACSegLib.fill.tuning.trials import band_trials, slice_trials
from ACSegLib.fill.walk.solvers import Solver
from ACSegLib.jobs import Progress

DEFAULT = Settings(constants.DEFAULT_GAMMA, constants.DEFAULT_EDGE)


@dataclass(frozen=True)
class Choice:
    """The settings, and what they were chosen by.

    Attributes
    ----------
    left_out : list of int or None
        Slices of which parts were hidden, if any of them lies between two others; None if the settings were given.
    prior_dice : float or None
        Dice of the prior alone on these parts; None where nothing can be hidden.
    cross_validation_dice : float or None
        Mean Dice of the fill on these parts; None where nothing can be hidden.
    overlap : ndarray, (classes, 6), or None
        Of these parts and their fill; see `ACSegLib.fill.tuning.trials.Trial.overlap`.
    """

    settings: Settings
    left_out: list[int] | None = field(default_factory=list)
    prior_dice: float | None = None
    cross_validation_dice: float | None = None
    overlap: np.ndarray | None = None


def choose_settings(evidence: Evidence, samples: Samples, solver: Solver, progress: Progress) -> Choice:
    """Choose the settings that give hidden labels back best."""
    inner = [k for k in evidence.cuts[1:-1] if (evidence.classes[k] > 0).any()]
    bands = evidence.instances is None
    if not inner and (not bands or len(evidence.cuts) != 2):
        return Choice(DEFAULT)
    stages = progress.stages(learn=4, fill=6)
    if bands:
        trials = band_trials(evidence, samples, solver, stages.learn)
        judged = sorted({trial.first + k for trial in trials for k in trial.truth})
    else:
        judged = _evenly(inner, constants.MAX_LEFT_OUT)
        trials = slice_trials(evidence, samples, judged, solver, stages.learn)
    distant, walls = are_distant(evidence), evidence.walls is not None
    overlaps: dict[Settings, list[np.ndarray]] = {}

    def judge(settings: Settings) -> float:
        if settings not in overlaps:
            share = len(overlaps) / (len(constants.CANDIDATES) + 4)
            stages.fill(share, "cross-validation: filling hidden parts of labelled slices")
            overlaps[settings] = [trial.overlap(settings, progress) for trial in trials]
        # a few voxels of a bead should not decide; of instances, none is more important than another
        return mean_dice(np.sum(overlaps[settings], axis=0), by_size=bands)

    def between(parts: list[np.ndarray]) -> np.ndarray:
        """The sum of the parts between labelled slices."""
        total: np.ndarray = np.sum([p for p, trial in zip(parts, trials, strict=True) if not trial.at_end], axis=0)
        return total

    if not inner:
        return Choice(search_at_ends(judge, distant))
    priors = [trial.prior_overlap(progress) for trial in trials]
    prior = mean_dice(np.sum(priors, axis=0), by_size=True)
    # the shape that carries many instances is hidden with a slice, so that the prior looks worse than it is
    strong = (not bands or prior >= constants.TRUSTED_PRIOR) and not walls
    learned = evidence.learned_edges is not None
    if learned and not bands and evidence.touching <= constants.MAX_TOUCHING:
        settings = learned_of_apart(usual_distance(evidence))
        judge(settings)  # for the cross-validation alone
    else:
        settings = search(judge, strong, distant, walls)
        if learned and not bands:
            pair = constants.LEARNED_GAMMAS_AT_WALLS if walls else constants.LEARNED_GAMMAS_OF_TISSUE
            settings = or_learned_of_many(judge, settings, pair)
        elif learned and not strong:  # a prior that is good leaves little to the edges
            settings = or_learned(judge, settings)
    overlap = between(overlaps[settings])
    judged = evidence.orientation.slices(judged)
    return Choice(settings, judged, mean_dice(between(priors), by_size=True), mean_dice(overlap), overlap)


def or_learned(judge: Callable[[Settings], float], found: Settings) -> Settings:
    """What was found, or settings with learned edges that are better by `constants.MIN_LEARNED_GAIN`."""
    best = max((Settings(gamma, 1.0, learned=True) for gamma in constants.LEARNED_GAMMAS), key=judge)
    return best if judge(best) > judge(found) + constants.MIN_LEARNED_GAIN else found


def or_learned_of_many(judge: Callable[[Settings], float], found: Settings, gammas: tuple[float, float]) -> Settings:
    """What was found, or settings with learned edges unless they are worse by `constants.MIN_LEARNED_GAIN`.

    Whole slices are hidden of many segments. Between slices twice as far apart, the same prior is four times as strong.
    So learned edges are judged with a quarter of the prior as well.
    """
    usual, hidden = (Settings(gamma, 1.0, learned=True) for gamma in gammas)
    is_worse = max(judge(usual), judge(hidden)) < judge(found) - constants.MIN_LEARNED_GAIN
    return found if is_worse else usual


def learned_of_apart(distance: float) -> Settings:
    """Settings with learned edges of many segments that lie apart, by the distance of the slices (`usual_distance`).

    A walk takes a number of steps that grows with the square of the distance, and the prior may stop it at each.
    """
    gamma = constants.LEARNED_GAMMA_APART * min(1.0, (constants.NEAR_APART / distance) ** 2)
    return Settings(round(max(gamma, constants.MIN_GAMMA_APART), 3), 1.0, learned=True)


def search(judge: Callable[[Settings], float], strong: bool, distant: bool = False, walls: bool = False) -> Settings:
    """Find the candidates (`constants.CANDIDATES`) that are judged best.

    Others must be better by `constants.MIN_GAIN`, so that noise in the judgement hardly moves the settings. Where the
    prior deserves it, the strong prior is kept unless the medium one is better: it finds thin structures. Else all
    candidates are judged: the prior alone may be poor, and the medium one no better than the strong one, where a weak
    one is right. Then the strong one must be better by `constants.MIN_STRONG_GAIN`. The classifier of the trials knows
    the rest of most slices with hidden bands, so that it is better there than on the planes of the fill.

    Between `distant` slices, nearly no prior at all is a candidate, too, unless the weak one is clearly worse. With
    `walls`, which say more than differences, the weak one is weaker. Without them, a walk that small differences do not
    lead is a candidate, too, since outlines may run where the image has no edge: it must be better by
    `constants.MIN_SMOOTH_GAIN`.
    """
    first, medium, weak = (Settings(*pair) for pair in constants.CANDIDATES)
    weak = Settings(*constants.WALL_WALK) if walls else weak
    plain, smooth = Settings(*constants.PLAIN_WALK), Settings(*constants.SMOOTH_WALK)
    found, best = medium, judge(medium)
    if strong and best <= judge(first) + constants.MIN_GAIN:
        return first
    others = [weak]
    if distant and judge(weak) > best - constants.MAX_WEAK_LOSS:
        others = [weak, plain]
    for other in others:
        if (value := judge(other)) > best + constants.MIN_GAIN:
            found, best = other, value
    if not walls and judge(smooth) > best + constants.MIN_SMOOTH_GAIN:
        found, best = smooth, judge(smooth)
    return first if judge(first) > best + constants.MIN_STRONG_GAIN else found


def search_at_ends(judge: Callable[[Settings], float], distant: bool) -> Settings:
    """Find the candidates that are judged best by the outermost slices alone, or keep the default settings.

    A slice that is known from one side alone says less than one between two others. So others must be better by
    `constants.MIN_GAIN_AT_ENDS`.
    """
    pairs = [*constants.CANDIDATES, *([constants.PLAIN_WALK] if distant else [])]
    best = max((Settings(*pair) for pair in pairs), key=judge)
    return best if judge(best) > judge(DEFAULT) + constants.MIN_GAIN_AT_ENDS else DEFAULT


def are_distant(evidence: Evidence) -> bool:
    """Whether the slices around a voxel are so far apart that any prior is strong there (`constants.MIN_WALK`)."""
    return usual_distance(evidence) >= constants.MIN_WALK


def usual_distance(evidence: Evidence) -> float:
    """Distance of the labelled slices around a voxel, on average, in voxels of the finest axis."""
    gaps = np.diff(evidence.cuts)
    return float(np.average(gaps, weights=gaps) * evidence.features.spacing[0] / min(evidence.features.spacing))


def _evenly(numbers: list[int], max_count: int) -> list[int]:
    """At most so many of the numbers, evenly spread."""
    chosen = np.unique(np.linspace(0, len(numbers) - 1, min(len(numbers), max_count)).astype(int))
    return [numbers[n] for n in chosen]
