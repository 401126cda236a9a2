"""A cancel does not wait for a package that is being imported, and what an import raises is not lost."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from ACSegLib import heavy_imports
from ACSegLib.errors import Cancelled
from ACSegLib.heavy_imports import import_ahead, import_packages
from ACSegLib.jobs import Progress
from ACSegLib.network.train import training


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """A package "slow_package" that is imported once the event is set."""
    module = ModuleType("gate_of_slow_package")
    module.event = threading.Event()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gate_of_slow_package", module)
    monkeypatch.syspath_prepend(tmp_path)
    slow = "import gate_of_slow_package as gate\ngate.event.wait(60)\nREADY = True\n"
    (tmp_path / "slow_package.py").write_text(slow)
    (tmp_path / "broken_package.py").write_text("raise OSError('a library is missing')\n")
    return module.event  # type: ignore[attr-defined,no-any-return]


def test_a_cancel_does_not_wait_for_an_import(gate: threading.Event) -> None:
    with pytest.raises(Cancelled):
        import_packages(["slow_package"], Progress(cancelled=lambda: True))
    assert not gate.is_set()
    gate.set()
    import_packages(["slow_package"], Progress())
    assert sys.modules["slow_package"].READY
    del sys.modules["slow_package"]


def test_what_an_import_raises_is_raised(gate: threading.Event) -> None:
    with pytest.raises(OSError, match="a library is missing"):
        import_packages(["broken_package"], Progress())


def test_a_training_imports_its_packages_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from ACSegLib.network.train.settings import TrainingSettings
    from ACSegLib.phantom import simulate

    made = simulate((16, 16, 16), seed=1, reconstruct=False)
    asked: list[str] = []

    def refuse(names: Sequence[str], progress: Progress) -> None:
        asked.extend(names)
        raise Cancelled("cancelled")

    monkeypatch.setattr(training, "import_packages", refuse)
    with pytest.raises(Cancelled):
        training.train([(made.volume, made.truth)], TrainingSettings(device="cpu"))
    assert "torch" in asked


def test_an_import_ahead_waits_for_nothing_and_leaves_errors_to_the_step_that_imports(gate: threading.Event) -> None:
    done = threading.Event()
    import_ahead(["slow_package"], done.set)
    assert not done.is_set()
    gate.set()
    assert done.wait(60)
    del sys.modules["slow_package"]
    import_ahead(["broken_package"], done.clear)
    for thread in threading.enumerate():
        if thread.name == "imports ahead":
            thread.join(60)
    assert done.is_set()
    with pytest.raises(OSError, match="a library is missing"):
        importlib.import_module("broken_package")


def test_nothing_is_imported_ahead_where_the_address_space_is_limited(
    monkeypatch: pytest.MonkeyPatch, gate: threading.Event
) -> None:
    """A library that finds no room there may wait for ever."""
    monkeypatch.setattr(heavy_imports, "address_space_limit", lambda: 450 << 20)
    before = set(threading.enumerate())
    import_ahead(["slow_package"])
    assert set(threading.enumerate()) <= before
