"""The volumes of the benchmark are what their names say, and the table compares what it says."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "Benchmarks"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, ModuleType]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    before = set(sys.modules)
    yield importlib.import_module("self_tuning"), importlib.import_module("self_tuning_cases")
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == SCRIPTS:
            sys.modules.pop(name)


def test_simulated_kinds_share_only_the_property_that_they_are_named_after(bench) -> None:
    _, cases = bench
    image, truth = cases.nested(0, 0.45, side=40)
    steps = [image[truth == value].mean() for value in range(4)]
    assert 0.2 < np.diff(steps).mean() < 0.7  # in noise levels
    image, truth = cases.textures(0, side=40)
    grains = [np.abs(np.diff(image, axis=2))[truth[:, :, 1:] == value].mean() for value in range(3)]
    assert grains[0] > 1.3 * grains[1] > 1.3 * 1.2 * grains[2]
    _, truth = cases.membranes(0, 12, 4, side=32)
    assert set(np.unique(truth)) == set(range(5))
    image, truth = cases.tight(0, 1, side=40)
    assert set(np.unique(truth)) == {0, 1}
    assert (image[truth == 0] > 1).sum() > (truth == 1).sum()  # two more cells of the same look


def test_uneven_slices_are_few_and_none_of_them_is_scored(bench, monkeypatch) -> None:
    _, cases = bench
    monkeypatch.setattr(cases, "SIMULATED", {str(n): (4, lambda seed: cases.textures(seed, side=16)) for n in range(8)})
    found = list(cases.unevenly_labelled(3))
    assert {len(case.slices["k"]) for case in found} == {3, 4, 5}
    for case in found:
        numbers = case.slices["k"]
        assert {4, 8, 12} <= set(numbers) < set(range(16))
        assert numbers == sorted(set(numbers))
        assert not case.scored[numbers].any()
        assert np.delete(case.scored, numbers, axis=0).all()


def test_scores_of_the_grid_are_those_of_fills_and_are_kept(bench, tmp_path, capsys, monkeypatch) -> None:
    tuning, cases = bench
    image, truth = cases.gradient(0, 2.0, side=24)
    case = cases.thinned("gradient", image.astype(np.float32), truth, 6)
    monkeypatch.setattr(tuning, "GAMMAS", (0.1,))
    monkeypatch.setattr(tuning, "EDGES", (3.0,))
    monkeypatch.setattr(tuning, "all_cases", lambda data, seed: iter([case]))
    monkeypatch.setattr(sys, "argv", ["self_tuning.py", "--cache", str(tmp_path / "grid.json")])
    tuning.main()
    kept = tuning.cached_scores(case, tmp_path / "grid.json", peers=False)
    result = tuning.filled(case, tuning.Settings(0.1, 3.0))
    expected = tuning.score(case, result.segmentation.labels)["mean_dice"]
    assert kept["grid"] == {"0.1, 3": pytest.approx(expected)}
    printed = capsys.readouterr().out
    assert f"{expected:.4f} (0.1, 3)" in printed
    assert "processor time, times that with given settings: median" in printed


def test_a_choice_that_takes_too_long_fails_the_benchmark(bench, capsys, monkeypatch) -> None:
    tuning, cases = bench
    image, truth = cases.gradient(0, 2.0, side=24)
    case = cases.thinned("gradient", image.astype(np.float32), truth, 6)
    monkeypatch.setattr(tuning, "all_cases", lambda data, seed: iter([case]))
    monkeypatch.setattr(tuning, "cached_scores", lambda *_: {"grid": {"0.1, 3": 0.0}})
    result = tuning.filled(case)
    monkeypatch.setattr(sys, "argv", ["self_tuning.py"])
    for seconds, code in ((3.9, 0), (4.1, 1)):
        monkeypatch.setattr(tuning, "timed", lambda case, settings=None, s=seconds: (result, 2.0 if settings else s))
        assert tuning.main() == code
        assert f"largest {seconds / 2:.2f}" in capsys.readouterr().out
