"""Comparisons against scipy, statsmodels-free formulas and known data."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ACSegLib.errors import InputError
from ACSegLib.measure.comparison import (
    bland_altman,
    compare_group_measures,
    compare_groups,
    compare_paired,
    correct_p_values,
)

# Student's sleep data (Biometrika 6 (1908) 1-25): extra hours of sleep under two drugs, the same ten patients.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_paired_tests_reproduce_students_sleep_data():
    found = compare_paired(FIRST, SECOND, "sleep")
    assert found.t == pytest.approx(-4.0621, abs=1e-4)
    assert found.t_p == pytest.approx(0.002833, abs=1e-6)
    assert (found.interval_low, found.interval_high) == pytest.approx((-2.4599, -0.7001), abs=1e-4)
    assert found.cohen_d == pytest.approx(-1.2846, abs=1e-4)
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(FIRST, SECOND).pvalue)
    assert found.pairs == 10


def test_bland_altman_limits_are_the_bias_and_two_sd():
    found = bland_altman(FIRST, SECOND)
    difference = np.subtract(FIRST, SECOND)
    assert found.bias == pytest.approx(-1.58)
    assert found.limit_high - found.bias == pytest.approx(1.959964 * np.std(difference, ddof=1))
    assert found.means[0] == pytest.approx(1.3)


def test_undefined_pairs_are_left_out_and_counted():
    found = compare_paired([1.0, 2.0, float("nan"), 4.0, 6.0], [1.5, 2.1, 3.0, None, 7.0])
    assert (found.pairs, found.left_out) == (3, 2)
    with pytest.raises(InputError, match="do not pair up"):
        compare_paired([1.0], [1.0, 2.0], "volume")


def test_equal_or_too_few_values_have_no_test_and_raise_no_error():
    equal = compare_paired([1.0, 2.0, 3.0], [1.0, 2.0, 3.0])
    assert equal.t_p == 1.0
    assert equal.difference == 0
    shifted = compare_paired([1.0, 2.0, 3.0], [2.0, 3.0, 4.0])
    assert math.isnan(shifted.t_p)
    assert shifted.interval_low == -1.0
    one = compare_paired([1.0], [2.0])
    assert math.isnan(one.t_p)
    assert one.difference == -1.0
    assert compare_paired([], []).pairs == 0


def test_p_values_are_corrected_for_the_number_of_measures():
    # Holm by hand: 0.01 * 3, max(0.03 * 2, ...), max(0.04 * 1, 0.06)
    assert correct_p_values([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    undefined = correct_p_values([0.01, float("nan"), 0.03])
    assert undefined[0] == pytest.approx(0.02)
    assert math.isnan(undefined[1])


def test_tests_of_groups_equal_scipy():
    rng = np.random.default_rng(1)
    groups = {"control": rng.normal(0, 1, 12), "drug": rng.normal(2, 2, 9), "other": rng.normal(0, 1, 10)}
    rows = compare_groups(groups, "volume")
    assert [r["comparison"] for r in rows] == ["all groups", "control - drug", "control - other", "drug - other"]
    assert rows[0]["rank_p"] == pytest.approx(stats.kruskal(*groups.values()).pvalue)
    welch = stats.ttest_ind(groups["control"], groups["drug"], equal_var=False)
    assert rows[1]["p"] == pytest.approx(welch.pvalue)
    assert rows[1]["difference"] == pytest.approx(groups["control"].mean() - groups["drug"].mean())
    assert rows[1]["hedges_g"] < -0.8
    assert len(compare_groups({"a": [1, 2, 3], "b": [2, 3, 5]})) == 1


def test_several_measures_of_groups_are_corrected_together():
    rng = np.random.default_rng(2)
    groups = {m: {"a": rng.normal(0, 1, 10), "b": rng.normal(1, 1, 10)} for m in ("volume", "sphericity")}
    rows, left_out = compare_group_measures({**groups, "LAC": {"a": [1.0], "b": [2.0, 3.0]}})
    alone = [compare_groups(values, m)[0]["p"] for m, values in groups.items()]
    small, large = sorted(alone)
    expected = {small: min(1, 2 * small), large: min(1, max(2 * small, large))}  # Holm by hand
    assert [r["p_corrected"] for r in rows] == pytest.approx([expected[p] for p in alone])
    assert list(left_out) == ["LAC"]


def test_groups_with_too_few_cells_are_listed_and_the_others_compared():
    groups = {"a": [1.0, 2.0, 4.0], "b": [2.0, 3.0, 3.5], "c": [9.0], "d": [None, float("nan")]}
    rows, left_out = compare_group_measures({"volume": groups, "LAC": {"a": [1.0, 2.0], "b": [3.0]}})
    assert [r["comparison"] for r in rows] == ["a - b"]
    assert "'c' (1), 'd' (0)" in left_out["volume"]
    assert "group 'b' has 1" in left_out["LAC"]


def test_groups_of_equal_values_leave_the_other_tests_alone():
    groups = {"a": [1.0, 2.0, 4.0], "b": [2.0, 3.0, 3.5], "c": [3.0, 3.0]}
    rows = compare_groups(groups, "filopodia")
    assert math.isnan(rows[0]["p"])
    assert rows[0]["rank_p"] == pytest.approx(stats.kruskal(*groups.values()).pvalue)
    assert all(math.isfinite(r["p"]) for r in rows[1:])


def test_the_anova_is_read_from_old_and_new_releases_of_pingouin(monkeypatch):
    import pingouin

    groups = {"a": [1.0, 2.0, 4.0], "b": [2.0, 3.0, 3.5], "c": [3.0, 5.0, 6.0]}
    expected = compare_groups(groups)[0]["p"]
    assert 0 < expected < 1
    welch = pingouin.welch_anova
    renamed = {"p_unc": "p-unc", "p-unc": "p_unc"}
    monkeypatch.setattr(pingouin, "welch_anova", lambda *a, **k: welch(*a, **k).rename(columns=renamed))
    assert compare_groups(groups)[0]["p"] == expected


def test_too_few_groups_or_cells_raise_an_error_that_names_them():
    with pytest.raises(InputError, match="group 'b' has 1"):
        compare_groups({"a": [1.0, 2.0], "b": [1.0, float("nan")]}, "volume")
    with pytest.raises(InputError, match="there is 1 group"):
        compare_groups({"a": [1.0, 2.0]})
    constant = compare_groups({"a": [1.0, 1.0], "b": [2.0, 2.0]})[0]
    assert math.isnan(constant["p"])
