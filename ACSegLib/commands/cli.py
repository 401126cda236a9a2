"""Runs a command as a Slicer CLI module: Slicer's progress lines on stdout, the reason of a failure on stderr.

Exit codes are those of the shell command: 0 done, 2 bad input, 130 cancelled, 1 a defect.
"""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from ACSegLib.commands import load
from ACSegLib.commands.cli_modules import CLI_MODULES, option_values
from ACSegLib.commands.cli_xml import xml_text
from ACSegLib.commands.main import EXIT_CANCELLED, EXIT_DEFECT, EXIT_INPUT, execute, prepare_streams
from ACSegLib.commands.options import from_mapping
from ACSegLib.errors import Cancelled, explain, explain_cancel
from ACSegLib.files.units import assume_unit
from ACSegLib.jobs import CancelFlag, Progress, cancel_on_signals
from ACSegLib.json_values import Json
from ACSegLib.placement import note_of_assumed_spacing


def main(name: str, arguments: Sequence[str] | None = None) -> int:
    """Run the CLI module `name`; returns the exit code. ``--xml`` writes its description, as of every CLI module."""
    prepare_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments) == ["--xml"]:
        print(xml_text(name), end="")
        return 0
    cancel = CancelFlag()
    restore = cancel_on_signals(cancel)
    try:
        return _run(name, arguments, cancel)
    except Cancelled as stop:
        return _failed(name, explain_cancel(stop), EXIT_CANCELLED)
    except ImportError as error:
        return _failed(name, f"needs the package {error.name}; the module ACSeg installs it.", EXIT_INPUT)
    except (ValueError, OSError, MemoryError) as error:
        return _failed(name, explain(error) or str(error), EXIT_INPUT)
    except Exception as error:
        traceback.print_exc()
        return _failed(name, f"unexpected failure: {error}", EXIT_DEFECT)
    finally:
        restore()


def _failed(name: str, reason: str, code: int) -> int:
    print(f"{name}: {reason}", file=sys.stderr, flush=True)
    return code


def _run(name: str, arguments: Sequence[str], cancel: Callable[[], bool]) -> int:
    module = CLI_MODULES[name]
    values, unit = option_values(name, arguments)
    command = load(module.command)
    options = from_mapping(command.Options, values)
    output = _ProgressLines(module.title, command.SUMMARY)
    with assume_unit(unit) as assumed:
        done = execute(module.command, options, Progress(output, cancel, notes=output.note), checksums=False)
    output.end()
    print(done.description, flush=True)
    if assumed.of_ones:
        print(f"note: {note_of_assumed_spacing(unit)}", flush=True)
    if done.exit_code:
        _failed(name, "; ".join(_reasons(done.report["results"])) or "not everything could be done.", done.exit_code)
    return done.exit_code


def _reasons(results: Json) -> list[str]:
    failures = results.get("failures") or {}
    return [f"{item}: {reason}" for item, reason in failures.items()] if isinstance(failures, dict) else []


class _ProgressLines:
    """Writes the lines that Slicer's CLI modules speak, at most ten a second."""

    def __init__(self, name: str, comment: str) -> None:
        self._name = name
        self._clock = time.monotonic()
        self._last = -1.0
        self._send(
            "<filter-start>",
            f"<filter-name>{escape(name)}</filter-name>",
            f"<filter-comment>{escape(comment)}</filter-comment>",
            "</filter-start>",
        )

    def _send(self, *lines: str) -> None:
        print(*lines, sep="\n", flush=True)

    def __call__(self, fraction: float, message: str) -> None:
        if fraction >= 1.0 or time.monotonic() - self._last > 0.1:
            self._last = time.monotonic()
            self._send(f"<filter-progress>{fraction:.4f}</filter-progress>")

    def note(self, text: str) -> None:
        """Show what the user should know now; the results tell it again."""
        self._send(f"note: {text}")

    def end(self) -> None:
        """Say that all is done."""
        self._send(
            "<filter-progress>1</filter-progress>",
            "<filter-end>",
            f"<filter-name>{escape(self._name)}</filter-name>",
            f"<filter-time>{time.monotonic() - self._clock:.3f}</filter-time>",
            "</filter-end>",
        )
