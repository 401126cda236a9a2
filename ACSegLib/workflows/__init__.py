"""Requests: the typed input of every front end, and `run`, which does the work.

The shell, Slicer's CLI modules, `ACSegLogic`, the panels, the effect and the browser each make a request and call
`run`. Workflows take and return volumes and arrays. They open no files and print nothing.

The default of an option is the default of the field here. The shell, the CLI modules and the Python API read it.

>>> from ACSegLib.workflows import FillRequest, run
>>> request = FillRequest(volume=volume, labels=labels, axis="k", islands=0.1)
>>> outcome = run(request)
>>> outcome.segmentation, outcome.report.cross_validation_dice

A front end that has the options of a command makes the request from them: ``FillRequest.from_options(volume, labels,
options)``. Each field has the name, the meaning and the default of its option.

**Refills.** ``run(request, previous=outcome)`` decides whether a complete fill, a refill around the edited slices,
or only the postprocessing is needed. ``protected`` (bool, k, j, i) are voxels that may not be filled.
``outcome.merged_with(labels, protected)`` adds the labels that were made in the meantime.

**Corrections.** A `CorrectRequest` holds a segmentation before and after a person corrected it. Its outcome knows which
voxels were decided (``decided``); the next request names them, so that they stay.

**To another process and back**, for a fill, a correction and a split. ``message, arrays = request.pack()`` gives JSON
values and arrays by name; ``FillRequest.unpack(message, arrays)`` makes the request there. ``protected`` is sent as one
more array. The process keeps the outcome, whose ``result`` is the state that a refill starts from, and sends back
``outcome.pack()``; here ``FillOutcome.unpack(message, arrays, request)`` makes an outcome without state (``result`` is
None). For a refill the image is not sent again: ``FillRequest.unpack(message, arrays, previous=kept)`` uses the kept
image if `arrays` has no "image". To change only the postprocessing, send the same request with another ``smooth`` and
the kept outcome as `previous`: the fill is not repeated. In the process that has the state, ``suggest(outcome, 3)``
names slices to label next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

from ACSegLib.jobs import looking
from ACSegLib.json_values import Row
from ACSegLib.workflows.adapt import AdaptRequest, AdaptResult, run_adapt
from ACSegLib.workflows.compare import CompareRequest, run_compare
from ACSegLib.workflows.correct import CorrectOutcome, CorrectRequest, run_correct
from ACSegLib.workflows.fill import FillOutcome, FillRequest, plan, reads_strokes, run_fill, suggest
from ACSegLib.workflows.measure import MeasureRequest, run_measure
from ACSegLib.workflows.mesh import MeshRequest, run_mesh
from ACSegLib.workflows.predict import PredictRequest, run_predict
from ACSegLib.workflows.split import SplitOutcome, SplitRequest, run_split
from ACSegLib.workflows.train import TrainRequest, run_train

if TYPE_CHECKING:
    import numpy as np

    from ACSegLib.jobs import Progress
    from ACSegLib.network.predict.inference import Prediction
    from ACSegLib.network.train.training import TrainingResult
    from ACSegLib.triangle_mesh import Mesh

__all__ = [
    "AdaptRequest", "CompareRequest", "CorrectOutcome", "CorrectRequest", "FillOutcome", "FillRequest",
    "MeasureRequest", "MeshRequest", "PredictRequest", "SplitOutcome", "SplitRequest", "TrainRequest",
    "plan", "reads_strokes", "run", "suggest",
]  # fmt: skip


@overload
def run(
    request: FillRequest,
    previous: FillOutcome | None = None,
    protected: np.ndarray | None = None,
    progress: Progress | None = None,
) -> FillOutcome: ...


@overload
def run(
    request: CorrectRequest, *, protected: np.ndarray | None = None, progress: Progress | None = None
) -> CorrectOutcome: ...


@overload
def run(request: PredictRequest, *, progress: Progress | None = None) -> Prediction: ...


@overload
def run(request: MeasureRequest | CompareRequest, *, progress: Progress | None = None) -> list[Row]: ...


@overload
def run(request: MeshRequest, *, progress: Progress | None = None) -> list[Mesh]: ...


@overload
def run(request: SplitRequest, *, progress: Progress | None = None) -> SplitOutcome: ...


@overload
def run(request: TrainRequest, *, progress: Progress | None = None) -> TrainingResult: ...


@overload
def run(request: AdaptRequest, *, progress: Progress | None = None) -> AdaptResult: ...


def run(
    request: FillRequest
    | CorrectRequest
    | PredictRequest
    | MeasureRequest
    | CompareRequest
    | MeshRequest
    | SplitRequest
    | TrainRequest
    | AdaptRequest,
    previous: FillOutcome | None = None,
    protected: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Any:
    """Do what a request asks for; see `run_fill`, `run_correct`, `run_predict`, `run_train` and so on.

    Parameters
    ----------
    request : FillRequest, CorrectRequest, PredictRequest, MeasureRequest, CompareRequest, MeshRequest, SplitRequest,
        TrainRequest or AdaptRequest
    previous : FillOutcome, optional
        Of a fill: the outcome that a refill starts from.
    protected : ndarray of bool, shape (k, j, i), optional
        Of a fill or a correction: voxels that may not change.
    progress : Progress, optional
        Ends at 1 if all is done.

    Returns
    -------
    FillOutcome, CorrectOutcome, Prediction, list of dict (the rows of the table), list of Mesh, SplitOutcome,
    TrainingResult or AdaptResult
    """
    with looking(progress.check if progress is not None else None):
        outcome = _run(request, previous, protected, progress)
    if progress is not None:
        progress(1.0, "done")
    return outcome


def _run(request: Any, previous: FillOutcome | None, protected: np.ndarray | None, progress: Progress | None) -> Any:
    if isinstance(request, FillRequest):
        return run_fill(request, previous, protected, progress)
    if isinstance(request, CorrectRequest):
        return run_correct(request, protected, progress)
    if isinstance(request, PredictRequest):
        return run_predict(request, progress)
    if isinstance(request, TrainRequest):
        return run_train(request, progress)
    if isinstance(request, AdaptRequest):
        return run_adapt(request, progress)
    if isinstance(request, CompareRequest):
        return run_compare(request, progress)
    if isinstance(request, MeshRequest):
        return run_mesh(request, progress)
    if isinstance(request, SplitRequest):
        return run_split(request, progress)
    return run_measure(request, progress)
