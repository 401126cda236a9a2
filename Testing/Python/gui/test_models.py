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
