"""The guided module's logic: the same four steps for panels, the Python console and batch scripts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import slicer
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from ACSegLib.errors import InputError
from ACSegLib.volume import Segmentation, as_names
from ACSegLib.worker import Reply
from ACSegLib.workflows import CorrectOutcome, FillOutcome, MeasureRequest, SplitOutcome
from ACSegPanels.exchange import CommandFiles, placeResult
from ACSegPanels.keywords import commandOptions, correctRequest, fillRequest, splitRequest
from ACSegPanels.tables import titleColumns, writeTable
from ACSegPanels.task import Task
from ACSegPanels.words import changedVoxels, turnedBox
from ACSegPanels.working import startTask

OnProgress = Callable[[float, str], None]
OnDone = Callable[[Any], None]
OnError = Callable[[str], None]

#: Seconds that a cancelled training may take to write its state to disk.
_SAVING_SECONDS = 20.0


def _forScripts(method: Callable) -> Callable:
    """Name keywords in errors that a script gets; those that a panel shows name its widgets."""

    @functools.wraps(method)
    def call(*arguments: Any, **keywords: Any) -> Any:
        from ACSegLib.option_names import raising_keywords

        return (raising_keywords(method) if keywords.get("onDone") is None else method)(*arguments, **keywords)

    return call


def _named(notes: Sequence[str], onDone: OnDone | None) -> list[str]:
    """Notes that name keywords where a script waits for the result; a panel names its widgets in them."""
    from ACSegLib.option_names import with_keywords

    return [with_keywords(note) for note in notes] if onDone is None else list(notes)


class ACSegLogic(ScriptedLoadableModuleLogic):
    """Fill, correct, train, predict, split and measure with nodes of the scene.

    Every method waits and gives its result; with `onDone` it returns a `Task` at once instead, and calls
    ``onDone(result)``, ``onError(message)`` and ``onProgress(fraction, message)`` on the main thread.

    Attributes
    ----------
    lastNotes : list of str
        What a person should know of the last result: sentences of the library.
    lastFill, lastCorrection, lastSplit : FillOutcome, CorrectOutcome, SplitOutcome
        What the last call of the method gave, with its report; they are there after the first one.

    Examples
    --------
    >>> from ACSeg import ACSegLogic
    >>> logic = ACSegLogic()
    >>> filled = logic.fill(volumeNode, segmentationNode)
    >>> table = logic.measure(filled, volumeNode)
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.lastNotes: list[str] = []

    def getParameterNode(self) -> Any:
        """Give the module's parameter node, typed."""
        from ACSegPanels.parameters import ACSegParameterNode

        return ACSegParameterNode(super().getParameterNode())

    @_forScripts
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
            Options of the command ``acseg fill`` (axis, slices, mode, background, islands, device, memory, ...). The
            box may be a vtkMRMLMarkupsROINode. Of one that is turned against the voxels, the smallest box around it is
            used; `lastFill.report.warnings` says so.

        Returns
        -------
        vtkMRMLSegmentationNode, or Task with `onDone`
        """
        from ACSegLib.scene import require_label_map, segmentation_from_node, volume_from_node
        from ACSegLib.scene.placing import placement_notes
        from ACSegLib.scene.roi import box_of_roi

        require_label_map(outputSegmentationNode)
        volume = volume_from_node(volumeNode)
        notes: list[str] = []
        if isinstance(options.get("box"), slicer.vtkMRMLMarkupsROINode):
            found = box_of_roi(options["box"], volumeNode)
            options["box"] = list(found.box)
            notes = [turnedBox()] if found.turned else []
        labels = segmentation_from_node(segmentationNode, volumeNode, segmentIDs)
        notes += placement_notes(segmentationNode, volumeNode, segmentIDs)
        request, told = fillRequest(volume, labels, options), _changes(volumeNode)
        message, arrays = request.pack()

        def finish(reply: Reply) -> Any:
            outcome = FillOutcome.unpack(reply.message, reply.arrays, request)
            warnings = _named([*outcome.report.warnings, *notes, *told()], onDone)
            report, self.lastNotes = replace(outcome.report, warnings=warnings), warnings
            self.lastFill = outcome = replace(outcome, report=report)
            name = f"{segmentationNode.GetName()} filled"
            return _place(outcome.segmentation, volumeNode, outputSegmentationNode, name, (segmentationNode,))

        return _run(startTask("fill", message, arrays, finish), onProgress, onDone, onError)

    @_forScripts
    def correct(
        self,
        volumeNode: Any,
        segmentationNode: Any,
        correctedNode: Any,
        outputSegmentationNode: Any = None,
        *,
        segmentIDs: Sequence[str] | None = None,
        onProgress: OnProgress | None = None,
        onDone: OnDone | None = None,
        onError: OnError | None = None,
        **options: Any,
    ) -> Any:
        """Correct a segmentation around the places where a person changed it.

        Parameters
        ----------
        volumeNode : vtkMRMLScalarVolumeNode
            The tomogram.
        segmentationNode, correctedNode : vtkMRMLSegmentationNode
            Before and after the corrections; they are not changed unless they are the output.
        outputSegmentationNode : vtkMRMLSegmentationNode, optional
            Written into; a new node by default.
        segmentIDs : sequence of str, optional
            Which segments take part, of either node; all by default.
        **options
            Options of the command ``acseg correct`` (slices, reach, device).

        Returns
        -------
        vtkMRMLSegmentationNode, or Task with `onDone`
        """
        from ACSegLib.scene import require_label_map, segmentation_from_node, volume_from_node
        from ACSegLib.scene.placing import placement_notes

        require_label_map(outputSegmentationNode)
        volume = volume_from_node(volumeNode)
        ids = _idsOfBoth(segmentationNode, correctedNode, segmentIDs)
        before = segmentation_from_node(segmentationNode, volumeNode, ids[0])
        after = segmentation_from_node(correctedNode, volumeNode, ids[1])
        notes = placement_notes(correctedNode, volumeNode, ids[1])
        request, told = correctRequest(volume, before, after, options), _changes(volumeNode)
        message, arrays = request.pack()

        def finish(reply: Reply) -> Any:
            outcome = CorrectOutcome.unpack(reply.message, reply.arrays, request)
            self.lastNotes = _named([*notes, *outcome.report.warnings, *told()], onDone)
            report = replace(outcome.report, warnings=self.lastNotes)
            self.lastCorrection = outcome = replace(outcome, report=report)
            name = f"{segmentationNode.GetName()} corrected"
            inputs = (segmentationNode, correctedNode)
            node = _place(outcome.segmentation, volumeNode, outputSegmentationNode, name, inputs)
            if node is segmentationNode:
                _becomes(node, before, outcome.segmentation)
            return node

        return _run(startTask("correct", message, arrays, finish), onProgress, onDone, onError)

    @_forScripts
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
        for pair in (*pairs, *validation):
            if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
                raise InputError(f"a pair for a training is a volume and its segmentation, not {pair!r}.")
        with CommandFiles() as files:
            request = {"table": files.pairs(pairs, validation), "output": str(modelPath), **options}
            task = files.start(
                "train", request, lambda reply: _output(reply, "model", modelPath), patience=_SAVING_SECONDS
            )
        return _run(task, onProgress, onDone, onError, onMetrics)

    @_forScripts
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
        from ACSegLib.scene import require_label_map
        from ACSegLib.scene.read import require_node

        require_node(volumeNode, "vtkMRMLVolumeNode", "volume", "load")
        require_label_map(outputSegmentationNode)
        told = _changes(volumeNode)

        def finish(reply: Reply) -> Any:
            _requireInScene(volumeNode)
            target = _ifInScene(outputSegmentationNode)
            self.lastNotes = _named([*reply.message["notes"], *told()], onDone)
            return placeResult(reply, volumeNode, target, f"{volumeNode.GetName()} predicted")

        with CommandFiles() as files:
            image, output = files.volume(volumeNode, "image"), str(files.path / "prediction.seg.nrrd")
            request = {"images": [image], "model": _optional(modelPath), "output": output, **options}
            task = files.start("predict", request, finish, output=output)
        return _run(task, onProgress, onDone, onError)

    @_forScripts
    def adapt(
        self,
        volumes: Sequence[Any],
        modelPath: str | Path,
        *,
        startFrom: str | Path | None = None,
        onProgress: OnProgress | None = None,
        onDone: OnDone | None = None,
        onError: OnError | None = None,
        **options: Any,
    ) -> Any:
        """Adapt a model to tomograms without labels, in a process of its own.

        Parameters
        ----------
        volumes : sequence of vtkMRMLScalarVolumeNode or path
            Tomograms of one kind.
        modelPath : path
            File to write, ending in ".acseg".
        startFrom : path, optional
            Model to start from; by default the one that ships with ACSeg.
        **options
            Options of the command ``acseg adapt`` (minutes, device, resume, seed).

        Returns
        -------
        dict, or Task with `onDone`
            Run report: ``report["results"]`` has the Dice on digital twins before and after.
        """
        if not volumes:
            raise InputError("there is nothing to adapt to: give at least one volume.")
        with CommandFiles() as files:
            images = [files.volume(volume, f"tomogram-{number}") for number, volume in enumerate(volumes, 1)]
            request = {"tomograms": images, "output": str(modelPath), "model": _optional(startFrom), **options}
            task = files.start("adapt", request, lambda reply: reply.message["report"], patience=_SAVING_SECONDS)
        return _run(task, onProgress, onDone, onError)

    @_forScripts
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
        request = {"images": [str(source)], "model": _optional(modelPath), "output": str(target), **options}

        def finish(reply: Reply) -> Any:
            self.lastNotes = _named(reply.message["notes"], onDone)
            return reply.message["report"]

        task = startTask("command", {"command": "predict", "options": request}, {}, finish)
        return _run(task, onProgress, onDone, onError)

    @_forScripts
    def split(
        self,
        segmentationNode: Any,
        volumeNode: Any,
        outputSegmentationNode: Any = None,
        *,
        seedsNode: Any = None,
        segmentIDs: Sequence[str] | None = None,
        onProgress: OnProgress | None = None,
        onDone: OnDone | None = None,
        onError: OnError | None = None,
        **options: Any,
    ) -> Any:
        """Split touching cells into segments of their own.

        Parameters
        ----------
        segmentationNode : vtkMRMLSegmentationNode
            It is not changed unless it is the output.
        volumeNode : vtkMRMLScalarVolumeNode
            The tomogram, in which seams are looked for; it gives the grid.
        outputSegmentationNode : vtkMRMLSegmentationNode, optional
            Written into; a new node by default.
        seedsNode : vtkMRMLSegmentationNode, optional
            A segment, or a dab of a single segment, for each cell.
        segmentIDs : sequence of str, optional
            Which segments are split; all but beads, glass and background by default.
        **options
            Options of the command ``acseg split`` (count, smallest, seams).

        Returns
        -------
        vtkMRMLSegmentationNode, or Task with `onDone`
        """
        from ACSegLib.scene import require_label_map, segmentation_from_node, volume_from_node
        from ACSegLib.scene.placing import placement_notes

        require_label_map(outputSegmentationNode)
        labels = segmentation_from_node(segmentationNode, volumeNode)
        notes = placement_notes(segmentationNode, volumeNode, segmentIDs)
        seeds = segmentation_from_node(seedsNode, volumeNode) if seedsNode is not None else None
        request = splitRequest(volume_from_node(volumeNode), labels, seeds, options)
        if segmentIDs is not None:
            request = replace(request, segments=as_names(segmentIDs))
        message, arrays = request.pack()
        told = _changes(volumeNode)

        def finish(reply: Reply) -> Any:
            outcome = SplitOutcome.unpack(reply.message, reply.arrays)
            self.lastNotes = _named([*notes, *outcome.notes, *told()], onDone)
            self.lastSplit = outcome = replace(outcome, notes=self.lastNotes)
            name = f"{segmentationNode.GetName()} split"
            node = _place(outcome.segmentation, volumeNode, outputSegmentationNode, name, (segmentationNode,))
            if node is segmentationNode:
                _becomes(node, labels, outcome.segmentation)
            return node

        return _run(startTask("split", message, arrays, finish), onProgress, onDone, onError)

    @_forScripts
    def measure(
        self,
        segmentationNode: Any,
        volumeNode: Any = None,
        tableNode: Any = None,
        *,
        unit: str = MeasureRequest.unit,
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
            For absorption (LAC), and for the grid; by default the volume on which the segmentation was made.
        tableNode : vtkMRMLTableNode, optional
            Written into; a new node by default.
        unit : str
            Unit of lengths in the table: "um", "nm", "mm", "px" (voxels), or "file" for that of the node.
        **options
            Options of the command ``acseg measure`` (cells, segments, min_volume, thin_radius, bead_reference, ...).

        Returns
        -------
        vtkMRMLTableNode, or Task with `onDone`
            Of more than 50 segments, and of split cells, another table node "NAME contacts" has a row for each pair
            that touches.
        """
        from ACSegLib.scene import segmentation_from_node, volume_from_node
        from ACSegLib.scene.placing import placement_notes, scaling_notes, spacing_notes
        from ACSegLib.scene.read import require_node
        from ACSegLib.scene.results import tell_source
        from ACSegLib.workflows.packing import pack_segmentation, pack_volume

        settings = commandOptions("measure", {"unit": unit, **options})
        require_node(segmentationNode, "vtkMRMLSegmentationNode", "segmentation", "create")
        if tableNode is not None:
            require_node(tableNode, "vtkMRMLTableNode", "table", "create")
        grid = volumeNode or segmentationNode.GetNodeReference("referenceImageGeometryRef")
        if grid is None:
            raise InputError(
                f"segmentation {segmentationNode.GetName()!r} has no volume; choose the one it belongs to."
            )
        arrays: dict[str, Any] = {}
        labels = segmentation_from_node(segmentationNode, grid)
        notes = [*placement_notes(segmentationNode, grid), *scaling_notes(grid)]
        notes += spacing_notes(grid) if unit != "px" else []
        message = {
            "options": asdict(settings),
            "segmentation": pack_segmentation(labels, "labels", arrays),
            "volume": pack_volume(volume_from_node(volumeNode), "image", arrays) if volumeNode is not None else None,
        }
        name, volumeName = f"{segmentationNode.GetName()} measurements", grid.GetName()
        told = _changes(volumeNode)

        def finish(reply: Reply) -> Any:
            self.lastNotes = _named([*notes, *reply.message["notes"], *told()], onDone)
            node = writeTable([{"volume_name": volumeName, **row} for row in reply.message["rows"]], tableNode, name)
            titleColumns(node)
            tell_source(node, segmentationNode)
            if contacts := reply.message["contacts"]:
                pairs = [{"volume_name": volumeName, **row} for row in contacts]
                titleColumns(writeTable(pairs, None, f"{segmentationNode.GetName()} contacts"))
            return node

        return _run(startTask("measure", message, arrays, finish), onProgress, onDone, onError)


