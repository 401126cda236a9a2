"""The blocks of Documentation/slicer-scripting.md, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from cli_standin import FOLDER, ROOT, CliRunner

from ACSegLib.files import save_segmentation, save_volume
from ACSegLib.scene import segmentation_from_node, write_segmentation_to_node, write_volume_to_node
from ACSegLib.volume import Geometry, Segmentation, Volume

TEXT = (ROOT / "Documentation" / "slicer-scripting.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- test: (\w+) -->\n```\w+\n(.*?)```", TEXT, re.DOTALL))


def cell(size=24):
    """A ball with a dim shell, in nanometres, and the labels of a ball in it."""
    k, j, i = np.mgrid[:size, :size, :size] - (size - 1) / 2
    distance = np.sqrt(k**2 + j**2 + i**2)
    image = np.where(distance <= 8, 0.6, 0.1).astype(np.float32)
    geometry = Geometry((30.0, 30.0, 30.0), unit="nm")
    return Volume(image, geometry, "tomogram"), Segmentation.from_labels(
        (distance <= 8).astype(np.uint8), geometry, {1: "cytoplasm"}, name="tomogram labels"
    )


@pytest.fixture
def nodes(mrml_application):
    volume, labels = cell()
    volume_node = write_volume_to_node(volume, scene=mrml_application.scene)
    return volume_node, write_segmentation_to_node(labels, volume_node=volume_node)


def test_every_block_is_run():
    files = (Path(__file__), ROOT / "Testing" / "Python" / "gui" / "test_logic.py")
    here = "".join(file.read_text(encoding="utf-8") for file in files)
    assert set(BLOCKS) == set(re.findall(r'BLOCKS\["(\w+)"\]', here))
    assert len(BLOCKS) == len(re.findall(r"```(?:python|bash)", TEXT))


def test_console(mrml_application, nodes):
    volume_node, segmentation_node = nodes
    read = segmentation_from_node(segmentation_node, volume_node)
    drawn = np.zeros_like(read.labels)
    drawn[4:22:4] = read.labels[4:22:4]
    write_segmentation_to_node(read.with_labels(drawn), segmentation_node, volume_node=volume_node)
    names = {"volumeNode": volume_node, "segmentationNode": segmentation_node}
    exec(BLOCKS["console"], names)
    filled = segmentation_from_node(names["filledNode"], volume_node)
    assert np.count_nonzero(filled.labels) > 2.5 * np.count_nonzero(drawn)
    assert names["tableNode"].GetNumberOfRows() >= 1


def test_arrays(nodes):
    volume_node, segmentation_node = nodes
    exec(BLOCKS["arrays"], {"volumeNode": volume_node, "segmentationNode": segmentation_node})
    assert np.array_equal(segmentation_from_node(segmentation_node, volume_node).labels, cell()[1].labels)


def check_table(path):
    """The ball's volume in cubic nanometres."""
    header, row = (line.split(",") for line in path.read_text().splitlines()[:2])
    values = dict(zip(header, row, strict=True))
    assert float(values["volume"]) == pytest.approx(np.count_nonzero(cell()[1].labels) * 30.0**3, rel=1e-4)


@pytest.fixture
def folders(tmp_path):
    volume, labels = cell()
    for name in ("images", "labels", "tables"):
        (tmp_path / name).mkdir()
    save_volume(volume, tmp_path / "images" / "tomogram.nrrd")
    save_segmentation(labels, tmp_path / "labels" / "tomogram.seg.nrrd")
    return tmp_path


def test_runsync(mrml_application, folders, monkeypatch, capsys):
    import slicer

    runner = CliRunner(mrml_application.scene, folders)
    module = types.SimpleNamespace(name="ACSegMeasure", path=str(FOLDER / "ACSegMeasure" / "ACSegMeasure.py"))
    monkeypatch.setattr(slicer, "cli", runner, raising=False)
    monkeypatch.setattr(slicer.modules, "acsegmeasure", module, raising=False)
    exec(BLOCKS["runsync"], {"folder": str(folders)})
    assert capsys.readouterr().out == ""
    check_table(folders / "tables" / "tomogram.csv")
    for kind in ("vtkMRMLCommandLineModuleNode", "vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode"):
        assert mrml_application.scene.GetFirstNodeByClass(kind) is None


@pytest.mark.skipif(os.name == "nt", reason="the block is for a POSIX shell")
def test_shell(folders):
    """With this Python under the name PythonSlicer."""
    bin_folder = folders / "bin"
    bin_folder.mkdir()
    launcher = bin_folder / "PythonSlicer"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    launcher.chmod(0o755)
    path = f"{bin_folder}{os.pathsep}{os.environ['PATH']}"
    environment = dict(os.environ, PATH=path, MODULES=str(FOLDER / "ACSegMeasure"), PYTHONPATH=str(ROOT))
    done = subprocess.run(
        ["sh", "-c", BLOCKS["shell"]],
        cwd=folders,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=280,
        check=False,
    )
    assert done.returncode == 0
    assert "failed" not in done.stderr, done.stderr
    check_table(folders / "tables" / "tomogram.csv")


def test_script(mrml_application, folders, monkeypatch):
    import slicer

    ends = []
    monkeypatch.setattr(slicer.util, "exit", ends.append, raising=False)
    monkeypatch.setattr(slicer.util, "EXIT_SUCCESS", 0, raising=False)
    monkeypatch.setattr(sys, "argv", ["Slicer", *(str(folders / n) for n in ("images", "labels", "tables"))])
    exec(BLOCKS["script"], {})
    assert ends == [0]
    assert "cytoplasm" in (folders / "tables" / "tomogram.csv").read_text()


def test_statistics(mrml_application, nodes, monkeypatch):
    import importlib

    import statistics_standin

    statistics_standin.install()
    monkeypatch.syspath_prepend(str(ROOT / "ACSeg" / "ACSegStatistics"))
    importlib.import_module("ACSegStatistics").registerPlugin()
    names = {"volumeNode": nodes[0], "segmentationNode": nodes[1]}
    exec(BLOCKS["statistics"], names)
    assert names["ratio"] == pytest.approx(3 / (8 * 30.0), rel=0.06)
