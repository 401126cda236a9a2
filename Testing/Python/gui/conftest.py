"""Fixtures of the tests that drive ACSeg's panels and effect on the stand-in of Slicer's application."""

from __future__ import annotations

import gc
import shutil
import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent.parent))


@pytest.fixture(scope="session")
def desk_folder(tmp_path_factory):
    """The folder by which tests tell the worker process what to do; it is emptied before each test."""
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="session")
def desk_worker(desk_folder):
    """One worker process for all tests, as Slicer has one.

    On a busy machine a cancel may be heard late; by the slow clock, this process does not give the other one up for it.
    """
    from ACSegLib.worker import Worker

    command = [sys.executable, str(Path(__file__).with_name("deskworker.py")), str(desk_folder)]
    worker = Worker(command, clock=lambda: time.monotonic() / 100)
    yield worker
    worker.stop(10.0)


@pytest.fixture
def scene(tmp_path, desk_folder, desk_worker):
    """A fresh scene behind `slicer.mrmlScene`, in an application whose event loop keeps the interpreter lock.

    What Slicer would not survive fails the test: touching MRML or Qt from another thread. So does starting a thread at
    all: it would not run in Slicer.
    """
    for package in ("slicer", "PySide6"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    import standin

    standin.install()
    from ACSegPanels import working
    from standin import application

    shutil.rmtree(desk_folder)
    desk_folder.mkdir()
    gc.freeze()  # the collection at the end then looks through what this test made, not through all imported modules
    scene = application.start_scene()
    working.setWorker(desk_worker)
    threading.setprofile(application.watch)
    application.thread_violations()
    yield scene
    threading.setprofile(None)
    scene.RemoveAllObservers()  # widgets and scene go together, in any order
    gc.collect()
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
def fake(desk_folder, scene):
    """A fill that answers at once and notes what it was asked, in the place of the library's."""
    from fakefill import FakeFill

    fake = FakeFill(desk_folder)
    fake.at_work = True
    return fake


@pytest.fixture
def desk(scene, fake):
    """A volume, a segmentation and the effect, with a fill that answers at once."""
    from desk import Desk

    desk = Desk(scene)
    yield desk
    desk.effect.cleanup()


@pytest.fixture
def quick(desk_folder, scene):
    """Commands that are done at once, in the place of the real ones."""
    from fakefill import QuickCommands

    quick = QuickCommands(desk_folder)
    quick.at_work = True
    return quick
