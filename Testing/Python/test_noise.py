"""The deviation of noise against normal values, and against values that are none."""

import numpy as np
import pytest

from ACSegLib.noise import robust_deviation


@pytest.mark.parametrize("sigma", [1e-3, 1.0, 250.0])
def test_it_is_the_standard_deviation_of_normal_values(sigma):
    values = np.random.default_rng(0).normal(0, sigma, (40, 50, 60)).astype(np.float32)
    assert robust_deviation(values) == pytest.approx(sigma, rel=0.01)
    assert robust_deviation(np.diff(values, axis=1)) / 2**0.5 == pytest.approx(sigma, rel=0.01)


def test_a_tenth_of_large_values_moves_it_by_a_tenth():
    values = np.random.default_rng(0).normal(size=100_000)
    values[::10] = 1e6
    assert 1.05 < robust_deviation(values) < 1.2
