"""The deviation of noise against normal values, and against values that are none."""

import numpy as np
import pytest

from ACSegLib.noise import Moments, robust_deviation


@pytest.mark.parametrize("sigma", [1e-3, 1.0, 250.0])
def test_it_is_the_standard_deviation_of_normal_values(sigma):
    values = np.random.default_rng(0).normal(0, sigma, (40, 50, 60)).astype(np.float32)
    assert robust_deviation(values) == pytest.approx(sigma, rel=0.01)
    assert robust_deviation(np.diff(values, axis=1)) / 2**0.5 == pytest.approx(sigma, rel=0.01)


def test_a_tenth_of_large_values_moves_it_by_a_tenth():
    values = np.random.default_rng(0).normal(size=100_000)
    values[::10] = 1e6
    assert 1.05 < robust_deviation(values) < 1.2


def test_moments_of_parts_are_those_of_the_whole_also_far_from_zero():
    values = np.random.default_rng(0).normal(1e9, 1, 3000)
    moments = Moments()
    for part in np.split(values, [7, 7, 1200]):
        moments.add(part.size, part.mean() if part.size else np.nan, part.size * part.var() if part.size else np.nan)
    assert moments.mean == pytest.approx(values.mean(), rel=1e-15)
    assert moments.spread == pytest.approx(values.std(), rel=1e-6)
