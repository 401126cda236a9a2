"""Keeps Python's garbage collector on the main thread while other threads work.

The collector runs on whichever thread happens to allocate. A widget or a node that is collected on a worker thread is
destroyed there, which neither Qt nor VTK survives. So it is switched off while a thread works, and the main thread
collects when it polls.
"""

from __future__ import annotations

import gc

_holders: set[int] = set()
_was_enabled = True


def hold(holder: object) -> None:
    """Switch the automatic collector off until `release`; call it on the main thread."""
    global _was_enabled
    if not _holders:
        _was_enabled = gc.isenabled()
        gc.disable()
    _holders.add(id(holder))


def collect() -> None:
    """Collect the young objects, on the main thread."""
    if _holders:
        gc.collect(1)


def release(holder: object) -> None:
    """Let the automatic collector run again once no one holds it."""
    _holders.discard(id(holder))
    if not _holders and _was_enabled:
        gc.enable()
