"""The report of a correction: a type that loads nothing else, so that a front end can read what a process sends."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

from ACSegLib.json_values import Json


@dataclass(frozen=True)
class CorrectionReport:
    """What a person decided, and what followed from it.

    Attributes
    ----------
    slices : dict
        Axis name -> slices that were decided as a whole, counted from 0.
    decided_voxels, changed_voxels : int
        Voxels that the person decided, and those of them that they changed.
    open_voxels, corrected_voxels : int
        Voxels around the changes that were decided anew, and those of them that came out different.
    reach : float
        Largest distance from a change at which anything could change, in voxels of the finest axis.
    warnings : list of str
        What a user should know.
    solver : str
    iterations : list of int
        Of each group of classes in each slab.
    seconds : float
    kept : dict
        Axis name -> slices that stayed, since they were labelled for a fill or decided in an earlier correction.
    """

    slices: dict[str, list[int]]
    decided_voxels: int
    changed_voxels: int
    open_voxels: int
    corrected_voxels: int
    reach: float
    warnings: list[str]
    solver: str
    iterations: list[int]
    seconds: float = 0.0
    kept: dict[str, list[int]] = field(default_factory=dict)

    def to_dict(self) -> Json:
        """Plain values under the keys of the run reports (``--json``)."""
        return asdict(self)
