"""The front end's side: one worker process, and the jobs that it does."""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.jobs import parse_line
from ACSegLib.json_values import Json
from ACSegLib.worker.arrays import ArrayFile, ArrayWriter, make_folders, make_log, remove_folders
from ACSegLib.worker.events import Event, latest
from ACSegLib.worker.pipe import LinePipe
from ACSegLib.worker.process import RESTARTED, end_family, explain_end, python_executable, start_python

#: Seconds that work may go on after a cancel before its process ends itself, to be replaced; with `GRACE` and the time
#: in which it is polled, a cancel is over within a second whatever the process does meanwhile.
PATIENCE = 0.6

#: Seconds after that in which it is ended from here: it may be in a call that holds the interpreter.
GRACE = 0.3

#: Bytes of the log in which the reason of an end is looked for.
_LAST_BYTES = 4096

#: Seconds that one `Job.poll` may use to hand over arrays.
_WRITING = 0.02


@dataclass(frozen=True)
class Reply:
    """What a task gave: JSON values, and arrays by name (private copies: they may be changed)."""

    message: Json
    arrays: dict[str, np.ndarray]


class Worker:
    """A worker process, started when it is first needed, kept, and replaced after it died.

    Parameters
    ----------
    command : sequence of str, optional
        The program and its arguments; this Python with ``-m ACSegLib.worker`` by default.
    temporary : path, optional
        Folder for arrays where there is no room in memory, and for the log; the system's by default.
    clock : callable
        Gives the time in seconds.
    """

    def __init__(
        self,
        command: Sequence[str] | None = None,
        temporary: str | Path | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._command, self._temporary, self.clock = command, temporary, clock
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: LinePipe | None = None
        self._log: BinaryIO | None = None
        self._log_path: Path | None = None
        self._folders: list[Path] = []
        self._jobs: dict[int, Job] = {}
        self._ended: list[subprocess.Popen[bytes]] = []
        self._number = 0
        #: Whether the process has begun to listen.
        self.ready = False
        #: How often a process was started: state that was kept before the last time is gone.
        self.generation = 0

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    @property
    def pid(self) -> int | None:
        """Number of the process, or None."""
        return self._process.pid if self._process is not None else None

    @property
    def log_path(self) -> Path | None:
        """File that takes the log of the process; None before the first was started."""
        return self._log_path

    def start(self) -> None:
        """Start the process, if there is none, and return at once.

        Raises
        ------
        FileError
            If there is no Python to start.
        OSError
            If it cannot be started.
        """
        self.pump()
        if self._process is not None:
            return
        command = list(self._command or [python_executable(), "-m", "ACSegLib.worker"])
        self._folders = make_folders(self._temporary)
        self._process = start_python(command, self._log or self._open_log())
        assert self._process.stdout is not None
        self._pipe = LinePipe(self._process.stdout)
        self.ready = False
        self.generation += 1
        self.send({"serve": {"folders": [str(folder) for folder in self._folders]}})

    def run(
        self,
        task: str,
        message: Json,
        arrays: Mapping[str, np.ndarray] | None = None,
        *,
        keep: str = "",
        patience: float = PATIENCE,
        in_memory: bool = True,
    ) -> Job:
        """Begin a task of `ACSegLib.worker.tasks`; its arrays are handed over while the job is polled.

        Parameters
        ----------
        task : str
        message : mapping
            JSON values.
        arrays : mapping, optional
            They must not change until the job has ended.
        keep : str
            Name of the state that the task starts from, and leaves.
        patience : float
            Seconds that it may take to stop after a cancel.
        in_memory : bool
            Whether arrays may lie in memory on their way; otherwise they lie on disk, since there are many.
        """
        self.start()
        self._number += 1
        request = {"event": "run", "job": self._number, "task": task, "message": dict(message), "keep": keep}
        folders = self._folders if in_memory else self._folders[-1:]
        job = Job(self, self._number, request, ArrayWriter(arrays or {}, folders), patience)
        self._jobs[job.number] = job
        return job

    def forget(self, keep: str) -> None:
        """Let the process drop a state that it kept."""
        if self._process is not None:
            self.send({"event": "forget", "keep": keep})

    def pump(self) -> None:
        """Read what has come, and hand it to the jobs."""
        self._ended = [process for process in self._ended if process.poll() is None]
        if self._process is None or self._pipe is None:
            return
        for line in self._pipe.lines():
            message = parse_line(line)
            if message is not None:
                self._dispatch(message)
            if self._process is None:
                return
        for job in list(self._jobs.values()):
            if job.overdue:
                job.give_up()
        if (
            self._pipe is not None
            and self._pipe.closed
            and self._process
            and (code := self._process.poll()) is not None
        ):
            self._lost(explain_end(code, self._end_of_log()))

    def replace(self, reason: str) -> None:
        """End the process at once; jobs that it has not finished end with `reason` as their error."""
        if self._process is not None:
            end_family(self._process)
            self._lost(reason)

    def stop(self, seconds: float = 0.0) -> None:
        """Let the process end, as it does by itself when this one ends.

        Parameters
        ----------
        seconds : float
            How long to wait for that, and end it from here if it does not; 0 leaves it to itself.
        """
        process = self._process
        if process is not None:
            self._lost("The worker process was stopped.", end=False)
            if seconds > 0:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
                if process.poll() is None:
                    end_family(process)
                remove_folders(self._folders)
        if self._log is not None and self._log_path is not None:
            self._log.close()
            with contextlib.suppress(OSError):  # on Windows the process may have it open still
                self._log_path.unlink()
            self._log = self._log_path = None

    def send(self, message: Json) -> None:
        """Write a line to the process."""
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write((json.dumps(message, default=str) + "\n").encode())
        except OSError:  # it has ended; `pump` says how
            logging.getLogger("ACSeg").debug("the worker process has closed its input")

    def _open_log(self) -> BinaryIO:
        number, self._log_path = make_log(self._temporary)
        self._log = open(number, "ab", buffering=0)  # noqa: SIM115 - it is kept open for the processes to come
        return self._log

    def _end_of_log(self) -> str:
        """The last lines of the log."""
        assert self._log_path is not None
        try:
            with open(self._log_path, "rb") as stream:
                stream.seek(max(0, stream.seek(0, 2) - _LAST_BYTES))
                return stream.read().decode("utf-8", errors="replace")
        except OSError:  # somebody has removed it
            return ""

    def release(self, number: int) -> None:
        """A job has ended."""
        self._jobs.pop(number, None)

    def _dispatch(self, message: Json) -> None:
        if message["event"] == "ready":
            self.ready = True
            return
        files = [ArrayFile.from_message(file) for file in message.get("arrays", {}).values()]
        job = self._jobs.get(message.get("job", -1))
        if job is None:  # it was abandoned
            for file in files:
                file.discard()
        else:
            job.receive(message)
        if message.get("ends"):
            self._lost(RESTARTED)

    def _lost(self, reason: str, end: bool = True) -> None:
        """There is no process any more: tell its jobs, and tidy up."""
        process, pipe = self._process, self._pipe
        assert process is not None
        assert pipe is not None
        self._process = self._pipe = None
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        pipe.close()
        if end:
            remove_folders(self._folders)
        self._ended.append(process)
        for job in list(self._jobs.values()):
            job.receive({"event": "error", "kind": "WorkerLost", "message": reason})


class Job:
    """A task at work; made by `Worker.run`, and polled until it has ended."""

    def __init__(self, worker: Worker, number: int, request: Json, writer: ArrayWriter, patience: float) -> None:
        self.number = number
        self._worker, self._request, self._patience = worker, request, patience
        self._writer: ArrayWriter | None = writer
        self._events: list[Event] = []
        self._end_by: float | None = None
        self._ended = self._told = self._forgotten = False

    @property
    def running(self) -> bool:
        """Whether it is at work, or its end was not yet polled."""
        return not self._told and not self._forgotten

    @property
    def handed_over(self) -> bool:
        """Whether all its arrays are written; until then it wants to be polled often."""
        return self._writer is None

    @property
    def lingering(self) -> bool:
        """Whether it was abandoned and has not ended yet; go on polling until it has."""
        return self._forgotten and not self._ended

    def cancel(self) -> None:
        """Ask it to stop; "cancelled" is polled once it has."""
        if self._ended or self._end_by is not None:
            return
        self._end_by = self._worker.clock() + self._patience + GRACE
        if self._writer is None:
            self._worker.send({"event": "cancel", "job": self.number, "patience": self._patience})
        if self._writer is not None or not self._worker.ready:  # it has not begun
            self._end(Event("cancelled"))

    def abandon(self) -> None:
        """Ask it to stop, and forget it: nothing more of it is polled."""
        self.cancel()
        self._forgotten = True

    def drop(self) -> None:
        """Forget it: it may go on to its end, and is not begun where it still waits."""
        self._forgotten = True
        if self._writer is not None:
            self._end(Event("cancelled"))
        elif not self._ended:
            self._worker.send({"event": "cancel", "job": self.number})
            self._end(Event("cancelled"))

    def poll(self) -> list[Event]:
        """Give what happened since the last call; call it by a timer."""
        if not self._ended:
            self._hand_over()
            self._worker.pump()
        events, self._events = latest(self._events), []
        self._told = self._told or any(event.final for event in events)
        return [] if self._forgotten else events

    @property
    def overdue(self) -> bool:
        """Whether it goes on though its patience is over."""
        return not self._ended and self._end_by is not None and self._worker.clock() >= self._end_by

    def give_up(self) -> None:
        """End the process that does not listen."""
        self._end(Event("cancelled"))
        self._worker.replace(RESTARTED)

    def receive(self, message: Json) -> None:
        """Take a line of the process."""
        if self._ended:
            return
        event = _event(message)
        if event is None:
            return
        if event.kind == "error" and event.value == "WorkerLost" and self._end_by is not None:
            event = Event("cancelled")
        if event.final:
            self._end(event)
        else:
            self._events.append(event)

    def _hand_over(self) -> None:
        """Write the next chunks of the arrays; then tell the process to begin."""
        if self._writer is None:
            return
        end = time.perf_counter() + _WRITING
        try:
            done = self._writer.step()
            while not done and time.perf_counter() < end:
                done = self._writer.step()
        except (OSError, MemoryError, InputError) as error:
            self._end(Event("error", message=str(error), value=type(error).__name__))
            return
        if done:
            self._request["arrays"] = {name: file.message() for name, file in self._writer.files.items()}
            self._writer = None
            self._worker.send(self._request)

    def _end(self, event: Event) -> None:
        self._events.append(event)
        self._ended = True
        self._worker.release(self.number)
        if self._writer is not None:
            self._writer.discard()
            self._writer = None


def _event(message: Json) -> Event | None:
    kind = message["event"]
    if kind == "progress":
        return Event("progress", float(message.get("fraction", 0.0)), str(message.get("message", "")))
    if kind == "metrics":
        return Event("metrics", value=dict(message.get("values", {})))
    if kind == "result":
        files = {name: ArrayFile.from_message(file) for name, file in message["arrays"].items()}
        return Event("done", 1.0, value=Reply(message["message"], {name: f.take() for name, f in files.items()}))
    if kind == "cancelled":
        return Event("cancelled")
    if kind == "error":
        return Event("error", message=str(message["message"]), value=str(message["kind"]))
    return None
