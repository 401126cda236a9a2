"""Predictions and trainings: commands of ``acseg`` in a child of the worker, on files of the root folder."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from ACSegLib.app.jobs import Outcome, Plan
from ACSegLib.app.labels import Labels
from ACSegLib.app.requests import PredictOptions, TrainOptions
from ACSegLib.app.session import Session
from ACSegLib.errors import InputError
from ACSegLib.volume import Segmentation, label_dtype
from ACSegLib.worker import Reply
from ACSegLib.workflows.packing import Arrays, pack_volume, unpack_segmentation

#: Seconds that a command may take to stop: it must notice within a second.
_PATIENCE = 0.8


def plan_prediction(session: Session, options: PredictOptions) -> Plan:
    """A prediction of the open volume; segments of the same names as those of the labels keep their values."""
    with session.lock:
        volume, info = session.require_volume()
        path = session.path
        session.begin_job()
    with session.scratch.folder() as folder:
        output, arrays, inputs = folder / "predicted.seg.nrrd", Arrays(), {}
        if path is None:
            path = folder / "image.nrrd"
            inputs[str(path)] = pack_volume(volume, "image", arrays)
        values: dict[str, Any] = {
            "images": [str(path)],
            "output": str(output),
            "model": str(session.folder.path(options.model)) if options.model else None,
            **{name: getattr(options, name) for name in ("contrast", "tta", "refine", "islands", "holes", "device")},
        }
        if session.spacing_set and volume.geometry.unit != "px":
            values |= {"voxel_size": ",".join(map(repr, volume.geometry.spacing)), "unit": volume.geometry.unit}
        message = {"command": "predict", "options": values, "inputs": inputs, "output": str(output)}

    def finish(reply: Reply) -> Outcome:
        predicted = unpack_segmentation(reply.message["segmentation"], reply.arrays)
        merged = with_values_of(session.require_work().labels, predicted, session.names())
        session.finish_job("predict", info.id, merged, None, None)
        names = ", ".join(s.name for s in predicted.segments)
        return Outcome(f"predicted {names}.", list(reply.message["notes"]))

    def tidy() -> None:
        session.scratch.discard(folder)

    return Plan("command", message, arrays, finish, tidy, patience=_PATIENCE, in_memory=False)


def plan_training(session: Session, options: TrainOptions) -> Plan:
    """A training on files of the root folder."""
    folder = session.folder
    output = folder.path(options.model)
    if output.suffix.lower() != ".acseg":
        raise InputError(f"the model {options.model} must end in .acseg.")
    values = {
        "images": [str(folder.path(path)) for path in options.images],
        "labels": [str(folder.path(path)) for path in options.labels],
        "output": str(output),
        "minutes": options.minutes,
        "preset": options.preset,
        "device": options.device,
    }

    def finish(reply: Reply) -> Outcome:
        return Outcome(f"the model {folder.name(output)} is trained.")

    return Plan("command", {"command": "train", "options": values}, {}, finish, patience=_PATIENCE)


def with_values_of(labels: Labels, segmentation: Segmentation, taken: Collection[int] = ()) -> Segmentation:
    """A segmentation in which segments of the same names as those of the labels have the same values.

    Other segments get values that are not `taken` and that the labels do not use, so that slices of both can be in one
    array. The segments of the labels are kept, unless no voxel is labelled.
    """
    flat = segmentation.flattened()
    kept = labels.segments if labels.array.any() else []
    known = {s.name.casefold(): s for s in kept}
    used = {s.value for s in kept}.union(taken if kept else ())
    free = iter(v for v in range(1, 65536) if v not in used)
    table = np.zeros(max((s.value for s in flat.segments), default=0) + 1, np.uint16)
    segments = list(kept)
    for segment in flat.segments:
        same = known.get(segment.name.casefold())
        if same is None:
            same = replace(segment, value=next(free), id="")
            segments.append(same)
        table[segment.value] = same.value
    dtype = label_dtype(s.value for s in segments)
    return Segmentation((table.astype(dtype)[flat.labels],), segments, flat.geometry, flat.name)
