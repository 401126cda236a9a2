"""What a worker can do: each task takes a message and arrays, and gives a message and arrays."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.jobs import Progress
from ACSegLib.workflows.packing import Arrays, Message


class Lane(enum.Enum):
    """Where a task is done: one after the other, beside that, or in a child process."""

    LONG = "long"
    SHORT = "short"
    CHILD = "child"


@dataclass
class Call:
    """One call of a task.

    Attributes
    ----------
    message, arrays : dict
        What the front end sent.
    keep : str
        Name under which the state of this work is kept; empty for none.
    kept : dict
        Name -> state.
    progress : Progress
    on_stop : list of callable
        Called with the seconds that stopping may take, from another thread, when the work is cancelled.
    """

    message: Message
    arrays: Arrays
    keep: str
    kept: dict[str, Any]
    progress: Progress
    on_stop: list[Callable[[float], None]] = field(default_factory=list)

    def stop(self, patience: float) -> None:
        """Tell the work that it is cancelled; most of it learns so from its progress."""
        for action in list(self.on_stop):
            action(patience)


Function = Callable[[Call], tuple[Message, Mapping[str, np.ndarray]]]


@dataclass(frozen=True)
class Task:
    """A function and where it is done."""

    function: Function
    lane: Lane = Lane.LONG


def fill(call: Call) -> tuple[Message, Arrays]:
    """Fill, or refill from what is kept; see `ACSegLib.workflows`."""
    from ACSegLib.workflows import FillRequest, run

    previous = call.kept.get(call.keep) if call.keep else None
    request = FillRequest.unpack(call.message, call.arrays, previous)
    outcome = run(request, previous, call.arrays.get("protected"), call.progress)
    if call.keep:
        call.kept[call.keep] = outcome
    return outcome.pack()


def correct(call: Call) -> tuple[Message, Arrays]:
    """Correct a segmentation around what a person changed; see `ACSegLib.workflows`."""
    from ACSegLib.workflows import CorrectRequest, run

    previous = call.kept.get(call.keep) if call.keep else None
    request = CorrectRequest.unpack(call.message, call.arrays, previous)
    outcome = run(request, protected=call.arrays.get("protected"), progress=call.progress)
    if call.keep:
        call.kept[call.keep] = outcome
    return outcome.pack()


def suggest(call: Call) -> tuple[Message, Arrays]:
    """Suggest slices to draw next, from the fill that is kept; none where none is."""
    from ACSegLib.workflows import suggest as suggest_slices

    outcome = call.kept.get(call.keep)
    return {"slices": suggest_slices(outcome, int(call.message["count"])) if outcome is not None else []}, {}


def count(call: Call) -> tuple[Message, Arrays]:
    """Count the voxels of each segment on the labelled slices, from boxes of labels on a grid."""
    from ACSegLib.worker.counting import DenseLabels, count_labelled_slices, paste_box

    m = call.message
    layers = [paste_box(call.arrays[box["array"]], box["start"], m["shape"]) for box in m["boxes"]]
    values = [box["values"] for box in m["boxes"]]
    try:
        counts, notes = count_labelled_slices(layers, values, m["segments"], m["axis"], m["name"], m["names"])
    except DenseLabels as problem:
        return {"counts": [], "notes": [], "dense": str(problem)}, {}
    return {"counts": [[axis, number, voxels] for (axis, number), voxels in counts.items()], "notes": notes}, {}


def measure(call: Call) -> tuple[Message, Arrays]:
    """Measure a segmentation by the options of ``acseg measure``: rows of the table, and notes on them.

    "contacts" are the pairs that touch, where the rows have no column for each.
    """
    from ACSegLib.commands.measure import Options
    from ACSegLib.commands.options import from_mapping
    from ACSegLib.measure.contact_table import split_many_contacts
    from ACSegLib.measure.table_checks import warnings_on
    from ACSegLib.special_segments import structures
    from ACSegLib.unfilled_labels import unfilled_notes
    from ACSegLib.workflows import MeasureRequest, run
    from ACSegLib.workflows.packing import unpack_segmentation, unpack_volume

    labels = unpack_segmentation(call.message["segmentation"], call.arrays)
    image = call.message.get("volume")
    volume = unpack_volume(image, call.arrays) if image else None
    options = from_mapping(Options, call.message["options"])
    segmentation, _, notes = structures(labels, keep=options.segments)
    if not segmentation.segments:
        raise InputError(f"{labels.name!r} has no segment; there is nothing to measure.")
    rows = run(MeasureRequest.from_options(segmentation, volume, options), progress=call.progress)
    rows, contacts = split_many_contacts(rows)
    name = volume.name if volume is not None else segmentation.name
    notes += unfilled_notes(segmentation)
    notes += warnings_on(
        [{"volume_name": name, **row} for row in rows],
        options.unit,
        min_volume=options.min_volume * options.cells,
        exclude_border=options.exclude_border,
    )
    return {"rows": rows, "contacts": contacts, "notes": notes}, {}


def split(call: Call) -> tuple[Message, Arrays]:
    """Split touching cells; see `ACSegLib.workflows.split`."""
    from ACSegLib.workflows import SplitRequest, run

    return run(SplitRequest.unpack(call.message, call.arrays), progress=call.progress).pack()


def simulate(call: Call) -> tuple[Message, Arrays]:
    """Simulate a tomogram, and sparse labels on every so many slices of it."""
    from ACSegLib.phantom import label_slices
    from ACSegLib.phantom import simulate as simulate_phantom

    phantom = simulate_phantom(int(call.message["size"]), seed=int(call.message["seed"]), progress=call.progress)
    labels, _slices = label_slices(phantom.truth, every=int(call.message["every"]))
    return _packed(phantom.volume, labels)


def fetch(call: Call) -> tuple[Message, Arrays]:
    """Download a tomogram of a public data set, and its labels if it has some."""
    from ACSegLib.files.dataverse import Dataverse, fetch_pair

    source = Dataverse(call.message["server"], call.message["dataset"])
    return _packed(*fetch_pair(source, int(call.message["number"]), Path(call.message["folder"]), call.progress))


def command(call: Call) -> tuple[Message, Arrays]:
    """Run a command of ``acseg`` in a child process; its volumes and labels come and go as arrays.

    The message has "command", "options", "inputs" (path -> packed volume or segmentation, written there before), and
    "output" (path of a segmentation to read after it; None for none). The answer has the run report, and its notes.
    """
    from ACSegLib.worker.child import ChildCommand

    stages = call.progress.stages(write=3, run=94, read=3)
    _write_inputs(call, stages.write)
    child = ChildCommand(str(call.message["command"]), dict(call.message["options"]))
    call.on_stop.append(child.cancel)
    if call.progress.is_cancelled():  # just before it began
        child.cancel(0.0)
    report = child.follow(stages.run)
    arrays: Arrays = {}
    answer: Message = {"report": report, "notes": _notes_of(report)}
    if call.message.get("output"):
        from ACSegLib.files import open_segmentation
        from ACSegLib.workflows.packing import pack_segmentation

        stages.read(0.0, "reading the result")
        outputs = (report.get("results") or {}).get("outputs") or {}
        found = open_segmentation(outputs.get("segmentation") or call.message["output"])
        answer["segmentation"] = pack_segmentation(found, "labels", arrays)
    return answer, arrays


def _notes_of(report: Message) -> list[str]:
    """What a prediction noted about its images; of several, each with its name."""
    images = [item for item in (report.get("results") or {}).get("images") or [] if isinstance(item, dict)]
    told = [(Path(str(image["image"])).name, note) for image in images for note in image.get("notes") or []]
    return [f"{name}: {note}" if len(images) > 1 else note for name, note in told]


def _write_inputs(call: Call, progress: Progress) -> None:
    inputs = call.message.get("inputs")
    if not inputs:
        return
    from ACSegLib.files import save_segmentation, save_volume
    from ACSegLib.workflows.packing import unpack_segmentation, unpack_volume

    for (path, packed), _ in progress.each(inputs.items(), lambda item: f"writing {item[1]['name']}"):
        if "layers" in packed:
            save_segmentation(unpack_segmentation(packed, call.arrays), path)
        else:
            save_volume(unpack_volume(packed, call.arrays), path)
    call.arrays.clear()


def _packed(volume: Any, labels: Any) -> tuple[Message, Arrays]:
    from ACSegLib.workflows.packing import pack_segmentation, pack_volume

    arrays: Arrays = {}
    message: Message = {"volume": pack_volume(volume, "image", arrays), "labels": None}
    if labels is not None:
        message["labels"] = pack_segmentation(labels, "labels", arrays)
    return message, arrays


TASKS: dict[str, Task] = {
    "fill": Task(fill),
    "correct": Task(correct),
    "suggest": Task(suggest, Lane.SHORT),
    "count": Task(count, Lane.SHORT),
    "measure": Task(measure),
    "split": Task(split),
    "simulate": Task(simulate),
    "fetch": Task(fetch),
    "command": Task(command, Lane.CHILD),
}
