"""Sparse labels become seeds: one class for each known voxel."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib import Geometry, InputError, Segment, Segmentation
from ACSegLib.fill.seeds import UNKNOWN, SeedOptions, collect_seeds


def ball(size: int = 40) -> np.ndarray:
    """A ball in the middle, (size, size, size) bool."""
    k, j, i = np.indices((size,) * 3) - size / 2 + 0.5
    return k * k + j * j + i * i < (0.35 * size) ** 2


def labelled_on(mask: np.ndarray, **slices: list[int]) -> np.ndarray:
    """What is labelled of a mask when only the named slices are labelled."""
    seen = np.zeros(mask.shape, bool)
    for axis, numbers in slices.items():
        np.moveaxis(seen, "kji".index(axis), 0)[numbers] = True
    return mask & seen


def test_voxels_without_a_label_on_a_labelled_slice_are_background() -> None:
    mask = ball()
    labels = Segmentation.from_labels(labelled_on(mask, k=[10, 30]).astype(np.uint8) * 4)
    seeds = collect_seeds(labels)
    assert np.array_equal(seeds.classes[10], mask[10].astype(int))
    assert (seeds.classes[20] == UNKNOWN).all()


def test_a_listed_slice_without_labels_is_all_background() -> None:
    labels = Segmentation.from_labels(labelled_on(ball(), k=[10, 30]).astype(np.uint8))
    seeds = collect_seeds(labels, SeedOptions(slices=[2, 10, 30]))
    assert (seeds.classes[2] == 0).all()
    assert seeds.slices == {"k": [2, 10, 30]}


def test_labels_outside_of_the_listed_slices_are_refused() -> None:
    labels = Segmentation.from_labels(labelled_on(ball(), k=[10, 30]).astype(np.uint8))
    with pytest.raises(InputError, match=r"slice 30 on axis z \(k\) holds labels"):
        collect_seeds(labels, SeedOptions(slices=[10]))
    with pytest.raises(InputError, match="slice 99 does not exist"):
        collect_seeds(labels, SeedOptions(slices=[10, 30, 99]))


def test_overlapping_segments_make_classes_of_their_own() -> None:
    cell, nucleus = labelled_on(ball(), k=[20]), labelled_on(ball(), k=[20])
    nucleus[:, :, :20] = False
    rows = [Segment("cell", 1), Segment("nucleus", 2)]
    labels = Segmentation.from_masks([cell, nucleus], rows, Geometry())
    assert labels.overlapping
    seeds = collect_seeds(labels)
    both = seeds.table.index((0, 1))
    assert np.array_equal(seeds.classes == both, cell & nucleus)
    assert np.array_equal(seeds.classes == seeds.table.index((0,)), cell & ~nucleus)


def test_ignored_voxels_are_unknown_and_only_labelled_voxels_of_scribbles_count() -> None:
    array = labelled_on(ball(), k=[20]).astype(np.uint8)
    array[20, :10] = 2
    labels = Segmentation.from_labels(array, names={1: "cell", 2: "unsure"})
    seeds = collect_seeds(labels, SeedOptions(ignore="unsure"))
    assert (seeds.classes[20, :10] == UNKNOWN).all()
    assert (seeds.classes[20, 10:] >= 0).all()
    scribbled = collect_seeds(labels, SeedOptions(mode="scribbles", background="unsure"))
    assert (scribbled.classes[20, :10] == 0).all()
    assert (scribbled.classes[20, 35:] == UNKNOWN).all()


def test_labels_without_a_voxel_are_refused() -> None:
    with pytest.raises(InputError, match="no labelled voxel"):
        collect_seeds(Segmentation.from_labels(np.zeros((4, 4, 4), np.uint8), names={1: "cell"}))


def test_a_slice_with_background_alone_is_labelled_where_background_is_a_segment() -> None:
    mask = labelled_on(ball(), k=[10, 30])
    mask[30] = False
    background = np.zeros(mask.shape, bool)
    background[30, 5:20, 5:20] = True
    segments = [Segment("cell", 1), Segment("medium", 2)]
    labels = Segmentation.from_masks([mask, background], segments, Geometry())
    seeds = collect_seeds(labels, SeedOptions(background="medium"))
    assert seeds.slices == {"k": [10, 30]}
    assert (seeds.classes[30] == 0).all()


def edited_planes() -> list[tuple[str, dict]]:
    """Names and edits of the labels in `test_seeds_after_an_edit_are_those_of_a_fresh_start`."""
    return [
        ("a changed slice", {20: ball()[22]}),
        ("a new slice", {25: ball()[25]}),
        ("an erased slice", {20: 0}),
        ("a new line", {15: ball()[15] & (np.arange(40) == 20)[:, None]}),
        ("nothing", {}),
        ("half of the slices", {n: ball()[n] for n in range(8, 32, 2)}),
    ]


@pytest.mark.parametrize("options", [SeedOptions(), SeedOptions(axis="all"), SeedOptions(ignore="unsure")])
@pytest.mark.parametrize("edit", [e for _, e in edited_planes()], ids=[n for n, _ in edited_planes()])
@pytest.mark.parametrize("axis", ["k", "i"])
def test_seeds_after_an_edit_are_those_of_a_fresh_start(options: SeedOptions, edit: dict, axis: str) -> None:
    array = np.moveaxis(labelled_on(ball(), k=[10, 20, 30]).astype(np.uint8), 0, "kji".index(axis))
    planes = np.moveaxis(array, "kji".index(axis), 0)
    planes[20, 12:15, 12:15] = 2
    names = {1: "cell", 2: "unsure"}
    before = collect_seeds(Segmentation.from_labels(array.copy(), names=names), options)
    for n, plane in edit.items():
        planes[n] = plane
    labels = Segmentation.from_labels(array.copy(), names=names)
    fresh, after = collect_seeds(labels, options), collect_seeds(labels, options, before)
    assert np.array_equal(fresh.classes, after.classes)
    assert (fresh.slices, fresh.warnings, fresh.checksums) == (after.slices, after.warnings, after.checksums)


def test_seeds_after_a_slice_of_another_axis_or_a_new_overlap_are_those_of_a_fresh_start() -> None:
    rows = [Segment("cell", 1), Segment("nucleus", 2)]
    cell, across = labelled_on(ball(), k=[10, 20, 30]), labelled_on(ball(), k=[10, 20, 30], i=[20])
    beside = np.zeros(cell.shape, bool)
    beside[20, :4, :4] = True
    inside = beside.copy()
    inside[20, 18:22, 18:22] = True
    options = SeedOptions(axis="all")
    before = collect_seeds(Segmentation.from_masks([cell, beside], rows, Geometry()), options)
    for masks in ([across, beside], [cell, inside]):
        labels = Segmentation.from_masks(masks, rows, Geometry())
        fresh, after = collect_seeds(labels, options), collect_seeds(labels, options, before)
        assert (fresh.table, fresh.slices) == (after.table, after.slices) != (before.table, before.slices)
        assert np.array_equal(fresh.classes, after.classes)


def test_large_label_values_are_read_by_rank() -> None:
    array = labelled_on(ball(), k=[10, 30]).astype(np.uint32) * 1_500_000_000
    array[10, 20, 20] = 4_000_000_000
    labels = Segmentation.from_labels(array)
    assert np.array_equal(
        collect_seeds(labels).classes[10], np.searchsorted([0, 1_500_000_000, 4_000_000_000], array[10])
    )
    labels.segments.pop()  # a value without a segment is no label, also if it is the largest one
    assert collect_seeds(labels).classes[10].max() == 1


def test_too_many_segments_are_refused() -> None:
    labels = np.zeros((3, 182, 182), np.uint16)
    labels[1] = np.arange(182 * 182).reshape(182, 182)
    with pytest.raises(InputError, match=r"33123 segments.*takes 32767"):
        collect_seeds(Segmentation.from_labels(labels), SeedOptions(slices=[1]))


def test_the_segment_table_decides_what_a_value_is() -> None:
    """A value without a segment is no label."""
    array = labelled_on(ball(), k=[10, 30]).astype(np.uint8)
    array[20, 20, 20] = 9
    labels = Segmentation((array,), [Segment("cell", 1)])
    assert collect_seeds(labels).slices == {"k": [10, 30]}


def test_segments_drawn_on_slices_of_their_own_are_told() -> None:
    """As people do where each segment is interpolated by itself (Slicer, ITK-SNAP)."""
    array = labelled_on(ball(), k=[10, 20, 30]).astype(np.uint8)
    array[15, :8, :8] = array[25, :8, :8] = 2
    (first, second) = collect_seeds(Segmentation.from_labels(array)).warnings
    assert "'Segment_1' is missing, or most of it, on slices 15, 25 on axis z (k)" in first
    assert "'Segment_2' is missing, or most of it, on slice 20 on axis z (k)" in second
    array[20, :8, :8] = 2
    array[15], array[25] = np.where(array[10], 3, array[15]), 0
    assert collect_seeds(Segmentation.from_labels(array), SeedOptions(slices=[10, 15, 20, 30])).warnings == []


@pytest.mark.parametrize(("rows", "told"), [(12, True), (18, True), (24, False), (40, False)])
def test_a_slice_whose_drawing_is_not_finished_is_told(rows: int, told: bool) -> None:
    array = labelled_on(ball(), k=[10, 16, 22, 28]).astype(np.uint8)
    array[16, rows:] = 0
    warnings = collect_seeds(Segmentation.from_labels(array)).warnings
    assert any("most of it, on slice 16 on axis z (k)" in warning for warning in warnings) == told


def test_a_slice_that_was_drawn_as_another_segment_is_told() -> None:
    array = labelled_on(ball(), k=[10, 16, 22, 28]).astype(np.uint8)
    array[[10, 16, 22, 28], :6, :6] = 2
    assert collect_seeds(Segmentation.from_labels(array)).warnings == []
    right, inner = array.copy(), array.copy()
    array[16][array[16] == 1] = 2
    (told,) = collect_seeds(Segmentation.from_labels(array)).warnings
    assert "segment 'Segment_2' lies in the place of segment 'Segment_1' on slice 16 on axis z (k)" in told
    right[16][right[16] == 1] = 3  # a segment of this slice alone
    assert collect_seeds(Segmentation.from_labels(right)).warnings == []
    inner[16, :26][inner[16, :26] == 1] = 2  # most of the cell, but not all of it
    assert collect_seeds(Segmentation.from_labels(inner)).warnings == []


def test_the_tip_of_a_segment_is_no_gap() -> None:
    array = labelled_on(ball(), k=list(range(6, 34, 4))).astype(np.uint8)
    array[30], array[26, 20, 20] = 0, 0
    array[30, 20, 20] = array[22, 20, 20] = 1
    assert collect_seeds(Segmentation.from_labels(array)).warnings == []
