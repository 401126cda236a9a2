"""A fill that is quick and exact to predict: every voxel takes the label of the nearest drawn slice.

It keeps the interface of `ACSegLib.fill`, so that the tests of the effect can hold it, cancel it and make it fail.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import numpy as np

from ACSegLib.errors import InputError
from ACSegLib.fill.labelled_slices import find_slices


@dataclass
class Result:
    segmentation: object
    uncertainty: np.ndarray
    slices: dict
    report: dict = field(default_factory=dict)
    probabilities: dict = field(default_factory=dict)
    labels: object = None

    @property
    def drawn(self) -> np.ndarray:
        return self.labels.labels > 0


class FakeFill:
    """`fill` and `refill` for monkeypatching; records its calls."""

    def __init__(self) -> None:
        self.calls = []
        self.gate = threading.Event()
        self.gate.set()
        self.error = None
        self.deaf = False  # whether it does not look up while it is held

    def fill(self, volume, labels, *, axis="auto", mode="slices", device="auto", progress=None, **other):
        self.calls.append(("fill", axis, mode, device, other))
        return self._result(labels, axis, progress)

    def refill(self, previous, labels, changed_slices=None, progress=None):
        differ = np.moveaxis(labels.labels != previous.labels.labels, "kji".index(previous.report["axis"]), 0)
        changed = np.flatnonzero(differ.any(axis=(1, 2))).tolist()
        self.calls.append(("refill", changed))
        result = self._result(labels, "auto", progress)
        result.report["changed_slices"] = changed
        return result

    def suggest_slices(self, result, n):
        numbers = result.slices[result.report["axis"]]
        return [(numbers[0] + numbers[1]) // 2][:n]

    def _result(self, labels, axis, progress):
        progress(0.5, "walking")
        while not self.gate.is_set():
            if not self.deaf:
                progress(0.5, "walking")
            time.sleep(0.01)
        if self.error:
            raise self.error
        slices = find_slices(labels.labels > 0, axis)
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
        report = {"axis": name, "forecast_dice": 0.912}
        return Result(labels.with_labels(filled), uncertainty, slices, report, labels=labels)
