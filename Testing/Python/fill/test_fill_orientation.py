"""A fill does not depend on the order and direction of the axes: that of a mirrored volume is the mirrored fill."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ACSegLib import Geometry, Segmentation, Volume
from ACSegLib.fill import FillResult, fill, refill, suggest_slices
from ACSegLib.fill.orientation import Orientation

SHAPE = (27, 30, 25)
SPACING = (1.0, 1.5, 2.0)
SLICES = [3, 8, 13, 18]
MIRRORED = [(0,), (1,), (2,), (0, 1, 2)]


def scene() -> tuple[np.ndarray, np.ndarray]:
    """Two touching lobes of one look."""
    k, j, i = np.indices(SHAPE)
    lobes = [(k - 12) ** 2 + (j - y) ** 2 + (i - 13) ** 2 < r * r for y, r in ((10, 8), (20, 6))]
    labels = np.where(lobes[0], 1, np.where(lobes[1], 2, 0)).astype(np.uint8)
    return ((labels > 0) + np.random.default_rng(1).normal(0, 0.4, SHAPE)).astype(np.float32), labels


def filled(image: np.ndarray, labels: np.ndarray, slices: list[int], axis: int = 0, spacing=SPACING) -> FillResult:
    geometry = Geometry(spacing=spacing[::-1])
    return fill(Volume(image, geometry), sparse(labels, slices, axis, spacing), axis="kji"[axis], slices=slices)


def sparse(labels: np.ndarray, slices: list[int], axis: int = 0, spacing=SPACING) -> Segmentation:
    out = np.zeros_like(labels)
    np.moveaxis(out, axis, 0)[slices] = np.moveaxis(labels, axis, 0)[slices]
    return Segmentation.from_labels(out, Geometry(spacing=spacing[::-1]))


def mirrored_slices(slices: list[int], axes: tuple[int, ...]) -> list[int]:
    return sorted(SHAPE[0] - 1 - k for k in slices) if 0 in axes else slices


def mirrored(axes: tuple[int, ...]) -> FillResult:
    image, labels = (np.flip(array, axes) for array in scene())
    return filled(image, labels, mirrored_slices(SLICES, axes))


@pytest.fixture(scope="module")
def plain() -> FillResult:
    return filled(*scene(), SLICES)


@pytest.mark.parametrize("axes", MIRRORED)
def test_the_fill_of_a_mirrored_volume_is_the_mirrored_fill(plain: FillResult, axes: tuple[int, ...]) -> None:
    result = mirrored(axes)
    np.testing.assert_array_equal(np.flip(result.segmentation.labels, axes), plain.segmentation.labels)
    np.testing.assert_array_equal(np.flip(result.uncertainty, axes), plain.uncertainty)
    np.testing.assert_array_equal(np.flip(result.known, axes), plain.known)
    assert result.state.context.settings == plain.state.context.settings
    assert result.report.left_out == mirrored_slices(plain.report.left_out, axes)
    assert result.report.estimates == plain.report.estimates


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 0, 2), (2, 1, 0)])
def test_the_fill_of_a_volume_with_other_axes_is_the_same(plain: FillResult, order: tuple[int, ...]) -> None:
    image, labels = (np.transpose(array, order) for array in scene())
    spacing = tuple(SPACING[a] for a in order)
    result = filled(image, labels, SLICES, order.index(0), spacing)
    back = np.transpose(result.segmentation.labels, np.argsort(order))
    np.testing.assert_array_equal(back, plain.segmentation.labels)


@pytest.mark.parametrize("axes", MIRRORED)
def test_slices_keep_their_numbers_in_refills_and_suggestions(plain: FillResult, axes: tuple[int, ...]) -> None:
    before = mirrored(axes)
    assert before.report.slabs == [list(pair) for pair in itertools.pairwise([0, *before.slices["k"], SHAPE[0] - 1])]
    labels = np.flip(scene()[1], axes).copy()
    edited = before.slices["k"][1]
    labels[edited] = np.roll(labels[edited], 2, axis=1)
    after = refill(before, sparse(labels, before.slices["k"]))
    assert after.report.changed_slices == [edited]
    assert after.report.slabs == [[before.slices["k"][0], edited], [edited, before.slices["k"][2]]]
    np.testing.assert_array_equal(after.segmentation.labels[edited], labels[edited])
    np.testing.assert_array_equal(after.segmentation.labels[-1], before.segmentation.labels[-1])
    assert suggest_slices(before, 1) == mirrored_slices(suggest_slices(plain, 1), axes)


def test_symmetric_labels_leave_the_direction_to_the_image() -> None:
    classes = np.zeros((4, 5, 6), np.int16)
    classes[1:3, 2, 2:4] = 1
    image = np.zeros(classes.shape)
    plain = Orientation.told_by(0, classes, image, [1, 2], SPACING)
    assert plain.flipped == (False, False, False)
    image[1, 0, 5] = -1
    for axes in [(0,), (1,), (2,)]:
        here, there = (
            Orientation.told_by(0, np.flip(classes, a), np.flip(image, a), [1, 2], SPACING) for a in ((), axes)
        )
        assert here.flipped[here.axes.index(axes[0])] != there.flipped[there.axes.index(axes[0])]
        np.testing.assert_array_equal(here.enter(image), there.enter(np.flip(image, axes)))


def test_an_array_comes_back_as_it_was() -> None:
    array = np.arange(24).reshape(2, 3, 4)
    there = Orientation((2, 0, 1), (True, False, True), 4)
    np.testing.assert_array_equal(there.leave(there.enter(array)), array)
    assert there.slices(there.slices([0, 2])) == [0, 2]
    assert there.slices([0, 2]) == [1, 3]
