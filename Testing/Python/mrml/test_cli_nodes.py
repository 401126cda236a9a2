"""CLI modules on nodes of a real scene, exchanged through files by Slicer's own storage nodes."""

from __future__ import annotations

import csv
import types

import numpy as np
import pytest
from cases import SHAPE, boxes
from cli_standin import CliRunner, check_imports

from ACSegLib.scene import grid, segmentation_from_node


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as stream:
        return {row["segment"]: row for row in csv.DictReader(stream) if row["kind"] == "segment"}


def measure(mrml, tmp_path, environment=None, **parameters):
    table = tmp_path / "table.csv"
    runner = CliRunner(mrml.scene, tmp_path, **(environment or {}))
    module = types.SimpleNamespace(name="ACSegMeasure")
    node = runner.runSync(module, None, {"output": str(table), "noCells": True, "unit": "mm", **parameters})
    assert not node.GetStatus() & node.ErrorsMask, node.GetErrorText()
    return rows_of(table)


def test_overlapping_and_cropped_segments(mrml_application, volume, segmentation, tmp_path, recorder):
    """Layers arrive as components of one file, cropped to what is drawn; each segment is measured whole."""
    import slicer

    over = np.ones((2, 3, 4), np.uint8)
    segmentation.GetSegmentation().AddEmptySegment("S3", "drawn over")
    segmentation.GetDisplayNode().SetSegmentVisibility("S1", True)
    image = grid.oriented_image(over, grid.volume_matrix(volume), (7, 6, 5))
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(image, segmentation, "S3")
    assert segmentation_from_node(segmentation, volume).overlapping
    environment, record = recorder
    rows = measure(mrml_application, tmp_path, environment, inputs=segmentation.GetID(), image=volume.GetID())
    check_imports(record, "measure")
    voxel = 0.5 * 1.0 * 2.0
    for name, mask in (("cytoplasm", boxes() == 1), ("bead", boxes() == 2)):
        assert float(rows[name]["volume"]) == pytest.approx(mask.sum() * voxel, rel=1e-6)
        mean = slicer.util.arrayFromVolume(volume)[mask].mean(dtype=float)
        assert float(rows[name]["lac_mean"]) == pytest.approx(mean, rel=1e-5)
    assert float(rows["drawn over"]["volume"]) == pytest.approx(over.sum() * voxel, rel=1e-6)


def test_label_map_node(mrml, volume, tmp_path):
    """A label map instead of a segmentation node: segments have no names but their values."""
    labels = mrml.labelmap(boxes(), volume)
    rows = measure(mrml, tmp_path, inputs=labels.GetID())
    assert sorted(float(row["volume"]) for row in rows.values()) == pytest.approx(
        sorted([float((boxes() == v).sum()) for v in (1, 2)]), rel=1e-6
    )
    assert boxes().shape == SHAPE


def test_failure_names_what_is_wrong(mrml, volume, segmentation, tmp_path):
    """An image on another grid: resampling is on in Slicer, so only a missing file is left to complain about."""
    runner = CliRunner(mrml.scene, tmp_path)
    module = types.SimpleNamespace(name="ACSegMeasure")
    parameters = {"inputs": segmentation.GetID(), "output": str(tmp_path / "no folder" / "table.csv")}
    node = runner.runSync(module, None, parameters)
    assert node.GetStatus() & node.ErrorsMask
    assert "no folder" in node.GetErrorText()


@pytest.mark.parametrize("kind", ["segmentation", "label map"])
def test_fill_into_a_segmentation_node(mrml_application, tmp_path, recorder, kind):
    """Labelled slices of a ball, in a segmentation or a label map, become the ball."""
    mrml, (environment, record) = mrml_application, recorder
    size = 32
    k, j, i = np.mgrid[:size, :size, :size] - (size - 1) / 2
    truth = (k**2 + j**2 + i**2 <= 10**2).astype(np.uint8)
    noise = np.random.default_rng(2).normal(0, 0.05, truth.shape)
    volume = mrml.volume((truth * 0.5 + 0.1 + noise).astype(np.float32), (3.0, 3.0, 3.0), (1.0, 2.0, 3.0))
    drawn = np.zeros_like(truth)
    drawn[7:26:6] = truth[7:26:6]
    labels = mrml.labelmap(drawn, volume) if kind == "label map" else mrml.segmentation(drawn, volume, ["cytoplasm"])
    output = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "filled")
    parameters = {"image": volume.GetID(), "labels": labels.GetID(), "output": output.GetID(), "axis": "k"}
    runner = CliRunner(mrml.scene, tmp_path, **environment)
    node = runner.runSync(types.SimpleNamespace(name="ACSegFill"), None, parameters)
    assert not node.GetStatus() & node.ErrorsMask, node.GetErrorText()
    filled = segmentation_from_node(output, volume)
    if kind == "segmentation":
        assert [s.name for s in filled.segments] == ["cytoplasm"]
        check_imports(record, "fill")
    both = np.count_nonzero((filled.labels > 0) & (truth > 0))
    assert 2 * both / (np.count_nonzero(filled.labels) + np.count_nonzero(truth)) > 0.93
    assert np.array_equal(filled.labels[7:26:6] > 0, truth[7:26:6] > 0)
