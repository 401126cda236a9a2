"""What the page says to the server: the JSON bodies of its requests, one dataclass each, and how they are read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ACSegLib.errors import InputError

T = TypeVar("T")


@dataclass(frozen=True)
class OpenRequest:
    """``POST api/open``: a file below the root folder, and labels for it.

    `fresh` sets the automatically saved work on it aside. `dataset` names one of several images in a file.
    """

    path: str
    labels: str = ""
    dataset: str = ""
    fresh: bool = False


@dataclass(frozen=True)
class PathRequest:
    """``POST api/reference``: a path below the root folder."""

    path: str


@dataclass(frozen=True)
class SaveRequest:
    """``POST api/save``: a path below the root folder, and whether a file of that name may be replaced."""

    path: str
    overwrite: bool = False


@dataclass(frozen=True)
class SpacingRequest:
    """``POST api/spacing``: voxel size (x, y, z) and its unit."""

    spacing: list[float]
    unit: str


@dataclass(frozen=True)
class BoxRequest:
    """``POST api/box``: x0 x1 y0 y1 z0 z1 in voxels, ends excluded, around the object that strokes mark.

    [] takes the box away.
    """

    box: list[int]


@dataclass(frozen=True)
class SegmentRequest:
    """``POST api/segments`` (a new one) and ``PATCH api/segments/{value}``; what is left out stays as it is."""

    name: str = ""
    colour: str = ""


@dataclass(frozen=True)
class FillOptions:
    """``POST api/jobs/fill``: the options of ``acseg fill`` of these names, and how many slices to suggest."""

    axis: str = "auto"
    mode: str = "auto"
    box: list[int] = field(default_factory=list)
    background: str | None = None
    islands: float | None = None
    holes: float | None = None
    smooth: float | None = None
    device: str = "auto"
    suggest: int = 3


@dataclass(frozen=True)
class CorrectOptions:
    """``POST api/jobs/correct``: the options of ``acseg correct`` of these names."""

    reach: float | None = None
    device: str = "auto"


@dataclass(frozen=True)
class SplitOptions:
    """``POST api/jobs/split``: the segment to split ("": all cells), and the options of ``acseg split`` of these names.

    `count` is the number of cells of one segment; it is found if left out.
    """

    segment: str = ""
    count: int | None = None
    smallest: float | None = None
    seams: str = "auto"


@dataclass(frozen=True)
class PredictOptions:
    """``POST api/jobs/predict``: a model below the root folder ("": the pretrained one), and options."""

    model: str = ""
    contrast: str = "auto"
    tta: bool = False
    refine: str = "auto"
    islands: float | None = None
    holes: float | None = None
    device: str = "auto"


@dataclass(frozen=True)
class MeasureOptions:
    """``POST api/jobs/measure``: options of ``acseg measure``."""

    unit: str = "um"
    cells: bool = True
    min_volume: float = 0.0
    exclude_border: bool = False
    thin_parts: bool = True
    contacts: bool = True
    intensity_unit: str = ""
    bead_reference: float = 0.0


@dataclass(frozen=True)
class TrainOptions:
    """``POST api/jobs/train``: files or folders of images and labels below the root folder, and the model to write.

    Images and labels are paired by their names.
    """

    images: list[str]
    labels: list[str]
    model: str = "model.acseg"
    minutes: float = 30.0
    preset: str = "standard"
    device: str = "auto"


OPTIONS: Mapping[str, type] = {
    "fill": FillOptions,
    "correct": CorrectOptions,
    "split": SplitOptions,
    "predict": PredictOptions,
    "measure": MeasureOptions,
    "train": TrainOptions,
}


def from_json(kind: type[T], values: Any) -> T:
    """Make one of these bodies from JSON values; its fields may be left out where they have a default.

    Raises
    ------
    InputError
        If a field is unknown, missing, or of another type.
    """
    if not isinstance(values, dict):
        raise InputError(f"the body must be a JSON object, not {type(values).__name__}.")
    fields = {f.name: f for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name, value in values.items():
        if name not in fields:
            raise InputError(f"unknown field {name!r}; known are: {', '.join(fields)}.")
        _check(name, value, str(fields[name].type))
    for name, known in fields.items():
        if name not in values and known.default is known.default_factory is dataclasses.MISSING:
            raise InputError(f"the field {name!r} is missing.")
    return kind(**values)


def _check(name: str, value: Any, kind: str) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    whole = number and isinstance(value, int)
    fits = {
        "str": isinstance(value, str),
        "str | None": isinstance(value, str) or value is None,
        "bool": isinstance(value, bool),
        "int": whole,
        "int | None": whole or value is None,
        "float": number,
        "float | None": number or value is None,
        "list[str]": isinstance(value, list) and all(isinstance(v, str) for v in value),
        "list[int]": isinstance(value, list) and all(type(v) is int for v in value),
        "list[float]": isinstance(value, list) and all(isinstance(v, (int, float)) for v in value),
    }
    if not fits[kind]:
        raise InputError(f"the field {name!r} must be of type {kind}, not {value!r}.")
