"""Which images are meant: files, folders of images, and folders that are one image (slices, DICOM, OME-Zarr)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ACSegLib.errors import FileError
from ACSegLib.files.names import (
    IMAGE_ENDINGS,
    SEGMENTATION_ENDING,
    TIFF_ENDINGS,
    is_image_name,
    is_zarr_folder_name,
    stem,
)

#: A folder of TIFF files is looked at no further when this many of them are single slices.
_SLICES_TO_BELIEVE = 5


def find_files(paths: Sequence[str]) -> list[str]:
    """The files named, and the images in the folders named (not in their sub-folders), sorted by name.

    A folder that is one image counts as a file.

    Raises
    ------
    FileError
        If a path does not exist or a folder holds no image.
    """
    files: list[str] = []
    for path in paths:
        entry = Path(path)
        if not entry.exists():
            raise FileError(f"{path}: there is no such file or folder; check the name.")
        if entry.is_file() or is_zarr_folder_name(entry) or is_one_image(path):
            files.append(str(path))
            continue
        inside = sorted(str(p) for p in entry.iterdir() if is_image_name(p.name))
        if not inside and any(part.is_dir() for part in entry.iterdir()):
            raise FileError(
                f"{path}: the folder holds no image, and its sub-folders are not searched; name one of them."
            )
        if not inside:
            raise FileError(f"{path}: the folder holds no image ({', '.join(IMAGE_ENDINGS)}).")
        files += inside
    return files


def find_images(paths: Sequence[str]) -> list[str]:
    """The images named, and those in the folders named; segmentations (.seg.nrrd) that lie beside them are left out.

    Raises
    ------
    FileError
        If a path does not exist or a folder holds no image.
    """
    images: list[str] = []
    for path in paths:
        files = find_files([path])
        images += [file for file in files if not file.lower().endswith(SEGMENTATION_ENDING)] or files
    return images


def find_labels(paths: Sequence[str]) -> list[str]:
    """The label files named, and those in the folders named; images that lie beside their segmentations are left out.

    An image is known by a segmentation of its name: of cell.mrc and cell.seg.nrrd only the second holds labels.

    Raises
    ------
    FileError
        If a path does not exist or a folder holds no image.
    """
    label_files: list[str] = []
    for path in paths:
        files = find_files([path])
        drawn = {stem(file) for file in files if file.lower().endswith(SEGMENTATION_ENDING)}
        label_files += [file for file in files if file.lower().endswith(SEGMENTATION_ENDING) or stem(file) not in drawn]
    return label_files


def is_folder_of_images(path: str) -> bool:
    """Whether a path is a folder whose files are images of their own."""
    return Path(path).is_dir() and not is_one_image(path)


def is_one_image(path: str) -> bool:
    """Whether a folder is one image: OME-Zarr, a DICOM series, or numbered slices."""
    from ACSegLib.files import open_volume
    from ACSegLib.files.formats import slices
    from ACSegLib.files.registry import collect_notes, recognise

    if not Path(path).is_dir():
        return False
    try:
        kind = recognise(path).NAME
    except FileError:
        return False
    if kind != slices.NAME:
        return True
    files = sorted(str(p) for p in Path(path).iterdir() if is_image_name(p.name))
    others = [file for file in files if not file.lower().endswith(TIFF_ENDINGS)]
    if len(others) > len(slices.slices_of(Path(path))):
        return False
    for file in files[:_SLICES_TO_BELIEVE]:
        try:
            with collect_notes():  # they are told when the image is read
                open_volume(file, lazy_from=0)
        except FileError:  # a slice, or a damaged volume: the next one tells
            continue
        return False
    return True
