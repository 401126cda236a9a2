"""A command in a process, with what has to be done for it before and after on a thread: writing and reading files.

A tomogram is half a gigabyte; written or read on the main thread it would freeze the program for seconds.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from ACSegLib.jobs import Progress
from ACSegPanels.background import BackgroundJob, Event, sentence
from ACSegPanels.process import ProcessRunner

#: Shares of the whole at which the process begins and ends.
_BEGIN, _END = 0.03, 0.97


class StagedRunner:
    """Runs ``before``, then a command in a process, then ``after``; one at a time, watched as one.

    Parameters
    ----------
    process : ProcessRunner
    command : str
    options : mapping
        Of the command.
    before : callable
        ``before(progress)``, on a thread.
    after : callable, optional
        ``after(report, progress)``, on a thread; gives the result. Without it the report is the result.
    """

    def __init__(
        self,
        process: ProcessRunner,
        command: str,
        options: Mapping[str, Any],
        before: Callable[[Progress], None],
        after: Callable[[Any, Progress], Any] | None = None,
    ) -> None:
        self._process, self._job, self._command = process, BackgroundJob(), command
        self._cancelled = False
        self._stage: BackgroundJob | ProcessRunner = self._job
        self._span = (0.0, _BEGIN)
        self._coming: list[tuple[BackgroundJob | ProcessRunner, float, Callable[[Any], None]]] = [
            (process, _END if after else 1.0, lambda _nothing: process.start(command, options))
        ]
        if after is not None:
            read = after
            self._coming.append(
                (self._job, 1.0, lambda report: self._job.start(lambda progress: read(report, progress)))
            )
        self._job.start(before)

    @property
    def running(self) -> bool:
        """Whether a stage is at work, or its end was not yet polled."""
        return self._stage.running

    @property
    def lingering(self) -> bool:
        """Whether something that was let go of is still at work."""
        return self._job.lingering or self._process.lingering

    def cancel(self) -> None:
        """Ask the stage at work to stop; no other begins."""
        self._cancelled = True
        self._stage.cancel()

    def abandon(self) -> None:
        """Ask the stage at work to stop, and forget it."""
        self._stage.abandon()

    def poll(self) -> list[Event]:
        """Give what happened since the last call; call it on the main thread, by a timer."""
        low, high = self._span
        events = []
        for event in self._stage.poll():
            if event.kind == "progress":
                events.append(Event("progress", low + event.fraction * (high - low), event.message))
            elif event.kind == "done" and self._coming:
                events += self._begin(event.value)
            else:
                events.append(event)
        return events

    def _begin(self, result: Any) -> list[Event]:
        """Begin the next stage with the result of the one before."""
        if self._cancelled:
            return [Event("cancelled")]
        self._stage, until, begin = self._coming.pop(0)
        self._span = (self._span[1], until)
        try:
            begin(result)
        except Exception as error:
            logging.getLogger("ACSeg").info("the command %s could not be started", self._command, exc_info=True)
            return [Event("error", message=sentence(error), value=error)]
        return []
