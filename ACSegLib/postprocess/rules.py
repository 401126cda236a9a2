"""The rules that turn probabilities into labels, and the order in which they run.

Each rule has a region (the voxels that it looks at), an evidence (what it weighs there) and a threshold. A rule reads
and changes a `Labelling`; voxels that a person has labelled (`Labelling.known`) never change. A fill, a prediction and
the clean-up of a segmentation each take the rules that they need:

=========================== ============================== ============================== ====================
rule                        region                         evidence                       threshold
=========================== ============================== ============================== ====================
`RestoreThinStructures`     thin structures that lost to   probability of the likeliest   a probability
                            background                     segment
`RemoveUncertainComponents` components without a known     mean probability               a probability
                            voxel
`EndAtWaists`               beyond the outermost labelled  area on each slice             a fraction
                            slice
`RemoveExcess`              components without a known     size of all together           a multiple of the
                            voxel, beyond the outermost                                   labelled area
                            labelled slice
`RemoveSmallComponents`     components without a known     size                           voxels, or a fraction
                            voxel
`FillHoles`                 enclosed background without a  size                           voxels, or a fraction
                            known voxel
`SmoothBoundaries`          voxels near boundaries, thin   majority of the voxels around  a standard deviation
                            structures left out
=========================== ============================== ============================== ====================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ACSegLib.jobs import Progress
from ACSegLib.postprocess.components import Amount, remove_small_components, remove_uncertain_components
from ACSegLib.postprocess.excess import remove_excess
from ACSegLib.postprocess.holes import fill_holes
from ACSegLib.postprocess.smoothing import smooth_labels
from ACSegLib.postprocess.thin_structures import restore_thin_structures
from ACSegLib.postprocess.waists import end_at_waists


@dataclass(frozen=True)
class WalkParameters:
    """What the rules need after a random walk. ``Testing/Benchmarks/postprocess.py`` measures each on simulated cells.

    Attributes
    ----------
    prior_share : float
        Fraction of the prior in the probabilities, with a prior that is fully trusted. The walk smooths its
        probabilities: its solution x of (L + gamma) x = gamma lambda gives back the prior as lambda = x + L x / gamma.
        A step from x towards lambda undoes a part of the smoothing, so that the bumps and dents of a surface return.
    thin_bonus : float
        A segment beats the background in thin structures from one half minus this on, with a prior that is fully
        trusted. In a filopodium of two voxels more walks end outside than the image warrants.
    component_probability : float
        A component that touches no labelled voxel of its segment stays from this mean probability on. Debris that
        looks like a cell has 0.6, a bead between two labelled slices 0.9.
    """

    prior_share: float = 0.3
    thin_bonus: float = 0.2
    component_probability: float = 0.8

    def share(self, gamma: float) -> float:
        """Fraction of the prior in the probabilities for a strength `gamma` of the prior."""
        return self.prior_share * min(gamma, 1.0)

    def thin_threshold(self, gamma: float) -> float:
        """Probability from which a segment beats the background in thin structures.

        Where the prior is not trusted, the probabilities come from the edges alone and are no evidence for thin
        structures.
        """
        return 0.5 - self.thin_bonus * min(gamma, 1.0)

    def rules(self, gamma: float, gap: int = 0, areas: Mapping[int, float] | None = None) -> tuple[Rule, ...]:
        """Rules for a volume whose slices were labelled whole; see `rules_for_strokes` for strokes.

        `gap` is the usual distance of labelled slices, in planes; 0 where there is none. `areas` are those of
        `RemoveExcess`.
        """
        return (
            RestoreThinStructures(self.thin_threshold(gamma)),
            RemoveUncertainComponents(self.component_probability),
            EndAtWaists(gap),
            RemoveExcess(areas or {}),
        )


#: The values that fills use.
WALK = WalkParameters()


#: Size of a hole in what was drawn by strokes, as a fraction of the segment, at most: a shell encloses more. What an
#: object encloses belongs to it, unless a stroke in it says otherwise.
STROKE_HOLES = 0.5


def rules_for_strokes(count: int) -> tuple[Rule, ...]:
    """Rules for strokes of so many classes: each stroke stands for an object, so what hangs together with none goes."""
    return (RemoveSmallComponents(dict.fromkeys(range(1, count), np.inf)),)


def fill_stroke_holes(classes: np.ndarray, known: np.ndarray) -> None:
    """Fill the holes of what was drawn by strokes, in place; `known` is where the strokes are."""
    fill_holes(classes, dict.fromkeys(range(1, int(classes.max(initial=0)) + 1), STROKE_HOLES), known)


@dataclass
class Labelling:
    """Labels with the evidence for them.

    Attributes
    ----------
    labels : ndarray of int, shape (k, j, i)
        Class of each voxel, 0 for background. Rules change it, in place where they can.
    candidates : ndarray of int, shape (k, j, i), optional
        The likeliest class but background of each voxel; 0 for none.
    probability : ndarray of float, shape (k, j, i), optional
        Probability of the candidate. Without it, every candidate is above the threshold of `RestoreThinStructures`.
    known : ndarray of bool, shape (k, j, i), optional
        Voxels that a person labelled, or that are known otherwise. Their labels are right and stay.
    changed : ndarray of bool, shape (k, j, i), optional
        Rules mark here what they change.
    """

    labels: np.ndarray
    candidates: np.ndarray | None = None
    probability: np.ndarray | None = None
    known: np.ndarray | None = None
    changed: np.ndarray | None = None


class Rule(ABC):
    """One step from probabilities to labels."""

    @abstractmethod
    def apply(self, labelling: Labelling, progress: Progress) -> int:
        """Change the labels; gives the number of voxels changed."""


def apply_rules(rules: Iterable[Rule], labelling: Labelling, progress: Progress | None = None) -> int:
    """Apply rules in their order; gives the number of voxels that they change, one after the other."""
    rules, progress = list(rules), progress or Progress()
    return sum(rule.apply(labelling, part) for rule, part in progress.each(rules))


@dataclass(frozen=True)
class RestoreThinStructures(Rule):
    """Give background voxels of thin structures their candidate's class above a threshold below one half.

    Parameters
    ----------
    threshold : float
        Least probability of the candidate, exclusive.
    """

    threshold: float

    def apply(self, labelling: Labelling, progress: Progress) -> int:
        """See `Rule.apply`; needs candidates."""
        assert labelling.candidates is not None
        return restore_thin_structures(
            labelling.labels,
            labelling.candidates,
            probability=labelling.probability,
            threshold=self.threshold,
            known=labelling.known,
            changed=labelling.changed,
            progress=progress,
        )


@dataclass(frozen=True)
class RemoveUncertainComponents(Rule):
    """Turn components without a known voxel into background where their mean probability is below a threshold.

    Parameters
    ----------
    threshold : float
        Least mean probability.
    """

    threshold: float

    def apply(self, labelling: Labelling, progress: Progress) -> int:
        """See `Rule.apply`; needs probabilities."""
        assert labelling.probability is not None
        return remove_uncertain_components(
            labelling.labels, labelling.probability, labelling.known, self.threshold, labelling.changed, progress
        )


@dataclass(frozen=True)
class EndAtWaists(Rule):
    """End segments at the waist to a neighbour that nobody labelled, beyond the outermost labelled slice.

    Parameters
    ----------
    gap : int
        Usual distance of labelled slices, in planes; 0 where there is none.
    """

    gap: int

    def apply(self, labelling: Labelling, progress: Progress) -> int:
        """See `Rule.apply`; needs known voxels."""
        assert labelling.known is not None
        return end_at_waists(labelling.labels, labelling.known, self.gap, labelling.changed)


@dataclass(frozen=True)
class RemoveExcess(Rule):
    """Remove detached components beyond the outermost labelled slice that are too many for what was labelled.

    Parameters
    ----------
    areas : mapping of int to float
        Class -> its mean area, in pixels, on the labelled slices that show it.
    """

    areas: Mapping[int, float]

    def apply(self, labelling: Labelling, progress: Progress) -> int:
        """See `Rule.apply`; needs known voxels."""
        assert labelling.known is not None
        return remove_excess(labelling.labels, labelling.known, self.areas, labelling.changed)


@dataclass(frozen=True)
class RemoveSmallComponents(Rule):
    """Turn components without a known voxel into background where they are smaller than a size.

    Parameters
    ----------
    sizes : mapping of int to float
        For each class: voxels (1 or more), or a fraction (below 1) of its largest component.
    """

    sizes: Mapping[int, Amount]

    def apply(self, labelling: Labelling, progress: Progress) -> int:
        """See `Rule.apply`."""
        return remove_small_components(labelling.labels, self.sizes, labelling.known, labelling.changed, progress)


@dataclass(frozen=True)
class FillHoles(Rule):
    """Give background that a class encloses to the class, up to a size.

    Parameters
    ----------
    sizes : mapping of int to float
        For each class: voxels (1 or more; infinity for all), or a fraction (below 1) of the class.
    """

    sizes: Mapping[int, Amount]

    def apply(self, labelling: Labelling, progress: Progress) -> int:
        """See `Rule.apply`."""
        return fill_holes(labelling.labels, self.sizes, labelling.known, labelling.changed, progress)


@dataclass(frozen=True)
class SmoothBoundaries(Rule):
    """Give voxels near boundaries the label that most of their surroundings have.

    Parameters
    ----------
    sigmas : tuple of float
        Standard deviations of the surroundings along (k, j, i), in voxels.
    """

    sigmas: tuple[float, float, float]

    def apply(self, labelling: Labelling, progress: Progress) -> int:
        """See `Rule.apply`; `Labelling.labels` becomes a new array."""
        before = labelling.labels
        labelling.labels = smooth_labels(before, self.sigmas, labelling.known, progress)
        different = labelling.labels != before
        if labelling.changed is not None:
            labelling.changed |= different
        return int(np.count_nonzero(different))
