"""The panels at work: fill, train, predict and measure, as a person does, with real worker processes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from workbench import add_segmentation, add_volume, pump, segment_array

SMALL = {
    "epochs": 2,
    "steps_per_epoch": 1,
    "patch": [16, 16, 16],
    "batch": 1,
    "base_filters": 4,
    "levels": 2,
    "validation_part": 0.5,
    "device": "cpu",
    "augmentation": "none",
    "checkpoint_minutes": 0.01,
    "spacing": "none",
}


def cell(seed: int, size: int = 24):
    """A bright ball on noise, and its full label."""
    rng = np.random.default_rng(seed)
    k, j, i = np.indices((size, size, size)) - size / 2 + rng.uniform(-2, 2, 3)[:, None, None, None]
    ball = k**2 + j**2 + i**2 < (size / 3) ** 2
    return (ball * 2.0 + rng.normal(0, 0.2, ball.shape)).astype(np.float32), ball


def labelled(seed: int):
    import slicer
    from standin.effecthost import label_image

    image, ball = cell(seed)
    volume = add_volume(image, f"cell {seed}")
    node = add_segmentation(volume, ("cytoplasm",), f"labels {seed}")
    image = label_image(ball, volume)
    slicer.vtkSlicerSegmentationsModuleLogic.SetBinaryLabelmapToSegment(
        image, node, "cytoplasm", slicer.vtkSlicerSegmentationsModuleLogic.MODE_REPLACE
    )
    return volume, node


def chosen(module):
    """A volume and its labels, chosen in the module."""
    module.parameters.sourceVolume, module.parameters.segmentation = volume, node = labelled(1)
    return volume, node


def pair(module, seed):
    volume, node = labelled(seed)
    ui = module.panels["Train"].ui
    ui.trainVolumeSelector.setCurrentNode(volume)
    ui.trainLabelsSelector.setCurrentNode(node)
    ui.addPairButton.click()
    return volume, node


def test_a_box_created_in_the_fill_panel_lies_in_the_middle_and_is_used(module):
    from ACSegLib.scene.roi import box_of_roi

    volume, _node = chosen(module)
    roi = module.panels["Fill"].ui.fillBoxSelector.addNode()
    assert module.parameters.fillBox is roi
    assert module.panels["Fill"].options()["box"] is roi
    size = np.array(volume.GetImageData().GetDimensions())
    low, high = np.array(box_of_roi(roi, volume).box).reshape(3, 2).T
    assert (abs(low + high - size) <= 1).all()
    assert (abs(high - low - size / 2) <= 1).all()


def test_fill_panel(module, fake):
    volume, node = chosen(module)
    panel = module.panels["Fill"]
    fake.gate.clear()
    panel.ui.fillButton.click()
    assert panel.running
    assert not panel.ui.fillButton.enabled
    assert panel.ui.fillCancelButton.enabled
    fake.gate.set()
    pump(lambda: not panel.running)
    output = module.parameters.fillOutput
    assert output is not node
    assert output.GetName() == "labels 1 filled"
    drawn = segment_array(node, "cytoplasm", volume)
    assert segment_array(output, "cytoplasm", volume)[drawn].all()
    assert np.array_equal(drawn, cell(1)[1])
    assert module.parameters.measureSegmentation is output
    assert "Used slices" in panel.ui.fillMessage.text
    assert panel.ui.fillCrossValidation.text == "Cross-validation on labelled slices: Dice 0.912."
    assert "were hidden" in panel.ui.fillCrossValidation.toolTip
    assert panel.show3DButton.segmentationNode() is output
    panel.show3DButton.click()
    assert output.GetSegmentation().ContainsRepresentation("Closed surface")


def test_hidden_segments_are_left_out_of_a_fill_as_of_the_guide(module, fake):
    _volume, node = chosen(module)
    node.GetSegmentation().AddEmptySegment("bead", "bead")
    panel, display = module.panels["Fill"], node.GetDisplayNode()
    display.SetSegmentVisibility("bead", False)
    panel.ui.fillButton.click()
    pump(lambda: not panel.running)
    assert list(module.parameters.fillOutput.GetSegmentation().GetSegmentIDs()) == ["cytoplasm"]
    assert "Hidden, and left out: bead." in panel.ui.fillMessage.text
    display.SetSegmentVisibility("bead", True)
    panel.ui.fillButton.click()
    pump(lambda: not panel.running)
    assert list(module.parameters.fillOutput.GetSegmentation().GetSegmentIDs()) == ["cytoplasm", "bead"]
    assert "left out" not in panel.ui.fillMessage.text
    display.SetAllSegmentsVisibility(False)
    panel.ui.fillButton.click()
    assert not panel.running
    assert "All segments are hidden" in panel.ui.fillMessage.text


def test_a_volume_that_changes_meanwhile_is_told_with_the_result(module, fake):
    """As when a sequence goes on to its next time point."""
    import slicer

    volume, _node = chosen(module)
    panel = module.panels["Fill"]
    fake.gate.clear()
    panel.ui.fillButton.click()
    pump(lambda: panel.ui.fillProgress.value > 0)
    slicer.util.updateVolumeFromArray(volume, np.zeros_like(slicer.util.arrayFromVolume(volume)))
    fake.gate.set()
    pump(lambda: not panel.running)
    assert "changed while the work ran" in panel.ui.fillMessage.text
    panel.ui.fillButton.click()
    pump(lambda: not panel.running)
    assert "changed" not in panel.ui.fillMessage.text


def test_the_log_of_the_worker_process_can_be_opened(module, fake, monkeypatch):
    import qt
    import slicer
    from ACSegPanels import working

    opened, told = [], []
    monkeypatch.setattr(qt, "QDesktopServices", type("Services", (), {"openUrl": staticmethod(opened.append)}))
    monkeypatch.setattr(slicer.util, "infoDisplay", lambda text, **_: told.append(text))
    before = working.setWorker(None)
    working.openLog()
    assert told == ["Nothing has run yet: there is no log."]
    working.setWorker(before)
    before.start()
    working.openLog()
    assert opened[0].toLocalFile() == str(before.log_path)


def test_fill_panel_when_the_scene_is_closed(module, fake):
    import slicer

    chosen(module)
    panel = module.panels["Fill"]
    fake.gate.clear()
    panel.ui.fillButton.click()
    slicer.mrmlScene.Clear(0)
    assert not panel.running
    assert "closed" in panel.ui.fillMessage.text
    assert not panel.ui.fillButton.enabled


def test_train_table_flags_problems_before_the_start(module):
    pair(module, 1)
    panel = module.panels["Train"]
    assert panel.ui.trainButton.enabled
    panel.ui.addPairButton.click()
    assert "twice" in panel.ui.pairsTable.item(1, 3).text()
    assert not panel.ui.trainButton.enabled
    assert "problem" in panel.ui.trainButton.toolTip
    panel.ui.pairsTable.setCurrentCell(1, 0)
    panel.ui.removePairButton.click()
    empty = add_segmentation(panel.pairs[0].image, name="empty")
    panel.ui.trainVolumeSelector.setCurrentNode(add_volume(np.zeros((4, 4, 4), np.uint8), "other"))
    panel.ui.trainLabelsSelector.setCurrentNode(empty)
    panel.ui.addPairButton.click()
    assert "Nothing is drawn" in panel.ui.pairsTable.item(1, 3).text()


def test_pairs_for_validation_are_ticked_in_the_table(module):
    """They are handed over apart, and take the place of the part that is held back."""
    from PySide6.QtCore import Qt

    for seed in (1, 2):
        pair(module, seed)
    panel = module.panels["Train"]
    box = panel.ui.trainValidationBox
    assert box.enabled
    panel.ui.pairsTable.item(1, 2).setCheckState(Qt.CheckState.Checked)
    assert [p.validation for p in panel.pairs] == [False, True]
    assert [panel.ui.pairsTable.item(row, 2).text() for row in (0, 1)] == ["no", "yes"]
    assert not box.enabled
    assert "table" in box.toolTip
    assert panel.ui.trainButton.enabled
    given = {}
    module.logic.train = lambda pairs, path, validation=(), **options: given.update(pairs=pairs, validation=validation)
    panel.ui.trainButton.click()
    assert [image.GetName() for image, _labels in given["pairs"]] == ["cell 1"]
    assert [image.GetName() for image, _labels in given["validation"]] == ["cell 2"]
    panel.task = None
    panel.ui.pairsTable.item(0, 2).setCheckState(Qt.CheckState.Checked)
    assert not panel.ui.trainButton.enabled
    assert "at least one pair to train on" in panel.ui.trainButton.toolTip


def test_the_table_of_a_training_names_the_pairs_for_validation(module):
    """Read back by the command's own reader."""
    from ACSegPanels.exchange import CommandFiles

    from ACSegLib.commands.pairs import read_table

    files = CommandFiles()
    table = files.pairs([labelled(1)], [labelled(2)])
    for path in files._inputs:
        Path(path).touch()
    training, validation = read_table(table)
    files.remove()
    assert [(pair.name[:3], other.name[:3]) for pair, other in zip(training, validation, strict=True)] == [
        ("000", "001")
    ]


