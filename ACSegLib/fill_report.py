"""The report of a fill: a type that loads nothing else, so that a front end can read what another process sends."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import fmean

from ACSegLib.json_values import Json
from ACSegLib.segment_estimates import SegmentEstimate


@dataclass(frozen=True)
class FillReport:
    """Choices made, slices used, cross-validation, iterations, seconds.

    Attributes
    ----------
    axis : str
        Axis with the most labelled slices; slabs and suggestions lie along it.
    slices : dict
        Axis -> labelled slices used, from 0.
    warnings : list of str
        What a user should know.
    segments : list of str
        Names of the segments of the labels.
    known_voxels : dict
        Class (names of its segments) -> voxels that were known before the fill.
    slabs : list of list of int
        First and last slice of each slab that was solved.
    solver : str
    gamma, edge, beta : float
        Strength of the prior, edge scale in noise levels, and the factor that it makes in the edge weights.
    tolerance : float
        Bound on the error of the probabilities.
    iterations : list of int
        Of each group of classes in each slab.
    seconds : float
    left_out : list of int or None
        Labelled slices that were left out to choose the settings; None if the settings were given.
    prior_dice, cross_validation_dice : float or None
        See `ACSegLib.fill.tuning.selection.Choice`.
    whole_slices_hidden : bool
        Whether the cross-validation hid whole slices, since there are many instances. It is then at twice the distance
        of the fill, and much lower than the Dice of the fill.
    changed_slices : list of int or None
        After a refill: the slices that differed.
    estimates : list of SegmentEstimate
        Of each segment that labelled slices show; empty where no labels could be hidden to judge the fill, and where
        the labelled slices are too far apart for many instances.
    walls : str or None
        "bright" or "dark" where the outlines run along such walls, so that these are the edges.
    learned_edges : bool
        Whether the edges were learned from the labelled slices instead; edge scale and beta then do not matter.
    """

    axis: str
    slices: dict[str, list[int]]
    warnings: list[str]
    segments: list[str]
    known_voxels: dict[str, int]
    slabs: list[list[int]]
    solver: str
    gamma: float
    edge: float
    beta: float
    tolerance: float
    iterations: list[int]
    seconds: float = 0.0
    left_out: list[int] | None = None
    prior_dice: float | None = None
    cross_validation_dice: float | None = None
    whole_slices_hidden: bool = False
    changed_slices: list[int] | None = None
    estimates: list[SegmentEstimate] = field(default_factory=list)
    walls: str | None = None
    learned_edges: bool = False

    def __post_init__(self) -> None:
        # another process sends plain values
        parts = [SegmentEstimate.from_values(e) if isinstance(e, dict) else e for e in self.estimates]
        object.__setattr__(self, "estimates", parts)

    @property
    def mean_dice(self) -> float | None:
        """One number for the fill: the cross-validation, or where it hid whole slices, the mean of the estimates."""
        if not self.whole_slices_hidden:
            return self.cross_validation_dice
        return fmean(e.dice.value for e in self.estimates) if self.estimates else None

    def to_dict(self) -> Json:
        """Plain values under the keys of the run reports (``--json``)."""
        values = asdict(self)
        if self.left_out is None:
            del values["left_out"], values["prior_dice"]
        if self.changed_slices is None:
            del values["changed_slices"]
        return values
