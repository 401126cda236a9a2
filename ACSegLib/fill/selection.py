"""Chooses the strength of the prior and of the edges for each volume, by leaving labelled slices out.

Each left-out slice is predicted by an appearance classifier that did not learn from it. As far as the prior predicts
the labels well, it is trusted; where it does not (segments that look like their surroundings), the walk is left to the
edges. The settings themselves are not compared by their score on left-out slices: those are twice as far from the
next labelled slice as any voxel of the fill, which favours the prior whatever the volume.

With the settings chosen, left-out slices are filled as a whole. Their Dice is the cross-validation of the fill. It is
cautious, since a left-out slice is further from its neighbours than any slice of the fill.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.fill.appearance import AppearanceClassifier, train_classifier
from ACSegLib.fill.evidence import Evidence
from ACSegLib.fill.samples import Samples
from ACSegLib.fill.slab import Context, Settings, solve_slab
from ACSegLib.fill.solvers import Solver
from ACSegLib.jobs import Progress


@dataclass(frozen=True)
class Choice:
    """The settings, and what they were chosen by.

    Attributes
    ----------
    left_out : list of int or None
        Slices that were left out; None if the settings were given.
    prior_dice : float or None
        Dice of the prior alone on them; None where no slice can be left out.
    cross_validation_dice : float or None
        Mean Dice of left-out slices that were filled; None where no slice can be left out.
    """

    settings: Settings
    left_out: list[int] | None = field(default_factory=list)
    prior_dice: float | None = None
    cross_validation_dice: float | None = None


def settings_for(dice: float) -> Settings:
    """Settings for a prior that predicts left-out slices with this Dice.

    A strong prior goes with a wide edge scale, so that it may decide where the image is noisy; a weak one with a narrow
    scale, so that the walk keeps to the faintest edges. Calibrated on simulated tomograms, MR crops and confocal
    stacks; see Documentation/filling.md.
    """
    decades = constants.GAMMA_DECADES * (dice - constants.TRUSTED_DICE)
    gamma = float(np.clip(10**decades, constants.MIN_GAMMA, constants.MAX_GAMMA))
    edge = constants.MAX_EDGE + np.log10(gamma) * constants.EDGE_PER_DECADE
    return Settings(gamma, float(np.clip(edge, constants.MIN_EDGE, constants.MAX_EDGE)))


def choose_settings(evidence: Evidence, samples: Samples, solver: Solver, progress: Progress) -> Choice:
    """Choose the settings, and validate them on left-out slices."""
    inner = [k for k in evidence.cuts[1:-1] if (evidence.classes[k] > 0).any()]
    if not inner:
        return Choice(Settings(constants.DEFAULT_GAMMA, constants.DEFAULT_EDGE))
    left_out = _evenly(inner, constants.MAX_LEFT_OUT)
    stages = progress.stages(train=2, prior=3, fill=5)
    classifiers = _classifiers_without(samples, left_out, len(evidence.groups), stages.train)
    prior_dice = _prior_dice(evidence, classifiers, stages.prior)
    settings = settings_for(prior_dice)
    dice = _filled_dice(evidence, classifiers, settings, solver, stages.fill)
    return Choice(settings, left_out, prior_dice, dice)


def _classifiers_without(
    samples: Samples, left_out: list[int], groups: int, progress: Progress
) -> dict[int, AppearanceClassifier]:
    """Classifiers that have not learned from each left-out slice; two folds serve all."""
    classifiers = {}
    for fold in (0, 1):
        members = left_out[fold::2]
        if not members:
            continue
        keep = ~np.isin(samples.plane, members)
        classifier = train_classifier(samples.part(keep), groups, steps=constants.TRIAL_STEPS, progress=progress)
        classifiers.update(dict.fromkeys(members, classifier))
    return dict(sorted(classifiers.items()))


def _prior_dice(evidence: Evidence, classifiers: dict[int, AppearanceClassifier], progress: Progress) -> float:
    """Dice of the prior alone on the left-out slices."""
    count = len(evidence.groups)
    overlap = np.zeros((count, 3))
    for number, (k, classifier) in enumerate(classifiers.items()):
        progress(number / len(classifiers), "choosing the strength of the prior on left-out slices")
        first = max(k - 1, 0)
        slab = evidence.features.slab(first, k + 2)
        prior = evidence.group_probabilities(classifier.layers, first, slab, without=k)
        overlap += _overlap(evidence.group_of[evidence.classes[k]], prior[:, k - first].argmax(axis=0), count)
    return _mean_dice(overlap, by_size=True)


def _filled_dice(
    evidence: Evidence,
    classifiers: dict[int, AppearanceClassifier],
    settings: Settings,
    solver: Solver,
    progress: Progress,
) -> float:
    """Dice of some of the left-out slices, filled from their neighbours."""
    overlap = np.zeros((evidence.count, 3))
    filled = _evenly(list(classifiers), constants.MAX_FILLED)
    for number, k in enumerate(filled):
        progress(number / len(filled), "cross-validation: filling left-out slices")
        window, first = evidence.window(k, constants.MAX_WINDOW_VOXELS)
        context = Context(window, classifiers[k], settings, solver, constants.CROSS_VALIDATION_TOLERANCE)
        result = solve_slab(context, 0, len(window.classes) - 1, without=k - first, progress=progress).finish()
        overlap += _overlap(window.classes[k - first], result.best[k - first], evidence.count)
    return _mean_dice(overlap)


def _evenly(numbers: list[int], max_count: int) -> list[int]:
    """At most so many of the numbers, evenly spread."""
    chosen = np.unique(np.linspace(0, len(numbers) - 1, min(len(numbers), max_count)).astype(int))
    return [numbers[n] for n in chosen]


def _overlap(truth: np.ndarray, result: np.ndarray, count: int) -> np.ndarray:
    """Per class: voxels in common, voxels of the truth, and voxels of the result, over known voxels; (count, 3)."""
    known = truth >= 0
    truth, result = truth[known].astype(np.int64), result[known].astype(np.int64)
    sizes = [truth[truth == result], truth, result]
    return np.stack([np.bincount(values, minlength=count) for values in sizes], axis=1).astype(float)


def _mean_dice(overlap: np.ndarray, by_size: bool = False) -> float:
    """Mean Dice, pooled over slices, of the classes but background that occur in the truth.

    By size, a class counts with the root of its voxels: a bead of ten voxels says little about the prior of a cell.
    """
    occurring = overlap[1:][overlap[1:, 1] > 0]
    if not len(occurring):
        return 1.0
    dice = 2 * occurring[:, 0] / (occurring[:, 1] + occurring[:, 2])
    return float(np.average(dice, weights=np.sqrt(occurring[:, 1]) if by_size else None))
