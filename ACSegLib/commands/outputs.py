"""Outputs are checked before the work, not after hours of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ACSegLib.commands.inputs import stem
from ACSegLib.errors import InputError
from ACSegLib.files.atomic import require_writable_folder
from ACSegLib.files.registry import format_for_ending


def check_outputs(outputs: Iterable[str | os.PathLike[str]], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """Refuse outputs that cannot be written, or that would take the place of an input.

    Raises
    ------
    FileError
        If a folder is missing or not writable.
    InputError
        If an output is one of the inputs, or two outputs are one file.
    """
    sources = {_identity(path) for path in inputs if Path(path).exists()}
    named: set[str] = set()
    for path in outputs:
        if (place := os.path.abspath(path)) in named:
            raise InputError(f"{path} is named for two outputs; choose another name for one of them.")
        named.add(place)
        require_writable_folder(path)
        if Path(path).exists() and _identity(path) in sources:
            raise InputError(f"{path} is an input of this step; choose another name for the output.")


def check_image_outputs(outputs: Sequence[str | os.PathLike[str]], inputs: Iterable[str | os.PathLike[str]]) -> None:
    """As `check_outputs`, for images and segmentations; FileError too for an ending that no format has."""
    for path in outputs:
        format_for_ending(path)
    check_outputs(outputs, inputs)


def segment_path(path: str, segment: str, several: bool) -> str:
    """Name of the file for one segment: `path`, with the segment's name before the ending when there are several."""
    if not several:
        return path
    file = Path(path)
    base = stem(file)
    word = "".join(c if c.isalnum() else "_" for c in segment)
    return str(file.with_name(f"{base}-{word}{file.name[len(base) :]}"))


def _identity(path: str | os.PathLike[str]) -> tuple[int, int]:
    """What two names of one file have in common, as `os.path.samefile` compares it."""
    found = os.stat(path)
    return found.st_dev, found.st_ino
