"""The benchmark measures what it says: scores, labelled slices, and a peer run in a process of its own."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "Benchmarks"


@pytest.fixture
def bench_modules(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType, ModuleType]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    names = ("fill_cases", "fill_bench", "harness", "fill_methods")
    modules = [importlib.import_module(name) for name in names]
    yield tuple(modules[:3])
    for name in names:
        sys.modules.pop(name)


@pytest.fixture
def two_blocks() -> tuple[np.ndarray, np.ndarray]:
    truth = np.zeros((20, 16, 16), np.uint16)
    truth[:, 3:9, 3:9], truth[:, 10:14, 10:14] = 7, 500
    image = (truth > 0) + np.random.default_rng(0).normal(0, 0.02, truth.shape)
    return image.astype(np.float32), truth


def test_scores_leave_drawn_slices_out_and_count_changed_voxels(bench_modules, two_blocks) -> None:
    cases, _, _ = bench_modules
    case = cases.thinned("blocks", *two_blocks, every=8)
    assert case.slices == {"k": [4, 12]}
    assert set(np.unique(case.truth)) == {0, 1, 2}
    assert set(np.flatnonzero(case.labels.any(axis=(1, 2)))) == {4, 12}
    result = case.truth.copy()
    result[5, 3:6, 3:9] = 0  # half of label 1 in one of the 18 slices that count
    result[4, 3, 3:9] = 2  # six labelled voxels
    scores = cases.score(case, result)
    assert scores["dice"]["1"] == pytest.approx(2 * 630 / (630 + 648), abs=1e-4)
    assert scores["dice"]["2"] == 1.0
    assert scores["changed"] == 6


def test_a_peer_runs_in_its_own_process_and_is_reused(bench_modules, two_blocks, tmp_path) -> None:
    cases, bench_module, _ = bench_modules
    case = cases.thinned("blocks", *two_blocks, every=8)
    options = SimpleNamespace(reuse=tmp_path / "peers.json", peers=["random_walker"], biomedisa=None, walks=None)
    bench = bench_module.Bench(options)
    row = bench.measure(case, "random_walker", "random_walker", beta=5000)
    assert "error" not in row
    assert row["mean_dice"] > 0.97
    assert row["changed"] == 0
    assert 20e6 < row["peak_bytes"] < 2e9
    again = bench_module.Bench(options).measure(case, "random_walker", "random_walker", beta=5000)
    assert again["reused"]
    assert again["wall_s"] == row["wall_s"]
    assert bench.biomedisa(case)["error"] == "not asked for"


def test_a_method_that_fails_is_a_row_and_not_the_end(bench_modules, two_blocks) -> None:
    cases, bench_module, _ = bench_modules
    case = cases.thinned("blocks", *two_blocks, every=8)
    options = SimpleNamespace(reuse=None, peers=["biomedisa"], biomedisa=sys.executable,
                              walks=2, platform="none")  # fmt: skip
    bench = bench_module.Bench(options)
    row = bench.biomedisa(case)
    assert "biomedisa" in row["error"]
    assert row["error"] in bench.rows_table()
