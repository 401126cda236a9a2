"""What is said of files that ACSeg does not read: what they are, and what to do."""

import gzip

import numpy as np
import pytest
import SimpleITK
from PIL import Image

from ACSegLib.errors import FileError
from ACSegLib.files import open_volume

VOXELS = np.arange(1, 121, dtype=np.uint8).reshape(4, 5, 6)


@pytest.mark.parametrize("name", ["a.gipl", "a.nrrd.gz", "a.webp"])
def test_files_of_other_programs_are_named(name, tmp_path):
    words = {"a.gipl": "older format.*nii.gz", "a.nrrd.gz": "gzip.*unpack", "a.webp": "WebP"}
    path = tmp_path / name
    if name == "a.gipl":
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VOXELS), str(path))
    elif name == "a.nrrd.gz":
        path.write_bytes(gzip.compress(b"NRRD0004"))
    else:
        Image.fromarray(VOXELS[0]).save(path)
    with pytest.raises(FileError, match=words[name]):
        open_volume(path)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.raw", VOXELS.tobytes(), "without a header.*save it as .nrrd"),
        ("a.raw", b"<html>", "web page"),
        ("a.mgz", gzip.compress(bytes(300)), "FreeSurfer.*mri_convert"),
        ("a.dm4", b"\0\0\0\x04" + bytes(300), "DigitalMicrograph"),
        ("a.mrml", b"<MRML></MRML>", "scene of Slicer"),
        ("a.companion.ome", b"<?xml version='1.0'?><OME/>", "metadata of OME-TIFF"),
        ("a.avi", b"RIFF\0\0\0\0AVI ", "film"),
        ("a.STL", bytes(80) + b"\1\0\0\0" + bytes(50), "surface mesh.*labels that it was made from"),
        ("a.em", b"\6\0\0\5" + bytes(508), "TOM or SPIDER.*e2proc3d"),
        ("a.labeling", b'{"labels": {}}', "Labkit.*save it as .tif"),
        ("a.ORSObject", bytes(300), "Dragonfly.*TIFF stacks"),
        ("a.tar.gz", gzip.compress(bytes(512)), "an archive.*unpack it"),
        ("n5/attributes.json", b"{}", "N5.*OME-Zarr"),
        ("precomputed/info", b"{}", "Neuroglancer.*OME-Zarr"),
    ],
)
def test_what_names_and_first_bytes_tell(name, data, words, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    with pytest.raises(FileError, match=words):
        open_volume(path.parent if "/" in name else path)


@pytest.mark.parametrize(
    ("header", "packed", "data"),
    [("cell.v2.mhd", False, "cell.v2.raw"), ("cell.mhd", True, "cell.zraw"), ("cell.nhdr", True, "cell.raw.gz")],
)
def test_the_header_of_voxels_is_named(header, packed, data, tmp_path):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VOXELS), str(tmp_path / header), packed)
    with pytest.raises(FileError, match=rf"{data}: holds the voxels of {header}; open {header}"):
        open_volume(tmp_path / data)
    (tmp_path / header).unlink()
    with pytest.raises(FileError, match=data) as caught:
        open_volume(tmp_path / data)
    assert "holds the voxels" not in str(caught.value)
