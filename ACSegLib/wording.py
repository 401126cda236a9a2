"""Numbers of things, and names of volumes, in sentences."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, things: str) -> str:
    """A number of things, which are named in the plural: "1 volume", "3 volumes"."""
    return f"{number} {things if number != 1 else things[:-1]}"


def listed(names: Sequence[str]) -> str:
    """The volumes that a note is on, in no language: the names of the first three, and how many: "a, b, c, ... (4)"."""
    return ", ".join(names[:3]) + (f", ... ({len(names)})" if len(names) > 3 else "")
