"""The benchmark of the surface-to-volume ratio corrects its tests for all conditions and measures."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from ACSegLib.files.tables import read_table
from ACSegLib.resample import resample_segmentation
from ACSegLib.volume import Geometry, Segmentation, Volume

SCRIPTS = Path(__file__).resolve().parents[2] / "Benchmarks"


@pytest.fixture
def benchmark_script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    before = set(sys.modules)
    yield importlib.import_module("surface_to_volume")
    for name in ("surface_to_volume", "harness", "other_grids", "ratio_errors"):
        if name not in before:
            sys.modules.pop(name, None)


def cells_of(bias: float, seed: int) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(6):
        volume, ratio = rng.uniform(50, 90), rng.uniform(1, 2)
        row = {"truth_volume": volume, "truth_surface_to_volume": ratio, "dice": 0.9}
        row["result_volume"] = volume * (1 + bias + rng.normal(0, 0.02))
        row["result_surface_to_volume"] = ratio * (1 - bias + rng.normal(0, 0.02))
        row["piece_surface_to_volume"] = ratio * (1 - 2 * bias + rng.normal(0, 0.02))
        parts = ("loose_area", "filopodia_area", "body_area", "filopodia_recall", "filopodia_share")
        rows.append(row | dict.fromkeys((*parts, "result_thin_parts", "truth_thin_parts"), 0.5))
    return rows


def test_p_values_are_corrected_for_conditions_and_measures(benchmark_script, tmp_path, capsys):
    benchmark_script.print_tables({"filled": cells_of(0.0, 1), "native": cells_of(0.03, 2)}, tmp_path)
    rows = read_table(tmp_path / "surface_to_volume.csv")
    p = np.array([row["t_p"] for row in rows])
    cells = cells_of(0.0, 1)
    expected = stats.ttest_rel([r["result_volume"] for r in cells], [r["truth_volume"] for r in cells]).pvalue
    assert p[0] == pytest.approx(expected)
    # Holm by hand: the n-th smallest of 6 times 7 - n, never less than the one before, and at most 1.
    order = np.argsort(p)
    by_hand = np.empty(6)
    by_hand[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(6, 0, -1)), 1)
    assert [row["p_corrected"] for row in rows] == pytest.approx(by_hand)
    table = [[cell.strip() for cell in line.split("|")] for line in capsys.readouterr().out.splitlines()]
    place = table[0].index("p (t, Holm)")
    assert [line[place] for line in table[2:8]] == [f"{p:.4f}" for p in by_hand]


def _distance(n: int, spacing: float) -> np.ndarray:
    """Distance of each voxel of a cube from its middle."""
    return np.linalg.norm(np.indices((n, n, n)) * spacing - (n - 1) * spacing / 2, axis=0)


def test_scaling_down_keeps_the_mean_and_scaling_up_keeps_borders_smooth(benchmark_script):
    grids = sys.modules["other_grids"]
    checker = Volume((np.indices((16, 16, 16)).sum(axis=0) % 2 * 100).astype(np.uint8), Geometry(unit="nm"))
    onto, shape = grids.coarser_grid(checker, 4)
    assert (onto.spacing, onto.origin, shape) == ((4, 4, 4), (1.5, 1.5, 1.5), (4, 4, 4))
    np.testing.assert_allclose(grids.smoothed_onto(checker, onto, shape).array, 50, atol=3)
    coarse = Segmentation.from_labels((_distance(20, 1.0) < 7).astype(np.uint8) * 5, Geometry(unit="nm"))
    fine = (Geometry((0.25,) * 3, unit="nm"), (77, 77, 77))
    truth = _distance(77, 0.25) < 7
    smooth, nearest = grids.interpolated_onto(coarse, *fine), resample_segmentation(coarse, *fine)
    assert set(np.unique(smooth.labels)) == {0, 5}
    assert np.count_nonzero((smooth.labels == 5) != truth) < 0.75 * np.count_nonzero((nearest.labels == 5) != truth)
