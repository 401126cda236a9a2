"""The benchmark of the browser's server does what a user does, and times each step of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.importorskip("starlette")


def test_every_request_is_done_and_timed(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "Benchmarks"))
    monkeypatch.setattr(sys, "path", list(sys.path))
    import app

    monkeypatch.setattr(app, "REPEATS", 3)
    rows, memory = app.measure((44, 24, 26), to_the_end=True)
    assert len({name for name, *_ in rows}) == len(rows) >= 10
    assert all(0 < middle <= longest for _, middle, longest, _ in rows)
    assert memory["server"] > 0.01
