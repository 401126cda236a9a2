"""Which slices were drawn: planes of voxels are, the lines that they leave in other axes' slices are not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ACSegLib import Geometry, InputError, Segment, Segmentation
from ACSegLib.fill.labelled_slices import UNKNOWN, collect_seeds, find_slices


def ball(size: int = 40) -> np.ndarray:
    """A ball in the middle, (size, size, size) bool."""
    k, j, i = np.indices((size,) * 3) - size / 2 + 0.5
    return k * k + j * j + i * i < (0.35 * size) ** 2


def drawn_on(mask: np.ndarray, **slices: list[int]) -> np.ndarray:
    """What is drawn of a mask when only the named slices are drawn."""
    seen = np.zeros(mask.shape, bool)
    for axis, numbers in slices.items():
        np.moveaxis(seen, "kji".index(axis), 0)[numbers] = True
    return mask & seen


@pytest.mark.parametrize("axis", ["k", "j", "i"])
def test_slices_of_one_axis_are_found(axis: str) -> None:
    assert find_slices(drawn_on(ball(), **{axis: [10, 20, 29]})) == {axis: [10, 20, 29]}


def test_slices_of_three_axes_are_found_together() -> None:
    wanted = {"k": [12, 20, 28], "j": [15, 25], "i": [14, 24]}
    assert find_slices(drawn_on(ball(), **wanted)) == wanted


def test_adjacent_slices_do_not_look_like_another_axis() -> None:
    assert find_slices(drawn_on(ball(), k=[10, 11, 30])) == {"k": [10, 11, 30]}


def test_a_slice_with_a_single_voxel_counts() -> None:
    drawn = drawn_on(ball(), k=[10, 30])
    drawn[20, 20, 20] = True
    assert find_slices(drawn) == {"k": [10, 20, 30]}


def test_one_slice_alone_is_found_on_its_axis() -> None:
    assert find_slices(drawn_on(ball(), j=[18])) == {"j": [18]}


@settings(max_examples=30, deadline=None)
@given(st.sets(st.integers(8, 31), min_size=2, max_size=7), st.sampled_from("kji"))
def test_any_spread_slices_are_found(numbers: set[int], axis: str) -> None:
    spread = [n for n in sorted(numbers) if n % 3 == 0]
    if len(spread) >= 2:
        assert find_slices(drawn_on(ball(), **{axis: spread})) == {axis: spread}


def test_what_is_not_drawn_in_a_drawn_slice_is_background() -> None:
    mask = ball()
    labels = Segmentation.from_labels(drawn_on(mask, k=[10, 30]).astype(np.uint8) * 4)
    seeds = collect_seeds(labels)
    assert np.array_equal(seeds.classes[10], mask[10].astype(int))
    assert (seeds.classes[20] == UNKNOWN).all()


def test_a_listed_slice_without_a_drawing_is_all_background() -> None:
    labels = Segmentation.from_labels(drawn_on(ball(), k=[10, 30]).astype(np.uint8))
    seeds = collect_seeds(labels, slices=[2, 10, 30])
    assert (seeds.classes[2] == 0).all()
    assert seeds.slices == {"k": [2, 10, 30]}


def test_a_drawing_outside_the_listed_slices_is_refused() -> None:
    labels = Segmentation.from_labels(drawn_on(ball(), k=[10, 30]).astype(np.uint8))
    with pytest.raises(InputError, match="slice 30 on axis k holds a drawing"):
        collect_seeds(labels, slices=[10])
    with pytest.raises(InputError, match="slice 99 does not exist"):
        collect_seeds(labels, slices=[10, 30, 99])


def test_overlapping_segments_make_classes_of_their_own() -> None:
    cell, nucleus = drawn_on(ball(), k=[20]), drawn_on(ball(), k=[20])
    nucleus[:, :, :20] = False
    rows = [Segment("cell", 1), Segment("nucleus", 2)]
    labels = Segmentation.from_masks([cell, nucleus], rows, Geometry())
    assert labels.overlapping
    seeds = collect_seeds(labels)
    both = seeds.table.index((0, 1))
    assert np.array_equal(seeds.classes == both, cell & nucleus)
    assert np.array_equal(seeds.classes == seeds.table.index((0,)), cell & ~nucleus)


def test_ignored_voxels_are_unknown_and_scribbles_need_background() -> None:
    array = drawn_on(ball(), k=[20]).astype(np.uint8)
    array[20, :10] = 2
    labels = Segmentation.from_labels(array, names={1: "cell", 2: "unsure"})
    seeds = collect_seeds(labels, ignore="unsure")
    assert (seeds.classes[20, :10] == UNKNOWN).all()
    assert (seeds.classes[20, 10:] >= 0).all()
    scribbled = collect_seeds(labels, mode="scribbles", background="unsure")
    assert (scribbled.classes[20, :10] == 0).all()
    assert (scribbled.classes[20, 35:] == UNKNOWN).all()
    with pytest.raises(InputError, match="--background"):
        collect_seeds(labels, mode="scribbles")


def test_nothing_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="no drawn voxel"):
        collect_seeds(Segmentation.from_labels(np.zeros((4, 4, 4), np.uint8), names={1: "cell"}))


def test_a_slice_across_the_others_is_found_too() -> None:
    drawn = drawn_on(ball(), k=[10, 20, 30])
    whole, short = (drawn_on(ball(), j=[18]) for _ in range(2))
    short[:15] = short[19:] = False
    for across in (whole, short):
        for axis in ("auto", "all"):
            assert find_slices(drawn | across, axis) == {"k": [10, 20, 30], "j": [18]}


@pytest.mark.parametrize("axis", ["k", "j", "i"])
@pytest.mark.parametrize("numbers", [range(0, 41, 2), [n for n in range(41) if n % 3]])
def test_slices_close_together_that_fill_the_volume_are_found(axis: str, numbers: list[int]) -> None:
    drawn = drawn_on(np.ones((41, 41, 41), bool), **{axis: list(numbers)})
    assert find_slices(drawn) == {axis: list(numbers)}


def test_a_slice_with_background_alone_is_drawn_where_background_is_a_segment() -> None:
    mask = drawn_on(ball(), k=[10, 30])
    mask[30] = False
    background = np.zeros(mask.shape, bool)
    background[30, 5:20, 5:20] = True
    segments = [Segment("cell", 1), Segment("medium", 2)]
    labels = Segmentation.from_masks([mask, background], segments, Geometry())
    seeds = collect_seeds(labels, background="medium")
    assert seeds.slices == {"k": [10, 30]}
    assert (seeds.classes[30] == 0).all()
