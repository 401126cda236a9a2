"""Runs one fill method on one job in a process of its own, so that its peak memory and start-up are its own.

The time of the first call holds the import of the method's library, for every method: some import what they need
beforehand and others when it is needed.

``python fill_methods.py METHOD FOLDER`` reads ``job.json``, ``image.npy`` and ``labels.npy`` from FOLDER and writes
``result.npy`` and ``timing.json`` there. Nothing of ACSeg is imported for the peers, so the process may be that of an
environment which has nothing but the peer in it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

#: A method takes the job, the image and the sparse labels, and returns what is to be called (and timed) and a
#: function that turns what it gives into dense labels.
Prepared = tuple[Callable[[], Any], Callable[[Any], np.ndarray]]


def drawn_mask(shape: tuple[int, ...], slices: dict[str, list[int]]) -> np.ndarray:
    """Boolean array, True on the voxels of the labelled slices."""
    mask = np.zeros(shape, bool)
    for axis, indices in slices.items():
        np.moveaxis(mask, "kji".index(axis), 0)[list(indices)] = True
    return mask


def acseg(job: dict[str, Any], image: np.ndarray, labels: np.ndarray) -> Prepared:
    """ACSegLib.fill.fill, with every choice left to it."""
    from ACSegLib.fill import fill
    from ACSegLib.volume import Geometry, Segmentation, Volume

    geometry = Geometry(spacing=tuple(job["spacing"]), unit=job["unit"])
    volume = Volume(image, geometry, job["name"])
    names = {value: f"label {value}" for value in range(1, int(labels.max()) + 1)}
    sparse = Segmentation.from_labels(labels, geometry, names)
    axes = job["slices"]
    axis = next(iter(axes)) if len(axes) == 1 else "all"
    slices = axes[axis] if len(axes) == 1 else axes
    options = job.get("acseg", {})
    return (
        lambda: fill(volume, sparse, axis=axis, slices=slices, **options),
        lambda result: (_write_report(job, result.report.to_dict()), result.segmentation.labels)[1],
    )


def acseg_refill(job: dict[str, Any], image: np.ndarray, labels: np.ndarray) -> Prepared:
    """ACSegLib.fill.refill after an edit of one labelled slice; the fill before it is not timed."""
    from ACSegLib.fill import refill
    from ACSegLib.volume import Geometry, Segmentation

    run, _ = acseg(job, image, labels)
    previous = run()
    axis, indices = next(iter(job["slices"].items()))
    edited = indices[len(indices) // 2]
    changed = labels.copy()
    plane = np.moveaxis(changed, "kji".index(axis), 0)[edited]
    # The edit: a band of one row in eight of the labelled slice becomes background.
    plane[plane.shape[0] // 2 : plane.shape[0] // 2 + plane.shape[0] // 8] = 0
    geometry = Geometry(spacing=tuple(job["spacing"]), unit=job["unit"])
    names = {value: f"label {value}" for value in range(1, int(labels.max()) + 1)}
    sparse = Segmentation.from_labels(changed, geometry, names)
    return lambda: refill(previous, sparse, [edited]), lambda result: result.segmentation.labels


def random_walker(job: dict[str, Any], image: np.ndarray, labels: np.ndarray) -> Prepared:
    """scikit-image's random walker: Jacobi-preconditioned conjugate gradients, tolerance 1e-3."""
    import warnings

    from skimage.segmentation import random_walker as walk

    warnings.filterwarnings("ignore", message=".*probability range.*")
    seeds = np.zeros(labels.shape, np.int32)
    drawn = drawn_mask(labels.shape, job["slices"])
    seeds[drawn] = labels[drawn].astype(np.int32) + 1
    spacing = np.asarray(job["spacing"][::-1], float)
    options = {"beta": job["beta"], "mode": "cg_j", "tol": 1e-3, "spacing": spacing / spacing.min()}
    # Drawn values are consecutive only where every label was drawn: the solver wants them so.
    present = np.unique(seeds[drawn])
    table = np.zeros(int(present.max()) + 1, np.int32)
    table[present] = np.arange(1, len(present) + 1)
    # Its beta is meant for intensities of 0 to 1; it scales whole numbers by itself, and floats not at all.
    low, high = float(image.min()), float(image.max())
    data = (image.astype(np.float64) - low) / (high - low)
    return lambda: walk(data, table[seeds], **options), lambda result: present[result.astype(np.int64) - 1] - 1


def biomedisa(job: dict[str, Any], image: np.ndarray, labels: np.ndarray) -> Prepared:
    """Biomedisa's smart interpolation on the first OpenCL device found, a CPU driver included."""
    from biomedisa.interpolation import smart_interpolation

    if labels.max() > 255:
        raise ValueError("Biomedisa takes labels up to 255")
    sparse = labels.astype(np.uint8)
    options = {"nbrw": job["walks"], "sorw": 4000, "allaxis": len(job["slices"]) > 1, "platform": job["platform"]}

    def dense(result: Any) -> np.ndarray:
        if not result or "regular" not in result:
            raise RuntimeError("Biomedisa gave no result; is there an OpenCL driver?")
        return np.asarray(result["regular"])

    return lambda: smart_interpolation(image, sparse, **options), dense


def _write_report(job: dict[str, Any], report: dict[str, Any]) -> None:
    Path(job["folder"], "report.json").write_text(json.dumps(report, default=str))


METHODS = {"acseg": acseg, "refill": acseg_refill, "random_walker": random_walker, "biomedisa": biomedisa}


def peak_memory() -> int:
    """Largest resident set of this process so far, bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: Linux lets a process begin with the peak of the one that started it.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main(method: str, folder: Path) -> None:
    """Run `method` on the job in `folder`; the calls after the first show what a warm session costs."""
    job = json.loads((folder / "job.json").read_text())
    job["folder"] = str(folder)
    image = np.load(folder / "image.npy")
    labels = np.load(folder / "labels.npy")
    walls, cpus = [], []
    before = time.perf_counter(), time.process_time()
    run, dense = METHODS[method](job, image, labels)
    if method == "refill":  # the fill before it is not timed
        before = time.perf_counter(), time.process_time()
    for _ in range(job.get("repeats", 1)):
        result = run()
        after = time.perf_counter(), time.process_time()
        walls.append(after[0] - before[0])
        cpus.append(after[1] - before[1])
        before = after
    peak = peak_memory()
    np.save(folder / "result.npy", dense(result))
    timing = {"wall_s": walls, "cpu_s": cpus, "peak_bytes": peak, "threads": os.cpu_count()}
    (folder / "timing.json").write_text(json.dumps(timing))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
