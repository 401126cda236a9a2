"""The list of models in the Predict panel: what is there, what is broken, and what the cards say."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture
def folder(scene, tmp_path):
    from ACSegPanels.models import setModelFolder

    place = tmp_path / "models"
    place.mkdir()
    setModelFolder(place)
    return place


@pytest.fixture
def panel(folder):
    from standin.scripted import open_module

    from ACSeg import ACSegWidget

    widget = open_module(ACSegWidget)
    yield widget.panels["Predict"]
    widget.cleanup()


def shipped():
    from ACSegLib.network.model.pretrained import pretrained_model

    return pretrained_model()


def test_the_shipped_model_is_there_without_any_other(panel):
    assert [entry.path for entry in panel.models] == [shipped()]
    card = panel.ui.modelCard.text
    assert "cytoplasm" in card
    assert "Licence" in card
    assert "Validation Dice" in card


def test_the_newest_comes_first_and_the_chosen_one_stays_chosen(panel, folder):
    for age, name in enumerate(("new", "old")):
        shutil.copy(shipped(), folder / f"{name}.acseg")
        os.utime(folder / f"{name}.acseg", (1e9 - age, 1e9 - age))
    panel.enter()
    assert [panel.ui.modelBox.itemText(n) for n in range(3)] == ["new", "old", shipped().stem]
    panel.ui.modelBox.setCurrentIndex(1)
    shutil.copy(shipped(), folder / "newest.acseg")
    panel.enter()
    assert panel.ui.modelBox.currentText == "old"


def test_a_broken_file_is_listed_with_its_problem_and_cannot_be_used(panel, folder):
    import numpy as np
    from workbench import add_volume

    (folder / "broken.acseg").write_bytes(b"not a model")
    panel.module.parameters.predictVolume = add_volume(np.zeros((4, 4, 4), np.float32))
    panel.enter()
    panel.ui.modelBox.setCurrentIndex(panel.ui.modelBox.findText("broken"))
    assert "broken.acseg" in panel.ui.modelCard.text
    assert not panel.ui.predictButton.enabled
    assert "broken.acseg" in panel.ui.predictButton.toolTip
    panel.ui.modelBox.setCurrentIndex(panel.ui.modelBox.findText(shipped().stem))
    assert panel.ui.predictButton.enabled


def test_what_a_file_says_of_itself_is_text_and_not_markup(scene, tmp_path):
    from ACSegPanels.models import ModelEntry

    entry = ModelEntry(tmp_path / "a<b>.acseg", ["<i>cell"], {"note": "<img src=x>", "licence": "A & B"})
    assert "<img" not in entry.html
    assert "&lt;img src=x&gt;" in entry.html
    assert "A &amp; B" in entry.html
    assert "&lt;i&gt;cell" in entry.html


def test_biomedisas_models_are_offered_too(panel, folder):
    (folder / "theirs.h5").write_bytes(b"")
    panel.enter()
    assert "theirs" in [panel.ui.modelBox.itemText(n) for n in range(2)]
    panel.ui.modelBox.setCurrentIndex(panel.ui.modelBox.findText("theirs"))
    assert "Biomedisa" in panel.ui.modelCard.text


def test_models_are_searched_by_name_labels_and_card(panel, folder):
    shutil.copy(shipped(), folder / "monocytes of spring.acseg")
    panel.ui.modelSearchEdit.text = "SPRING mono"
    assert [entry.path.stem for entry in panel.models] == ["monocytes of spring"]
    panel.ui.modelSearchEdit.text = "bead"
    assert len(panel.models) == 2
    panel.ui.modelSearchEdit.text = "no such thing"
    assert panel.models == []
    assert "No model matches" in panel.ui.modelCard.text
    assert not panel.ui.predictButton.enabled


def test_a_model_is_added_and_removed(panel, folder, tmp_path, monkeypatch):
    import slicer

    given = tmp_path / "given.acseg"
    shutil.copy(shipped(), given)
    panel.addModel(str(given))
    assert (folder / "given.acseg").read_bytes() == given.read_bytes()
    assert panel.ui.modelBox.currentText == "given"
    panel.addModel(str(given))
    assert "rename one" in panel.ui.predictMessage.text
    answers = [False, True]
    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", lambda *a, **k: answers.pop(0), raising=False)
    panel.ui.modelRemoveButton.click()
    assert (folder / "given.acseg").exists(), "the user said no"
    panel.ui.modelRemoveButton.click()
    assert list(folder.iterdir()) == []
    assert not panel.ui.modelRemoveButton.enabled, "the pretrained model stays"
    (tmp_path / "text.acseg").write_text("no model")
    panel.addModel(str(tmp_path / "text.acseg"))
    assert list(folder.iterdir()) == []
    assert "text.acseg" in panel.ui.predictMessage.text


def test_a_default_is_chosen_for_volumes_of_its_voxel_size(panel, folder):
    import numpy as np
    from workbench import add_volume

    def volume(size):
        node = add_volume(np.zeros((4, 4, 4), np.float32))
        node.SetSpacing(size, size, size)
        node.SetAttribute("ACSeg.LengthUnit", "nm")
        return node

    shutil.copy(shipped(), folder / "fine.acseg")
    fine, coarse = volume(30.2), volume(60.0)
    panel.module.parameters.predictVolume = fine
    panel.enter()
    panel.ui.modelBox.setCurrentIndex(panel.ui.modelBox.findText("fine"))
    assert panel.ui.modelDefaultBox.text.endswith("30 nm")
    panel.ui.modelDefaultBox.click()
    panel.module.parameters.predictVolume = coarse
    assert not panel.ui.modelDefaultBox.checked
    panel.ui.modelBox.setCurrentIndex(panel.ui.modelBox.findText(shipped().stem))
    panel.module.parameters.predictVolume = volume(29.9)
    assert panel.ui.modelBox.currentText == "fine"
    assert panel.ui.modelDefaultBox.checked
    panel.ui.modelDefaultBox.click()
    panel.module.parameters.predictVolume = coarse
    panel.ui.modelBox.setCurrentIndex(panel.ui.modelBox.findText(shipped().stem))
    panel.module.parameters.predictVolume = fine
    assert panel.ui.modelBox.currentText == shipped().stem
