"""Where a command writes if nobody says it: beside the first input, under its name with an addition.

``acseg fill cell.mrc sparse.seg.nrrd`` writes cell-filled.seg.nrrd, and a folder of images gives a folder of results.
Nothing that exists is replaced: no input, and no earlier result.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from ACSegLib.commands.options import describe_options
from ACSegLib.errors import InputError


def fill_in_output(options_class: type, namespace: argparse.Namespace) -> None:
    """Name the output in the parsed arguments of the shell, where it was left out.

    Raises
    ------
    InputError
        If there is something of this name, and existing results are not to be skipped.
    """
    infos, values = describe_options(options_class), vars(namespace)
    for info in infos:
        name = info.metadata.get("default_name")
        if not name or values[info.name] is not None:
            continue
        first = next(values[other.name] for other in infos if other.metadata["positional"])
        path = default_output([first] if isinstance(first, str) else first, name, info.metadata["path"] == "place")
        if os.path.lexists(path) and not values.get("skip_existing"):
            raise InputError(
                f"{path} exists, and is not replaced unless you name it; give {info.flag} with this or another name."
            )
        setattr(namespace, info.name, path)


def default_output(inputs: Sequence[str], name: str, folders: bool) -> str:
    """Name of the output for inputs, with the words of `name` added: "cell-filled.seg.nrrd" for "filled.seg.nrrd".

    Parameters
    ----------
    inputs : sequence of str
    name : str
        What the output is, and its ending.
    folders : bool
        Whether several images, or a folder of them, give a folder of results; otherwise they give one file.
    """
    from ACSegLib.commands.inputs import is_folder_of_images
    from ACSegLib.files.names import path_from, stem

    first = Path(os.path.abspath(inputs[0]))
    to_folder = folders and (len(inputs) > 1 or is_folder_of_images(inputs[0]))
    word = name.partition(".")[0] if to_folder else name
    if len(inputs) == 1:
        word = f"{first.name if to_folder else stem(first)}-{word}"
    place = first.parent / word
    return str(place) if os.path.isabs(inputs[0]) else path_from(place)
