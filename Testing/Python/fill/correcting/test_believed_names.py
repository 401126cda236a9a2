"""Which of many cells of one look voxels belong to: as segmented, unless a slice beside them renamed theirs."""

import numpy as np

from ACSegLib.fill.correcting.believed_names import believed_names
from ACSegLib.fill.seeds import UNKNOWN

SPACING = (1.0, 1.0, 1.0)


def two_cells(border=10):
    """Cell 1 before a border across columns, cell 2 from it on, and background behind column 20."""
    before = np.zeros((15, 12, 24), np.int16)
    before[:, :, :border], before[:, :, border:20] = 1, 2
    return before


def drawn_on(plane, after):
    decided = np.zeros(after.shape, bool)
    decided[plane] = True
    return decided


def test_cells_that_a_drawn_slice_leaves_as_they_were_keep_their_names():
    before = two_cells()
    names = believed_names(before, before, drawn_on(7, before), SPACING)
    assert np.array_equal(names, np.where(before > 0, before, UNKNOWN))


def test_a_border_moves_on_as_many_slices_as_it_moved_columns():
    before = two_cells()
    for moved in (1, 3):
        after = before.copy()
        after[7, :, 10 - moved : 10] = 2
        names = believed_names(before, after, drawn_on(7, after), SPACING)
        different = names != np.where(before > 0, before, UNKNOWN)
        reach = (moved + 1) // 2  # the middle of the change lies so far from its end
        assert np.flatnonzero(different.any(axis=(1, 2))).tolist() == [*range(7 - reach, 8 + reach)]
        assert np.flatnonzero(different.any(axis=(0, 1))).tolist() == [*range(10 - moved, 10)]
        assert (names[different] == 2).all()


def test_a_cell_with_the_name_of_another_one_gets_its_own_all_over():
    k, j, i = np.indices((15, 24, 24))
    cell = (k - 7) ** 2 + (j - 12) ** 2 + (i - 12) ** 2 <= 36
    before = np.where(cell, 1, np.where(i > 20, 2, 0)).astype(np.int16)
    after = before.copy()
    for planes in ([7], [7, 12]):  # at its end, the cell is small, and the background beside it says nothing of names
        for plane in planes:
            after[plane][cell[plane]] = 3
        names = believed_names(before, after, drawn_on(planes, after), SPACING)
        assert (names[cell] == 3).all()
        assert np.array_equal(names == 2, before == 2)


def test_a_slice_that_was_decided_earlier_ends_a_change():
    before = two_cells()
    after = before.copy()
    after[7, :, :10] = 2
    alone = believed_names(before, after, drawn_on(7, after), SPACING)
    between = believed_names(before, after, drawn_on([5, 7], after), SPACING)
    assert (alone[4, :, :10] == 2).all()
    assert np.array_equal(between[:6], np.where(before > 0, before, UNKNOWN)[:6])
    assert (between[8] == alone[8]).all()
