"""Names of the axes, and slices as a person writes them.

The axes are those of the array: x is i, y is j, z is k, whatever the patient's or the stage's axes are. Slices count
from 0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Sized

from ACSegLib.errors import InputError

#: Names of the axes of an array (k, j, i), in its order.
AXES: tuple[str, ...] = ("k", "j", "i")

#: Another name of each axis -> its name here.
AXIS_ALIASES: Mapping[str, str] = {"x": "i", "y": "j", "z": "k"}

#: One word of a list of slices: perhaps an axis, then numbers or ranges.
SLICE_WORD = re.compile(r"^([ijkxyz]:)?[0-9:,]+$", re.IGNORECASE)

_RANGE = re.compile(r"^(\d+)(?::(\d+))?(?::(\d+))?$")
_HELP = "write them as 10,30,50, as 10:90:20 (10 to 90 in steps of 20), or for several axes as z:10,30 x:0,57"


def axis_name(name: str) -> str:
    """Give the name of an axis, "i", "j" or "k", from that or from x, y, z; other words stay as they are."""
    word = name.lower()
    return AXIS_ALIASES.get(word, word if word in AXES else name)


def read_slices(
    given: str | Sequence[int | str] | Mapping[str, Sequence[int]] | None, axis: str = "auto"
) -> dict[str, list[int]] | None:
    """Read a list of slices.

    Parameters
    ----------
    given : str, sequence or mapping, optional
        Text such as ``"10,30,50"``, ``"10:90:20"`` (the last slice included) or ``"z:10,30 x:0,57"``; a sequence of
        numbers or of such texts; or a mapping from axis to numbers. Slices count from 0.
    axis : str
        Axis of numbers that name none; k where it is "auto".

    Returns
    -------
    dict or None
        Axis name -> sorted slices; None where nothing was given.

    Raises
    ------
    InputError
        If the text is no list of slices, or names no axis where `axis` is "all".
    """
    if not isinstance(given, (str, Sized, type(None))):
        raise InputError(f"--slices {given!r} is not a list of slice numbers; {_HELP}.")
    if given is None or (not isinstance(given, (str, Mapping)) and not len(given)):
        return None
    if isinstance(given, Mapping):
        try:
            return {axis_name(name): sorted({int(n) for n in numbers}) for name, numbers in given.items()}
        except (TypeError, ValueError, OverflowError, AttributeError):
            raise InputError(f"--slices {given!r} does not give a list of slice numbers for each axis.") from None
    words = re.split(r"[\s,]+", given if isinstance(given, str) else ",".join(map(str, given)))
    slices_of: dict[str, set[int]] = {}
    current = "k" if axis == "auto" else axis_name(axis)
    for word in filter(None, words):
        name, separator, rest = word.partition(":")
        if separator and not name.isdigit():
            current, word = axis_name(name), rest
        numbers = _numbers(word)
        if not numbers or (separator and not name.isdigit() and current not in AXES):
            raise InputError(f"--slices {_shown(given)!r} is not a list of slice numbers; {_HELP}.")
        if current not in AXES:
            raise InputError(f"--slices {_shown(given)!r} names no axis, and --axis is {axis!r}; {_HELP}.")
        slices_of.setdefault(current, set()).update(numbers)
    if not slices_of:
        raise InputError(f"--slices {_shown(given)!r} is not a list of slice numbers; {_HELP}.")
    return {name: sorted(numbers) for name, numbers in slices_of.items()}


def united_slices(one: Mapping[str, Sequence[int]], other: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """The slices of two lists, sorted, in the order of the axes."""
    return {name: sorted({*one.get(name, ()), *other.get(name, ())}) for name in AXES if name in one or name in other}


def _numbers(word: str) -> list[int]:
    """The slices of one word: "10", "10:90" or "10:90:20", the end included; empty if it is none of these."""
    match = _RANGE.match(word)
    if match is None:
        return []
    start, stop, step = (None if part is None else int(part) for part in match.groups())
    if stop is None:
        return [start or 0]
    if stop - (start or 0) > 10**7 or step == 0:
        return []
    return list(range(start or 0, stop + 1, step or 1))


def _shown(given: str | Sequence[int | str]) -> str:
    return given if isinstance(given, str) else " ".join(map(str, given))


def checked_axis(name: str) -> str:
    """The array axis "k", "j" or "i" of a name ("z" is "k"); InputError if it is none."""
    axis = axis_name(name)
    if axis not in AXES:
        raise InputError(f"axis {name!r} is not one of: x (i), y (j), z (k).")
    return axis


def both_names(axis: str) -> str:
    """An axis in a message: "z (k)"."""
    return next(f"{alias} ({name})" for alias, name in AXIS_ALIASES.items() if name == axis)
