"""Faults in the middle of work: the worker process dies, two editors fill at once, Slicer quits; the scene is whole."""

from __future__ import annotations

import gc
import os
import signal

import numpy as np
import psutil
import pytest
from desk import Desk, ball, on_slices
from processes import has_ended
from workbench import add_segmentation, add_volume, draw, pump

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are killed by signals")


def kill(worker):
    """End the process as the system does when memory runs out."""
    os.killpg(worker.pid, signal.SIGKILL)


def walking(desk):
    return desk.panel.messageLabel.text == "Walking"


def in_use(worker):
    """Files on their way to and from the worker process, and this one's children and descriptors, without garbage."""
    gc.collect()
    process, files = psutil.Process(), [f for folder in worker._folders for f in folder.iterdir()]
    return np.array([len(files), len(process.children(recursive=True)), process.num_fds()])


def test_killed_in_the_middle_of_a_fill_and_of_a_refill(desk, fake, desk_worker):
    desk.draw()
    drawn = desk.array()
    fake.gate.clear()
    desk.panel.fillButton.click()
    pump(lambda: walking(desk))
    kill(desk_worker)
    pump(lambda: not desk.effect.session.running)
    assert "memory ran out" in desk.effect.message
    assert desk.effect.preview.node is None
    assert np.array_equal(desk.array(), drawn)
    fake.gate.set()
    desk.fill()
    assert desk.previewed()[11].any(), desk.effect.message

    previewed = desk.previewed()
    fake.gate.clear()
    desk.draw([12])
    desk.panel.fillButton.click()
    pump(lambda: walking(desk))
    kill(desk_worker)
    pump(lambda: not desk.effect.session.running)
    assert "memory ran out" in desk.effect.message
    assert np.array_equal(desk.previewed(), previewed), "the last preview stays"
    fake.gate.set()
    desk.fill()
    assert np.array_equal(desk.previewed()[12], ball()[12]), desk.effect.message
    assert fake.calls[-1][0] == "fill", "the state was lost with the process"


def test_killed_while_measuring(module, desk_worker):
    volume = add_volume(ball().astype(np.float32) * 100)
    node = add_segmentation(volume, ("cytoplasm",))
    import slicer
    from standin.effecthost import label_image

    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(label_image(ball(), volume), node, "cytoplasm", logic.MODE_REPLACE)
    module.parameters.measureSegmentation = node
    panel = module.panels["Measure"]
    desk_worker.start()
    pump(lambda: desk_worker.pump() or desk_worker.ready)
    os.killpg(desk_worker.pid, signal.SIGSTOP)
    panel.ui.measureButton.click()
    kill(desk_worker)
    pump(lambda: not panel.running)
    assert "memory ran out" in panel.ui.measureMessage.text
    assert module.parameters.measureTable is None
    panel.ui.measureButton.click()
    pump(lambda: not panel.running)
    assert module.parameters.measureTable.GetNumberOfRows() > 0, panel.ui.measureMessage.text


def test_two_editors_fill_one_after_the_other_and_do_not_disturb_each_other(scene, fake):
    first, second = Desk(scene), Desk(scene)
    first.draw((9, 15, 21))
    second.draw((9, 21))
    fake.gate.clear()
    for desk in (first, second):
        desk.panel.fillButton.click()
    pump(lambda: walking(first))
    assert not walking(second)
    second.panel.cancelButton.click()
    pump(lambda: not second.effect.session.running)
    assert "Cancelled" in second.effect.message
    assert first.effect.session.running
    fake.gate.set()
    pump(lambda: not first.effect.session.running)
    second.fill()
    assert first.previewed()[15].any()
    assert "9, 21" in second.effect.message
    first.draw([12])
    first.fill()
    assert fake.calls[-1][0] == "refill", "each keeps its own state"
    for desk in (first, second):
        desk.effect.cleanup()


def test_the_volumes_voxels_are_replaced_between_two_fills(desk, fake):
    """The worker process keeps the image of the last fill; another one under the same name must not be taken for it."""
    import slicer

    desk.draw()
    desk.fill()
    slicer.util.updateVolumeFromArray(desk.volume, ball().astype(np.float32) * 50)
    desk.draw([12])
    desk.fill()
    assert [call[0] for call in fake.calls] == ["fill", "fill"]


