"""The unit of an image's values, which tells LAC from other intensities."""

from __future__ import annotations

import nrrd
import numpy as np
import pytest

from ACSegLib.files import open_volume, save_volume
from ACSegLib.measure.table_checks import warnings_on
from ACSegLib.volume import Geometry, Volume


@pytest.mark.parametrize("ending", [".nrrd", ".tif", ".mha", ".nii.gz", ".mrc"])
def test_a_file_keeps_the_unit_of_its_intensities(tmp_path, ending):
    array = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    geometry = Geometry((50.0, 50.0, 50.0), unit="nm")
    save_volume(Volume(array, geometry, meta={"intensity_unit": "1/um"}), tmp_path / f"lac{ending}")
    assert open_volume(tmp_path / f"lac{ending}").meta["intensity_unit"] == "1/um"
    save_volume(Volume(array, geometry), tmp_path / f"silent{ending}")
    assert "intensity_unit" not in open_volume(tmp_path / f"silent{ending}").meta
    if ending == ".nrrd":
        assert nrrd.read_header(str(tmp_path / "lac.nrrd"))["sample units"] == "1/um"


def test_measuring_asks_for_the_unit_that_a_file_does_not_state():
    row = {"volume_name": "c1", "segment": "cell", "kind": "segment", "unit": "um", "volume": 9.0, "voxels": 9000}
    (text,) = warnings_on([row | {"lac_mean": 0.3, "intensity_unit": ""}])
    assert text.startswith("the values of c1 have no unit")
    assert "--intensity-unit 1/um" in text
    assert warnings_on([row | {"lac_mean": 0.3, "intensity_unit": "1/um"}, row]) == []


@pytest.mark.parametrize(("value", "told"), [(0.3, False), (0.008, True), (0.00001, False)])
def test_absorption_per_voxel_is_not_passed_for_lac(value, told):
    """Voxels of 0.1 um: 0.008 per voxel is 0.08 per um; 0.00001 is nothing that a person can divide."""
    row = {"volume_name": "c1", "segment": "cell", "kind": "segment", "unit": "nm", "volume": 9e9, "voxels": 9000}
    notes = warnings_on([row | {"lac_mean": value, "intensity_unit": "1/um"}])
    assert any("per voxel of 0.1 um, it is 0.08 1/um: divide the image by 0.1" in note for note in notes) == told
    assert bool(notes) == told
