"""The benchmark of Slicer's main thread does the whole of the effect's work, and times each step of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


@pytest.fixture
def benchmark(monkeypatch):
    for package in ("slicer", "PySide6"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    here = Path(__file__).resolve()
    sys.path.append(str(here.parents[1]))
    import standin

    standin.install()  # once a process: the folders that it adds to the path must stay there after this test
    monkeypatch.syspath_prepend(str(here.parents[2] / "Benchmarks"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    import main_thread

    return main_thread


def test_every_step_is_done_and_timed(benchmark, monkeypatch):
    opened, open_effect = [], benchmark.open_effect

    def keep(shape, worker):
        opened.append(open_effect(shape, worker))
        return opened[0]

    monkeypatch.setattr(benchmark, "open_effect", keep)
    rows = benchmark.measure((64, 24, 26), instant=True)
    assert len({name for name, *_ in rows}) == len(rows) >= 10
    assert all(0 < longest <= whole for _, longest, _, whole in rows)
    assert "Applied" in opened[0][0].editor.activeEffect().self().message
