"""Files for the worker are written, and its result is read, on a thread; the three stages are watched as one."""

from __future__ import annotations

import sys
import threading

import pytest
from workbench import fake_worker, follow

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake worker is a script with a shebang")

ANSWER = (
    "request = json.loads(sys.stdin.readline());"
    "print(json.dumps({'event': 'progress', 'fraction': 0.5, 'message': 'working'}), flush=True);"
    "print(json.dumps({'event': 'result', 'report': {'given': request['options']}}))"
)


def staged(tmp_path, before=lambda progress: None, after=None, body=ANSWER):
    from ACSegPanels.process import ProcessRunner
    from ACSegPanels.staging import StagedRunner

    return StagedRunner(ProcessRunner(fake_worker(tmp_path, body)), "predict", {"a": 1}, before, after)


def test_three_stages_in_their_order_with_one_progress(scene, tmp_path):
    main, where = threading.current_thread(), []

    def before(progress):
        where.append(threading.current_thread() is main)
        progress(0.5, "writing")

    def after(report, progress):
        where.append(threading.current_thread() is main)
        progress(0.5, "reading")
        return report["given"]["a"] + 1

    events = follow(staged(tmp_path, before, after))
    assert where == [False, False]
    assert [e.message for e in events if e.kind == "progress"] == ["writing", "working", "reading"]
    fractions = [e.fraction for e in events if e.kind == "progress"]
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < 0.1
    assert 0.4 < fractions[1] < 0.6
    assert 0.9 < fractions[2] < 1
    assert (events[-1].kind, events[-1].value) == ("done", 2)


def test_without_a_last_stage_the_report_is_the_result(scene, tmp_path):
    assert follow(staged(tmp_path))[-1].value == {"given": {"a": 1}}


@pytest.mark.parametrize("stage", ["before", "after"])
def test_an_error_of_any_stage_ends_it(scene, tmp_path, stage):
    def fail(*_):
        raise OSError("no space left.")

    last = follow(staged(tmp_path, **{stage: fail}))[-1]
    assert (last.kind, last.message) == ("error", "No space left.")


def test_a_process_that_cannot_be_started_is_told(scene, tmp_path):
    from ACSegPanels.process import ProcessRunner
    from ACSegPanels.staging import StagedRunner

    runner = StagedRunner(ProcessRunner(str(tmp_path / "no python")), "predict", {}, lambda progress: None)
    last = follow(runner)[-1]
    assert last.kind == "error"
    assert "no python" in last.message


def test_cancelled_while_writing_no_process_begins(scene, tmp_path):
    gate, begun = threading.Event(), tmp_path / "begun"

    def before(progress):
        gate.wait()
        progress.check()

    runner = staged(tmp_path, before, body=f"open({str(begun)!r}, 'w').close()")
    runner.cancel()
    gate.set()
    assert follow(runner)[-1].kind == "cancelled"
    assert not begun.exists()


def test_a_result_that_comes_after_the_cancel_is_not_read(scene, tmp_path):
    """The process was done before it heard of it."""
    read = []
    body = "sys.stdin.readline(); sys.stdin.readline(); print(json.dumps({'event': 'result', 'report': {}}))"
    runner = staged(tmp_path, after=lambda report, progress: read.append(report), body=body)
    while not runner._process.running:
        runner.poll()
    runner.cancel()
    assert follow(runner)[-1].kind == "cancelled"
    assert read == []


def test_nodes_are_read_at_once_and_written_on_the_thread(scene, tmp_path):
    """Deleting or changing a segmentation after the start changes nothing of what is trained on."""
    import numpy as np
    import slicer
    from ACSegPanels.exchange import ExchangeFolder
    from desk import ball
    from standin.effecthost import label_image
    from workbench import add_segmentation, add_volume

    from ACSegLib.files import open_segmentation, open_volume
    from ACSegLib.jobs import Progress

    volume = add_volume(ball().astype(np.float32))
    node = add_segmentation(volume)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(label_image(ball(), volume), node, "cytoplasm", logic.MODE_REPLACE)
    folder = ExchangeFolder()
    image, labels = folder.volume(volume, "image"), folder.segmentation(node, volume, "labels")
    slicer.mrmlScene.RemoveNode(node)
    slicer.mrmlScene.RemoveNode(volume)
    thread = threading.Thread(target=folder.write, args=(Progress(),))
    thread.start()
    thread.join()
    assert np.array_equal(open_volume(image).array, ball())
    assert np.array_equal(open_segmentation(labels).mask("cytoplasm"), ball())
    folder.remove()
