"""Fixtures of the tests that drive ACSeg's panels and effect on the stand-in of Slicer's application."""

from __future__ import annotations

import gc
import sys
import threading
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent))


@pytest.fixture
def scene(tmp_path):
    """A fresh scene behind `slicer.mrmlScene`; touching MRML or Qt from another thread fails the test."""
    for package in ("slicer", "PySide6"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    import standin

    standin.install()
    from standin import application

    scene = application.start_scene()
    threading.setprofile(application.watch)
    application.thread_violations()
    gc.disable()  # an abandoned thread must not be the one that collects this test's widgets
    yield scene
    threading.setprofile(None)
    scene.RemoveAllObservers()  # widgets and scene go together, in any order
    gc.collect()
    gc.enable()
    assert application.thread_violations() == []


@pytest.fixture
def module(scene, tmp_path):
    """The guided module's widget, its models in a folder of their own."""
    from ACSegPanels.models import setModelFolder
    from standin.scripted import open_module

    from ACSeg import ACSegWidget

    setModelFolder(tmp_path / "models")
    widget = open_module(ACSegWidget)
    yield widget
    widget.cleanup()


@pytest.fixture
def fake(monkeypatch):
    """A fill that answers at once and keeps what it was asked, in the place of the library's."""
    from fakefill import FakeFill

    import ACSegLib.fill

    fake = FakeFill()
    for name in ("fill", "refill", "suggest_slices"):
        monkeypatch.setattr(ACSegLib.fill, name, getattr(fake, name))
    return fake


@pytest.fixture
def desk(scene, fake):
    """A volume, a segmentation and the effect, with a fill that answers at once."""
    from desk import Desk

    desk = Desk(scene)
    yield desk
    desk.effect.cleanup()


@pytest.fixture
def quick(scene, tmp_path, monkeypatch):
    """The quick worker in the place of the real one; it waits while the file that this gives exists."""
    from ACSegPanels import process
    from workbench import QUICK_WORKER, fake_worker

    if sys.platform == "win32":
        pytest.skip("the quick worker is a script with a shebang")
    hold = tmp_path / "hold"
    root = str(Path(__file__).resolve().parents[3])
    path = fake_worker(tmp_path, QUICK_WORKER.format(root=root, hold=str(hold)))
    monkeypatch.setattr(process, "python_executable", lambda: path)
    return hold
