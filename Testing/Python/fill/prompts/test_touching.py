"""Cells that touch others of their look: the one with the dab is found, and the strokes say which cells are meant."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from ACSegLib.fill import fill
from ACSegLib.fill.prompts.touching import cells_with_strokes
from ACSegLib.phantom.strokes import INSIDE, ball_at
from ACSegLib.volume import Segmentation, Volume

UNKNOWN = -1


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (a.sum() + b.sum())


@pytest.fixture(scope="module")
def touching() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two balls of one look that touch: the noisy image, and the truth of each."""
    shape = (32, 32, 56)
    first, other = (ball_at(np.array([16, 16, i]), 10, shape) for i in (18, 36))
    noise = np.random.default_rng(0).normal(0, 0.2, shape)
    image = ndimage.gaussian_filter((first | other) + noise, 1.0).astype(np.float32)
    return image, first, other & ~first


def strokes_at(shape: tuple[int, ...], *places: int) -> np.ndarray:
    strokes = np.full(shape, UNKNOWN, np.int16)
    for i in places:
        strokes[ball_at(np.array([16, 16, i]), 2, shape)] = 1
    return strokes


def test_the_cell_with_the_stroke_is_left_of_two(touching: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    image, first, other = touching
    classes = (first | other).astype(np.int16)
    left = cells_with_strokes(classes, strokes_at(image.shape, 15), image, (1.0, 1.0, 1.0)) == 1
    assert dice(left, first) > 0.97
    both = cells_with_strokes(classes, strokes_at(image.shape, 15, 38), image, (1.0, 1.0, 1.0))
    assert np.array_equal(both, classes)


def test_a_class_whose_strokes_lie_in_no_cell_stays(touching: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    image, first, other = touching
    classes = (first | other).astype(np.int16)
    outside = np.full(image.shape, UNKNOWN, np.int16)
    outside[1, 1, 1] = 1
    assert np.array_equal(cells_with_strokes(classes, outside, image, (1.0, 1.0, 1.0)), classes)


@pytest.mark.parametrize("sign", [1, -1])
def test_one_dab_finds_its_cell_and_not_the_one_that_touches_it(
    touching: tuple[np.ndarray, np.ndarray, np.ndarray], sign: int
) -> None:
    image, first, _other = touching
    dabs = np.where(strokes_at(image.shape, 15) == 1, INSIDE, 0).astype(np.uint8)
    result = fill(Volume(sign * image), Segmentation.from_labels(dabs, names={INSIDE: "cell"}), mode="scribbles")
    assert dice(result.segmentation.labels == INSIDE, first) > 0.93
