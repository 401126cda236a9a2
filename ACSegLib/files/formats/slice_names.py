"""The order of slices, from the numbers in their names.

A number may have a sign and decimals, as heights of a stage have: z-10, z-5, z0; z0.5, z1.0. A hyphen is a sign only
where the names show it: it stands before some numbers but not before others, or after a character that itself
separates ("_-5"). In cell-001 it separates, and in cell-1, which a note tells. Where two readings give two orders, the
folder is refused.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ACSegLib.errors import FileError
from ACSegLib.files.content import CHOOSE

_LISTED = 5
_WHOLE = r"(\d+)"
#: With decimals, unless more than two numbers are joined by points, as in dates and versions.
_DECIMAL = r"((?<!\d\.)\d+\.\d+(?!\.?\d)|\d+)"
_MINUS = "\u2212"
#: Characters that separate by themselves, so that a hyphen behind them is a sign.
_BEFORE_SIGN = ("_", "=", "(", "[", "-", "+")
#: Decimals of which more than this many slices a file were missing count no slices: they are times, say.
_MAX_MISSING = 9


@dataclass(frozen=True)
class _Reading:
    """A number of every name, read in one way, in units of its last decimal."""

    values: tuple[int, ...]
    places: int = 0
    #: Whether a hyphen stands before each, taken for a separator, but is as likely a sign: nothing is padded or 0.
    doubtful: bool = False

    @property
    def counts(self) -> bool:
        """Whether no two names have the same number."""
        return len(set(self.values)) == len(self.values)

    @property
    def order(self) -> tuple[int, ...]:
        """The names in the order of their numbers."""
        return tuple(sorted(range(len(self.values)), key=self.values.__getitem__))

    @property
    def step(self) -> int:
        """The largest step of which all distances are multiples."""
        return math.gcd(*(b - a for a, b in pairwise(sorted(self.values)))) or 1

    @property
    def missing(self) -> int:
        """How many numbers of this step are missing between the first and the last."""
        return (max(self.values) - min(self.values)) // self.step + 1 - len(set(self.values))

    @property
    def even(self) -> bool:
        """Whether it counts slices without a gap."""
        return self.counts and self.missing == 0

    def text(self, value: int) -> str:
        """Write a value as a number."""
        digits = str(abs(value)).rjust(self.places + 1, "0")
        whole, decimals = (digits[: -self.places], digits[-self.places :]) if self.places else (digits, "")
        return ("-" if value < 0 else "") + whole + (f".{decimals}" if decimals else "")

    def first_missing(self) -> list[str]:
        """Give the first missing numbers, a few of them."""
        found: list[int] = []
        for a, b in pairwise(sorted(self.values)):
            found += [a + self.step * n for n in range(1, min((b - a) // self.step, _LISTED + 1))]
            if len(found) >= _LISTED:
                break
        return [self.text(value) for value in found[:_LISTED]]


@dataclass(frozen=True)
class _Parts:
    """A name cut at its numbers: text, number, text, number, ..., text."""

    words: tuple[str, ...]
    signs: tuple[str, ...]
    numbers: tuple[str, ...]


class GapError(FileError):
    """Slices are missing; `files` are those that are there, in their order."""

    files: list[Path]


def in_order(files: Sequence[Path], folder: Path) -> tuple[list[Path], list[str]]:
    """Sort slices by the numbers in their names; gives them with notes.

    A gap is refused (`GapError`), since a missing slice would shift all that follow. A constant step (10, 20, 30) is no
    gap. Other numbers that change with them, such as the time, do not count.

    Raises
    ------
    FileError
        If slices are missing or doubled, belong to several volumes, or have names that tell no certain order.
    """
    files = sorted(files, key=_natural)
    if len(files) < 2:
        return files, []
    names = [file.stem.lower() for file in files]
    whole, decimal = _cut(names, _WHOLE), _cut(names, _DECIMAL)
    alike, alike_decimal = (len({parts.words for parts in rows}) == 1 for rows in (whole, decimal))
    if not alike and not alike_decimal:
        return _by_words(files, whole, folder)
    plain = _readings(whole, files, folder) if alike else []
    fractions = _readings(decimal, files, folder) if alike_decimal else []
    fractions = [reading for reading in fractions if reading.places]
    counting = [reading for reading in plain if reading.counts]
    counting += [r for r in fractions if r.counts and (not plain or r.missing <= _MAX_MISSING * len(files))]
    if not counting:
        raise _no_counter(files, whole, plain or fractions, folder)
    chosen = _chosen(counting, files, folder)
    files = [files[n] for n in chosen.order]
    _require_all(chosen, files, folder)
    return files, [_note_of_hyphens(files)] if chosen.doubtful else []


def _natural(path: Path) -> list[Any]:
    return [(0, int(word), "") if word.isdecimal() else (1, 0, word.lower()) for word in re.split(r"(\d+)", path.stem)]


def _cut(names: list[str], number: str) -> list[_Parts]:
    """Cut names at their numbers; where hyphens are doubled, the first of two separates and the second is a sign."""
    doubled = any("--" in name for name in names)
    pattern = re.compile(f"({_MINUS if doubled else f'[-{_MINUS}]'}?){number}")
    rows = [pattern.split(name.replace("--", f"-{_MINUS}")) for name in names]
    return [_Parts(tuple(words[::3]), tuple(words[1::3]), tuple(words[2::3])) for words in rows]


def _readings(rows: list[_Parts], files: list[Path], folder: Path) -> list[_Reading]:
    """The numbers that change from name to name, each as its sign and its decimals are to be understood."""
    found = []
    for n in range(len(rows[0].numbers)):
        numbers = [row.numbers[n] for row in rows]
        signs = [bool(row.signs[n]) for row in rows]
        plain = _reading(numbers, [False] * len(rows))
        signed = _reading(numbers, signs)
        before = rows[0].words[n][-1:]
        if all(signs):
            reading = signed if before in _BEFORE_SIGN or (n == 0 and not before) else plain
            if reading is plain and before and not any(number.startswith("0") for number in numbers):
                reading = replace(plain, doubtful=True)
        else:
            reading = plain if not any(signs) else _with_some_signs(plain, signed, signs, files, folder)
        if len(set(reading.values)) > 1:
            found.append(reading)
    return found


def _reading(numbers: list[str], negative: list[bool]) -> _Reading:
    places = max(len(number.partition(".")[2]) for number in numbers)
    values = []
    for number, minus in zip(numbers, negative, strict=True):
        whole, _, decimals = number.partition(".")
        value = int(whole + decimals.ljust(places, "0"))
        values.append(-value if minus else value)
    return _Reading(tuple(values), places)


def _with_some_signs(plain: _Reading, signed: _Reading, signs: list[bool], files: list[Path], folder: Path) -> _Reading:
    """Decide on hyphens before some numbers and not before others; where both readings are likely, refuse."""
    only_zero = not any(value for value, sign in zip(plain.values, signs, strict=True) if not sign)
    if only_zero or not plain.counts or plain.order == signed.order or (signed.even and not plain.even):
        return signed
    first, second = (files[signs.index(kind)].name for kind in (True, False))
    raise FileError(
        f"{folder}: the hyphen of {first} may be a sign or not ({second} has none), which gives two orders of the "
        "slices; rename them without hyphens, with as many digits each."
    )


def _chosen(counting: list[_Reading], files: list[Path], folder: Path) -> _Reading:
    """Choose the number that counts the slices: one without gaps, unless decimals beside it show gaps."""
    even = [reading for reading in counting if reading.even]
    if len({reading.order for reading in even}) > 1:
        raise FileError(
            f"{folder}: two numbers in the names of its slices ({files[0].name} to {files[-1].name}) count them in "
            "different orders; rename them with one number each."
        )
    if not even:
        decimals = [reading for reading in counting if reading.places]
        return min(decimals or counting, key=lambda reading: max(reading.values) - min(reading.values))
    gaps = (r for r in counting if r.places and not r.even and r.order == even[0].order)
    return next(gaps, even[0])


def _note_of_hyphens(files: list[Path]) -> str:
    return (
        f"takes the hyphen before its numbers for a separator, so {files[0].name} is the first slice and "
        f"{files[-1].name} the last; if the numbers are negative, write them as z--10."
    )


def _require_all(reading: _Reading, files: list[Path], folder: Path) -> None:
    if not reading.missing:
        return
    shown = reading.first_missing()
    more = f" and {reading.missing - len(shown)} more" if reading.missing > len(shown) else ""
    error = GapError(
        f"{folder}: the slices numbered {', '.join(shown)}{more} are missing between {files[0].name} and "
        f"{files[-1].name}; add them, or number the slices without gaps."
    )
    error.files = list(files)
    raise error


def _no_counter(files: list[Path], rows: list[_Parts], readings: list[_Reading], folder: Path) -> FileError:
    """The error for names of which no number counts the slices: one is doubled, or two count together."""
    if len(readings) < 2:
        values = readings[0].values if readings else (0,) * len(files)
        twice = [file.name for file, value in zip(files, values, strict=True) if values.count(value) > 1]
        return FileError(f"{folder}: {twice[0]} and {twice[1]} have the same number; keep one of them.")
    columns = [n for n in range(len(rows[0].numbers)) if len({row.numbers[n] for row in rows}) > 1]
    n = min(columns, key=lambda n: len({row.numbers[n] for row in rows}))
    kinds = [f"{rows[0].words[n][-8:]}{number}" for number in dict.fromkeys(row.numbers[n] for row in rows)]
    return FileError(
        f"{folder}: the names of its slices have {len(readings)} counters ({files[0].name} to {files[-1].name}), "
        f"so they belong to several volumes; {CHOOSE}, by what the names hold ({', '.join(kinds[:_LISTED])}), "
        "or move each volume into its own folder."
    )


def _by_words(files: list[Path], rows: list[_Parts], folder: Path) -> tuple[list[Path], list[str]]:
    """Sort names whose words differ: by a number at the end of each, or else by their words, which is told.

    Raises
    ------
    FileError
        If several names of one kind stand beside others, as those of two channels do.
    """
    kinds = Counter(row.words for row in rows)
    common, count = kinds.most_common(1)[0]
    if count > 1:
        other = next(file for file, row in zip(files, rows, strict=True) if row.words != common)
        one = next(file for file, row in zip(files, rows, strict=True) if row.words == common)
        raise FileError(
            f"{folder}: {other.name} is not named as {one.name} is, so they may belong to several volumes; {CHOOSE}, "
            "by a word of the names, or move what does not belong to the volume elsewhere."
        )
    if all(row.numbers for row in rows):
        reading = _reading([row.numbers[-1] for row in rows], [False] * len(rows))
        if reading.even:
            return [files[n] for n in reading.order], []
    return files, ["has no number that counts its slices; they are in the order of their names."]
