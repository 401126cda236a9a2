"""A command on each file of a folder, mostly with a result of the same name in another folder.

Whatever is wrong with one file does not stop the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, Protocol, TypeVar

from ACSegLib.commands.batch import failure_lines
from ACSegLib.commands.run_report import Results
from ACSegLib.errors import Cancelled, InputError
from ACSegLib.files.names import stem
from ACSegLib.jobs import Progress
from ACSegLib.wording import counted

Of = TypeVar("Of", bound=Results)
Single = TypeVar("Single")


class _WithOutput(Protocol):
    output: str


Writing = TypeVar("Writing", bound=_WithOutput)


@dataclass
class FolderResults(Results, Generic[Of]):
    """What a folder gave: results by the name of the file, what failed and why, and what was there already."""

    optional: ClassVar[tuple[str, ...]] = ("failures", "skipped")

    images: dict[str, Of]
    failures: dict[str, str]
    skipped: list[str]


def places_in_folder(
    output: str, files: Sequence[str], ending: str, endings: str | tuple[str, ...] = "image", others: Sequence[str] = ()
) -> dict[str, str]:
    """Give the file for the result of each file, checked before the work.

    Parameters
    ----------
    output : str
        The folder of the results.
    files : sequence of str
    ending : str
        Of the results.
    endings : str or tuple of str
        What fits, see `ACSegLib.commands.outputs.Output`.
    others : sequence of str
        Other files that are read.
    """
    from ACSegLib.commands.outputs import Output, check_outputs, require_folder_name

    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--output {output} is a file, but the input is a folder of images; name a folder.")
    require_folder_name(output)
    places = {file: str(folder / f"{stem(file)}{ending}") for file in files}
    outputs = [Output(place, "--output", endings) for place in places.values()]
    check_outputs(outputs, [*files, *others], [os.path.realpath(folder)])
    return places


def run_each(
    singles: Mapping[str, Writing],
    run: Callable[[Writing, Progress], Of],
    folder: str,
    progress: Progress,
    *,
    failures: Mapping[str, str] | None = None,
    skip_existing: bool = False,
) -> FolderResults[Of]:
    """Run a command on each file of a folder.

    Parameters
    ----------
    singles : mapping
        The name of each file -> the options of the command for it, with its ``output``.
    run : callable
        The command on one file.
    folder : str
        Of the results; made if there is none.
    progress : Progress
    failures : mapping, optional
        What cannot be done -> why.
    skip_existing : bool
        Leave out what is there.
    """
    from ACSegLib.files.atomic import output_folders

    todo = {n: single for n, single in singles.items() if not (skip_existing and Path(single.output).exists())}
    results = FolderResults[Of]({}, dict(failures or {}), [name for name in singles if name not in todo])
    with output_folders(Path(folder)):
        results.images, failed = tried_each(todo, run, progress)
    results.failures |= failed
    results.outputs = {name: todo[name].output for name in results.images}
    results.exit_code = 2 if results.failures else 0
    return results


def tried_each(
    singles: Mapping[str, Single], run: Callable[[Single, Progress], Of], progress: Progress
) -> tuple[dict[str, Of], dict[str, str]]:
    """Run a command with each options; gives the results by name, and why the others have none."""
    from ACSegLib.commands.batch import reason

    done: dict[str, Of] = {}
    failures: dict[str, str] = {}
    for name, part in progress.each(list(singles)):
        try:
            done[name] = run(singles[name], part)
        except Cancelled:
            raise
        except Exception as error:  # whatever is wrong with one file must not lose the others
            failures[name] = reason(error)
    return done, failures


def describe_each(results: Of | FolderResults[Of], describe: Callable[[Of], str]) -> str:
    """What became of a file, or of each file of a folder, and what failed."""
    if not isinstance(results, FolderResults):
        return describe(results)
    lines = [f"{name}: {describe(image)}" for name, image in results.images.items()]
    if results.skipped:
        lines.append(f"skipped, because the results exist: {counted(len(results.skipped), 'images')}")
    return "\n".join([*lines, *failure_lines(results.failures, len(results.images) + len(results.failures))])
