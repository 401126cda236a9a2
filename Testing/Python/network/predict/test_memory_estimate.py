"""What a prediction says that it takes, against what a new process took at its peak."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ACSegLib.errors import FileError
from ACSegLib.network.model.pretrained import open_model
from ACSegLib.network.predict.canonical import bytes_to_correct_surface
from ACSegLib.network.predict.memory import budget
from ACSegLib.network.predict.tiling import bytes_per_voxel
from ACSegLib.volume import Volume
from ACSegLib.workflows import PredictRequest, run

ROOT = Path(__file__).resolve().parents[4]
#: Prints estimate and peak in bytes, of one thread. Mapped pages do not count, and neither does what a first prediction
#: loads and compiles.
PROGRAM = """
import importlib, json, os, sys, threading
import numpy as np
from ACSegLib.compute import limited_threads, share_freed_memory
from ACSegLib.network.model.pretrained import open_model
from ACSegLib.volume import Volume
from ACSegLib.workflows import PredictRequest, run

def used():
    _, resident, of_files = open("/proc/self/statm").read().split()[:3]
    return (int(resident) - int(of_files)) * os.sysconf("SC_PAGESIZE")

backend, size = sys.argv[1], int(sys.argv[2])
importlib.import_module({"openvino": "openvino", "pytorch": "torch"}[backend])

def ball(shape):
    away = np.linalg.norm(np.indices(shape).T.astype(np.float32) - (np.array(shape) - 1) / 2, axis=-1).T
    image = np.where(away < min(shape) / 8, 0.3, 0.1) + np.random.default_rng(0).normal(0, 0.02, shape)
    return Volume(image.astype(np.float32))

def predicted(volume):
    with limited_threads(1):
        return run(PredictRequest(volume=volume, model=model, backend=backend)).report

share_freed_memory()
volume, model = ball((size,) * 3), open_model()
predicted(ball((48, 48, 180)))  # which is walked, too
before = peak = used()
done = threading.Event()

def watch():
    global peak
    while not done.wait(0.002):
        peak = max(peak, used())

watcher = threading.Thread(target=watch)
watcher.start()
report = predicted(volume)
done.set()
watcher.join()
print(json.dumps([report.estimated_memory_bytes, peak - before, report.surface_regions, report.walk_unsure_part]))
"""


@pytest.fixture(scope="module")
def model():
    try:
        return open_model()
    except FileError as error:
        pytest.skip(str(error))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux tells the peak so")
@pytest.mark.parametrize(("backend", "size", "least"), [("openvino", 176, 0.6), ("pytorch", 64, 0.3)])
def test_estimate_is_near_the_peak_of_a_new_process(model, backend, size, least):
    """The larger image is walked, too; refinement network and labels take most of the memory of the other.

    What PyTorch keeps of freed memory differs by processor and from run to run.
    """
    if importlib.util.find_spec({"openvino": "openvino", "pytorch": "torch"}[backend]) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-c", PROGRAM, backend, str(size)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    estimated, measured, regions, walked = json.loads(ran.stdout.splitlines()[-1])
    assert regions
    assert (walked is not None) == (size > 160)
    assert least < measured / estimated < 1.15


def test_a_limit_leaves_out_the_refinement_network_and_says_so(model):
    image = np.random.default_rng(0).normal(0.1, 0.02, (56, 56, 56)).astype(np.float32)
    image[20:36, 20:36, 20:36] += 0.2
    needed = bytes_to_correct_surface(image.size, model, "openvino")
    limit = 4 * needed  # of a small limit, a quarter is for arrays

    def predicted(limit):
        return run(PredictRequest(volume=Volume(image), model=model, memory=limit / 2**30)).report

    enough, too_little = predicted(limit + 1000), predicted(limit - 1000)
    assert budget(limit - 1000) < needed <= budget(limit + 1000)
    assert enough.surface_regions is not None
    assert "did not run" not in " ".join(enough.notes)
    assert too_little.surface_regions is None
    assert "the refinement network did not run: it needs" in " ".join(too_little.notes)


def test_half_precision_takes_less(model):
    half, single = (bytes_per_voxel(model.spec, "openvino", precision) for precision in ("bfloat16", "float32"))
    assert half < 0.7 * single
