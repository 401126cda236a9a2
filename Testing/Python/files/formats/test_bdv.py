"""BigDataViewer's HDF5 and XML, written by hand after its documentation."""

import h5py
import numpy as np
import pytest

from ACSegLib.errors import FileError
from ACSegLib.files import open_volume
from ACSegLib.files.registry import collect_notes, inventory
from ACSegLib.volume import Geometry

ARRAY = (np.arange(4 * 6 * 8) * 301).reshape(4, 6, 8).astype(np.uint16)

SETUP = "<ViewSetup><id>{0}</id><size>8 6 4</size><voxelSize><unit>{1}</unit><size>{2}</size></voxelSize></ViewSetup>"
REGISTRATION = (
    '<ViewRegistration timepoint="0" setup="{0}"><ViewTransform type="affine"><affine>{1}</affine></ViewTransform>'
    "</ViewRegistration>"
)
SCALED, TURNED = "2 0 0 0 0 3 0 0 0 0 4 0", "0 2 0 0 3 0 0 0 0 0 4 7"


def _write(folder, setups=(("nm", "20 30 40", SCALED),), name="cell.h5", loader='<hdf5 type="relative">{}</hdf5>'):
    """Write a file of views, each with a level of half the size, and its XML."""
    with h5py.File(folder / name, "w") as file:
        for n in range(len(setups)):
            file[f"s{n:02d}/resolutions"] = np.array([[1.0, 1, 1], [2, 2, 2]])
            file[f"s{n:02d}/subdivisions"] = np.array([[4, 4, 4], [4, 4, 4]])
            file[f"t00000/s{n:02d}/0/cells"] = (ARRAY + n).view(np.int16)
            file[f"t00000/s{n:02d}/1/cells"] = (ARRAY + n)[::2, ::2, ::2].view(np.int16)
    views = "".join(SETUP.format(n, unit, size) for n, (unit, size, _) in enumerate(setups))
    places = "".join(REGISTRATION.format(n, affine) for n, (_, _, affine) in enumerate(setups))
    (folder / "place.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?><SpimData version="0.2"><BasePath type="relative">.</BasePath>'
        f'<SequenceDescription><ImageLoader format="bdv.hdf5">{loader.format(name)}</ImageLoader>'
        f"<ViewSetups>{views}</ViewSetups></SequenceDescription><ViewRegistrations>{places}</ViewRegistrations></SpimData>",
        encoding="utf-8",
    )


@pytest.mark.parametrize("name", ["cell.h5", "place.xml"])
def test_voxel_size_and_unsigned_numbers(name, tmp_path):
    _write(tmp_path)
    with collect_notes() as notes:
        found = open_volume(tmp_path / name)
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.array.dtype == np.uint16
    assert found.geometry == Geometry((20, 30, 40), unit="nm")
    assert [note.split(": ")[1] for note in notes] == ["its voxel size is that of place.xml."]
    assert len(inventory(tmp_path / name)) == 4


def test_a_coarser_level_has_larger_voxels(tmp_path):
    _write(tmp_path)
    found = open_volume(tmp_path / "place.xml", dataset="t00000/s00/1/cells")
    np.testing.assert_array_equal(found.array, ARRAY[::2, ::2, ::2])
    assert found.geometry == Geometry((40, 60, 80), unit="nm")


def test_several_views_each_with_its_size(tmp_path):
    _write(tmp_path, [("nm", "20 30 40", SCALED), ("\u00b5m", "1 1 2", TURNED)])
    with pytest.raises(FileError, match=r"several 3D data sets.*s00/0/cells.*s01/0/cells"):
        open_volume(tmp_path / "place.xml")
    with pytest.warns(UserWarning, match="also turns or shifts the view"):
        found = open_volume(tmp_path / "place.xml", dataset="t00000/s01/0/cells")
    np.testing.assert_array_equal(found.array, ARRAY + 1)
    assert found.geometry == Geometry((1, 1, 2), unit="um")


def test_without_its_xml_the_size_is_unknown(tmp_path):
    _write(tmp_path)
    (tmp_path / "place.xml").unlink()
    with pytest.warns(UserWarning, match="no XML file of BigDataViewer beside it"):
        assert open_volume(tmp_path / "cell.h5").geometry == Geometry()


@pytest.mark.parametrize(
    ("loader", "words"),
    [
        ('<n5 type="relative">cell.n5</n5>', "keeps its images in no HDF5 file"),
        ('<hdf5 type="relative">../other.h5</hdf5>', "outside the header's folder"),
        ('<hdf5 type="relative">gone.h5</hdf5>', r"gone\.h5 is missing"),
        ("<hdf5>", "is damaged"),
    ],
)
def test_xml_without_its_voxels(loader, words, tmp_path):
    _write(tmp_path, loader=loader)
    with pytest.raises(FileError, match=words):
        open_volume(tmp_path / "place.xml")
