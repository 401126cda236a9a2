"""One command of ``acseg`` in a process of its own: read a request line, do it, end."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from ACSegLib.errors import InputError
from ACSegLib.files.atomic import discard_open_outputs
from ACSegLib.jobs import CancelFlag, LineWriter, cancel_on_signals, parse_line
from ACSegLib.json_values import Json
from ACSegLib.worker.process import EXIT_CANCELLED


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
