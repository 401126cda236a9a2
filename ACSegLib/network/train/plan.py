"""The plan of a training: how it is done, and what of it the user may choose. `planning` makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ACSegLib.errors import InputError
from ACSegLib.json_values import Json
from ACSegLib.network.model.preprocessing import Preprocessing
from ACSegLib.network.model.spec import NetworkSpec


@dataclass(frozen=True)
class PlanOverrides:
    """What the user chooses of a plan; None leaves it to the rules.

    Parameters
    ----------
    patch_size : (k, j, i)
        Voxels at the training spacing.
    batch_size, levels, base : int
        Patches a step; levels of the network; filters of the finest level.
    residual, grow, light : bool
        Residual blocks; small patches at first; fewer channels at the finest levels.
    spacing : "none" or (i, j, k)
        "none": voxel by voxel.
    normalisation : {"volume", "fixed", "none"}
    """

    patch_size: Sequence[int] | None = None
    batch_size: int | None = None
    levels: int | None = None
    base: int | None = None
    residual: bool | None = None
    spacing: str | Sequence[float] | None = None
    normalisation: str | None = None
    grow: bool | None = None
    light: bool | None = None

    @classmethod
    def of(cls, values: PlanOverrides | Json | None) -> PlanOverrides:
        """Take a mapping for the fields of that name; InputError for a name that is none."""
        if isinstance(values, cls):
            return values
        values = dict(values or {})  # type: ignore[arg-type]
        known = [row.name for row in fields(cls)]
        for name in values:
            if name not in known:
                raise InputError(f"a plan has no {name!r} to override; it has: {', '.join(known)}.")
        return cls(**values)

    def given(self) -> Json:
        """What was chosen, by name."""
        return {row.name: value for row in fields(self) if (value := getattr(self, row.name)) is not None}


@dataclass
class Plan:
    """How a training is done; plain values, kept in the model card.

    Parameters
    ----------
    spec : NetworkSpec
    patch_size : tuple of int
        (k, j, i), voxels at the training spacing.
    batch_size : int
        Patches a step and process.
    spacing : tuple of float or None
        (i, j, k), in `unit`.
    preprocessing : Preprocessing
    class_weights : list of float
        Weights of the cross entropy, by output channel.
    memory_bytes : int
        Estimate for one training step.
    reasons : dict
        Why each value is what it is.
    growth : list of (float, list of int, int)
        Smaller patches at first: part of the run until which they are used, size (k, j, i), and how many a step.
    """

    spec: NetworkSpec
    patch_size: tuple[int, int, int]
    batch_size: int
    spacing: tuple[float, float, float] | None
    unit: str
    preprocessing: Preprocessing
    class_weights: list[float]
    memory_bytes: int
    reasons: dict[str, str] = field(default_factory=dict)
    growth: list[Any] = field(default_factory=list)

    def to_json(self) -> Json:
        """Give the object that a checkpoint holds."""
        return {**asdict(self), "spec": self.spec.to_json(), "preprocessing": self.preprocessing.to_json()}

    @classmethod
    def from_json(cls, described: Json) -> Plan:
        """Read what `to_json` gave; KeyError, TypeError or ValueError for what is no plan."""
        spacing = described["spacing"]
        return cls(
            **{
                **described,
                "spec": NetworkSpec.from_json(described["spec"]),
                "preprocessing": Preprocessing.from_json(described["preprocessing"]),
                "patch_size": tuple(described["patch_size"]),
                "spacing": tuple(spacing) if spacing else None,
            }
        )

    def patches_at(self, fraction: float) -> tuple[tuple[int, int, int], int]:
        """Size (k, j, i) and number of the patches of a step, after a fraction (0 to 1) of the run."""
        for until, (k, j, i), batch in self.growth:
            if fraction < until:
                return (k, j, i), batch
        return self.patch_size, self.batch_size
