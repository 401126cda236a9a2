"""Which label file belongs to which image: from folders, lists, or a table; every mismatch is named."""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ACSegLib.commands.inputs import find_files, find_images, is_folder_of_images
from ACSegLib.commands.opening import open_image, open_labels
from ACSegLib.errors import FileError, InputError
from ACSegLib.files.names import stem
from ACSegLib.placement import place_labels

if TYPE_CHECKING:
    from ACSegLib.volume import Segmentation, Volume

#: Words that people add to the name of an image or of its labels, at either end.
_ROLE_WORDS = (
    "seg", "segmentation", "label", "labels", "mask", "masks", "gt", "truth", "annotation", "filled", "drawn", "final",
    "image", "img", "volume", "vol", "tomogram",
)  # fmt: skip
_AT_END = re.compile(rf"[-_. ](?:{'|'.join(_ROLE_WORDS)}|0000)$")
_AT_START = re.compile(rf"^(?:{'|'.join(_ROLE_WORDS)})[-_. ]")
#: Pairs that a note lists.
_LISTED = 10
_TABLE_COLUMNS = "image, labels and, if wanted, set (train or validation)"


@dataclass(frozen=True)
class PairOfFiles:
    """An image file, its label file, and the name both go by."""

    name: str
    image: str
    labels: str

    def openers(self, options: Any) -> tuple[Callable[[], Volume], Callable[[], Segmentation]]:
        """Give functions that open the image, and its labels on the image's grid, as a command's options say.

        ``options.resample`` tells whether labels on another grid may be resampled; see
        `ACSegLib.placement.place_labels`.
        """
        from ACSegLib.files.registry import tell
        from ACSegLib.special_segments import role_notes

        grid: list[Volume] = []  # the image without its voxels, once it has been opened

        def image() -> Volume:
            volume = open_image(self.image, options)
            grid[:] = [replace(volume, array=np.broadcast_to(volume.array[:1, :1, :1], volume.shape))]
            return volume

        def labels() -> Segmentation:
            segmentation = open_labels(self.labels, options, gaps=True)
            tell(role_notes(segmentation))
            if not grid:
                image()
            return place_labels(segmentation, grid[0], resample=options.resample)

        return image, labels


def core_name(path: str) -> str:
    """Name of a file without folder, format and role words: "cell1_seg.nrrd" and "img-cell1.mrc" give "cell1"."""
    name = unicodedata.normalize("NFC", stem(path)).lower()  # macOS may write accents as letters of their own
    while True:
        shorter = _AT_START.sub("", _AT_END.sub("", name))
        if not shorter or shorter == name:
            return name
        name = shorter


def find_pairs(images: Sequence[str], labels: Sequence[str], what: str = "training") -> list[PairOfFiles]:
    """Pair images and labels: two folders (or lists) by name, two lists of one length whose names differ by order.

    Raises
    ------
    InputError
        Listing every image without labels, labels without image, and name that is there twice.
    """
    pairs, problems = pair_up(images, labels)
    if problems:
        raise not_paired(what, list(problems.values()))
    return pairs


def pair_up(images: Sequence[str], labels: Sequence[str]) -> tuple[list[PairOfFiles], dict[str, str]]:
    """Pair images and labels as `find_pairs` does.

    Returns
    -------
    pairs : list of PairOfFiles
    problems : dict of path to str
        What is wrong with each image or label file that is in no pair.
    """
    image_files = find_images(images)
    label_files = find_files(labels)
    label_files = [path for path in label_files if path not in image_files] or label_files  # one file may hold both
    by_core: dict[str, list[str]] = {}
    for path in label_files:
        by_core.setdefault(core_name(path), []).append(path)
    pairs, problems, seen = [], dict[str, str](), dict[str, str]()
    for image in image_files:
        core = core_name(image)
        candidates = by_core.get(core, [])
        if core in seen:
            problems[image] = f"{image} and {seen[core]} have one name; rename one of them"
        elif not candidates:
            problems[image] = f"{image} has no labels (no file is named {core} or {core}_seg, {core}_labels, ...)"
        elif len(candidates) > 1:
            problems[image] = f"{image} has several label files: {', '.join(candidates)}; keep one of them"
        else:
            pairs.append(PairOfFiles(core, image, candidates[0]))
        seen[core] = image
    for core, paths in by_core.items():
        if core not in seen:
            problems.update({path: f"{path} has no image" for path in paths})
    if problems and not pairs and _are_lists(images, labels):
        return _in_order(image_files, label_files), {}
    return pairs, problems


