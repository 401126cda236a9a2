"""Beyond the outermost labelled slice, detached components that are far more than what was labelled are removed."""

from __future__ import annotations

import numpy as np

from ACSegLib.fill import Settings, fill
from ACSegLib.postprocess.excess import MAX_EXCESS, remove_excess
from ACSegLib.volume import Geometry, Segmentation, Volume

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
    """Three of fifty cells are labelled, on a few slices; above and below, only other cells are in sight."""
    rng = np.random.default_rng(0)
    k, j, i = np.indices((30, 60, 100))
    truth = np.zeros(k.shape, np.uint8)
    for n in range(50):
        centre = (13 + n % 5, 6 + 12 * (n // 10), 5 + 10 * (n % 10))
        truth[((k - centre[0]) ** 2 + (j - centre[1]) ** 2 + (i - centre[2]) ** 2 < 5.2**2) & (truth == 0)] = n + 1
    image = np.where(truth > 0, 0.6, 0.1) + 0.05 * rng.standard_normal(truth.shape)
    labels = np.where((truth <= 3) & (k % 4 == 3), truth, 0).astype(np.uint8)
    sparse = Segmentation.from_labels(labels, Geometry(), {1: "a", 2: "b", 3: "c"})
    found = fill(Volume(image.astype(np.float32), Geometry()), sparse, settings=Settings(1.0, 3.0))
    assert np.count_nonzero(found.segmentation.labels) < 1.2 * np.count_nonzero((truth > 0) & (truth <= 3))
