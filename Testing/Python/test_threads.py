"""Loops run on all cores, also in a process that was forked after the first of them."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import ACSegLib
from ACSegLib import threads
from ACSegLib.compute import cores, limited_threads
from ACSegLib.errors import Cancelled

needs_fork = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system has no fork")

#: Prints what a computation gives in this process, and then what it gives in a pool of forked ones.
FORKED = """
import multiprocessing

import numpy as np

from ACSegLib.threads import spread
from ACSegLib.volume import Segmentation, Volume


def cube():
    labels = np.zeros((13, 16, 16), np.uint8)
    labels[:, 4:12, 4:12] = 1
    return labels


def run_loop(_):
    squares = np.zeros(1000)

    def loop(begin, end):
        squares[begin:end] = np.arange(begin, end) ** 2

    spread(loop, len(squares))
    return float(squares.sum())


def run_fill(_):
    from ACSegLib.fill import Settings, fill, refill

    labels = cube()
    labels[[n for n in range(13) if n % 4]] = 0
    before = fill(Volume(cube().astype(np.float32)), Segmentation.from_labels(labels), settings=Settings(0.3, 3.0))
    labels[4, :8] = 0
    return int(refill(before, Segmentation.from_labels(labels)).segmentation.labels.sum())


def run_smoothing(_):
    from ACSegLib.postprocess.cleanup import clean

    return int(clean(Segmentation.from_labels(cube()), smooth=1.0).labels.sum())


def run_phantom(_):
    from ACSegLib.phantom import simulate

    return float(simulate(32, seed=1).volume.array.sum())


if __name__ == "__main__":
    for work in (run_loop, run_fill, run_smoothing, run_phantom):
        here = work(0)
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(work.__name__, here, *pool.map(work, range(3)))
"""


@needs_fork
def test_forked_processes_compute_what_their_parent_computes(tmp_path) -> None:
    program = tmp_path / "program.py"
    program.write_text(FORKED)
    done = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, encoding="utf-8", timeout=240, check=True
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [work for work, *_ in lines] == ["run_loop", "run_fill", "run_smoothing", "run_phantom"]
    for work, here, *there in lines:
        assert there == [here] * 3, work


def test_no_compiled_loop_has_threads_of_its_own() -> None:
    for path in Path(ACSegLib.__file__).parent.rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "prange" not in source, f"{path}: spread the loop with ACSegLib.threads, or it ends forked processes"


@needs_fork
def test_a_child_does_not_wait_for_a_lock_that_another_thread_held_at_the_fork() -> None:
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with threads._lock:
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    child = multiprocessing.get_context("fork").Process(target=threads._threads)
    child.start()
    done.set()
    holder.join()
    child.join(60)
    stopped = child.exitcode
    child.kill()
    assert stopped == 0


@pytest.mark.parametrize("count", [0, 1, 2, 7, 1000])
def test_ranges_cover_each_index_once(count: int) -> None:
    visits = np.zeros(count, int)

    def loop(begin: int, end: int) -> None:
        visits[begin:end] += 1

    threads.spread(loop, count)
    assert (visits == 1).all()


def test_an_error_in_a_range_reaches_the_caller() -> None:
    def loop(begin: int, end: int) -> None:
        if end == 1000:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        threads.spread(loop, 1000)


def test_within_threads_on_all_cores_a_loop_is_not_dealt_out_again() -> None:
    ranges: list[tuple[int, int]] = []

    def work(_: int) -> None:
        threads.spread(lambda begin, end: ranges.append((begin, end)), 1000)

    with limited_threads(2):
        threads.in_threads(work, [0, 1, 2])
        assert ranges == [(0, 1000)] * 3
        ranges.clear()
        work(0)
    assert sum(end - begin for begin, end in ranges) == 1000
    assert len(ranges) == min(2, cores())


def test_a_table_is_looked_up_as_by_indexing_and_can_be_cancelled() -> None:
    table, places = np.array([3, -1, 7], np.int16), np.random.default_rng(0).integers(0, 3, (9, 4, 5))
    found = threads.look_up(table, places)
    assert found.dtype == table.dtype
    assert np.array_equal(found, table[places])

    def cancel() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        threads.look_up(table, places, cancel)


@pytest.mark.parametrize("at_once", [1, 3])
def test_results_come_in_order_while_later_ones_are_done(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "threads", lambda: 4)
    done: list[int] = []

    def work(number: int) -> int:
        if number == 0 and at_once > 1:
            assert later.wait(60), "others are done while the first one is"
        done.append(number)
        if number == 2:
            later.set()
        return number

    later = threading.Event()
    assert list(threads.in_order(work, range(9), at_once)) == list(range(9))
    assert (done[0] == 0) == (at_once == 1)
    assert list(threads.in_order(work, [], at_once)) == []


def test_a_failure_ends_results_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "threads", lambda: 2)
    seen: list[int] = []

    def work(number: int) -> int:
        if number == 3:
            raise Cancelled("cancelled")
        seen.append(number)
        return number

    with pytest.raises(Cancelled):
        list(threads.in_order(work, range(1000), 2))
    assert len(seen) < 1000