def _in_order(images: Sequence[str], labels: Sequence[str]) -> list[PairOfFiles]:
    """Pair lists whose names say nothing by their order; which is told.

    Raises
    ------
    InputError
        If the numbers in the names pair them otherwise: a shell lists scan_10 before scan_2, but gt_02 before gt_10.
    """
    from ACSegLib.files.registry import tell

    pairs = list(zip(images, labels, strict=True))
    by_number = _by_number(images, labels)
    for image, label in pairs:
        other = by_number.get(image, label)
        if other != label:
            raise InputError(
                f"the images and labels are paired by their order, since their names differ, but {image} comes with "
                f"{label}, and {other} has its number; give both lists in one order, or rename the files alike."
            )
    once = len({Path(path).name for path in [*images, *labels]}) == 2 * len(pairs)
    shown = [[Path(path).name if once else path for path in pair] for pair in pairs]
    listed = ", ".join(f"{image} with {label}" for image, label in shown[:_LISTED])
    more = f" and {len(pairs) - _LISTED} more" if len(pairs) > _LISTED else ""
    if len(pairs) > 1:
        tell([f"images and labels were paired by their order, since their names differ: {listed}{more}."])
    names = _distinct_names(images)
    return [PairOfFiles(name, image, label) for name, (image, label) in zip(names, pairs, strict=True)]


def _by_number(images: Sequence[str], labels: Sequence[str]) -> dict[str, str]:
    """The label file that has the numbers of an image in its name, or its last number; none unless each has one."""
    for first in (0, -1):
        keys = {path: _numbers(path)[first:] for path in [*images, *labels]}
        found = {keys[path]: path for path in labels}
        if len(found) == len(labels) and {keys[path] for path in images} == found.keys():
            return {path: found[keys[path]] for path in images}
    return {}


def _numbers(path: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"\d+", core_name(path)))


def pair_folders(images: str, labels: str) -> tuple[list[PairOfFiles], dict[str, str]]:
    """Pair the files of two folders for a work that goes on where some are in no pair.

    Returns
    -------
    pairs : list of PairOfFiles
        One or more.
    failures : dict of str to str
        The name of each file that is in no pair -> why, as a sentence.

    Raises
    ------
    InputError
        If there is no pair.
    """
    pairs, problems = pair_up([images], [labels])
    if not pairs:
        raise not_paired("given", list(problems.values()))
    return pairs, {Path(path).name: f"{problem}." for path, problem in problems.items()}


def not_paired(what: str, problems: Sequence[str]) -> InputError:
    """The error that lists why images and labels are in no pair."""
    if len(problems) == 1:
        return InputError(f"the {what} images and labels cannot be paired: {problems[0]}.")
    return InputError(f"the {what} images and labels cannot be paired:\n" + "\n".join(f"  - {p}" for p in problems))


def read_table(path: str | os.PathLike[str]) -> tuple[list[PairOfFiles], list[PairOfFiles]]:
    """Read training and validation pairs from a CSV table with a header; paths are relative to the table.

    Raises
    ------
    FileError
        If it cannot be read.
    InputError
        If a column is missing, or a row names a file that does not exist.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"the table {path} cannot be read ({error}); give a CSV file in UTF-8.") from error
    separator = max(",;\t", key=text.partition("\n")[0].count)
    reader = csv.DictReader(text.splitlines(), delimiter=separator)
    columns = {(name or "").strip().lower(): name for name in reader.fieldnames or []}
    if "image" not in columns or "labels" not in columns:
        raise InputError(f"the table {path} has the columns {', '.join(columns) or 'none'}; it needs {_TABLE_COLUMNS}.")
    rows: list[tuple[str, str, bool]] = []
    problems = []
    for number, row in enumerate(reader, start=2):
        files = [(row[columns[key]] or "").strip() for key in ("image", "labels")]
        paths = [str(Path(path).parent / name) for name in files]
        missing = [p for p, name in zip(paths, files, strict=True) if not name or not os.path.exists(p)]
        group = (row.get(columns.get("set", "set")) or "train").strip().lower()
        if missing:
            problems.append(f"line {number}: {missing[0]} does not exist")
        elif group not in ("train", "training", "validation", "val"):
            problems.append(f"line {number}: set is {group!r}, not train or validation")
        else:
            rows.append((paths[0], paths[1], group.startswith("train")))
    if problems:
        raise InputError(f"the table {path} cannot be used:\n" + "\n".join(f"  - {p}" for p in problems))
    names = _distinct_names([image for image, _, _ in rows])
    training, validation = (
        [PairOfFiles(n, i, s) for n, (i, s, trains) in zip(names, rows, strict=True) if trains is wanted]
        for wanted in (True, False)
    )
    return training, validation


def _distinct_names(images: Sequence[str]) -> list[str]:
    """Name of each image: of its file, and with its folders where files of several folders have one name."""
    names = [core_name(path) for path in images]
    if len(set(names)) == len(names):
        return names
    return [Path(path).with_name(name).as_posix() for path, name in zip(images, names, strict=True)]


def _are_lists(images: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether files were named one by one, as many images as labels."""
    return len(images) == len(labels) and not any(is_folder_of_images(p) for p in [*images, *labels])
