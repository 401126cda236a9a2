"""The random-walk fill: from sparse labels on a few slices to a dense segmentation.

`fill` and `refill` do the work, `suggest_slices` names slices to label next, `correct` mends dense labels. The modules,
in the order in which a fill uses them:

- `seeds`: one class for each voxel of the labelled slices
- `features`, `shape`, `evidence`: what is known of the volume before its appearance is learned
- `samples`, `appearance`: the appearance classifier
- `selection`: strength of prior and edges, cross-validation
- `class_priors`, `random_walk`, `solvers`, `slab`: the solution of one slab; `cpu_backend`, `torch_backend`
- `pipeline`, `refilling`, `result`, `memory`: the whole fill and what it gives
- `correction`: changes of a person, carried into the voxels around them; `decisions` (what they decided), `opened`
  (what may change), `deviation` (how wrong the segmentation is), `correction_problem`
- `suggest`: which slices to label next
- `image_kernels`, `walk_kernels`: compiled loops; `constants`: all constants, and how they were measured
"""

from ACSegLib.callable_module import make_callable
from ACSegLib.fill.correction import CorrectionResult, correct
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
