"""Analyze 7.5 against ITK (place, voxel size) and nibabel (values)."""

import struct

import nibabel
import numpy as np
import pytest
import SimpleITK

from ACSegLib.errors import FileError
from ACSegLib.files import open_volume
from ACSegLib.files.registry import collect_notes

ARRAY = (np.arange(3 * 4 * 5) - 7).reshape(3, 4, 5).astype(np.int16)
AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])


def _write(folder, kind=nibabel.AnalyzeImage, array=ARRAY, order="<"):
    header = kind.header_class(endianness=order)
    header.set_data_dtype(array.dtype)
    nibabel.save(kind(array.T, AFFINE, header), str(folder / "a.hdr"))
    return folder / "a.hdr"


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [nibabel.AnalyzeImage, nibabel.Spm99AnalyzeImage, nibabel.Spm2AnalyzeImage])
@pytest.mark.parametrize("ending", [".hdr", ".img"])
def test_as_itk(kind, order, ending, tmp_path):
    path = _write(tmp_path, kind, order=order)
    image = SimpleITK.ReadImage(str(path))
    with collect_notes() as notes:
        found = open_volume(path.with_suffix(ending))
    np.testing.assert_array_equal(found.array, SimpleITK.GetArrayFromImage(image))
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.geometry.unit == "mm"
    np.testing.assert_allclose(found.geometry.spacing, image.GetSpacing())
    np.testing.assert_allclose(found.geometry.origin, image.GetOrigin())
    np.testing.assert_allclose(found.geometry.direction, image.GetDirection())
    assert "does not tell left from right" in notes[0]
    assert any("a.mat" in note for note in notes) == (tmp_path / "a.mat").exists()


def test_the_scale_of_spm(tmp_path):
    values = ARRAY.astype(np.float32) * 0.37
    image = nibabel.Spm2AnalyzeImage(values.T, AFFINE)
    image.set_data_dtype(np.int16)
    nibabel.save(image, str(tmp_path / "a.hdr"))
    with pytest.warns(UserWarning, match="its values were multiplied by it"):
        found = open_volume(tmp_path / "a.hdr").array
    np.testing.assert_allclose(found, np.asarray(nibabel.load(tmp_path / "a.hdr").dataobj).T)
    np.testing.assert_allclose(found, values, atol=1e-3)


def test_a_header_without_its_voxels(tmp_path):
    path = _write(tmp_path)
    voxels = (tmp_path / "a.img").read_bytes()
    (tmp_path / "a.img").write_bytes(voxels[:-3])
    with pytest.raises(FileError, match=r"a\.hdr.*117 bytes.*120"):
        open_volume(path)
    (tmp_path / "a.img").unlink()
    with pytest.raises(FileError, match=r"its voxels a\.img are missing"):
        open_volume(path)


def test_voxels_that_the_header_does_not_state_are_told(tmp_path):
    path = _write(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[70:74] = struct.pack("<2h", 2, 8)
    path.write_bytes(raw)
    with pytest.warns(UserWarning, match="holds 120 bytes of image data, but its header states 60"):
        open_volume(path)
