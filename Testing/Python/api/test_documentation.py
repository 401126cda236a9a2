"""The documentation of the Python library: its reference is complete, its notebook runs, its site builds."""

import ast
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ACSegLib
from ACSegLib import api

ROOT = Path(ACSegLib.__file__).parents[1]
PAGES = ROOT / "Documentation"
NOTEBOOK = PAGES / "example.ipynb"


def listed():
    """Every name that the reference describes."""
    names, module = set(), ""
    for line in (PAGES / "api.rst").read_text(encoding="utf-8").splitlines():
        found = re.match(r"\.\. (currentmodule|auto\w+):: (\S+)", line)
        if found and found[1] == "currentmodule":
            module = f"{found[2]}."
        elif found:
            names.add(found[2] if "." in found[2] else module + found[2])
    return names


def test_the_reference_describes_every_public_name():
    described = {name.rpartition(".")[2] for name in listed()}
    public = {*api.__all__, *ACSegLib.__all__} - {"__version__"}
    assert public - described == set()


@pytest.mark.parametrize("name", sorted(listed()))
def test_every_name_of_the_reference_exists(name):
    module, _, attribute = name.rpartition(".")
    assert getattr(importlib.import_module(module), attribute).__doc__


def test_every_page_is_in_the_contents_of_the_site():
    contents = set(re.findall(r"^   ([\w-]+)$", (PAGES / "index.rst").read_text(encoding="utf-8"), re.MULTILINE))
    pages = {path.stem for ending in ("md", "rst", "ipynb") for path in PAGES.glob(f"*.{ending}")}
    assert contents == pages - {"README", "index"}


def test_the_notebook_is_stored_without_outputs():
    nbformat = pytest.importorskip("nbformat")
    cells = [cell for cell in nbformat.read(NOTEBOOK, 4).cells if cell.cell_type == "code"]
    assert cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    for cell in cells:
        ast.parse(cell.source)


def test_the_notebook_runs(monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("openvino")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(NOTEBOOK, 4)
    for cell in notebook.cells:  # a smaller volume, with as many labelled slices
        cell.source = cell.source.replace("simulate(64, ", "simulate(48, ").replace("every=12", "every=9")
    assert any("simulate(48, " in cell.source and "every=9" in cell.source for cell in notebook.cells)
    client.NotebookClient(notebook, timeout=280, kernel_name="python3").execute()
    text = "".join(
        output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    )
    scores = [float(score) for score in re.findall(r"Segment_1: Dice ([\d.]+)", text)]
    assert len(scores) == 3, "fill, refill and prediction are compared with the reference"
    assert min(scores[:2]) > 0.95
    assert scores[2] > 0.9


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    pytest.importorskip("myst_nb")
    pytest.importorskip("furo")
    options = ["-W", "--keep-going", "-q", "-D", "nb_execution_mode=off", "-b", "html"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(PAGES), str(tmp_path)],
        capture_output=True, text=True, encoding="utf-8", timeout=280, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "acseg" in (tmp_path / "python.html").read_text(encoding="utf-8")
