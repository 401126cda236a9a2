"""DICOM series (a folder of slices or a multi-frame file) through SimpleITK, and SEG objects; in millimetres.

ITK spreads the slices of a series evenly, whatever their positions are, and leaves out files that it cannot read. Both
are found here by the positions that the slices state, and refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files.axes import arrange
from ACSegLib.files.content import CHOOSE, Content, Part, Request, SeveralError
from ACSegLib.files.formats import dicom_frames, dicom_seg
from ACSegLib.files.formats.dicom_elements import HEAD_BYTES, require_fitting_elements, start_of_elements
from ACSegLib.files.names import DICOM_ENDINGS
from ACSegLib.files.plain_paths import plain_path
from ACSegLib.volume import Geometry

NAME = "DICOM"
ENDINGS: tuple[str, ...] = ()
LAYERS = False

#: The list of the files on a medium, beside the folders that hold them; it is DICOM, but no image.
_LIST = "DICOMDIR"
#: Files of a folder that are looked at: those with an ending of DICOM, which often have none, and others.
_LOOKED_AT = 20
_LISTED = 5
#: Slope, intercept and sign of the values of a slice.
_VALUE_TAGS = ("0028|1053", "0028|1052", "0028|0103")
_PHOTOMETRIC, _FROM_WHITE = "0028|0004", "MONOCHROME1"
_PIXEL_SPACING = "0028|0030"
#: Position, orientation and location of a slice.
_PLACE_TAGS = ("0020|0032", "0020|0037", "0020|1041")
#: Folders below one that are looked into for DICOM files.
_MAX_FOLDERS = 1000


def recognises(path: Path, head: bytes) -> bool:
    """Whether the file, or a file in the folder, begins as DICOM does."""
    if not path.is_dir():
        return start_of_elements(head) is not None
    files = [file for file in sorted(path.iterdir()) if file.name.upper() != _LIST]
    named = [file for file in files if file.suffix.lower() in DICOM_ENDINGS]
    return any(_is_dicom(file) for file in [*named[:_LOOKED_AT], *files[:_LOOKED_AT]])


def folders_below(folder: Path) -> list[str]:
    """Name the folders below one that hold DICOM files, with the number of files in each."""
    found: list[str] = []
    waiting = [folder]
    for _ in range(_MAX_FOLDERS):
        if not waiting:
            break
        place = waiting.pop(0)
        with contextlib.suppress(OSError):  # not ours to read
            entries = sorted(place.iterdir())
            files = [entry for entry in entries if entry.is_file()]
            waiting += [entry for entry in entries if entry.is_dir() and not entry.is_symlink()]
            if place != folder and any(_is_dicom(file) for file in files[:_LOOKED_AT]):
                found.append(f"{place.relative_to(folder)} ({len(files)} files)")
    return found


def _is_dicom(file: Path) -> bool:
    if not file.is_file():
        return False
    with open(file, "rb") as stream:
        return start_of_elements(stream.read(HEAD_BYTES)) is not None


def read(path: Path, request: Request) -> Content:
    """Read the series (chosen by its UID through `dataset` where there are several), in true order along its normal."""
    import SimpleITK

    if not path.is_dir():
        if path.name.upper() == _LIST:
            raise FileError(
                f"{path}: is the list of the DICOM files beside it, and no image; give one of their folders: "
                f"{', '.join(folders_below(path.parent)[:_LISTED]) or path.parent}."
            )
        if dicom_seg.is_segmentation(path):
            return dicom_seg.read(path)
        header = dicom_frames.read_header(path)
        found = dicom_frames.order_of_frames(header, path)
        image = SimpleITK.ReadImage(plain_path(path), imageIO="GDCMImageIO")
        content = dicom_frames.with_frames(_content(SimpleITK, image, path, ""), header, found, path)
        content.notes += _inverted(image.GetMetaData(_PHOTOMETRIC) if image.HasMetaDataKey(_PHOTOMETRIC) else "")
        content.notes += dicom_frames.notes_on_values(header)
        if len(content.array) == 1:
            content.notes.append("is a single slice; give the folder of all slices for a volume.")
        return content
    names, files = _series(SimpleITK, path)
    if request.dataset and request.dataset in names:
        names = (request.dataset,)
    if len(names) == 0 and len(files) == 1 and dicom_seg.is_segmentation(files[0]):
        return dicom_seg.read(files[0])
    if len(names) == 0:
        dicom_frames.read_header(files[0])  # says what it is instead of an image
    if len(names) != 1:
        known = ", ".join(f"{name} ({len(_files_of(SimpleITK, path, name))} files)" for name in names) or "none"
        raise SeveralError(f"{path}: holds {len(names)} DICOM series; {CHOOSE}: {known}.")
    chosen = _files_of(SimpleITK, path, names[0])
    if len(chosen) == 1 and dicom_seg.is_segmentation(Path(chosen[0])):
        return dicom_seg.read(Path(chosen[0]))
    reader = SimpleITK.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames(chosen)
    reader.MetaDataDictionaryArrayUpdateOn()
    try:
        with _without_warnings(SimpleITK):  # what they tell is found below
            image = reader.Execute()
    except RuntimeError:
        dicom_frames.require_one_size([Path(file) for file in chosen], path)
        raise
    values = {tuple(_tag_numbers(reader, n, tag) for tag in _VALUE_TAGS) for n in range(len(chosen))}
    if len(values) > 1:  # ITK gives all slices the type of the first, which may not hold the values of others
        reader.SetOutputPixelType(SimpleITK.sitkFloat32)
        image = reader.Execute()
    content = _content(SimpleITK, image, path, names[0])
    content.notes += _inverted(reader.GetMetaData(0, _PHOTOMETRIC) if reader.HasMetaDataKey(0, _PHOTOMETRIC) else "")
    return _placed(content, reader, [Path(file) for file in chosen], path)


@contextlib.contextmanager
def _without_warnings(itk: Any) -> Iterator[None]:
    """Keep ITK's warnings from the terminal."""
    shown = itk.ProcessObject.GetGlobalWarningDisplay()
    itk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        itk.ProcessObject.SetGlobalWarningDisplay(shown)


