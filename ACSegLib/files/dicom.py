"""DICOM series (a folder of slices or a multi-frame file) through SimpleITK; in millimetres."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ACSegLib.errors import FileError
from ACSegLib.files.axes import arrange
from ACSegLib.files.content import Content, Request, SeveralError
from ACSegLib.volume import Geometry

NAME = "DICOM"
ENDINGS: tuple[str, ...] = ()
LAYERS = False

_ENDINGS = (".dcm", ".ima", "")


def recognises(path: Path, head: bytes) -> bool:
    """Tell whether DICM stands at byte 128 of the file, or of a file in the folder."""
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
        image = SimpleITK.ReadImage(str(path), imageIO="GDCMImageIO")
        return _content(SimpleITK, image, path, "")
    series = SimpleITK.ImageSeriesReader.GetGDCMSeriesIDs(str(path))
    if request.dataset and request.dataset in series:
        series = (request.dataset,)
    if len(series) != 1:
        known = ", ".join(series) or "none"
        raise SeveralError(f"{path}: holds {len(series)} DICOM series; choose one with --dataset: {known}.")
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(path), series[0]))
    return _content(SimpleITK, reader.Execute(), path, series[0])


def _content(itk: Any, image: Any, path: Path, series: str) -> Content:
    if image.GetNumberOfComponentsPerPixel() > 1:
        raise FileError(
            f"{path}: has {image.GetNumberOfComponentsPerPixel()} colour channels; save one channel as a volume."
        )
    found = itk.GetArrayFromImage(image)
    array, _ = arrange(found, list("tzyx"[-found.ndim :]), path)
    geometry = Geometry(image.GetSpacing(), image.GetOrigin(), image.GetDirection(), "mm")
    return Content((array,), geometry, meta={"dataset": series})


def inventory(path: Path) -> list[dict[str, Any]]:
    """List the series of a folder."""
    import SimpleITK

    if not path.is_dir():
        return []
    return [{"dataset": uid} for uid in SimpleITK.ImageSeriesReader.GetGDCMSeriesIDs(str(path))]
