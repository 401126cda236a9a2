"""Other processes, as tests wait for them."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil


def wait_until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Look until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        time.sleep(0.01)
        assert time.monotonic() < end, "the condition did not come true"


def has_ended(process: psutil.Process) -> bool:
    """Whether a process is gone, or is one that nobody has asked after (in a container, its new parent may not)."""
    try:
        return not process.is_running() or bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # it ended between the two looks
        return True
