"""Voxel sizes in attributes, as funlib.persistence and COSEM document them, in HDF5 and in Zarr."""

import json

import h5py
import numpy as np
import pytest
import zarr
from filecases import numbers

from ACSegLib.files import open_volume
from ACSegLib.files.attributes import numbers_of
from ACSegLib.files.registry import collect_notes
from ACSegLib.volume import Geometry

ARRAY = numbers("u2", (4, 5, 6))
FUNLIB = {"axis_names": ["x", "z", "y"], "voxel_size": [4, 40, 8], "offset": [12, 80, 16], "units": ["nm", "nm", "nm"]}
OLDER = {"axis_names": ["x", "z", "y"], "resolution": [4, 40, 8], "offset": [12, 80, 16], "units": ["nm"] * 3}
COSEM = {
    "transform": {"axes": ["x", "z", "y"], "scale": [4, 40, 8], "translate": [12, 80, 16], "units": ["nm", "nm", "nm"]}
}


def _write(path, array, attributes):
    if path.suffix == ".zarr":
        data = zarr.create_array(str(path), data=array)
        data.attrs.update(attributes)
        return
    with h5py.File(path, "w") as file:
        data = file.create_dataset("raw", data=array)
        for name, value in attributes.items():
            data.attrs[name] = json.dumps(value) if isinstance(value, dict) else value


@pytest.mark.parametrize("ending", [".h5", ".zarr"])
@pytest.mark.parametrize("attributes", [FUNLIB, OLDER, COSEM])
def test_attributes_that_name_the_axes_and_the_unit(attributes, ending, tmp_path):
    _write(tmp_path / f"a{ending}", ARRAY.transpose(2, 0, 1), attributes)
    with collect_notes() as notes:
        found = open_volume(tmp_path / f"a{ending}")
    np.testing.assert_array_equal(found.array, ARRAY)
    assert found.geometry == Geometry((4, 8, 40), (12, 16, 80), unit="nm")
    assert notes == []


@pytest.mark.parametrize("ending", [".h5", ".zarr"])
def test_a_channel_has_no_size(ending, tmp_path):
    """funlib marks axes that are not of space by ^, and lists sizes of the others."""
    attributes = {"axis_names": ["c^", "z", "y", "x"], "voxel_size": [40, 8000, 0.004], "units": ["nm", "pm", "um"]}
    _write(tmp_path / f"a{ending}", ARRAY[None], attributes)
    found = open_volume(tmp_path / f"a{ending}").geometry
    np.testing.assert_allclose(found.in_unit("nm").spacing, (4, 8, 40))


@pytest.mark.parametrize("text", ["[1e-3 2 3.5]", "(1e-3, 2, 3.5)", " 1e-3;2 ; +3.5", [b"1e-3", b"2", b"3.5"]])
def test_numbers_in_text(text):
    assert numbers_of(text).tolist() == [1e-3, 2, 3.5]


@pytest.mark.parametrize("value", [None, "", "large", "1.2.3", "1 - 2", b"\xff", {"x": 1}, ["a", "b"], True])
def test_what_is_no_number(value):
    assert numbers_of(value).size == 0
