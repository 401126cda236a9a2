import subprocess
import sys
from pathlib import Path

import pytest

from ACSegLib import compute

ROOT = Path(__file__).resolve().parents[2]
#: Pages of one size: of huge ones, which Linux may give instead, there are too few to count.
SMALL_PAGES = "import ctypes; ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE"
#: Prints the pages that the system had to provide for tensors of 64 MiB, one freed before the next: before, inside of
#: the context (once its memory is there; the least of three times, as a busy system may take pages back), and after it.
PROGRAM = """
import resource
import torch
from ACSegLib.compute import reuse_freed_memory

def touched():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        torch.zeros(16 << 20).add_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(touched())
with reuse_freed_memory():
    touched()
    with reuse_freed_memory():
        print(min(touched() for _ in range(3)))
    print(min(touched() for _ in range(3)))
print(touched())
"""

#: Prints the pages that the system had to provide for 16 MiB in another thread, once this one has freed as much.
THREADS = """
import resource, threading
from ACSegLib.compute import reuse_freed_memory, share_freed_memory

def touch():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    bytearray(16 << 20)
    touched.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

touched = []
share_freed_memory()
with reuse_freed_memory():
    touch()
    thread = threading.Thread(target=touch)
    thread.start()
    thread.join()
print(*touched)
"""


def numbers_of(program):
    done = subprocess.run(
        [sys.executable, "-c", SMALL_PAGES + program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        timeout=120,
    )
    return [int(word) for word in done.stdout.split()]


@pytest.mark.skipif(compute._glibc() is None, reason="glibc alone is tuned")
def test_threads_reuse_what_others_freed():
    here, there = numbers_of(THREADS)
    assert there < here / 10


@pytest.mark.skipif(compute._glibc() is None, reason="glibc alone is tuned")
def test_memory_is_reused_inside_and_given_back_after():
    before, inner, outer, after = numbers_of(PROGRAM)
    assert max(inner, outer) < before / 10
    assert after > before / 2


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with compute.reuse_freed_memory():
        assert compute._users == 0