def test_a_pair_whose_node_was_deleted_is_flagged(module):
    import slicer

    volume, _node = pair(module, 1)
    panel = module.panels["Train"]
    slicer.mrmlScene.RemoveNode(volume)
    module.updatePanels()
    assert "deleted" in panel.ui.pairsTable.item(0, 3).text()
    assert not panel.ui.trainButton.enabled


@pytest.mark.parametrize("name", ["", "  ", "a/b", "what?"])
def test_a_model_needs_a_name_that_can_be_a_file(module, name):
    pair(module, 1)
    module.parameters.trainName = name
    button = module.panels["Train"].ui.trainButton
    assert not button.enabled
    assert "name" in button.toolTip


def test_train_cancel_resume(module):
    """With the real worker; its model is then the one that Predict offers."""
    from standin.application import _Plots

    for seed in (1, 2):
        pair(module, seed)
    panel = module.panels["Train"]
    panel.options = lambda: {**SMALL, "epochs": 400}
    panel.ui.trainButton.click()
    assert panel.running, panel.ui.trainMessage.text
    pump(lambda: len(panel.history) >= 2 or not panel.running)
    assert panel.running, panel.ui.trainMessage.text
    assert {"loss", "minutes"} <= set(panel.history[0])
    assert _Plots.shown.GetNumberOfPlotSeriesNodes() >= 1
    panel.ui.trainCancelButton.click()
    pump(lambda: not panel.running, 30)
    assert "Resume" in panel.ui.trainMessage.text
    assert panel.checkpoint.exists()
    assert panel.ui.trainResumeButton.enabled

    done = panel.history[-1]["epoch"]
    panel.options = lambda: {**SMALL, "epochs": int(done) + 2}
    panel.ui.trainResumeButton.click()
    pump(lambda: not panel.running)
    assert panel.modelPath.exists(), panel.ui.trainMessage.text

    predict = module.panels["Predict"]
    assert predict.model.path == panel.modelPath
    assert "cytoplasm" in predict.ui.modelCard.text


