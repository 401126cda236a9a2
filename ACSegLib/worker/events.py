"""What a running job tells a front end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: A word at the beginning of a sentence, and no name with an ending, a number or a colon.
_WORD = re.compile(r"[^\W\d_]+(?=[\s,;(]|[.]?$)")


@dataclass(frozen=True)
class Event:
    """What a job has to tell.

    Parameters
    ----------
    kind : {"progress", "metrics", "done", "error", "cancelled"}
        The last three end the job.
    fraction : float
        How far it is, 0 to 1.
    message : str
        A sentence for the person.
    value : object
        The `Reply` ("done"), the kind of the error ("error") or the figures ("metrics").
    """

    kind: str
    fraction: float = 0.0
    message: str = ""
    value: Any = None

    @property
    def final(self) -> bool:
        """Whether the job has ended."""
        return self.kind in ("done", "error", "cancelled")


def latest(events: Sequence[Event]) -> list[Event]:
    """Drop all progress events but the last: a person sees only that one."""
    progress = [e for e in events if e.kind == "progress"][-1:]
    return progress + [e for e in events if e.kind != "progress"]


def capitalized(sentence: str) -> str:
    """Begin a sentence with a capital letter, unless it begins with a name: of a file, or of what follows a colon."""
    return sentence[:1].upper() + sentence[1:] if _WORD.match(sentence) else sentence
