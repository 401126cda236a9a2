"""Runs the shell command in a process of its own, which a signal reaches in the middle of its work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os, re, signal, sys
from ACSegLib.commands.main import main
from ACSegLib.jobs import Progress

number, count, pattern = int(sys.argv[1]), int(sys.argv[2]), re.compile(sys.argv[3])
report, seen = Progress.__call__, 0

def report_and_interrupt(self, fraction, message=""):
    global seen
    report(self, fraction, message)
    seen += bool(pattern.search(message))
    if seen == count:
        seen += 1  # one signal; a second would end the work at once
        os.killpg(0, number)  # as a terminal does: all processes of the command

Progress.__call__ = report_and_interrupt
sys.exit(main(sys.argv[4:]))
"""


def run_interrupted(
    folder: Path, number: int, pattern: str, *arguments: object, count: int = 1
) -> subprocess.CompletedProcess[str]:
    """Run ``acseg ARGUMENTS`` in `folder`; the signal comes with the `count`-th progress report that fits `pattern`."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(int(number)), str(count), pattern, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
        start_new_session=True,
    )
