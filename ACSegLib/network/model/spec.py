"""The description of a network ("spec"), from which it is built and which a model file holds as a JSON object.

==================== ===========================================================================================
``kind``             "unet", or "biomedisa-unet" (`ACSegLib.network.biomedisa`)
``in_channels``      channels of the image
``out_channels``     classes with background (``output`` "softmax"), or segments alone (``output`` "sigmoid")
``output``           "softmax": every voxel has one class, channel 0 is background; "sigmoid": segments may overlap
``filters``          channels of each level, the finest first
``kernels``          "unet": kernel size (k, j, i) of each level
``strides``          stride (k, j, i) on the way into each level; that of the first level is 1
``residual``         residual blocks in the encoder
``deep_supervision`` "unet": extra heads on the coarser decoder levels, used in training only
``epsilon``          "biomedisa-unet": of its batch normalisation
``additive``         refinement network: its output is added to the logits that it corrects, instead of replacing them
==================== ===========================================================================================

A model with a refinement network has both specs in one object: that of the main network, with ``kind``
"unet-with-surface", the first's own kind as ``first_kind``, and the refinement network's spec as ``surface``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ACSegLib.errors import InputError
from ACSegLib.json_values import Json

Size = tuple[int, int, int]

#: Refused beyond these, so that a crafted model file cannot ask for terabytes.
MAX_CHANNELS, MAX_LEVELS, MAX_FILTERS, MAX_CLASSES = 16, 8, 2048, 1024
#: Channels at the coarse levels of a planned network (as nnU-Net, Isensee et al. 2021).
MAX_PLANNED_FILTERS = 320
BIOMEDISA_KIND, UNET_KIND = "biomedisa-unet", "unet"
#: Kind in the file of a network with a refinement network beside it.
REFINED_KIND = "unet-with-surface"
_ALLOWED_KERNELS, _ALLOWED_STRIDES = (1, 3, 5, 7), (1, 2)


@dataclass(frozen=True)
class NetworkSpec:
    """Description of a network; every one that exists can be built.

    Parameters
    ----------
    in_channels, out_channels : int
    filters : tuple of int
    output : {"softmax", "sigmoid"}
    kind : {"unet", "biomedisa-unet"}
    kernels, strides : tuple of (k, j, i)
        A row for each level. Strides default to halving at each level.
    residual, deep_supervision : bool
    epsilon : float
    additive : bool
        Of a refinement network: whether its output is added to the logits that it corrects.
    refinement : NetworkSpec, optional
        The refinement network's.

    Raises
    ------
    InputError
        Naming the key, if a value is missing or out of range.
    """

    in_channels: int
    out_channels: int
    filters: tuple[int, ...]
    output: str = "softmax"
    kind: str = UNET_KIND
    kernels: tuple[Size, ...] = ()
    strides: tuple[Size, ...] = ()
    residual: bool = False
    deep_supervision: bool = False
    epsilon: float = 1e-3
    additive: bool = False
    refinement: NetworkSpec | None = None

    def __post_init__(self) -> None:
        if self.kind not in (UNET_KIND, BIOMEDISA_KIND):
            known = ", ".join((UNET_KIND, BIOMEDISA_KIND, REFINED_KIND))
            raise InputError(f"network kind {self.kind!r} is unknown; known are: {known}. Update ACSeg.")
        if self.output not in ("softmax", "sigmoid"):
            raise InputError(f"network output must be softmax or sigmoid, not {self.output!r}.")
        _whole("in_channels", self.in_channels, MAX_CHANNELS)
        _whole("out_channels", self.out_channels, MAX_CLASSES)
        if not 2 <= len(self.filters) <= MAX_LEVELS:
            raise InputError(f"a network needs filters for 2 to {MAX_LEVELS} levels, not {self.filters!r}.")
        for count in self.filters:
            _whole("filters", count, MAX_FILTERS)
        if not self.strides:
            object.__setattr__(self, "strides", ((1, 1, 1),) + ((2, 2, 2),) * (len(self.filters) - 1))
        self._check_levels("strides", self.strides, _ALLOWED_STRIDES)
        if any(step != 1 for step in self.strides[0]):
            raise InputError(f"the first stride of a network must be 1, not {self.strides[0]!r}.")
        if self.kind == UNET_KIND:
            self._check_levels("kernels", self.kernels, _ALLOWED_KERNELS)
        if self.refinement is not None and self.refinement.refinement is not None:
            raise InputError("a refinement network has no refinement network of its own; the model is damaged.")

    def _check_levels(self, key: str, rows: Sequence[Size], allowed: tuple[int, ...]) -> None:
        if len(rows) != len(self.filters):
            raise InputError(f"a network of {len(self.filters)} levels needs as many {key}, not {len(rows)}.")
        for row in rows:
            if len(row) != 3 or any(value not in allowed for value in row):
                raise InputError(f"network {key} must be three of {allowed} per level, not {row!r}.")

    @property
    def overlapping(self) -> bool:
        """Whether segments may overlap: one sigmoid channel a segment instead of a softmax over all classes."""
        return self.output == "sigmoid"

    @property
    def segment_count(self) -> int:
        """Number of segments, background not counted."""
        return self.out_channels if self.overlapping else self.out_channels - 1

    @property
    def channels_per_voxel(self) -> float:
        """Channels of all levels for each voxel of the input: what the memory of the features goes with."""
        voxels, total = 1.0, 0.0
        for count, stride in zip(self.filters, self.strides, strict=True):
            voxels /= math.prod(stride)
            total += count * voxels
        return total

    @property
    def patch_divisor(self) -> Size:
        """Numbers (k, j, i) that the sides of the network's input must be multiples of."""
        product = [1, 1, 1]
        for stride in self.strides:
            product = [p * s for p, s in zip(product, stride, strict=True)]
        return product[0], product[1], product[2]

    def without_refinement(self) -> NetworkSpec:
        """The main network's spec alone."""
        return replace(self, refinement=None)

    def to_json(self) -> Json:
        """Give the object that a model file holds."""
        described: Json = {
            "kind": self.kind,
            "in_channels": self.in_channels,
            "out_channels": self.out_channels,
            "output": self.output,
            "filters": list(self.filters),
        }
        if self.kind == UNET_KIND:
            described["kernels"] = [list(row) for row in self.kernels]
        described |= {"strides": [list(row) for row in self.strides], "residual": self.residual}
        described |= (
            {"deep_supervision": self.deep_supervision} if self.kind == UNET_KIND else {"epsilon": self.epsilon}
        )
        if self.additive:
            described["additive"] = True
        if self.refinement is not None:
            described |= {"kind": REFINED_KIND, "first_kind": self.kind, "surface": self.refinement.to_json()}
        return described

    @classmethod
    def from_json(cls, described: Json) -> NetworkSpec:
        """Read what `to_json` gave, or a file holds; InputError, naming the key, for what is no network."""
        kind, refinement = described.get("kind"), None
        if kind == REFINED_KIND:
            kind, surface = described.get("first_kind"), described.get("surface")
            if not isinstance(surface, dict) or kind == REFINED_KIND:
                raise InputError("the description of the refinement network is invalid; the model file is damaged.")
            refinement = cls.from_json(surface)
        for key in ("in_channels", "out_channels", "filters"):
            if key not in described:
                raise InputError(f"the network's description lacks {key}; the model is damaged.")
        return cls(
            in_channels=described["in_channels"],
            out_channels=described["out_channels"],
            filters=tuple(_list("filters", described["filters"])),
            output=described.get("output", "softmax"),
            kind=str(kind),
            kernels=_levels("kernels", described.get("kernels", ())),
            strides=_levels("strides", described.get("strides", ())),
            residual=bool(described.get("residual", False)),
            deep_supervision=bool(described.get("deep_supervision", False)),
            epsilon=float(described.get("epsilon", 1e-3)),
            additive=bool(described.get("additive", False)),
            refinement=refinement,
        )


