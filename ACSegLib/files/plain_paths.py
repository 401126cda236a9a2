"""Paths for ITK, which on Windows takes names in the code page of the country, and finds no others.

Python gives names in UTF-8; see https://github.com/InsightSoftwareConsortium/ITK/issues/6739.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ACSegLib.errors import FileError

_UTF_8 = 65001


def plain_path(path: Path) -> str:
    """Give a path as ITK can use it: on Windows with short names ("MLLER~1") in place of names that are not ASCII.

    Raises
    ------
    FileError
        If Windows keeps no short names there.
    """
    if str(path).isascii() or not _has_code_page():
        return str(path)
    plain = _short_name(path) if path.exists() else str(Path(_short_name(path.parent)) / path.name)
    if not plain.isascii():
        letter = next(c for c in plain if not c.isascii())
        raise FileError(
            f"{path}: ITK, which reads and writes this format, cannot use names with {letter!r} on Windows; choose a "
            "folder and a name of plain letters, or another format."
        )
    return plain


def _has_code_page() -> bool:
    """Whether this process takes names in a code page that lacks most characters."""
    if sys.platform != "win32":
        return False
    import ctypes

    return bool(ctypes.windll.kernel32.GetACP() != _UTF_8)


def _short_name(path: Path) -> str:
    """The short name of what is there; the path itself where Windows keeps none."""
    import ctypes

    buffer = ctypes.create_unicode_buffer(1 << 15)
    ctypes.windll.kernel32.GetShortPathNameW(str(path), buffer, len(buffer))  # type: ignore[attr-defined]
    return buffer.value or str(path)
