"""A fill that is quick and exact to predict, in the worker process: every voxel takes the nearest slice's label.

The tests hold it, make it deaf and make it fail by files in a folder (`FakeFill` and `QuickCommands`, in the tests'
process); `deskworker` does what they say.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ACSegLib.errors import Cancelled, FileError, InputError, MemoryLimitError


@dataclass
class Result:
    segmentation: object
    uncertainty: np.ndarray
    slices: dict
    report: object
    probabilities: dict = field(default_factory=dict)
    labels: object = None

    @property
    def known(self) -> np.ndarray:
        return self.labels.labels > 0

    def report_on(self, _segments: object) -> object:
        return self.report


class _Gate:
    """Work waits while it is closed."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def clear(self) -> None:
        self._path.touch()

    def set(self) -> None:
        self._path.unlink(missing_ok=True)

    def is_set(self) -> bool:
        return not self._path.exists()


class Switch:
    """Something that is on while a file exists."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, owner, kind=None):
        return (owner.folder / self._name).exists()

    def __set__(self, owner, on) -> None:
        path = owner.folder / self._name
        path.touch() if on else path.unlink(missing_ok=True)


class FakeFill:
    """`fill`, `refill` and `suggest_slices` with the interface of `ACSegLib.fill`; notes its calls.

    Parameters
    ----------
    folder : Path
        What the two processes share.
    """

    at_work = Switch("fake")
    deaf = Switch("deaf")  # whether it does not look up while it is held

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate = _Gate(folder / "hold")

    @property
    def calls(self) -> list[tuple]:
        path = self.folder / "calls"
        return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def error(self) -> BaseException | None:
        path = self.folder / "error"
        if not path.exists():
            return None
        kind, text = json.loads(path.read_text())
        known = (InputError, FileError, MemoryLimitError, MemoryError, ValueError, KeyError)
        return {k.__name__: k for k in known}[kind](*([text] if text else []))

    @error.setter
    def error(self, error: BaseException) -> None:
        (self.folder / "error").write_text(json.dumps([type(error).__name__, str(error)]))

    def _note(self, *call) -> None:
        with open(self.folder / "calls", "a") as stream:
            stream.write(json.dumps(call, default=vars) + "\n")

    def fill(self, volume, labels, *, axis="auto", mode="slices", device="auto", previous=None, progress=None, **other):
        self._note("fill", axis, mode, device, other)
        return self._result(labels, axis, progress)

    def refill(self, previous, labels, changed_slices=None, progress=None, **other):
        differ = np.moveaxis(labels.labels != previous.labels.labels, "kji".index(previous.report.axis), 0)
        changed = np.flatnonzero(differ.any(axis=(1, 2))).tolist()
        self._note("refill", changed)
        result = self._result(labels, "auto", progress)
        return replace(result, report=replace(result.report, changed_slices=changed))

    def suggest_slices(self, result, n):
        numbers = result.slices[result.report.axis]
        return [(numbers[0] + numbers[1]) // 2][:n]

    def _result(self, labels, axis, progress):
        from ACSegLib.labelled_slices import find_labelled_slices

        progress(0.5, "walking")
        while not self.gate.is_set():
            if not self.deaf:
                progress(0.5, "walking")
            time.sleep(0.01)
        if self.error:
            raise self.error
        occupied = np.flatnonzero((labels.labels > 0).any(axis=(1, 2))).tolist()
        slices = find_labelled_slices(labels.labels > 0, axis).slices or ({"k": occupied} if occupied else {})
        if not slices:
            raise InputError("nothing is drawn.")
        name, numbers = next(iter(slices.items()))
        number = "kji".index(name)
        planes = np.moveaxis(labels.labels, number, 0)
        nearest = [min(numbers, key=lambda n, k=k: (abs(n - k), n)) for k in range(planes.shape[0])]
        filled = np.ascontiguousarray(np.moveaxis(planes[nearest], 0, number))
        distance = np.array([min(abs(n - k) for n in numbers) for k in range(planes.shape[0])], np.uint8) * 10
        shape = [1, 1, 1]
        shape[number] = -1
        uncertainty = np.broadcast_to(distance.reshape(shape), labels.shape).astype(np.uint8)
        progress(1.0, "done")
        return Result(labels.with_labels(filled), uncertainty, slices, _report(name, slices), labels=labels)


def _report(axis: str, slices: dict) -> object:
    from ACSegLib.fill import FillReport

    names = ("warnings", "segments", "known_voxels", "slabs", "iterations")
    numbers = dict.fromkeys(("gamma", "edge", "beta", "tolerance"), 1.0)
    lists = {name: {} if name == "known_voxels" else [] for name in names}
    return FillReport(axis=axis, slices=slices, solver="fake", cross_validation_dice=0.912, **numbers, **lists)


class QuickCommands:
    """Commands done at once and without a network: "trains" by writing a file, "predicts" by a threshold.

    They note their requests, wait while they are held, and on a cancel keep the state of a training as the real one.
    """

    at_work = Switch("quick")
    held = Switch("hold command")

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def requests(self) -> list[dict]:
        path = self.folder / "requests"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def follow(self, command: str, given: dict, progress) -> dict:
        """What `ChildCommand.follow` gives for a request."""
        from ACSegLib.commands import load
        from ACSegLib.commands.options import from_mapping

        options = from_mapping(load(command).Options, given)
        with open(self.folder / "requests", "a") as stream:
            stream.write(json.dumps({"command": command, "options": given}) + "\n")
        progress(0.5, "at work")
        try:
            while self.held:
                progress(0.5, "at work")
                time.sleep(0.01)
        except Cancelled:
            if command == "train":
                Path(f"{options.output}.checkpoint").touch()
            raise
        if command == "train":
            Path(options.output).write_text(Path(options.table).read_text())
            return {"results": {"outputs": {"model": options.output}}}
        if command == "adapt":
            Path(options.output).write_bytes(Path(options.model).read_bytes())
            scores = {"dice_before": {"cytoplasm": 0.91}, "dice_after": {"cytoplasm": 0.95}, "helped": True}
            return {"results": {**scores, "outputs": {"model": options.output}}}
        from ACSegLib.files import open_volume, save_segmentation
        from ACSegLib.volume import Segmentation

        volume = open_volume(options.images[0])
        labels = (volume.array > 1).astype("uint8")
        save_segmentation(Segmentation.from_labels(labels, volume.geometry, {1: "cytoplasm"}), options.output)
        images = [{"image": options.images[0], "notes": ["the value 0 counts as padding; use --roi"]}]
        return {"results": {"outputs": {"segmentation": options.output}, "images": images}}
