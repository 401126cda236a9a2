"""Lines from a process's output, as far as they have come: reading never waits, and needs no thread."""

from __future__ import annotations

import os
import sys
from typing import IO

#: Bytes read at once.
_BLOCK = 1 << 16


class LinePipe:
    """The reading end of a pipe.

    Parameters
    ----------
    stream : binary file
        Of `subprocess.Popen`.
    """

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._rest = stream, b""
        self.closed = False
        if sys.platform != "win32":
            os.set_blocking(stream.fileno(), False)

    def lines(self) -> list[str]:
        """Give the whole lines that have come; `closed` is True once no other can follow."""
        while not self.closed and (block := self._read()) is not None:
            self._rest += block
            if not block:
                self.close()
        *whole, self._rest = self._rest.split(b"\n")
        return [line.decode("utf-8", errors="replace") for line in whole]

    def close(self) -> None:
        """Close the pipe."""
        self.closed = True
        self._stream.close()

    def _read(self) -> bytes | None:
        """A block, b"" at the end, None where nothing has come."""
        if sys.platform == "win32":
            available = _available(self._stream.fileno())
            return available and os.read(self._stream.fileno(), min(available, _BLOCK)) if available != -1 else b""
        try:
            return os.read(self._stream.fileno(), _BLOCK)
        except BlockingIOError:
            return None


def _available(descriptor: int) -> int | None:
    """Bytes that wait in an anonymous pipe on Windows; None for none, -1 where the other end is closed."""
    import ctypes
    import msvcrt

    handle = msvcrt.get_osfhandle(descriptor)  # type: ignore[attr-defined]
    count = ctypes.c_ulong()
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    if not kernel.PeekNamedPipe(ctypes.c_void_p(handle), None, 0, None, ctypes.byref(count), None):
        return -1
    return count.value or None
