"""One fill and its refills, on a background thread: arrays only, no MRML, no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ACSegPanels.background import BackgroundJob, Event
from ACSegPanels.keywords import fillRequest

from ACSegLib.volume import Segmentation
from ACSegLib.workflows import FillOutcome, run
from ACSegLib.workflows.merging import same_labels
from SegmentEditorACSegFillLib.inputs import FillInputs


class FillSession:
    """Remembers the last fill, of which the next one redoes only what changed."""

    def __init__(self) -> None:
        self.job = BackgroundJob()
        self.outcome: FillOutcome | None = None
        self.key: tuple = ()
        self._protected: np.ndarray | None = None
        self._starting: FillInputs | None = None

    @property
    def running(self) -> bool:
        """Whether a fill is at work."""
        return self.job.running

    @property
    def watched(self) -> bool:
        """Whether there is something to poll: a fill, or one that was let go of and has not ended."""
        return self.job.running or self.job.lingering

    def start(self, inputs: FillInputs, options: Mapping[str, Any]) -> None:
        """Start a fill with options of ``acseg fill``; the workflow decides what of the last one can be kept."""
        request = fillRequest(inputs.volume, inputs.drawn, options)
        previous = self.outcome if self.key == inputs.key else None
        self._starting, self.key = inputs, inputs.key
        self.job.start(lambda progress: run(request, previous, inputs.protected, progress))

    def poll(self) -> list[Event]:
        """Give the job's events; after "done", `outcome` is the new one."""
        events = self.job.poll()
        for event in events:
            if event.kind == "done" and self._starting is not None:
                self.outcome, self._protected = event.value, self._starting.protected
        return events

    def isCurrent(self, drawn: Segmentation) -> bool:
        """Whether a drawing is still the one that the last fill began from."""
        return self.outcome is not None and same_labels(self.outcome.request.labels, drawn)

    def isProtected(self, protected: np.ndarray | None) -> bool:
        """Whether the same voxels are protected as when the last fill began."""
        if protected is None or self._protected is None:
            return protected is self._protected
        return np.array_equal(protected, self._protected)

    def forget(self) -> None:
        """Cancel what runs and drop what is remembered (the memory of a whole tomogram)."""
        self.job.abandon()
        self.outcome = self._protected = self._starting = None
        self.key = ()
