"""The worker process of this Slicer: one for all panels and effects; all work is done there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import slicer
from slicer.i18n import tr as _

from ACSegLib.json_values import Json
from ACSegLib.worker import Reply, Worker
from ACSegLib.worker.client import PATIENCE
from ACSegLib.worker.process import python_executable
from ACSegPanels.install import missingRequirements, onInstall
from ACSegPanels.task import Task

#: Seconds in which the process ends by itself.
_ENDING = 3.0

_worker: Worker | None = None


def worker() -> Worker:
    """Give the worker; its process starts with the first work, and ends with Slicer."""
    global _worker
    if _worker is None:
        command = [python_executable(slicer.app.slicerHome), "-m", "ACSegLib.worker"]
        _worker = Worker(command, slicer.app.temporaryPath)
        slicer.app.connect("aboutToQuit()", stopWorker)
    return _worker


def setWorker(other: Worker | None) -> Worker | None:
    """Put another worker in the place of this Slicer's, and give the one before."""
    global _worker
    before, _worker = _worker, other
    return before


def prepareWorker() -> None:
    """Start the process now, so that it is ready by the first fill; without the packages that a fill needs, do not."""
    if missingRequirements("fill"):
        return
    try:
        worker().start()
    except (OSError, MemoryError):  # the first work says why
        logging.getLogger("ACSeg").info("the worker process could not be started", exc_info=True)


def stopWorker(seconds: float = 0.0) -> None:
    """End the process, and wait for its end so long; the next work starts another one."""
    if _worker is not None:
        _worker.stop(seconds)


def openLog() -> None:
    """Open the log of the process in the system's program for texts; say so where nothing has run yet."""
    import qt

    path = _worker.log_path if _worker is not None else None
    if path is None:
        slicer.util.infoDisplay(_("Nothing has run yet: there is no log."), windowTitle="ACSeg")
        return
    qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))


onInstall.append(lambda: stopWorker(_ENDING))


def startTask(
    name: str,
    message: Json,
    arrays: Mapping[str, Any],
    finish: Callable[[Reply], Any],
    tidy: Callable[[], None] | None = None,
    *,
    patience: float = PATIENCE,
    in_memory: bool = True,
) -> Task:
    """Begin a task of `ACSegLib.worker.tasks`; see `Task` for `finish` and `tidy`, `Worker.run` for the rest."""
    return Task(worker().run(name, message, arrays, patience=patience, in_memory=in_memory), finish, tidy)
