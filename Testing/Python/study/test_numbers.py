"""Numbers on the page: rounded by their error, without exponents of programmers."""

from __future__ import annotations

import math

import pytest

from ACSegLib.study.numbers import format_value, plain, plus_minus, rounded


@pytest.mark.parametrize(
    ("mean", "error", "expected"),
    [
        (239.3, 190.0, "240 ± 190"),
        (97.3612, 1.66, "97.4 ± 1.7"),
        (0.1479, 3.1e-16, "0.1479 ± 0"),
        (2012.0, 5100.0, "2000 ± 5100"),
        (0.98, 0.0996, "0.98 ± 0.10"),
        (-0.02, 0.48, "-0.02 ± 0.48"),
        (-0.001, 0.48, "0.00 ± 0.48"),
        (3.214e9, 2.1e8, "(3.21 ± 0.21)·10⁹"),
        (2.14e-7, 1.3e-8, "(2.14 ± 0.13)·10⁻⁷"),
        (0.0, 0.0, "0 ± 0"),
    ],
)
def test_a_mean_is_rounded_to_two_figures_of_its_error(mean, error, expected):
    assert rounded(mean, error) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (4.5, "4.5"),
        (123.46, "123.5"),
        (123456.7, "123457"),
        (9.9999, "10"),
        (-0.00123456, "-0.001235"),
        (1.23456e-5, "1.235·10⁻⁵"),
        (6.02e23, "6.02·10²³"),
    ],
)
def test_numbers_have_four_figures_and_no_e(value, expected):
    assert plain(value) == expected


def test_no_standard_deviation_is_given_of_two_values():
    assert plus_minus([1.0, 2.0]) == "1.5"
    assert plus_minus([1.0, 2.0, 3.0, None]) == "2.0 ± 1.0 (1 undefined)"
    assert plus_minus([None, math.nan]) == "–"


def test_p_values_have_two_figures_and_a_floor():
    assert format_value(0.012345, "t_p") == "0.012"
    assert format_value(0.99999, "p") == "1"
    assert format_value(3e-7, "p_corrected") == "< 0.0001"
