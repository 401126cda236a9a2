"""A small folder of files, and a client that talks to a server on it as the page does."""

import time
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import psutil
from starlette.testclient import TestClient

from ACSegLib.app.folder import Folder
from ACSegLib.app.guard import Guard
from ACSegLib.app.server import create_application
from ACSegLib.app.session import Session
from ACSegLib.files import save_segmentation, save_volume
from ACSegLib.volume import Geometry, Segment, Segmentation, Volume
from ACSegLib.worker import Worker

ADDRESS = "http://127.0.0.1:8000"
SHAPE = (20, 30, 40)
GEOMETRY = Geometry((0.1, 0.1, 0.2), (5.0, 6.0, 7.0), unit="um")


def ramp():
    """A volume whose voxels are all different: 0 to 23999 in C order."""
    return Volume(np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE), GEOMETRY, "ramp")


def ball_labels():
    """A ball (value 1) in a shell (value 2)."""
    z, y, x = np.indices(SHAPE)
    radius = np.sqrt((z - 10) ** 2 + (y - 15) ** 2 + (x - 20) ** 2)
    labels = np.where(radius < 5, 1, np.where(radius < 8, 2, 0)).astype(np.uint8)
    return Segmentation(labels, [Segment("ball", 1, (1, 0, 0)), Segment("shell", 2, (0, 0, 1))], GEOMETRY, "ball")


def make_folder(root):
    """Write an image, dense labels and a file that is neither."""
    save_volume(ramp(), root / "ramp.nrrd")
    save_segmentation(ball_labels(), root / "ball.seg.nrrd")
    (root / "notes.txt").write_text("not an image")
    return root


#: Workers whose application has ended: their processes, which take a second to start, serve the next one.
_idle = []


class LentWorker(Worker):
    """A worker whose process outlives its application, unless that ends in the midst of work."""

    def stop(self, seconds=0.0):
        """Let the next application have the process, if it has nothing to do."""
        if self.running and not self._jobs:
            _idle.append(self)
        else:
            super().stop(seconds)


@contextmanager
def page(root, opened="", labels="", ready=False, worker=None, **settings):
    """A client with the cookie, and perhaps an open volume; `ready` starts the worker process at once."""
    session, worker = Session(Folder(root, **settings)), worker or (_idle.pop() if _idle else LentWorker())
    with patch("ACSegLib.app.server.Worker", lambda: worker):
        guard = Guard(create_application(session, ready=ready))
    with TestClient(guard, base_url=ADDRESS, headers={"Origin": ADDRESS}) as client:
        client.get(f"/?token={guard.token}")
        client.session, client.guard, client.worker = session, guard, worker
        if opened:
            answer = client.post("/api/open", json={"path": opened, "labels": labels})
            assert answer.status_code == 200, answer.text
        yield client


def plane_of(answer, dtype="u1"):
    """The slice that an answer holds."""
    assert answer.status_code == 200, answer.text
    shape = tuple(int(n) for n in answer.headers["x-slice-shape"].split(","))
    return np.frombuffer(answer.content, dtype).reshape(shape)


def cell_case():
    """A bright ball in noise, 24 slices of 40 x 40 voxels, and its true labels."""
    z, y, x = np.indices((24, 40, 40))
    truth = ((z - 11.5) ** 2 * 1.5 + (y - 20) ** 2 + (x - 18) ** 2 < 12**2).astype(np.uint8)
    noise = np.random.default_rng(1).normal(0, 0.1, truth.shape)
    return Volume((truth + noise).astype(np.float32), Geometry((50, 50, 50), unit="nm"), "cell"), truth


def put_slices(client, truth, numbers):
    """Label slices along z as a page does."""
    for k in numbers:
        answer = client.put(f"/api/labels/z/{k}", content=truth[k].tobytes())
        assert answer.status_code == 200, answer.text


def labels_of(client, name="labels"):
    """All labels that the server has."""
    shape = client.get("/api/state").json()["volume"]["shape"]
    return np.stack([plane_of(client.get(f"/api/{name}/z/{k}")) for k in range(shape[0])])


@contextmanager
def standing_still(client):
    """The worker process, which must have been started, does nothing within the block: no job ends there."""
    process = psutil.Process(client.worker.pid)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def finished(client):
    """Wait until the running job has ended, looking for it ever more rarely; gives its last state."""
    start = time.monotonic()
    while (job := client.get("/api/state").json()["job"])["state"] == "running":
        time.sleep(min(max(0.005, (time.monotonic() - start) / 20), 0.05))
    return job


def run_job(client, kind, **options):
    """Do a job, and give its last state."""
    answer = client.post(f"/api/jobs/{kind}", json=options)
    assert answer.status_code == 200, answer.text
    job = finished(client)
    assert job["id"] == answer.json()["id"]
    return job


def dice(one, other):
    """Overlap of two masks."""
    return 2 * np.sum(one & other) / (one.sum() + other.sum())


def touching_cells(root):
    """Write an image of two balls that touch, and of a small block, and labels that have the balls as one segment.

    Returns
    -------
    tuple of two ndarray, shape (20, 32, 56)
        The balls (1 and 2) and the block (3) apart; and the labels that were written.
    """
    shape, geometry = (20, 32, 56), Geometry((50, 50, 50), unit="nm")
    z, y, x = np.indices(shape)
    first, second = ((z - 10) ** 2 + (y - 16) ** 2 + (x - middle) ** 2 < 81 for middle in (18, 34))
    balls = np.where(first & (x < 26), 1, np.where(second, 2, 0)).astype(np.uint8)
    balls[2:4, 2:6, 2:6] = 3
    image = (balls > 0) + np.random.default_rng(2).normal(0, 0.05, shape)
    save_volume(Volume(image.astype(np.float32), geometry, "cells"), root / "cells.nrrd")
    merged = np.where(balls == 3, 2, balls > 0).astype(np.uint8)
    segments = [Segment("yeast", 1, (1, 0, 0)), Segment("gold bead", 2, (0, 0, 1))]
    save_segmentation(Segmentation(merged, segments, geometry, "cells"), root / "merged.seg.nrrd")
    return balls, merged
