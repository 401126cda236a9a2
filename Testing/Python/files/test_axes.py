"""Axes and units: every reader brings its file to z, y, x and each axis into one unit, or says why it cannot."""

import json

import h5py
import nrrd
import numpy as np
import pytest
import SimpleITK
import tifffile
import zarr
from filecases import numbers

from ACSegLib.errors import FileError
from ACSegLib.files import open_volume
from ACSegLib.files.axes import Axis, arrange, geometry_of, place
from ACSegLib.files.lazy import ChunkedArray
from ACSegLib.files.registry import collect_notes
from ACSegLib.files.units import Length, is_stated, length_of
from ACSegLib.volume import UNITS_IN_MM, Geometry

ARRAY = numbers("u2", (4, 5, 6))

#: Metres of each unit of the OME schema (UnitsLength) and of OME-Zarr's list, from the SI and the international yard.
OME_SCHEMA = {
    "Ym": 1e24, "Zm": 1e21, "Em": 1e18, "Pm": 1e15, "Tm": 1e12, "Gm": 1e9, "Mm": 1e6, "km": 1e3, "hm": 1e2, "dam": 10,
    "m": 1, "dm": 0.1, "cm": 1e-2, "mm": 1e-3, "µm": 1e-6, "nm": 1e-9, "pm": 1e-12, "fm": 1e-15, "am": 1e-18,
    "zm": 1e-21, "ym": 1e-24, "Å": 1e-10, "thou": 2.54e-5, "li": 0.0254 / 12, "in": 0.0254, "ft": 0.3048, "yd": 0.9144,
    "mi": 1609.344, "ua": 1.495978707e11, "ly": 9.4607304725808e15, "pc": 3.0856775814913673e16, "pt": 0.0254 / 72,
}  # fmt: skip
OME_ZARR = {
    "angstrom": 1e-10, "attometer": 1e-18, "centimeter": 1e-2, "decimeter": 0.1, "exameter": 1e18, "femtometer": 1e-15,
    "foot": 0.3048, "gigameter": 1e9, "hectometer": 100, "inch": 0.0254, "kilometer": 1e3, "megameter": 1e6, "meter": 1,
    "micrometer": 1e-6, "mile": 1609.344, "millimeter": 1e-3, "nanometer": 1e-9, "parsec": 3.0856775814913673e16,
    "petameter": 1e15, "picometer": 1e-12, "terameter": 1e12, "yard": 0.9144, "yoctometer": 1e-24, "yottameter": 1e24,
    "zeptometer": 1e-21, "zettameter": 1e21,
}  # fmt: skip
SPELLINGS = {
    "\u00b5m": 1e-6, "\u03bcm": 1e-6, "\\u00B5m": 1e-6, "\\\\u00b5m": 1e-6, "\u00c2\u00b5m": 1e-6, "&#181;m": 1e-6,
    "&micro;m": 1e-6, b"\xb5m": 1e-6, b"\xc2\xb5m": 1e-6, "UM": 1e-6, "Micron": 1e-6, "microns": 1e-6, '"um"': 1e-6,
    " Micrometres ": 1e-6, "NM": 1e-9, "MM": 1e-3, "\u212b": 1e-10, "\u00c5": 1e-10, "A": 1e-10, "Angstroms": 1e-10,
    "\\u00C5": 1e-10, "Ångström": 1e-10, "inches": 0.0254, "Centimetre": 1e-2, "\ufffdm": 1e-6,
}  # fmt: skip


@pytest.mark.parametrize(("name", "metres"), [*OME_SCHEMA.items(), *OME_ZARR.items(), *SPELLINGS.items()])
def test_every_unit_of_length_has_its_metres(name, metres):
    found = length_of(name)
    assert found.factor * UNITS_IN_MM[found.unit] / 1000 == pytest.approx(metres, rel=1e-9)


def test_units_of_acseg_are_themselves():
    for unit in UNITS_IN_MM:
        assert length_of(unit) == Length(unit)
    assert {length_of(word) for word in ("px", "pixel", "Voxels", "reference frame")} == {Length("px")}


def test_what_is_no_length_is_not_taken_as_one():
    assert [length_of(word) for word in ("second", "furlong", "degree", "a.u.", "Hz")] == [None] * 5
    assert not any(is_stated(word) for word in (None, "", " ", "unknown", b"\0"))


@pytest.mark.parametrize("order", ["zyx", "xyz", "yxz", "xzy", "tzyxc", "txyzc", "cxyzt", "xtyzc", "zctyx"])
def test_any_order_of_letters_is_transposed(order):
    stored = ARRAY
    for n, letter in enumerate(order):
        if letter not in "xyz":
            stored = np.expand_dims(stored, min(n, stored.ndim))
    spatial = [letter for letter in order if letter in "xyz"]
    turned = ARRAY.transpose(["zyx".index(letter) for letter in spatial])
    shape = iter(turned.shape)
    stored = turned.reshape([next(shape) if letter in "xyz" else 1 for letter in order])
    steps = {"x": 1.5, "y": 2.5, "z": 3.5}
    found = place(stored, [Axis(letter, steps.get(letter, 9.0), "um") for letter in order], "file")
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.geometry == Geometry((1.5, 2.5, 3.5), unit="um")


