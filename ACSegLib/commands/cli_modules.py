"""Slicer's command-line (CLI) modules of the commands: what each one shows of its command's options.

A CLI module is a script and an XML file that Slicer turns into a panel, a node for the scene, and a command line. The
parser of the script and the XML are both made here from the command's ``Options``; node parameters (`FILES`) are the
only thing told besides, since a path may mean an image, labels, a table or a folder.

``python -m ACSegLib.commands.cli_xml ACSeg/CLI`` writes the XML files anew after a change.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ACSegLib.commands import load
from ACSegLib.commands.options import OptionInfo, OptionValues, describe_options
from ACSegLib.errors import InputError
from ACSegLib.volume import UNITS_IN_MM


@dataclass(frozen=True)
class FileParameter:
    """How a path among the options appears in Slicer.

    Parameters
    ----------
    kind : str
        XML element: "image" (a volume node), "label" (an image of type label: label map or segmentation node),
        "file" or "directory".
    channel : str
        "input" or "output".
    extensions : tuple of str
        File endings offered; for nodes the ending of the exchange file.
    """

    kind: str
    channel: str = "input"
    extensions: tuple[str, ...] = ()


@dataclass(frozen=True)
class CliModule:
    """One CLI module.

    Parameters
    ----------
    command : str
        Name of the command that it runs.
    title, description : str
        Shown in Slicer.
    files : mapping
        Option name -> `FileParameter`.
    fixed : mapping
        Option name -> value that Slicer users need not set.
    region : str
        Option that an ROI node gives the numbers of; "" for none.
    """

    command: str
    title: str
    description: str
    files: Mapping[str, FileParameter]
    fixed: OptionValues = field(default_factory=dict)
    region: str = ""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a CLI module: an option, under the name and with the default that Slicer shows.

    An option that is on by default becomes a switch to turn it off ("no-..."): on Slicer's command line a check box
    is present or absent, so absence must mean the default.
    """

    info: OptionInfo
    name: str
    flag: str
    element: str
    default: Any
    description: str
    advanced: bool
    file: FileParameter | None = None
    inverted: bool = False
    index: int | None = None

    @property
    def longflag(self) -> str:
        """The flag as Slicer gives it: its parser refuses a module with any other character than these in a flag."""
        return "--" + self.flag[2:].replace("-", "_")


UNIT_OPTION = "length_unit"

#: Choice that stands for "not given", where an option with choices has no default: Slicer must show one as chosen.
NOT_GIVEN = "default"

#: What Slicer's panel gives for a folder that nobody chose: its button for folders cannot be empty.
_NO_FOLDER = "."

#: Options that say what Slicer knows of its nodes.
_SCENE: OptionValues = {"voxel_size": None, "image_dataset": None, "external_data": False}

_LABELS_OUT = FileParameter("label", "output", (".seg.nrrd",))
_MODEL = FileParameter("file", "input", (".acseg", ".h5"))
_FOLDER = FileParameter("directory")

