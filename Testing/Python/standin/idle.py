"""The event loop as Slicer has it: it keeps Python's interpreter lock while it idles.

PythonQt releases the lock around the event loop only after ``setEnableThreadSupport(true)``, which neither CTK nor
Slicer calls. While Slicer waits for events, no Python thread runs. ``ACSEG_STANDIN_LOCK=released`` makes the loop as
kind as PySide6's is.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time

KEEPS_LOCK = os.environ.get("ACSEG_STANDIN_LOCK") != "released"

_PROCESS_EVENTS = "_ZN16QCoreApplication13processEventsE6QFlagsIN10QEventLoop17ProcessEventsFlagEE"
_found: list = []


def idle(seconds: float) -> None:
    """Wait as the event loop does between two events."""
    if not KEEPS_LOCK:
        time.sleep(seconds)
    elif sys.platform == "win32":
        ctypes.PyDLL("kernel32").Sleep(round(1000 * seconds))
    else:
        ctypes.PyDLL(None).usleep(round(1e6 * seconds))


def process_events() -> None:
    """Handle what waits; on Linux without PySide6's release of the lock, too, where the loop keeps it."""
    function = _process_events_with_lock() if KEEPS_LOCK else None
    if function is not None:
        function(0)
        return
    from PySide6.QtWidgets import QApplication

    QApplication.processEvents()


def _process_events_with_lock():
    """QCoreApplication::processEvents itself; None where it cannot be called."""
    if not _found and sys.platform == "linux":
        from PySide6 import QtCore

        path = os.path.join(os.path.dirname(QtCore.__file__), "Qt", "lib", "libQt6Core.so.6")
        try:
            function = ctypes.PyDLL(path)[_PROCESS_EVENTS]
        except (OSError, AttributeError):
            function = None
        if function is not None:
            function.argtypes, function.restype = [ctypes.c_int], None
        _found.append(function)
    return _found[0] if _found else None
