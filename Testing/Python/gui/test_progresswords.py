"""The library's sentences are known to Slicer's translators, and are shown translated."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[3] / "ACSegLib"
#: Folders and files whose progress the panels show.
SHOWN = ("fill", "network", "measure", "postprocess", "workflows", "phantom", "worker", "resample.py")
COMMANDS = ("fill", "correct", "predict", "train", "adapt", "measure")
#: Names of values, which `progress.metrics` and tables have.
NAMES = {"averaged", "best", "network", "dice"}


def template(node):
    """Text of a literal, with {0}, {1}, ... for the values of an f-string; None for anything else."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    numbers = iter(range(9))
    return "".join(p.value if isinstance(p, ast.Constant) else f"{{{next(numbers)}}}" for p in node.values)


def said(path):
    """What a file reports: second arguments of calls of a progress, and what `each` tells of its items."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).split(".")
        if len(node.args) == 2 and (name[-1] in ("progress", "part") or name[0] in ("stages", "steps")):
            yield template(node.args[1])
        if name[-1] in ("each", "_chunks"):
            yield from (template(a.body if isinstance(a, ast.Lambda) else a) for a in node.args)


def test_every_sentence_of_the_library_can_be_translated(scene):
    from ACSegPanels.progresswords import sentences

    files = [
        p for name in SHOWN for p in ([LIBRARY / name] if name.endswith(".py") else (LIBRARY / name).rglob("*.py"))
    ]
    files += [LIBRARY / "commands" / f"{name}.py" for name in COMMANDS]
    expected = {text for path in files for text in said(path) if text} - NAMES
    assert expected - set(sentences(str)) == set(), "add them to ACSegPanels/progresswords.py"


@pytest.mark.parametrize(
    ("message", "german"),
    [
        ("filling slices 10 to 30", "SLICES 10-30"),
        ("measuring cell, cell 2 of 5", "CELL 2/5 of cell"),
        ("reading the result", "RESULT"),
        ("reading a.nrrd", "READ a.nrrd"),
        ("something else", "something else"),
    ],
)
def test_a_sentence_is_shown_in_the_language_of_slicer(scene, monkeypatch, message, german):
    from ACSegPanels import progresswords

    words = {
        "filling slices {0} to {1}": "SLICES {0}-{1}",
        "measuring {0}, cell {1} of {2}": "CELL {1}/{2} of {0}",
        "measuring {0}": "MEASURE {0}",
        "reading the result": "RESULT",
        "reading {0}": "READ {0}",
    }
    progresswords._patterns.cache_clear()
    monkeypatch.setattr(progresswords, "tr", lambda text: words.get(text, text))
    assert progresswords.translated(message) == german
    progresswords._patterns.cache_clear()
