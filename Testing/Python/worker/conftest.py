"""A worker process with the tasks of `labworker`."""

import sys
import time
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parent))


@pytest.fixture
def worker(tmp_path):
    """A worker; whatever a test did to it, nothing is left."""
    from laboratory import LAB

    from ACSegLib.worker import Worker

    worker = Worker(LAB, tmp_path)
    yield worker
    worker.stop(30.0)


@pytest.fixture
def follow():
    """Poll a job until it has ended, or until a condition holds; gives its events."""

    def follow(job, until=lambda events: False):
        events, end = [], time.monotonic() + 120
        while (job.running or job.lingering) and not until(events):
            events += job.poll()
            time.sleep(0.001)
            assert time.monotonic() < end, "the job did not end"
        return events

    return follow
