"""One fill and its refills, on a background thread: arrays only, no MRML, no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from ACSegPanels.background import BackgroundJob, Event
from ACSegPanels.filling import Outcome, runFill
from ACSegPanels.slices import changed_slices

from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation
from SegmentEditorACSegFillLib.inputs import FillInputs


class FillSession:
    """Remembers the last fill, and redoes only what changed."""

    def __init__(self) -> None:
        self.job = BackgroundJob()
        self.outcome: Outcome | None = None
        self.key: tuple = ()
        self._drawn: Segmentation | None = None
        self._protected: np.ndarray | None = None
        self._settings: dict[str, Any] = {}
        self._starting: tuple[FillInputs, dict[str, Any]] | None = None

    @property
    def running(self) -> bool:
        """Whether a fill is at work."""
        return self.job.running

    @property
    def watched(self) -> bool:
        """Whether there is something to poll: a fill, or one that was let go of and has not ended."""
        return self.job.running or self.job.lingering

    def start(self, inputs: FillInputs, settings: Mapping[str, Any], cleaning: Mapping[str, Any]) -> str:
        """Start a fill, or a refill where nothing but the drawing has changed.

        Parameters
        ----------
        settings : mapping
            Keywords of `ACSegLib.fill.fill`.
        cleaning : mapping
            Keywords of `ACSegLib.postprocess.cleanup.clean`.

        Returns
        -------
        str
            "fill", "refill", or "unchanged" where there is nothing to do but cleaning.
        """
        settings, cleaning = dict(settings), dict(cleaning)
        changed = self._changed(inputs, settings)
        previous = self.outcome.result if self.outcome is not None and changed is not None else None
        self._starting = (inputs, settings)
        self.key = inputs.key

        def work(progress: Progress) -> Outcome:
            return runFill(
                inputs.volume,
                inputs.drawn,
                settings,
                cleaning,
                progress,
                protected=inputs.protected,
                previous=previous,
                changed=changed,
            )

        self.job.start(work)
        if changed is None:
            return "fill"
        return "refill" if any(changed.values()) else "unchanged"

    def poll(self) -> list[Event]:
        """Give the job's events; after "done", `outcome` is the new one."""
        events = self.job.poll()
        for event in events:
            if event.kind == "done" and self._starting is not None:
                self.outcome = event.value
                inputs, self._settings = self._starting
                self._drawn, self._protected = inputs.drawn, inputs.protected
        return events

    def isCurrent(self, drawn: Segmentation) -> bool:
        """Whether a drawing is still the one that the last fill began from."""
        before = self._drawn
        return (
            before is not None
            and [s.id for s in before.segments] == [s.id for s in drawn.segments]
            and len(before.layers) == len(drawn.layers)
            and all(np.array_equal(a, b) for a, b in zip(before.layers, drawn.layers, strict=True))
        )

    def isProtected(self, protected: np.ndarray | None) -> bool:
        """Whether the same voxels are protected as when the last fill began."""
        if protected is None or self._protected is None:
            return protected is self._protected
        return np.array_equal(protected, self._protected)

    def forget(self) -> None:
        """Cancel what runs and drop what is remembered (the memory of a whole tomogram)."""
        self.job.abandon()
        self.outcome = self._drawn = self._protected = self._starting = None
        self.key = ()

    def _changed(self, inputs: FillInputs, settings: dict[str, Any]) -> dict[str, list[int]] | None:
        """Slices drawn anew since the last fill; None where all must be done."""
        before = self._drawn
        if self.outcome is None or before is None or self.key != inputs.key or self._settings != settings:
            return None
        if [s.id for s in before.segments] != [s.id for s in inputs.drawn.segments]:
            return None
        return changed_slices(before, inputs.drawn)