def test_the_course_of_a_training_is_one_chart_that_leaves_the_layout_alone(module):
    """Loss at each epoch, Dice where there was a validation; the person may go back to the slice views meanwhile."""
    from standin.application import _Plots

    panel, shown = module.panels["Train"], []
    show = _Plots.ShowChartInLayout
    _Plots.ShowChartInLayout = lambda self, chart: (shown.append(chart), show(self, chart))
    try:
        for epoch in range(1, 5):
            dice = {"dice": 0.8, "dice cytoplasm": 0.8} if epoch % 2 == 0 else {}
            panel._onMetrics({"epoch": epoch, "seconds": 30.0 * epoch, "loss": 1 / epoch, **dice})
    finally:
        _Plots.ShowChartInLayout = show
    assert len(shown) == 1
    chart = shown[0]
    curves = [chart.GetNthPlotSeriesNode(n) for n in range(chart.GetNumberOfPlotSeriesNodes())]
    assert [c.GetYColumnName() for c in curves] == ["loss", "dice", "dice cytoplasm"]
    points = [c.GetTableNode().GetTable().GetColumnByName(c.GetYColumnName()) for c in curves]
    values = [[p.GetValue(n) for n in range(p.GetNumberOfTuples())] for p in points[:2]]
    assert values == [[1, 1 / 2, 1 / 3, 1 / 4], [0.8, 0.8]]
    minutes = curves[1].GetTableNode().GetTable().GetColumnByName("minutes")
    assert [minutes.GetValue(n) for n in range(2)] == [1.0, 2.0]


