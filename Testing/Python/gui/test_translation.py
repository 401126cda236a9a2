"""The library's sentences are known to Slicer's translators, and are shown translated."""

from __future__ import annotations

import functools
import importlib.util
import re
import string
from pathlib import Path

import numpy as np
import pytest
from workbench import add_segmentation, add_volume

from ACSegLib.errors import InputError, explain
from ACSegLib.volume import Geometry, Segmentation, Volume

ROOT = Path(__file__).resolve().parents[3]
_spec = importlib.util.spec_from_file_location("acseg_sentences", ROOT / "Testing" / "CMake" / "sentences.py")
sentences = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(sentences)
sentences.collect = functools.cache(sentences.collect)  # it reads all sources


@pytest.fixture
def foreign(scene, monkeypatch):
    """A language that says every sentence in angle brackets."""
    from ACSegPanels import translation

    translation._templates.cache_clear()
    monkeypatch.setattr(translation, "tr", lambda text: f"<{text}>")
    yield translation.translated
    translation._templates.cache_clear()


def test_the_lists_hold_every_sentence_of_the_library():
    assert sentences.differences() == [], "run: python Testing/CMake/lists.py --write"


def test_translators_find_every_sentence():
    """Slicer's update_translations.py looks for ``_(`` and a literal up to the first quote before a bracket."""
    for name, templates in sentences.collect().items():
        text = (sentences.TARGET / f"{name}.py").read_text(encoding="utf-8")
        found = re.findall(r"[^_]_\((\s*?(?:\".+?\"|'.+?')\s*?)\)", text, re.DOTALL)
        assert [eval(f"({literal})") for literal in found] == templates
        for template in templates:
            fields = [field for _text, field, _spec, _kind in string.Formatter().parse(template) if field is not None]
            assert fields == [str(n) for n in range(len(fields))], template


def test_every_sentence_is_recognised_with_its_values(foreign):
    from ACSegPanels.translation import _templates

    for name, templates in sentences.collect().items():
        for template in templates:
            fields = [f for _text, f, _spec, _kind in string.Formatter().parse(template) if f is not None]
            shown = template.format(*(f"v{n}" for n in fields))
            assert foreign(shown) == f"<{shown}>", (name, template)
    assert len(_templates()) > 500


@pytest.mark.parametrize(
    ("message", "german"),
    [
        ("filling slices 10 to 30", "SLICES 10-30"),
        ("measuring cell, cell 2 of 5", "CELL 2/5 of cell"),
        ("reading the result", "RESULT"),
        ("reading a.nrrd", "READ a.nrrd"),
        ("something else", "something else"),
        ("a.nrrd: reading the result", "a.nrrd: RESULT"),
        ("labels 'a' has no segment 'b'; choose one.", "in 'b' fehlt 'a'."),
        ("Labels 'a' has no segment 'b'; choose one.", "In 'b' fehlt 'a'."),
    ],
)
def test_a_sentence_is_shown_in_the_language_of_slicer(scene, monkeypatch, message, german):
    from ACSegPanels import translation
    from ACSegPanels.translation import Template

    words = {
        "filling slices {0} to {1}": "SLICES {0}-{1}",
        "measuring {0}, cell {1} of {2}": "CELL {1}/{2} of {0}",
        "measuring {0}": "MEASURE {0}",
        "reading the result": "RESULT",
        "reading {0}": "READ {0}",
        "labels {0} has no segment {1}; choose one.": "in {1} fehlt {0}.",
    }
    literals = {text: tuple(re.split(r"\{\d\}", text)) for text in words}
    known = sorted((Template(literals[t], w) for t, w in words.items()), key=lambda template: -template.size)
    monkeypatch.setattr(translation, "_templates", lambda: known)
    assert translation.translated(message) == german


def wrong_inputs(folder):
    """Things that a person does wrong, all over the library."""
    from ACSegLib.axes import read_slices
    from ACSegLib.files import open_volume, save_segmentation
    from ACSegLib.workflows import FillRequest, SplitRequest, run

    volume = Volume(np.zeros((4, 4, 4), np.float32), Geometry((1.0,) * 3, unit="um"))
    empty = Segmentation.from_labels(np.zeros((4, 4, 4), np.uint8), volume.geometry, {1: "cell"})
    (folder / "broken.nrrd").write_bytes(b"NRRD0004\ntype: float\n\n")
    yield lambda: open_volume(folder / "none.mrc")
    yield lambda: open_volume(folder / "broken.nrrd")
    yield lambda: open_volume(folder)
    yield lambda: save_segmentation(empty, folder / "a.xyz")
    yield lambda: save_segmentation(empty, folder / "no" / "a.nrrd")
    yield lambda: read_slices("ten")
    yield lambda: run(FillRequest(volume=volume, labels=empty))
    yield lambda: run(SplitRequest(labels=empty, volume=volume))
    yield lambda: empty.segment("bead")
    yield lambda: Segmentation.from_labels(np.zeros((4, 4), np.uint8))
    yield lambda: Volume(np.zeros((4, 0, 4)))


def test_errors_that_are_raised_are_shown_translated(foreign, tmp_path):
    for action in wrong_inputs(tmp_path):
        with pytest.raises((ValueError, OSError)) as caught:
            action()
        english = explain(caught.value)
        assert english is not None
        assert "<" in foreign(english), english


def test_an_error_of_the_worker_process_is_shown_translated(foreign, desk, fake):
    fake.error = InputError("the list of labelled slices is empty; omit it, and ACSeg detects them.")
    desk.draw()
    desk.fill()
    assert desk.effect.message == "<the list of labelled slices is empty; omit it, and ACSeg detects them.>"


def test_an_error_of_the_logic_is_shown_translated(foreign, module):
    panel = module.panels["Measure"]
    volume = add_volume(np.zeros((4, 4, 4), np.float32))
    module.parameters.measureSegmentation = add_segmentation(volume)
    panel.module.logic.measure = refused
    panel.measure()
    assert (
        panel.ui.measureMessage.text
        == "<the volume 'a' was deleted meanwhile, so that the result has no place; start again.>"
    )


REFUSED = "the volume 'a' was deleted meanwhile, so that the result has no place; start again."


def refused(*_arguments, **_keywords):
    raise InputError(REFUSED)