@pytest.mark.parametrize(
    ("letters", "shape", "words"),
    [
        ("tczyx", (1, 1, 1, 5, 6), "2D image"),
        ("zyxc", (1, 5, 6, 1), "2D image"),
        ("tyx", (4, 5, 6), "4 time points"),
        ("cyx", (4, 5, 6), "4 channels"),
        ("tzyx", (2, 4, 5, 6), "2 time points"),
        (("", "", "", ""), (1, 5, 1, 6), "2D image"),
        (("", "", "", ""), (2, 4, 5, 6), "4 dimensions"),
        ("yx", (5, 6), "2D image"),
    ],
)
def test_what_is_not_one_volume_is_refused(letters, shape, words):
    with pytest.raises(FileError, match=words):
        arrange(np.zeros(shape), list(letters), "file")


def test_single_axes_without_letters_are_dropped_wherever_they_stand():
    for shape in ((1, 4, 5, 6), (4, 1, 5, 6), (4, 5, 6, 1), (1, 4, 1, 5, 6, 1)):
        found, kept = arrange(ARRAY.reshape(shape), [""] * len(shape), "file")
        np.testing.assert_array_equal(found, ARRAY)
        assert [shape[n] for n in kept] == [4, 5, 6]


def test_each_axis_is_converted_by_its_own_unit():
    found, notes = geometry_of(Axis("x", 100, "nm", 50), Axis("y", 0.2, "um"), Axis("z", 0.001, "mm", 0.002))
    np.testing.assert_allclose(found.spacing, (100, 200, 1000))
    np.testing.assert_allclose(found.origin, (50, 0, 2000))
    assert (found.unit, notes) == ("nm", [])


@pytest.mark.parametrize("unit", ["furlong", "second", None, "pixel"])
def test_a_unit_that_one_axis_lacks_is_not_the_neighbours(unit):
    found, notes = geometry_of(Axis("x", 0.1, "um"), Axis("y", 0.1, "um"), Axis("z", 0.5, unit))
    assert found == Geometry((0.1, 0.1, 0.5))
    assert "z" in notes[0]
    assert "unknown" in notes[0]


@pytest.mark.parametrize("order", ["txyzc", "tzyxc", "xyz", "zyxc"])
def test_ilastik_axistags(order, tmp_path):
    """As ilastik exports: axistags with a resolution for each axis, and units beside them."""
    spatial = [letter for letter in order if letter in "xyz"]
    turned = ARRAY.transpose(["zyx".index(letter) for letter in spatial])
    shape = iter(turned.shape)
    steps = {"x": 0.1, "y": 0.2, "z": 400.0}
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset(
            "exported_data", data=turned.reshape([next(shape) if letter in "xyz" else 1 for letter in order])
        )
        axes = [{"key": k, "typeFlags": 2, "resolution": steps.get(k, 0), "description": ""} for k in order]
        data.attrs["axistags"] = json.dumps({"axes": axes})
        data.attrs["axis_units"] = json.dumps({"x": "um", "y": "um", "z": "nm"})
    found = open_volume(tmp_path / "a.h5")
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.geometry.unit == "um"
    np.testing.assert_allclose(found.geometry.spacing, (0.1, 0.2, 0.4))


