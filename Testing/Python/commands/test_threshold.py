"""acseg threshold: writes segmentations that acseg compare takes."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib.commands import compare, threshold
from ACSegLib.errors import InputError
from ACSegLib.files import open_segmentation, save_segmentation, save_volume
from ACSegLib.jobs import Progress
from ACSegLib.volume import Geometry, Segmentation, Volume


@pytest.fixture
def scans(tmp_path):
    geometry = Geometry((30, 30, 30), (100, -50, 0), unit="nm")
    for name in ("images", "truth"):
        (tmp_path / name).mkdir()
    k, j, i = np.indices((20, 20, 20)) - 9.5
    for n in range(2):
        truth = k * k + j * j + i * i <= (6 + n) ** 2
        image = 0.1 + 0.3 * truth + np.random.default_rng(n).normal(0, 0.05, truth.shape)
        save_volume(Volume(image.astype(np.float32), geometry), tmp_path / "images" / f"c{n}.nrrd")
        labels = Segmentation.from_labels(truth.astype(np.uint8), geometry, {1: "cytoplasm"})
        save_segmentation(labels, tmp_path / "truth" / f"c{n}.seg.nrrd")
    return tmp_path


def test_results_compare_with_the_truth(scans):
    options = threshold.Options([str(scans / "images")], str(scans / "otsu"), keep="largest", workers=1)
    results = threshold.run(options, Progress()).to_dict()
    assert results["volumes"] == 2
    found = open_segmentation(scans / "otsu/c0.seg.nrrd")
    assert found.geometry.origin == (100, -50, 0)
    scores = compare.run(compare.Options(str(scans / "otsu/c1.seg.nrrd"), str(scans / "truth/c1.seg.nrrd")), Progress())
    assert scores.summary[0]["dice"]["mean"] > 0.93


def test_a_bad_image_is_listed_and_the_other_done(scans):
    (scans / "images/c0.nrrd").write_bytes(b"rubbish")
    options = threshold.Options([str(scans / "images")], str(scans / "otsu"), workers=1)
    results = threshold.run(options, Progress()).to_dict()
    assert results["exit_code"] == 2
    assert list(results["failures"]) == ["c0"]
    assert (scans / "otsu/c1.seg.nrrd").exists()


def test_the_name_of_a_file_is_not_taken_for_a_folder(scans):
    with pytest.raises(InputError, match="is the name of a file"):
        threshold.run(threshold.Options([str(scans / "images/c0.nrrd")], str(scans / "c0.seg.nrrd")), Progress())
    assert not (scans / "c0.seg.nrrd").exists()


def test_a_model_needs_boxes(scans):
    with pytest.raises(InputError, match="--box-from"):
        threshold.run(threshold.Options([str(scans / "images")], str(scans / "sam"), model="m.onnx"), Progress())


def test_labels_are_not_overwritten(scans):
    """Neither those that the boxes are of, nor those that lie beside the images."""
    model = {"model": "m.onnx", "box_from": str(scans / "truth")}
    with pytest.raises(InputError, match=r"c0\.seg\.nrrd is an input of this step"):
        threshold.run(threshold.Options([str(scans / "images")], str(scans / "truth"), **model), Progress())
    (scans / "truth/c1.seg.nrrd").rename(scans / "images/c1.seg.nrrd")
    with pytest.raises(InputError, match=r"c1\.seg\.nrrd is an input of this step"):
        threshold.run(threshold.Options([str(scans / "images")], str(scans / "images")), Progress())


@pytest.fixture
def box_model(scans):
    """A model that fills its box."""
    torch = pytest.importorskip("torch", reason="torch is not installed")

    openvino = pytest.importorskip("openvino", reason="openvino is not installed")

    class FillsItsBox(torch.nn.Module):
        def forward(self, image: torch.Tensor, points: torch.Tensor, labels: torch.Tensor):
            plane = image[:, :1]
            rows, columns = (torch.cumsum(torch.ones_like(plane), dim=axis) - 1 for axis in (2, 3))
            x, y = points[0, 0, :, 0], points[0, 0, :, 1]
            inside = ((columns >= x[0]) & (columns <= x[1]) & (rows >= y[0]) & (rows <= y[1])).float()
            return (inside * 2 - 1)[:, None], torch.ones(1, 1, 1) * labels.max()

    example = (torch.rand(1, 3, 8, 9), torch.tensor([[[[1.0, 2.0], [5.0, 6.0]]]]), torch.tensor([[[2.0, 3.0]]]))
    shapes = [[1, 3, -1, -1], [1, 1, 2, 2], [1, 1, 2]]
    model = openvino.convert_model(FillsItsBox(), example_input=example, input=shapes)
    openvino.save_model(model, str(scans / "box.xml"))
    return str(scans / "box.xml")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*torch.tensor results")
def test_each_image_has_its_own_box(scans, box_model):
    """Labels that are cropped to the cell, as Slicer does; one that is missing is not made up for by another cell's."""
    truth = open_segmentation(scans / "truth/c1.seg.nrrd")
    moved = Geometry((30, 30, 30), (100 + 60, -50 + 60, 60), unit="nm")
    cropped = Segmentation.from_labels(truth.labels[2:18, 2:18, 2:18].copy(), moved, {1: "cytoplasm"})
    save_segmentation(cropped, scans / "truth/c1.seg.nrrd")
    (scans / "truth/c0.seg.nrrd").unlink()
    options = threshold.Options(
        [str(scans / "images")],
        str(scans / "sam"),
        model=box_model,
        box_from=str(scans / "truth"),
        box_margin=0,
        workers=1,
    )
    results = threshold.run(options, Progress()).to_dict()
    assert list(results["failures"]) == ["c0"]
    found = open_segmentation(scans / "sam/c1.seg.nrrd").labels[10]
    rows, columns = np.nonzero(truth.labels[10])
    expected = np.zeros_like(found)
    expected[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = 1
    np.testing.assert_array_equal(found, expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*torch.tensor results")
def test_a_box_prompted_model_is_scored_on_its_slice(scans, box_model):
    """The box is around the cell, the first segment, and not around the bead beside it."""
    truth = open_segmentation(scans / "truth/c0.seg.nrrd")
    with_bead = truth.labels.copy()
    with_bead[:, :3, :3] = 2
    both = Segmentation.from_labels(with_bead, truth.geometry, {1: "cytoplasm", 2: "bead"})
    save_segmentation(both, scans / "boxes.seg.nrrd")
    options = threshold.Options(
        [str(scans / "images/c0.nrrd")],
        str(scans / "sam"),
        model=box_model,
        box_from=str(scans / "boxes.seg.nrrd"),
        box_margin=0,
        workers=1,
    )
    threshold.run(options, Progress())
    found = [str(scans / "sam/c0.seg.nrrd"), str(scans / "truth/c0.seg.nrrd")]
    scores = compare.run(compare.Options(*found, slice="k"), Progress())
    disc = int(truth.labels[10].sum())
    assert scores.summary[0]["dice"]["mean"] == pytest.approx(2 * disc / (disc + 12 * 12))
