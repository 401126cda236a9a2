"""The worker process: runs one command and speaks the line protocol of `ACSegLib.jobs`.

A front end starts ``python -m ACSegLib.worker`` and writes one line, ``{"command": .., "options": {..}}``, to its
stdin. End of stdin means that the front end is gone: the work is cancelled.
"""

from __future__ import annotations

import json
import sys
import threading
import traceback
from typing import TextIO

from ACSegLib.errors import Cancelled, InputError
from ACSegLib.jobs import CancelFlag, LineWriter, parse_line


def _watch(stream: TextIO, cancel: CancelFlag) -> None:
    for line in stream:
        event = parse_line(line)
        if event and event["event"] == "cancel":
            break
    cancel.set()


def main() -> int:
    """Serve one request; returns the exit code (as the shell command's)."""
    writer = LineWriter(sys.stdout)
    sys.stdout = sys.stderr  # a library's print must not break the protocol
    cancel = CancelFlag()
    try:
        request = json.loads(sys.stdin.readline())
        from ACSegLib.commands import load
        from ACSegLib.commands.main import execute
        from ACSegLib.commands.options import from_mapping

        threading.Thread(target=_watch, args=(sys.stdin, cancel), daemon=True).start()
        options = from_mapping(load(request["command"]).Options, request["options"])
        report = execute(request["command"], options, writer.progress(cancel))
        writer.send("result", report=report)
        return int(report["results"].get("exit_code", 0))
    except Cancelled:
        writer.send("cancelled")
        return 130
    except (InputError, OSError, MemoryError) as error:
        writer.send("error", kind=type(error).__name__, message=str(error) or "not enough memory")
        return 2
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        writer.send("error", kind=type(error).__name__, message=f"unexpected failure: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
