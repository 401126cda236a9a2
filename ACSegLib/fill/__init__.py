"""The random-walk fill: from sparse labels on a few slices to a dense segmentation.

`fill` and `refill` do the work, `suggest_slices` names slices to label next, `correct` mends dense labels. The modules
and folders, in the order in which a fill uses them:

- `seeds`: one class for each voxel of the labelled slices; `prompts`: the same from strokes, boxes and outlines
- `prior`: features, shape, appearance, and the probability of each class at each voxel
- `tuning`: strength of prior and edges, cross-validation, and the Dice and volume to expect
- `walk`: the linear system and its solvers; `slab`: the solution of one slab
- `pipeline`, `refilling`, `result`, `memory`: the whole fill and what it gives; `unlike`: voxels that no label explains
- `correcting`: changes of a person, carried into the voxels around them
- `suggest`: which slices to label next
- `constants`: all constants, and how they were measured
"""

from ACSegLib.callable_module import make_callable
from ACSegLib.fill.correcting.correction import CorrectionResult, correct
from ACSegLib.fill.memory import estimate_memory
from ACSegLib.fill.pipeline import fill
from ACSegLib.fill.refilling import refill
from ACSegLib.fill.result import FillReport, FillResult
from ACSegLib.fill.slab import Settings
from ACSegLib.fill.suggest import suggest_slices

__all__ = [
    "CorrectionResult",
    "FillReport",
    "FillResult",
    "Settings",
    "correct",
    "estimate_memory",
    "fill",
    "refill",
    "suggest_slices",
]

make_callable(__name__)
