"""The worker process by its front end: results, state, cancel, crashes, and what is left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest
from laboratory import LAB
from processes import has_ended, wait_until

from ACSegLib.errors import FileError
from ACSegLib.worker import Worker, client, process, server
from ACSegLib.worker.events import capitalized

CUBE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
#: Seconds that the process may take to see a cancel on a busy machine, where it must not end with it.
LONG = 100.0


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def at_work(events):
    return any(event.kind == "progress" for event in events)


def test_a_task_gives_its_message_and_its_arrays(worker, follow):
    (event,) = follow(worker.run("echo", {"text": "für µm"}, {"cube": CUBE}))
    assert event.kind == "done"
    assert event.value.message["text"] == "für µm"
    assert np.array_equal(event.value.arrays["cube"], CUBE)


def test_one_process_serves_all_tasks_and_keeps_their_state(worker, follow):
    replies = [follow(worker.run("echo", {}, keep=name))[-1].value.message for name in ("a", "a", "b")]
    assert [reply["count"] for reply in replies] == [1, 2, 1]
    assert len({reply["pid"] for reply in replies}) == 1
    worker.forget("a")
    assert follow(worker.run("echo", {}, keep="a"))[-1].value.message["count"] == 1
    assert worker.generation == 1


def test_short_tasks_do_not_wait_for_long_ones(worker, follow, tmp_path):
    long = worker.run("walk", {"go": str(tmp_path / "go")})
    follow(long, at_work)
    assert follow(worker.run("beside", {}))[-1].kind == "done"
    (tmp_path / "go").touch()
    assert follow(long)[-1].kind == "done"


def test_long_tasks_wait_for_one_another(worker, follow, tmp_path):
    first, second = (worker.run("walk", {"go": str(tmp_path / name)}) for name in ("one", "two"))
    follow(first, at_work)
    (tmp_path / "two").touch()
    assert not any(event.final for event in second.poll())
    (tmp_path / "one").touch()
    assert follow(first)[-1].kind == follow(second)[-1].kind == "done"


def test_work_that_looks_up_is_cancelled_and_the_process_stays(worker, follow, tmp_path):
    follow(worker.run("echo", {}, keep="a"))
    job = worker.run("walk", {"go": str(tmp_path / "go")}, patience=LONG)
    follow(job, at_work)
    job.cancel()
    assert follow(job)[-1].kind == "cancelled"
    assert follow(worker.run("echo", {}, keep="a"))[-1].value.message["count"] == 2


def test_work_that_waits_is_cancelled_before_it_begins(worker, follow, tmp_path):
    first, second = (worker.run("walk", {"go": str(tmp_path / "go")}, patience=LONG) for _ in range(2))
    follow(first, at_work)
    second.poll()
    second.cancel()
    assert follow(second)[-1].kind == "cancelled"
    (tmp_path / "go").touch()
    assert follow(first)[-1].kind == "done"


def test_what_was_not_yet_handed_over_is_cancelled_at_once(worker, tmp_path):
    job = worker.run("echo", {}, {"cube": CUBE})
    job.cancel()
    assert [event.kind for event in job.poll()] == ["cancelled"]


def test_work_that_does_not_listen_is_replaced_after_its_patience(tmp_path, follow):
    clock = Clock()
    worker = Worker(LAB, tmp_path, clock)
    job = worker.run("hang", {}, patience=LONG)
    follow(job, at_work)
    family = psutil.Process(worker.pid)
    job.cancel()
    clock.now += 0.9 * (LONG + client.GRACE)
    job.cancel()  # a second click starts no new wait
    assert job.poll() == []
    clock.now += 0.2 * LONG
    assert [event.kind for event in job.poll()] == ["cancelled"]
    wait_until(lambda: has_ended(family))
    assert follow(worker.run("echo", {}))[-1].kind == "done"
    assert worker.generation == 2
    worker.stop(30.0)


def test_work_that_does_not_look_up_ends_with_its_process_and_leaves_no_half_file(tmp_path, follow):
    worker = Worker(LAB, tmp_path / "own", Clock())
    (tmp_path / "own").mkdir()
    (tmp_path / "results").mkdir()
    job = worker.run("deaf", {"output": str(tmp_path / "results" / "x.nrrd")}, patience=0.1)
    waiting = worker.run("echo", {})
    follow(job, at_work)
    waiting.poll()
    assert len(list((tmp_path / "results").iterdir())) == 1
    job.cancel()
    assert follow(job)[-1].kind == "cancelled"
    assert "start again" in follow(waiting)[-1].message
    assert list((tmp_path / "results").iterdir()) == []
    assert follow(worker.run("echo", {}))[-1].kind == "done"
    worker.stop(30.0)


def test_a_cancel_is_over_within_a_second():
    from ACSegLib.worker.child import _GRACE

    looked_at = 0.05
    assert client.PATIENCE + client.GRACE + looked_at < 1
    assert _GRACE < client.GRACE


def test_other_work_of_a_replaced_process_says_what_happened(tmp_path, follow):
    clock = Clock()
    worker = Worker(LAB, tmp_path, clock)
    stuck, waiting = worker.run("hang", {}), worker.run("echo", {})
    follow(stuck, at_work)
    waiting.poll()
    stuck.cancel()
    clock.now += 2 * client.PATIENCE
    stuck.poll()
    (event,) = follow(waiting)
    assert event.kind == "error"
    assert "start again" in event.message
    worker.stop(30.0)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "words"), [("SIGKILL", "memory ran out"), ("SIGSEGV", "exit code -11")])
def test_a_process_that_dies_is_told_and_the_next_work_starts_another(worker, follow, number, words):
    event = follow(worker.run("crash", {"signal": int(getattr(signal, number))}))[-1]
    assert event.kind == "error"
    assert words in event.message
    assert not worker.running
    assert follow(worker.run("echo", {}))[-1].kind == "done"


LAUNCHER = """
import subprocess, sys
code = subprocess.call(sys.argv[1:])
if code < 0:
    sys.exit("error: [python-real] exit abnormally - Report the problem.")
