"""Jobs in the worker process, one at a time: progress, time left, cancelling, and what becomes of the result."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from starlette.concurrency import run_in_threadpool

from ACSegLib.app.contract import JobInfo
from ACSegLib.app.controls import named_by_controls
from ACSegLib.app.problems import BusyError
from ACSegLib.app.session import Session
from ACSegLib.errors import InputError, explain
from ACSegLib.json_values import Json
from ACSegLib.worker import Event, Job, Reply, Worker
from ACSegLib.worker.client import PATIENCE
from ACSegLib.worker.events import capitalized

#: Seconds between two looks at a job: while arrays are handed over, while it runs, and while there is none.
_HANDING_OVER, _RUNNING, _IDLE = 0.002, 0.03, 0.05
#: Part of the work, and seconds, after which the time left is estimated.
_MIN_FRACTION, _MIN_SECONDS = 0.03, 1.0


@dataclass(frozen=True)
class Outcome:
    """What a person is told of a finished job: a sentence, and notes."""

    message: str
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Plan:
    """A job for the worker.

    Parameters
    ----------
    task : str
        Of `ACSegLib.worker.tasks`.
    message : dict
    arrays : mapping
    finish : callable
        Takes the reply, in a thread, and says what became of it.
    tidy : callable
        Called at the end, however the job ends.
    keep : str
        See `Worker.run`.
    patience : float
        See `Worker.run`.
    in_memory : bool
        See `Worker.run`.
    """

    task: str
    message: Json
    arrays: Mapping[str, np.ndarray]
    finish: Callable[[Reply], Outcome]
    tidy: Callable[[], None] = lambda: None
    keep: str = ""
    patience: float = PATIENCE
    in_memory: bool = True


class Jobs:
    """Runs jobs for the page.

    Parameters
    ----------
    session : Session
        Shows the running job.
    worker : Worker
    tell : callable
        Called with the job when it is further than before.
    """

    def __init__(self, session: Session, worker: Worker, tell: Callable[[JobInfo], None]) -> None:
        self.worker = worker
        self._session, self._tell = session, tell
        self._job: Job | None = None
        self._plan: Plan | None = None
        self._number = 0
        self._started = 0.0
        self._busy = self._unwanted = False

    async def start(self, kind: str, make: Callable[[], Plan]) -> JobInfo:
        """Begin a job; `make` is called in a thread.

        Raises
        ------
        BusyError
            If a job is running.
        InputError, FileError, MemoryLimitError
            As `make` raises them.
        """
        if self._busy:
            running = self._session.job.kind if self._session.job else "job"
            raise BusyError(f"a job ({running}) is running; wait until it has ended, or cancel it.")
        before, self._busy, self._unwanted = self._session.job, True, False
        plan: Plan | None = None
        self._number += 1
        self._started = time.monotonic()
        info = JobInfo(self._number, kind, "running", 0.0, "preparing", 0.0)
        self._show(info)
        try:
            self.worker.start()
            plan = await run_in_threadpool(make)
            self._job = self._run(plan)
            self._plan = plan
        except BaseException:
            if plan is not None:
                plan.tidy()
            self._busy, self._session.job = False, before
            self._session.changed()
            raise
        if self._unwanted:
            self._job.cancel()
        return info

    async def aside(self, plan: Plan) -> Reply:
        """Do a short task beside the jobs, and give its reply.

        Raises
        ------
        InputError
            With the sentence of the worker, if it fails.
        """
        job = self._run(plan)
        try:
            while True:
                for event in job.poll():
                    if event.kind == "done":
                        reply: Reply = event.value
                        return reply
                    if event.final:
                        raise InputError(event.message or "the work was cancelled.")
                await asyncio.sleep(_RUNNING)
        finally:
            plan.tidy()

    def cancel(self) -> None:
        """Ask the running job to stop; it has within a second."""
        self._unwanted = True
        if self._job is not None:
            self._job.cancel()

    async def watch(self) -> None:
        """Look at the running job, for as long as the server runs."""
        while True:
            await asyncio.sleep(self._pause())
            if self._job is None:
                self.worker.pump()
                continue
            for event in self._job.poll():
                await self._take(event)

    def close(self) -> None:
        """End the worker process, and remove what was not downloaded."""
        self.worker.stop(2.0)
        self._session.scratch.close()

    def _run(self, plan: Plan) -> Job:
        return self.worker.run(
            plan.task, plan.message, plan.arrays, keep=plan.keep, patience=plan.patience, in_memory=plan.in_memory
        )

    def _pause(self) -> float:
        if self._job is None:
            return _IDLE
        return _RUNNING if self._job.handed_over else _HANDING_OVER

    async def _take(self, event: Event) -> None:
        info = self._session.job
        assert info is not None
        seconds = time.monotonic() - self._started
        if event.kind == "progress":
            info = replace(
                info, fraction=event.fraction, message=event.message, seconds=round(seconds, 3), seconds_left=None
            )
            if event.fraction > _MIN_FRACTION and seconds > _MIN_SECONDS:
                info = replace(info, seconds_left=round(seconds * (1 - event.fraction) / event.fraction, 1))
        elif event.kind == "metrics":
            info = replace(info, metrics={str(k): v for k, v in event.value.items() if isinstance(v, (int, float))})
        if event.final:
            await self._end(event, info)
        else:
            self._session.job = info
            self._tell(info)

    async def _end(self, event: Event, info: JobInfo) -> None:
        plan, self._plan, self._job = self._plan, None, None
        assert plan is not None
        state, outcome = "failed", Outcome(event.message)
        try:
            if event.kind == "done":
                outcome = await run_in_threadpool(plan.finish, event.value)
                state = "done"
            elif event.kind == "cancelled":
                state, outcome = "cancelled", Outcome("Cancelled. Nothing was changed.")
        except Exception as error:
            sentence = explain(error)
            if sentence is None:
                logging.getLogger("ACSeg").exception("the result of a job could not be used")
            outcome = Outcome(sentence or f"unexpected failure: {error}")
        finally:
            self._busy = False
            plan.tidy()
        self._show(
            replace(
                info,
                state=state,
                fraction=1.0 if state == "done" else info.fraction,
                message=named_by_controls(capitalized(outcome.message), info.kind),
                notes=[named_by_controls(note, info.kind) for note in outcome.notes],
                seconds=round(time.monotonic() - self._started, 3),
                seconds_left=None,
            )
        )

    def _show(self, info: JobInfo) -> None:
        self._session.job = info
        self._session.changed()
