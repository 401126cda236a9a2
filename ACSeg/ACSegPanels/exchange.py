"""Nodes to files for a command of ``acseg``, and its result back to nodes.

Nodes are read at once, on the main thread. The worker process writes the files before the command, and reads its
result: a tomogram is half a gigabyte, and writing it here would stop the program for seconds.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import slicer

from ACSegLib.commands.options import OptionValues
from ACSegLib.errors import InputError
from ACSegLib.worker import Reply
from ACSegLib.worker.client import PATIENCE
from ACSegPanels.task import Task
from ACSegPanels.working import startTask


class CommandFiles:
    """The files of one run of a command, in a temporary folder.

    As a context, it removes the folder where the run could not begin.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="ACSeg-", dir=slicer.app.temporaryPath))
        self._inputs: dict[str, Any] = {}
        self._arrays: dict[str, Any] = {}

    def __enter__(self) -> CommandFiles:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if error is not None:
            self.remove()

    def remove(self) -> None:
        """Delete the folder and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def volume(self, source: Any, name: str) -> str:
        """Give the path of a volume: a node will be written as an uncompressed file, a path is taken as it is."""
        if isinstance(source, (str, Path)):
            return _existing(source)
        from ACSegLib.scene import volume_from_node
        from ACSegLib.workflows.packing import pack_volume

        path = str(self.path / f"{name}.nrrd")
        self._inputs[path] = pack_volume(volume_from_node(source), path, self._arrays)
        return path

    def segmentation(self, source: Any, volumeNode: Any, name: str) -> str:
        """Give the path of labels: a node will be written on the grid of its volume, a path is taken as it is."""
        if isinstance(source, (str, Path)):
            return _existing(source)
        if isinstance(volumeNode, (str, Path)):
            raise InputError("a segmentation node needs its volume as a node too, not as a file.")
        from ACSegLib.scene import segmentation_from_node
        from ACSegLib.workflows.packing import pack_segmentation

        path = str(self.path / f"{name}.seg.nrrd")
        self._inputs[path] = pack_segmentation(segmentation_from_node(source, volumeNode), path, self._arrays)
        return path

    def pairs(self, pairs: Sequence[tuple[Any, Any]], validation: Sequence[tuple[Any, Any]] = ()) -> str:
        """Take pairs of volume and segmentation (nodes or paths), and give the path of the table that lists them."""
        rows = []
        for number, (image, labels) in enumerate([*pairs, *validation]):
            name = f"{number:03d}-{image.GetName()}" if hasattr(image, "GetName") else f"{number:03d}"
            safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
            group = "train" if number < len(pairs) else "validation"
            rows.append([self.volume(image, safe), self.segmentation(labels, image, safe), group])
        path = self.path / "pairs.csv"
        with open(path, "w", newline="", encoding="utf-8") as stream:
            csv.writer(stream).writerows([["image", "labels", "set"], *rows])
        return str(path)

    def start(
        self,
        command: str,
        options: OptionValues,
        finish: Callable[[Reply], Any],
        *,
        output: str | None = None,
        patience: float = PATIENCE,
    ) -> Task:
        """Run a command; the folder is removed once it has ended.

        Parameters
        ----------
        command : str
        options : mapping
        finish : callable
            As of `Task`.
        output : str, optional
            File of labels that the command writes, to be read.
        patience : float
            Seconds that it may take to stop after a cancel.
        """
        message = {"command": command, "options": dict(options), "inputs": self._inputs, "output": output}
        arrays, self._arrays = self._arrays, {}
        return startTask("command", message, arrays, finish, self.remove, patience=patience, in_memory=False)


def _existing(path: str | Path) -> str:
    if not Path(path).exists():
        raise InputError(f"the file {path} does not exist; choose another one.")
    return str(path)


def placeResult(reply: Reply, volumeNode: Any, node: Any, name: str) -> Any:
    """Write labels into a segmentation node (a new one where `node` is None), on the volume that they were made of."""
    from ACSegLib.scene import volume_from_node, write_result_to_node
    from ACSegLib.workflows.packing import unpack_segmentation

    segmentation = unpack_segmentation(reply.message["segmentation"], reply.arrays)
    segmentation.geometry = volume_from_node(volumeNode).geometry
    return write_result_to_node(segmentation, node, volume_node=volumeNode, name=name)
