"""Interpolated outlines: a cone's cross-section shrinks linearly, so linear interpolation of its distance is exact."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib.fill.shape import FAR, ShapeGuess, signed_distance


def disc(radius: float, size: int = 81) -> np.ndarray:
    j, i = np.indices((size, size)) - size // 2
    return j * j + i * i <= radius * radius


def test_signed_distance_of_a_disc() -> None:
    j, i = np.indices((81, 81)) - 40
    wanted = 20 - np.hypot(j, i)
    assert np.abs(signed_distance(disc(20), (1, 1)) - wanted).max() < 1.0
    assert (signed_distance(np.zeros((5, 5), bool), (1, 1), absent=7) == -7).all()
    assert (signed_distance(np.ones((5, 5), bool), (1, 1)) == FAR).all()


def test_anisotropic_pixels_stretch_the_distance() -> None:
    mask = np.zeros((40, 40), bool)
    mask[20:] = True
    assert signed_distance(mask, (3.0, 1.0))[25, 20] == pytest.approx(3 * 6 - 0.5)


def cone() -> tuple[np.ndarray, ShapeGuess]:
    classes = np.full((21, 81, 81), -1, np.int16)
    for k in (0, 10, 20):
        classes[k] = disc(30 - k)
    guess = ShapeGuess([[1]], (81, 81), (1.0, 1.0, 1.0))
    guess.add_slices(classes, [0, 10, 20])
    return classes, guess


def test_a_cone_is_interpolated_between_its_slices() -> None:
    _, guess = cone()
    for k in (3, 5, 14):
        wrong = np.count_nonzero((guess.planes([k])[0, 0] > 0) != disc(30 - k))
        assert wrong < 0.05 * np.count_nonzero(disc(30 - k))


def test_a_slice_can_be_left_out_of_the_guess() -> None:
    classes, guess = cone()
    assert np.array_equal(guess.planes([10])[0, 0] > 0, classes[10] == 1)
    without = guess.planes([10], without=10)[0, 0]
    expected = 0.5 * (guess.distances[0].astype(float) + guess.distances[20])
    assert np.allclose(without, expected, atol=0.1)


def test_beyond_the_last_slice_the_guess_fades() -> None:
    classes, guess = cone()
    edge = ShapeGuess([[1]], (81, 81), (1.0, 1.0, 1.0))
    edge.add_slices(classes, [0, 10])
    inside = guess.distances[10].astype(np.float32)
    assert np.allclose(edge.planes([15])[0, 0], 0.5 * inside, atol=1e-3)
    assert not edge.planes([20]).any()
    assert not edge.planes([10], without=10)[0, 0].any()
