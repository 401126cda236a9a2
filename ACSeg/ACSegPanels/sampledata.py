"""Sample data: a simulated tomogram, and the ten T-cell tomograms of the paper. Downloaded only when asked for.

Simulating and downloading are done by the worker process, so that the program stays live and either can be cancelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ACSegLib.files.dataverse import Dataverse
from ACSegLib.json_values import Json
from ACSegLib.worker import Reply
from ACSegPanels.install import DependencyError, ensureDependencies
from ACSegPanels.task import Task, sentence
from ACSegPanels.views import showVolume
from ACSegPanels.waiting import waitShowing
from ACSegPanels.working import startTask

CATEGORY = "ACSeg"
SERVER = "https://heidata.uni-heidelberg.de"
DATASET = "doi:10.11588/data/XEBZLL"

#: Number of public T-cell data sets, each a tomogram and its labels.
CELLS = 10


def loadTCell(number: int, dataverse: Dataverse | None = None, folder: Path | None = None) -> list[Any]:
    """Download the T-cell tomogram `number` (1 to 10) and its labels, and load them; returns the nodes."""
    return startTCell(number, dataverse, folder).wait()


def startTCell(number: int, dataverse: Dataverse | None = None, folder: Path | None = None) -> Task:
    """Begin to download the T-cell tomogram `number` (1 to 10) and its labels; the result is the nodes."""
    source = dataverse or Dataverse(SERVER, DATASET)
    message = {
        "server": source.server,
        "dataset": source.dataset,
        "number": number,
        "folder": str(folder or Path(slicer.app.cachePath) / "ACSeg"),
    }
    return _start("fetch", message, f"T cell {number}", f"T cell {number} labels")


def simulatedCell(size: int = 128, every: int = 20, seed: int = 0) -> list[Any]:
    """Simulate a T cell with beads in a capillary, drawn on every so many slices; returns volume and segmentation."""
    return startSimulatedCell(size, every, seed).wait()


def startSimulatedCell(size: int = 128, every: int = 20, seed: int = 0) -> Task:
    """Begin to simulate a T cell and its sparse labels; the result is their nodes."""
    message = {"size": size, "every": every, "seed": seed}
    return _start("simulate", message, _("Simulated T cell"), _("Simulated T cell sparse labels"))


def _start(name: str, message: Json, imageName: str, labelsName: str) -> Task:
    return startTask(name, message, {}, lambda reply: _addNodes(reply, imageName, labelsName))


def _addNodes(reply: Reply, imageName: str, labelsName: str) -> list[Any]:
    from ACSegLib.scene import write_segmentation_to_node, write_volume_to_node
    from ACSegLib.workflows.packing import unpack_segmentation, unpack_volume

    volume = unpack_volume(reply.message["volume"], reply.arrays)
    packed = reply.message["labels"]
    labels = unpack_segmentation(packed, reply.arrays) if packed else None
    node = write_volume_to_node(volume, scene=slicer.mrmlScene, name=imageName)
    if labels is None:
        return [node]
    return [node, write_segmentation_to_node(labels, volume_node=node, name=labelsName)]


@dataclass(frozen=True)
class Sample:
    """What a button of Sample Data does: simulate (number 0), or download the T cell of a number.

    A class and not a lambda, since Sample Data tells registered sources apart by their text.
    """

    number: int

    @property
    def title(self) -> str:
        """Name of the data set for a person."""
        return _("T cell {number}").format(number=self.number) if self.number else _("Simulated T cell")

    def __call__(self, source: Any = None) -> list[Any]:
        """Make the nodes behind a progress dialog; an empty list where it was cancelled or failed."""
        begin = (lambda: startTCell(self.number)) if self.number else startSimulatedCell
        try:
            ensureDependencies("download" if self.number else "simulate")
        except DependencyError as error:
            slicer.util.errorDisplay(sentence(error), windowTitle=self.title)
            return []
        nodes = waitShowing(begin, self.title) or []
        if nodes:
            showVolume(nodes[0])
        return nodes


def registerAll() -> None:
    """Register the data sets with the module Sample Data."""
    import SampleData

    thumbnail = Path(__file__).resolve().parent.parent / "Resources" / "Icons" / "ACSeg.png"
    for number in range(CELLS + 1):
        sample = Sample(number)
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category=CATEGORY,
            sampleName=f"ACSegTCell{number:02d}" if number else "ACSegSimulatedTCell",
            uris=f"https://doi.org/{DATASET.removeprefix('doi:')}" if number else "",  # it asks for a text
            nodeNames=sample.title,
            customDownloader=sample,
            thumbnailFileName=str(thumbnail),
        )