def test_axes_of_neuroglancer_are_named_fastest_first(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("raw", data=ARRAY.transpose(2, 1, 0))
        data.attrs["axes"] = ["z", "y", "x"]
    np.testing.assert_array_equal(open_volume(tmp_path / "a.h5").array, ARRAY)


def test_two_voxel_sizes_of_hdf5_are_told(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("raw", data=ARRAY)
        data.attrs["element_size_um"] = (0.3, 0.2, 0.1)
        axes = [{"key": k, "resolution": 7.0} for k in "zyx"]
        data.attrs["axistags"] = json.dumps({"axes": axes})
    with pytest.warns(UserWarning, match="different voxel sizes"):
        found = open_volume(tmp_path / "a.h5")
    assert found.geometry == Geometry((0.1, 0.2, 0.3), unit="um")


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_nrrd_with_a_single_axis_more(at, tmp_path):
    """Against pynrrd, which writes the file: a list of one volume, the single axis in any place."""
    shape = [6, 5, 4]
    shape.insert(at, 1)
    steps = [[2.0, 0, 0], [0, 3.0, 0], [0, 0, 4.0]]
    steps.insert(at, [np.nan] * 3)
    kinds = ["domain"] * 3
    kinds.insert(at, "list")
    header = {"space": "left-posterior-superior", "space directions": np.array(steps), "kinds": kinds,
              "space units": ["nm", "nm", "nm"]}  # fmt: skip
    nrrd.write(str(tmp_path / "a.nrrd"), ARRAY.transpose().reshape(shape), header)
    found = open_volume(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.geometry == Geometry((2, 3, 4), unit="nm")


def test_nrrd_with_spacings_and_units_of_its_own_for_each_axis(tmp_path):
    header = {"spacings": [0.5, 20.0, 30.0, 0.4], "units": ["s", "nm", "nm", "um"],
              "kinds": ["time", "domain", "domain", "domain"]}  # fmt: skip
    nrrd.write(str(tmp_path / "a.nrrd"), ARRAY.transpose()[None], header)
    found = open_volume(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(found.array, ARRAY)
    np.testing.assert_allclose(found.geometry.spacing, (20, 30, 400))
    assert found.geometry.unit == "nm"


def test_nrrd_units_of_space_convert_its_axes_not_the_arrays(tmp_path):
    """The array's first axis runs along z, whose unit is micrometres."""
    header = {"space": "left-posterior-superior", "space units": ["nm", "nm", "um"],
              "space directions": np.array([[0, 0, 0.5], [0, 30.0, 0], [20.0, 0, 0]])}  # fmt: skip
    nrrd.write(str(tmp_path / "a.nrrd"), ARRAY.transpose(), header)
    found = open_volume(tmp_path / "a.nrrd").geometry
    np.testing.assert_allclose(found.spacing, (500, 30, 20))
    assert found.unit == "nm"


def _ome_zarr(path, names, array, scale, units):
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    group.create_array("0", data=array, chunks=tuple(min(3, n) for n in array.shape))
    kinds = {"t": "time", "c": "channel"}
    axes = [{"name": n, "type": kinds.get(n, "space")} for n in names]
    axes = [{**axis, "unit": unit} if unit else axis for axis, unit in zip(axes, units, strict=True)]
    transforms = [{"type": "scale", "scale": scale}]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": transforms}]}
    ]


@pytest.mark.skipif(zarr.__version__.startswith("2."), reason="written with zarr 3")
@pytest.mark.parametrize("lazy_from", [None, 0])
def test_ome_zarr_in_another_order_with_units_of_its_own(lazy_from, tmp_path):
    units = ("second", "micrometer", "nanometer", "decimeter")
    _ome_zarr(tmp_path / "a.zarr", "txyz", ARRAY.transpose(2, 1, 0)[None], [1, 0.5, 250.0, 1e-5], units)
    found = open_volume(tmp_path / "a.zarr", lazy_from=lazy_from)
    np.testing.assert_array_equal(np.asarray(found.array), ARRAY)
    np.testing.assert_allclose(found.geometry.spacing, (0.5, 0.25, 1.0))
    assert found.geometry.unit == "um"


@pytest.mark.skipif(zarr.__version__.startswith("2."), reason="written with zarr 3")
def test_an_ome_zarr_axis_without_unit_is_told(tmp_path):
    _ome_zarr(tmp_path / "a.zarr", "zyx", ARRAY, [0.5, 0.1, 0.1], (None, "micrometer", "micrometer"))
    with pytest.warns(UserWarning, match="no unit for z"):
        found = open_volume(tmp_path / "a.zarr")
    assert found.geometry.unit == "px"


def test_parts_of_a_transposed_array_on_the_disk():
    class Chunked:
        shape, dtype, chunks = (6, 1, 5, 4), np.dtype("u2"), (2, 1, 2, 2)

        def __getitem__(self, index):
            return ARRAY.transpose(2, 1, 0).reshape(self.shape)[index]

    lazy = ChunkedArray(Chunked()).squeeze(1).transpose((2, 1, 0))
    assert lazy.shape == ARRAY.shape
    for index in (..., 2, (slice(1, 3), 4), (0, slice(None), slice(1, 4)), (slice(None), 2, slice(2, 5)), (1, 2, 3)):
        np.testing.assert_array_equal(lazy[index], ARRAY[index])


def test_single_plane_in_five_dimensions_of_tiff_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", ARRAY[:1], imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(FileError, match="2D image"):
        open_volume(tmp_path / "a.tif")


@pytest.mark.parametrize(("z", "told"), [(0.5, False), (20.0, True)])
def test_voxels_that_are_much_longer_along_one_axis_are_told(z, told, tmp_path):
    """A unit that was mistaken along z makes 1000; sections of 70 nm in pixels of 2 nm are only 35."""
    image = SimpleITK.GetImageFromArray(np.zeros((3, 4, 5), np.uint8))
    image.SetSpacing((0.3, 0.3, z))
    SimpleITK.WriteImage(image, str(tmp_path / "a.mha"))
    with collect_notes() as notes:
        open_volume(tmp_path / "a.mha")
    assert ["67 times as long along z as along x" in note for note in notes] == [True] * told
