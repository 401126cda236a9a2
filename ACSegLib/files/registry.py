"""Opens and saves files of any format: recognises by content, chooses by ending, turns failures into one sentence."""

from __future__ import annotations

import contextlib
import importlib
import locale
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from ACSegLib.errors import FileError, InputError, MemoryLimitError
from ACSegLib.files import label_tables
from ACSegLib.files.atomic import atomic_output
from ACSegLib.files.content import Content, NotHeldError, Part, Request
from ACSegLib.files.label_values import label_values, look_like_intensities, look_like_labels
from ACSegLib.files.lazy import lazily
from ACSegLib.files.names import SEGMENTATION_ENDING, stem
from ACSegLib.volume import (
    Segment,
    Segmentation,
    Volume,
    default_colour,
    unique_values,
)


class Format(Protocol):
    """What a format's module offers; a module that only reads has no `write` and no ENDINGS."""

    NAME: str
    ENDINGS: tuple[str, ...]
    LAYERS: bool

    def recognises(self, path: Path, head: bytes) -> bool:
        """Whether the file (or folder) is of this format, from its first bytes."""
        ...

    def read(self, path: Path, request: Request) -> Content:
        """Read the part asked for."""
        ...

    def write(self, content: Content, path: Path) -> list[str]:
        """Write the content; gives a sentence for each thing that the format cannot hold."""
        ...


#: Modules in the order in which they are asked; the loosest rules come last.
_MODULES = (
    *("nrrd", "nifti", "analyze", "metaimage", "tiff", "hdf5", "bdv", "amira", "numpy_file", "ome_zarr", "dicom"),
    *("slices", "mrc"),
)
_HEAD = 4096
#: Endings of labels beside which other programs keep names and colours, and the format for which ACSeg does.
_WITH_TABLES = (".nii.gz", ".nii", ".hdr", ".img", ".nrrd", ".nhdr", ".mha", ".mhd", ".tif", ".tiff", ".mrc")
_TABLES_BESIDE = "NIfTI"
#: Values of a mask.
_TWO = 2
#: Formats of which a data set, and of which a resolution level, can be chosen.
WITH_DATASETS = ("TIFF", "HDF5", "BigDataViewer", "AmiraMesh", "OME-Zarr", "DICOM", "folder of slices")
WITH_LEVELS = ("TIFF", "OME-Zarr")
_NOTES: ContextVar[list[str] | None] = ContextVar("notes on files", default=None)


def formats() -> list[Format]:
    """All formats, in the order in which they are asked."""
    return [cast(Format, importlib.import_module(f"ACSegLib.files.formats.{name}")) for name in _MODULES]


def recognise(path: str | os.PathLike[str]) -> Format:
    """Find the format of a file or folder by its content.

    Raises
    ------
    FileError
        If it does not exist, is empty, cannot be read or is of no known format.
    """
    path = Path(path)
    head = _head(path)
    for candidate in formats():
        if candidate.recognises(path, head):
            return candidate
    from ACSegLib.files.unknown import unknown

    raise unknown(path, head, [f.NAME for f in formats()])


def _head(path: Path) -> bytes:
    if not path.exists():
        raise FileError(f"{path}: there is no such file or folder; check the name.")
    if path.is_dir():
        return b""
    if not path.is_file():
        raise FileError(f"{path}: is not a regular file but a pipe or a device; copy its content into a file first.")
    try:
        with open(path, "rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check its permissions.") from error
    if not head:
        raise FileError(f"{path}: is an empty file; copy it again from its source.")
    return head


