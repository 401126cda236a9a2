"""How clearly regions stand out: the object itself does so more than what leaks out of it or ends too early."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ACSegLib.fill.constants import INNER_SPREAD, MIN_STEP
from ACSegLib.fill.prompts.distinctness import border_share, distinctness, evidence, step
from ACSegLib.phantom.strokes import ball_at


@pytest.fixture(scope="module")
def ball() -> tuple[np.ndarray, np.ndarray]:
    """A bright ball beside a bar that is nearly as bright, and the ball alone."""
    shape = (40, 44, 48)
    inside = ball_at(np.array([20, 20, 20]), 10.0, shape)
    image = np.where(inside, 0.6, 0.3).astype(np.float32)
    image[18:23, 18:23, 30:] = 0.5
    return image + np.random.default_rng(0).normal(0, 0.02, shape).astype(np.float32), inside


def test_the_object_stands_out_more_than_anything_that_is_not_it(ball: tuple[np.ndarray, np.ndarray]) -> None:
    image, inside = ball
    leaked = inside.copy()
    leaked[18:23, 18:23, 20:] = True
    others = [
        leaked,
        ball_at(np.array([20, 20, 20]), 6.0, image.shape),
        ball_at(np.array([20, 20, 20]), 13.0, image.shape),
        np.ones(image.shape, bool),
    ]
    own = distinctness(image, inside.astype(np.int16))
    assert all(distinctness(image, other.astype(np.int16)) < own - 0.1 for other in others)


def test_the_step_is_that_of_the_intensities_in_units_of_the_spread_inside(
    ball: tuple[np.ndarray, np.ndarray],
) -> None:
    image, inside = ball
    flat = np.where(inside, 0.6, 0.3).astype(np.float32)
    assert step(flat, inside) == pytest.approx(math.log(0.3 / INNER_SPREAD + MIN_STEP), abs=1e-3)
    assert step(image, np.zeros(image.shape, bool)) == math.log(MIN_STEP)


def test_the_share_of_the_border_does_not_depend_on_the_size() -> None:
    for side in (4, 8):
        cube = np.zeros((20, 20, 20), bool)
        cube[:side, :side, 2 : 2 + side] = True
        assert border_share(cube) == pytest.approx(2.0)


def test_of_several_classes_the_mean_counts_and_background_alone_is_the_least(
    ball: tuple[np.ndarray, np.ndarray],
) -> None:
    image, inside = ball
    classes = inside.astype(np.int16)
    classes[2:8, 30:36, 5:11] = 2
    alone = [distinctness(image, (classes == c).astype(np.int16)) for c in (1, 2)]
    assert distinctness(image, classes) == pytest.approx(np.mean(alone))
    assert distinctness(image, np.zeros_like(classes)) == -math.inf


def test_a_core_that_stands_out_hardly_more_does_not_outweigh_the_whole() -> None:
    away = np.sqrt(((np.indices((44, 44, 44)) - 22) ** 2).sum(axis=0))
    whole, core = away < 14, away < 7
    noise = np.random.default_rng(1).normal(0, 0.02, away.shape)
    image = (0.3 + 0.3 * whole + 0.19 * core + noise).astype(np.float32)
    assert distinctness(image, core.astype(np.int16)) > distinctness(image, whole.astype(np.int16))
    assert evidence(image, whole.astype(np.int16)) > evidence(image, core.astype(np.int16)) + 0.05
    assert evidence(image, whole.astype(np.int16)) > evidence(image, (away < 19).astype(np.int16)) + 0.3
    assert evidence(image, np.zeros(away.shape, np.int16)) == -math.inf
