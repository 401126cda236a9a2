"""Type checkers see the types of the public functions."""

import subprocess
import sys
from pathlib import Path

import pytest

import ACSegLib

USE = """
import numpy as np
import ACSegLib as acseg
from ACSegLib.fill import FillResult, fill

image, labels = np.zeros((4, 4, 4)), np.zeros((4, 4, 4), np.uint8)
reveal_type(acseg.fill(image, labels, spacing=(3, 2, 1), unit="nm"))
reveal_type(acseg.fill(image, labels).labels)
reveal_type(acseg.predict(acseg.Volume(image), "model.acseg").segmentation)
reveal_type(acseg.measure(labels)["volume"])
reveal_type(acseg.measure(labels)[0])
reveal_type(acseg.compare(labels, labels))
reveal_type(acseg.train([(image, labels)], preset="quick").model)
reveal_type(acseg.open("cell.seg.nrrd", labels=True))
result: FillResult = fill(acseg.Volume(image), acseg.Segmentation.from_labels(labels))
acseg.fill(image)
acseg.predict(image, spcing=3)
"""
EXPECTED = [
    "ACSegLib.workflows.fill.FillOutcome",
    "numpy.ndarray",
    "ACSegLib.volume.Segmentation",
    "numpy.ndarray",
    "dict[str, Any]",
    "ACSegLib.api.table.Table",
    "ACSegLib.network.model.model_file.Model",
    "ACSegLib.volume.Segmentation",
]


def test_the_package_is_marked_as_typed():
    root = Path(ACSegLib.__file__).parent
    assert (root / "py.typed").is_file()
    assert 'ACSegLib = ["py.typed"' in (root.parent / "pyproject.toml").read_text(encoding="utf-8"), "it is packaged"


@pytest.mark.skipif(sys.version_info < (3, 11), reason="NumPy for Python 3.10 types the shapes of arrays otherwise")
def test_a_type_checker_knows_results_and_finds_mistakes(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "use.py").write_text(USE, encoding="utf-8")
    root = Path(ACSegLib.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(tmp_path / "use.py")],
        capture_output=True, text=True, encoding="utf-8", cwd=root, timeout=280,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    revealed = [
        line.partition("Revealed type is ")[2].strip('"').replace("builtins.", "")
        for line in lines
        if "Revealed" in line
    ]
    assert [text.partition("[")[0] if "ndarray" in text else text for text in revealed] == EXPECTED, done.stdout
    errors = [line for line in lines if "error:" in line]
    assert len(errors) == 2, done.stdout
    assert "labels" in errors[0]
    assert "spcing" in errors[1]