def test_stop_and_keep_best_writes_the_model(module, quick):
    """The training is stopped, and gone on from its state just long enough to write the best weights."""
    pair(module, 1)
    panel = module.panels["Train"]
    quick.held = True
    panel.ui.trainButton.click()
    pump(lambda: panel.ui.trainMessage.text.startswith("At work"))
    panel.ui.trainStopButton.click()
    pump(lambda: panel.checkpoint.exists())
    quick.held = False
    pump(lambda: not panel.running and panel.modelPath.exists())
    assert "Trained" in panel.ui.trainMessage.text
    first, second = (request["options"] for request in quick.requests)
    assert not first.get("resume")
    assert second["resume"]
    assert second["minutes"] <= 0.05
    assert second["output"] == first["output"]


@pytest.mark.parametrize("button", ["trainStopButton", "trainCancelButton"])
def test_a_training_is_stopped_as_it_began_when_the_module_was_left_meanwhile(module, quick, button):
    """Its state takes seconds to write, and nobody waits for it in front of the panel."""
    pair(module, 1)
    panel = module.panels["Train"]
    quick.held = True
    panel.ui.trainButton.click()
    pump(lambda: panel.ui.trainMessage.text.startswith("At work"))
    path, training = panel.modelPath, panel.task
    module.parameters.trainName = "another name"
    getattr(panel.ui, button).click()
    module.exit()
    pump(lambda: not training.running)
    quick.held = False
    pump(lambda: not panel.running)
    if button == "trainCancelButton":
        assert "Resume" in panel.ui.trainMessage.text
        return
    assert path.exists()
    first, second = (request["options"] for request in quick.requests)
    assert second["resume"]
    assert second["output"] == first["output"] == str(path)


def predicting(module, hold):
    """A prediction that is held in the middle."""
    volume, _node = labelled(1)
    module.parameters.predictVolume = volume
    hold.held = True
    panel = module.panels["Predict"]
    panel.ui.predictButton.click()
    pump(lambda: panel.ui.predictMessage.text == "At work")
    return panel, volume


def test_predict_into_a_new_and_into_an_existing_segmentation(module, quick):
    panel, volume = predicting(module, quick)
    assert not panel.ui.predictButton.enabled
    quick.held = False
    pump(lambda: not panel.running)
    output = module.parameters.predictOutput
    assert output.GetName() == "cell 1 predicted"
    (identifier,) = output.GetSegmentation().GetSegmentIDs()
    assert np.array_equal(segment_array(output, identifier, volume), cell(1)[0] > 1)
    assert module.parameters.measureSegmentation is output
    told = (
        "Done: cell 1 predicted. The value 0 counts as padding; use 'Region of interest' in the module ACSeg Predict."
    )
    assert panel.ui.predictMessage.text == told
    panel.ui.predictButton.click()
    pump(lambda: not panel.running)
    assert module.parameters.predictOutput is output