def read_content(
    path: str | os.PathLike[str], dataset: str | None = None, level: int | None = None, *, gaps: bool = False
) -> Content:
    """Read a file as it is, image or labels; see `open_volume` and `open_segmentation`."""
    from ACSegLib.files.grids import note_on_ratio, straightened

    path = Path(path)
    chosen = recognise(path)
    try:
        with _locale_kept():
            content = chosen.read(path, Request(dataset, level, gaps))
    except (FileError, ImportError):
        raise
    except MemoryError as error:
        raise MemoryLimitError(
            f"{path}: does not fit into memory ({error or 'no more is free'}); close other programs, or open a coarser "
            "level or a part of it."
        ) from error
    except InputError as error:  # an impossible voxel size or direction in the header
        raise FileError(f"{path}: {error}") from error
    except Exception as error:  # libraries raise anything at all on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FileError(
            f"{path}: this {chosen.NAME} file is damaged or cut short ({reason}); copy it again from its source."
        ) from error
    content.geometry = straightened(content.geometry, path)
    content.notes += note_on_ratio(content.geometry)
    content.meta.setdefault("format", chosen.NAME)
    if dataset and chosen.NAME not in WITH_DATASETS:
        content.notes.append(f"{chosen.NAME} has no data sets, so {dataset!r} chooses nothing.")
    if level and chosen.NAME not in WITH_LEVELS:
        content.notes.append(f"{chosen.NAME} has no resolution levels, so level {level} chooses nothing.")
    if content.notes:
        content.meta["notes"] = [f"{path.name}: {note}" for note in content.notes]
        tell(content.meta["notes"])
    return content


@contextlib.contextmanager
def _locale_kept() -> Iterator[None]:
    """Undo what a library does to the locale of the process, in which others write dates and numbers."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        yield
    finally:
        if locale.setlocale(locale.LC_ALL) != before:
            locale.setlocale(locale.LC_ALL, before)


@contextlib.contextmanager
def collect_notes() -> Iterator[list[str]]:
    """Gather the notes on files that are read within the block, in the order in which they come, each once.

    Outside such a block they are Python warnings. `meta["notes"]` of a Volume or Segmentation holds its own as well.
    """
    notes: list[str] = []
    token = _NOTES.set(notes)
    try:
        yield notes
    finally:
        _NOTES.reset(token)


def tell(notes: Sequence[str]) -> None:
    """Pass notes on to the block of `collect_notes`, or as Python warnings where there is none."""
    collected = _NOTES.get()
    for note in notes:
        if collected is None:
            warnings.warn(note, stacklevel=_level_of_caller())
        elif note not in collected:
            collected.append(note)


def _level_of_caller() -> int:
    """How many calls up the code lies that is not of ACSeg: a warning names its line."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "ACSegLib":
        level, frame = level + 1, frame.f_back
    return level


def inventory(path: str | os.PathLike[str]) -> list[Part]:
    """List what a file holds (data sets, levels, series); empty where the format holds one image only."""
    listing = getattr(recognise(path), "inventory", None)
    return listing(Path(path)) if listing else []


def open_volume(
    path: str | os.PathLike[str],
    *,
    dataset: str | None = None,
    level: int | None = None,
    lazy_from: int | None = None,
    labels_too: bool = False,
) -> Volume:
    """Open a 3D image of any known format, recognised by its content.

    Parameters
    ----------
    path : path
        A file, or a folder of slices, DICOM files or OME-Zarr.
    dataset : str, optional
        Path of the data set inside an HDF5 file that holds several.
    level : int, optional
        Resolution level of a multiscale image; 0 is the finest and the default.
    lazy_from : int, optional
        Images of more bytes are left on the disk: mapped, or (Zarr) read part by part as they are used; see `lazy`.
    labels_too : bool
        Whether a segmentation may be meant; otherwise a note says that the file is one.

    Returns
    -------
    Volume
        In the file's own number type and machine byte order; `meta["format"]` names the format.

    Raises
    ------
    FileError
        If the file cannot be read, or does not hold one 3D image.
    MemoryLimitError
        If it does not fit into memory.
    """
    with lazily(lazy_from):
        content = read_content(path, dataset, level)
    note = "" if labels_too else _note_on_labels(content, Path(path))
    if note:
        content.meta["notes"] = [*content.meta.get("notes", []), note]
        tell([note])
    return _volume_of(content, Path(path))


def _note_on_labels(content: Content, path: Path) -> str:
    """A sentence on labels that are read as an image."""
    if content.segments is not None:
        return f"{path.name}: is a segmentation; its label values are used as intensities."
    if len(content.layers) == 1 and look_like_labels(content.array):
        return (
            f"{path.name}: its values look like labels, since they are whole numbers that hardly change from voxel to "
            "voxel; check that it is the tomogram."
        )
    return ""


