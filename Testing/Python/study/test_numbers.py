"""Numbers on the page: rounded by their error, without exponents of programmers."""

from __future__ import annotations

import math

import pytest

from ACSegLib.study.numbers import (
    column_texts,
    fixed,
    format_value,
    plain,
    plus_minus,
    rounded,
    with_interval,
    with_minus,
)


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
    ("numbers", "expected"),
    [
        ((574.0, 343.0, 1221.0), "570 um3 (340 to 1220)"),
        ((1532.79, 1455.11, 1561.71), "1533 um3 (1455 to 1562)"),
        ((0.0123, 0.0118, 0.0132), "0.01230 um3 (0.01180 to 0.01320)"),
        ((3.214e9, 3.0e9, 3.3e9), "3.21·10⁹ um3 (3.00·10⁹ to 3.30·10⁹)"),
        ((5.0, 5.0, 5.0), "5 um3 (5 to 5)"),
        ((412.0, 404.0, 421.0), "412.0 ± 9.0 um3"),
        ((3739.0, 3600.0, 3951.0), "3740 ± 210 um3"),
    ],
)
def test_an_interval_is_told_by_its_ends_where_its_sides_differ(numbers, expected):
    assert with_interval(*numbers, unit=" um3") == expected
    level = expected.replace(")", ", 90 %)") if ")" in expected else f"{expected} (90 %)"
    assert with_interval(*numbers, unit=" um3", level="90 %") == level


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
    assert format_value(0.1, "p") == "0.10"
    assert format_value(0.98, "p") == "0.98"
    assert format_value(3e-7, "p_corrected") == "< 0.0001"


@pytest.mark.parametrize(
    ("values", "name", "expected"),
    [
        ([441.4, 250.0, 375.66], "volume", ["441.4", "250.0", "375.7"]),
        ([0.92, 0.9136, None], "sphericity", ["0.9200", "0.9136", "–"]),
        ([3.615, 0.5917, 0.0], "thin_part_length", ["3.615", "0.592", "0.000"]),
        ([1.2, 0.0022], "average_surface_distance", ["1.2000", "0.0022"]),
        ([46183.0, 629.0], "volume", ["46183", "629"]),
        ([2.1e7, 1.0], "volume", ["2.1·10⁷", "1"]),
        ([0.9837, 1.0], "dice", ["98.37", "100.00"]),
        ([1, 0.9], "dice", ["100.00", "90.00"]),
        (["a", 3, True], "segment", ["a", "3", "yes"]),
    ],
)
def test_the_numbers_of_a_column_have_the_same_decimals(values, name, expected):
    assert column_texts(values, name) == expected


def test_large_numbers_are_not_written_with_many_zeros():
    assert fixed(-1.8e11, -10) == "-1.8·10¹¹"
    assert fixed(7.05e12, -10) == "7.05·10¹²"
    assert fixed(28454.0, -2) == "28500"


def test_minus_signs_stand_before_numbers_alone():
    assert with_minus("-0.46 ± 0.79") == "\u22120.46 ± 0.79"
    assert with_minus("-3.7 to -0.5") == "\u22123.7 to \u22120.5"
    assert with_minus("t-cell-5") == "t-cell-5"
