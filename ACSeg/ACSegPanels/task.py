"""A running step: polled by a Qt timer where a panel shows it, or waited for where a script needs the result."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from slicer.i18n import tr as _

from ACSegLib.errors import Cancelled, FileError, InputError, MemoryLimitError
from ACSegLib.worker import Event, Job
from ACSegLib.worker.events import capitalized
from ACSegPanels.translation import translated

#: Milliseconds between two looks at running work.
POLL_MILLISECONDS = 50

#: Seconds between two looks while a script waits.
_REST = 0.02

#: Tasks that have ended for the person, but whose work has not: kept until it has.
_lingering: set[Task] = set()


class StepError(RuntimeError):
    """A step failed in the worker process; the message is a sentence for the person."""


#: Errors that keep their class on the way from the worker process.
_ERRORS = {kind.__name__: kind for kind in (InputError, FileError, MemoryLimitError, MemoryError)}


def sentence(error: BaseException) -> str:
    """Say what went wrong in a sentence for a person who does not program."""
    if isinstance(error, MemoryError) and not str(error):
        return _("There is not enough memory for this volume: close other programs, or crop the volume.")
    if isinstance(error, ImportError) and error.name:
        return _("The Python package {name} is missing: press the button again to install it.").format(name=error.name)
    if isinstance(error, (ValueError, OSError, MemoryError, RuntimeError)) and str(error):
        return capitalized(translated(str(error)))
    return _("Unexpected failure ({kind}): {error}").format(kind=type(error).__name__, error=error)


class Task:
    """One running step and what follows from its end.

    Parameters
    ----------
    job : Job
        Of the worker process.
    finish : callable
        Turns the job's `Reply` into the result; called on the main thread, so it may touch the scene.
    tidy : callable, optional
        Called once nothing is at work any more, however it ended.
    """

    def __init__(
        self,
        job: Job,
        finish: Callable[[Any], Any],
        tidy: Callable[[], None] | None = None,
    ) -> None:
        self._job, self._finish, self._tidy = job, finish, tidy
        self._timer: Any = None
        self._callbacks: dict[str, Callable | None] = {}
        self.state = "running"
        self.result: Any = None
        self.message = ""
        self.error: BaseException | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.state == "running"

    def cancel(self) -> None:
        """Ask it to stop, and return at once."""
        self._job.cancel()

    def abandon(self) -> None:
        """Stop it without a word: its scene or its panel goes away."""
        if self.running:
            self._job.abandon()
            self._callbacks = {}
            self._end("cancelled")

    def watch(
        self,
        onProgress: Callable[[float, str], None] | None = None,
        onDone: Callable[[Any], None] | None = None,
        onError: Callable[[str], None] | None = None,
        onMetrics: Callable[[dict], None] | None = None,
    ) -> Task:
        """Poll it from now on by a timer, and call back on the main thread; a cancel is told by ``onError("")``."""
        self._callbacks = {"progress": onProgress, "done": onDone, "error": onError, "metrics": onMetrics}
        self._startTimer()
        return self

    def wait(
        self,
        onProgress: Callable[[float, str], None] | None = None,
        onMetrics: Callable[[dict], None] | None = None,
        onWaiting: Callable[[], None] | None = None,
    ) -> Any:
        """Wait for the end and give the result.

        Parameters
        ----------
        onWaiting : callable, optional
            Called again and again meanwhile; it may keep the application live, and cancel.

        Raises
        ------
        Cancelled
            If it was cancelled (Ctrl-C does so).
        Exception
            What the step raised; `StepError` where its class is not known here. Or what a callback raised: the step is
            stopped then.
        """
        self._callbacks = {"progress": onProgress, "metrics": onMetrics}
        try:
            while self.running:
                self.poll()
                if onWaiting is not None:
                    onWaiting()
                time.sleep(_REST)
        except KeyboardInterrupt:
            self.cancel()
            while self.running:
                self.poll()
                time.sleep(_REST)
        except BaseException:  # of a callback: nobody waits for the result any more
            self.abandon()
            raise
        if self.state == "done":
            return self.result
        if self.state == "cancelled":
            raise Cancelled("cancelled")
        raise self.error or StepError(self.message)

    def poll(self) -> None:
        """Look at what happened since the last call; an exception of a callback is raised after all is looked at."""
        failures = []
        for event in self._job.poll():
            try:
                self._tell(event)
            except Exception as error:  # the events that follow, the end among them, must not be lost with it
                failures.append(error)
        if not self.running and not self._job.lingering:
            self._rest()
        if failures:
            raise failures[0]

    def _tell(self, event: Event) -> None:
        if event.kind == "progress":
            self._call("progress", event.fraction, event.message)
        elif event.kind == "metrics":
            self._call("metrics", event.value)
        else:
            self._settle(event)

    def _settle(self, event: Event) -> None:
        if event.kind == "done":
            try:
                self.result = self._finish(event.value)
            except Exception as error:
                logging.getLogger("ACSeg").info("the result could not be used", exc_info=True)
                event = Event("error", message=sentence(error), value=error)
        if event.kind == "error":
            self.message = capitalized(translated(event.message))
            self.error = event.value if isinstance(event.value, BaseException) else _error(event)
        self._end(event.kind)
        if event.kind == "done":
            self._call("done", self.result)
        else:
            self._call("error", self.message)

    def _end(self, state: str) -> None:
        self.state = state
        if self._job.lingering:
            _lingering.add(self)
            self._startTimer()
        else:
            self._rest()

    def _startTimer(self) -> None:
        import qt

        if self._timer is None:
            self._timer = qt.QTimer()
            self._timer.setInterval(POLL_MILLISECONDS)
            self._timer.connect("timeout()", self.poll)
            self._timer.start()

    def _rest(self) -> None:
        """Nothing is at work any more."""
        _lingering.discard(self)
        if self._timer is not None:
            self._timer.stop()
            self._timer.disconnect("timeout()", self.poll)
            self._timer = None
        if self._tidy is not None:
            self._tidy()
            self._tidy = None

    def _call(self, name: str, *arguments: Any) -> None:
        callback = self._callbacks.get(name)
        if callback is not None:
            callback(*arguments)


def _error(event: Event) -> BaseException:
    """The error that the worker process told of."""
    return _ERRORS.get(str(event.value), StepError)(event.message)
