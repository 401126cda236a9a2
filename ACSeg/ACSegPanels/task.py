"""A running step: polled by a Qt timer where a panel shows it, or waited for where a script needs the result."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from ACSegLib.errors import Cancelled
from ACSegPanels.background import BackgroundJob, Event, sentence
from ACSegPanels.process import ProcessRunner

POLL_MILLISECONDS = 150


class StepError(RuntimeError):
    """A step failed in its process; the message is a sentence for the person."""


class Task:
    """One running step and what follows from its end.

    Parameters
    ----------
    runner : BackgroundJob or ProcessRunner
        Already started.
    finish : callable
        Turns what the runner gave into the result; called on the main thread, so it may touch the scene.
    tidy : callable, optional
        Called once at the end, however it ends.
    """

    def __init__(
        self,
        runner: BackgroundJob | ProcessRunner,
        finish: Callable[[Any], Any],
        tidy: Callable[[], None] | None = None,
    ) -> None:
        self._runner, self._finish, self._tidy = runner, finish, tidy
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
        self._runner.cancel()

    def abandon(self) -> None:
        """Stop it without a word: its scene or its panel goes away."""
        if self.running:
            if isinstance(self._runner, ProcessRunner):
                self._runner.kill()
            else:
                self._runner.abandon()
            self._end("cancelled")

    def watch(
        self,
        onProgress: Callable[[float, str], None] | None = None,
        onDone: Callable[[Any], None] | None = None,
        onError: Callable[[str], None] | None = None,
        onMetrics: Callable[[dict], None] | None = None,
    ) -> Task:
        """Poll it from now on by a timer, and call back on the main thread; a cancel is told by ``onError("")``."""
        import qt

        self._callbacks = {"progress": onProgress, "done": onDone, "error": onError, "metrics": onMetrics}
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.connect("timeout()", self.poll)
        self._timer.start()
        return self

    def wait(
        self, onProgress: Callable[[float, str], None] | None = None, onMetrics: Callable[[dict], None] | None = None
    ) -> Any:
        """Wait for the end and give the result.

        Raises
        ------
        Cancelled
            If it was cancelled (Ctrl-C does so).
        Exception
            What the step raised; `StepError` where it ran in a process.
        """
        self._callbacks = {"progress": onProgress, "metrics": onMetrics}
        try:
            while self.running:
                self.poll()
                time.sleep(0.02)
        except KeyboardInterrupt:
            self.cancel()
            while self.running:
                self.poll()
                time.sleep(0.02)
        if self.state == "done":
            return self.result
        if self.state == "cancelled":
            raise Cancelled("cancelled")
        raise self.error if self.error is not None else StepError(self.message)

    def poll(self) -> None:
        """Look at what happened since the last call."""
        for event in self._runner.poll():
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
            self.message = event.message
            self.error = event.value if isinstance(event.value, BaseException) else None
        self._end(event.kind)
        if event.kind == "done":
            self._call("done", self.result)
        else:
            self._call("error", self.message)

    def _end(self, state: str) -> None:
        self.state = state
        if self._timer is not None:
            self._timer.stop()
            self._timer.disconnect("timeout()", self.poll)
            self._timer = None
        if self._tidy is not None:
            self._tidy()

    def _call(self, name: str, *arguments: Any) -> None:
        callback = self._callbacks.get(name)
        if callback is not None:
            callback(*arguments)
