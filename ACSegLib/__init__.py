"""ACSeg: fill, train, predict and measure segmentations of 3D microscopy volumes.

>>> import ACSegLib as acseg
>>> result = acseg.fill(image, sparse_labels, spacing=(60, 60, 60), unit="nm")

The public functions are `open`, `save`, `fill`, `refill`, `correct`, `predict`, `train`, `split`, `measure` and
`compare`; see `ACSegLib.api`. They and the classes of volumes are imported when they are first used, so that
``import ACSegLib`` takes well under 0.2 s, and the shell command listens to Ctrl-C before NumPy is read. The library
has no Qt in it. Every front end (Slicer panel, Segment Editor effect, CLI modules, shell, browser) calls it.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if sys.version_info < (3, 10):  # noqa: UP036 - pip refuses such a Python; Slicer, which loads the files, does not
    raise ImportError("ACSeg needs Python 3.10 or later; in Slicer: version 5.10 or later.")

from ACSegLib.errors import Cancelled, FileError, InputError, MemoryLimitError
from ACSegLib.jobs import Progress
from ACSegLib.version import __version__

if TYPE_CHECKING:
    from ACSegLib import api
    from ACSegLib.api import Table as Table
    from ACSegLib.api import compare as compare
    from ACSegLib.api import correct as correct
    from ACSegLib.api import open as open
    from ACSegLib.api import predict as predict
    from ACSegLib.api import refill as refill
    from ACSegLib.api import save as save
    from ACSegLib.api import split as split
    from ACSegLib.api import train as train
    from ACSegLib.callable_module import typed as _typed
    from ACSegLib.volume import Geometry as Geometry
    from ACSegLib.volume import Segment as Segment
    from ACSegLib.volume import Segmentation as Segmentation
    from ACSegLib.volume import Volume as Volume

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
    "Table",
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

#: Functions of `ACSegLib.api`, and the class of what they measure.
_FUNCTIONS = ("Table", "compare", "correct", "open", "predict", "refill", "save", "split", "train")
#: Classes of `ACSegLib.volume`.
_CLASSES = ("Geometry", "Segment", "Segmentation", "Volume")
#: Where these are, and packages that can be called like one of the functions (`ACSegLib.callable_module`).
_MODULES = ("api", "fill", "measure", "volume")


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(importlib.import_module("ACSegLib.api"), name)
    if name in _CLASSES:
        return getattr(importlib.import_module("ACSegLib.volume"), name)
    if name in _MODULES:
        return importlib.import_module(f"ACSegLib.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FUNCTIONS, *_CLASSES, *_MODULES})
