"""A folder of many results against its truth: rate, memory, and a kill in the middle that must not change the table.

``python Testing/Benchmarks/measure_pairs.py`` makes 1000 pairs of 64 x 64 x 64 voxels, compares them once in one go
and once with the processes killed part of the way, and tells whether both tables are equal byte for byte and how many
pairs the second attempt found done.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from harness import markdown_table, seconds

from ACSegLib.commands.batch import journal_path
from ACSegLib.files import save_segmentation
from ACSegLib.volume import Geometry, Segmentation


def make_pairs(folder: Path, count: int, size: int) -> None:
    """Lumpy cells with a bead, and results that are a voxel off here and there."""
    k, j, i = np.ogrid[:size, :size, :size]
    geometry = Geometry((50.0, 50.0, 50.0), unit="nm")
    for side in ("truth", "results"):
        (folder / side).mkdir(exist_ok=True)
    for n in range(count):
        rng = np.random.default_rng(n)
        centres = size * (0.5 + rng.uniform(-0.15, 0.15, (4, 3)))
        radii = size * rng.uniform(0.12, 0.25, 4)
        shift = rng.normal(0, 0.5, 3)
        for side, off in (("truth", 0.0), ("results", 1.0)):
            labels = np.zeros((size,) * 3, np.uint8)
            for centre, radius in zip(centres + off * shift, radii, strict=True):
                a, b, c = centre
                labels[(k - a) ** 2 + (j - b) ** 2 + (i - c) ** 2 <= radius**2] = 1
            labels[2:8, 2:8, 2:8] = 2
            found = Segmentation.from_labels(labels, geometry, {1: "cytoplasm", 2: "bead"})
            save_segmentation(found, folder / side / f"cell{n:04d}.seg.nrrd")


def command(folder: Path, table: Path, workers: int) -> list[str]:
    """The command line that compares the folders."""
    sides = [str(folder / "results"), str(folder / "truth")]
    return [sys.executable, "-m", "ACSegLib", "compare", *sides, "-o", str(table), "--workers", str(workers)]


def run_whole(folder: Path, table: Path, workers: int) -> tuple[float, float]:
    """Compare all pairs; wall seconds, and the largest memory of all processes together in GiB."""
    clock, peak = time.perf_counter(), 0.0
    with subprocess.Popen(command(folder, table, workers), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"comparing failed with exit code {process.returncode}")
    return time.perf_counter() - clock, peak / 2**30


def _memory(pid: int) -> float:
    total = 0.0
    try:
        leader = psutil.Process(pid)
        for process in (leader, *leader.children(recursive=True)):
            total += process.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # it ended between two looks
    return total


def run_and_kill(folder: Path, table: Path, workers: int, part: float, count: int) -> int:
    """Start comparing, kill all processes once `part` of the pairs is done; pairs that the journal holds then."""
    journal = journal_path(table)
    # A session of its own, so that the kill reaches the workers as a power cut would, and nothing else.
    process = subprocess.Popen(command(folder, table, workers), stdout=subprocess.DEVNULL, start_new_session=True)
    while process.poll() is None and _done(journal) < part * count:
        time.sleep(0.1)
    if process.poll() is not None:
        raise SystemExit("it was done before it could be killed; give more pairs or a smaller --part")
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return _done(journal)


def _done(journal: Path) -> int:
    return max(journal.read_bytes().count(b"\n") - 1, 0) if journal.exists() else 0


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="pairs")
    parser.add_argument("--size", type=int, default=64, help="voxels per side")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one per core")
    parser.add_argument("--part", type=float, default=0.4, help="part of the pairs done when the second run is killed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="acseg-pairs-") as name:
        folder = Path(name)
        make_pairs(folder, options.count, options.size)
        whole, stopped = folder / "whole.csv", folder / "stopped.csv"
        wall, peak = run_whole(folder, whole, options.workers)
        done = run_and_kill(folder, stopped, options.workers, options.part, options.count)
        rest, _ = run_whole(folder, stopped, options.workers)
        same = "equal" if whole.read_bytes() == stopped.read_bytes() else "DIFFERENT"
        header = ("pairs", "wall s", "ms a pair", "peak GiB, all processes", "done at the kill", "rest s", "tables")
        row = (options.count, seconds(wall), f"{1000 * wall / options.count:.0f}", f"{peak:.2f}", done, seconds(rest))
        print(markdown_table(header, [(*row, same)]))
        if same != "equal":
            raise SystemExit(1)


if __name__ == "__main__":
    main()
