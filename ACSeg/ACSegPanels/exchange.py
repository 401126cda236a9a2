"""Nodes to files for the worker process, and its files back to nodes."""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import slicer

from ACSegLib.errors import InputError


class ExchangeFolder:
    """A temporary folder for one run of the worker process."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="ACSeg-", dir=slicer.app.temporaryPath))

    def remove(self) -> None:
        """Delete the folder and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def volume(self, source: Any, name: str) -> str:
        """Give the path of a volume: a node is written as an uncompressed file, a path is taken as it is."""
        if isinstance(source, (str, Path)):
            return _existing(source)
        from ACSegLib.files import save_volume
        from ACSegLib.scene import volume_from_node

        path = self.path / f"{name}.nrrd"
        save_volume(volume_from_node(source), path)
        return str(path)

    def segmentation(self, source: Any, volumeNode: Any, name: str) -> str:
        """Give the path of labels: a node is written on the grid of its volume, a path is taken as it is."""
        if isinstance(source, (str, Path)):
            return _existing(source)
        if isinstance(volumeNode, (str, Path)):
            raise InputError("a segmentation node needs its volume as a node too, not as a file.")
        from ACSegLib.files import save_segmentation
        from ACSegLib.scene import segmentation_from_node

        path = self.path / f"{name}.seg.nrrd"
        save_segmentation(segmentation_from_node(source, volumeNode), path)
        return str(path)

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


def readSegmentation(path: str | Path, volumeNode: Any, node: Any, name: str) -> Any:
    """Load labels from a file into a segmentation node (a new one where `node` is None)."""
    from ACSegLib.files import open_segmentation
    from ACSegLib.scene import volume_from_node, write_segmentation_to_node

    segmentation = open_segmentation(path)
    segmentation.geometry = volume_from_node(volumeNode).geometry  # written from this very node
    return write_segmentation_to_node(segmentation, node, volume_node=volumeNode, name=name)
