"""Keeps Python's garbage collector on the main thread while other threads work.

The collector runs on whichever thread happens to allocate. A widget or a node that is collected on a worker thread is
destroyed there, which neither Qt nor VTK survives. So it is switched off while a thread works, and the main thread
collects when it polls.
"""

from __future__ import annotations

import gc
import threading

_threads: set[threading.Thread] = set()
_was_enabled = True


def hold(thread: threading.Thread) -> None:
    """Switch the automatic collector off until a thread ends; call it on the main thread, before the thread starts."""
    global _was_enabled
    if not _threads:
        _was_enabled = gc.isenabled()
        gc.disable()
    _threads.add(thread)


def collect() -> None:
    """Collect the young objects, on the main thread; release threads that have ended."""
    if _threads:
        gc.collect(1)
        for thread in [t for t in _threads if t.ident is not None and not t.is_alive()]:
            release(thread)


def release(thread: threading.Thread) -> None:
    """Let the automatic collector run again once no thread holds it."""
    _threads.discard(thread)
    if not _threads and _was_enabled:
        gc.enable()
