"""Borders onto the crests of walls."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib.fill.constants import CREST_REACH
from ACSegLib.fill.prior.features import prepare
from ACSegLib.fill.prompts.crests import move_to_crests
from ACSegLib.fill.seeds import UNKNOWN
from ACSegLib.jobs import Progress


def walled(crest: int) -> np.ndarray:
    """A bright wall across the third axis; both sides look the same."""
    away = np.arange(40) - crest
    noise = np.random.default_rng(2).normal(0, 0.03, (16, 18, 40))
    return (np.exp(-(away**2) / 8.0) + noise).astype(np.float32)


@pytest.mark.parametrize("border", [18, 23])
def test_a_border_beside_a_wall_moves_onto_its_crest(border: int) -> None:
    image = walled(20)
    features = prepare(image, [1.0] * 3, (float(image.min()), float(image.max())), Progress())
    classes = np.zeros(image.shape, np.int16)
    classes[..., :border] = 1
    seeds = np.full(image.shape, UNKNOWN, np.int16)
    classes[8, 9, 22] = seeds[8, 9, 22] = 1  # it stays, although it lies beyond the crest
    moved = move_to_crests(features, classes, seeds)
    sizes = (moved == 1).sum(axis=2)
    assert np.abs(np.median(sizes) - 20.5) <= 1
    assert np.mean(np.abs(sizes - 20.5) <= 1.5) > 0.95
    assert moved[8, 9, 22] == 1


def test_nothing_far_from_a_border_changes() -> None:
    image = walled(20)
    features = prepare(image, [1.0] * 3, (float(image.min()), float(image.max())), Progress())
    classes = np.zeros(image.shape, np.int16)
    classes[..., :8] = 1
    moved = move_to_crests(features, classes, np.full(image.shape, UNKNOWN, np.int16))
    changed = np.flatnonzero((moved != classes).any(axis=(0, 1)))
    assert changed.size == 0 or (changed.min() >= 7 - CREST_REACH and changed.max() <= 8 + CREST_REACH)


def test_a_region_without_walls_around_it_does_not_shrink() -> None:
    image = walled(20)
    features = prepare(image, [1.0] * 3, (float(image.min()), float(image.max())), Progress())
    classes = np.zeros(image.shape, np.int16)
    classes[..., 18:23] = 1  # the wall itself: its crest lies inside
    moved = move_to_crests(features, classes, np.full(image.shape, UNKNOWN, np.int16))
    assert np.array_equal(moved, classes)
