"""One fill and its refills, on a background thread: arrays only, no MRML, no Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ACSegPanels.background import BackgroundJob, Event
from ACSegPanels.slices import AXES, changed_slices, merge

from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation
from SegmentEditorACSegFillLib.inputs import FillInputs


@dataclass
class Outcome:
    """What a fill gave.

    Attributes
    ----------
    result : FillResult
        As `ACSegLib.fill` returned it; the next refill starts from it.
    preview : Segmentation
        Cleaned, with the drawn and the protected voxels as they were.
    refilled : dict or None
        Slices that changed, when only those were redone.
    """

    result: Any
    preview: Segmentation
    refilled: dict[str, list[int]] | None = None

    @property
    def summary(self) -> str:
        """Which slices were used, for the person."""
        used = "; ".join(_list_slices(axis, numbers) for axis, numbers in self.result.slices.items() if numbers)
        text = f"Used slices {used}." if used else "Used the scribbles as drawn."
        if self.refilled is not None:
            axis = next((a for a in self.result.slices if self.refilled.get(a)), None)
            if axis:
                text = f"Refilled around {_list_slices(axis, self.refilled[axis])}. {text}"
        warnings = self.result.report.get("warnings") or []
        return " ".join([text, *[str(w)[:1].upper() + str(w)[1:] for w in warnings]])


def _list_slices(axis: str, numbers: list[int], most: int = 12) -> str:
    shown = [str(n) for n in numbers[:most]]
    more = [f"and {len(numbers) - most} more"] if len(numbers) > most else []
    return f"{axis} = {', '.join(shown + more)}"


class FillSession:
    """Remembers the last fill, and redoes only what changed."""

    def __init__(self) -> None:
        self.job = BackgroundJob()
        self.outcome: Outcome | None = None
        self.key: tuple = ()
        self._drawn: Segmentation | None = None
        self._settings: dict[str, Any] = {}
        self._starting: tuple[FillInputs, dict[str, Any]] | None = None

    @property
    def running(self) -> bool:
        """Whether a fill is at work."""
        return self.job.running

    def start(self, inputs: FillInputs, settings: Mapping[str, Any], cleaning: Mapping[str, Any]) -> str:
        """Start a fill, or a refill where nothing but the drawing has changed.

        Parameters
        ----------
        settings : mapping
            Keywords of `ACSegLib.fill.fill`.
        cleaning : mapping
            Keywords of `ACSegLib.fill.cleanup.clean`.

        Returns
        -------
        str
            "fill", "refill", or "unchanged" where there is nothing to do but cleaning.
        """
        settings, cleaning = dict(settings), dict(cleaning)
        changed = self._changed(inputs, settings)
        previous = self.outcome.result if self.outcome and changed is not None else None
        self._starting = (inputs, settings)
        self.key = inputs.key

        def work(progress: Progress) -> Outcome:
            result = _compute(inputs, settings, previous, changed, progress.part(0.0, 0.95))
            preview = _clean(result, inputs, cleaning, progress.part(0.95, 1.0))
            return Outcome(result, preview, changed if previous is not None else None)

        self.job.start(work)
        if previous is None:
            return "fill"
        return "refill" if any(changed.values()) else "unchanged"

    def poll(self) -> list[Event]:
        """Give the job's events; after "done", `outcome` is the new one."""
        events = self.job.poll()
        for event in events:
            if event.kind == "done" and self._starting is not None:
                self.outcome = event.value
                self._drawn, self._settings = self._starting[0].drawn, self._starting[1]
        return events

    def forget(self) -> None:
        """Cancel what runs and drop what is remembered (the memory of a whole tomogram)."""
        self.job.abandon()
        self.outcome = self._drawn = self._starting = None
        self.key = ()

    def _changed(self, inputs: FillInputs, settings: dict[str, Any]) -> dict[str, list[int]] | None:
        """Slices drawn anew since the last fill; None where all must be done."""
        before = self._drawn
        if self.outcome is None or before is None or self.key != inputs.key or self._settings != settings:
            return None
        if [s.id for s in before.segments] != [s.id for s in inputs.drawn.segments]:
            return None
        return changed_slices(before, inputs.drawn)


def _compute(inputs: FillInputs, settings: dict, previous: Any, changed: Any, progress: Progress) -> Any:
    from ACSegLib import fill

    if previous is None:
        return fill.fill(inputs.volume, inputs.drawn, progress=progress, **settings)
    if not any(changed.values()):
        return previous
    return fill.refill(previous, inputs.drawn, changed, progress=progress)


def _clean(result: Any, inputs: FillInputs, cleaning: dict, progress: Progress) -> Segmentation:
    segmentation = result.segmentation
    if any(cleaning.values()):
        from ACSegLib.fill.cleanup import clean

        segmentation = clean(segmentation, keep=_known(result, inputs.drawn), progress=progress, **cleaning)
    return merge(segmentation, inputs.drawn, inputs.protected)


def _known(result: Any, drawn: Segmentation) -> np.ndarray:
    """Voxels that the person decided: drawn ones, and the background of drawn slices."""
    known = np.logical_or.reduce([layer > 0 for layer in drawn.layers])
    for axis, numbers in result.slices.items():
        np.moveaxis(known, AXES.index(axis), 0)[list(numbers)] = True
    return known
