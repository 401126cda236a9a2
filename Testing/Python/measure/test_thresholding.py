"""Baselines against scikit-image and on images whose segmentation is known; a tiny box-prompted model made here."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from shapes import ball
from skimage import filters

from ACSegLib.errors import Cancelled, FileError, InputError
from ACSegLib.files.prompt_model import open_prompt_model
from ACSegLib.jobs import Progress
from ACSegLib.measure.overlap import compare_masks
from ACSegLib.measure.thresholding import ThresholdSettings, box_of, prompted_slice, threshold_segmentation
from ACSegLib.volume import Geometry, Volume

NM = Geometry((30.0, 30.0, 30.0), unit="nm")
SHAPE = (36, 40, 44)


def noisy(mask, noise=0.05, seed=0):
    rng = np.random.default_rng(seed)
    return Volume((0.1 + 0.3 * mask + rng.normal(0, noise, mask.shape)).astype(np.float32), NM, "scan")


def bare(method, **more):
    return ThresholdSettings(method, smoothing=0, minimum_voxels=1, fill_holes=False, **more)


def test_otsu_and_multi_otsu_equal_scikit_image():
    volume = noisy(ball(SHAPE, 12))
    mask = threshold_segmentation(volume, bare("otsu")).labels
    np.testing.assert_array_equal(mask, volume.array > filters.threshold_otsu(volume.array))
    mask = threshold_segmentation(volume, bare("multi-otsu")).labels
    np.testing.assert_array_equal(mask, volume.array > filters.threshold_multiotsu(volume.array, 3)[0])


def test_adaptive_threshold_equals_scikit_image():
    volume = noisy(ball(SHAPE, 8))
    ours = threshold_segmentation(volume, bare("adaptive", window=15)).labels
    local = filters.threshold_local(volume.array.astype(float), 15, method="mean", mode="reflect")
    assert np.mean(ours != (volume.array > local)) < 1e-4


def test_otsu_finds_a_cell_and_cleaning_drops_specks():
    truth = ball(SHAPE, 12)
    volume = noisy(truth, 0.08)
    found = threshold_segmentation(volume, ThresholdSettings("otsu", keep="largest"))
    assert [s.name for s in found.segments] == ["cytoplasm"]
    assert found.geometry == NM
    assert compare_masks(found.labels, truth, NM.spacing, distances=False)["dice"] > 0.96


def test_dark_cells_missing_values_and_the_central_cell_are_handled():
    truth = ball(SHAPE, 6, centre=(22, 20, 18))
    other = ball(SHAPE, 7, centre=(7, 8, 8))
    volume = noisy(truth | other)
    volume.array *= -1
    volume.array[:, :2] = np.nan
    found = threshold_segmentation(volume, ThresholdSettings("otsu", bright=False, keep="central"))
    row = compare_masks(found.labels, truth, NM.spacing, distances=False)
    assert row["dice"] > 0.93


def test_watershed_splits_touching_cells_where_otsu_merges_them():
    left, right = ball(SHAPE, 9, centre=(13, 20, 18)), ball(SHAPE, 9, centre=(30, 20, 18))
    volume = noisy(left | right)
    _, merged = ndimage.label(threshold_segmentation(volume, ThresholdSettings("otsu")).labels)
    assert merged == 1
    found = threshold_segmentation(volume, ThresholdSettings("watershed", cell_radius=200.0))
    assert [s.name for s in found.segments] == ["cell 1", "cell 2"]
    first = found.labels[18, 20, 13]
    assert compare_masks(found.labels == first, left, NM.spacing, distances=False)["dice"] > 0.95


@pytest.mark.parametrize(("radius", "cells"), [(200.0, 2), (400.0, 1)])
@pytest.mark.parametrize("centres", [((18, 15, 8), (28, 15, 8)), ((22, 15, 6), (22, 15, 9))])
def test_the_distance_between_cells_is_in_the_unit_of_the_volume(centres, radius, cells):
    """Centres 300 nm apart, across or along planes that are 100 nm apart: two cells at 200 nm, one at 400."""
    spacing = (30.0, 30.0, 100.0)
    both = np.any([ball((16, 30, 44), 190, spacing, centre=centre) for centre in centres], axis=0)
    volume = Volume(0.1 + 0.3 * both.astype(np.float32), Geometry(spacing, unit="nm"), "scan")
    found = threshold_segmentation(volume, ThresholdSettings("watershed", smoothing=0, cell_radius=radius))
    assert len(found.segments) == cells


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_watershed_of_a_single_slice(axis):
    j, i = np.indices((40, 60))
    discs = ((j - 20) ** 2 + (i - 20) ** 2 <= 100) | ((j - 20) ** 2 + (i - 37) ** 2 <= 81)
    found = threshold_segmentation(noisy(np.expand_dims(discs, axis), 0.02), ThresholdSettings("watershed"))
    assert len(found.segments) == 2
    assert compare_masks(found.labels > 0, np.expand_dims(discs, axis), NM.spacing, distances=False)["dice"] > 0.95


@pytest.mark.filterwarnings("error")
def test_an_image_three_voxels_wide_is_not_taken_for_colours():
    volume = noisy(np.arange(120).reshape(5, 8, 3) % 3 == 1)
    assert threshold_segmentation(volume, bare("otsu")).labels.any()


@pytest.mark.parametrize(
    ("volume", "settings", "message"),
    [
        (Volume(np.ones((4, 4, 4), np.float32)), ThresholdSettings(), "has a single value"),
        (Volume(np.full((4, 4, 4), np.nan, np.float32)), ThresholdSettings(), "no finite value"),
        (Volume(np.eye(4)[None] + 0.0), ThresholdSettings("magic"), "method must be one of"),
        (Volume(np.eye(4)[None] + 0.0), ThresholdSettings(keep="none"), "keep must be"),
    ],
)
def test_unusable_settings_raise_errors_that_name_them(volume, settings, message):
    with pytest.raises(InputError, match=message):
        threshold_segmentation(volume, settings)


def test_a_cancel_stops_thresholding():
    with pytest.raises(Cancelled):
        threshold_segmentation(noisy(ball(SHAPE, 8)), progress=Progress(cancelled=lambda: True))


@pytest.fixture
def prompt_model(tmp_path):
    """A model that finds what is brighter than the box's mean; its second mask, the inverse, scores worse."""
    torch = pytest.importorskip("torch", reason="the model is made with torch")
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")

    class Tiny(torch.nn.Module):
        def forward(self, image: torch.Tensor, points: torch.Tensor, labels: torch.Tensor):
            plane = image[:, 0]
            rows = torch.cumsum(torch.ones_like(plane), dim=1) - 1
            columns = torch.cumsum(torch.ones_like(plane), dim=2) - 1
            x, y = points[0, 0, :, 0], points[0, 0, :, 1]
            inside = ((columns >= x[0]) & (columns <= x[1]) & (rows >= y[0]) & (rows <= y[1])).float()
            mean = (plane * inside).sum() / inside.sum()
            logit = (plane - mean) * inside - (1 - inside)
            masks = torch.stack([-logit, logit], dim=1)[:, None]
            scores = torch.tensor([[[0.2, 0.9]]]) * (labels[0, 0, 0] == 2).float()
            return masks, scores

    example = (torch.rand(1, 3, 8, 9), torch.tensor([[[[1.0, 2.0], [5.0, 6.0]]]]), torch.tensor([[[2.0, 3.0]]]))
    shapes = [[1, 3, -1, -1], [1, 1, 2, 2], [1, 1, 2]]
    path = tmp_path / "bright.xml"
    openvino.save_model(openvino.convert_model(Tiny(), example_input=example, input=shapes), str(path))
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*torch.tensor results")
def test_a_model_with_a_box_prompt(prompt_model):
    truth = ball(SHAPE, 10)
    volume = noisy(truth, 0.02)
    middle = SHAPE[0] // 2
    found = prompted_slice(volume, open_prompt_model(prompt_model), box=box_of(truth[middle], 2))
    ignore = np.ones(SHAPE, bool)
    ignore[middle] = False
    row = compare_masks(found.labels, truth, NM.spacing, ignore=ignore, distances=False)
    assert row["dice"] > 0.97
    assert not found.labels[:middle].any()
    assert not found.labels[middle + 1 :].any()
    across = prompted_slice(volume, open_prompt_model(prompt_model), box=box_of(truth[:, :, 22]), axis="i")
    assert compare_masks(across.labels[:, :, 22:23], truth[:, :, 22:23], NM.spacing, distances=False)["dice"] > 0.95


