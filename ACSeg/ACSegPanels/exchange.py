"""Nodes to files for the worker process, and its files back to nodes."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import slicer

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation


class ExchangeFolder:
    """A temporary folder for one run of the worker process.

    Nodes are read at once, on the main thread; their files are written by `write`, on a thread.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="ACSeg-", dir=slicer.app.temporaryPath))
        self._waiting: list[tuple[str, Callable[[], Any]]] = []

    def remove(self) -> None:
        """Delete the folder and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def volume(self, source: Any, name: str) -> str:
        """Give the path of a volume: a node will be written as an uncompressed file, a path is taken as it is."""
        if isinstance(source, (str, Path)):
            return _existing(source)
        from ACSegLib.files import save_volume
        from ACSegLib.scene import volume_from_node

        path = self.path / f"{name}.nrrd"
        self._waiting.append((source.GetName(), partial(save_volume, volume_from_node(source), path)))
        return str(path)

    def segmentation(self, source: Any, volumeNode: Any, name: str) -> str:
        """Give the path of labels: a node will be written on the grid of its volume, a path is taken as it is."""
        if isinstance(source, (str, Path)):
            return _existing(source)
        if isinstance(volumeNode, (str, Path)):
            raise InputError("a segmentation node needs its volume as a node too, not as a file.")
        from ACSegLib.files import save_segmentation
        from ACSegLib.scene import segmentation_from_node

        path = self.path / f"{name}.seg.nrrd"
        labels = segmentation_from_node(source, volumeNode)
        self._waiting.append((source.GetName(), partial(save_segmentation, labels, path)))
        return str(path)

    def write(self, progress: Progress) -> None:
        """Write what was asked for; neither MRML nor Qt is touched."""
        count = len(self._waiting)
        while self._waiting:
            name, save = self._waiting.pop(0)
            progress(1 - (len(self._waiting) + 1) / count, f"writing {name} for the worker")
            save()

    def pairs(self, pairs: Sequence[tuple[Any, Any]], validation: Sequence[tuple[Any, Any]] = ()) -> str:
        """Write pairs of volume and segmentation (nodes or paths), and give the path of the table that lists them."""
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


def _existing(path: str | Path) -> str:
    if not Path(path).exists():
        raise InputError(f"the file {path} does not exist; choose another one.")
    return str(path)


def openResult(path: str | Path, progress: Progress) -> Segmentation:
    """Read the labels that the worker has written; on a thread."""
    from ACSegLib.files import open_segmentation

    progress(0.0, "reading the result")
    return open_segmentation(path)


def placeResult(segmentation: Segmentation, volumeNode: Any, node: Any, name: str) -> Any:
    """Write labels into a segmentation node (a new one where `node` is None), on the volume that they were made of."""
    from ACSegLib.scene import volume_from_node, write_segmentation_to_node

    segmentation.geometry = volume_from_node(volumeNode).geometry
    return write_segmentation_to_node(segmentation, node, volume_node=volumeNode, name=name)