sys.exit(code)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_launcher_hides_how_its_child_ended_but_for_a_line_in_the_log(tmp_path, follow):
    """Slicer's launcher of Python gives 1 whatever has ended the interpreter."""
    worker = Worker([sys.executable, "-c", LAUNCHER, *LAB], tmp_path)
    event = follow(worker.run("crash", {"signal": int(signal.SIGKILL)}))[-1]
    worker.stop(30.0)
    assert event.kind == "error"
    assert "memory ran out" in event.message


def test_a_sentence_begins_with_a_capital_letter_and_a_name_stays():
    assert capitalized("cancelled; nothing was changed.") == "Cancelled; nothing was changed."
    assert capitalized("étendue") == "Étendue"
    for text in ("cell.mrc: is no tomogram.", "bead: its volume is odd.", "t-cell-0 is odd.", "--slices is odd.", ""):
        assert capitalized(text) == text


@pytest.mark.parametrize(
    ("kind", "text", "told"),
    [
        ("InputError", "the axis is odd; choose another.", "the axis is odd; choose another."),
        ("InputError", "Cell 1: has no slice.", "Cell 1: has no slice."),
        ("MemoryError", "", "not enough memory"),
        ("MemoryError", "Unable to allocate 429. GiB for an array", "not enough memory"),
        ("defect", "key", "unexpected failure"),
    ],
)
def test_errors_become_a_sentence_and_the_process_stays(worker, follow, kind, text, told):
    event = follow(worker.run("fail", {"kind": kind, "text": text}))[-1]
    assert event.kind == "error"
    assert event.message.startswith(told)
    assert follow(worker.run("echo", {}))[-1].kind == "done"
    assert worker.generation == 1


def test_the_log_of_the_process_has_the_traceback_of_a_defect(worker, follow):
    follow(worker.run("fail", {"kind": "defect", "text": "the missing key"}))
    assert "the missing key" in worker.log_path.read_text()


def test_an_unknown_task_is_refused(worker, follow):
    assert "unknown task" in follow(worker.run("brew", {}))[-1].message.lower()


def test_an_abandoned_job_ends_without_a_word(worker, follow, tmp_path):
    job = worker.run("walk", {"go": str(tmp_path / "go")})
    follow(job, at_work)
    job.abandon()
    assert not job.running
    assert job.lingering
    assert follow(job) == []
    assert not job.lingering


def test_work_of_a_process_that_still_starts_is_cancelled_at_once_and_the_process_stays(tmp_path, follow):
    worker = Worker([*LAB, str(tmp_path / "begin")], tmp_path)  # it starts until that file exists
    job = worker.run("echo", {}, keep="a")
    job.poll()
    assert not worker.ready
    job.cancel()
    assert [event.kind for event in job.poll()] == ["cancelled"]
    (tmp_path / "begin").touch()
    assert follow(worker.run("echo", {}))[-1].kind == "done"
    assert worker.generation == 1
    worker.stop(30.0)


