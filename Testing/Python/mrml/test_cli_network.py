"""The CLI modules ACSegTrain and ACSegPredict as Slicer starts them, with files by Slicer's own storage nodes."""

from __future__ import annotations

import types

import numpy as np
import pytest
from cli_standin import FOLDER, CliRunner, check_imports, check_progress, run_here, run_script, slicer_command_line

from ACSegLib.scene import grid, segmentation_from_node

SIZE = 20
TINY = {
    "patch": "16,16,16",
    "baseFilters": "4",
    "levels": "2",
    "epochs": "1",
    "stepsPerEpoch": "1",
    "device": "cpu",
    "augmentation": "none",
    "validationPart": "0",
    "lengthUnit": "nm",
}


def specimen(seed):
    """A noisy image of a ball with a core; masks of both."""
    rng = np.random.default_rng(seed)
    k, j, i = np.mgrid[:SIZE, :SIZE, :SIZE] - SIZE / 2 - rng.uniform(-1, 1, 3)[:, None, None, None]
    distance = np.sqrt(k**2 + j**2 + i**2)
    image = (distance < 7) + (distance < 3) + rng.normal(0, 0.2, distance.shape)
    return image.astype(np.float32), distance < 7, distance < 3


def store(runner, node, path):
    writer = runner._store(node, path)
    if node.IsA("vtkMRMLSegmentationNode"):
        writer.SetCropToMinimumExtent(True)
    assert writer.WriteData(node)


@pytest.fixture
def folders(mrml, tmp_path):
    """Images, and their labels twice: overlapping segments cropped to what is drawn (.seg.nrrd), and label maps."""
    import slicer

    runner = CliRunner(mrml.scene, tmp_path)
    for name in ("images", "segmentations", "labelmaps"):
        (tmp_path / name).mkdir()
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    for seed in (1, 2):
        image, cell, core = specimen(seed)
        volume = mrml.volume(image, (30.0, 30.0, 30.0), (5.0, -7.0, 9.0))
        store(runner, volume, tmp_path / "images" / f"cell{seed}.nrrd")
        node = mrml.segmentation(cell.astype(np.uint8), volume, ["cytoplasm"])
        node.GetSegmentation().AddEmptySegment("S2", "nucleus")
        mask = grid.oriented_image(core.astype(np.uint8), grid.volume_matrix(volume))
        logic.SetBinaryLabelmapToSegment(mask, node, "S2")
        assert segmentation_from_node(node, volume).overlapping
        store(runner, node, tmp_path / "segmentations" / f"cell{seed}.seg.nrrd")
        labels = mrml.labelmap((cell + core.astype(np.uint8)).astype(np.uint8), volume)
        store(runner, labels, tmp_path / "labelmaps" / f"cell{seed}.nrrd")
    import nrrd

    header = nrrd.read_header(str(tmp_path / "segmentations" / "cell1.seg.nrrd"))
    assert header["dimension"] == 4, "overlapping segments come in layers"
    assert max(header["sizes"][1:]) < SIZE, "only what is drawn, not the whole grid"
    return tmp_path


def train_line(folders, labels, model):
    values = {"images": folders / "images", "labels": folders / labels, "output": model, **TINY}
    return slicer_command_line("ACSegTrain", values)


def test_train_on_segmentations_and_on_label_maps_and_predict(folders, mrml_application, recorder):
    """Two trainings, one in a process, then a volume node predicted in a process into a segmentation node."""
    from ACSegLib.network.model.model_file import read_card

    environment, record = recorder
    mrml = mrml_application
    models = {kind: folders / f"{kind}.acseg" for kind in ("segmentations", "labelmaps")}
    lines = {kind: train_line(folders, kind, model) for kind, model in models.items()}
    runs = {
        "segmentations": run_script(FOLDER / "ACSegTrain" / "ACSegTrain.py", *lines["segmentations"], **environment),
        "labelmaps": run_here("ACSegTrain", *lines["labelmaps"]),
    }
    for kind, done in runs.items():
        assert done.returncode == 0, f"{kind}: {done.stderr}"
        check_progress(done.stdout, "ACSeg Train")
        assert f"model: {models[kind]}" in done.stdout
    check_imports(record, "train")
    overlapping, exclusive = read_card(models["segmentations"]), read_card(models["labelmaps"])
    assert [s.name for s in overlapping.segments] == ["cytoplasm", "nucleus"]
    assert overlapping.spec.output == "sigmoid"
    assert len(exclusive.segments) == 2
    assert exclusive.spec.output == "softmax"
    assert overlapping.unit == "nm"
    assert overlapping.spacing == pytest.approx((30.0, 30.0, 30.0))

    record.write_text("")
    image, _cell, _core = specimen(3)
    volume = mrml.volume(image, (30.0, 30.0, 30.0), (1.0, 2.0, 3.0))
    output = mrml.scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "predicted")
    parameters = {
        "images": volume.GetID(),
        "output": output.GetID(),
        "model": models["segmentations"],
        "device": "cpu",
        "lengthUnit": "nm",
    }
    runner = CliRunner(mrml.scene, folders, **environment)
    node = runner.runSync(types.SimpleNamespace(name="ACSegPredict"), None, parameters)
    assert not node.GetStatus() & node.ErrorsMask, node.GetErrorText()
    assert [s.name for s in segmentation_from_node(output, volume).segments] == ["cytoplasm", "nucleus"]
    check_imports(record, "predict")


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("ACSegTrain", {"images": "nowhere", "labels": "nowhere", "output": "m.acseg"}, "nowhere"),
        ("ACSegTrain", {"output": "m.acseg"}, "give --images and --labels"),
        ("ACSegTrain", {"images": ".", "labels": ".", "output": "no folder/m.acseg"}, "no folder"),
        (
            "ACSegTrain",
            {"images": ".", "labels": ".", "output": "m.acseg", "minutes": "long"},
            "'long' is not a number",
        ),
        ("ACSegPredict", {"images": "lost.nrrd", "output": "p.seg.nrrd"}, "lost.nrrd"),
        ("ACSegPredict", {"images": "i.nrrd", "output": "p.seg.nrrd", "model": "lost.acseg"}, "lost.acseg"),
        ("ACSegPredict", {"images": "i.nrrd", "output": "p.seg.nrrd", "overlap": "2"}, "out of range"),
    ],
)
def test_failure_is_one_sentence_on_stderr(tmp_path, monkeypatch, name, values, reason):
    (tmp_path / "i.nrrd").write_bytes(b"NRRD0004\n")
    monkeypatch.chdir(tmp_path)
    done = run_here(name, *slicer_command_line(name, values))
    assert done.returncode == 2, done.stdout + done.stderr
    assert reason in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["i.nrrd"]
