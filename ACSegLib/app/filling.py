"""Fills and refills: the request from the labelled slices, and what the page is told of the result."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ACSegLib.app.contract import AXES, FillInfo
from ACSegLib.app.jobs import Outcome, Plan
from ACSegLib.app.memory import require_room
from ACSegLib.app.requests import FillOptions
from ACSegLib.app.session import Session
from ACSegLib.axes import AXIS_ALIASES
from ACSegLib.errors import InputError
from ACSegLib.volume import Segmentation, distinct_names
from ACSegLib.worker import Reply, Worker
from ACSegLib.workflows import FillOutcome, FillRequest, reads_strokes


class Filling:
    """Makes fills, each of which starts from what the worker kept of the last one.

    Parameters
    ----------
    session : Session
    worker : Worker
    """

    def __init__(self, session: Session, worker: Worker) -> None:
        self._session, self._worker = session, worker
        self._name = f"fill {uuid.uuid4().hex}"
        self._kept: tuple[int, int] | None = None  # the worker's generation, and the volume

    def plan(self, options: FillOptions) -> Plan:
        """A fill of the labelled slices as they are now; only what changed since the last one is computed."""
        session = self._session
        with session.lock:
            volume, info = session.require_volume()
            require_room(volume)
            work = session.require_work()
            labels = work.labels
            if not labels.labelled:
                raise InputError("no slice is labelled yet; label the segments on some slices first.")
            sparse, labelled = work.sparse(), labels.by_axis()
            segmentation = labels.segmentation(volume.geometry, volume.name, sparse)
            session.begin_job()
        background = segmentation.segment(options.background) if options.background else None
        request = FillRequest(
            volume=volume,
            labels=segmentation,
            axis=options.axis,
            mode=options.mode,
            box=options.box,
            background=options.background,
            islands=options.islands,
            holes=options.holes,
            smooth=options.smooth,
            device=options.device,
            suggest=options.suggest,
        )
        from_strokes = reads_strokes(request)
        if not from_strokes:
            request = replace(request, slices=_slices(sparse, options.axis, labelled))
        message, arrays = request.pack()
        key = (self._worker.generation, info.id)
        if self._kept == key:
            del arrays["image"]

        def finish(reply: Reply) -> Outcome:
            self._kept = key
            outcome = FillOutcome.unpack(reply.message, reply.arrays, request)
            session.finish_job(
                "fill",
                info.id,
                _with_all_segments(outcome.segmentation, segmentation),
                outcome.uncertainty,
                fill_info(outcome, options),
                strokes=sparse if from_strokes else None,
                background=background.value if background else 0,
            )
            return Outcome(_sentence(outcome), list(outcome.report.warnings))

        return Plan("fill", message, arrays, finish, keep=self._name)

    def forget(self) -> None:
        """Another volume is open: drop what the worker kept. Call it on the event loop, as all of the worker."""
        if self._kept is not None:
            self._worker.forget(self._name)
        self._kept = None


def fill_info(outcome: FillOutcome, options: FillOptions) -> FillInfo:
    """What the page shows of a fill with these options."""
    report = outcome.report
    expected = {e.segment: e.dice.value for e in report.estimates}
    rows = outcome.segmentation.segments
    named = zip(distinct_names(rows), rows, strict=True)
    return FillInfo(
        axis=_letter(report.axis),
        dice=report.mean_dice,
        segment_dice={str(s.value): expected[name] for name, s in named if name in expected},
        suggestions=[int(n) for n in outcome.suggested],
        seconds=report.seconds,
        mode=options.mode,
        background=options.background,
    )


def _with_all_segments(filled: Segmentation, drawn: Segmentation) -> Segmentation:
    """Keep segments that are not in the result, as the one that marks background: the user still labels with it."""
    known = {segment.value for segment in filled.segments}
    return replace(filled, segments=[*filled.segments, *(s for s in drawn.segments if s.value not in known)])


def _slices(sparse: np.ndarray, axis: str, labelled: Mapping[str, list[int]]) -> dict[str, list[int]] | None:
    """The labelled slices, where they could not be found from the labels; only without them can a fill be refilled."""
    from ACSegLib.labelled_slices import find_labelled_slices

    wanted = {AXIS_ALIASES[name]: numbers for name, numbers in labelled.items() if numbers}
    found = find_labelled_slices(sparse != 0, axis).slices
    return None if found == wanted else wanted


def _sentence(outcome: FillOutcome) -> str:
    report = outcome.report
    what = "filled" if outcome.refilled is None else "refilled"
    source = "Expected" if report.whole_slices_hidden else "Cross-validation"
    quality = "" if report.mean_dice is None else f" {source}: Dice {report.mean_dice:.3f}."
    return f"{what} in {report.seconds:.1f} s.{quality}"


def _letter(axis: str) -> str:
    return next(name for name in AXES if AXIS_ALIASES[name] == axis)
