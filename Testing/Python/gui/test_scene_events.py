"""The scene changes while a measurement or a prediction is at work: nodes deleted, replaced or renamed, module left."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
from test_panels import cell, labelled, predicting
from workbench import pump, segment_array


@pytest.fixture
def measuring(module, desk_worker):
    """A measurement whose worker stands still; `measuring.go` lets it work, and waits for the end."""

    class Measuring:
        volume, labels = labelled(1)
        panel = module.panels["Measure"]

        def go(self):
            os.killpg(desk_worker.pid, signal.SIGCONT)
            pump(lambda: not self.panel.running)

    module.parameters.measureSegmentation = Measuring.labels
    module.parameters.measureVolume = Measuring.volume
    desk_worker.start()
    pump(lambda: desk_worker.pump() or desk_worker.ready)
    os.killpg(desk_worker.pid, signal.SIGSTOP)
    Measuring.panel.ui.measureButton.click()
    yield Measuring()
    os.killpg(desk_worker.pid, signal.SIGCONT)


def delete_labels(module, job):
    module.parameters.measureSegmentation = None
    job.labels.GetScene().RemoveNode(job.labels)


def delete_volume(module, job):
    job.volume.GetScene().RemoveNode(job.volume)


def rename_segment(module, job):
    segmentation = job.labels.GetSegmentation()
    segmentation.GetSegment(segmentation.GetNthSegmentID(0)).SetName("renamed")


def replace_voxels(module, job):
    import slicer

    slicer.util.updateVolumeFromArray(job.volume, np.zeros((4, 4, 4), np.float32))


def leave_the_module(module, job):
    module.exit()


@pytest.mark.parametrize("event", [delete_labels, delete_volume, rename_segment, replace_voxels, leave_the_module])
def test_a_measurement_gives_the_table_of_what_it_was_given(module, measuring, event):
    import slicer

    expected = int(segment_array(measuring.labels, "cytoplasm", measuring.volume).sum())
    event(module, measuring)
    measuring.go()
    tables = slicer.util.getNodesByClass("vtkMRMLTableNode")
    assert len(tables) == 1, measuring.panel.ui.measureMessage.text
    table = tables[0].GetTable()
    assert table.GetColumnByName("segment").GetValue(0) == "cytoplasm"
    assert table.GetColumnByName("voxels").GetValue(0) == expected
    module.enter()
    assert measuring.panel.ui.measureTableView.mrmlTableNode() is tables[0]


def test_a_measurement_whose_table_was_deleted_makes_another_one(module, measuring):
    import slicer

    measuring.go()
    first = module.parameters.measureTable
    measuring.panel.ui.measureButton.click()
    slicer.mrmlScene.RemoveNode(first)
    pump(lambda: not measuring.panel.running)
    assert module.parameters.measureTable is not None
    assert module.parameters.measureTable is not first
    assert module.parameters.measureTable.GetNumberOfRows() > 0


def test_a_prediction_whose_volume_was_deleted_says_so_and_leaves_the_scene_whole(module, quick):
    import slicer

    panel, volume = predicting(module, quick)
    before = len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode"))
    slicer.mrmlScene.RemoveNode(volume)
    quick.held = False
    pump(lambda: not panel.running)
    assert "was deleted meanwhile" in panel.ui.predictMessage.text
    assert len(slicer.util.getNodesByClass("vtkMRMLSegmentationNode")) == before


def test_a_prediction_whose_result_was_deleted_makes_another_one(module, quick):
    import slicer

    panel, volume = predicting(module, quick)
    quick.held = False
    pump(lambda: not panel.running)
    first = module.parameters.predictOutput
    quick.held = True
    panel.ui.predictButton.click()
    pump(lambda: panel.ui.predictMessage.text == "At work")
    slicer.mrmlScene.RemoveNode(first)
    quick.held = False
    pump(lambda: not panel.running)
    output = module.parameters.predictOutput
    assert output is not None
    assert output is not first
    (identifier,) = output.GetSegmentation().GetSegmentIDs()
    assert np.array_equal(segment_array(output, identifier, volume), cell(1)[0] > 1)


def test_a_prediction_goes_on_when_the_module_is_left(module, quick):
    import slicer

    panel, volume = predicting(module, quick)
    module.exit()
    quick.held = False
    pump(lambda: not panel.running)
    (output,) = [n for n in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if n.GetName().endswith("predicted")]
    (identifier,) = output.GetSegmentation().GetSegmentIDs()
    assert np.array_equal(segment_array(output, identifier, volume), cell(1)[0] > 1)
    module.enter()
    assert module.parameters.predictOutput is output
    assert panel.ui.predictButton.enabled


@pytest.fixture
def filling(module, fake):
    """A fill of the panel Fill that stands still; `filling.go` lets it work, and waits for the end."""

    class Filling:
        volume, labels = labelled(1)
        panel = module.panels["Fill"]

        def go(self):
            fake.gate.set()
            pump(lambda: not self.panel.running)

    module.parameters.sourceVolume, module.parameters.segmentation = Filling.volume, Filling.labels
    fake.gate.clear()
    Filling.panel.ui.fillButton.click()
    pump(lambda: Filling.panel.ui.fillMessage.text == "Walking")
    return Filling()


@pytest.mark.parametrize("event", [delete_labels, rename_segment, leave_the_module])
def test_a_fill_goes_on_whatever_becomes_of_its_labels(module, filling, event):
    import slicer

    event(module, filling)
    filling.go()
    (output,) = [n for n in slicer.util.getNodesByClass("vtkMRMLSegmentationNode") if n.GetName().endswith("filled")]
    assert segment_array(output, "cytoplasm", filling.volume)[cell(1)[1]].all()
    module.enter()
    assert module.parameters.fillOutput is output


@pytest.mark.parametrize(
    ("event", "expected"), [(delete_volume, "was deleted meanwhile"), (replace_voxels, "not on the grid of volume")]
)
def test_a_fill_whose_volume_is_another_one_now_says_so_and_leaves_the_scene_whole(module, filling, event, expected):
    import slicer

    before = slicer.util.getNodesByClass("vtkMRMLSegmentationNode")
    event(module, filling)
    filling.go()
    assert expected in filling.panel.ui.fillMessage.text
    assert slicer.util.getNodesByClass("vtkMRMLSegmentationNode") == before
    assert module.parameters.fillOutput is None


def test_a_fill_whose_result_was_deleted_makes_another_one(module, filling, fake):
    import slicer

    filling.go()
    first = module.parameters.fillOutput
    fake.gate.clear()
    filling.panel.ui.fillButton.click()
    slicer.mrmlScene.RemoveNode(first)
    filling.go()
    assert module.parameters.fillOutput is not None
    assert module.parameters.fillOutput is not first
