"""Peak memory of predicting images that stay on the disk. Part of ``predict.py``.

Images of 64-bit numbers are written as OME-Zarr, chunk by chunk, and predicted by ``acseg predict --memory`` with a
network so small that it is the volume that counts. The peak is that of the predicting process alone, beyond what it
takes to import the libraries; pages of mapped files (labels that are kept on the disk) are left out, since the system
takes those back when it needs them.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import harness
import numpy as np

PROGRAM = Path(__file__).resolve()
_SAMPLE_S = 0.02


class Watch:
    """Samples the memory of this process that is not of files, in a thread; Linux alone tells it."""

    def __init__(self) -> None:
        self.peak = self.now()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @staticmethod
    def now() -> int:
        """Bytes at this moment."""
        _, resident, of_files = Path("/proc/self/statm").read_text().split()[:3]
        return (int(resident) - int(of_files)) * os.sysconf("SC_PAGESIZE")

    def _watch(self) -> None:
        while not self._done.wait(_SAMPLE_S):
            self.peak = max(self.peak, self.now())

    def stop(self) -> int:
        """Give the peak."""
        self._done.set()
        self._thread.join()
        return self.peak


def measure_memory(sizes: Sequence[int], limit_gib: float) -> Iterator[dict[str, Any]]:
    """Peak of each size; bytes of the image, of the process before it and at its peak, seconds."""
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="acseg-bench-") as place:
            folder = Path(place)
            (folder / "job.json").write_text(json.dumps({"size": size, "limit": limit_gib}))
            for step in ("write", "predict"):
                row = harness.run_process([sys.executable, str(PROGRAM), step, place], folder)
                if "error" in row:
                    break
        found = {"size": size, "image_bytes": 8 * size**3, **row}
        harness.say(f"memory: {found}")
        yield found


def write(size: int, folder: Path) -> dict[str, Any]:
    """Write image and model; the image is made in a mapped file, so that writing takes no memory either."""
    from ACSegLib.files import save_volume
    from ACSegLib.network.model.architecture import build_network
    from ACSegLib.network.model.model_file import Model, save_model
    from ACSegLib.network.model.preprocessing import Preprocessing
    from ACSegLib.network.model.spec import unet_spec
    from ACSegLib.volume import Segment, Volume

    image = np.lib.format.open_memmap(folder / "image.npy", "w+", np.float64, (size,) * 3)
    for k in range(size):
        image[k] = np.random.default_rng(k).normal(size=(size, size))
    save_volume(Volume(image), folder / "image.ome.zarr")
    spec = unet_spec(1, base=8, strides=[(1, 1, 1), (2, 2, 2)], residual=False, deep_supervision=False)
    patch = Preprocessing(patch_size=(32, 32, 32))
    save_model(Model(spec, build_network(spec).state_dict(), [Segment("cell", 1)], patch), folder / "model.acseg")
    return {}


def predict(limit: float, folder: Path) -> dict[str, Any]:
    """Predict as the command does; the libraries are loaded by a small prediction first."""
    from ACSegLib.commands.predict import Options, run
    from ACSegLib.files import save_volume
    from ACSegLib.jobs import Progress
    from ACSegLib.volume import Volume

    small = folder / "small.nrrd"
    save_volume(Volume(np.random.default_rng(0).normal(size=(32, 32, 32))), small)
    options = {"model": str(folder / "model.acseg"), "device": "cpu", "memory": limit, "refine": "none"}
    run(Options([str(small)], str(folder / "small.seg.nrrd"), **options), Progress())
    before, started, watch = Watch.now(), time.perf_counter(), Watch()
    report = run(Options([str(folder / "image.ome.zarr")], str(folder / "out.mha"), **options), Progress())
    row = report["images"][0]
    return {
        "start_bytes": before,
        "peak_bytes": watch.stop(),
        "seconds": time.perf_counter() - started,
        "tile": row["tile"],
        "place": "on the disk" if row["image_on_disk"] else "in memory",
    }


def main(step: str, folder: Path) -> None:
    """Run one step on the job in the folder."""
    sys.path.insert(0, str(harness.ROOT))
    job = json.loads((folder / "job.json").read_text())
    found = write(job["size"], folder) if step == "write" else predict(job["limit"], folder)
    (folder / "timing.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
