"""Constants that are fitted to segments of known truth give intervals that hold the truth of others."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "Benchmarks"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    before = set(sys.modules)
    yield importlib.import_module("fill_estimates")
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == SCRIPTS:
            sys.modules.pop(name)


def segments(bench: ModuleType, seed: int, count: int = 800) -> list:
    """Segments whose error follows what tells it, up to a factor that is random."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        hidden, change, leak = rng.uniform(0.01, 0.2, 3)
        ratio = rng.normal(0, 0.05)
        signs = bench.Signs(hidden, hidden, leak, change, 3.0, 5, 500.0, number % 2 == 1, 0.1, ratio, ratio, 1000.0)
        error = 0.5 * hidden * np.exp(rng.normal(0, 0.3))
        voxels = 1000 * np.exp(ratio + rng.normal(0, 0.2 * hidden))
        made.append(bench.Segment(f"volume {number}", "simulated", seed, signs, 1 - error, voxels))
    return made


def test_fitted_intervals_hold_nine_of_ten_others_and_are_as_wide_as_the_errors(bench: ModuleType) -> None:
    judge = bench.judged_by(bench.fit(segments(bench, 1)))
    judged = [(judge(s), s) for s in segments(bench, 2)]
    for hold in (
        [e.dice.low <= s.dice <= e.dice.high for e, s in judged],
        [e.voxels.low <= s.voxels <= e.voxels.high for e, s in judged],
    ):
        assert 0.88 < np.mean(hold) < 0.99
    widths = np.array([e.dice.high - e.dice.low for e, _ in judged])
    errors = np.array([s.signs.hidden_error for _, s in judged])
    # the factor exp(+-0.3 * 1.88) of half the hidden error
    np.testing.assert_allclose(np.median(widths / errors), 0.5 * 2 * np.sinh(0.3 * 1.88), rtol=0.25)


def test_the_table_counts_intervals_and_warnings(bench: ModuleType) -> None:
    (segment,) = segments(bench, 3, count=1)
    bad = bench.replace(segment, signs=bench.replace(segment.signs, hidden_error=0.9, expected_error=0.9), dice=0.1)
    text = bench.table([segment, bad], bench.judged_by(bench.constants.ESTIMATORS))
    assert "| simulated | 2 " in text
    assert "of 1 segments with a Dice below 0.8" in text