def open_any(
    path: str | os.PathLike[str], *, dataset: str | None = None, level: int | None = None, lazy_from: int | None = None
) -> Volume | Segmentation:
    """Open a file with a segment table as a segmentation, and any other as a volume; see `open_volume`."""
    with lazily(lazy_from):
        content = read_content(path, dataset, level)
    return _volume_of(content, Path(path)) if content.segments is None else segmentation_of(content, Path(path))


def _volume_of(content: Content, path: Path) -> Volume:
    if len(content.layers) > 1:
        raise FileError(f"{path}: contains {len(content.layers)} layers of overlapping segments, not one image.")
    return Volume(content.array, content.geometry, stem(path), content.meta)


def open_segmentation(
    path: str | os.PathLike[str], *, dataset: str | None = None, level: int | None = None, gaps: bool = False
) -> Segmentation:
    """Open labels of any known format, with the names, colours and layers that the file holds.

    Values without a row in the file's table (or without a table) get the name "Segment_<value>". Whole numbers kept
    as floating point, as MRC masks often are, are accepted, and values less than 0.05 beside them are rounded. Layers
    come out in unsigned integers. With `gaps`, a folder may hold some slices only, which
    `ACSegLib.placement.place_labels` lays on the slices of the same names.

    Raises
    ------
    FileError
        As `open_volume`; and if the values are not whole numbers of 0 or more.
    """
    return segmentation_of(read_content(path, dataset, level, gaps=gaps), Path(path))


def _name_from_table(content: Content, path: Path) -> None:
    """Take names and colours from a table that lies beside the labels."""
    found = label_tables.read_beside(path, stem(path))
    if found is not None:
        content.segments, file = found
        note = f"{path.name}: its names are those of {file.name}."
        content.meta["notes"] = [*content.meta.get("notes", []), note]
        tell([note])


def segmentation_of(content: Content, path: Path, *, image_too: bool = False) -> Segmentation:
    """Make a segmentation of what a file holds, also of an image if `image_too`; see `open_segmentation`."""
    if content.segments is None and path.is_file() and path.name.lower().endswith(_WITH_TABLES):
        _name_from_table(content, path)
    if content.meta.get("lossy") and any(len(unique_values(layer)) > _TWO for layer in content.layers):
        raise FileError(
            f"{path}: is packed by JPEG, which changes values, so that other labels appear at the edges of each; save "
            "the labels without JPEG, as PNG or TIFF."
        )
    read = [label_values(layer, path) for layer in content.layers]
    layers, notes = tuple(values for values, _ in read), [note for _, note in read if note]
    if not image_too and content.segments is None and any(map(look_like_intensities, layers)):
        raise FileError(
            f"{path}: its values change from voxel to voxel, as those of an image do; give the file with the labels."
        )
    present = [unique_values(layer) for layer in layers]
    if content.segments is None and not image_too:
        notes = [*_note_on_background(present[0], path), *notes]
    rows, doubled = _named_once(content.segments or [], path)
    notes += doubled
    if notes:
        content.meta["notes"] = [*content.meta.get("notes", []), *notes]
        tell(notes)
    segments = [_with_usable_colour(segment, n) for n, segment in enumerate(rows)]
    for number, values in enumerate(present):
        known = {s.value for s in segments if s.layer == number}
        for value in values:
            if value and int(value) not in known:
                colour = default_colour(len(segments))
                segments.append(Segment(f"Segment_{value}", int(value), colour, number))
    return Segmentation(layers, segments, content.geometry, stem(path), content.meta)


def _named_once(rows: Sequence[Segment], path: Path) -> tuple[list[Segment], list[str]]:
    """The first row of each value, and notes on others: the same voxels would be two segments."""
    kept: dict[tuple[int, int], Segment] = {}
    notes = []
    for row in rows:
        first = kept.setdefault((row.layer, row.value), row)
        if first is not row:
            notes.append(f"{path.name}: its value {row.value} has two names; {first.name} is used, not {row.name}.")
    return list(kept.values()), notes


