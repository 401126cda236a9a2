"""Counts the labelled slices for a slice guide: in the worker process, a while after an edit, while it is shown."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import qt

from ACSegLib.errors import InputError
from ACSegLib.worker import Job
from ACSegLib.worker.events import capitalized
from ACSegPanels.slices import SliceCounts
from ACSegPanels.task import POLL_MILLISECONDS, sentence
from ACSegPanels.translation import translated
from ACSegPanels.words import namedByControls
from ACSegPanels.working import worker

#: Milliseconds between the last edit and the counting of the labelled slices.
COUNTING_DELAY = 300

#: Segmentation node, volume node, and the axis as in `ACSegLib.fill.fill`; a node is None where none is chosen.
Inputs = tuple[Any, Any, str]

#: The wait is at least so many times as long as the work took before: painting stays smooth on a large tomogram.
_PATIENCE = 5.0


class Delayed:
    """Calls a function a while after `request`; each request begins the wait anew.

    Parameters
    ----------
    function : callable
    milliseconds : int
        The wait; longer where the function is slow.
    clock : callable
        Gives the time in seconds.
    """

    def __init__(
        self, function: Callable[[], object], milliseconds: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._function, self._least, self._clock = function, milliseconds, clock
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(milliseconds)
        self._timer.connect("timeout()", self._call)

    @property
    def milliseconds(self) -> int:
        """The wait from now on."""
        return self._timer.interval

    def request(self) -> None:
        """Call the function a while after now, and not before."""
        self._timer.start()

    def stop(self) -> None:
        """Forget what was requested."""
        self._timer.stop()

    def cleanup(self) -> None:
        """Stop for good."""
        self._timer.stop()
        self._timer.disconnect("timeout()", self._call)

    def _call(self) -> None:
        start = self._clock()
        self._function()
        took = self._clock() - start
        self._timer.setInterval(max(self._least, round(1000 * _PATIENCE * took)))


class SliceCounter:
    """Counts anew on request, and tells what was found.

    Parameters
    ----------
    inputs : callable
        Gives what to count; an InputError says why it cannot be.
    show : callable
        ``show(found, volumeNode, problem)``: the labelled slices, and why they could not be counted.
    """

    def __init__(self, inputs: Callable[[], Inputs], show: Callable[[SliceCounts, Any, str], None]) -> None:
        self._inputs, self._show = inputs, show
        self._active = False
        self._job: Job | None = None
        self._found, self._volumeNode = SliceCounts(), None
        self._delayed = Delayed(self.count, COUNTING_DELAY)
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.connect("timeout()", self._poll)

    @property
    def busy(self) -> bool:
        """Whether a count is at work."""
        return self._job is not None

    def setActive(self, active: bool) -> None:
        """The guide is shown, and counted for at once; or it is not, and nothing is counted."""
        self._active = active
        if active:
            self.count()
        else:
            self.stop()

    def request(self) -> None:
        """Count a while after now, where the guide is shown."""
        if self._active:
            self._delayed.request()

    def count(self) -> None:
        """Count now."""
        self.stop()
        try:
            node, volumeNode, axis = self._inputs()
            if node is None or volumeNode is None:
                self._show(SliceCounts(), volumeNode, "")
                return
            self._begin(node, volumeNode, axis)
        except (InputError, OSError, MemoryError) as error:  # the last two: the process cannot be started
            self._show(SliceCounts(), None, sentence(error))

    def _begin(self, node: Any, volumeNode: Any, axis: str) -> None:
        from ACSegLib.scene.grid import of_volume
        from ACSegLib.scene.read import chosen_segments, label_boxes

        if volumeNode.GetImageData() is None:
            self._show(SliceCounts(), None, "")
            return
        boxes = label_boxes(node, volumeNode, visible=True)
        segments = chosen_segments(node, None, True)
        names = [node.GetSegmentation().GetSegment(s).GetName() for s in segments]
        shape = of_volume(volumeNode).shape
        arrays = {f"box {number}": box.labels for number, box in enumerate(boxes)}
        message = {
            "shape": shape,
            "axis": axis,
            "name": node.GetName(),
            "segments": segments,
            "names": names,
            "boxes": [
                {"array": f"box {number}", "start": box.start, "values": box.values} for number, box in enumerate(boxes)
            ],
        }
        self._found, self._volumeNode = SliceCounts(names, shape), volumeNode
        self._job = worker().run("count", message, arrays)
        self._timer.start()

    def _poll(self) -> None:
        job = self._job
        if job is None:
            self._timer.stop()
            return
        for event in job.poll():
            if not event.final:
                continue
            self._job = None
            self._timer.stop()
            if event.kind == "done":
                reply = event.value.message
                self._found.counts = {(axis, number): voxels for axis, number, voxels in reply["counts"]}
                self._found.notes = [_shown(note) for note in reply["notes"]]
                self._found.dense = bool(reply.get("dense"))
                self._show(self._found, self._volumeNode, _shown(reply.get("dense", "")))
            elif event.kind == "error":
                self._show(SliceCounts(), self._volumeNode, _shown(event.message))

    def stop(self) -> None:
        """Forget what was requested."""
        self._delayed.stop()
        self._timer.stop()
        if self._job is not None:
            self._job.drop()
            self._job = None

    def cleanup(self) -> None:
        """Stop for good."""
        self.stop()
        self._delayed.cleanup()
        self._timer.disconnect("timeout()", self._poll)


def _shown(text: str) -> str:
    """A sentence of the library on labelled slices, in the words of Slicer."""
    return namedByControls(capitalized(translated(text)), {}, "ACSegFill")
