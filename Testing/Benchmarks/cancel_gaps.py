"""How long a step may go without looking whether the person has cancelled; CONTRIBUTING.md allows a second.

``python Testing/Benchmarks/cancel_gaps.py --image IMAGE --truth SEGMENTATION`` predicts, splits, measures, fills every
20th slice and corrects one. Of each step it prints the longest times between two looks, and where they were. Without
files it simulates a volume of ``--size`` voxels a side.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from harness import ROOT, markdown_table

sys.path.insert(0, str(ROOT))
from ACSegLib.files import open_segmentation, open_volume
from ACSegLib.jobs import Progress
from ACSegLib.volume import Segmentation, Volume
from ACSegLib.workflows import CorrectRequest, FillRequest, MeasureRequest, PredictRequest, SplitRequest, run

STEPS = ("predict", "split", "measure", "fill", "correct")
EVERY = 20


class Looks:
    """A cancel that never comes, and notes when it is asked for."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last, self._worked, self._where = time.perf_counter(), time.process_time(), "the start"
        self.gaps: list[tuple[float, float, str]] = []

    def __call__(self) -> bool:
        with self._lock:
            now, worked, where = time.perf_counter(), time.process_time(), self._place()
            self.gaps.append((now - self._last, worked - self._worked, f"{self._where} to {where}"))
            self._last, self._worked, self._where = now, worked, where
        return False

    @staticmethod
    def _place() -> str:
        frame, found = sys._getframe(2), []
        while frame is not None and len(found) < 2:
            name = Path(frame.f_code.co_filename)
            if name.name != "jobs.py":
                found.append(f"{name.stem}:{frame.f_lineno}")
            frame = frame.f_back  # type: ignore[assignment]
        return "<".join(found) or "the end"

    def longest(self, count: int) -> list[tuple[float, float, str]]:
        """The longest times between two looks: seconds, seconds of processors, and where."""
        self()
        return sorted(self.gaps, reverse=True)[:count]


def requests(volume: Volume, truth: Segmentation) -> dict[str, Callable[[], Any]]:
    """One request for each step."""
    from ACSegLib.network.model.pretrained import open_model

    labels = truth.labels
    sparse = np.zeros_like(labels)
    sparse[::EVERY] = labels[::EVERY]
    wrong = labels.copy()
    middle = labels.shape[0] // 2
    wrong[middle - EVERY : middle + EVERY] = np.roll(labels[middle - EVERY : middle + EVERY], 8, axis=2)
    corrected = wrong.copy()
    corrected[middle] = labels[middle]

    def like(array: np.ndarray) -> Segmentation:
        return replace(truth, layers=[array])

    return {
        "predict": lambda: PredictRequest(volume=volume, model=open_model()),
        "split": lambda: SplitRequest(labels=truth, volume=volume),
        "measure": lambda: MeasureRequest(labels=truth, volume=volume),
        "fill": lambda: FillRequest(volume=volume, labels=like(sparse)),
        "correct": lambda: CorrectRequest(volume=volume, segmentation=like(wrong), corrected=like(corrected)),
    }


def main() -> None:
    """Run the steps one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--image", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", default=",".join(STEPS))
    parser.add_argument("--count", type=int, default=3)
    options = parser.parse_args()
    if options.image:
        volume, truth = open_volume(options.image), open_segmentation(options.truth)
    else:
        from ACSegLib.phantom import simulate

        made = simulate((options.size,) * 3, seed=1)
        volume, truth = made.volume, made.truth
    rows = []
    for name in options.steps.split(","):
        request, looks = requests(volume, truth)[name](), Looks()
        start = time.perf_counter()
        run(request, progress=Progress(cancelled=looks))
        spent = time.perf_counter() - start
        for gap, worked, where in looks.longest(options.count):
            rows.append([name, f"{spent:.1f}", f"{gap:.2f}", f"{worked:.2f}", where])
            print(*rows[-1], flush=True)
    print(markdown_table(["step", "s", "longest, s", "processor, s", "between"], rows))


if __name__ == "__main__":
    main()
