"""The panels' parts that need no Slicer: worker processes, background jobs, drawn slices."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest
from workbench import fake_worker, follow

from ACSegLib.volume import Segment, Segmentation


@pytest.mark.skipif(sys.platform == "win32", reason="the fake worker is a script with a shebang")
class TestProcessRunner:
    def runner(self, scene, tmp_path, body):
        from ACSegPanels.process import ProcessRunner

        return ProcessRunner(fake_worker(tmp_path, body))

    def test_a_killed_worker_is_told_as_out_of_memory(self, scene, tmp_path):
        runner = self.runner(scene, tmp_path, "sys.stdin.readline(); os.kill(os.getpid(), 9)")
        runner.start("train", {})
        last = follow(runner)[-1]
        assert last.kind == "error"
        assert "memory ran out" in last.message

    def test_output_that_is_no_protocol_is_ignored(self, scene, tmp_path):
        body = 'print("hello"); print("{broken"); print(json.dumps({"event": "result", "report": {"a": 1}}))'
        runner = self.runner(scene, tmp_path, body)
        runner.start("train", {})
        events = follow(runner)
        assert [(e.kind, e.value) for e in events] == [("done", {"a": 1})]

    def test_the_last_lines_of_the_log_are_kept(self, scene, tmp_path):
        runner = self.runner(scene, tmp_path, 'print("a reason", file=sys.stderr); sys.exit(3)')
        runner.start("train", {})
        last = follow(runner)[-1]
        assert "exit code 3" in last.message
        end = time.monotonic() + 5
        while "a reason" not in runner.log and time.monotonic() < end:
            time.sleep(0.01)
        assert "a reason" in runner.log


def test_a_real_worker_refuses_in_a_sentence(scene):
    from ACSegPanels.process import ProcessRunner

    runner = ProcessRunner()
    runner.start("measure", {"inputs": ["nowhere.nrrd"], "output": "x.csv", "colour": "red"})
    last = follow(runner)[-1]
    assert last.kind == "error"
    assert "unknown option 'colour'" in last.message


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
