"""How the application idles: as Slicer's event loop does, which keeps Python's interpreter lock.

PythonQt releases the lock around the event loop only after ``setEnableThreadSupport(true)``, which neither CTK nor
Slicer calls. While Slicer waits for events, no Python thread runs.
"""

from __future__ import annotations

import ctypes
import sys


def idle_with_lock(seconds: float) -> None:
    """Wait without letting any other Python thread run."""
    if sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(round(1000 * seconds))
    else:
        ctypes.PyDLL(None).usleep(round(1e6 * seconds))