def _placed(content: Content, reader: Any, files: list[Path], path: Path) -> Content:
    """Give the slices of a series the place and size that they state, after a check that they lie evenly."""
    header = dicom_frames.read_header(files[0])
    content.notes += dicom_frames.notes_on_values(header)
    if len(files) == 1:
        return dicom_frames.with_frames(content, header, dicom_frames.order_of_frames(header, files[0]), files[0])
    places, turns, locations = ([_tag_numbers(reader, n, tag) for n in range(len(files))] for tag in _PLACE_TAGS)
    dicom_frames.require_one_pixel_size([_tag_numbers(reader, n, _PIXEL_SPACING) for n in range(len(files))], path)
    positioned = all(len(place) == 3 for place in places)
    if positioned and all(len(turn) == 6 for turn in turns):
        dicom_frames.require_even_slices(np.array(places), np.array(turns), path)
        if not reader.HasMetaDataKey(0, _PIXEL_SPACING):
            content = dicom_frames.with_stated_sizes(content, header, content.geometry.spacing[2])
        return content
    along, note = _along(places, locations)
    content.notes.append(note)
    if along is None:
        return dicom_frames.with_stated_sizes(content, header)
    if positioned:
        content.geometry = replace(content.geometry, origin=places[int(np.argmin(along))])
    return dicom_frames.with_order_along(content, along, header, path)


def _along(places: list[tuple[float, ...]], locations: list[tuple[float, ...]]) -> tuple[np.ndarray | None, str]:
    """Where slices of unknown directions lie along a line, None where nothing tells; and a note."""
    if all(len(place) == 3 for place in places):
        positions = np.array(places)
        line = positions[np.argmax(np.linalg.norm(positions - positions[0], axis=1))] - positions[0]
        line *= np.sign(line[np.argmax(np.abs(line))]) / (np.linalg.norm(line) or 1.0)
        return positions @ line, _note_of_planes("directions", "positions")
    if all(len(location) == 1 for location in locations):
        return np.ravel(locations), _note_of_planes("positions", "slice locations")
    return None, "states no positions of its slices; they are sorted by their numbers."


def _note_of_planes(missing: str, used: str) -> str:
    return f"states no {missing} of its slices; they were taken as parallel planes in the order of their {used}."


def _files_of(itk: Any, folder: Path, series: str) -> tuple[str, ...]:
    """The files of a series, in the order of their positions."""
    return tuple(itk.ImageSeriesReader.GetGDCMSeriesFileNames(plain_path(folder), series))


def _series(itk: Any, folder: Path) -> tuple[tuple[str, ...], list[Path]]:
    """The series of a folder, and all its DICOM files; FileError where a file belongs to no series that can be read."""
    files = [file for file in sorted(folder.iterdir()) if file.name.upper() != _LIST and _is_dicom(file)]
    for file in files:
        require_fitting_elements(file)
    names = itk.ImageSeriesReader.GetGDCMSeriesIDs(plain_path(folder))
    known = {Path(file).name for name in names for file in _files_of(itk, folder, name)}
    lost = [file.name for file in files if file.name not in known]
    if lost and names:
        more = f" and {len(lost) - _LISTED} more" if len(lost) > _LISTED else ""
        raise FileError(
            f"{folder}: {', '.join(lost[:_LISTED])}{more} cannot be read as a part of a series; the file is damaged or "
            "cut short. Copy it again from its source, or move it elsewhere."
        )
    return names, files


def _tag_numbers(reader: Any, n: int, tag: str) -> tuple[float, ...]:
    """The numbers of a tag of slice `n`; none where it has no such tag."""
    if not reader.HasMetaDataKey(n, tag):
        return ()
    try:
        return tuple(float(word) for word in reader.GetMetaData(n, tag).split("\\"))
    except ValueError:
        return ()


def _inverted(photometric: str) -> list[str]:
    """The note on values that ITK turns from white to black into black to white."""
    if photometric.strip() != _FROM_WHITE:
        return []
    return ["stores its values from white to black (MONOCHROME1); they are inverted, as in ITK and Slicer."]


def _content(itk: Any, image: Any, path: Path, series: str) -> Content:
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise FileError(
            f"{path}: has {image.GetNumberOfComponentsPerPixel()} colour channels; save one channel as a volume."
        )
    found = itk.GetArrayFromImage(image)
    array, _ = arrange(found, list("tzyx"[-found.ndim :]), path)
    geometry = Geometry(image.GetSpacing()[:3], image.GetOrigin()[:3], _directions(image), "mm")
    return Content((array,), geometry, meta={"dataset": series})


def _directions(image: Any) -> tuple[float, ...]:
    size = image.GetDimension()
    return tuple(np.reshape(image.GetDirection(), (size, size))[:3, :3].ravel())


def inventory(path: Path) -> list[Part]:
    """List the series of a folder."""
    import SimpleITK

    if not path.is_dir():
        return []
    return [Part(uid) for uid in _series(SimpleITK, path)[0]]
