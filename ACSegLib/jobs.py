"""Progress, cancellation, and the line protocol by which a worker process reports to any front end.

A step that may last over a second takes a `Progress` and calls it often (several times per second):
each call reports, and raises `Cancelled` once the user has asked to stop. What is reported never goes back.

A step of several stages names them with their shares of the time, and gives each its own::

    stages = progress.stages(read=1, features=3, solve=10)
    image = read(path, stages.read)
    features = compute(image, stages.features)
    for slab, part in stages.solve.each(slabs, lambda slab: f"solving {slab}"):
        solve(slab, features, part)

The first call of a compiled loop and the first import of a large package take seconds, in code of others that cannot
look. Who calls them need not know: a step says once how its cancel is looked for (`looking`), and they wait for it
(`patiently`).

The protocol of a worker process (``python -m ACSegLib.worker COMMAND``) is one JSON object per line:

========== ======================================================= =====================================
direction  line                                                    meaning
========== ======================================================= =====================================
to worker  first line of stdin: ``{"command": .., "options": ..}`` what to do
to worker  ``{"event": "cancel"}`` (or end of stdin)               stop within a second
to worker  ``{"event": "cancel", "patience": seconds}``            the same, and end for certain after this time
from it    ``{"event": "progress", "fraction": .., "message": ..}`` 0 to 1, and a sentence
from it    ``{"event": "metrics", "values": {name: number}}``      live figures (loss, Dice, ...)
from it    ``{"event": "result", "report": {..}}``                 the run report; the last line
from it    ``{"event": "cancelled"}``                              the last line after a cancel
from it    ``{"event": "error", "kind": .., "message": ..}``       the last line after an error
========== ======================================================= =====================================
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import json
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TextIO, TypeVar

from ACSegLib.errors import Cancelled, is_broken_pipe
from ACSegLib.json_values import Json, parse_object

T = TypeVar("T")
Report = Callable[[float, str], None]

#: Seconds between two looks at whether the person has cancelled.
_PAUSE = 0.1

_check: contextvars.ContextVar[Callable[[], None] | None] = contextvars.ContextVar("check", default=None)


class Progress:
    """Tells how far a step is, and whether it should stop.

    A fraction that is smaller than one before, in any part, is reported as that one: progress never goes back.

    Parameters
    ----------
    report : callable, optional
        Called as ``report(fraction, message)``; fraction is 0 to 1.
    cancelled : callable, optional
        Returns True once the person wants to stop. Must be cheap and thread-safe.
    metrics : callable, optional
        Called with a mapping of names to numbers while training.
    notes : callable, optional
        Called once with each thing that a user should know at once, though the results have it as well; see `tell`.
    """

    def __init__(
        self,
        report: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
        metrics: Callable[[Mapping[str, float]], None] | None = None,
        notes: Callable[[str], None] | None = None,
    ) -> None:
        self._report = report
        self._cancelled = cancelled
        self._metrics = metrics
        self._notes = notes
        self._start, self._stop = 0.0, 1.0
        self._furthest = [0.0]  # shared by all parts
        self._told: set[str] = set()  # shared by all parts

    def __call__(self, fraction: float, message: str = "") -> None:
        """Report `fraction` (0 to 1) of this step, and raise `Cancelled` if asked to stop."""
        self.check()
        if self._report is not None:
            inside = min(max(float(fraction), 0.0), 1.0)
            reached = min(1.0, max(self._furthest[0], self._start + inside * (self._stop - self._start)))
            self._furthest[0] = reached
            self._report(reached, message)

    def check(self) -> None:
        """Raise `Cancelled` if asked to stop, and report nothing."""
        if self.is_cancelled():
            raise Cancelled("cancelled")

    def is_cancelled(self) -> bool:
        """Whether the user has asked to stop."""
        return self._cancelled is not None and bool(self._cancelled())

    def metrics(self, values: Mapping[str, float]) -> None:
        """Publish live figures, such as ``{"epoch": 3, "loss": 0.41}``."""
        if self._metrics is not None:
            self._metrics(values)

    def tell(self, notes: Sequence[str]) -> None:
        """Pass on, each once, what a user should know before hours of work, and not only after them."""
        for note in notes:
            if self._notes is not None and note not in self._told:
                self._told.add(note)
                self._notes(note)

    def part(self, start: float, stop: float) -> Progress:
        """Give a Progress whose 0 to 1 is `start` to `stop` of this one."""
        width = self._stop - self._start
        inner = copy.copy(self)
        inner._start, inner._stop = self._start + start * width, self._start + stop * width
        return inner

    def stages(self, **weights: float) -> Stages:
        """Divide this step into named stages, in this order.

        Parameters
        ----------
        **weights : float
            Name of each stage and its share of the time, in any unit; 0 for one that takes none.

        Returns
        -------
        Stages
            With one `Progress` a stage, by its name.
        """
        return Stages(self, weights)

    def each(self, items: Collection[T], message: Callable[[T], str] = lambda item: "") -> Iterator[tuple[T, Progress]]:
        """Go through items that take about the same time; gives each with its part of this step.

        Parameters
        ----------
        message : callable, optional
            What is told as an item begins; empty leaves the message as it was.
        """
        for n, item in enumerate(items):
            part = self.part(n / len(items), (n + 1) / len(items))
            if text := message(item):
                part(0.0, text)
            else:
                part.check()
            yield item, part


class Stages:
    """The stages of a step: ``stages.name`` is the `Progress` of that stage. Made by `Progress.stages`."""

    def __init__(self, whole: Progress, weights: Mapping[str, float]) -> None:
        if any(weight < 0 for weight in weights.values()) or not sum(weights.values()) > 0:
            raise ValueError(f"stages need weights of 0 or more, and one above 0, not {dict(weights)}")
        total, done = sum(weights.values()), 0.0
        self._parts: dict[str, Progress] = {}
        for name, weight in weights.items():
            self._parts[name] = whole.part(done / total, (done + weight) / total)
            done += weight

    def __getattr__(self, name: str) -> Progress:
        try:
            return self.__dict__["_parts"][name]
        except KeyError:
            raise AttributeError(f"no stage {name!r}; there are: {', '.join(self.__dict__['_parts'])}") from None


@contextlib.contextmanager
def looking(check: Callable[[], None] | None) -> Iterator[None]:
    """Let `patiently` call `check`, which may raise `Cancelled`, within the block."""
    token = _check.set(check)
    try:
        yield
    finally:
        _check.reset(token)


def with_look(function: Callable[..., T]) -> Callable[..., T]:
    """The function as another thread can call it, with the look of this one."""
    context = contextvars.copy_context()
    return lambda *arguments, **keywords: context.run(function, *arguments, **keywords)


def patiently(work: Callable[[], T], check: Callable[[], None] | None = None) -> T:
    """Do some work in a thread of its own, and look for a cancel meanwhile; without a look, do it here.

    After a cancel the work goes on in the background. It does not keep a process from ending, and what it made is there
    the next time.

    Parameters
    ----------
    work : callable
    check : callable, optional
        May raise `Cancelled`. That of `looking` if left out.

    Raises
    ------
    Cancelled
    Exception
        What the work raised.
    """
    look = check or _check.get()
    if look is None:
        return work()
    results: list[Any] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, name="patience", daemon=True)
    thread.start()
    look()
    while thread.is_alive():
        thread.join(_PAUSE)
        look()
    if failures:
        raise failures[0]
    result: T = results[0]
    return result


class CancelFlag:
    """A thread-safe switch; call it to ask, `set` it to cancel."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask the work to stop."""
        self._event.set()

    def __call__(self) -> bool:
        return self._event.is_set()


