"""Merging a fill with the sparse labels as they are now, and with protected voxels."""

from __future__ import annotations

import numpy as np
import pytest

from ACSegLib.volume import Segment, Segmentation
from ACSegLib.workflows.merging import merge, same_labels

SHAPE = (12, 20, 20)


def sparse(slices, shape=SHAPE) -> Segmentation:
    labels = np.zeros(shape, np.uint8)
    labels[list(slices), 4:12, 5:15] = 1
    return Segmentation((labels,), [Segment("cytoplasm", 1), Segment("bead", 2)])


def packed_apart(labels: Segmentation) -> Segmentation:
    """The same segments, one per layer."""
    first, second = labels.segments
    layers = tuple(labels.mask(s).astype(np.uint8) for s in labels.segments)
    return Segmentation(layers, [Segment(first.name, 1, id=first.id), Segment(second.name, 1, layer=1, id=second.id)])


def test_the_same_labels_are_known_however_they_are_packed() -> None:
    before, after = sparse([3, 8]), sparse([3, 8])
    assert same_labels(before, after)
    assert same_labels(before, packed_apart(after))
    after.labels[8, 5, 6] = 2
    assert not same_labels(before, after)
    assert not same_labels(before, packed_apart(after))
    assert not same_labels(before, Segmentation(before.layers, before.segments[:1]))


def test_a_segment_named_as_anothers_id_is_not_mistaken_for_it() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[2, 3:6, 3:6], labels[8, 3:6, 3:6] = 1, 2
    drawn = Segmentation((labels,), [Segment("second", 1, id="first"), Segment("bead", 2, id="second")])
    swapped = Segmentation((np.where(labels == 2, 1, 2 * labels).astype(np.uint8),))
    swapped.segments = [Segment("second", 2, id="first"), Segment("bead", 1, id="second")]
    assert same_labels(swapped, drawn)
    assert np.array_equal(merge(swapped, drawn.with_labels(np.zeros_like(labels))).labels, labels)


@pytest.mark.parametrize("overlapping", [False, True])
def test_sparse_labels_and_protected_voxels_stay_as_they_are(overlapping: bool) -> None:
    drawn = sparse([10])
    result = drawn.with_labels(np.full(SHAPE, 2, np.uint8))
    if overlapping:
        result = Segmentation((result.labels, np.zeros(SHAPE, np.uint8)), result.segments)
    protected = np.zeros(SHAPE, bool)
    protected[0] = True
    merged = merge(result, drawn, protected)
    assert np.array_equal(merged.mask("cytoplasm"), drawn.mask("cytoplasm"))
    assert not any(layer[0].any() for layer in merged.layers)
    assert merged.mask("bead")[5].all()


@pytest.mark.parametrize("overlapping", [False, True])
def test_segments_that_only_mark_something_do_not_come_back(overlapping: bool) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[3, :4], labels[3, 4:8], labels[3, 8:12] = 1, 2, 3
    rows = [Segment("cell", 1), Segment("neighbour", 2), Segment("ignore", 3)]
    drawn = Segmentation((labels,), rows)
    filled = np.ones(SHAPE, np.uint8)
    result = Segmentation((filled, np.zeros_like(filled)) if overlapping else (filled,), rows[:1])
    merged = merge(result, drawn, cleared={rows[1].id}, ignored={rows[2].id})
    assert [s.name for s in merged.segments] == ["cell"]
    expected = np.ones(SHAPE, bool)
    expected[3, 4:8] = False
    assert np.array_equal(merged.mask("cell"), expected)


def test_labels_of_large_values_are_merged_without_a_table_as_long() -> None:
    result, labels = (np.zeros(SHAPE, np.uint32) for _ in range(2))
    result[1:4], labels[2, :3] = 7, 2**32 - 1
    row = Segment("cell", 2**32 - 1, id="cell")
    filled = Segmentation((result,), [Segment("cell", 7, id="cell")])
    drawn = Segmentation((labels,), [row])
    protected = np.zeros(SHAPE, bool)
    protected[3] = True
    merged = merge(filled, drawn, protected)
    assert set(np.unique(merged.labels)) == {0, 2**32 - 1}
    assert np.array_equal(merged.labels > 0, (result > 0) & ~protected | (labels > 0))


@pytest.mark.parametrize("overlapping", [False, True])
def test_label_values_beyond_32_bits_are_kept(overlapping: bool) -> None:
    drawn = Segmentation.from_labels(sparse([10]).labels.astype(np.uint64) << 40)
    result = drawn.with_labels(np.full(SHAPE, 1 << 40))
    if overlapping:
        result = Segmentation((result.labels, np.zeros(SHAPE, np.uint8)), result.segments)
    merged = merge(result, drawn)
    assert merged.segments[0].value == 1 << 40
    assert merged.mask("Segment_1099511627776").all()
