"""The panels' parts that need no Slicer: labelled slices, and what is done a while after an edit."""

from __future__ import annotations

import numpy as np


def labelled(slices, shape=(100, 20, 20)):
    """Slices labelled with cytoplasm, counted."""
    from ACSegPanels.slices import SliceCounts

    from ACSegLib.worker.counting import count_labelled_slices

    labels = np.zeros(shape, np.uint8)
    labels[list(slices), 4:12, 5:15] = 3
    counts, _notes = count_labelled_slices([labels], [{"a": 3, "b": 7}], ["b", "a"])
    return SliceCounts(["bead", "cytoplasm"], shape, counts)


def test_counts_and_next_slice(scene):
    assert labelled([10, 30]).counts == {("k", 10): [0, 80], ("k", 30): [0, 80]}
    assert labelled([10, 30]).next_slice("k", 20) == 50
    assert labelled([50, 90]).next_slice("k", 20) == 30
    assert labelled([5, 45, 85]).next_slice("k", 20) == 25
    assert labelled([10, 30, 50, 70, 90]).next_slice("k", 20) is None
    assert labelled([]).next_slice("k", 20) == 50


def test_what_nobody_labelled_is_no_label_and_slices_without_it_count(scene):
    """As in labels from Amira: without this, the effect would correct solid segments instead of filling."""
    from ACSegLib.worker.counting import count_labelled_slices

    labels = np.full((40, 20, 20), 2, np.uint8)
    labels[[0, 10, 30]] = 0
    labels[[10, 30], 4:12, 5:15] = 1
    values = [{"a": 1, "b": 2}]
    counts, _notes = count_labelled_slices([labels], values, ["a", "b"], names=["cell", "Unlabelled"])
    assert counts == {("k", 0): [0, 0], ("k", 10): [80, 0], ("k", 30): [80, 0]}


def test_labels_that_are_not_of_the_counted_segments_do_not_count(scene):
    from ACSegLib.worker.counting import count_labelled_slices

    labels = np.zeros((9, 9, 9), np.uint8)
    labels[4, 2:7, 2:7] = 2
    labels[6, 2:7, 2:7] = 1
    assert count_labelled_slices([labels], [{"a": 1}], ["a"])[0] == {("k", 6): [25]}


def test_a_box_that_reaches_out_of_the_grid_is_cut_off(scene):
    from ACSegLib.worker.counting import paste_box

    box = np.arange(1, 28).reshape(3, 3, 3)
    pasted = paste_box(box, (-1, 1, 3), (4, 4, 4))
    assert np.array_equal(pasted[:2, 1:, 3:], box[1:, :, :1])
    assert pasted.sum() == box[1:, :, :1].sum()
    assert not paste_box(box, (9, 0, 0), (4, 4, 4)).any()


def test_what_is_slow_waits_longer_after_the_last_request(scene):
    """Counting the slices of a full-size tomogram must not come between two strokes."""
    from ACSegPanels.counting import Delayed
    from workbench import pump

    now, calls, cost = [0.0], [], [0.0]

    def work():
        calls.append(now[0])
        now[0] += cost[0]

    delayed = Delayed(work, 5, clock=lambda: now[0])
    delayed.request()
    delayed.request()
    pump(lambda: calls)
    assert len(calls) == 1
    assert delayed.milliseconds == 5
    cost[0] = 0.4
    delayed.request()
    pump(lambda: len(calls) == 2)
    assert delayed.milliseconds == 2000
    delayed.request()
    delayed.stop()
    delayed.cleanup()
    assert len(calls) == 2


def test_the_rows_of_the_guide_are_as_high_as_the_font_needs(scene):
    import qt
    from ACSegPanels.sliceguide import SliceGuide
    from ACSegPanels.slices import SliceCounts

    guide = SliceGuide()
    guide.widget.setFont(qt.QFont("Sans", 30))
    guide.update(SliceCounts(), None)
    header = guide.table.verticalHeader()
    assert header.defaultSectionSize >= qt.QFontMetrics(guide.table.font).height()
    guide.cleanup()