def test_voxels_that_are_changed_in_place_are_seen(desk, fake):
    import slicer

    desk.draw()
    desk.fill()
    slicer.util.arrayFromVolume(desk.volume)[0, 0, 0] = 7
    slicer.util.arrayFromVolumeModified(desk.volume)
    desk.draw([12])
    desk.fill()
    assert [call[0] for call in fake.calls] == ["fill", "fill"]


def test_slicer_quits_in_the_middle_of_a_fill(desk, fake, desk_worker):
    from ACSegPanels import working

    desk.draw()
    fake.gate.clear()
    desk.panel.fillButton.click()
    pump(lambda: walking(desk))
    process, folders = psutil.Process(desk_worker.pid), list(desk_worker._folders)
    working.stopWorker()
    pump(lambda: has_ended(process))
    assert not any(folder.exists() for folder in folders), "it has tidied up itself"


def test_ten_fills_leave_no_process_file_or_observer(desk, fake, desk_worker):
    import slicer

    def state():
        mapped = [m for m in psutil.Process().memory_maps(grouped=False) if "acseg-" in m.path]
        subjects = (slicer.mrmlScene, desk.segmentation, desk.segmentation.GetSegmentation(), desk.volume)
        observed = sum(subject.HasObserver(event) for subject in subjects for event in ("AnyEvent", "ModifiedEvent"))
        return np.array([*in_use(desk_worker), len(mapped), observed, len(desk.effect._observer._tags)])

    def fill_and_drop():
        desk.fill()
        assert desk.effect.preview.node is not None, desk.effect.message
        desk.panel.cancelButton.click()
        pump(lambda: not desk.effect.counting and not desk.effect.session.watched)

    desk.draw()
    fill_and_drop()
    before = state()
    for _ in range(10):
        fill_and_drop()
    assert (state() <= before).all()  # what earlier tests left may end meanwhile
    assert before[0] == 0


def test_without_room_in_memory_arrays_go_by_the_disk(desk, fake, desk_worker, monkeypatch):
    from ACSegLib.worker import arrays

    usage = arrays.shutil.disk_usage
    full = [str(folder) for folder in desk_worker._folders if str(folder).startswith("/dev/shm")]
    monkeypatch.setattr(
        arrays.shutil, "disk_usage", lambda f: usage(f)._replace(free=0) if str(f) in full else usage(f)
    )
    desk.draw()
    desk.fill()
    assert desk.previewed()[11].any(), desk.effect.message


def test_without_room_anywhere_the_message_says_so(desk, fake, monkeypatch):
    from ACSegLib.worker import arrays

    usage = arrays.shutil.disk_usage
    desk.draw()
    monkeypatch.setattr(arrays.shutil, "disk_usage", lambda folder: usage(folder)._replace(free=0))
    desk.fill()
    assert "free some space" in desk.effect.message
    assert desk.panel.fillButton.enabled
    monkeypatch.setattr(arrays.shutil, "disk_usage", usage)
    desk.fill()
    assert desk.previewed()[11].any()


def test_the_scene_is_closed_while_the_guide_counts(module):
    import slicer

    volume = add_volume(ball().astype(np.float32))
    module.parameters.sourceVolume, module.parameters.segmentation = volume, add_segmentation(volume)
    label = module.panels["Label"]
    label.counter.count()
    assert label.counter.busy
    slicer.mrmlScene.Clear(0)
    assert not label.counter.busy


def test_where_no_process_can_be_started_the_guide_and_fill_say_so(desk, tmp_path, monkeypatch):
    from ACSegPanels import working

    from ACSegLib.worker import Worker, arrays

    desk.draw()
    working.setWorker(Worker([str(tmp_path / "no such program")], tmp_path))
    working.prepareWorker()
    desk.effect.updateGuide()
    assert "no such program" in desk.panel.guide.label.text
    desk.panel.fillButton.click()
    assert "no such program" in desk.effect.message
    assert desk.panel.fillButton.enabled

    def nowhere(**_):
        raise PermissionError("no folder can be written in")

    monkeypatch.setattr(arrays.tempfile, "mkdtemp", nowhere)
    working.setWorker(Worker(temporary=tmp_path))
    working.prepareWorker()
    desk.panel.fillButton.click()
    assert "TMPDIR" in desk.effect.message