def _note_on_background(values: np.ndarray, path: Path) -> list[str]:
    """The note on label values of which none is 0, as those of ilastik, whose first class often is the background."""
    if len(values) < _TWO or not values[0]:
        return []
    return [
        f"{path.name}: all its voxels are labelled, so that it has no background; if label {values[0]} is it, name it "
        f"so: acseg convert with --names {values[0]}=background."
    ]


def _with_usable_colour(segment: Segment, n: int) -> Segment:
    """Replace a colour that is none (not a number, not three) and bring others between 0 and 1."""
    if len(segment.colour) != 3 or not np.all(np.isfinite(segment.colour)):
        return replace(segment, colour=default_colour(n))
    if min(segment.colour) < 0 or max(segment.colour) > 1:
        return replace(segment, colour=tuple(min(max(v, 0.0), 1.0) for v in segment.colour))
    return segment


def writable_endings() -> list[str]:
    """The endings that `save_volume` and `save_segmentation` know."""
    return [ending for f in formats() for ending in f.ENDINGS]


def format_for_ending(path: str | os.PathLike[str]) -> Format:
    """Find the format that a name asks for by its ending; FileError if no format has it."""
    name = Path(path).name.lower()
    found = [(len(e), f) for f in formats() for e in f.ENDINGS if name.endswith(e)]
    if not found:
        raise FileError(f"cannot write {path}: the name must end in one of: {', '.join(writable_endings())}.")
    return max(found, key=lambda pair: pair[0])[1]


def save_volume(volume: Volume, path: str | os.PathLike[str]) -> list[str]:
    """Write an image in the format that the ending of `path` names, whole or not at all.

    Returns
    -------
    list of str
        A sentence for each thing that this format cannot hold.

    Raises
    ------
    FileError
        If the ending is unknown, the format cannot hold the values, or the disk refuses.
    """
    lost = _save(Content((volume.array,), volume.geometry, None, volume.meta), Path(path))
    if Path(path).name.lower().endswith(SEGMENTATION_ENDING):
        lost.append(
            f"{Path(path).name}: is an image, and Slicer opens files of this name as segmentations; use .nrrd, or read "
            "the file as labels (acseg convert --as labels)."
        )
    return lost


def save_segmentation(segmentation: Segmentation, path: str | os.PathLike[str]) -> list[str]:
    """Write labels in the format that the ending of `path` names, whole or not at all.

    Names and colours are kept in every format; overlapping segments only in .seg.nrrd, and elsewhere the later row of
    the table wins.

    Returns
    -------
    list of str
        A sentence for each thing that this format cannot hold.
    """
    target = format_for_ending(path)
    lost = []
    if segmentation.overlapping and not target.LAYERS:
        lost.append(
            f"{Path(path).name}: {target.NAME} cannot hold overlapping segments; where they overlap the later one was "
            "kept. Save as .seg.nrrd to keep all."
        )
        segmentation = segmentation.flattened()
    rows = [replace(segment) for segment in segmentation.segments]
    lost += _save(Content(segmentation.layers, segmentation.geometry, rows, segmentation.meta), Path(path))
    if target.NAME == _TABLES_BESIDE:
        lost += label_tables.write_beside(rows, Path(path), stem(path))
    return lost


def _save(content: Content, path: Path) -> list[str]:
    target = format_for_ending(path)
    content.layers = tuple(_plain(layer) for layer in content.layers)
    try:
        with atomic_output(path) as temporary:
            lost = target.write(content, temporary)
    except NotHeldError as error:
        raise FileError(f"cannot write {path}: {error}") from error
    except RuntimeError as error:  # SimpleITK's for a full disk
        reason = str(error).strip().splitlines()[-1].removeprefix("Reason: ")
        raise FileError(f"cannot write {path}: {reason}; free some space or choose another folder.") from error
    return [f"{path.name}: {sentence}" for sentence in lost]


def _plain(array: np.ndarray) -> np.ndarray:
    """Give the array in memory, in a type that every format knows: native byte order, masks as bytes."""
    array = np.asarray(array)  # one that was left on the disk is read here
    return array.view(np.uint8) if array.dtype.kind == "b" else array.astype(array.dtype.newbyteorder("="), copy=False)
