"""Real files beside the checkout (../shared/data), against what is known of each."""

from pathlib import Path

import numpy as np
import pytest

from ACSegLib.errors import FileError
from ACSegLib.files import open_segmentation, open_volume

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"real data are not at {DATA}")


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "dataset"),
    [
        ("sxt_cell_in_capillary/cell.rec", (58, 61, 58), "float32", None),
        ("sxt_cytoplasm_slab/easy_example.tif", (6, 473, 473), "uint8", None),
        ("xct_round_inclusions/cement_128x128x128.tif", (128, 128, 128), "uint8", None),
        ("xct_nerve/NT_128x128x128.tif", (128, 128, 128), "uint8", None),
        ("nuclei/nuclei.tif", (60, 256, 256), "uint16", None),
        ("nuclei/nuclei_label.tif", (60, 256, 256), "uint32", None),
        ("root_cells/sample_patch.h5", (64, 200, 200), "uint16", "raw"),
        ("hippocampus/images/hippocampus_001.nii.gz", (35, 51, 35), "uint8", None),
        ("biomedisa_tumor/tumor.tif", (155, 240, 240), "uint8", None),
    ],
)
def test_images(name, shape, dtype, dataset):
    found = open_volume(DATA / name, dataset=dataset)
    assert found.shape == shape
    assert found.array.dtype == dtype


def test_amira_labels_and_image_lie_on_each_other():
    """The cell absorbs more than the void around it; drawn planes are those that the data's notes name."""
    image = open_volume(DATA / "sxt_cell_in_capillary/cell.rec")
    labels = open_segmentation(DATA / "sxt_cell_in_capillary/cell.labels")
    assert [(s.name, s.value) for s in labels.segments] == [("cell", 1), ("ignore", 2)]
    assert image.geometry == labels.geometry
    cell, void = labels.mask("cell"), labels.labels == 0
    assert image.array[cell].mean() > 2 * image.array[void].mean()
    known = labels.labels != 2
    for axis in (0, 2):
        planes = np.flatnonzero(known.all(axis=tuple(a for a in range(3) if a != axis)))
        assert planes.tolist() == [0, 11, 22, 34, 45, 57]


def test_nifti_labels():
    labels = open_segmentation(DATA / "hippocampus/labels/hippocampus_001.nii.gz")
    image = open_volume(DATA / "hippocampus/images/hippocampus_001.nii.gz")
    assert labels.geometry.matches(image.geometry)
    assert labels.geometry.unit == "mm"
    assert [s.value for s in labels.segments] == [1, 2]


def test_hdf5_labels_and_listing():
    labels = open_segmentation(DATA / "root_cells/sample_patch.h5", dataset="label")
    assert labels.labels.dtype == np.uint64
    with pytest.raises(FileError, match=r"big_label.*label.*raw"):
        open_volume(DATA / "root_cells/sample_patch.h5")


def test_models_are_not_images():
    with pytest.raises(FileError, match=r"keras3_26\.7\.3\.h5"):
        open_volume(DATA / "biomedisa_models/keras3_26.7.3.h5")
