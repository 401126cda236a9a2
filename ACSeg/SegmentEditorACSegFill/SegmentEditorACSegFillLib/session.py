"""One fill and its refills, corrections, or a split, in the worker process: arrays only, no MRML, no Qt."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from ACSegPanels.keywords import correctRequest, fillRequest
from ACSegPanels.working import worker

from ACSegLib.commands.options import OptionValues
from ACSegLib.volume import Segmentation
from ACSegLib.worker import Event, Job, Reply
from ACSegLib.workflows import CorrectOutcome, CorrectRequest, FillOutcome, FillRequest, SplitOutcome, SplitRequest
from ACSegLib.workflows.merging import same_labels
from SegmentEditorACSegFillLib.inputs import FillInputs
from SegmentEditorACSegFillLib.memory import Remembered

Request = FillRequest | CorrectRequest | SplitRequest
Outcome = FillOutcome | CorrectOutcome | SplitOutcome

#: Tasks whose state the worker process keeps.
_KEPT = ("fill", "correct")


class FillSession:
    """Remembers the last fill, whose state the worker process keeps: the next one redoes only what changed."""

    def __init__(self) -> None:
        self.outcome: Outcome | None = None
        #: What the outcome was made for.
        self.request: Request | None = None
        self.key: tuple = ()
        #: The voxels that the outcome was made of; see `ACSegLib.scene.grid.voxels_key`.
        self.image: tuple = ()
        self._name = f"fill {uuid.uuid4().hex}"
        self._job: Job | None = None
        self._left: list[Job] = []
        self.protected: np.ndarray | None = None
        self._starting: tuple[FillInputs, Request] | None = None
        self._kept: tuple = ()
        self._names: set[str] = set()
        self._asking: tuple[Job, Callable[[list[int]], None]] | None = None

    @property
    def running(self) -> bool:
        """Whether a fill is at work."""
        return self._job is not None and self._job.running

    @property
    def fills(self) -> bool:
        """Whether what was started last is a fill."""
        return self._starting is not None and isinstance(self._starting[1], FillRequest)

    @property
    def splits(self) -> bool:
        """Whether the outcome is a split."""
        return isinstance(self.outcome, SplitOutcome)

    @property
    def watched(self) -> bool:
        """Whether there is something to poll: a fill, one that was let go of and has not ended, or a question."""
        return self.running or bool(self._left) or self._asking is not None

    def start(self, inputs: FillInputs, options: OptionValues) -> None:
        """Start a fill with options of ``acseg fill``; the workflow decides what of the last one can be kept."""
        self._begin("fill", fillRequest(inputs.volume, inputs.drawn, options), inputs)

    def startCorrection(self, inputs: FillInputs, before: Remembered, options: OptionValues) -> None:
        """Start a correction of what was there before, with options of ``acseg correct``."""
        request = correctRequest(inputs.volume, before.labels, inputs.drawn, options)
        self._begin("correct", replace(request, decided=before.decided), inputs)

    def startSplit(self, inputs: FillInputs, request: SplitRequest) -> None:
        """Start a split; it always begins anew."""
        self._begin("split", request, inputs)

    def _begin(self, task: str, request: Request, inputs: FillInputs) -> None:
        message, arrays = request.pack()
        if inputs.protected is not None:
            arrays["protected"] = inputs.protected
        here = worker()
        here.start()
        if self.outcome is not None and self._kept == (here.generation, task, inputs.key, inputs.image):
            del arrays["image"]
        self._starting, self.key = (inputs, request), inputs.key
        keep = f"{self._name} {task}" if task in _KEPT else ""
        self._names |= {keep} - {""}
        self._job = here.run(task, message, arrays, keep=keep)

    def cancel(self) -> None:
        """Ask the running fill to stop."""
        if self._job is not None:
            self._job.cancel()

    def poll(self) -> list[Event]:
        """Give the fill's events; after "done", `outcome` is the new one."""
        for job in self._left:
            job.poll()
        self._left = [job for job in self._left if job.lingering]
        self._pollQuestion()
        events = self._job.poll() if self._job is not None else []
        for event in events:
            if event.kind == "done" and self._starting is not None:
                inputs, self.request = self._starting
                self.outcome, task = _unpacked(event.value, self.request)
                self.protected, self.image = inputs.protected, inputs.image
                self._kept = (worker().generation, task, inputs.key, inputs.image) if task in _KEPT else ()
        return events

    def suggest(self, count: int, told: Callable[[list[int]], None]) -> None:
        """Ask for slices to draw next; `told` is called by `poll`, with none where the state was lost."""
        self._asking = (worker().run("suggest", {"count": count}, keep=f"{self._name} fill"), told)

    def _pollQuestion(self) -> None:
        if self._asking is None:
            return
        job, told = self._asking
        for event in job.poll():
            if event.final:
                self._asking = None
                told(event.value.message["slices"] if isinstance(event.value, Reply) else [])

    def isCurrent(self, drawn: Segmentation) -> bool:
        """Whether sparse labels are still those that the last fill began from."""
        return hasattr(self.outcome, "drawn") and same_labels(self.outcome.drawn, drawn)

    def isProtected(self, protected: np.ndarray | None) -> bool:
        """Whether the same voxels are protected as when the last fill began."""
        if protected is None or self.protected is None:
            return protected is self.protected
        return np.array_equal(protected, self.protected)

    def forget(self) -> None:
        """Cancel what runs and drop what is remembered, here and in the worker process (a whole tomogram's memory)."""
        if self._asking is not None:
            self._asking[0].drop()
        if self._job is not None:
            self._job.abandon()
            if self._job.lingering:
                self._left.append(self._job)
        for name in self._names:
            worker().forget(name)
        self._names = set()
        self._name = f"fill {uuid.uuid4().hex}"
        self._job = self._asking = self.outcome = self.request = self.protected = self._starting = None
        self.key = self.image = self._kept = ()


def _unpacked(reply: Reply, request: Request) -> tuple[Outcome, str]:
    """What came back for a request, and the name of its task."""
    message, arrays = reply.message, reply.arrays
    if isinstance(request, SplitRequest):
        return SplitOutcome.unpack(message, arrays), "split"
    if isinstance(request, CorrectRequest):
        return CorrectOutcome.unpack(message, arrays, request), "correct"
    return FillOutcome.unpack(message, arrays, request), "fill"
