"""The shell command ``acseg``: reads arguments, shows progress, turns errors into one sentence and an exit code.

Exit codes: 0 done, 2 bad input (one sentence on stderr), 130 cancelled, 1 a defect (traceback on stderr).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from ACSegLib.commands import COMMANDS, load
from ACSegLib.commands.default_output import fill_in_output
from ACSegLib.commands.options import add_arguments, describe_options, from_namespace, join_words, unknown_words
from ACSegLib.commands.run_report import RunReport
from ACSegLib.compute import limited_threads
from ACSegLib.errors import Cancelled, InputError, explain, explain_cancel, is_broken_pipe, printable
from ACSegLib.jobs import CancelFlag, Progress, cancel_on_signals
from ACSegLib.json_values import Json
from ACSegLib.version import __version__

EXIT_OK, EXIT_DEFECT, EXIT_INPUT, EXIT_CANCELLED = 0, 1, 2, 130


def build_parser(
    name: str | None = None, *, every: bool = False, words: Sequence[str] = (), given: Json | None = None
) -> argparse.ArgumentParser:
    """Build the parser: of all commands with their summaries, with the options of `name` alone or of `every` one.

    The `words` are those of the command line that it shall read, and the options that are `given` need not be in it.
    """
    parser = argparse.ArgumentParser(
        prog="acseg",
        description="From a few labelled slices to 3D segmentations, trained networks and measurements.",
        epilog="Run 'acseg COMMAND --help' for the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"acseg {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    groups: dict[str, Any] = {}
    for command in COMMANDS:
        parent, _, child = command.partition(" ")
        if child:
            if parent not in groups:
                children = ", ".join(c.partition(" ")[2] for c in COMMANDS if c.startswith(f"{parent} "))
                group = commands.add_parser(parent, help=f"followed by one of: {children}")
                groups[parent] = group.add_subparsers(dest="subcommand", metavar="COMMAND", required=True)
            _add_command(groups[parent], child, command, command if every else name, words, given)
        else:
            _add_command(commands, command, command, command if every else name, words, given)
    return parser


def _add_command(
    commands: Any, word: str, command: str, name: str | None, words: Sequence[str], given: Json | None
) -> None:
    """Add a command to the parser; its module is imported for its options, or for the list of all summaries."""
    fill_in = command == name
    module = None
    if name is None or fill_in:
        try:
            module = load(command)
        except ImportError:
            if fill_in:
                raise  # needs an extra that is not installed; the others can be listed all the same
    summary = getattr(module, "SUMMARY", "")
    sub = commands.add_parser(
        word,
        help=summary,
        description=module.__doc__ if module else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if fill_in and module:
        add_arguments(sub, module.Options, words, given)
        sub.add_argument(
            "--options",
            metavar="FILE",
            help="take the options from a run report of this command (see --json); those that are given as well count",
        )
        sub.add_argument(
            "--json",
            metavar="FILE",
            nargs="?",
            const="-",
            help="write the run report to FILE (.json), also if the command fails; '-': print it",
        )
        sub.add_argument("--quiet", action="store_true", help="show no progress")
        sub.add_argument(
            "--threads",
            type=_positive,
            metavar="N",
            help="use at most N processor cores; if not given, all that this computer, container or job has",
        )
        sub.set_defaults(run_command=command)


def _positive(text: str) -> int:
    """A whole number of 1 or more."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _named_command(arguments: Sequence[str]) -> str | None:
    words = [a for a in arguments if not a.startswith("-")]
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in COMMANDS:
            return name
    return None


def _given(command: str | None, arguments: Sequence[str]) -> Json | None:
    """The options of the run report that the command line names, if it does."""
    from ACSegLib.commands.run_report import read_options

    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--options", nargs="?")
    path = finder.parse_known_args(list(arguments))[0].options if command else None
    if command is None or path is None:
        return None
    return read_options(path, command, [info.name for info in describe_options(load(command).Options)])


