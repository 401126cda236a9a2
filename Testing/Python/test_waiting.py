"""Work in code of others is waited for so that a cancel counts at once, wherever it is called from."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from ACSegLib.compiled import compiled
from ACSegLib.errors import Cancelled
from ACSegLib.jobs import looking, patiently
from ACSegLib.threads import in_threads, spread


def refuse() -> None:
    raise Cancelled("cancelled")


def fill_up(begin, end, values):
    for n in range(begin, end):
        values[n] = n


def test_a_cancel_does_not_wait_for_the_work() -> None:
    gate, done = threading.Event(), threading.Event()

    def work() -> None:
        gate.wait(60)
        done.set()

    with looking(refuse), pytest.raises(Cancelled):
        patiently(work)
    assert not done.is_set()
    gate.set()
    assert done.wait(60), "it goes on in the background"


def test_without_a_look_the_work_is_done_here() -> None:
    assert patiently(threading.current_thread) is threading.current_thread()
    with looking(lambda: None):
        assert patiently(threading.current_thread) is not threading.current_thread()
    assert patiently(threading.current_thread) is threading.current_thread()


def test_results_and_failures_come_back() -> None:
    assert patiently(lambda: 3, lambda: None) == 3
    with pytest.raises(ZeroDivisionError):
        patiently(lambda: 1 / 0, lambda: None)


def test_a_cancel_does_not_wait_until_a_loop_is_compiled() -> None:
    loop, values = compiled()(fill_up), np.zeros(8)
    with looking(refuse), pytest.raises(Cancelled):
        loop(0, 8, values)
    loop(0, 8, values)
    assert values.tolist() == list(range(8))
    with looking(refuse):
        loop(0, 8, values)  # it is compiled: there is nothing to wait for
        with pytest.raises(Cancelled):
            loop(0, 8, np.zeros(8, np.float32))


def test_nor_in_the_threads_of_a_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ACSegLib.threads.threads", lambda: 2)
    loop, other, values = compiled()(fill_up), compiled()(fill_up), np.zeros(8)
    with looking(refuse), pytest.raises(Cancelled):
        spread(loop, 8, values)
    with looking(refuse), pytest.raises(Cancelled):
        in_threads(lambda part: other(part.start, part.stop, values), [slice(0, 4), slice(4, 8)])
