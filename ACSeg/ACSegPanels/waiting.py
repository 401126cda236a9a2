"""A progress dialog for work that was asked for outside ACSeg's panels; the program stays live behind it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from ACSegLib.errors import Cancelled
from ACSegLib.worker.events import capitalized
from ACSegPanels.task import Task, sentence
from ACSegPanels.translation import translated


def waitShowing(begin: Callable[[], Task], title: str) -> Any:
    """Do a task behind a progress dialog with a cancel button; without a main window there is no dialog.

    Parameters
    ----------
    begin : callable
        Starts the task.
    title : str
        Of the dialog.

    Returns
    -------
    object
        The task's result, or None where it was cancelled, or failed and the person was told why.
    """
    dialog = _Dialog(title) if slicer.util.mainWindow() is not None else None
    try:
        task = begin()
        if dialog is None:
            return task.wait()
        return dialog.follow(task)
    except Cancelled:
        return None
    except Exception as error:
        logging.getLogger("ACSeg").info("%s: failed", title, exc_info=True)
        slicer.util.errorDisplay(sentence(error), windowTitle=title)
        return None
    finally:
        if dialog is not None:
            dialog.close()


class _Dialog:
    def __init__(self, title: str) -> None:
        import qt

        self._dialog = slicer.util.createProgressDialog(
            maximum=1000, windowTitle=title, labelText=_("Starting..."), autoClose=False, autoReset=False
        )
        self._dialog.setWindowModality(qt.Qt.WindowModal)
        self._dialog.show()

    def follow(self, task: Task) -> Any:
        """Show how far a task is; the cancel button stops it."""
        self._dialog.connect("canceled()", task.cancel)
        try:
            return task.wait(self._show, onWaiting=slicer.app.processEvents)
        finally:
            self._dialog.disconnect("canceled()", task.cancel)

    def _show(self, fraction: float, message: str) -> None:
        if self._dialog.wasCanceled:  # a value would show it again
            return
        self._dialog.value = round(1000 * fraction)
        if message:
            self._dialog.labelText = capitalized(translated(message))

    def close(self) -> None:
        """Close it for good."""
        self._dialog.close()
        self._dialog.deleteLater()