def test_openvino_model_with_a_box_prompt(tmp_path):
    openvino = pytest.importorskip("openvino", reason="openvino is not installed")
    from openvino import opset13 as ops

    image = ops.parameter([1, 3, -1, -1], np.float32, name="image")
    points = ops.parameter([1, 1, 2, 2], np.float32, name="points")
    labels = ops.parameter([1, 1, 2], np.float32, name="labels")
    grey = ops.slice(image, [0], [1], [1], [1])
    logits = ops.unsqueeze(ops.subtract(grey, np.float32(0.5)), np.int64(1))
    first = ops.slice(labels, [0], [1], [1], [2])
    unused = ops.multiply(ops.reduce_sum(points, np.array([0, 1, 2, 3]), True), np.float32(0))
    scores = ops.add(first, ops.reshape(unused, np.array([1, 1, 1]), False))
    openvino.save_model(openvino.Model([logits, scores], [image, points, labels]), str(tmp_path / "tiny.xml"))
    truth = ball(SHAPE, 10)
    found = prompted_slice(noisy(truth, 0.01), open_prompt_model(tmp_path / "tiny.xml"), box=box_of(truth[18]))
    assert compare_masks(found.labels[18:19], truth[18:19], NM.spacing, distances=False)["dice"] > 0.97


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*torch.tensor results")
@pytest.mark.parametrize("name", ["evil.pt", "evil.ts", "evil.torchscript", "EVIL.PTH"])
def test_programs_are_not_opened(name, tmp_path):
    """TorchScript has an operator that writes files (aten::save), so such a model could write anywhere."""
    torch = pytest.importorskip("torch")

    class Evil(torch.nn.Module):
        def __init__(self, target: str):
            super().__init__()
            self.target = target

        def forward(self, image: torch.Tensor, points: torch.Tensor, labels: torch.Tensor):
            torch.save(image, self.target)
            return image[:, None], labels

    target = tmp_path / "written"
    torch.jit.script(Evil(str(target))).save(str(tmp_path / name))
    with pytest.raises(FileError, match="can write any file"):
        open_prompt_model(tmp_path / name)
    assert not target.exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*torch.tensor results")
def test_unusable_models_raise_an_error_that_says_why(tmp_path, prompt_model):
    with pytest.raises(FileError, match="no such model file"):
        open_prompt_model(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(FileError, match="no ONNX or OpenVINO model"):
        open_prompt_model(tmp_path / "bad.onnx")
    (tmp_path / "model.pkl").write_bytes(b"x")
    with pytest.raises(FileError, match="must end in"):
        open_prompt_model(tmp_path / "model.pkl")
    model = open_prompt_model(prompt_model)
    with pytest.raises(InputError, match="does not fit into the slice"):
        prompted_slice(noisy(ball(SHAPE, 8)), model, box=(0, 0, 99, 5))
    with pytest.raises(InputError, match="no voxel to draw a box"):
        box_of(np.zeros((4, 4), bool))