CLI_MODULES: dict[str, CliModule] = {
    "ACSegFill": CliModule(
        "fill",
        "ACSeg Fill",
        "Fill a segmentation between the slices on which it was drawn, by a random walk over the whole image.",
        {
            "image": FileParameter("image"),
            "labels": FileParameter("label"),
            "output": _LABELS_OUT,
            "probabilities": FileParameter("file", "output", (".nrrd",)),
            "uncertainty": FileParameter("image", "output"),
        },
        {"resample": True, "skip_existing": False, **_SCENE, "unit": None, "labels_dataset": None, "picture": None},
        region="region",
    ),
    "ACSegCorrect": CliModule(
        "correct",
        "ACSeg Correct",
        "Correct a segmentation around the places where you changed it: a slice drawn right, or a few strokes.",
        {
            "image": FileParameter("image"),
            "segmentation": FileParameter("label"),
            "corrected": FileParameter("label"),
            "sparse": FileParameter("label"),
            "output": _LABELS_OUT,
            "probabilities": FileParameter("file", "input", (".nrrd",)),
            "uncertainty": FileParameter("image", "output"),
        },
        {"resample": True, **_SCENE, "unit": None, "labels_dataset": None},
    ),
    "ACSegTrain": CliModule(
        "train",
        "ACSeg Train",
        "Train a 3D U-Net on a folder of images and a folder of their labels, paired by name.",
        {
            "output": FileParameter("file", "output", (".acseg",)),
            "images": _FOLDER,
            "labels": _FOLDER,
            "val_images": _FOLDER,
            "val_labels": _FOLDER,
            "table": FileParameter("file", "input", (".csv",)),
            "init": _MODEL,
            "tensorboard": _FOLDER,
            "scratch": _FOLDER,
        },
        {"resample": True, "external_data": False},
    ),
    "ACSegPredict": CliModule(
        "predict",
        "ACSeg Predict",
        "Segment a volume with a trained network: your own, one of Biomedisa's, or the one that ships with ACSeg.",
        {
            "images": FileParameter("image"),
            "output": _LABELS_OUT,
            "model": _MODEL,
            "probabilities": FileParameter("file", "output", (".nrrd",)),
        },
        {**_SCENE, "unit": None, "skip_existing": False, "workers": 1},
    ),
    "ACSegSplit": CliModule(
        "split",
        "ACSeg Split",
        "Split touching cells of a segmentation into segments of their own, by seams in the image, necks or seeds.",
        {
            "labels": FileParameter("label"),
            "output": _LABELS_OUT,
            "image": FileParameter("image"),
            "seeds": FileParameter("label"),
        },
        {"resample": True, **_SCENE, "unit": None, "labels_dataset": None},
    ),
    "ACSegMeasure": CliModule(
        "measure",
        "ACSeg Measure",
        "Measure volume, surface, filopodia, contacts and absorption of the cells of a segmentation.",
        {
            "inputs": FileParameter("label"),
            "image": FileParameter("image"),
            "output": FileParameter("file", "output", (".csv", ".xlsx", ".json")),
        },
        {"resample": True, "workers": 1, "file_unit": None, **_SCENE, "labels_dataset": None},
    ),
}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def parameters(module: CliModule) -> list[Parameter]:
    """List the parameters of a CLI module, in the order of the command's options.

    Raises
    ------
    InputError
        If a name in `files` or `fixed` is no option of the command.
    """
    infos = describe_options(load(module.command).Options)
    unknown = (set(module.files) | set(module.fixed)) - {info.name for info in infos}
    if unknown:
        raise InputError(f"CLI module of {module.command!r}: {sorted(unknown)[0]!r} is no option of that command.")
    shown: list[Parameter] = []
    for info in infos:
        if info.name not in module.fixed:
            positional = sum(p.index is not None for p in shown)
            shown.append(_parameter(info, module.files.get(info.name), positional, info.name == module.region))
    return [*shown, _unit_parameter()]


def _parameter(info: OptionInfo, file: FileParameter | None, position: int, region: bool) -> Parameter:
    inverted = info.type is bool and info.default is True
    name = _camel("no_" + info.name if inverted else info.name)
    text = f"Switch off: {info.metadata['help']}" if inverted else info.help
    default: Any = False if inverted else info.default
    element = file.kind if file is not None else _element(info)
    if region:
        element = "region"
    if element == "string-enumeration" and default is None:
        default = NOT_GIVEN
    return Parameter(
        info,
        name,
        "--no-" + info.flag[2:] if inverted else info.flag,
        element,
        None if file is not None else default,
        text,
        bool(info.metadata["advanced"]),
        file,
        inverted,
        position if info.metadata["positional"] else None,
    )


