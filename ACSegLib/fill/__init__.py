"""The random-walk fill: from a few drawn slices to a dense segmentation.

`fill` and `refill` do the work, `suggest_slices` says where to draw next. The modules, in the order in which a fill
uses them: `labelled_slices`, `features`, `shape`, `appearance`, `selection`, `context`, `random_walk` (the linear
system), `pipeline`, `refilling`; `image_kernels` and `walk_kernels` are the compiled loops.
"""

from ACSegLib.callable_module import make_callable
from ACSegLib.fill.context import Settings
from ACSegLib.fill.pipeline import FillResult, estimate_memory, fill
from ACSegLib.fill.refilling import refill
from ACSegLib.fill.suggest import suggest_slices

__all__ = ["FillResult", "Settings", "estimate_memory", "fill", "refill", "suggest_slices"]

make_callable(__name__)