def unet_spec(
    segments: int,
    *,
    overlapping: bool = False,
    base: int = 16,
    light: bool = False,
    strides: Sequence[Sequence[int]] = ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2)),
    kernels: Sequence[Sequence[int]] | None = None,
    residual: bool = True,
    deep_supervision: bool = True,
    in_channels: int = 1,
) -> NetworkSpec:
    """Describe a U-Net.

    Parameters
    ----------
    segments : int
        Number of segments, background not counted.
    overlapping : bool
        One sigmoid channel a segment, instead of a softmax over background and segments.
    base : int
        Channels of the finest level; doubled at each coarser one, 320 at most.
    light : bool
        Half of these channels at the finest level and three quarters at the next: most operations are there.
    strides, kernels : sequence of (k, j, i)
        One entry a level; `kernels` defaults to 3 x 3 x 3.
    """
    levels = len(strides)
    filters = [max(base, min(base * 2**n, MAX_PLANNED_FILTERS)) for n in range(levels)]
    if light:
        filters[:2] = [max(1, filters[0] // 2), max(1, filters[1] * 3 // 4)]
    return NetworkSpec(
        in_channels=in_channels,
        out_channels=segments if overlapping else segments + 1,
        filters=tuple(filters),
        output="sigmoid" if overlapping else "softmax",
        kernels=_levels("kernels", kernels or [[3, 3, 3]] * levels),
        strides=_levels("strides", strides),
        residual=bool(residual),
        deep_supervision=bool(deep_supervision),
    )


def _whole(key: str, value: Any, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise InputError(f"network {key} must be a whole number from 1 to {most}, not {value!r}.")


def _list(key: str, value: Any) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise InputError(f"a network needs a list of {key}, not {value!r}.")
    return value


def _levels(key: str, rows: Any) -> tuple[Size, ...]:
    """Rows of three numbers; their values are checked by `NetworkSpec`."""
    return tuple(tuple(_list(key, row)) for row in _list(key, rows))  # type: ignore[misc]
