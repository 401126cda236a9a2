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
    """Segments of six kinds whose error follows what tells it, up to a factor that is random."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        expected, calibration = rng.uniform(0.01, 0.4), rng.normal(np.log(0.5), 0.3)
        prior, ended = rng.uniform(0.01, 0.2, 2)
        ratio = rng.normal(0, 0.05)
        many = number % 2 == 1
        volume = {"expected_ratio": ratio, "area_ratio": ratio, "jump": rng.uniform(0, 0.1), "filled": 1000.0}
        signs = bench.Signs(expected, calibration, calibration, prior, ended, 3.0, many, **volume)
        error = min(expected * np.exp(calibration + rng.normal(0, 0.3)), 0.9)
        voxels = 1000 * np.exp(ratio + rng.normal(0, 0.2 * expected))
        made.append(bench.Segment(f"volume {number}", f"kind {number // 2 % 6}", seed, signs, 1 - error, voxels))
    return made


def test_fitted_intervals_hold_nine_of_ten_others_and_are_as_wide_as_the_errors(bench: ModuleType) -> None:
    judge = bench.judged_by(bench.fit(segments(bench, 1)))
    judged = [(judge(s), s) for s in segments(bench, 2)]
    for hold in (
        [e.dice.low <= s.dice <= e.dice.high for e, s in judged],
        [e.voxels.low <= s.voxels <= e.voxels.high for e, s in judged],
    ):
        assert 0.9 < np.mean(hold) < 0.99
    widths = np.array([e.dice.high - e.dice.low for e, _ in judged])
    errors = np.array([s.signs.expected_error * np.exp(s.signs.calibration) for _, s in judged])
    # the normal distribution leaves out 1 % below -2.33 and 4 % above 1.75 of its standard deviations
    expected = np.exp(0.3 * 1.75) - np.exp(-0.3 * 2.33)
    np.testing.assert_allclose(np.median(widths / errors), expected, rtol=0.25)


def test_segments_that_are_probably_bad_are_warned_of_and_no_good_ones(bench: ModuleType) -> None:
    judge = bench.judged_by(bench.fit(segments(bench, 1)))
    others = segments(bench, 2)
    warned = np.array([not judge(s).trusted for s in others])
    middle = np.array([s.signs.expected_error * np.exp(s.signs.calibration) for s in others])
    # a Dice below 0.8 is expected with a probability of 0.77 and more, and of 0.04 and less
    assert np.mean(warned[middle > 0.25]) > 0.9
    assert np.mean(warned[middle < 0.12]) < 0.03


def test_a_kind_that_is_kept_back_is_judged_by_the_others(bench: ModuleType) -> None:
    known = segments(bench, 1)
    odd = [bench.replace(s, dice=1 - (1 - s.dice) / 10) if s.kind == "kind 5" else s for s in known]
    kept, all_known = bench.kept_back(odd), bench.judged_by(bench.fit(odd))
    without = bench.judged_by(bench.fit([s for s in odd if s.kind != "kind 5"]))
    (segment, *_) = [s for s in odd if s.kind == "kind 5"]
    assert kept(segment) == without(segment) != all_known(segment)


def test_the_table_counts_intervals_and_warnings(bench: ModuleType) -> None:
    (segment,) = segments(bench, 3, count=1)
    bad = bench.replace(segment, signs=bench.replace(segment.signs, prior_error=0.9, expected_error=0.9), dice=0.1)
    text = bench.table([segment, bad], bench.judged_by(bench.constants.ESTIMATORS))
    assert "| kind 0 " in text
    assert "| 2 " in text
    assert "precision 1.00, recall 1.00 of 1 segments with a Dice below 0.8" in text
