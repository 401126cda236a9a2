"""The errors that ACSeg raises on purpose.

Each carries one sentence for a person who does not program: it names the file or parameter, the value,
and what to do. Front ends show the sentence; a traceback goes to the log only.
"""

from __future__ import annotations


class InputError(ValueError):
    """A parameter or its content cannot be used; the message says which, and what to do."""


class FileError(OSError):
    """A file cannot be read or written; the message names the file, and says what to do."""


class MemoryLimitError(MemoryError):
    """The work would not fit in memory; the message gives the numbers and the way out."""


class Cancelled(Exception):
    """The person stopped the work. Nothing half done is left behind."""
