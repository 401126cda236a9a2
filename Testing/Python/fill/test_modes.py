"""Strokes and labelled slices are told apart without a mode."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib.errors import InputError
from ACSegLib.fill.seeds import SeedOptions, chosen_mode
from ACSegLib.phantom.strokes import draw_dabs, draw_strokes
from ACSegLib.volume import Segmentation


def ball(size: int = 40) -> np.ndarray:
    k, j, i = np.indices((size,) * 3) - size // 2
    return k**2 + j**2 + i**2 < (0.3 * size) ** 2


def mode(array: np.ndarray, **options) -> str:
    labels = Segmentation.from_labels(array.astype(np.uint8), names={1: "cell", 2: "background"})
    return chosen_mode(labels, SeedOptions(**{"background": "background", **options}))


@pytest.mark.parametrize("seed", range(5))
def test_strokes_and_dabs_on_both_sides_are_strokes(seed: int) -> None:
    assert mode(draw_strokes(ball(), [14, 20, 26], seed=seed)) == "scribbles"
    assert mode(draw_dabs(ball(), seed=seed)) == "scribbles"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_two_parallel_lines_on_one_slice_are_strokes(axis: int) -> None:
    array = np.zeros((40, 40, 40))
    plane = np.moveaxis(array, axis, 0)[20]
    plane[20, 16:26], plane[3, 3:12] = 1, 2
    assert mode(array) == "scribbles"


def test_a_dab_of_background_declares_an_empty_slice() -> None:
    array = np.zeros((40, 40, 40))
    array[[12, 20, 28]] = ball()[[12, 20, 28]]
    array[4, 18:22, 18:22] = 2
    assert mode(array) == "slices"


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_with_all_of_their_background_are_slices(axis: int) -> None:
    array = np.zeros((40, 40, 40))
    planes, truth = np.moveaxis(array, axis, 0), np.moveaxis(ball(), axis, 0)
    planes[[12, 20, 28]] = np.where(truth[[12, 20, 28]], 1, 2)
    assert mode(array) == "slices"
    planes[4] = 2
    assert mode(array) == "slices"


def test_slices_without_a_background_segment_are_slices() -> None:
    array = np.zeros((40, 40, 40))
    array[[12, 20, 28]] = ball()[[12, 20, 28]]
    assert mode(array) == "slices"
    assert mode(array, background=None) == "slices"


def test_what_the_user_says_is_believed() -> None:
    strokes = draw_strokes(ball(), [14, 20, 26])
    assert mode(strokes, slices=[14, 20, 26]) == "slices"
    assert mode(strokes, axis="k") == "slices"
    assert mode(strokes, mode="slices") == "slices"
    with pytest.raises(InputError, match="not one of: auto, slices, scribbles"):
        mode(strokes, mode="lines")
