"""Many files through one step: in parallel over processes, resumable after a kill, with the failures listed at the end.

Each finished item is appended to a journal beside the output at once. A later run with the same options takes what the
journal holds for files that have not changed and does the rest, so that the table is the same as that of one
uninterrupted run. The journal is removed once every item has succeeded.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ACSegLib.commands.run_report import Results
from ACSegLib.compute import threads
from ACSegLib.errors import Cancelled, FileError, InputError, MemoryLimitError, explain
from ACSegLib.files.atomic import discard_open_outputs
from ACSegLib.files.registry import collect_notes, tell
from ACSegLib.jobs import Progress, keep_ctrl_c_from_children
from ACSegLib.json_values import Json, Row, to_json
from ACSegLib.version import __version__

#: Segments that a summary lists; a label file may hold hundreds.
LISTED = 20
#: Processes that one process can wait for on Windows; Python refuses more.
_MAX_WINDOWS_WORKERS = 61
Work = Callable[["Item", Any, Progress], list[Row]]


@dataclass(frozen=True)
class Item:
    """One unit of work: its name in the table, its files by role, and values that it alone has."""

    name: str
    files: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """Changes when one of the files (path, size, time) or a value does."""
        parts = [f"{key}={value}" for key, value in sorted(self.values.items())]
        for role, path in sorted(self.files.items()):
            try:
                stat = os.stat(path)
                parts.append(f"{role}:{os.path.abspath(path)}:{stat.st_size}:{stat.st_mtime_ns}")
            except OSError:
                parts.append(f"{role}:{path}:missing")
        return hashlib.sha256("|".join(parts).encode(errors="surrogateescape")).hexdigest()


@dataclass
class Outcome:
    """What became of an item: its rows, or one sentence on why not, and notes on its files."""

    name: str
    rows: list[Row] = field(default_factory=list)
    error: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass
class TableResults(Results):
    """What a command gives that makes a table of many volumes.

    Attributes
    ----------
    volumes : int
        Volumes that were done.
    rows : int
        Rows of the table.
    failures : dict of str to str
        What could not be done -> why.
    summary : list of Row
        Figures over all rows, one row per segment.
    """

    optional: ClassVar[tuple[str, ...]] = ("exit_code",)

    volumes: int
    rows: int
    failures: dict[str, str]
    summary: list[Row]


def run_batch(
    items: Sequence[Item],
    work: Work,
    settings: Any,
    *,
    journal: str | os.PathLike[str],
    workers: int = 0,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Do `work` for each item.

    Parameters
    ----------
    items : sequence of Item
        With different names.
    work : callable
        ``work(item, settings, progress) -> rows``; a function of a module, since it runs in other processes.
    settings : dataclass
        Given to `work`; its values decide whether the journal's results still hold.
    journal : path
        Where finished items are noted.
    workers : int
        Processes; 0 means one per core.
    progress : Progress, optional

    Returns
    -------
    list of Outcome
        In the order of `items`, failures among them.
    """
    progress = progress or Progress()
    names = [item.name for item in items]
    double = sorted({n for n in names if names.count(n) > 1}) if len(set(names)) < len(names) else []
    if double:
        raise InputError(f"{names.count(double[0])} inputs are named {double[0]!r}; rename all but one.")
    book = _Journal(Path(journal), settings)
    done = book.read()
    outcomes: dict[str, Outcome] = {}
    todo = []
    for item in items:
        known = done.get(item.name)
        if known and known["fingerprint"] == item.fingerprint():
            outcomes[item.name] = Outcome(item.name, known["rows"], notes=known.get("notes", []))
        else:
            todo.append(item)
    workers = min(workers or threads(), len(todo))
    with book:
        for item, outcome in do_each(todo, work, settings, workers, progress):
            outcomes[item.name] = outcome
            if not outcome.error:
                book.add(item, outcome)
            progress(len(outcomes) / max(len(items), 1), f"{len(outcomes)} of {len(items)}: {item.name}")
    for name in names:
        tell(outcomes[name].notes)
    return [outcomes[name] for name in names]


def do_each(
    items: Sequence[Item], work: Work, settings: Any, workers: int, progress: Progress
) -> Iterator[tuple[Item, Outcome]]:
    """Do `work` for each item, several at a time in processes of their own; gives items as they are finished.

    See `run_batch`. Each process has its share of the threads. All of them end when this one does, or is cancelled.
    """
    if workers < 2 or _is_embedded():
        return _inline(items, work, settings, progress)
    return _pool(items, work, settings, workers, progress)


def _is_embedded() -> bool:
    """Whether this is Slicer itself: it calls its launcher the interpreter, with which no other process can be reached.

    See https://github.com/Slicer/Slicer/issues/7445.
    """
    return os.path.basename(sys.executable).lower().startswith("pythonslicer")


