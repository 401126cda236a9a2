"""The first minutes in a fresh Slicer, which has none of ACSeg's packages: what is asked, and what works before."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from desk import ball, on_slices
from workbench import add_segmentation, add_volume, draw, pump


class FreshSlicer:
    """Asks before it installs, notes both, and has the packages from then on."""

    def __init__(self, installed: Path) -> None:
        self.installed, self.asked, self.delivered, self.errors, self.answer = installed, [], [], [], True

    def ask(self, text, windowTitle=None, parent=None, **other):
        self.asked.append(text)
        return self.answer

    def deliver(self, requirements):
        self.delivered += shlex.split(requirements) if isinstance(requirements, str) else requirements
        self.installed.touch()


@pytest.fixture
def fresh(scene, tmp_path, monkeypatch):
    """A Slicer without any of ACSeg's packages."""
    import slicer
    from ACSegPanels import install, working

    from ACSegLib.worker import Worker

    fresh = FreshSlicer(tmp_path / "installed")
    worker = Worker([sys.executable, str(Path(__file__).with_name("freshworker.py")), str(fresh.installed)], tmp_path)
    working.setWorker(worker)
    monkeypatch.setattr(type(slicer.app), "testing", False)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", fresh.ask)
    monkeypatch.setattr(slicer.util, "pip_install", fresh.deliver)
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **_: fresh.errors.append(text))
    monkeypatch.setattr(install, "_isInstalled", lambda requirement: fresh.installed.exists())
    monkeypatch.setattr("standin.scripted.pip_check", lambda requirement: fresh.installed.exists())
    yield fresh
    worker.stop(10.0)


def test_the_simulated_cell_comes_with_one_click_and_one_answer(fresh, monkeypatch):
    from ACSegPanels import sampledata
    from ACSegPanels.views import shownVolumes

    start = sampledata.startSimulatedCell
    monkeypatch.setattr(sampledata, "startSimulatedCell", lambda: start(size=32, every=8))
    nodes = sampledata.Sample(0)(None)
    assert fresh.errors == []
    assert len(fresh.asked) == 1
    assert "numba" in fresh.asked[0]
    assert [node.GetClassName() for node in nodes] == ["vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode"]
    assert shownVolumes() == {nodes[0].GetID()}, "it is seen"


def test_declined_it_says_so_and_asks_again_the_next_time(fresh):
    from ACSegPanels import sampledata

    fresh.answer = False
    for number in (1, 2):
        assert sampledata.Sample(0)(None) == []
        assert len(fresh.asked) == len(fresh.errors) == number
    assert "press the button again" in fresh.errors[0]
    assert fresh.delivered == []


def test_a_tomogram_of_the_paper_asks_for_its_readers(fresh, monkeypatch):
    from ACSegPanels import sampledata

    monkeypatch.setattr(sampledata, "startTCell", lambda number: pytest.fail("it was declined"))
    fresh.answer = False
    assert sampledata.Sample(3)(None) == []
    assert "tifffile" in fresh.asked[0]


@pytest.fixture
def drawn(fresh, tmp_path):
    """The module at work on a labelled volume."""
    from ACSegPanels.models import setModelFolder
    from standin.scripted import open_module
    from test_module import register_effect

    from ACSeg import ACSegWidget

    setModelFolder(tmp_path / "models")
    register_effect()
    module = open_module(ACSegWidget)
    module.parameters.sourceVolume = volume = add_volume(ball().astype(np.float32) * 100)
    volume.SetAttribute("ACSeg.LengthUnit", "um")
    module.parameters.segmentation = add_segmentation(volume, ("cytoplasm",))
    editor = module.panels["Label"].editor
    editor.setActiveEffectByName("ACSeg random walk fill")
    draw(editor.activeEffect(), "cytoplasm", on_slices(ball(), (9, 15, 21)))
    yield module
    editor.activeEffect().self().cleanup()
    module.cleanup()


def test_the_guide_counts_before_anything_is_installed(drawn, fresh):
    effect = drawn.panels["Label"].editor.activeEffect().self()
    effect.updateGuide()
    pump(lambda: not effect.counting)
    assert effect.panel.guide.table.rowCount == 3, effect.panel.guide.label.text
    assert fresh.asked == []


def test_the_first_fill_of_the_effect_comes_within_two_clicks(drawn, fresh):
    """One on Fill, one on the question; the process that counts already is replaced by one that knows the packages."""
    effect = drawn.panels["Label"].editor.activeEffect().self()
    effect.panel.fillButton.click()
    assert len(fresh.asked) == 1
    pump(lambda: not effect.session.running)
    assert effect.preview.node is not None, effect.message


def test_the_first_split_of_the_effect_comes_within_two_clicks(drawn, fresh):
    host = drawn.panels["Label"].editor.activeEffect()
    host.parameterSetNode().SetSelectedSegmentID("cytoplasm")
    effect = host.self()
    effect.splitting.button.click()
    assert len(fresh.asked) == 1
    pump(lambda: not effect.session.running)
    assert effect.session.splits, effect.message


def test_fill_and_measure_in_the_panels(drawn, fresh):
    fill, measure = drawn.panels["Fill"], drawn.panels["Measure"]
    fill.ui.fillButton.click()
    pump(lambda: not fill.running)
    assert drawn.parameters.fillOutput is not None, fill.ui.fillMessage.text
    measure.ui.measureButton.click()
    pump(lambda: not measure.running)
    assert drawn.parameters.measureTable.GetNumberOfRows() > 0, measure.ui.measureMessage.text
    assert len(fresh.asked) == 1


@pytest.mark.parametrize("step", ["Fill", "Measure", "Predict"])
def test_declined_each_button_says_what_it_needs(drawn, fresh, step):
    fresh.answer = False
    panel, parameters = drawn.panels[step], drawn.parameters
    parameters.measureSegmentation, parameters.predictVolume = parameters.segmentation, parameters.sourceVolume
    drawn.updatePanels()
    button, message = (getattr(panel.ui, f"{step.lower()}{part}") for part in ("Button", "Message"))
    assert button.enabled, button.toolTip
    button.click()
    assert "press the button again" in message.text or "Install the extension PyTorch" in message.text
    assert button.enabled