def test_adapting_the_pretrained_model_gives_a_model_of_its_own_that_is_chosen(module, quick):
    panel = module.panels["Predict"]
    panel.enter()
    start = panel.model.path
    assert not panel.ui.adaptButton.enabled
    assert "Choose the volume" in panel.ui.adaptButton.toolTip
    volume, _node = labelled(1)
    module.parameters.predictVolume = volume
    panel.ui.adaptMinutesBox.value = 3
    quick.held = True
    panel.ui.adaptButton.click()
    pump(lambda: panel.ui.predictMessage.text == "At work")
    assert not panel.ui.adaptButton.enabled
    quick.held = False
    pump(lambda: not panel.running)
    options = quick.requests[-1]["options"]
    assert quick.requests[-1]["command"] == "adapt"
    assert (options["minutes"], options["device"], options["model"]) == (3, "auto", str(start))
    assert panel.model.path == Path(options["output"])
    assert panel.model.path.name == f"{start.stem} adapted to cell 1.acseg"
    assert "cytoplasm 0.910 > 0.950" in panel.ui.predictMessage.text


@pytest.mark.parametrize("deleted", [False, True])
def test_the_result_of_the_volume_before_is_not_overwritten(module, quick, deleted):
    """After a prediction its result stays chosen; another volume gets a result of its own, and again the same."""
    panel, first = predicting(module, quick)
    quick.held = False
    pump(lambda: not panel.running)
    kept = module.parameters.predictOutput
    if deleted:
        first.GetScene().RemoveNode(first)
    second, _node = labelled(2)
    for _turn in range(2):
        module.parameters.predictVolume = second
        panel.ui.predictButton.click()
        pump(lambda: not panel.running)
        assert module.parameters.predictOutput.GetName() == "cell 2 predicted"
    (identifier,) = kept.GetSegmentation().GetSegmentIDs()
    assert np.array_equal(segment_array(kept, identifier, second), cell(1)[0] > 1)


def test_the_results_of_other_labels_are_not_overwritten(module, fake):
    parameters = module.parameters
    fill, measure = module.panels["Fill"], module.panels["Measure"]
    parameters.sourceVolume, first = labelled(1)
    _volume, second = labelled(2)
    results = []
    for labels in (first, first, second):
        parameters.segmentation = labels
        fill.ui.fillButton.click()
        pump(lambda: not fill.running)
        measure.ui.measureButton.click()
        pump(lambda: not measure.running)
        results.append((parameters.fillOutput.GetName(), parameters.measureTable.GetName()))
    assert results[0] == results[1] == ("labels 1 filled", "labels 1 filled measurements")
    assert results[2] == ("labels 2 filled", "labels 2 filled measurements")


def test_a_segmentation_made_in_the_selector_of_the_result_is_seen(module, fake):
    """Slicer's node selectors make nodes without a display node."""
    import slicer

    volume, node = labelled(1)
    output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Filled")
    module.parameters.sourceVolume, module.parameters.segmentation = volume, node
    module.parameters.fillOutput = output
    panel = module.panels["Fill"]
    panel.ui.fillButton.click()
    pump(lambda: not panel.running)
    assert module.parameters.fillOutput is output
    assert output.GetDisplayNode() is not None
    assert output.GetNodeReference("referenceImageGeometryRef") is volume


def test_scene_closed_in_the_middle_of_a_prediction(module, quick):
    import slicer

    panel, _volume = predicting(module, quick)
    task = panel.task
    slicer.mrmlScene.Clear(0)
    assert not panel.running
    assert "closed" in panel.ui.predictMessage.text
    quick.held = False
    pump(lambda: not task._job.lingering)
    assert slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSegmentationNode") is None


@pytest.mark.parametrize("what", ["result", "volume"])
def test_nodes_deleted_in_the_middle_of_a_prediction(module, quick, what):
    import slicer

    output = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "output")
    module.parameters.predictOutput = output
    panel, volume = predicting(module, quick)
    slicer.mrmlScene.RemoveNode(output if what == "result" else volume)
    quick.held = False
    pump(lambda: not panel.running)
    if what == "result":
        assert module.parameters.predictOutput.GetName() == "cell 1 predicted"
    else:
        assert "'cell 1' was deleted meanwhile" in panel.ui.predictMessage.text
    assert panel.ui.predictButton.enabled == (what == "result")


