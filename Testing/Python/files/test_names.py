"""Names of image files; the endings themselves are listed here by hand, from the programs that write them."""

import os

from ACSegLib.app.folder import Folder
from ACSegLib.commands.inputs import find_files
from ACSegLib.files.names import IMAGE_ENDINGS, stem
from ACSegLib.files.registry import writable_endings

#: Of Slicer, ITK, IMOD, tifffile, ImageJ, h5py, Imaris, Amira, OME-Zarr and NumPy.
NAMES = (
    *("a.seg.nrrd", "a.nrrd", "a.nhdr", "a.nii", "a.nii.gz", "a.hdr", "a.mha", "a.mhd", "a.mrc", "a.rec", "a.map"),
    *("a.st", "a.mrc.gz", "a.REC", "a.tif", "a.TIFF", "a.ome.tif", "a.btf", "a.h5", "a.hdf5", "a.hdf", "a.he5"),
    *("a.ims", "a.am", "a.ozx", "a.ome.zarr.zip", "a.npy"),
)


def test_what_can_be_written_is_found_again():
    assert set(writable_endings()) <= set(IMAGE_ENDINGS)


def test_a_name_loses_its_whole_ending():
    assert {stem(f"folder/{name}") for name in NAMES} == {"a"}
    assert [stem(name) for name in ("cell.v2.mrc", "cell.nii.old", "cell")] == ["cell.v2", "cell.nii", "cell"]


def test_shell_and_page_find_the_same_images(tmp_path):
    images = [f"{n}-{name}" for n, name in enumerate(NAMES)]  # names must differ by more than upper and lower case
    for name in (*images, "a.txt", "a.csv", ".hidden.mrc", "a.mrc.mdoc"):
        (tmp_path / name).touch()
    expected = sorted(images)
    assert sorted(os.path.basename(path) for path in find_files([str(tmp_path)])) == expected
    assert sorted(entry.path for entry in Folder(tmp_path).entries()) == expected
