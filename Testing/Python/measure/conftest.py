"""The measures' tests use small arrays: they are cut into the chunks of large ones, so that all cores take part."""

from __future__ import annotations

import pytest


@pytest.fixture
def _chunks_as_of_large_arrays(monkeypatch):
    monkeypatch.setattr("ACSegLib.threads._SMALL", 0)
