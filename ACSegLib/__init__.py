"""ACSeg: fill, train, predict and measure segmentations of 3D microscopy volumes.

>>> import ACSegLib as acseg
>>> result = acseg.fill(image, sparse_labels, spacing=(60, 60, 60), unit="nm")

The public functions are `open`, `save`, `fill`, `refill`, `correct`, `predict`, `train`, `split`, `measure` and
`compare`; see `ACSegLib.api`. They are imported when they are first used, so that ``import ACSegLib`` takes well
under 0.2 s. The library has no Qt in it. Every front end (Slicer panel, Segment Editor effect, CLI modules, shell,
browser) calls it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ACSegLib.errors import Cancelled, FileError, InputError, MemoryLimitError
from ACSegLib.jobs import Progress
from ACSegLib.version import __version__
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume

if TYPE_CHECKING:
    from ACSegLib import api
    from ACSegLib.api import compare as compare
    from ACSegLib.api import correct as correct
    from ACSegLib.api import open as open
    from ACSegLib.api import predict as predict
    from ACSegLib.api import refill as refill
    from ACSegLib.api import save as save
    from ACSegLib.api import split as split
    from ACSegLib.api import train as train
    from ACSegLib.callable_module import typed as _typed

    fill = _typed(api.fill)
    measure = _typed(api.measure)

# `open` is not listed: "from ACSegLib import *" would hide the built-in function.
__all__ = [
    "Cancelled",
    "FileError",
    "Geometry",
    "InputError",
    "MemoryLimitError",
    "Progress",
    "Segment",
    "Segmentation",
    "Volume",
    "__version__",
    "compare",
    "correct",
    "fill",
    "measure",
    "predict",
    "refill",
    "save",
    "split",
    "train",
]

#: Functions of `ACSegLib.api`.
_FUNCTIONS = ("compare", "correct", "open", "predict", "refill", "save", "split", "train")
#: The package of these functions, and packages that can be called like one of them (`ACSegLib.callable_module`).
_PACKAGES = ("api", "fill", "measure")


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module("ACSegLib.api"), name)
    if name in _PACKAGES:
        return importlib.import_module(f"ACSegLib.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FUNCTIONS, *_PACKAGES})
