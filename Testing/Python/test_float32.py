"""Values of float32 within a range, counted one by one."""

import numpy as np
import pytest

from ACSegLib.float32 import levels_of


@pytest.mark.parametrize(("low", "high"), [(1e9, 1e9 + 64 * 40), (-(2.0**24) - 50, -(2.0**24)), (0.5, 0.5 + 2e-5)])
def test_steps_are_those_that_float32_has(low: float, high: float) -> None:
    values = np.linspace(low, high, 200_001)
    found = levels_of(values, (0, 100))
    assert found is not None
    assert found.steps == pytest.approx(len(np.unique(values.astype(np.float32))) - 1, abs=1)
    assert (found.low, found.high, found.are_too_large) == (low, high, False)
    assert found.middle == pytest.approx((low + high) / 2)


def test_what_float32_holds_or_cannot_hold() -> None:
    assert levels_of(np.arange(5, dtype=np.uint16), (0, 100)) is None
    assert levels_of(np.full(5, np.nan), (0, 100)) is None
    huge = levels_of(np.array([1.0, np.inf, -1e60]), (0, 100))
    assert huge is not None
    assert huge.are_too_large
    assert huge.steps == 0
