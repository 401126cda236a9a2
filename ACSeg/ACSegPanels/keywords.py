"""Keywords of `ACSegLogic` are the options of the shell's commands, under the same names and with the same checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ACSegLib.commands import load
from ACSegLib.commands.options import describe_options, from_mapping
from ACSegLib.errors import InputError

#: What the nodes of the scene stand for, where a command has files.
_BY_NODES: Mapping[str, Mapping[str, Any]] = {
    "fill": {
        "image": "scene",
        "labels": "scene",
        "output": "scene",
        "probabilities": None,
        "uncertainty": None,
        "suggest": 0,
        "resample": True,
        "image_dataset": None,
        "labels_dataset": None,
    },
    "measure": {
        "inputs": ["scene"],
        "output": "scene",
        "image": None,
        "resample": True,
        "workers": 1,
        "file_unit": None,
    },
}


def commandOptions(command: str, keywords: Mapping[str, Any]) -> Any:
    """Give the options of a command from a script's keywords.

    Raises
    ------
    InputError
        Naming a keyword that the command does not know, or whose value is out of its range.
    """
    options, byNodes = load(command).Options, _BY_NODES[command]
    names = {info.name for info in describe_options(options)} - set(byNodes)
    unknown = sorted(set(keywords) - names)
    if unknown:
        raise InputError(f"{command} has no option {unknown[0]!r}; it has: {', '.join(sorted(names))}.")
    return from_mapping(options, {**byNodes, **keywords})


def fillKeywords(keywords: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Keywords of `ACSegLib.fill.fill` and of `ACSegLib.postprocess.cleanup.clean` from those of a script.

    ``slices`` may be a list of indices, or a mapping from axis to indices, as well as the shell's text.
    """
    from ACSegLib.commands.fill import parse_slices
    from ACSegLib.fill import Settings

    slices = keywords.get("slices")
    options = commandOptions("fill", {name: value for name, value in keywords.items() if name != "slices"})
    settings = {name: getattr(options, name) for name in ("axis", "mode", "background", "ignore", "device")}
    settings["slices"] = parse_slices(slices) if isinstance(slices, str) else slices
    if options.gamma is not None:
        settings["settings"] = Settings(options.gamma, options.edge)
    if options.memory is not None:
        settings["memory_limit"] = options.memory * 2**30
    cleaning = {name: getattr(options, name) for name in ("islands", "holes", "smooth")}
    return settings, {name: value for name, value in cleaning.items() if value}
