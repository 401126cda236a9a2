"""The panels' parts that need no Slicer: drawn slices, and what is done a while after an edit."""

from __future__ import annotations

import numpy as np

from ACSegLib.volume import Segment, Segmentation


def drawing(slices, shape=(100, 20, 20)):
    labels = np.zeros(shape, np.uint8)
    labels[list(slices), 4:12, 5:15] = 1
    return Segmentation((labels,), [Segment("cytoplasm", 1), Segment("bead", 2)])


def test_counts_and_next_slice(scene):
    from ACSegPanels.slices import count_slices

    drawn = count_slices(drawing([10, 30]))
    assert drawn.counts == {("k", 10): [80, 0], ("k", 30): [80, 0]}
    assert drawn.next_slice("k", 20) == 50
    assert count_slices(drawing([50, 90])).next_slice("k", 20) == 30
    assert count_slices(drawing([5, 45, 85])).next_slice("k", 20) == 25
    assert count_slices(drawing([10, 30, 50, 70, 90])).next_slice("k", 20) is None
    assert count_slices(drawing([])).next_slice("k", 20) == 50


def test_what_is_slow_waits_longer_after_the_last_request(scene):
    """Counting the slices of a full-size tomogram must not come between two strokes."""
    from ACSegPanels.delayed import Delayed
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
