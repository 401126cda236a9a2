"""A command of ACSeg in a process of its own, watched by polling.

A crash or an out-of-memory kill ends that process, never Slicer, and graphics memory is given back with it. The
process speaks the line protocol of `ACSegLib.jobs`.
"""

from __future__ import annotations

import collections
import contextlib
import json
import logging
import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import ACSegLib
from ACSegLib.jobs import parse_line
from ACSegPanels import collecting
from ACSegPanels.background import Event, latest

#: Seconds that the process may go on after a cancel before it ends itself; with the time in which it is polled, a
#: cancel is over within a second whatever the process does meanwhile.
PATIENCE = 0.6

#: Seconds after that in which it is ended from here: it may be in a call that holds the interpreter.
_GRACE = 0.3

_KILLED = {-9, 137}


def python_executable() -> str:
    """Give the Python that can import what this one can: PythonSlicer inside Slicer, else this interpreter."""
    return shutil.which("PythonSlicer") or sys.executable


class ProcessRunner:
    """Runs one command at a time in a child process.

    Parameters
    ----------
    executable : str, optional
        The Python to use; `python_executable` by default.
    patience : float
        Seconds that it may take to stop after a cancel once it has reported; what keeps its state needs more.
    clock : callable
        Gives the time in seconds.
    """

    def __init__(
        self,
        executable: str | None = None,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._executable, self._patience, self._clock = executable, patience, clock
        self._process: subprocess.Popen[str] | None = None
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._tail: collections.deque[str] = collections.deque(maxlen=40)
        self._readers: list[threading.Thread] = []
        self._began = threading.Event()
        self._cancelled_at: float | None = None
        self._end_by = 0.0
        self._forgotten = False

    @property
    def running(self) -> bool:
        """Whether a process is at work, or its end was not yet polled."""
        return self._process is not None and not self._forgotten

    @property
    def lingering(self) -> bool:
        """Whether a process that was abandoned has not ended yet; go on polling until it has."""
        return self._process is not None and self._forgotten

    def start(self, command: str, options: Mapping[str, Any]) -> None:
        """Start ``python -m ACSegLib.worker`` with a command and its options; RuntimeError while one runs."""
        if self._process is not None:
            raise RuntimeError("a process is running already")
        self._events, self._cancelled_at, self._forgotten = queue.SimpleQueue(), None, False
        self._began.clear()
        self._tail.clear()
        self._process = subprocess.Popen(
            [self._executable or python_executable(), "-m", "ACSegLib.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=_environment(),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._readers = [
            threading.Thread(target=self._read_log, args=(self._process.stderr,), daemon=True),
            threading.Thread(target=self._read_events, args=(self._process, self._events), daemon=True),
        ]
        for reader in self._readers:
            collecting.hold(reader)
            reader.start()
        self._send({"command": command, "options": dict(options)})

    def cancel(self) -> None:
        """Ask the process to stop; `poll` ends it if it does not."""
        if self._process is not None and self._cancelled_at is None:
            patience = self._patience if self._began.is_set() else min(self._patience, PATIENCE)
            self._cancelled_at, self._end_by = self._clock(), self._clock() + patience + _GRACE
            self._send({"event": "cancel", "patience": patience})

    def abandon(self) -> None:
        """Ask the process to stop, and forget it: nothing more of it is polled."""
        self.cancel()
        self._forgotten = True

    def poll(self) -> list[Event]:
        """Give what happened since the last call; call it on the main thread, by a timer."""
        if self._process is not None and self._cancelled_at is not None and self._clock() >= self._end_by:
            _kill(self._process.pid)
        events = []
        while not self._events.empty():
            events.append(self._events.get())
        collecting.collect()
        forgotten = self._forgotten
        if events and events[-1].final:
            if self._cancelled_at is not None and events[-1].kind == "error" and events[-1].value is None:
                events[-1] = Event("cancelled")  # it had to be ended
            self._process = None
            for reader in self._readers:
                collecting.release(reader)
        return [] if forgotten else latest(events)

    @property
    def log(self) -> str:
        """The last lines that the process wrote to its log."""
        return "\n".join(self._tail)

    def _send(self, message: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message, default=str) + "\n")
            self._process.stdin.flush()
        except OSError:  # it has ended; the reader says how
            logging.getLogger("ACSeg").debug("the worker process has closed its input")

    def _read_log(self, stream: TextIO) -> None:
        for line in stream:
            self._tail.append(line.rstrip())
            logging.getLogger("ACSeg").debug(line.rstrip())

    def _read_events(self, process: subprocess.Popen[str], events: queue.SimpleQueue[Event]) -> None:
        assert process.stdout is not None
        last: Event | None = None
        for line in process.stdout:
            message = parse_line(line)
            event = _event(message) if message else None
            if event is None:
                continue
            self._began.set()
            if event.final:
                last = event
            else:
                events.put(event)
        code = process.wait()
        events.put(last or Event("error", message=_ended(code)))


def _kill(number: int) -> None:
    """End a process and all that it has started: PythonSlicer is a launcher, the interpreter is its child."""
    import psutil

    try:
        process = psutil.Process(number)
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    library = str(Path(ACSegLib.__file__).resolve().parent.parent)
    paths = [library, *[p for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p]]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def _event(message: Mapping[str, Any]) -> Event | None:
    kind = message["event"]
    if kind == "progress":
        return Event("progress", float(message.get("fraction", 0.0)), str(message.get("message", "")))
    if kind == "metrics":
        return Event("metrics", value=dict(message.get("values", {})))
    if kind == "result":
        return Event("done", 1.0, value=message.get("report", {}))
    if kind == "cancelled":
        return Event("cancelled")
    if kind == "error":
        return Event("error", message=str(message.get("message", "")), value=str(message.get("kind", "")))
    return None


def _ended(code: int) -> str:
    if code in _KILLED:
        return (
            "The worker process was ended by the system, most likely because memory ran out: close other programs, "
            "choose smaller patches, or use another device. Slicer and the scene are not affected."
        )
    return (
        f"The worker process ended unexpectedly (exit code {code}); its last lines are in Slicer's log. "
        "Slicer and the scene are not affected."
    )
