"""Splits touching cells of the labels that are shown: a segment for each cell, named as ``acseg split`` names them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

from ACSegLib.app.jobs import Outcome, Plan
from ACSegLib.app.memory import require_room
from ACSegLib.app.requests import SplitOptions
from ACSegLib.app.session import Session
from ACSegLib.errors import InputError
from ACSegLib.volume import Segmentation, label_dtype
from ACSegLib.worker import Reply
from ACSegLib.workflows import SplitOutcome, SplitRequest


def plan_split(session: Session, options: SplitOptions) -> Plan:
    """A split of the labels as they are now.

    Raises
    ------
    InputError
        If the labels between the labelled slices are not filled, or there is no such segment.
    """
    with session.lock:
        volume, info = session.require_volume()
        work = session.require_work()
        if not work.labels.complete:
            raise InputError("the labels are not complete yet; fill or predict first, then split the cells.")
        require_room(volume)
        labels = work.labels.segmentation(volume.geometry, volume.name, work.labels.array.copy())
        names = {segment.value: segment.name for segment in labels.segments}  # before they are changed meanwhile
        session.begin_job()
    if options.segment:
        labels.segment(options.segment)
    request = SplitRequest(
        labels=labels,
        volume=volume,
        segments=[options.segment] if options.segment else (),
        count=options.count,
        smallest=options.smallest,
        seams=options.seams,
    )
    message, arrays = request.pack()

    def finish(reply: Reply) -> Outcome:
        outcome = SplitOutcome.unpack(reply.message, reply.arrays)
        if all(count <= 1 for count in outcome.counts.values()):
            return Outcome("no touching cells were found; nothing was changed.", outcome.notes)
        result = with_new_values(outcome.segmentation, session.names() | names)
        session.finish_job("split", info.id, result, work.uncertainty, decided=work.decided, relabelled=True)
        cells = ", ".join(f"{name}: {count} cell{'s'[: count != 1]}" for name, count in outcome.counts.items())
        return Outcome(f"split {cells}.", outcome.notes)

    return Plan("split", message, arrays, finish)


def with_new_values(split: Segmentation, names: Mapping[int, str]) -> Segmentation:
    """Give the first cell of a split segment a value of its own: that of the segment keeps its meaning.

    A slice that was edited meanwhile holds the value of the whole segment, and an undo brings its name back.

    Parameters
    ----------
    split : Segmentation
        One layer.
    names : mapping of int to str
        Value -> name of the segments before the split, and of others whose values mean something.
    """
    labels, segments = split.labels, list(split.segments)
    used = {segment.value for segment in segments}
    free = (value for value in itertools.count(1) if value not in used and value not in names)
    for n, segment in enumerate(segments):
        if names.get(segment.value, segment.name) != segment.name:
            value = next(free)
            labels = labels.astype(label_dtype([value], labels.dtype))
            labels[labels == segment.value] = value
            segments[n] = replace(segment, value=value)
    return replace(split, layers=(labels,), segments=segments)
