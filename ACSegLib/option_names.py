"""Names of options in the sentences of the library, which name them as flags of the shell: ``--min-volume``."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

#: Choices that sentences name after a flag.
_CHOICES = "auto|bright|cpu|cuda|dark|none|walk|network|openvino|pytorch|scribbles|slices|nm|um|mm"
#: A flag, and a number or a choice as its value. A voxel size and its unit are one thing where a person states both in
#: one place.
_FLAG = re.compile(rf"(--[a-z][a-z-]*[a-z])(?: and --(?:file-)?unit\b| (\d(?:[^\s;)]*\w)?|(?:{_CHOICES})\b))?")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")


def with_options_named(text: str, name: Callable[[str, str, str], str]) -> str:
    """Name the options of a sentence as a front end does.

    Parameters
    ----------
    text : str
    name : callable
        Called with a flag of the shell, with the option that it sets, as "--min-volume" and "min_volume", and with its
        value, as "6.2", or empty text; gives the words for all of it.
    """
    return _FLAG.sub(lambda match: name(match[1], match[1][2:].replace("-", "_"), match[2] or ""), text)


def with_keywords(text: str) -> str:
    """Name the options of a sentence as keywords of Python: ``min_volume=6.2``, ``resample=False``, and ``spacing``."""

    def name(flag: str, option: str, value: str) -> str:
        if option == "voxel_size":
            return "spacing"
        if value:
            return f"{option}={value if _NUMBER.fullmatch(value) else repr(value)}"
        return f"{option[3:]}=False" if option.startswith("no_") else option

    return with_options_named(text, name)


def raising_keywords(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a function of Python name keywords, not flags, in the errors that a person can mend."""

    @functools.wraps(function)
    def call(*arguments: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        try:
            return function(*arguments, **keywords)
        except (ValueError, OSError, MemoryError, RuntimeError) as error:
            if len(error.args) == 1 and isinstance(error.args[0], str):
                error.args = (with_keywords(error.args[0]),)
            raise

    return call