def forget(journal: str | os.PathLike[str]) -> None:
    """Remove a journal that is no longer needed."""
    Path(journal).unlink(missing_ok=True)


def journal_path(output: str | os.PathLike[str]) -> Path:
    """Where the journal of an output lies: hidden, beside it."""
    return Path(output).with_name(f".{Path(output).name}.journal.jsonl")


def run_table(
    items: Sequence[Item],
    missing: Mapping[str, str],
    work: Work,
    options: Any,
    summarise: Callable[[list[Row]], list[Row]],
    progress: Progress,
    keep: Callable[[Row], bool] = lambda row: True,
    split: Callable[[list[Row]], tuple[list[Row], Mapping[str, list[Row]]]] = lambda rows: (rows, {}),
) -> TableResults:
    """Do `work` for each item and write the rows of all to the table ``options.output``, ``options.workers`` at a time.

    The rows are of the segments ``options.segments``, of all if there are none.

    Parameters
    ----------
    missing : mapping
        What could not become an item, and why; listed with the failures.
    summarise : callable
        Makes the summary of all rows.
    keep : callable, optional
        Tells which rows come into the table.
    split : callable, optional
        Takes from the rows what belongs into tables of their own: name of each, and its rows. A table of the name
        "contacts" lies beside the other one (`beside`).

    Returns
    -------
    TableResults
        As `table_results` gives them.

    Raises
    ------
    InputError
        If nothing succeeded, no file has a segment that was asked for, or the table's ending is not known.
    """
    from ACSegLib.files.tables import check_table_path, write_table

    journal = journal_path(check_table_path(options.output))
    outcomes = run_batch(items, work, options, journal=journal, workers=options.workers, progress=progress)
    rows = [row for outcome in outcomes for row in outcome.rows]
    failures = {**missing, **{o.name: o.error for o in outcomes if o.error}}
    if not rows and failures:
        raise InputError("; ".join(failures.values()))
    require_segments(options.segments, rows)
    rows, others = split([row for row in rows if keep(row)])
    outputs = {name: beside(options.output, name) for name in others}
    for name, path in outputs.items():
        write_table(others[name], path)
    write_table(rows, options.output)
    if not failures:
        forget(journal)
    done = sum(not o.error for o in outcomes)
    results = table_results(rows, failures, done, summarise(rows), options.output)
    results.outputs |= outputs
    return results


def beside(output: str, name: str) -> str:
    """Where another table lies beside one: cells-contacts.csv beside cells.csv."""
    path = Path(output)
    return str(path.with_name(f"{path.stem}-{name}{path.suffix}"))


def require_segments(wanted: Sequence[str], rows: Sequence[Row]) -> None:
    """Raise InputError if no row is of a segment that was asked for."""
    found = {row["segment"] for row in rows}
    if unknown := [name for name in wanted if name not in found]:
        raise InputError(
            f"no segment is named {unknown[0]!r} in any of the files; acseg info FILE lists the names of its segments."
        )


def table_results(
    rows: Sequence[Row], failures: Mapping[str, str], volumes: int, summary: list[Row], output: str | None
) -> TableResults:
    """Results of a command that makes a table; failures make its exit code 2."""
    return TableResults(
        volumes=volumes,
        rows=len(rows),
        failures=dict(failures),
        summary=to_json(summary),
        outputs={"table": output} if output else {},
        exit_code=2 if failures else 0,
    )


def attempt(item: Item, work: Work, settings: Any, progress: Progress) -> Outcome:
    """Do the work of one item; a failure becomes a sentence, a cancel is passed on."""
    with collect_notes() as notes:
        try:
            return Outcome(item.name, work(item, settings, progress), notes=notes)
        except Cancelled:
            raise
        except Exception as error:  # whatever is wrong with one volume must not lose the others
            return Outcome(item.name, error=reason(error), notes=notes)


def reason(error: Exception) -> str:
    """Why one of many volumes could not be done; the traceback of a defect goes to the log."""
    sentence = explain(error)
    if sentence is not None:
        return sentence
    traceback.print_exception(error, file=sys.stderr)
    return f"unexpected failure: {type(error).__name__}: {error}"


def _inline(items: Sequence[Item], work: Work, settings: Any, progress: Progress) -> Iterator[tuple[Item, Outcome]]:
    for item, part in progress.each(items):
        yield item, attempt(item, work, settings, part)


_cancel: Any = None


def _start_worker(cancel: Any, share: int) -> None:
    """Set up a worker process: where it learns of a cancel, and its share of the cores."""
    global _cancel
    _cancel = cancel
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started it hears Ctrl-C, and cancels
    # Read by ITK, torch and numba as they are loaded, which no worker has done yet.
    for variable in ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(variable, str(share))
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()


