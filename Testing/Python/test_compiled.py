"""Compiled loops run where their machine code cannot be kept."""

from __future__ import annotations

import logging
import os
import sys

import numpy as np
import pytest

from ACSegLib import compiled as module


def add_one(values):
    for n in range(len(values)):
        values[n] += 1


@pytest.fixture
def unwritable(monkeypatch):
    """No folder for the cache: what numba finds for a read-only installation and a user without a home."""
    from numba.core import caching

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])
    monkeypatch.setattr(module, "_told", False)


def test_loops_are_compiled_without_a_cache_and_the_log_says_so_once(unwritable, caplog):
    with caplog.at_level(logging.WARNING, "ACSeg"):
        for _ in range(2):
            values = np.zeros(3)
            module.compiled()(add_one)(values)
            assert values.tolist() == [1.0, 1.0, 1.0]
    assert len(caplog.records) == 1
    assert "NUMBA_CACHE_DIR" in caplog.text


def test_machine_code_is_kept_where_there_is_a_folder(tmp_path, monkeypatch):
    source = tmp_path / "loops.py"
    source.write_text("def add_two(values):\n    for n in range(len(values)):\n        values[n] += 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    import loops

    values = np.zeros(2)
    module.compiled()(loops.add_two)(values)
    assert values.tolist() == [2.0, 2.0]
    assert list(tmp_path.rglob("*.nbi"))


def test_machine_code_of_two_processes_that_compile_at_a_time_is_not_confused(tmp_path, monkeypatch):
    source = tmp_path / "loops.py"
    source.write_text("def add_two(values):\n    for n in range(len(values)):\n        values[n] += 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "loops", raising=False)
    import loops

    module.compiled()(loops.add_two)(np.zeros(2))
    (index,) = tmp_path.rglob("*.nbi")
    written = index.read_bytes()
    index.unlink()  # as if the other one had looked before it was written
    module.compiled()(loops.add_two)(np.zeros(2, int))
    index.write_bytes(written)  # as if this one had written it last
    values, loop = np.zeros(2), module.compiled()(loops.add_two)
    loop(values)
    assert values.tolist() == [2.0, 2.0]
    assert sum(loop.stats.cache_hits.values()) == 1
    kept = list(tmp_path.rglob("*.nbc"))
    assert len(kept) == 2
    os.utime(kept[0], (0, 0))
    source.write_text(source.read_text() + "\n")  # another version
    module.compiled()(loops.add_two)(np.zeros(2, np.float32))
    assert kept[1] in (left := list(tmp_path.rglob("*.nbc")))
    assert len(left) == 2


def test_every_compiled_loop_is_made_by_it():
    from pathlib import Path

    import ACSegLib

    root = Path(ACSegLib.__file__).parent
    users = [p.name for p in root.rglob("*.py") if "njit" in p.read_text(encoding="utf-8")]
    assert users == ["compiled.py"]
