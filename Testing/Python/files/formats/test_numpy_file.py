"""Arrays of NumPy, and what is said of files of other kinds."""

import numpy as np
import pytest

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume
from ACSegLib.volume import Geometry

ARRAY = (np.arange(4 * 5 * 6) * 271).reshape(4, 5, 6)


@pytest.mark.parametrize("kind", ["u1", "<i2", ">u4", "f2", ">f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_types_and_orders_of_memory(kind, order, tmp_path):
    array = np.asarray(ARRAY.astype(kind), order=order)
    np.save(tmp_path / "a.npy", array)
    for limit in (None, 0):
        found = open_volume(tmp_path / "a.npy", lazy_from=limit)
        np.testing.assert_array_equal(found.array, array)
        assert found.array.dtype == array.dtype.newbyteorder("=")
        assert found.geometry == Geometry()


def test_labels(tmp_path):
    np.save(tmp_path / "a.npy", ARRAY % 3)
    assert [segment.name for segment in open_segmentation(tmp_path / "a.npy").segments] == ["Segment_1", "Segment_2"]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (ARRAY[0], "2D image"),
        (np.zeros((2, 4, 5, 6)), "4 dimensions|2 time|2D|3D"),
        (np.zeros((4, 5, 6), [("a", "u1"), ("b", "f4")]), "not one number per voxel"),
        (np.array([{}, None], object), "objects of Python"),
        (np.array({"masks": ARRAY}), "objects of Python.*Cellpose.*save its masks as TIFF"),
        (np.zeros((0, 5, 6)), "not one number per voxel"),
        (ARRAY.astype(complex), "complex"),
    ],
)
def test_other_arrays_are_refused(array, words, tmp_path):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(FileError, match=words):
        open_volume(tmp_path / "a.npy")


def test_a_cut_array_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", ARRAY)
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    with pytest.raises(FileError, match="cut short"):
        open_volume(tmp_path / "a.npy")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"\.txrm.*export it as TIFF"),
        (b"ZISRAWFILE", "CZI"),
        (b"IoutX", "an outline of ImageJ"),
        (b"IMODV1.2", "with imodmop"),
        (b"solid cube\nfacet normal 0 0 1\n", "surface mesh"),
        (b"# vtk DataFile Version 3.0\n", "VTK file"),
        (b'<?xml version="1.0"?>\n<VTKFile type="ImageData">', "VTK file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html>", "web page"),
        (b"RIFF\0\0\1\0AVI LIST", r"film \(AVI\).*frames as a stack of TIFF"),
        (b"\x1aE\xdf\xa3\x93B\x82", "film"),
        (b"\0\0\0\x18ftypmp42", r"film \(MP4, MOV\)"),
        (b"CDF\x01", "netCDF 3.*nccopy"),
        (b"SIMPLE  =                    T", "FITS.*Fiji"),
        (b"7z\xbc\xaf\x27\x1c", "an archive.*unpack it"),
        (b"anything else", "save it in one of these, in the program that wrote it or in Fiji: NRRD, .*MRC"),
    ],
)
def test_other_kinds_are_named(start, words, tmp_path):
    (tmp_path / "a.dat").write_bytes(start + bytes(2000))
    with pytest.raises(FileError, match=words):
        open_volume(tmp_path / "a.dat")
