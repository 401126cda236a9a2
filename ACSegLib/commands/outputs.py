"""Outputs are checked before the work, all of a command in one way: nothing that a person needs is overwritten.

No output is an input, contains one or lies in one; no two outputs share a name; their endings fit; their folders can
be written in; and a folder that exists is replaced only if it is a Zarr that ACSeg has written, with nothing else in
it.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ACSegLib.commands.inputs import find_files, is_one_image
from ACSegLib.commands.options import describe_options
from ACSegLib.errors import FileError, InputError
from ACSegLib.files.atomic import require_writable_folder
from ACSegLib.files.names import is_zarr_folder_name, stem


@dataclass(frozen=True)
class Output:
    """One output of a command.

    Parameters
    ----------
    path : str
    option : str
        The option that names it, for messages.
    endings : str or tuple of str
        "image" or "table" for what the library writes, or the endings that fit; "" for any.
    folder : bool
        Whether it is a folder that files are written into, rather than a file (or Zarr).
    """

    path: str
    option: str = "output"
    endings: str | tuple[str, ...] = ""
    folder: bool = False


def check_command(options: Any, report: str | None = None) -> None:
    """Check all outputs that the options of a command name, and the file for its run report.

    Outputs whose names depend on what is read, such as one file for each segment, are checked by the command itself
    with `check_outputs` as soon as they are known.
    """
    inputs, outputs = _paths_of(options)
    if report not in (None, "-"):
        outputs.append(Output(str(report), "--json", (".json",)))
    made = [os.path.realpath(output.path) for output in outputs if output.folder]
    check_outputs(outputs, inputs, made)


def check_report(options: Any, report: str) -> None:
    """Check the file for the run report alone, as `check_command` does: for the report of a command that failed."""
    inputs, outputs = _paths_of(options)
    files = [output.path for output in outputs if not output.folder]
    check_outputs([Output(report, "--json", (".json",))], [*inputs, *files])


def _paths_of(options: Any) -> tuple[list[str], list[Output]]:
    """The inputs and the outputs that the options of a command name."""
    inputs: list[str] = []
    outputs: list[Output] = []
    for info in describe_options(type(options)):
        value = getattr(options, info.name)
        paths = [str(path) for path in (value if isinstance(value, (list, tuple)) else [value]) if path]
        kind, endings = info.metadata["path"], info.metadata["endings"]
        if kind == "in":
            inputs += [part for path in paths for part in {path, path.partition("=")[2]} if part]
        elif kind:
            folder = kind == "folder" or (kind == "place" and (names_folder(paths[0]) if paths else False))
            outputs += [Output(path, info.flag, "" if kind == "place" else endings, folder) for path in paths]
    return inputs, outputs


def check_outputs(outputs: Iterable[Output], inputs: Iterable[str], folders_made: Sequence[str] = ()) -> None:
    """Refuse outputs that cannot be written, or would take the place of something else.

    Parameters
    ----------
    outputs : iterable of Output
    inputs : iterable of str
        Files and folders; of a folder of images each file counts.
    folders_made : sequence of str
        Folders that the command makes itself; they need not exist yet.

    Raises
    ------
    FileError
        If an ending is not known, or a folder is missing or not writable.
    InputError
        If an output is, contains or lies in an input, two outputs are one file, or a folder would be replaced.
    """
    sources = [source for path in inputs for source in _sources(path)]
    named: dict[str, Output] = {}
    for output in outputs:
        place = _place_of(output.path)
        if place in named:
            raise InputError(
                f"{output.path} is given for two outputs ({named[place].option} and {output.option}); choose another "
                "name for one of them."
            )
        named[place] = output
        for source in sources:
            _require_apart(output, place, source)
        _require_no_folder(output)
        _require_ending(output)
        _require_writable(output, folders_made)


def _place_of(path: str) -> str:
    """Where a path leads: one text for all names that lead there, as far as they differ in what the system ignores."""
    place = os.path.normcase(os.path.realpath(path))
    return unicodedata.normalize("NFC", place).casefold() if sys.platform == "darwin" else place


def names_folder(path: str) -> bool:
    """Whether a person means a folder: one that is there (OME-Zarr aside), or a name that ends as a folder's."""
    return path.endswith(("/", os.sep)) or (Path(path).is_dir() and not is_zarr_folder_name(path))


def require_folder_name(path: str) -> None:
    """Refuse the name of a file where a folder for several outputs is to be made."""
    from ACSegLib.files.registry import writable_endings

    if not names_folder(path) and path.lower().endswith(tuple(writable_endings())):
        raise InputError(
            f"--output {path} is the name of a file; name a folder, in which each segmentation has the name of its "
            "image."
        )


