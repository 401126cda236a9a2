"""DICOM series (a folder of slices or a multi-frame file) through SimpleITK, and SEG objects; in millimetres.

ITK spreads the slices of a series evenly, whatever their positions are, and leaves out files that it cannot read. Both
are found here by the positions that the slices state, and refused.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import FileError
from ACSegLib.files import dicom_seg
from ACSegLib.files.axes import arrange
from ACSegLib.files.content import CHOOSE, MAX_INFLATION, Content, Part, Request, SeveralError, truncated
from ACSegLib.files.dicom_elements import require_fitting_elements
from ACSegLib.volume import Geometry

NAME = "DICOM"
ENDINGS: tuple[str, ...] = ()
LAYERS = False

_ENDINGS = (".dcm", ".ima", "")
_LISTED = 5
#: How far a slice may lie from its place, as a fraction of the slice distance.
_TOLERANCE = 0.02


def recognises(path: Path, head: bytes) -> bool:
    """Whether DICM stands at byte 128 of the file, or of a file in the folder."""
    if not path.is_dir():
        return head[128:132] == b"DICM"
    return any(_is_dicom(file) for file in sorted(path.iterdir())[:20] if file.suffix.lower() in _ENDINGS)


def _is_dicom(file: Path) -> bool:
    if not file.is_file():
        return False
    with open(file, "rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def read(path: Path, request: Request) -> Content:
    """Read the series (chosen by its UID through `dataset` where there are several), in true order along its normal."""
    import SimpleITK

    if not path.is_dir():
        if dicom_seg.is_segmentation(path):
            return dicom_seg.read(path)
        frames = _frame_places(path)
        if frames:
            require_even_slices(*frames, path)
        return _content(SimpleITK, SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO"), path, "")
    names, files = _series(SimpleITK, path)
    if request.dataset and request.dataset in names:
        names = (request.dataset,)
    if len(names) == 0 and len(files) == 1 and dicom_seg.is_segmentation(files[0]):
        return dicom_seg.read(files[0])
    if len(names) != 1:
        known = ", ".join(names) or "none"
        raise SeveralError(f"{path}: holds {len(names)} DICOM series; {CHOOSE}: {known}.")
    chosen = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(path), names[0])
    if len(chosen) == 1 and dicom_seg.is_segmentation(Path(chosen[0])):
        return dicom_seg.read(Path(chosen[0]))
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(chosen)
    reader.MetaDataDictionaryArrayUpdateOn()
    image = reader.Execute()
    places = [_tag_numbers(reader, n, "0020|0032") for n in range(len(chosen))]
    turns = [_tag_numbers(reader, n, "0020|0037") for n in range(len(chosen))]
    content = _content(SimpleITK, image, path, names[0])
    if len(chosen) > 1 and all(len(place) == 3 for place in places) and all(len(turn) == 6 for turn in turns):
        require_even_slices(np.array(places), np.array(turns), path)
    elif len(chosen) > 1:
        content.notes.append("states no positions of its slices; they are sorted by their numbers.")
    return content


def _series(itk: Any, folder: Path) -> tuple[tuple[str, ...], list[Path]]:
    """The series of a folder, and all its DICOM files; FileError where a file belongs to no series that can be read."""
    files = [file for file in sorted(folder.iterdir()) if file.name.upper() != "DICOMDIR" and _is_dicom(file)]
    for file in files:
        require_fitting_elements(file)
    names = itk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    known = {
        Path(file).name for name in names for file in itk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), name)
    }
    lost = [file.name for file in files if file.name not in known]
    if lost and names:
        more = f" and {len(lost) - _LISTED} more" if len(lost) > _LISTED else ""
        raise FileError(
            f"{folder}: {', '.join(lost[:_LISTED])}{more} cannot be read as a part of a series; the file is damaged or "
            "cut short. Copy it again from its source, or move it elsewhere."
        )
    return names, files


def _tag_numbers(reader: Any, n: int, tag: str) -> list[float]:
    """The numbers of a tag of slice `n`; none where it has no such tag."""
    if not reader.HasMetaDataKey(n, tag):
        return []
    try:
        return [float(word) for word in reader.GetMetaData(n, tag).split("\\")]
    except ValueError:
        return []


def _frame_places(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Positions and orientations of the frames of a multi-frame file; None where it states none for each."""
    import pydicom

    require_fitting_elements(path)
    tags = [*dicom_seg.PLACE_TAGS, "BitsAllocated", "SamplesPerPixel"]
    dataset = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
    _require_bytes(dataset, path)
    if int(dataset.get("NumberOfFrames", 1) or 1) < 2:
        return None
    frames = dicom_seg.frame_places(dataset)
    return None if frames is None else (frames.positions, frames.orientations)


def _require_bytes(dataset: Any, path: Path) -> None:
    """Raise FileError where the header promises more voxels than the file holds, before ITK reserves memory."""
    names = ("Rows", "Columns", "NumberOfFrames", "BitsAllocated", "SamplesPerPixel")
    if not dataset.get("Rows") or not dataset.get("Columns"):
        raise FileError(f"{path}: this DICOM file holds no image, or is damaged; copy it again from its source.")
    promised = math.prod(int(dataset.get(name) or 1) for name in names) // 8
    packed = getattr(dataset.file_meta.get("TransferSyntaxUID"), "is_compressed", False)
    most = path.stat().st_size * (MAX_INFLATION if packed else 1)
    if promised > most:
        raise truncated(path, most, promised)


def require_even_slices(positions: np.ndarray, orientations: np.ndarray, path: Path) -> None:
    """Raise FileError unless slices lie one behind the other, all at one distance.

    Parameters
    ----------
    positions : ndarray, shape (n, 3)
        ImagePositionPatient of each slice, in the order in which they were read.
    orientations : ndarray, shape (n, 6)
        ImageOrientationPatient of each slice.
    """
    if np.abs(orientations - orientations[0]).max() > 1e-3:
        raise FileError(
            f"{path}: its slices lie in different directions; keep only those of one direction in the folder."
        )
    normal = np.cross(orientations[0, :3], orientations[0, 3:])
    along = positions @ normal
    steps = np.diff(along)
    if np.mean(steps) < 0:
        steps = -steps
    step = float(np.median(steps))
    if np.any(steps < _TOLERANCE * abs(step)) or step <= 0:
        place = along[int(np.argmin(steps))]
        raise FileError(f"{path}: several slices have the same position ({place:g} mm); keep one of them.")
    gaps = np.flatnonzero(steps > 1.5 * step)
    if len(gaps):
        n = int(gaps[0])
        raise FileError(
            f"{path}: slices are missing: those at {along[n]:g} and {along[n + 1]:g} mm are {steps[n]:g} mm apart, the "
            f"others {step:g} mm. Add the missing ones, or keep one of the parts."
        )
    if np.abs(steps - step).max() > _TOLERANCE * step:
        raise FileError(
            f"{path}: its slices are {steps.min():g} to {steps.max():g} mm apart; resample them to one distance."
        )
    sideways = positions - positions[0] - np.outer(along - along[0], normal)
    if np.abs(sideways).max() > _TOLERANCE * step * len(steps):
        raise FileError(
            f"{path}: its slices are displaced sideways (a tilted gantry), so its axes are not at right angles; "
            "resample them to a straight grid first."
        )


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
