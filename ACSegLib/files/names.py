"""Names of image files: the endings by which files are found in folders, and names without them.

What a file holds is told by its content, whatever its name; see `ACSegLib.files.registry.recognise`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

#: Ending of the files that Slicer opens as segmentations.
SEGMENTATION_ENDING = ".seg.nrrd"
#: Endings of the files that hold an image or labels each; of two that fit, the longer one comes first.
IMAGE_ENDINGS = (
    SEGMENTATION_ENDING, ".nrrd", ".nhdr", ".nii.gz", ".nii", ".hdr", ".mha", ".mhd",
    ".ome.tiff", ".ome.tif", ".tiff", ".tif", ".btf",
    ".ome.zarr.zip", ".zarr.zip", ".ozx", ".ome.zarr", ".zarr", ".hdf5", ".hdf", ".h5", ".he5", ".ims", ".am",
    ".mrc", ".rec", ".map", ".st", ".mrc.gz", ".rec.gz", ".map.gz", ".npy",
)  # fmt: skip
_ZARR_FOLDER = ".zarr"
#: Endings of the files of which each is one slice of an image.
TIFF_ENDINGS, PICTURE_ENDINGS = (".tif", ".tiff"), (".png", ".bmp", ".jpg", ".jpeg", ".jp2", ".j2k", ".pgm")
DICOM_ENDINGS = (".dcm", ".ima")


#: What no name of a file on Windows has in it, and names of devices, whatever follows their point.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(COM|LPT)[0-9\u00b9\u00b2\u00b3])( *\..*| *)", re.IGNORECASE)


def unfit_for_windows(name: str) -> str:
    """Why a name cannot be that of a file on Windows; "" for one that can."""
    if found := _FORBIDDEN.search(name):
        return f"names of files on Windows have no {found[0]!r}"
    if _DEVICE.fullmatch(name):
        return f"{name.partition('.')[0]} is the name of a device on Windows"
    return "names of files on Windows do not end in a point or a space" if name.endswith((".", " ")) else ""


def as_file_name(text: str) -> str:
    """A text that names something, such as "run2/cell", as a name that a file can have on every system."""
    word = _FORBIDDEN.sub("-", text).rstrip(". ")
    return f"_{word}" if not word or _DEVICE.fullmatch(word) else word


def path_from(path: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None) -> str:
    """A path relative to a folder, by default the current one; the whole path where it is on another drive."""
    try:
        return os.path.relpath(path, folder)
    except ValueError:
        return os.path.abspath(path)


def is_image_name(name: str) -> bool:
    """Whether a name has an ending of images; files whose names begin with a point are hidden."""
    return name.lower().endswith(IMAGE_ENDINGS) and not name.startswith(".")


def is_zarr_folder_name(path: str | os.PathLike[str]) -> bool:
    """Whether a path has the ending of Zarr's folders (OME-Zarr among them), each of which is one image."""
    return Path(path).name.lower().endswith(_ZARR_FOLDER)


def stem(path: str | os.PathLike[str]) -> str:
    """Name without folder and format ending."""
    name = Path(path).name
    for ending in IMAGE_ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return Path(name).stem
