"""Outputs that nobody names: beside the input, under a new name, never in the place of a file."""

from __future__ import annotations

import os

import numpy as np
import pytest

from ACSegLib.commands import COMMANDS, load
from ACSegLib.commands.default_output import default_output
from ACSegLib.commands.main import main
from ACSegLib.commands.options import describe_options
from ACSegLib.files import save_segmentation
from ACSegLib.volume import Geometry, Segmentation

NAMES = {"fill", "correct", "split", "predict", "measure", "mesh"}


@pytest.fixture
def labels(tmp_path):
    array = np.zeros((9, 10, 11), np.uint8)
    array[2:7, 2:7, 2:7] = 1
    save_segmentation(
        Segmentation.from_labels(array, Geometry((50.0, 50.0, 50.0), unit="nm"), {1: "cell"}),
        tmp_path / "cell 1.seg.nrrd",
    )
    return tmp_path / "cell 1.seg.nrrd"


def test_the_commands_that_make_one_thing_of_an_input_name_it():
    named = {
        command
        for command in COMMANDS
        for info in describe_options(load(command).Options)
        if info.metadata.get("default_name")
    }
    assert named == NAMES


def test_names_follow_the_input(labels, tmp_path, monkeypatch):
    folder = tmp_path / "labels"
    folder.mkdir()
    (folder / "a.seg.nrrd").write_bytes(labels.read_bytes())
    assert default_output([str(labels)], "split.seg.nrrd", False) == str(tmp_path / "cell 1-split.seg.nrrd")
    assert default_output([f"{folder}/"], "predicted.seg.nrrd", True) == str(tmp_path / "labels-predicted")
    assert default_output([str(folder)], "measured.csv", False) == str(tmp_path / "labels-measured.csv")
    assert default_output([str(labels)] * 2, "predicted.seg.nrrd", True) == str(tmp_path / "predicted")
    monkeypatch.chdir(folder)
    assert default_output(["a.seg.nrrd"], "mesh.glb", False) == "a-mesh.glb"
    assert default_output(["."], "measured.csv", False) == os.path.join("..", "labels-measured.csv")


def test_nothing_is_replaced_by_an_output_without_a_name(labels, capsys):
    before = labels.read_bytes()
    arguments = ["measure", str(labels), "--no-thin-parts", "--quiet"]
    assert main(arguments) == 0
    table = labels.with_name("cell 1-measured.csv")
    assert table.read_text(encoding="utf-8").startswith("volume_name")
    table.write_text("my notes")
    assert main(arguments) == 2
    assert "cell 1-measured.csv exists, and is not replaced unless you name it" in capsys.readouterr().err
    assert table.read_text() == "my notes"
    assert main([*arguments, "-o", str(table)]) == 0  # named, it is what is meant
    assert table.read_text(encoding="utf-8").startswith("volume_name")
    assert main(["mesh", str(labels), "--quiet"]) == 0
    assert labels.with_name("cell 1-mesh.glb").stat().st_size > 500
    assert main(["split", str(labels), "--quiet"]) == 0
    assert labels.with_name("cell 1-split.seg.nrrd").is_file()
    assert labels.read_bytes() == before


def test_the_help_says_the_name(capsys):
    assert main(["fill", "--help"]) == 0
    assert "NAME-filled.seg.nrrd beside the input" in " ".join(capsys.readouterr().out.split())
