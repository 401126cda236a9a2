"""Outputs are checked before the work, not after hours of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ACSegLib.errors import InputError
from ACSegLib.files.atomic import require_writable_folder


def check_outputs(outputs: Iterable[str | os.PathLike[str]], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Refuse outputs that cannot be written, or that would take the place of an input.

    Raises
    ------
    FileError
        If a folder is missing or not writable.
    InputError
        If an output is one of the inputs, or two outputs are one file.
    """
    sources = [path for path in inputs if Path(path).exists()]
    named: set[str] = set()
    for path in outputs:
        if (place := os.path.abspath(path)) in named:
            raise InputError(f"{path} is named for two outputs; choose another name for one of them.")
        named.add(place)
        require_writable_folder(path)
        if Path(path).exists() and any(os.path.samefile(source, path) for source in sources):
            raise InputError(f"{path} is an input of this step; choose another name for the output.")
