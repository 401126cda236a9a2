"""One definition per option: a dataclass field gives name, type, default, unit, range and help.

The shell parser is built from it here; the CLI modules' XML and the panels are checked against it by tests.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import glob
import math
import os
import re
import types
import typing
from collections.abc import Collection, Sequence
from typing import Any

from ACSegLib.axes import AXES, axis_name
from ACSegLib.errors import InputError
from ACSegLib.files.units import unit_name

#: Name of each option with its value, before the values are checked.
OptionValues = dict[str, Any]

_METAVARS = {int: "N", float: "X"}
_PATHS = {"in": "FILE", "out": "FILE", "place": "FILE", "folder": "DIR"}
_TYPE_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def option(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    flag: str | None = None,
    short: str | None = None,
    positional: bool = False,
    choices: Sequence[Any] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    unit: str = "",
    metavar: str | None = None,
    advanced: bool = False,
    path: str = "",
    endings: str | tuple[str, ...] = "",
    aliases: tuple[str, ...] = (),
    words: re.Pattern[str] | None = None,
    sets: str = "",
    default_name: str = "",
) -> Any:
    """Define one option as a dataclass field.

    Parameters
    ----------
    default : object, optional
        Left out, the option is required. A list default makes it repeatable (``nargs="*"``).
    help : str
        One sentence for a newcomer; the unit and the default are added to it.
    flag, short : str, optional
        ``--flag`` (made from the field's name when left out) and a one-letter ``-x``.
    positional : bool
        Given by place instead of by flag; with a `short`, either way.
    choices, minimum, maximum : optional
        What is accepted; anything else ends in one sentence and exit code 2. Infinity is accepted where it is the
        maximum.
    unit : str
        Unit of a number, shown in the help.
    advanced : bool
        Shown under Advanced in panels and CLI modules.
    path : str
        What a text names: "in" a file or folder that is read, "out" a file that is written, "folder" a folder that
        files are written into, "place" a file or such a folder; "" where it is no path.
    endings : str or tuple of str
        Of an output, see `ACSegLib.commands.outputs.Output`.
    aliases : tuple of str
        Other names of the option, in the shell and in mappings.
    words : re.Pattern, optional
        Words after the first one that belong to the value, in the shell; they are joined by spaces.
    sets : str
        Another option that the flag turns on as well, where a person gives it in the shell: of an option that is on by
        default, naming it asks for more.
    default_name : str
        Of a required output: the shell may leave it out. It then is beside the first input, with this addition, see
        `ACSegLib.commands.default_output`.
    """
    metadata = dict(
        help=help,
        flag=flag,
        short=short,
        positional=positional,
        choices=tuple(choices) if choices else None,
        minimum=minimum,
        maximum=maximum,
        unit=unit,
        metavar=metavar,
        advanced=advanced,
        path=path,
        endings=endings,
        aliases=tuple(aliases),
        words=words,
        sets=sets,
        default_name=default_name,
    )
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata=metadata, kw_only=False)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class OptionInfo:
    """What is known of one option: its field name, value type, default and metadata."""

    name: str
    type: type
    optional: bool
    repeated: bool
    required: bool
    default: Any
    metadata: typing.Mapping[str, Any]

    @property
    def flag(self) -> str:
        """The long command-line flag, such as ``--min-size``."""
        return "--" + (self.metadata["flag"] or self.name).replace("_", "-")

    @property
    def names_axis(self) -> bool:
        """Whether its choices are axes: x, y and z are accepted for i, j and k."""
        return set(AXES) <= set(self.metadata["choices"] or ())

    @property
    def names_unit(self) -> bool:
        """Whether its choices are units of length: other spellings are accepted, such as the micro sign."""
        return {"nm", "um", "mm"} <= set(self.metadata["choices"] or ())

    @property
    def help(self) -> str:
        """Help text with unit, range and default."""
        text = self.metadata["help"]
        notes = []
        low, high = self.metadata["minimum"], self.metadata["maximum"]
        if self.metadata["unit"]:
            notes.append(f"in {self.metadata['unit']}")
        if low is not None:
            notes.append(_limits(low, high))
        if self.metadata["choices"] and self.metadata["metavar"]:
            notes.append(f"one of {', '.join(map(str, self.metadata['choices']))}")
        if self.names_axis:
            notes.append("or x, y, z: x = i, y = j, z = k")
        if not self.required and self.default not in (None, False, True, "", []):
            shown = " ".join(map(str, self.default)) if self.repeated else self.default
            notes.append(f"default {shown}")
        return text + (f" ({', '.join(notes)})" if notes else "")


def describe_options(options_class: type) -> list[OptionInfo]:
    """List the options of a dataclass made with `option`."""
    hints = typing.get_type_hints(options_class)
    infos = []
    fields = sorted(dataclasses.fields(options_class), key=lambda field: bool(field.kw_only))  # shared options last
    for field in fields:
        if not field.metadata:
            continue
        kind, is_optional, repeated = hints[field.name], False, False
        if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
            kinds = [k for k in typing.get_args(kind) if k is not type(None)]
            is_optional, kind = len(kinds) < len(typing.get_args(kind)), kinds[0]
        if typing.get_origin(kind) is list:
            repeated, kind = True, typing.get_args(kind)[0]
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        default = None if required else field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        infos.append(OptionInfo(field.name, kind, is_optional, repeated, required, default, field.metadata))
    return infos


def add_arguments(
    parser: argparse.ArgumentParser,
    options_class: type,
    words: Collection[str] = (),
    given: typing.Mapping[str, Any] | None = None,
) -> None:
    """Add the options of a dataclass to the parser of a command line with these words.

    An option that may be given by place or by flag is given by flag if its flag is among the words. What is `given`
    need not be among the words.
    """
    for info in describe_options(options_class):
        if given and info.name in given:
            info = dataclasses.replace(info, default=given[info.name], required=False)
        arguments: dict[str, Any] = {"help": info.help.replace("%", "%%")}
        meta = info.metadata
        if meta["default_name"]:
            arguments["help"] += f"; if not given, NAME-{meta['default_name']} beside the input, which replaces no file"
        if info.type is bool:
            action: Any = _switch(meta["sets"]) if info.default else "store_true"
            arguments.update(action=action, default=info.default)
        else:
            read = axis_name if info.names_axis else unit_name if info.names_unit else info.type
            arguments.update(type=read, choices=meta["choices"], default=info.default)
            if meta["metavar"] or not meta["choices"]:
                arguments["metavar"] = meta["metavar"] or _PATHS.get(meta["path"]) or _METAVARS.get(info.type, "TEXT")
        if info.repeated:
            arguments["nargs"] = "+" if info.required else "*"
        flags = ([f"-{meta['short']}"] if meta["short"] else []) + [info.flag]
        if meta["positional"] and not (meta["short"] and any(_gives(word, flags) for word in words)):
            if not info.required and not info.repeated:
                arguments["nargs"] = "?"
            arguments["metavar"] = meta["metavar"] or info.name.upper()
            parser.add_argument(info.name, **arguments)
        else:
            flags += ["--" + name.replace("_", "-") for name in meta["aliases"]]
            required = info.required and not meta["default_name"]
            parser.add_argument(*flags, dest=info.name, required=required, **arguments)


def unknown_words(command: str, options_class: type, words: Sequence[str]) -> str:
    """Say in one sentence that a command does not know these words, and what was probably meant."""
    infos, word = describe_options(options_class), words[0]
    if word.startswith("-"):
        names = [info.flag.lstrip("-") for info in infos]
        near = difflib.get_close_matches(word.partition("=")[0].lstrip("-"), names, 1, 0.7)
        meant = f"; --{near[0]} is probably meant" if near else ""
        return f"{command} has no option {word}{meant}. 'acseg {command} --help' lists all."
    places = [info.metadata["metavar"] or info.name.upper() for info in infos if info.metadata["positional"]]
    flags = [info.flag for info in infos if info.metadata["path"] and not info.metadata["positional"]]
    others = f"; other files follow {' or '.join(flags)}" if flags else ""
    return f"{command} takes {' and '.join(places) or 'no file'} by place, so {word!r} is one too many{others}."


def _gives(word: str, flags: Sequence[str]) -> bool:
    """Whether a word of a command line is one of the flags, perhaps with its value: ``--flag=value``, ``-fvalue``."""
    short = word[:2] if not word.startswith("--") else ""
    return word.partition("=")[0] in flags or short in flags


def _switch(also: str) -> type[argparse.Action]:
    """An action for ``--name`` and ``--no-name``; the first turns the option `also` on, if there is one."""

    class Switch(argparse.BooleanOptionalAction):
        def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
            super().__call__(parser, namespace, values, option_string)
            if also and getattr(namespace, self.dest):
                setattr(namespace, also, True)

    return Switch


def join_words(arguments: Sequence[str], options_class: type) -> list[str]:
    """Join the words of a command line that make one value, such as ``--slices z:10,30 x:0,57``."""
    patterns = {info.flag: info.metadata["words"] for info in describe_options(options_class)}
    joined: list[str] = []
    pattern: re.Pattern[str] | None = None
    taken = 0
    for word in arguments:
        if pattern is not None and taken and pattern.match(word):
            joined[-1] += f" {word}"
            continue
        if pattern is not None and not taken:
            taken += 1
        else:
            flag, separator, _ = word.partition("=")
            pattern, taken = patterns.get(flag), int(bool(separator))
        joined.append(word)
    return joined


def from_namespace(options_class: type, namespace: argparse.Namespace) -> Any:
    """Make the options from parsed arguments, checked."""
    values = {info.name: getattr(namespace, info.name) for info in describe_options(options_class)}
    for info in describe_options(options_class):
        if info.metadata["path"] == "in" and info.repeated:
            values[info.name] = _matched(values[info.name] or [])
    return _checked(options_class, values)


def _matched(words: Sequence[str]) -> list[str]:
    """The words, with files in the place of patterns such as ``*.mrc``: shells of Windows leave that to programs."""
    found = []
    for word in words:
        files = sorted(glob.glob(word)) if {"*", "?"} & set(word) and not os.path.exists(word) else []
        found += files or [word]
    return found


def from_mapping(options_class: type, values: OptionValues) -> Any:
    """Make the options from a mapping (a worker's request, a script), checked; unknown names are refused."""
    infos = describe_options(options_class)
    known = {info.name for info in infos}
    named = {alias: info.name for info in infos for alias in info.metadata["aliases"]}
    values = {named.get(name, name): value for name, value in values.items()}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r}; known are: {', '.join(sorted(known))}.")
    missing = [i.name for i in infos if i.required and i.name not in values]
    if missing:
        raise InputError(f"option {missing[0]!r} is missing.")
    return _checked(options_class, values)


def _checked(options_class: type, values: OptionValues) -> Any:
    axes = {info.name for info in describe_options(options_class) if info.names_axis}
    settled = {n: axis_name(v) if n in axes and isinstance(v, str) else v for n, v in values.items()}
    options = options_class(**settled)
    check(options)
    return options


def check(options: Any) -> None:
    """Raise InputError for the first value of another type, or out of its range or choices."""
    for info in describe_options(type(options)):
        value = getattr(options, info.name)
        if value is None and (info.optional or not info.required):
            continue
        if info.repeated and not isinstance(value, (list, tuple)):
            raise InputError(f"{info.flag} must be a list, not {value!r}.")
        for item in value if info.repeated else [value]:
            _check_item(info, item)


def _check_item(info: OptionInfo, item: Any) -> None:
    fits: Any = {float: (int, float), int: int}.get(info.type, info.type)
    if not isinstance(item, fits) or (isinstance(item, bool) and info.type is not bool):
        raise InputError(f"{info.flag} must be {_TYPE_NAMES.get(info.type, info.type.__name__)}, not {item!r}.")
    if info.metadata["path"] and info.required and not str(item).strip():
        raise InputError(f"{info.flag} is empty; name a file or a folder.")
    check_range(info, item)


def _limits(low: float | None, high: float | None) -> str:
    if low is not None and high in (None, math.inf):
        return f"at least {low:g}"
    return f"{'-inf' if low is None else f'{low:g}'} to {high:g}"


def check_range(info: OptionInfo, item: Any) -> None:
    """Raise InputError for a value, of the type of the option, that is out of its range or choices."""
    choices, low, high = (info.metadata[key] for key in ("choices", "minimum", "maximum"))
    if choices and item not in choices:
        raise InputError(f"{info.flag} {item!r} is not one of: {', '.join(map(str, choices))}.")
    if (low is not None and not item >= low) or (high is not None and not item <= high):
        raise InputError(f"{info.flag} {item!r} is out of range; it must be {_limits(low, high)}.")
    if low is not None and item == math.inf != high:
        raise InputError(f"{info.flag} {item!r} is out of range; it must be a finite number.")
