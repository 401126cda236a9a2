"""``python -m ACSegLib.worker``: serves a front end that writes requests to its stdin, and ends with it.

The first line decides: ``{"serve": ..}`` begins a resident worker (`ACSegLib.worker.server`), and
``{"command": .., "options": {..}}`` runs one command of ``acseg``. End of stdin means that the front end is gone,
killed too: the work is cancelled. A cancel with ``"patience"`` bounds the time that stopping takes.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any, TextIO

from ACSegLib.errors import Cancelled, InputError, explain
from ACSegLib.files.atomic import discard_open_outputs
from ACSegLib.jobs import CancelFlag, LineWriter, cancel_on_signals, parse_line
from ACSegLib.json_values import Json
from ACSegLib.worker.process import EXIT_CANCELLED


def _lines(descriptor: int) -> Iterator[str]:
    """Lines of a file descriptor, each as soon as it is whole.

    Read without Python's buffered stdin: a thread that waits in that holds its lock, and the interpreter then aborts
    at exit instead of ending.
    """
    rest = b""
    while block := os.read(descriptor, 1 << 16):
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", errors="replace")
    if rest:
        yield rest.decode("utf-8", errors="replace")


def _first_request(line: str) -> Json:
    try:
        request = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"the request is not a line of JSON ({error}); send one object on one line.") from error
    if not isinstance(request, dict):
        raise InputError('the request must be an object {"command": .., "options": {..}}.')
    return request


def run_command(request: Json, lines: Iterator[str], writer: LineWriter) -> int:
    """Do what a request ``{"command": .., "options": {..}}`` asks for; returns the exit code."""
    command, options = read_request(request)
    cancel = CancelFlag()
    cancel_on_signals(cancel)
    threading.Thread(target=_watch, args=(lines, cancel, writer), daemon=True).start()
    from ACSegLib.commands.main import execute

    done = execute(command, options, writer.progress(cancel))
    writer.send("result", report=done.report)
    return done.exit_code


def read_request(request: Json) -> tuple[str, Any]:
    """Command name and checked options of a request; InputError if it is none."""
    from ACSegLib.commands import COMMANDS, load
    from ACSegLib.commands.options import from_mapping

    options = request.get("options", {})
    if not isinstance(options, dict):
        raise InputError('the request must be an object {"command": .., "options": {..}}.')
    command = request.get("command")
    if command not in COMMANDS:
        raise InputError(f"unknown command {command!r}; known are: {', '.join(COMMANDS)}.")
    return command, from_mapping(load(command).Options, options)


def _watch(lines: Iterator[str], cancel: CancelFlag, writer: LineWriter) -> None:
    """Wait for a cancel; where it bounds the time that stopping may take, end the process after it."""
    patience: Any = None
    for line in lines:
        event = parse_line(line)
        if event and event["event"] == "cancel":
            patience = event.get("patience")
            break
    cancel.set()
    if isinstance(patience, (int, float)):
        time.sleep(max(patience, 0))
        discard_open_outputs()
        writer.send("cancelled")
        sys.stderr.flush()
        os._exit(EXIT_CANCELLED)  # the work is in a call that does not look up: an import, a large file


def _take_pipes() -> tuple[int, TextIO]:
    """Take stdin and stdout for the protocol alone; in their places are an empty file, and stderr.

    Windows lets whoever looks at a pipe wait while a thread waits for its data: a child process that starts with this
    stdin (https://github.com/python/cpython/issues/78961), and SciPy while it is imported. What libraries print, in
    Python or not, would break the protocol.
    """
    requests, events = os.dup(sys.stdin.fileno()), os.dup(sys.stdout.fileno())
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.stdout = sys.stderr
    return requests, open(events, "w", encoding="utf-8", newline="\n")


def main() -> int:
    """Serve a front end; returns the exit code (as the shell command's)."""
    requests, events = _take_pipes()
    writer, lines = LineWriter(events), _lines(requests)
    try:
        request = _first_request(next(lines, ""))
        if "serve" in request:
            from ACSegLib.worker.server import Server

            Server(request["serve"], lines, writer).serve()
        return run_command(request, lines, writer)
    except (Cancelled, KeyboardInterrupt):
        writer.send("cancelled")
        return EXIT_CANCELLED
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            traceback.print_exc(file=sys.stderr)
        writer.send("error", kind=type(error).__name__, message=sentence or f"unexpected failure: {error}")
        return 2 if sentence else 1


if __name__ == "__main__":
    sys.exit(main())
