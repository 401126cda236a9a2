"""Keywords of `ACSegLogic` are the options of the shell's commands, under the same names and with the same checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ACSegLib.axes import read_slices
from ACSegLib.commands import load
from ACSegLib.commands.options import OptionValues, describe_options, from_mapping
from ACSegLib.errors import InputError
from ACSegLib.volume import Segmentation, Volume
from ACSegLib.workflows import CorrectRequest, FillRequest, SplitRequest

#: What the nodes of the scene stand for, where a command has files.
BY_NODES: Mapping[str, OptionValues] = {
    "fill": {
        "image": "scene",
        "labels": "scene",
        "output": "scene",
        "probabilities": None,
        "uncertainty": None,
        "picture": None,
        "suggest": 0,
        "skip_existing": False,
        "resample": True,
        "level": None,
        "voxel_size": None,
        "unit": None,
        "image_dataset": None,
        "labels_dataset": None,
        "region": [],
        "external_data": False,
    },
    "correct": {
        "image": "scene",
        "segmentation": "scene",
        "corrected": "scene",
        "output": "scene",
        "probabilities": None,
        "uncertainty": None,
        "resample": True,
        "level": None,
        "voxel_size": None,
        "unit": None,
        "image_dataset": None,
        "labels_dataset": None,
    },
    "split": {
        "labels": "scene",
        "output": "scene",
        "image": None,
        "seeds": None,
        "resample": True,
        "voxel_size": None,
        "unit": None,
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
        "voxel_size": None,
        "image_dataset": None,
        "labels_dataset": None,
        "external_data": False,
    },
}


def commandOptions(command: str, keywords: OptionValues) -> Any:
    """Give the options of a command from a script's keywords.

    Raises
    ------
    InputError
        Naming a keyword that the command does not know, or whose value is out of its range.
    """
    options, byNodes = load(command).Options, BY_NODES[command]
    names = {info.name for info in describe_options(options)} - set(byNodes)
    unknown = sorted(set(keywords) - names)
    if unknown:
        raise InputError(f"{command} has no option {unknown[0]!r}; it has: {', '.join(sorted(names))}.")
    return from_mapping(options, {**byNodes, **keywords})


def fillRequest(volume: Volume, labels: Segmentation, keywords: OptionValues) -> FillRequest:
    """Make the request for a fill from the keywords of a script, or from the options of a panel.

    ``slices`` may be a list of indices, or a mapping from axis to indices, as well as the shell's text.
    """
    slices = keywords.get("slices")
    options = commandOptions("fill", {name: value for name, value in keywords.items() if name != "slices"})
    request = FillRequest.from_options(volume, labels, options)
    return replace(request, slices=read_slices(slices, options.axis))


def correctRequest(
    volume: Volume, segmentation: Segmentation, corrected: Segmentation, keywords: OptionValues
) -> CorrectRequest:
    """Make the request for a correction from the keywords of a script; ``slices`` as in `fillRequest`."""
    others = {name: value for name, value in keywords.items() if name != "slices"}
    options = commandOptions("correct", others)
    request = CorrectRequest.from_options(volume, segmentation, corrected, options)
    return replace(request, slices=read_slices(keywords.get("slices")))


def splitRequest(
    volume: Volume, labels: Segmentation, seeds: Segmentation | None, keywords: OptionValues
) -> SplitRequest:
    """Make the request for a split from the keywords of a script, or from the options of the effect."""
    return SplitRequest.from_options(labels, volume, seeds, commandOptions("split", keywords))