def _element(info: OptionInfo) -> str:
    if info.type is bool:
        return "boolean"
    if info.repeated:
        return {int: "integer-vector", float: "double-vector"}.get(info.type, "string-vector")
    if info.metadata["choices"]:
        return "string-enumeration"
    if info.default is None:
        return "string"  # Slicer's number boxes cannot be empty
    return {int: "integer", float: "double"}.get(info.type, "string")


def _unit_parameter() -> Parameter:
    meta = {
        "help": "unit that lengths of the scene are in",
        "choices": tuple(UNITS_IN_MM),
        "advanced": False,
        "positional": False,
    } | dict.fromkeys(("minimum", "maximum", "short", "metavar", "flag", "unit"))
    info = OptionInfo(UNIT_OPTION, str, False, False, False, "mm", {**meta, "unit": ""})
    return Parameter(info, _camel(UNIT_OPTION), "--length-unit", "string-enumeration", "mm", info.help, False)


class _Parser(argparse.ArgumentParser):
    """Refuses a command line in one sentence, without the list of all options."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; --help lists the options.")


def build_parser(name: str) -> argparse.ArgumentParser:
    """Build the parser of a CLI module's script, with the defaults of its XML; flags as there and as in the shell."""
    module = CLI_MODULES[name]
    parser = _Parser(prog=name, description=module.description, allow_abbrev=False)
    for parameter in parameters(module):
        info = parameter.info
        arguments: dict[str, Any] = {"help": parameter.description.replace("%", "%%")}
        flags = dict.fromkeys((parameter.flag, parameter.longflag))  # the first is that of the shell command
        if parameter.element == "boolean":
            parser.add_argument(*flags, dest=info.name, action="store_true", **arguments)
        elif parameter.index is not None:
            parser.add_argument(info.name, metavar=info.name.upper(), **arguments)
        else:
            parser.add_argument(
                *flags,
                dest=info.name,
                default=parameter.default,
                required=info.required,
                metavar=parameter.name.upper(),
                **arguments,
            )
    return parser


def option_values(name: str, arguments: Sequence[str]) -> tuple[OptionValues, str]:
    """Read a CLI module's command line.

    Returns
    -------
    values : dict
        For `ACSegLib.commands.options.from_mapping`; options that were left out are not in it.
    unit : str
        Unit of the scene's lengths.
    """
    module = CLI_MODULES[name]
    namespace = vars(build_parser(name).parse_args(_joined(arguments)))
    values = dict(module.fixed)
    for parameter in parameters(module):
        given = namespace[parameter.info.name]
        if parameter.element == "boolean":
            values[parameter.info.name] = given != parameter.inverted
        elif given == parameter.default == NOT_GIVEN or (parameter.element == "directory" and given == _NO_FOLDER):
            continue
        elif given not in (None, "") and not (parameter.info.repeated and given == parameter.default):
            values[parameter.info.name] = _read(parameter, given)
    unit = values.pop(UNIT_OPTION)
    if unit not in UNITS_IN_MM:
        raise InputError(f"--length-unit {unit!r} is not one of: {', '.join(UNITS_IN_MM)}.")
    return values, unit


def _joined(arguments: Sequence[str]) -> list[str]:
    """The arguments, with negative numbers joined to the flag before them: a list that begins with one is no flag."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1].startswith("--") and "=" not in joined[-1] and re.match(r"-[\d.]", argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _read(parameter: Parameter, given: Any) -> Any:
    """Turn the text of one argument into the option's value; Slicer joins lists by commas."""
    info = parameter.info
    parts = [given]
    if info.repeated and parameter.element not in ("image", "label"):
        parts = [part.strip() for part in str(given).split(",") if part.strip()]
    try:
        values = [info.type(part) for part in parts]
    except ValueError as error:
        what = {int: "a whole number", float: "a number"}.get(info.type, info.type.__name__)
        raise InputError(f"{parameter.flag} {given!r} is not {what}; correct it.") from error
    return values if info.repeated else values[0]