class _Display:
    """Progress on a terminal (a rich bar), or plain lines, at most one every two seconds, elsewhere."""

    _PAUSE = 2.0  # seconds between plain lines

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: Any = None
        self._last = (-self._PAUSE, 0.0, "")
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=1.0)
            self._bar.start()

    def __call__(self, fraction: float, message: str) -> None:
        if self._bar is not None:
            from rich.markup import escape

            self._bar.update(self._task, completed=fraction, description=escape(printable(message)))
            return
        now = time.monotonic()
        shown_at, shown_fraction, shown_message = self._last
        news = message != shown_message or fraction >= shown_fraction + 0.1 or now > shown_at + 15
        if not self._quiet and news and now > shown_at + self._PAUSE:
            with _reader_may_leave(sys.stderr):  # as in `acseg fill ... 2>&1 | head`: the work goes on
                print(printable(f"{fraction:4.0%} {message}"), file=sys.stderr, flush=True)
            self._last = (now, fraction, message)

    def note(self, text: str) -> None:
        """Show what the user should know now; the results tell it again."""
        if self._quiet:
            return
        line = printable(f"note: {text}")
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
            return
        with _reader_may_leave(sys.stderr):
            print(line, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()


@dataclass(frozen=True)
class Execution:
    """What a command did: its run report (plain JSON values), and what it tells a person."""

    report: Json
    description: str

    @property
    def exit_code(self) -> int:
        """Exit code of a program that runs this command alone."""
        return int(self.report["results"].get("exit_code", EXIT_OK))


def execute(
    command: str, options: Any, progress: Progress, report_path: str | None = None, checksums: bool = True
) -> Execution:
    """Run one command; `file_notes` among the results of its report says what the readers noticed.

    Its outputs, and the file that the caller writes the report to, are checked before the work. Without `checksums`
    the inputs are not read once more.
    """
    from ACSegLib.commands.outputs import check_command
    from ACSegLib.files.registry import collect_notes

    check_command(options, report_path)
    report = RunReport(command, options, checksums and getattr(load(command), "CHECKSUMS", True))
    with collect_notes() as notes:
        results = load(command).run(options, progress)
    values = results.to_dict()
    if notes:
        values["file_notes"] = notes
    finished = report.finished(values)
    lines = [load(command).describe(results)]
    return Execution(finished, printable("\n".join([*lines, *(f"note: {note}" for note in notes)])))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the shell command; returns the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    prepare_streams()
    cancel = CancelFlag()
    restore = cancel_on_signals(cancel)
    try:
        command = _named_command(arguments)
        parser = build_parser(command, words=arguments, given=_given(command, arguments))
        if command is None:
            namespace = parser.parse_args(arguments)
        else:
            options_class = load(command).Options
            namespace, unknown = parser.parse_known_args(join_words(arguments, options_class))
            if unknown:
                raise InputError(unknown_words(command, options_class, unknown))
        with limited_threads(namespace.threads):
            return _run(namespace, cancel)
    except SystemExit as stop:  # argparse has printed why
        with _reader_may_leave(sys.stdout):
            sys.stdout.flush()
        return int(stop.code or 0)
    except (Cancelled, KeyboardInterrupt) as stop:
        return _fail(explain_cancel(stop), EXIT_CANCELLED)
    except Exception as error:
        if is_broken_pipe(error):  # as in `acseg info cell.nrrd | head`: enough is seen
            _write_nowhere(sys.stdout)
            return EXIT_OK
        sentence = explain(error)
        if sentence is None:
            raise  # a defect: Python shows the traceback and ends with EXIT_DEFECT
        return _fail(sentence, EXIT_INPUT)
    finally:
        restore()


def prepare_streams() -> None:
    """Let anything be printed: without a console, and in an encoding that lacks some characters.

    A program without a console (pythonw, a closed descriptor) starts without streams. Windows writes to files and
    pipes in the code page of the country, which has neither all names nor all units. In the locale C, Python lets the
    bytes of names pass ("surrogateescape"), but no other character that the encoding lacks.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the program runs
        elif isinstance(stream, io.TextIOWrapper) and (
            stream.errors == "strict" or (stream.errors == "surrogateescape" and stream.encoding.lower() != "utf-8")
        ):
            stream.reconfigure(errors="backslashreplace")


def _run(namespace: argparse.Namespace, cancel: CancelFlag) -> int:
    fill_in_output(load(namespace.run_command).Options, namespace)
    options = from_namespace(load(namespace.run_command).Options, namespace)
    display = _Display(namespace.quiet)
    report = RunReport(namespace.run_command, options, checksums=False)
    try:
        progress = Progress(display, cancel, notes=display.note)
        done = execute(namespace.run_command, options, progress, namespace.json, namespace.json is not None)
    except Cancelled as stop:
        _report_failure(report, namespace, explain_cancel(stop), EXIT_CANCELLED)
        raise
    except Exception as error:
        _report_failure(report, namespace, explain(error), EXIT_INPUT)
        raise
    finally:
        display.close()
    _show(done, namespace)
    sys.stdout.flush()
    return done.exit_code


def _report_failure(report: RunReport, namespace: argparse.Namespace, reason: str | None, code: int) -> None:
    """Write the run report of a command that failed, unless its own file is what is wrong, or it is a defect."""
    from ACSegLib.commands.outputs import check_report
    from ACSegLib.commands.run_report import write_json

    if namespace.json is None or reason is None:
        return
    content = report.finished({"error": reason, "exit_code": code})
    if namespace.json == "-":
        print(json.dumps(content, indent=2))
        return
    with contextlib.suppress(InputError, OSError):
        check_report(report.options, namespace.json)
        write_json(content, namespace.json)


@contextlib.contextmanager
def _reader_may_leave(stream: TextIO) -> Iterator[None]:
    """Let the block write to a stream that nobody may read any more; then nothing more is written to it."""
    try:
        yield
    except OSError as error:
        if not is_broken_pipe(error):
            raise
        _write_nowhere(stream)


def _write_nowhere(stream: TextIO) -> None:
    """Let nothing more be written to a pipe that nobody reads, not even by Python at its end."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())


def _fail(sentence: str, code: int) -> int:
    with _reader_may_leave(sys.stderr):
        print(printable(f"acseg: {sentence}"), file=sys.stderr, flush=True)
    return code


def _show(done: Execution, namespace: argparse.Namespace) -> None:
    from ACSegLib.commands.run_report import write_json

    if namespace.json == "-":
        print(json.dumps(done.report, indent=2))
        return
    if namespace.json:
        write_json(done.report, namespace.json)
    print(done.description)


if __name__ == "__main__":
    sys.exit(main())