@pytest.mark.parametrize("work", ["correction", "split"])
def test_killed_in_the_middle_of_a_correction_and_of_a_split(scene, desk_worker, work):
    """The worker process is stopped before it has begun, and killed; after the message the same work is done."""
    desk = Desk(scene)
    apart = ball(centre=(15, 12, 7), radius=6) | ball(centre=(15, 12, 20), radius=6)
    draw(desk.host, "cytoplasm", apart)
    desk.node.SetSelectedSegmentID("cytoplasm")
    desk.effect.correcting.memory.forget()
    desk.effect.activate()
    pump(lambda: not desk.effect.counting)
    if work == "correction":
        draw(desk.host, "cytoplasm", on_slices(ball(centre=(15, 12, 20), radius=7), [15]))
    button = desk.panel.fillButton if work == "correction" else desk.effect.splitting.button
    before = desk.array()
    pump(lambda: desk_worker.pump() or desk_worker.ready)
    os.killpg(desk_worker.pid, signal.SIGSTOP)
    button.click()
    kill(desk_worker)
    pump(lambda: not desk.effect.session.running)
    assert "memory ran out" in desk.effect.message
    assert desk.effect.preview.node is None
    assert np.array_equal(desk.array(), before)
    button.click()
    pump(lambda: not desk.effect.session.running)
    assert desk.effect.preview.node is not None, desk.effect.message
    desk.effect.cleanup()


def test_killed_while_labels_are_counted_a_solid_segmentation_is_still_corrected(scene, desk_worker):
    desk = Desk(scene)
    draw(desk.host, "cytoplasm", ball(centre=(15, 12, 12), radius=6))
    desk.effect.activate()
    pump(lambda: not desk.effect.counting)
    assert desk.effect.correcting.active
    pump(lambda: desk_worker.pump() or desk_worker.ready)
    os.killpg(desk_worker.pid, signal.SIGSTOP)
    desk.effect.updateGuide()
    kill(desk_worker)
    pump(lambda: not desk.effect.counting)
    assert desk.effect.correcting.active
    desk.effect.cleanup()


def test_the_source_volume_is_replaced_in_the_middle_of_a_fill(desk, fake):
    """By another node, or by voxels of another shape: a message, no preview, and the next fill works."""
    import slicer

    desk.draw()
    for replace in (
        lambda: desk.node.SetAndObserveSourceVolumeNode(add_volume(ball().astype(np.float32), "another")),
        lambda: slicer.util.updateVolumeFromArray(desk.node.GetSourceVolumeNode(), np.zeros((4, 5, 6), np.float32)),
    ):
        fake.gate.clear()
        desk.panel.fillButton.click()
        pump(lambda: walking(desk))
        replace()
        fake.gate.set()
        pump(lambda: not desk.effect.session.watched)
        assert "changed" in desk.effect.message
        assert desk.effect.preview.node is None
    desk.node.SetAndObserveSourceVolumeNode(desk.volume)
    desk.fill()
    assert desk.previewed()[11].any(), desk.effect.message


def test_ten_splits_leave_no_process_file_or_state(scene, desk_worker):
    desk = Desk(scene)
    draw(desk.host, "cytoplasm", ball(centre=(15, 12, 7), radius=6) | ball(centre=(15, 12, 20), radius=6))
    desk.node.SetSelectedSegmentID("cytoplasm")

    def split_and_drop():
        desk.effect.splitting.button.click()
        pump(lambda: not desk.effect.session.running)
        assert desk.effect.preview.node is not None, desk.effect.message
        desk.panel.cancelButton.click()
        pump(lambda: not desk.effect.counting and not desk.effect.session.watched and not desk.effect._released)

    split_and_drop()
    before = in_use(desk_worker)
    for _ in range(10):
        split_and_drop()
    assert (in_use(desk_worker) <= before).all()
    desk.effect.cleanup()
