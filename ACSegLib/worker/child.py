"""A command in a child process of the worker."""

from __future__ import annotations

import contextlib
import json
import sys
import threading

from ACSegLib.errors import Cancelled
from ACSegLib.jobs import Progress, parse_line
from ACSegLib.json_values import Json
from ACSegLib.worker.process import explain_end, start_python

#: Seconds after its patience in which a cancelled command is ended from here: it may hold the interpreter.
_GRACE = 0.2


class CommandError(OSError):
    """A command failed in its process; the message is a sentence for the person.

    Attributes
    ----------
    kind : str
        Class of the error there.
    """

    def __init__(self, message: str, kind: str = "CommandError") -> None:
        super().__init__(message)
        self.kind = kind


class ChildCommand:
    """Runs ``acseg COMMAND`` in a child process.

    Parameters
    ----------
    command : str
    options : mapping
    """

    def __init__(self, command: str, options: Json) -> None:
        self._process = start_python([sys.executable, "-m", "ACSegLib.worker"], sys.stderr.fileno(), family=False)
        self._cancelled = False
        self._send({"command": command, "options": dict(options)})

    def cancel(self, patience: float) -> None:
        """Ask it to stop, and end it where it does not within its patience."""
        self._cancelled = True
        self._send({"event": "cancel", "patience": patience})
        timer = threading.Timer(patience + _GRACE, self._process.kill)
        timer.daemon = True
        timer.start()

    def follow(self, progress: Progress) -> Json:
        """Hand on its progress until it ends, and give its report.

        Raises
        ------
        Cancelled
        CommandError
            With what it says, or how it ended.
        """
        assert self._process.stdout is not None
        last: Json | None = None
        for line in self._process.stdout:
            event = parse_line(line.decode("utf-8", errors="replace"))
            if event is None:
                continue
            if event["event"] == "progress":
                with contextlib.suppress(Cancelled):  # the command itself is asked, and says when it has stopped
                    progress(float(event["fraction"]), str(event["message"]))
            elif event["event"] == "metrics":
                progress.metrics(event["values"])
            else:
                last = event
        code = self._process.wait()
        if last is not None and last["event"] == "result":
            return dict(last["report"])
        if last is not None and last["event"] == "error":
            raise CommandError(str(last["message"]), str(last["kind"]))
        if self._cancelled or last is not None:
            raise Cancelled("cancelled")
        raise CommandError(explain_end(code))

    def _send(self, message: Json) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended; `follow` says how
            self._process.stdin.write((json.dumps(message, default=str) + "\n").encode())
