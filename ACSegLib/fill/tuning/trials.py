"""Trial fills of parts whose labels are known but hidden: how well does the fill give them back with some settings?

Two kinds of parts are hidden. Bands of labelled slices (`ACSegLib.fill.tuning.holdout`) are the rule. With many
instances whole slices are hidden: a band is as wide as a cell there, so that it would hide the shape, which carries the
fill.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ACSegLib.fill import constants
from ACSegLib.fill.prior.appearance import AppearanceClassifier, train_classifier
from ACSegLib.fill.prior.evidence import Evidence
from ACSegLib.fill.prior.samples import Samples
from ACSegLib.fill.seeds import count_classes
from ACSegLib.fill.slab import Context, PreparedSlab, Settings, prepare_slab, solve_prepared
from ACSegLib.fill.tuning.holdout import BandPattern, hold_out, runs_of_slices, without_hidden
from ACSegLib.fill.walk.solvers import Solver
from ACSegLib.jobs import Progress


@dataclass(frozen=True)
class Trial:
    """A part of the volume with hidden labels, ready to be filled with any settings.

    Attributes
    ----------
    evidence : Evidence
    classifier : AppearanceClassifier
        It has not learned from what is hidden.
    slab : PreparedSlab
    truth : dict
        Plane of the part -> hidden classes, negative elsewhere; int16, (J, I).
    solver : Solver
    first : int
        First plane of the part in the volume.
    at_end : bool
        Whether what is hidden is a part of the outermost labelled slice.
    """

    evidence: Evidence
    classifier: AppearanceClassifier
    slab: PreparedSlab
    truth: dict[int, np.ndarray]
    solver: Solver
    first: int
    at_end: bool = False

    def overlap(self, settings: Settings, progress: Progress) -> np.ndarray:
        """Overlap of the hidden labels and their fill, and the voxels that are wrong and probably wrong, (classes, 6).

        The first three columns are those of `overlap`. The fourth one is the sum of one minus the probability of the
        filled class: as many voxels are wrong if the probabilities are right. The last two are the voxels of the filled
        class that are wrong, and this sum, where both the hidden and the filled class are `lasting`.
        """
        # A weak prior bounds the error far less than the seeds around do, and takes more iterations.
        tolerance = constants.CROSS_VALIDATION_TOLERANCE / float(np.sqrt(settings.gamma))
        context = Context(self.evidence, self.classifier, settings, self.solver, tolerance)
        filled = solve_prepared(context, self.slab, progress=progress).finish()
        return self._compare(filled.best, filled.best_value)

    def prior_overlap(self, progress: Progress | None = None) -> np.ndarray:
        """The same for the likeliest class of the prior alone."""
        progress = progress or Progress()
        highest = self.slab.priors.of(0).copy()
        best = np.zeros(highest.shape, np.int16)
        for c in range(1, self.evidence.count):  # one by one: together, the priors of many classes fill the memory
            progress.check()
            prior = self.slab.priors.of(c)
            higher = prior > highest
            best[higher] = c
            np.copyto(highest, prior, where=higher)
        return self._compare(best, highest)

    @cached_property
    def lasting(self) -> dict[int, np.ndarray]:
        """Plane with hidden labels -> classes that the labelled slices on either side of it show both, (classes,)."""
        classes = self.evidence.classes
        planes = sorted({*self.truth, *self.evidence.cuts})
        shown = {}
        for k in planes:
            hidden = self.truth.get(k, classes[k])
            shown[k] = count_classes(np.where(hidden >= 0, hidden, classes[k])[None], self.evidence.count) > 0
        lasting = {k: shown[a] & shown[b] for a, k, b in zip(planes, planes[1:], planes[2:], strict=False)}
        return {k: lasting.get(k, np.zeros(self.evidence.count, bool)) for k in self.truth}

    def _compare(self, best: np.ndarray, probability: np.ndarray) -> np.ndarray:
        total = np.zeros((self.evidence.count, 6))
        for k, truth in self.truth.items():
            known = truth >= 0
            hidden, found, unsure = truth[known], best[k][known], 1 - probability[k][known]
            both = self.lasting[k][hidden] & self.lasting[k][found]
            sums = [np.where(both, hidden != found, 0), np.where(both, unsure, 0)]
            wrong = [np.bincount(found, weights=w, minlength=len(total)) for w in (unsure, *sums)]
            total += np.column_stack([overlap(truth, best[k], len(total)), *wrong])
        return total


def band_trials(evidence: Evidence, samples: Samples, solver: Solver, progress: Progress) -> list[Trial]:
    """Trials with hidden bands of labelled slices."""
    runs = runs_of_slices(evidence.cuts, len(evidence.classes))
    runs = [run for run in runs if not run.at_end or (evidence.classes[run.hidden] > 0).any()]
    progress(0.0, "cross-validation: learning without bands of labelled slices")
    pattern = BandPattern.of(evidence)
    training = without_hidden(samples, pattern, sorted({k for run in runs for k in run.hidden}))
    classifier = train_classifier(training, len(evidence.groups), steps=constants.TRIAL_STEPS, progress=progress)
    trials = []
    for run, window in zip(runs, hold_out(evidence, pattern, runs), strict=True):
        slab = prepare_slab(window.evidence, classifier, 0, len(window.evidence.classes) - 1, progress=progress)
        trials.append(Trial(window.evidence, classifier, slab, window.truth, solver, run.first, run.at_end))
    return trials


def slice_trials(
    evidence: Evidence, samples: Samples, slices: list[int], solver: Solver, progress: Progress
) -> list[Trial]:
    """Trials with hidden slices, which are labelled."""
    progress(0.0, "cross-validation: learning without some labelled slices")
    training = samples.part(~np.isin(samples.plane, slices))
    classifier = train_classifier(training, len(evidence.groups), steps=constants.TRIAL_STEPS, progress=progress)
    trials = []
    for k in slices:
        window, first = evidence.window(k, constants.MAX_HELD_OUT_VOXELS // len(slices))
        last = len(window.classes) - 1
        slab = prepare_slab(window, classifier, 0, last, without=k - first, progress=progress)
        trials.append(Trial(window, classifier, slab, {k - first: window.classes[k - first]}, solver, first))
    return trials


def overlap(truth: np.ndarray, result: np.ndarray, count: int) -> np.ndarray:
    """Per class: voxels in common, voxels of the truth, and voxels of the result, over known voxels; (count, 3)."""
    known = truth >= 0
    truth, result = truth[known].astype(np.int64), result[known].astype(np.int64)
    sizes = [truth[truth == result], truth, result]
    return np.stack([np.bincount(values, minlength=count) for values in sizes], axis=1).astype(float)
