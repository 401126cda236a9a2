"""Progress, cancellation, and the line protocol by which a worker process reports to any front end.

A step that may last over a second takes a `Progress` and calls it often (several times a second):
each call reports, and raises `Cancelled` once the person has asked to stop.

The protocol of a worker process (``python -m ACSegLib.worker COMMAND``) is one JSON object a line:

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

import json
import signal
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from ACSegLib.errors import Cancelled

Report = Callable[[float, str], None]


class Progress:
    """Tells how far a step is, and whether it should stop.

    Parameters
    ----------
    report : callable, optional
        Called as ``report(fraction, message)``; fraction is 0 to 1.
    cancelled : callable, optional
        Returns True once the person wants to stop. Must be cheap and thread-safe.
    metrics : callable, optional
        Called with a mapping of names to numbers while training.
    """

    def __init__(
        self,
        report: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
        metrics: Callable[[Mapping[str, float]], None] | None = None,
        _range: tuple[float, float] = (0.0, 1.0),
    ) -> None:
        self._report = report
        self._cancelled = cancelled
        self._metrics = metrics
        self._start, self._stop = _range

    def __call__(self, fraction: float, message: str = "") -> None:
        """Report `fraction` (0 to 1) of this step, and raise `Cancelled` if asked to stop."""
        self.check()
        if self._report is not None:
            fraction = min(max(float(fraction), 0.0), 1.0)
            self._report(self._start + fraction * (self._stop - self._start), message)

    def check(self) -> None:
        """Raise `Cancelled` if asked to stop, and report nothing."""
        if self.is_cancelled():
            raise Cancelled("cancelled")

    def is_cancelled(self) -> bool:
        """Tell whether the person has asked to stop."""
        return self._cancelled is not None and bool(self._cancelled())

    def metrics(self, values: Mapping[str, float]) -> None:
        """Publish live figures, such as ``{"epoch": 3, "loss": 0.41}``."""
        if self._metrics is not None:
            self._metrics(values)

    def part(self, start: float, stop: float) -> Progress:
        """Give a Progress whose 0 to 1 is `start` to `stop` of this one."""
        width = self._stop - self._start
        inner = (self._start + start * width, self._start + stop * width)
        return Progress(self._report, self._cancelled, self._metrics, inner)


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
    """Let Ctrl-C and SIGTERM cancel the work; a second Ctrl-C interrupts it at once.

    Only the main thread may do this; elsewhere nothing happens.

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

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in previous.items():
            signal.signal(number, handler)

    return restore


class LineWriter:
    """Writes protocol events, one JSON object a line, flushed, from any thread.

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
            except (BrokenPipeError, ValueError):  # ValueError: the stream was closed
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


def parse_line(line: str) -> dict[str, Any] | None:
    """Read one protocol line; None for any other output (a library's print, say)."""
    line = line.strip()
    if not line.startswith("{"):
        return None
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
