"""Beyond the outermost labelled slice, detached components that are far more than what was labelled are removed."""

from __future__ import annotations

import numpy as np
from fiftycells import three_of_fifty_cells

from ACSegLib.fill import Settings, fill
from ACSegLib.postprocess.excess import MAX_EXCESS, remove_excess

AREA = 9.0


def slab(others: int) -> tuple[np.ndarray, np.ndarray]:
    """A labelled square on the first plane, and so many boxes of 27 voxels that do not touch it."""
    labels = np.zeros((8, 40, 40), np.int16)
    labels[0, 1:4, 1:4] = 1
    for n in range(others):
        j, i = 6 + 5 * (n // 7), 5 * (n % 7)
        labels[3:6, j : j + 3, i : i + 3] = 1
    known = np.zeros(labels.shape, bool)
    known[0] = True
    return labels, known


def test_more_than_the_labelled_area_lets_expect_is_removed() -> None:
    most = int(MAX_EXCESS * AREA * 8 / 27)
    labels, known = slab(most)
    assert remove_excess(labels, known, {1: AREA}) == 0
    labels, known = slab(most + 1)
    changed = np.zeros(labels.shape, bool)
    assert remove_excess(labels, known, {1: AREA}, changed) == 27 * (most + 1) == np.count_nonzero(changed)
    assert np.array_equal(labels > 0, known & (labels > 0))
    assert np.count_nonzero(labels) == AREA


def test_between_two_labelled_slices_all_stays() -> None:
    labels, known = slab(28)
    known[-1] = True
    assert remove_excess(labels, known, {1: AREA}) == 0


def test_labelled_cells_do_not_take_all_others_with_a_strong_prior() -> None:
    truth, image, sparse_labels = three_of_fifty_cells()
    found = fill(image, sparse_labels, settings=Settings(1.0, 3.0))
    assert np.count_nonzero(found.segmentation.labels) < 1.2 * np.count_nonzero((truth > 0) & (truth <= 3))
