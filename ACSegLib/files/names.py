"""Names of image files: the endings by which files are found in folders, and names without them.

What a file holds is told by its content, whatever its name; see `ACSegLib.files.registry.recognise`.
"""

from __future__ import annotations

import os
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
#: Endings of the files of which each is one slice of an image.
TIFF_ENDINGS, PICTURE_ENDINGS = (".tif", ".tiff"), (".png", ".bmp", ".jpg", ".jpeg", ".pgm")
DICOM_ENDINGS = (".dcm", ".ima")


def is_image_name(name: str) -> bool:
    """Whether a name has an ending of images; files whose names begin with a point are hidden."""
    return name.lower().endswith(IMAGE_ENDINGS) and not name.startswith(".")


def stem(path: str | os.PathLike[str]) -> str:
    """Name without folder and format ending."""
    name = Path(path).name
    for ending in IMAGE_ENDINGS:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return Path(name).stem
