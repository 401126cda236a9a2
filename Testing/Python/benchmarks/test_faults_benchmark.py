"""Damaged files of every format give one clear error or open (the short form of Testing/Benchmarks/faults.py)."""

from __future__ import annotations

import importlib
import random
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "Benchmarks"


@pytest.fixture(scope="module")
def faults():
    sys.path.insert(0, str(SCRIPTS))
    module = importlib.import_module("faults")
    yield module
    sys.path.remove(str(SCRIPTS))
    sys.modules.pop("faults")


def test_good_files_open(faults: ModuleType, tmp_path: Path):
    good = faults.make_good_files(tmp_path / "good")
    assert len(good) > 20
    with faults.Opener() as opener:
        for path in good:
            assert opener.open(path, path)["outcome"] == "opened", path.name


def test_damaged_files_are_refused_or_open(faults: ModuleType):
    tally = faults.run(250, seed=3)
    assert tally.faults == []
    assert sum(tally.outcomes.values()) == 250
    assert set(tally.outcomes) == {"opened", "refused"}


def test_every_damage_changes_the_file(faults: ModuleType):
    data = bytes(np.random.default_rng(0).integers(0, 256, 5000, np.uint8))
    for kind, damage in faults._DAMAGES.items():
        changed = [damage(bytearray(data), random.Random(seed)) != data for seed in range(20)]
        assert sum(changed) > 15, kind


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(KeyError("axes"), "traceback"), (OSError("no name"), "traceback"), (MemoryError(), "traceback")],
)
def test_other_errors_are_faults(faults: ModuleType, error, outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import ACSegLib.files

    def fail(path):
        raise error

    monkeypatch.setattr(ACSegLib.files, "open_volume", fail)
    assert faults._opened(tmp_path / "a.nrrd", None)["outcome"] == outcome


def test_a_cut_file_that_opens_otherwise_is_a_fault(faults: ModuleType, tmp_path: Path):
    good = {path.name: path for path in faults.make_good_files(tmp_path / "good")}
    found = faults._opened(good["image0.nrrd"], str(good["image1.nii"]))
    assert found["outcome"] == "opened"
    assert faults._opened(good["image0.nrrd"], str(good["plain.am"]))["outcome"] == "cut but opened"


def test_a_process_that_crashes_is_a_fault(faults: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stand_in = tmp_path / "stand_in.py"
    stand_in.write_text("import os, sys\nsys.stdin.readline()\nos.abort()\n")
    monkeypatch.setattr(faults, "__file__", str(stand_in))
    with faults.Opener() as opener:
        assert [opener.open(tmp_path / "a", None)["outcome"] for _ in range(2)] == ["crash", "crash"]


def test_a_process_that_hangs_is_a_fault(faults: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    stand_in = tmp_path / "stand_in.py"
    monkeypatch.setattr(faults, "__file__", str(stand_in))
    monkeypatch.setattr(faults, "MAX_SECONDS", -19.9)
    stand_in.write_text("import sys\nfor line in sys.stdin:\n    while True:\n        pass\n")
    with faults.Opener() as opener:
        assert opener.open(tmp_path / "a", None)["outcome"] == "hang"