def test_what_is_dropped_may_go_on_and_its_arrays_are_removed(tmp_path, follow):
    clock = Clock()
    worker = Worker(LAB, tmp_path, clock)
    job = worker.run("walk", {"go": str(tmp_path / "go")})
    follow(job, at_work)
    waiting = worker.run("echo", {}, {"cube": CUBE}, keep="a")
    waiting.poll()
    waiting.drop()
    job.drop()
    assert not job.running
    assert not job.lingering
    clock.now += 100
    worker.pump()
    assert worker.running
    follow(worker.run("beside", {}))  # the process has read every line up to this one
    (tmp_path / "go").touch()
    assert follow(worker.run("echo", {}, keep="a"))[-1].value.message["count"] == 1
    assert [f for folder in worker._folders for f in folder.iterdir()] == []
    worker.stop(30.0)


def test_a_command_runs_in_a_child_and_its_crash_leaves_the_state(worker, follow, tmp_path):
    follow(worker.run("echo", {}, keep="a"))
    options = {"output": str(tmp_path / "out"), "size": [96], "count": 500}
    job = worker.run("command", {"command": "phantom", "options": options})
    follow(job, at_work)
    children = [p for p in psutil.Process(worker.pid).children(recursive=True) if "ACSegLib.worker" in p.cmdline()]
    assert len(children) == 1
    children[0].kill()
    event = follow(job)[-1]
    assert event.kind == "error"
    assert "ended" in event.message
    assert follow(worker.run("echo", {}, keep="a"))[-1].value.message["count"] == 2


def test_a_command_is_cancelled_and_a_bad_one_is_told(worker, follow, tmp_path):
    options = {"output": str(tmp_path / "out"), "size": [96], "count": 500}
    job = worker.run("command", {"command": "phantom", "options": options}, patience=30.0)
    follow(job, at_work)
    job.cancel()
    assert follow(job)[-1].kind == "cancelled"
    event = follow(worker.run("command", {"command": "phantom", "options": {**options, "size": [4]}}))[-1]
    assert event.kind == "error"
    assert "at least 16" in event.message
    assert worker.generation == 1


def test_many_jobs_leave_no_file_process_or_thread(worker, follow):
    def state():
        process = psutil.Process()
        files = process.num_handles() if sys.platform == "win32" else process.num_fds()
        return np.array([len(process.children(recursive=True)), threading.active_count(), files])

    follow(worker.run("echo", {}, {"cube": CUBE}))
    before = state()
    for _ in range(10):
        follow(worker.run("echo", {}, {"cube": CUBE}))
    assert (state() <= before).all()  # what earlier tests left may end meanwhile
    assert [f for folder in worker._folders for f in folder.iterdir()] == []


FRONT_END = """
    import sys, time
    sys.path[:0] = {paths!r}
    from ACSegLib.worker import Worker
    worker = Worker({lab!r}, {folder!r})
    job = worker.run("walk", dict(go="never"))
    while not any(event.kind == "progress" for event in job.poll()):
        time.sleep(0.01)
    print(worker.pid, *worker._folders, flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_the_process_ends_with_its_front_end(tmp_path, how):
    root = str(Path(client.__file__).resolve().parents[2])
    code = textwrap.dedent(FRONT_END.format(paths=[root], lab=LAB, folder=str(tmp_path)))
    pipe = subprocess.PIPE
    front_end = subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, text=True, encoding="utf-8")
    number, *folders = front_end.stdout.readline().split()
    worker = psutil.Process(int(number))
    if how == "killed":
        front_end.kill()
    front_end.communicate(timeout=60)
    wait_until(lambda: has_ended(worker))
    wait_until(lambda: not any(os.path.exists(folder) for folder in folders))


def test_one_thread_at_a_time_removes_the_folders_at_the_end(monkeypatch):
    serving, begun, meanwhile = server.Server({"folders": []}, iter(()), None), [], []

    def leave():
        with pytest.raises(SystemExit):
            serving._leave()

    other = threading.Thread(target=leave)

    def remove(folders):
        begun.append(folders)
        if threading.current_thread() is not other:
            other.start()
            other.join(0.2)
            meanwhile.extend(begun[1:])

    monkeypatch.setattr(server, "remove_folders", remove)
    monkeypatch.setattr(os, "_exit", sys.exit)
    leave()
    other.join()
    assert len(begun) == 2
    assert not meanwhile


def test_without_a_python_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(process.sys, "executable", str(tmp_path / "SlicerApp-real"))
    monkeypatch.setattr(process.shutil, "which", lambda name, path: None)
    with pytest.raises(FileError, match="PythonSlicer"):
        Worker(temporary=tmp_path).run("echo", {})


def test_slicers_python_is_taken_from_its_own_folder(monkeypatch, tmp_path):
    found = tmp_path / "bin" / ("PythonSlicer.exe" if os.name == "nt" else "PythonSlicer")
    found.parent.mkdir()
    found.touch(mode=0o755)
    assert process.python_executable(tmp_path) == str(found)
    assert process.python_executable(tmp_path / "none") == sys.executable
