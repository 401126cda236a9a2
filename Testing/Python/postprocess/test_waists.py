"""Beyond the outermost labelled slice, a segment ends where it would run on into a neighbour."""

from __future__ import annotations

import numpy as np

from ACSegLib.fill import fill
from ACSegLib.phantom import simulate
from ACSegLib.postprocess.waists import end_at_waists
from ACSegLib.volume import Segmentation


def column(radii: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Discs of these radii, one a slice, the first of them labelled."""
    j, i = np.indices((41, 41)) - 20
    labels = np.array([j**2 + i**2 <= r * r for r in radii]).astype(np.int16)
    known = np.zeros(labels.shape, bool)
    known[0] = True
    return labels, known


def test_a_segment_ends_where_it_is_thinnest_before_the_neighbour() -> None:
    labels, known = column([15, 14, 10, 6, 4, 8, 13, 15, 15, 12])
    changed = np.zeros(labels.shape, bool)
    number = end_at_waists(labels, known, 7, changed)
    assert [bool(plane.any()) for plane in labels] == [True] * 5 + [False] * 5
    assert number == np.count_nonzero(changed) > 0


def test_an_end_that_only_becomes_thinner_stays_on_either_side() -> None:
    labels, known = column([15, 14, 13, 11, 9, 6, 3, 1])
    before = labels.copy()
    assert end_at_waists(labels, known, 5) == 0
    assert end_at_waists(labels[::-1], known[::-1], 5) == 0
    assert np.array_equal(labels, before)


def test_a_slab_between_two_labelled_slices_keeps_its_waist() -> None:
    labels, known = column([15, 10, 4, 10, 15])
    known[-1] = True
    assert end_at_waists(labels, known, 3) == 0


def test_what_ends_before_the_next_labelled_slice_would_lie_is_no_neighbour() -> None:
    labels, known = column([15, 12, 6, 5, 9, 9, 5, 0, 0, 0])
    assert end_at_waists(labels, known, 8) == 0
    assert end_at_waists(labels, known, 10) == 0  # and where it would lie behind the volume


def test_a_cell_in_a_column_does_not_run_on_into_the_next_one() -> None:
    phantom = simulate(64, seed=2, packing=4, filling=0.75, cell_size=0.6)
    cells = phantom.cells.labels
    truth = cells == np.argmax(np.bincount(cells[cells > 0]))
    sparse = np.zeros(truth.shape, np.uint8)
    slices = [k for k in range(5, 64, 10) if truth[k].any()]
    sparse[slices] = truth[slices]
    labels = Segmentation.from_labels(sparse, phantom.volume.geometry, {1: "cell"})
    result = fill(phantom.volume, labels, axis="k", slices=slices).segmentation.labels == 1
    dice = 2 * np.count_nonzero(result & truth) / (result.sum() + truth.sum())
    assert dice > 0.93