def cancel_on_signals(cancel: CancelFlag) -> Callable[[], None]:
    """Let Ctrl-C, SIGTERM and, on Windows, Ctrl-Break cancel the work; a second Ctrl-C interrupts it at once.

    Only the main thread may do this; elsewhere nothing happens. A process that was started to ignore Ctrl-C (by
    ``nohup``, or with ``&`` in a script) goes on ignoring it.

    Returns
    -------
    callable
        Puts the former handlers back.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None

    def stop(number: int, frame: Any) -> None:
        if cancel() and number == signal.SIGINT:
            raise KeyboardInterrupt
        cancel.set()

    known = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGBREAK", signal.SIGTERM))
    numbers = [n for n in dict.fromkeys(known) if signal.getsignal(n) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, stop) for number in numbers}

    def restore() -> None:
        for number, handler in previous.items():
            if handler is not None:  # a handler that was not set from Python, such as Slicer's, can't be put back
                signal.signal(number, handler)

    return restore


@contextlib.contextmanager
def keep_ctrl_c_from_children() -> Iterator[None]:
    """Start processes in the block that do not hear Ctrl-C: a terminal sends it to all processes of a command.

    What they do is cancelled by the process that started them. Windows has no such mask: there, a process has to ignore
    Ctrl-C itself once it runs.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a new process inherits it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class LineWriter:
    """Writes protocol events, one JSON object per line, flushed, from any thread.

    A reader that has gone away is not an error of the work: `closed` becomes True and later events are dropped.
    """

    #: Seconds between two progress lines of the same message; more would only keep the front end busy.
    PROGRESS_INTERVAL = 0.05

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self.closed = False

    def send(self, event: str, **values: Any) -> None:
        """Write one event."""
        line = json.dumps({"event": event, **values}, default=str)
        with self._lock:
            if self.closed:
                return
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except ValueError:  # the stream was closed
                self.closed = True
            except OSError as error:
                if not is_broken_pipe(error):
                    raise
                self.closed = True

    def progress(self, cancelled: Callable[[], bool] | None = None, **values: Any) -> Progress:
        """Give a Progress that reports through this writer; it stops too when the reader has gone away.

        Further `values` are written into each of its lines.
        """
        last = (-self.PROGRESS_INTERVAL, "")

        def report(fraction: float, message: str) -> None:
            nonlocal last
            now = time.monotonic()
            if now - last[0] >= self.PROGRESS_INTERVAL or message != last[1] or fraction >= 1:
                last = (now, message)
                self.send("progress", fraction=round(fraction, 4), message=message, **values)

        return Progress(
            report,
            lambda: self.closed or (cancelled is not None and cancelled()),
            lambda figures: self.send("metrics", values=dict(figures), **values),
        )


def parse_line(line: str) -> Json | None:
    """Read one protocol line; None for any other output (a library's print, say)."""
    event = parse_object(line)
    return event if event is not None and "event" in event else None
