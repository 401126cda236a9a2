"""Work on a thread, watched from the main thread by polling.

Only arrays cross the border: the function that runs on the thread must touch neither MRML nor Qt. The compiled
kernels of ACSegLib release the interpreter lock, so that the views stay live meanwhile.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ACSegLib.errors import Cancelled
from ACSegLib.jobs import CancelFlag, Progress
from ACSegPanels import collecting

#: Seconds that a function may go on after a cancel before the job lets go of it. Front ends poll every 0.15 s or more
#: often, so that a cancel is over within a second whatever the function does meanwhile.
PATIENCE = 0.5

#: Milliseconds between two looks of a front end, and the share of them, in seconds, in which `BackgroundJob.poll` gives
#: way. Slicer's event loop keeps the interpreter lock while it idles, so that a thread works only while Python code on
#: the main thread waits. Events are handled at least every 50 ms.
POLL_MILLISECONDS = 50
GIVE_WAY = 0.04

#: Threads that were let go of: work that starts meanwhile waits for them, so that memory is not used twice.
_left_alone: list[threading.Thread] = []


@dataclass(frozen=True)
class Event:
    """What a job has to tell.

    Parameters
    ----------
    kind : {"progress", "metrics", "done", "error", "cancelled"}
        The last three end the job.
    fraction : float
        How far it is, 0 to 1.
    message : str
        A sentence for the person.
    value : object
        The result ("done"), the exception ("error") or the figures ("metrics").
    """

    kind: str
    fraction: float = 0.0
    message: str = ""
    value: Any = None

    @property
    def final(self) -> bool:
        """Whether the job has ended."""
        return self.kind in ("done", "error", "cancelled")


def latest(events: list[Event]) -> list[Event]:
    """Drop all progress events but the last: a person sees only that one."""
    progress = [e for e in events if e.kind == "progress"][-1:]
    return progress + [e for e in events if e.kind != "progress"]


class BackgroundJob:
    """Runs one function at a time on a thread of its own.

    Parameters
    ----------
    clock : callable
        Gives the time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._cancel = CancelFlag()
        self._cancelled_at: float | None = None
        self._thread: threading.Thread | None = None
        self._left: list[threading.Thread] = []

    @property
    def running(self) -> bool:
        """Whether a function is at work, or its end was not yet polled."""
        return self._thread is not None

    @property
    def lingering(self) -> bool:
        """Whether a function that the job has let go of is still at work; go on polling until it is not."""
        return bool(self._left)

    def start(self, function: Callable[[Progress], Any]) -> None:
        """Run ``function(progress)`` on a new thread; RuntimeError while another one runs."""
        if self.running:
            raise RuntimeError("a job is running already")
        self._cancel, self._cancelled_at = CancelFlag(), None
        self._events = queue.SimpleQueue()
        _left_alone[:] = [thread for thread in _left_alone if thread.is_alive()]
        arguments = (function, self._events, self._cancel, tuple(_left_alone))
        self._thread = threading.Thread(target=_run, args=arguments, name="ACSeg", daemon=True)
        collecting.hold(self._thread)
        self._thread.start()

    def cancel(self) -> None:
        """Ask the function to stop; "cancelled" is polled once it has, or `PATIENCE` seconds later without it."""
        if self._cancelled_at is None:
            self._cancelled_at = self._clock()
        self._cancel.set()

    def abandon(self) -> None:
        """Ask the function to stop, and forget it: nothing more of it is polled."""
        self._cancel.set()
        if self._thread is not None:
            self._left.append(self._thread)
            _left_alone.append(self._thread)
        self._thread = None
        self._events = queue.SimpleQueue()

    def poll(self) -> list[Event]:
        """Give what happened since the last call; call it on the main thread, by a timer.

        While a thread works, the call waits for it for `GIVE_WAY` seconds: that is when it can work.
        """
        working = [thread for thread in (self._thread, *self._left) if thread is not None and thread.is_alive()]
        if working:
            working[0].join(GIVE_WAY)
        events = []
        while not self._events.empty():
            events.append(self._events.get())
        collecting.collect()
        self._left = [thread for thread in self._left if thread.is_alive()]
        if events and events[-1].final:
            assert self._thread is not None
            collecting.release(self._thread)
            self._thread = None
        elif self._out_of_patience():
            self.abandon()
            return [Event("cancelled")]
        return latest(events)

    def _out_of_patience(self) -> bool:
        waiting = self.running and self._cancelled_at is not None
        return waiting and self._clock() - self._cancelled_at >= PATIENCE


def _run(
    function: Callable[[Progress], Any],
    events: queue.SimpleQueue[Event],
    cancel: CancelFlag,
    earlier: Sequence[threading.Thread],
) -> None:
    progress = Progress(
        lambda fraction, message: events.put(Event("progress", fraction, message)),
        cancel,
        lambda values: events.put(Event("metrics", value=dict(values))),
    )
    try:
        for thread in earlier:
            while thread.is_alive():
                progress(0.0, "waiting for the cancelled work to end")
                thread.join(0.05)
        result = function(progress)
        events.put(Event("cancelled") if cancel() else Event("done", 1.0, value=result))
    except Cancelled:
        events.put(Event("cancelled"))
    except Exception as error:
        logging.getLogger("ACSeg").info("the job ended with an error", exc_info=True)
        events.put(Event("error", message=sentence(error), value=error))


def sentence(error: BaseException) -> str:
    """Say what went wrong in a sentence for a person who does not program."""
    if isinstance(error, MemoryError) and not str(error):
        return "There is not enough memory for this volume: close other programs, or crop the volume."
    if isinstance(error, ImportError) and error.name:
        return f"The Python package {error.name} is missing: press the button again to install it."
    if isinstance(error, (ValueError, OSError, MemoryError, RuntimeError)) and str(error):
        text = str(error)
        return text[0].upper() + text[1:]
    return f"Unexpected failure ({type(error).__name__}): {error}"