def test_predict_a_folder(module, tmp_path):
    """The folders go to the command, which has tests of its own; the target is made."""
    given = {}
    module.logic.predictFolder = lambda source, target, model, **options: given.update(source=source, target=target)
    panel, source, target = module.panels["Predict"], tmp_path / "images", tmp_path / "results"
    source.mkdir()
    panel.ui.predictFolderEdit.currentPath = str(source)
    assert "folder for the results" in panel.ui.predictFolderButton.toolTip
    panel.ui.predictTargetEdit.currentPath = str(target)
    panel.ui.predictFolderButton.click()
    panel.task = None
    assert given == {"source": str(source), "target": str(target)}
    assert target.is_dir()


def test_a_worker_that_dies_leaves_a_message(module, tmp_path):
    from ACSegPanels import working

    from ACSegLib.worker import Worker

    pair(module, 1)
    panel = module.panels["Train"]
    working.setWorker(Worker([sys.executable, "-c", "import sys; sys.exit(3)"], tmp_path))
    panel.ui.trainButton.click()
    pump(lambda: not panel.running, 30)
    assert "ended unexpectedly" in panel.ui.trainMessage.text
    assert panel.ui.trainButton.enabled


def test_measure_table_chart_and_export(module, tmp_path):
    import csv

    from standin.application import _Plots

    from ACSegLib.commands.main import main

    volume, node = labelled(1)
    volume.SetAttribute("ACSeg.LengthUnit", "um")
    module.parameters.measureSegmentation = node
    module.parameters.measureVolume = volume
    panel = module.panels["Measure"]
    panel.ui.measureButton.click()
    pump(lambda: not panel.running, 60)
    table = module.parameters.measureTable
    assert table is not None, panel.ui.measureMessage.text
    expected = segment_array(node, "cytoplasm", volume).sum()
    box = panel.ui.measureColumnBox
    assert box.itemData(box.currentIndex) == "volume"
    assert box.currentText == "Volume [um3]"
    headers = [panel.ui.measureTableView.header(c) for c in range(panel.ui.measureTableView.columnCount())]
    assert "Cut by border" in headers
    assert "touches_border" not in headers
    assert table.GetTable().GetColumnByName("volume").GetValue(0) == pytest.approx(expected, rel=1e-6)
    assert _Plots.shown.GetNumberOfPlotSeriesNodes() == 1
    told = panel.ui.measureMessage.text
    assert "rows; lengths in um. The values of cell 1 have no unit" in told
    for name in ("figures.csv", "figures.xlsx"):
        panel.export(str(tmp_path / name))
        assert (tmp_path / name).stat().st_size > 100, panel.ui.measureMessage.text
        report = tmp_path / "report.html"
        assert main(["report", "--cells", str(tmp_path / name), "-o", str(report)]) == 0
        assert "cell 1" in report.read_text(encoding="utf-8"), "the report names the volume"
    with open(tmp_path / "figures.csv", encoding="utf-8") as stream:
        assert float(next(csv.DictReader(stream))["volume"]) == pytest.approx(expected)


def test_scene_closed_in_the_middle_of_measuring_and_training(module):
    import slicer

    volume, node = labelled(1)
    module.parameters.measureSegmentation = node
    module.parameters.measureVolume = volume
    module.panels["Measure"].ui.measureButton.click()
    pair(module, 2)
    train = module.panels["Train"]
    train.options = lambda: SMALL
    train.ui.trainButton.click()
    assert train.running
    slicer.mrmlScene.Clear(0)
    for panel in module.panels.values():
        assert not panel.running
    assert train.pairs == []
    assert "closed" in train.ui.trainMessage.text
