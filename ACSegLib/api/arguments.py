"""The arguments of the public functions: types as their hints state, ranges and choices as the options do.

Data, such as images and labels, are left to `ACSegLib.api.inputs`.
"""

from __future__ import annotations

import functools
import inspect
import os
import reprlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ParamSpec, TypeVar

import numpy as np

from ACSegLib.axes import axis_name
from ACSegLib.commands import COMMANDS, load
from ACSegLib.commands.options import check_range, describe_options
from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _is_truth(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _are(kind: type) -> Callable[[Any], bool]:
    """Whether a value is a sequence of values of one type."""

    def fits(value: Any) -> bool:
        listed = isinstance(value, Collection) and not isinstance(value, (str, bytes, Mapping))
        return listed and all(isinstance(item, kind) and not _is_truth(item) for item in value)

    return fits


#: A part of a type hint -> its name in a sentence, and whether a value fits.
_KINDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "bool": ("True or False", _is_truth),
    "int": ("a whole number", lambda value: isinstance(value, Integral) and not _is_truth(value)),
    "float": ("a number", lambda value: isinstance(value, Real) and not _is_truth(value)),
    "str": ("text", lambda value: isinstance(value, str)),
    "Sequence[str]": ("a list of texts", _are(str)),
    "Sequence[int]": ("a list of whole numbers", _are(Integral)),
    "Path": ("a path", lambda value: isinstance(value, (str, os.PathLike))),
    "Progress": ("an acseg.Progress", lambda value: isinstance(value, Progress)),
    "None": ("None", lambda value: value is None),
}


#: A parameter -> the option of the shell that it is, where their names differ; "" for none.
_OPTIONS = {"unit": "", "table_unit": "unit"}


def hints_of(function: Callable[..., Any]) -> dict[str, str]:
    """The type hint of each parameter, as text."""
    return {name: str(parameter.annotation) for name, parameter in inspect.signature(function).parameters.items()}


def check_types(values: Mapping[str, Any], hints: Mapping[str, str]) -> None:
    """Raise InputError for the first argument whose type is not that of its hint.

    Parameters
    ----------
    values : mapping from str to object
        The arguments by name.
    hints : mapping from str to str
        Such as ``{"count": "int | None"}``. Those with other parts than `_KINDS` has are not checked.
    """
    for name, value in values.items():
        parts = hints.get(name, "").split(" | ")
        if set(parts) <= _KINDS.keys() and not any(_KINDS[part][1](value) for part in parts):
            wanted = " or ".join(_KINDS[part][0] for part in parts)
            raise InputError(f"{name} must be {wanted}, not {reprlib.repr(value)}.")


def check_ranges(values: Mapping[str, Any], hints: Mapping[str, str], command: str) -> None:
    """Raise InputError for the first number or choice that the option of the same name does not allow.

    Parameters
    ----------
    values, hints
        As in `check_types`, which is called before.
    command : str
        Of the shell.
    """
    infos = {info.name: info for info in describe_options(load(command).Options)}
    for name, value in values.items():
        info = infos.get(_OPTIONS.get(name, name))
        kinds = set(hints.get(name, "").split(" | ")) - {"None"}
        if info is not None and value is not None and kinds == {info.type.__name__}:
            known = replace(info, metadata={**info.metadata, "flag": name})
            check_range(known, axis_name(value) if known.names_axis else value)


def with_checked_arguments(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a function refuse arguments of other types than it states, and out of range, in one sentence."""
    signature, hints = inspect.signature(function), hints_of(function)

    @functools.wraps(function)
    def call(*arguments: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        values = signature.bind(*arguments, **keywords).arguments
        check_types(values, hints)
        if function.__name__ in COMMANDS:
            check_ranges(values, hints, function.__name__)
        return function(*arguments, **keywords)

    return call