def segment_paths(path: str, segments: Sequence[str]) -> list[str]:
    """Names of the files for each segment: `path`, with the segment's name before the ending when there are several.

    No two are the same, also where names differ by what cannot be in a file's name, or by capitals alone.
    """
    if len(segments) == 1:
        return [path]
    file = Path(path)
    base = stem(file)
    taken: set[str] = set()
    paths = []
    for segment in segments:
        word = "".join(c if c.isalnum() else "_" for c in unicodedata.normalize("NFC", segment))
        unique, number = word, 1
        while unique.casefold() in taken:
            number += 1
            unique = f"{word}-{number}"
        taken.add(unique.casefold())
        paths.append(str(file.with_name(f"{base}-{unique}{file.name[len(base) :]}")))
    return paths


@dataclass(frozen=True)
class _Source:
    """An input: its name, its place, and what two names of one file have in common."""

    path: str
    place: str
    identity: tuple[int, int]
    folder: bool


def _sources(path: str) -> list[_Source]:
    """What is read where a path is named: a file, a folder that is one image, or each file of a folder of images."""
    if not os.path.exists(path):
        return []
    folder = os.path.isdir(path)
    if folder and not (is_zarr_folder_name(path) or _in_zarr(path) or is_one_image(path)):
        try:
            return [source for file in find_files([path]) for source in _sources(file)]
        except FileError:  # it holds no image: what it is good for, the command will say
            return []
    status = os.stat(path)
    return [_Source(path, _place_of(path), (status.st_dev, status.st_ino), folder)]


def _require_apart(output: Output, place: str, source: _Source) -> None:
    """Refuse an output that is, contains or lies in an input."""
    same = place == source.place
    if os.path.exists(output.path) and source.identity[1]:  # some network drives of Windows number no files
        status = os.stat(output.path)
        same = (status.st_dev, status.st_ino) == source.identity
    if same:
        raise InputError(f"{output.option} {output.path} is an input of this step; choose another name for the output.")
    if not output.folder and source.place.startswith(place.rstrip(os.sep) + os.sep):
        raise InputError(
            f"{output.option} {output.path} contains the input {source.path}, which would be lost; choose another name "
            "for the output."
        )
    if source.folder and place.startswith(source.place.rstrip(os.sep) + os.sep):
        raise InputError(
            f"{output.option} {output.path} is inside the input {source.path}; choose another folder for the output."
        )


def _require_ending(output: Output) -> None:
    if output.folder or not output.endings:
        return
    if output.endings == "image":
        from ACSegLib.files.registry import format_for_ending

        format_for_ending(output.path)
    elif output.endings == "table":
        from ACSegLib.files.tables import check_table_path

        check_table_path(output.path)
    elif not output.path.lower().endswith(tuple(output.endings)):
        raise InputError(f"{output.option} {output.path} must end in {' or '.join(output.endings)}.")


def _require_writable(output: Output, folders_made: Sequence[str]) -> None:
    if output.folder:
        return
    parent = os.path.realpath(Path(output.path).parent)
    if not any(parent == made or parent.startswith(made + os.sep) for made in folders_made):
        require_writable_folder(output.path)


def _require_no_folder(output: Output) -> None:
    """Refuse a file in the place of a folder, or the reverse; a Zarr that ACSeg wrote may be replaced."""
    if output.folder:
        if os.path.isfile(output.path):
            raise InputError(f"{output.option} {output.path} is a file; name a folder.")
        return
    if not os.path.isdir(output.path):
        if output.path.endswith(("/", os.sep)):
            raise InputError(f"{output.option} {output.path} is the name of a folder; name a file.")
        return
    if not is_zarr_folder_name(output.path):
        raise InputError(f"{output.option} {output.path} is a folder; name a file in it.")
    if extra := _not_of_acseg(Path(output.path)):
        raise InputError(
            f"{output.option} {output.path} exists and contains files that ACSeg did not write ({extra}), so it "
            "is not replaced; choose another name, or remove it first."
        )


def _not_of_acseg(folder: Path) -> str:
    """Name something in a Zarr folder that ACSeg did not write; empty if all of it is an image of ACSeg's."""
    from ACSegLib.files.record import KEY

    entries = {entry.name for entry in folder.iterdir()}
    if not entries:
        return ""
    try:
        attributes = json.loads((folder / ".zattrs").read_text(encoding="utf-8"))
        levels = {row["path"] for row in attributes["multiscales"][0]["datasets"]}
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return sorted(entries)[0]
    if KEY not in attributes:
        return ".zattrs"
    more = entries - levels - {".zattrs", ".zgroup", ".zmetadata"}
    return sorted(more)[0] if more else ""


def _in_zarr(path: str) -> bool:
    """Whether a folder lies in a Zarr, and is no folder of files."""
    return any(is_zarr_folder_name(parent) for parent in Path(os.path.realpath(path)).parents)
