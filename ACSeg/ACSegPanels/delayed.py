"""Does something once, a while after the last of several requests."""

from __future__ import annotations

import time
from collections.abc import Callable

import qt

#: The wait is at least so many times as long as the work took before: painting stays smooth on a large tomogram.
_PATIENCE = 5.0


class Delayed:
    """Calls a function a while after `request`; each request begins the wait anew.

    Parameters
    ----------
    function : callable
    milliseconds : int
        The wait; longer where the function is slow.
    clock : callable
        Gives the time in seconds.
    """

    def __init__(
        self, function: Callable[[], object], milliseconds: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._function, self._least, self._clock = function, milliseconds, clock
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(milliseconds)
        self._timer.connect("timeout()", self._call)

    @property
    def milliseconds(self) -> int:
        """The wait from now on."""
        return self._timer.interval

    def request(self) -> None:
        """Call the function a while after now, and not before."""
        self._timer.start()

    def stop(self) -> None:
        """Forget what was requested."""
        self._timer.stop()

    def cleanup(self) -> None:
        """Stop for good."""
        self._timer.stop()
        self._timer.disconnect("timeout()", self._call)

    def _call(self) -> None:
        start = self._clock()
        self._function()
        took = self._clock() - start
        self._timer.setInterval(max(self._least, round(1000 * _PATIENCE * took)))