def _changes(volumeNode: Any) -> Callable[[], list[str]]:
    """A function that tells at the end of the work whether the voxels of its volume (None: it has none) changed."""
    from ACSegLib.scene.grid import voxels_key

    before = voxels_key(volumeNode) if volumeNode is not None else ()

    def told() -> list[str]:
        same = volumeNode is None or voxels_key(volumeNode) == before
        return [] if same else [changedVoxels(volumeNode.GetName())]

    return told


def _place(segmentation: Segmentation, volumeNode: Any, outputNode: Any, name: str, inputs: Sequence[Any]) -> Any:
    """Write a result into its node, or into a new one where there is none or it was deleted while the work ran."""
    from ACSegLib.scene import write_result_to_node, write_segmentation_to_node

    _requireInScene(volumeNode)
    node = _ifInScene(outputNode)
    if node is not None and node in inputs:
        return write_segmentation_to_node(segmentation, node, volume_node=volumeNode)
    return write_result_to_node(segmentation, node, volume_node=volumeNode, name=name, made_of=inputs[0])


def _becomes(node: Any, before: Segmentation, result: Segmentation) -> None:
    """Give segments of a node that a result was written into their new names, and remove those that are no more.

    Parameters
    ----------
    node : vtkMRMLSegmentationNode
    before, result : Segmentation
        What the work began from, and what it gave: the first cell of a split has the id of its segment.
    """
    table, names = node.GetSegmentation(), {segment.id: segment.name for segment in before.segments}
    for row in result.segments:
        if table.GetSegment(row.id) is None:  # it was written into the only segment of its name
            names = {identifier: text for identifier, text in names.items() if text != row.name}
        elif names.pop(row.id, row.name) != row.name:
            table.GetSegment(row.id).SetName(row.name)
    for identifier in names:
        table.RemoveSegment(identifier)


def _idsOfBoth(segmentationNode: Any, correctedNode: Any, segmentIDs: Sequence[str] | None) -> list[Any]:
    """The ids for each of two nodes: one may lack a new or deleted segment; what both lack is refused later."""
    from ACSegLib.scene.read import require_node

    if segmentIDs is None:
        return [None, None]
    known = []
    for node in (segmentationNode, correctedNode):
        require_node(node, "vtkMRMLSegmentationNode", "segmentation", "create")
        known.append(set(node.GetSegmentation().GetSegmentIDs()))
    wanted, (before, after) = as_names(segmentIDs), known
    return [[s for s in wanted if s in before or s not in after], [s for s in wanted if s in after or s not in before]]


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


def _output(reply: Reply, name: str, otherwise: str | Path) -> str:
    outputs = (reply.message["report"].get("results") or {}).get("outputs") or {}
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