def _end_with_parent() -> None:
    """End this process once the one that started it is gone, however it ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    discard_open_outputs()
    os._exit(1)


def _in_worker(item: Item, work: Work, settings: Any) -> Outcome:
    return attempt(item, work, settings, Progress(cancelled=_cancel.is_set))


def _pool(
    items: Sequence[Item], work: Work, settings: Any, workers: int, progress: Progress
) -> Iterator[tuple[Item, Outcome]]:
    context = multiprocessing.get_context("spawn")  # forking a process that has threads is unsafe
    cancel = context.Event()
    workers = min(workers, _MAX_WINDOWS_WORKERS) if sys.platform == "win32" else workers
    share = max(1, threads() // workers)
    waiting = iter(items)
    running: dict[Future[Outcome], Item] = {}
    pool = ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(cancel, share))
    try:
        while True:
            while len(running) < 2 * workers and (item := next(waiting, None)) is not None:
                with keep_ctrl_c_from_children():  # submitting starts the processes
                    running[pool.submit(_in_worker, item, work, settings)] = item
            if not running:
                return
            progress.check()
            for future in wait(running, timeout=0.2, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    except BrokenProcessPool:
        progress.check()  # Ctrl-C ends a process that does not ignore it yet
        raise MemoryLimitError(
            "a worker process ended unexpectedly, most likely because memory ran out; run again with --workers 1 "
            "(finished volumes are kept)."
        ) from None
    finally:
        cancel.set()
        pool.shutdown(wait=True, cancel_futures=True)


class _Journal:
    """The finished items of one output, one JSON object per line, the options' fingerprint first."""

    #: Options that change neither the figures nor the items.
    UNRELATED = ("output", "workers", "folder", "device")

    def __init__(self, path: Path, settings: Any) -> None:
        values = dataclasses.asdict(settings) if dataclasses.is_dataclass(settings) else dict(settings)  # type: ignore[arg-type]
        values = {k: v for k, v in values.items() if k not in self.UNRELATED}
        text = json.dumps([__version__, values], sort_keys=True, default=str)
        self.key = hashlib.sha256(text.encode()).hexdigest()
        self.path = path
        self._known = False
        self._finished = 0
        self._stream: Any = None

    def read(self) -> dict[str, Json]:
        """Finished items by name; empty if the journal is of other options. A torn last line is passed over."""
        try:
            lines = self.path.read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            return {}
        records = []
        for line in lines:
            try:
                records.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        if not records or records[0].get("options") != self.key:
            return {}
        self._known = True
        found = {record["name"]: record for record in records[1:] if "name" in record}
        self._finished = len(found)
        return found

    def __enter__(self) -> _Journal:
        try:
            if self._known:
                self._stream = open(self.path, "a", encoding="utf-8")
                self._stream.write("\n")  # ends a line that a kill has torn
            else:
                self._stream = open(self.path, "w", encoding="utf-8")
                self._stream.write(json.dumps({"options": self.key}) + "\n")
            self._stream.flush()
        except OSError as error:
            if not self._known:
                forget(self.path)
            raise FileError(f"cannot write in {self.path.parent}: {error.strerror}; choose another folder.") from error
        return self

    def add(self, item: Item, outcome: Outcome) -> None:
        """Note a finished item; it is on its way to the disk when this returns."""
        record = {"name": item.name, "fingerprint": item.fingerprint(), "rows": outcome.rows, "notes": outcome.notes}
        self._stream.write(json.dumps(record) + "\n")
        self._stream.flush()
        self._finished += 1

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        self._stream.close()
        if not self._finished:
            forget(self.path)
        elif isinstance(error, Cancelled):
            raise Cancelled(
                f"cancelled; what is finished ({self._finished}) is noted in {self.path}; the same command continues."
            ) from error


def more_lines(summary: Collection[Any], place: str = "the table (--output)") -> list[str]:
    """A line for the segments that are too many to be listed, and the place that lists them."""
    more = len(summary) - LISTED
    return [f"  and {more} more segments; {place} lists all"] if more > 0 else []


def failure_lines(failures: Mapping[str, str], count: int = 0) -> list[str]:
    """What could not be done, one line each, with a heading: how many of `count`, where that is known."""
    if not failures:
        return []
    number = f"{len(failures)} of {count}" if count else f"{len(failures)}"
    reasons = {name: error.removeprefix(f"{name}: ") for name, error in failures.items()}  # files name themselves
    return [f"{number} failed:", *(f"  {name}: {error}" for name, error in reasons.items())]
