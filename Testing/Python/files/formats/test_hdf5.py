"""HDF5 against files written by h5py."""

import json
import re
import shutil

import h5py
import numpy as np
import pytest
import SimpleITK
from filecases import numbers

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume, save_volume
from ACSegLib.files.registry import collect_notes, inventory
from ACSegLib.files.units import assume_unit
from ACSegLib.volume import Geometry, Volume

ARRAY = numbers("u2", (4, 5, 6))


def test_the_only_volume_is_found(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("t0/channel/raw", data=ARRAY, chunks=(2, 2, 2), compression="gzip")
        data.attrs["element_size_um"] = (0.3, 0.2, 0.1)
        file["table"] = np.zeros((7, 2))
        file["names"] = np.array([b"a", b"b"])
    found = open_volume(tmp_path / "a.h5")
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.geometry == Geometry((0.1, 0.2, 0.3), unit="um")
    assert found.meta["dataset"] == "/t0/channel/raw"


@pytest.mark.parametrize("kind", [">u2", ">f4", "f2", "i1", "i8", "f8", "?"])
def test_number_types(kind, tmp_path):
    array = ARRAY > 30000 if kind == "?" else numbers(kind, (4, 5, 6))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = array
    found = open_volume(tmp_path / "a.h5").array
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


def test_several_data_sets_are_listed_and_chosen_by_path(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = ARRAY
        file["group/label"] = (ARRAY > 30000).astype(np.int64) * 300
    with pytest.raises(FileError, match=r"a\.h5.*group/label \(4 x 5 x 6, int64\); raw \(4 x 5 x 6, uint16\)"):
        open_volume(tmp_path / "a.h5")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.h5", dataset="raw").array, ARRAY)
    labels = open_segmentation(tmp_path / "a.h5", dataset="/group/label")
    assert [s.value for s in labels.segments] == [300]
    assert sorted(row.dataset for row in inventory(tmp_path / "a.h5")) == ["group/label", "raw"]
    with pytest.raises(FileError, match="no data set 'other'"):
        open_volume(tmp_path / "a.h5", dataset="other")
    with pytest.raises(FileError, match="no data set 'group'"):
        open_volume(tmp_path / "a.h5", dataset="group")


def test_axes_of_ilastik(tmp_path):
    tags = json.dumps({"axes": [{"key": key} for key in "tzyxc"]})
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file["exported_data"] = ARRAY[None, ..., None]
        file["exported_data"].attrs["axistags"] = tags
    np.testing.assert_array_equal(open_volume(tmp_path / "one.h5").array, ARRAY)
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["exported_data"] = np.zeros((1, 4, 5, 6, 2), np.float32)
        file["exported_data"].attrs["axistags"] = tags
    with pytest.raises(FileError, match=r"two\.h5.*2 channels"):
        open_volume(tmp_path / "two.h5")


def test_rows_and_columns_of_matlab(tmp_path):
    """MATLAB 7.3 stores an array (y, x, z) with the first axis running fastest."""
    array = numbers("u2", (4, 5, 6))
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        data = file.create_dataset("volume", data=array.transpose(0, 2, 1))
        data.attrs["MATLAB_class"] = np.bytes_("uint16")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.mat").array, array)


def _netcdf(group, data, steps):
    """As netCDF 4 and xarray do; xarray states units in the way of CF."""
    for n, (name, step) in enumerate(steps.items()):
        scale = group.create_dataset(name, data=2.5 + np.arange(data.shape[n]) * step)
        scale.attrs["units"] = "um"
        scale.make_scale(name)
        data.dims[n].attach_scale(scale)


def _emd(group, data, steps):
    """EMD 0.2 (emdatasets.com), as tomviz writes it."""
    group.attrs["emd_group_type"] = 1
    for n, (name, step) in enumerate(steps.items()):
        scale = group.create_dataset(f"dim{n + 1}", data=2.5 + np.arange(data.shape[n]) * step)
        scale.attrs["name"], scale.attrs["units"] = np.bytes_(name), np.bytes_("[u_m]")


def _nexus(group, data, steps):
    """NXdata (manual.nexusformat.org)."""
    group.attrs["signal"], group.attrs["axes"] = "raw", list(steps)
    for n, (name, step) in enumerate(steps.items()):
        group.create_dataset(name, data=2.5 + np.arange(data.shape[n]) * step).attrs["units"] = "um"


@pytest.mark.parametrize("with_coordinates", [_netcdf, _emd, _nexus])
def test_coordinates_beside_the_data_name_the_axes(with_coordinates, tmp_path):
    steps = {"x": 0.3, "z": 0.5, "y": 0.4}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        with_coordinates(file, file.create_dataset("raw", data=ARRAY.transpose(2, 0, 1)), steps)
    found = open_volume(tmp_path / "a.h5")
    np.testing.assert_array_equal(found.array, ARRAY)
    np.testing.assert_allclose(found.geometry.spacing, (0.3, 0.4, 0.5))
    assert (found.geometry.origin, found.geometry.unit) == ((2.5, 2.5, 2.5), "um")


@pytest.mark.parametrize("kind", ["i2", "f4"])
def test_values_are_scaled_as_netcdf_states(kind, tmp_path):
    """NetCDF User's Guide: stored values times scale_factor plus add_offset; _FillValue is a stored one."""
    stored = (np.arange(120).reshape(4, 5, 6) - 60).astype(kind)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("lac", data=stored)
        data.attrs.update({"scale_factor": np.array([0.5]), "add_offset": -3.0, "_FillValue": stored[1, 2, 3]})
        whole = file.create_dataset("labels/cells", data=stored + 60)
        whole.attrs.update({"scale_factor": 1.0, "_FillValue": np.int16(119)})
    with collect_notes() as notes:
        found = open_volume(tmp_path / "a.h5", dataset="lac").array
    wanted = stored * 0.5 - 3
    wanted[1, 2, 3] = np.nan
    np.testing.assert_array_equal(found, wanted)
    assert ["has 1 voxels that its attributes state to hold no value" in note for note in notes] == [True]
    if kind == "i2":
        found = open_segmentation(tmp_path / "a.h5", dataset="labels/cells").labels
        np.testing.assert_array_equal(found, stored + 60)


def _dream3d(file):
    """SIMPL's ImageGeom::writeGeometryToHDF5: a group of data sets."""
    geometry = file.create_group("DataContainers/Image/_SIMPL_GEOMETRY")
    for name, values in (("DIMENSIONS", (6, 5, 4)), ("SPACING", (0.25, 0.5, 2.0)), ("ORIGIN", (1.0, 2.0, 3.0))):
        geometry[name] = np.array(values, "i8" if name == "DIMENSIONS" else "f4")
    return file.create_group("DataContainers/Image/CellData")


def _dream3d_nx(file):
    """ImageGeomIO::writeData of simplnx: attributes."""
    group = file.create_group("DataStructure/Image")
    group.attrs.update({"_DIMENSIONS": np.array((6, 5, 4), "u8"), "_ORIGIN": np.array((1, 2, 3), "f4")})
    group.attrs["_SPACING"] = np.array((0.25, 0.5, 2.0), "f4")
    return group.create_group("Cell Data")


@pytest.mark.parametrize("write", [_dream3d, _dream3d_nx])
def test_an_array_of_dream3d_has_its_geometry_in_the_unit_that_the_user_names(write, tmp_path):
    path = tmp_path / "a.dream3d"
    with h5py.File(path, "w") as file:
        write(file).create_dataset("FeatureIds", data=ARRAY[..., None])
    assert open_volume(path).geometry == Geometry((0.25, 0.5, 2.0), (1.0, 2.0, 3.0), unit="px")
    with assume_unit("um"):
        found = open_volume(path)
    assert found.geometry == Geometry((0.25, 0.5, 2.0), (1.0, 2.0, 3.0), unit="um")
    np.testing.assert_array_equal(found.array, ARRAY)


def test_coordinates_of_other_names_tell_no_order(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        _netcdf(file, file.create_dataset("raw", data=ARRAY), {f"phony_dim_{n}": 1.0 for n in range(3)})
    np.testing.assert_array_equal(open_volume(tmp_path / "a.h5", dataset="raw").array, ARRAY)


def test_no_volume_at_all(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["flat"] = np.zeros((4, 5))
        file["text"] = "hello"
        file["pairs"] = np.zeros((2, 3, 4), [("a", "f4"), ("b", "f4")])
    with pytest.raises(FileError, match=r"a\.h5.*no 3D data set.*flat \(4 x 5"):
        open_volume(tmp_path / "a.h5")
    with pytest.raises(FileError, match="pairs"):
        open_volume(tmp_path / "a.h5", dataset="pairs")


def test_ours_for_others(tmp_path):
    place = Geometry((20, 30, 40), (1, 2, 3), unit="nm")
    save_volume(Volume(ARRAY, place), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["raw"][()], ARRAY)
        np.testing.assert_allclose(file["raw"].attrs["element_size_um"], (0.04, 0.03, 0.02))
        assert [d.label for d in file["raw"].dims] == ["z", "y", "x"]


def test_a_user_block_before_the_signature(tmp_path):
    with h5py.File(tmp_path / "a.mat", "w", userblock_size=512) as file:
        file["raw"] = ARRAY
    np.testing.assert_array_equal(open_volume(tmp_path / "a.mat").array, ARRAY)


def _imaris(path, channels=1):
    """An .ims by its specification: chunks filled up beyond the image, attributes as arrays of characters."""

    def text(value):
        return np.frombuffer(str(value).encode(), "S1")

    with h5py.File(path, "w") as file:
        for level, array in enumerate((ARRAY, ARRAY[::2, ::2, ::2])):
            for channel in range(channels):
                group = file.create_group(f"DataSet/ResolutionLevel {level}/TimePoint 0/Channel {channel}")
                padded = np.pad(array + channel, [(0, 8 - n) for n in array.shape])
                group.create_dataset("Data", data=padded, chunks=(8, 8, 8))
                group["Histogram"] = np.zeros(256, np.uint64)
                for letter, size in zip("ZYX", array.shape, strict=True):
                    group.attrs[f"ImageSize{letter}"] = text(size)
        info = file.create_group("DataSetInfo/Image")
        info.attrs["Unit"] = text("um")
        for n, (low, high) in enumerate([(1, 1.6), (2, 3), (3, 5)]):
            info.attrs[f"ExtMin{n}"], info.attrs[f"ExtMax{n}"] = text(low), text(high)
        file["Thumbnail/Data"] = np.zeros((8, 32), np.uint8)


def test_an_image_of_imaris_is_cut_out_of_its_chunks_and_has_a_voxel_size(tmp_path):
    _imaris(tmp_path / "a.ims")
    found = open_volume(tmp_path / "a.ims")
    np.testing.assert_array_equal(found.array, ARRAY)
    np.testing.assert_allclose(found.geometry.spacing, (0.1, 0.2, 0.5))
    assert found.geometry.unit == "um"
    coarse = open_volume(tmp_path / "a.ims", dataset="DataSet/ResolutionLevel 1/TimePoint 0/Channel 0/Data")
    np.testing.assert_array_equal(coarse.array, ARRAY[::2, ::2, ::2])
    np.testing.assert_allclose(coarse.geometry.spacing, (0.2, 1 / 3, 1))


def test_channels_of_imaris_are_asked_about_without_their_coarser_levels(tmp_path):
    _imaris(tmp_path / "a.ims", channels=2)
    with pytest.raises(FileError, match=r"Channel 0/Data.*Channel 1/Data") as caught:
        open_volume(tmp_path / "a.ims")
    assert "ResolutionLevel 1" not in str(caught.value)


def test_a_filter_that_is_not_installed_is_named(tmp_path):
    """Synchrotrons pack by bitshuffle (32008); here, deflate gets its number."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file.create_dataset("raw", data=np.arange(60, dtype=np.int16).reshape(3, 4, 5), compression="gzip")
    data = path.read_bytes()
    at = data.index(b"deflate\0") - 8
    assert data[at : at + 2] == b"\1\0"
    path.write_bytes(data[:at] + (32008).to_bytes(2, "little") + data[at + 2 :])
    with pytest.raises(FileError, match=r"a\.h5.*filter 32008.*not installed; save it again with gzip"):
        open_volume(path)


@pytest.mark.parametrize("spacing", [(0.1, 0.2, 0.3), (1.0, 1.0, 1.0)])
def test_an_image_of_itk_lies_where_itk_puts_it(spacing, tmp_path):
    image = SimpleITK.GetImageFromArray(ARRAY)
    image.SetSpacing(spacing)
    image.SetOrigin((1.0, -2.0, 3.0))
    turn = SimpleITK.Euler3DTransform()
    turn.SetRotation(0.3, 0.2, 0.1)
    image.SetDirection(turn.GetMatrix())
    SimpleITK.WriteImage(image, str(tmp_path / "a.hdf5"))
    found = open_volume(tmp_path / "a.hdf5")
    np.testing.assert_array_equal(found.array, ARRAY)
    for index in ((0, 0, 0), (5, 0, 0), (0, 4, 0), (0, 0, 3)):
        place = found.geometry.ijk_to_lps @ (*index, 1)
        np.testing.assert_allclose(place[:3], image.TransformIndexToPhysicalPoint(index), atol=1e-9)
    assert found.geometry.unit == ("px" if spacing[0] == 1 else "mm")


def test_a_damaged_place_of_itk_is_refused(tmp_path):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(ARRAY), str(tmp_path / "a.hdf5"))
    with h5py.File(tmp_path / "a.hdf5", "r+") as file:
        del file["ITKImage/0/Directions"]
    with pytest.raises(FileError, match="spacing, origin or directions"):
        open_volume(tmp_path / "a.hdf5", dataset="ITKImage/0/VoxelData")


def test_a_size_of_unknown_order_and_unit_is_told(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("volumes/raw", data=ARRAY).attrs["resolution"] = (40.0, 4.0, 4.0)
    with collect_notes() as notes:
        assert open_volume(tmp_path / "a.h5").geometry == Geometry()
    assert any("resolution (40, 4, 4) may be a voxel size" in note for note in notes)


def test_coordinates_give_the_size_also_where_labels_name_the_axes(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("raw", data=ARRAY.transpose(2, 1, 0))
        for n, (letter, step) in enumerate((("x", 0.1), ("y", 0.2), ("z", 0.3))):
            file[letter] = np.arange(data.shape[n]) * step
            file[letter].make_scale(letter)
            file[letter].attrs["units"] = "um"
            data.dims[n].attach_scale(file[letter])
            data.dims[n].label = letter
    found = open_volume(tmp_path / "a.h5")
    np.testing.assert_array_equal(found.array, ARRAY)
    np.testing.assert_allclose(found.geometry.spacing, (0.1, 0.2, 0.3))
    assert found.geometry.unit == "um"


@pytest.mark.parametrize(
    ("data", "angles", "units", "degrees"),
    [
        ("exchange/data", "exchange/theta", "", "0 to 180"),
        ("entry/data/data", "entry/data/rotation_angle", "deg", "0 to 180"),
        ("entry/instrument/data", "entry/sample/rotation_angle", "rad", "0 to 180"),
    ],
)
def test_projections_with_their_angles_are_told(data, angles, units, degrees, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[data] = ARRAY
        file[angles] = np.linspace(0, np.pi if units == "rad" else 180, len(ARRAY))
        file[angles].attrs["units"] = units
    with pytest.warns(UserWarning, match=rf"tilt series, with the angles {degrees} degrees in /{angles}.*reconstruct"):
        open_volume(tmp_path / "a.h5")


@pytest.mark.parametrize("angles", [np.zeros(4), np.linspace(0, 180, 7)])
def test_other_angles_make_no_projections(angles, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["recon"], file["theta"] = ARRAY, angles
    with collect_notes() as notes:
        open_volume(tmp_path / "a.h5")
    assert notes == []


def test_minc_is_named(tmp_path):
    with h5py.File(tmp_path / "a.mnc", "w") as file:
        file["minc-2.0/image/0/image"] = ARRAY
    with pytest.raises(FileError, match=r"a\.mnc: is a file of MINC.*mnc2nii"):
        open_volume(tmp_path / "a.mnc")


def test_a_file_that_another_program_writes_is_named_as_such(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file["raw"] = ARRAY
        file.swmr_mode = True
        shutil.copy(tmp_path / "a.h5", tmp_path / "copied.h5")  # as where its program crashed
    with pytest.raises(FileError, match=r"copied\.h5: is open for writing.*h5clear"):
        open_volume(tmp_path / "copied.h5")
    fcntl = pytest.importorskip("fcntl")
    with open(tmp_path / "a.h5", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(FileError, match=r"a\.h5: is open for writing in another program; close it there"):
            open_volume(tmp_path / "a.h5")
    np.testing.assert_array_equal(open_volume(tmp_path / "a.h5").array, ARRAY)


def test_a_project_of_ilastik_is_named_unless_a_part_is_chosen(tmp_path):
    """Its labels lie in blocks around the strokes, without a place that other programs read."""
    with h5py.File(tmp_path / "a.ilp", "w") as file:
        file["ilastikVersion"], file["PixelClassification/LabelSets/labels000/block0000"] = b"1.4.0", ARRAY
    with pytest.raises(FileError, match=r"a\.ilp: is a project of ilastik.*export them"):
        open_volume(tmp_path / "a.ilp")
    part = open_volume(tmp_path / "a.ilp", dataset="PixelClassification/LabelSets/labels000/block0000")
    np.testing.assert_array_equal(part.array, ARRAY)


def test_labels_without_background_are_told(tmp_path):
    """The classes of ilastik begin at 1, and the first is most often the background."""
    labels = np.ones((4, 5, 6), np.uint8)
    labels[1:3, 1:3, 1:3] = 2
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["exported_data"] = labels
    with pytest.warns(UserWarning, match=r"no background; if label 1 is it.*--names 1=background"):
        open_segmentation(tmp_path / "a.h5")
    labels[0, 0, 0] = 0
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["exported_data"] = labels
    with collect_notes() as notes:
        open_segmentation(tmp_path / "b.h5")
    assert notes == []


def test_sizes_of_maps(tmp_path):
    """As EMAN 2 and Chimera write them; Chimera lists x, y, z."""
    with h5py.File(tmp_path / "a.hdf", "w") as file:
        file["MDF/images/0/image"] = ARRAY
        for letter, size in zip("xyz", (4, 5, 6), strict=True):
            file["MDF/images/0"].attrs[f"EMAN.apix_{letter}"] = np.float32(size)
    with h5py.File(tmp_path / "a.cmap", "w") as file:
        file["Chimera/image1/data_zyx"] = ARRAY
        file["Chimera/image1"].attrs["step"] = np.float32([4, 5, 6])
    for name in ("a.hdf", "a.cmap"):
        assert open_volume(tmp_path / name).geometry == Geometry((4, 5, 6), unit="angstrom")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["group/raw"] = ARRAY
        file["group"].attrs["step"] = np.float32([4, 5, 6])
    assert open_volume(tmp_path / "b.h5").geometry == Geometry()


@pytest.mark.parametrize(
    "stated", [(0.3, 0.2, 0.1), "[0.3 0.2 0.1]", b"(0.3, 0.2, 0.1)", "0.3,0.2,0.1", np.array([b"0.3", b"0.2", b"0.1"])]
)
@pytest.mark.parametrize("holder", ["t0/raw", "t0", "/"])
def test_the_voxel_size_of_a_group_and_of_text(stated, holder, tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["t0/raw"] = ARRAY
        file[holder].attrs["element_size_um"] = stated
    with collect_notes() as notes:
        assert open_volume(tmp_path / "a.h5").geometry == Geometry((0.1, 0.2, 0.3), unit="um")
    assert notes == []


def test_the_nearest_voxel_size_counts_and_other_shapes_of_a_group_are_told(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["fine"], file["t0/coarse"] = ARRAY, ARRAY[::2, ::2, ::2]
        file.attrs["element_size_um"] = (0.3, 0.2, 0.1)
    with pytest.warns(UserWarning, match=r"0\.1 x 0\.2 x 0\.3 um is that of the group /,.*/fine of another shape"):
        open_volume(tmp_path / "a.h5", dataset="t0/coarse")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["t0"].attrs["element_size_um"] = (0.6, 0.4, 0.2)
    with collect_notes() as notes:
        assert open_volume(tmp_path / "a.h5", dataset="t0/coarse").geometry == Geometry((0.2, 0.4, 0.6), unit="um")
    assert notes == []


@pytest.mark.parametrize("stated", [(np.nan, 0.2, 0.1), (0.2, 0.1), "small", (0.0, 1.0, 1.0)])
def test_a_voxel_size_that_is_none_is_told(stated, tmp_path):
    """Luxendo writes NaN, and Fiji two numbers, where they know no size."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("raw", data=ARRAY).attrs["element_size_um"] = stated
    with pytest.warns(UserWarning, match="element_size_um .* is not three sizes above 0"):
        assert open_volume(tmp_path / "a.h5").geometry == Geometry()


def test_a_position_keeps_its_unit_beside_another_size(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("raw", data=ARRAY)
        for n, letter in enumerate("zyx"):
            file[letter] = 500.0 + 100 * np.arange(data.shape[n])
            file[letter].attrs["units"] = "nm"
            file[letter].make_scale(letter)
            data.dims[n].attach_scale(file[letter])
        data.attrs["element_size_um"] = (0.1, 0.1, 0.1)
    with collect_notes() as notes:
        found = open_volume(tmp_path / "a.h5", dataset="raw").geometry
    assert (found.unit, notes) == ("um", [])
    np.testing.assert_allclose((*found.spacing, *found.origin), (0.1,) * 3 + (0.5,) * 3)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["raw"].attrs["element_size_um"] = (0.1, 0.1, 0.2)
    with pytest.warns(UserWarning, match=r"coordinates state different voxel sizes \(0\.2 and 0\.1 um along x\)"):
        open_volume(tmp_path / "a.h5", dataset="raw")


@pytest.mark.parametrize("chunks", [None, (2, 2, 2)])
@pytest.mark.parametrize(
    ("written", "told"),
    [(0, "nothing of its data set"), (2, "only 9 of 18 chunks"), (4, None)],
    ids=["none", "half", "all"],
)
def test_parts_that_were_never_written_are_told(written, told, chunks, tmp_path):
    """As where a program was ended; a plain data set has its bytes as soon as something is written."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("raw", ARRAY.shape, ARRAY.dtype, chunks=chunks, fillvalue=7)
        if written:
            data[:written] = ARRAY[:written]
    with collect_notes() as notes:
        found = open_volume(tmp_path / "a.h5").array
    np.testing.assert_array_equal(found[:written], ARRAY[:written])
    expected = told if told and (chunks or not written) else None
    assert len(notes) == (expected is not None)
    assert all(re.search(expected, note) and "other voxels are 7" in note for note in notes)
