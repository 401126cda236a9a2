"""The guided module's logic: the same four steps for panels, the Python console and batch scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from ACSegLib.errors import InputError
from ACSegLib.workflows import run
from ACSegPanels.background import BackgroundJob
from ACSegPanels.exchange import ExchangeFolder, openResult, placeResult
from ACSegPanels.keywords import commandOptions, fillRequest
from ACSegPanels.process import ProcessRunner
from ACSegPanels.staging import StagedRunner
from ACSegPanels.tables import writeTable
from ACSegPanels.task import Task

OnProgress = Callable[[float, str], None]
OnDone = Callable[[Any], None]
OnError = Callable[[str], None]

#: Seconds that a cancelled training may take to write its state to disk.
_SAVING_SECONDS = 20.0


class ACSegLogic(ScriptedLoadableModuleLogic):
    """Fill, train, predict and measure with nodes of the scene.

    Every method waits and gives its result; with `onDone` it returns a `Task` at once instead, and calls
    ``onDone(result)``, ``onError(message)`` and ``onProgress(fraction, message)`` on the main thread.

    Examples
    --------
    >>> from ACSeg import ACSegLogic
    >>> logic = ACSegLogic()
    >>> filled = logic.fill(volumeNode, segmentationNode)
    >>> table = logic.measure(filled, volumeNode)
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)

    def getParameterNode(self) -> Any:
        """Give the module's parameter node, typed."""
        from ACSegPanels.parameters import ACSegParameterNode

        return ACSegParameterNode(super().getParameterNode())

    def fill(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        outputSegmentationNode: Any = None,
        *,
        segmentIDs: Sequence[str] | None = None,
        onProgress: OnProgress | None = None,
        onDone: OnDone | None = None,
        onError: OnError | None = None,
        **options: Any,
    ) -> Any:
        """Fill a segmentation drawn on some slices.

        Parameters
        ----------
        volumeNode : vtkMRMLScalarVolumeNode
            The tomogram.
        segmentationNode : vtkMRMLSegmentationNode
            Drawn on some slices; it is not changed unless it is the output.
        outputSegmentationNode : vtkMRMLSegmentationNode, optional
            Written into; a new node by default.
        segmentIDs : sequence of str, optional
            Which segments take part; all by default.
        **options
            Options of the command ``acseg fill`` (axis, slices, mode, background, islands, device, memory, ...).

        Returns
        -------
        vtkMRMLSegmentationNode, or Task with `onDone`
        """
        from ACSegLib.scene import segmentation_from_node, volume_from_node, write_segmentation_to_node

        volume = volume_from_node(volumeNode)
        request = fillRequest(volume, segmentation_from_node(segmentationNode, volumeNode, segmentIDs), options)
        job = BackgroundJob()
        job.start(lambda progress: run(request, progress=progress))

        def finish(outcome: Any) -> Any:
            self.lastFill = outcome
            _requireInScene(volumeNode)
            name = f"{segmentationNode.GetName()} filled"
            return write_segmentation_to_node(
                outcome.segmentation, _ifInScene(outputSegmentationNode), volume_node=volumeNode, name=name
            )

        return _run(Task(job, finish), onProgress, onDone, onError)

    def train(
        self,
        pairs: Sequence[tuple[Any, Any]],
        modelPath: str | Path,
        *,
        validation: Sequence[tuple[Any, Any]] = (),
        onProgress: OnProgress | None = None,
        onDone: OnDone | None = None,
        onError: OnError | None = None,
        onMetrics: Callable[[dict], None] | None = None,
        **options: Any,
    ) -> Any:
        """Train a network in a process of its own.

        Parameters
        ----------
        pairs : sequence of (volume, segmentation)
            Each a node or the path of a file; a segmentation node goes with a volume node.
        modelPath : path
            File to write, ending in ".acseg". Beside it lies the checkpoint from which ``resume=True`` goes on.
        validation : sequence of (volume, segmentation)
            Pairs to choose the best weights by, not trained on; by default a part of `pairs` is held back.
        **options
            Options of the command ``acseg train`` (preset, minutes, epochs, device, resume, ...).
        onMetrics : callable, optional
            Called with each row of the course of the training (epoch, seconds, loss, dice, ...).

        Returns
        -------
        str, or Task with `onDone`
            Path of the model file.
        """
        if not pairs:
            raise InputError("there is nothing to train on: give at least one pair of volume and segmentation.")
        folder = ExchangeFolder()
        try:
            request = {"table": folder.pairs(pairs, validation), "output": str(modelPath), **options}
        except Exception:
            folder.remove()
            raise
        runner = StagedRunner(ProcessRunner(patience=_SAVING_SECONDS), "train", request, folder.write)
        task = Task(runner, lambda report: _output(report, "model", modelPath), folder.remove)
        return _run(task, onProgress, onDone, onError, onMetrics)

    def predict(
        self,
        volumeNode: Any,
        modelPath: str | Path | None = None,
        outputSegmentationNode: Any = None,
        *,
        onProgress: OnProgress | None = None,
        onDone: OnDone | None = None,
        onError: OnError | None = None,
        **options: Any,
    ) -> Any:
        """Segment a volume with a trained network, in a process of its own.

        Parameters
        ----------
        volumeNode : vtkMRMLScalarVolumeNode
            The tomogram.
        modelPath : path, optional
            Model file (of ACSeg, or a Biomedisa .h5); by default the one that ships with ACSeg.
        outputSegmentationNode : vtkMRMLSegmentationNode, optional
            Written into; a new node by default.
        **options
            Options of the command ``acseg predict`` (device, ...).

        Returns
        -------
        vtkMRMLSegmentationNode, or Task with `onDone`
        """
        folder = ExchangeFolder()
        output = folder.path / "prediction.seg.nrrd"
        try:
            image = folder.volume(volumeNode, "image")
        except Exception:
            folder.remove()
            raise
        request = {"images": [image], "model": _optional(modelPath), "output": str(output), **options}

        def read(report: Any, progress: Any) -> Any:
            return openResult(_output(report, "segmentation", output), progress)

        def finish(segmentation: Any) -> Any:
            _requireInScene(volumeNode)
            target = _ifInScene(outputSegmentationNode)
            return placeResult(segmentation, volumeNode, target, f"{volumeNode.GetName()} predicted")

        runner = StagedRunner(ProcessRunner(), "predict", request, folder.write, read)

        return _run(Task(runner, finish, folder.remove), onProgress, onDone, onError)

    def predictFolder(
        self,
        source: str | Path,
        target: str | Path,
        modelPath: str | Path | None = None,
        *,
        onProgress: OnProgress | None = None,
        onDone: OnDone | None = None,
        onError: OnError | None = None,
        **options: Any,
    ) -> Any:
        """Segment every volume of a folder into another folder; returns the run report, or a Task with `onDone`."""
        runner = ProcessRunner()
        runner.start(
            "predict", {"images": [str(source)], "model": _optional(modelPath), "output": str(target), **options}
        )
        return _run(Task(runner, lambda report: report), onProgress, onDone, onError)

    def measure(
        self,
        segmentationNode: Any,
        volumeNode: Any = None,
        tableNode: Any = None,
        *,
        unit: str = "um",
        onProgress: OnProgress | None = None,
        onDone: OnDone | None = None,
        onError: OnError | None = None,
        **options: Any,
    ) -> Any:
        """Measure every segment and every connected cell of it.

        Parameters
        ----------
        segmentationNode : vtkMRMLSegmentationNode
        volumeNode : vtkMRMLScalarVolumeNode, optional
            For absorption figures, and for the grid; by default the volume that the segmentation was drawn on.
        tableNode : vtkMRMLTableNode, optional
            Written into; a new node by default.
        unit : str
            Unit of lengths in the table: "um", "nm", "mm", "px" (voxels), or "file" for that of the node.
        **options
            Options of the command ``acseg measure`` (cells, segments, min_volume, thin_radius, bead_reference, ...).

        Returns
        -------
        vtkMRMLTableNode, or Task with `onDone`
        """
        from ACSegLib.commands.measure import measure_labels
        from ACSegLib.scene import segmentation_from_node, volume_from_node
        from ACSegLib.scene.read import require_node

        settings = commandOptions("measure", {"unit": unit, **options})
        require_node(segmentationNode, "vtkMRMLSegmentationNode", "segmentation", "create")
        grid = volumeNode or segmentationNode.GetNodeReference("referenceImageGeometryRef")
        if grid is None:
            raise InputError(
                f"segmentation {segmentationNode.GetName()!r} has no volume; choose the one it belongs to."
            )
        segmentation = segmentation_from_node(segmentationNode, grid)
        volume = volume_from_node(volumeNode) if volumeNode is not None else None
        job = BackgroundJob()
        job.start(lambda progress: measure_labels(segmentation, volume, settings, progress))
        name = f"{segmentationNode.GetName()} measurements"
        return _run(Task(job, lambda rows: writeTable(rows, tableNode, name)), onProgress, onDone, onError)


def _ifInScene(node: Any) -> Any:
    """Give an output node, or None (for a new one) where it was deleted while the work ran."""
    return node if node is not None and node.GetScene() is not None else None


def _requireInScene(volumeNode: Any) -> None:
    if volumeNode.GetScene() is None:
        raise InputError(
            f"the volume {volumeNode.GetName()!r} was deleted meanwhile, so that the result has no place; start again."
        )


def _optional(path: str | Path | None) -> str | None:
    return None if path is None else str(path)


def _output(report: dict, name: str, otherwise: str | Path) -> str:
    outputs = (report.get("results") or {}).get("outputs") or {}
    return str(outputs.get(name) or otherwise)


def _run(
    task: Task,
    onProgress: OnProgress | None,
    onDone: OnDone | None,
    onError: OnError | None,
    onMetrics: Callable[[dict], None] | None = None,
) -> Any:
    if onDone is not None:
        return task.watch(onProgress, onDone, onError, onMetrics)
    return task.wait(onProgress, onMetrics)
