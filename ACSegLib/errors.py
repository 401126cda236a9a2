"""The errors that ACSeg raises on purpose.

Each carries one sentence for a person who does not program: it names the file or parameter, the value,
and what to do. Front ends show the sentence; a traceback goes to the log only.
"""

from __future__ import annotations

import errno
import sys
import unicodedata

#: Of a disk or a quota that is full, and of a file that the system does not let grow.
DISK_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG})

#: Windows' errors for too little memory, its paging file included.
_NO_MEMORY = frozenset({8, 14, 1450, 1455})
#: Windows' errors for a library that does not load, mostly because one that it needs is missing.
_NOT_LOADED = frozenset({126, 127, 1114})


class InputError(ValueError):
    """A parameter or its content cannot be used; the message says which, and what to do."""


class FileError(OSError):
    """A file cannot be read or written; the message names the file, and says what to do."""


class MemoryLimitError(MemoryError):
    """The work would not fit in memory; the message gives the numbers and the way out."""


class Cancelled(Exception):
    """The person stopped the work. Nothing half done is left behind, unless its text says what was kept."""


def printable(text: str) -> str:
    """Give text without control characters but line breaks and tabs, which could move a terminal's cursor or lie."""
    return "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs") else "\ufffd" for c in text)


def is_broken_pipe(error: BaseException) -> bool:
    """Whether nobody reads any more what is written to a pipe; on Windows this is an invalid argument, of no file."""
    if sys.platform == "win32" and isinstance(error, OSError) and error.filename is None:
        return error.errno in (errno.EPIPE, errno.EINVAL)
    return isinstance(error, BrokenPipeError)


def explain_cancel(error: BaseException) -> str:
    """Return the sentence to show a person who has stopped the work."""
    text = str(error)
    return "cancelled; nothing half done was left behind." if text in ("", "cancelled") else text


def _has_no_memory(error: BaseException | None) -> bool:
    """Whether the system says that memory is short: a package could not be loaded, say."""
    while error is not None:
        if any(words in str(error).lower() for words in ("failed to map segment", "cannot allocate memory")):
            return True
        if getattr(error, "winerror", None) in _NO_MEMORY:
            return True
        error = error.__cause__ or error.__context__
    return False


def explain(error: BaseException) -> str | None:
    """Return the sentence to show a person for an error; None if it is a defect, which needs its traceback.

    Bad input, files, memory, and packages that are not installed are explained; anything else is a defect.
    """
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("ACSegLib"):
        return f'this step needs the package {error.name}; install it with: pip install "acseg[all]"'
    no_memory = isinstance(error, MemoryError) and not isinstance(error, MemoryLimitError)  # of Python or NumPy
    if no_memory or (isinstance(error, (ImportError, OSError, RuntimeError)) and _has_no_memory(error)):
        return "not enough memory for this volume; close other programs, or use a smaller one."
    if getattr(error, "winerror", None) in _NOT_LOADED or "DLL load failed" in str(error):
        return (
            f"a Python package cannot be loaded ({error}); install the Microsoft Visual C++ Redistributable, or the "
            "package again."
        )
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        name = f" to write {error.filename}" if error.filename else ""
        reason = (error.strerror or str(error)).lower()
        return (
            f"there is no room{name} ({reason}); free some space, or choose another folder for the output, and in the "
            "environment variable TMPDIR for temporary files."
        )
    if isinstance(error, OSError) and error.filename and error.strerror:  # raised by Python, not by us
        return f"cannot use {error.filename}: {error.strerror[:1].lower()}{error.strerror[1:]}."
    return str(error) if isinstance(error, (InputError, OSError, MemoryError)) else None
