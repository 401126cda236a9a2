"""Lines that the commands on folders share: what is too much to be listed, and what could not be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Segments that a summary lists; a label file may hold hundreds.
LISTED = 20


def more_lines(summary: Sequence[Any]) -> list[str]:
    """A line for the segments that are too many to be listed."""
    more = len(summary) - LISTED
    return [f"  and {more} segments more; the table (--output) holds all"] if more > 0 else []


def failure_lines(failures: Mapping[str, str]) -> list[str]:
    """What could not be done, one line each, with a heading."""
    if not failures:
        return []
    return [f"{len(failures)} not done:", *(f"  {name}: {error}" for name, error in failures.items())]
