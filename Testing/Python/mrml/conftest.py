"""Fixtures of the tests that use a real MRML scene."""

from __future__ import annotations

import pytest


@pytest.fixture
def mrml(tmp_path):
    """A fresh MRML scene, `mrml.MrmlWorld`."""
    pytest.importorskip("slicer", reason="the package slicer-core is not installed")
    from mrml import MrmlWorld

    return MrmlWorld(tmp_path)


@pytest.fixture
def volume(mrml):
    """An anisotropic, rotated volume node of reproducible noise."""
    import numpy as np
    from cases import SHAPE, turned

    array = np.random.default_rng(4).random(SHAPE).astype(np.float32)
    return mrml.volume(array, (0.5, 1.0, 2.0), (10.0, -20.0, 30.0), turned())


@pytest.fixture
def segmentation(mrml, volume):
    """Two touching segments, S1 "cytoplasm" and S2 "bead", on the grid of `volume`."""
    from cases import boxes

    return mrml.segmentation(boxes(), volume, ["cytoplasm", "bead"])


@pytest.fixture
def mrml_application(mrml):
    """The scene as Slicer's `slicer.mrmlScene`, with the stand-in of `qt`, `ctk` and `slicer.app`."""
    import sys
    from pathlib import Path

    pytest.importorskip("PySide6", reason="PySide6 is not installed")
    folder = str(Path(__file__).parents[1])
    if folder not in sys.path:
        sys.path.insert(0, folder)
    import slicer
    import standin

    standin.install()
    before = slicer.mrmlScene
    slicer.mrmlScene = mrml.scene
    yield mrml
    slicer.mrmlScene = before


@pytest.fixture
def recorder(tmp_path):
    """Environment of a process whose imports are noted, and the file that they are noted in."""
    import os

    from cli_standin import RECORDER, ROOT

    place = tmp_path / "recorder"
    place.mkdir()
    (place / "sitecustomize.py").write_text(RECORDER)
    record = tmp_path / "imports.txt"
    record.touch()
    path = f"{place}{os.pathsep}{ROOT}"
    return {"PYTHONPATH": path, "ACSEG_IMPORTS": str(record), "OMP_NUM_THREADS": "1"}, record
