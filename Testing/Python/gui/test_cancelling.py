"""A cancel is over within a second, whatever the work is doing: counted by a clock that the tests turn."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from workbench import fake_worker, follow


class Clock:
    """A clock that stands still until it is turned."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def gates():
    """Events to hold work with; all are opened at the end, so that no thread outlives its test."""
    made = []

    def gate():
        made.append(threading.Event())
        return made[-1]

    yield gate
    for one in made:
        one.set()


def until(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        time.sleep(0.005)
        assert time.monotonic() < end, "the condition did not come true"


def work(progress):
    """Work as it should be: it looks up often."""
    while True:
        progress(0.1, "working")
        time.sleep(0.002)


def test_the_times_add_up_to_less_than_a_second(scene):
    from ACSegPanels import background, process

    longest_poll = background.POLL_MILLISECONDS / 1000 + background.GIVE_WAY
    assert background.PATIENCE + longest_poll < 0.8
    assert process.PATIENCE + process._GRACE + longest_poll < 1.1  # the grace is for a process that hangs in C code
    assert process.PATIENCE + longest_poll < 0.8


def test_polling_gives_way_to_the_work_while_the_event_loop_keeps_the_lock(scene):
    """Slicer's event loop never releases the interpreter lock, so that a thread works in the polls and nowhere else."""
    from ACSegPanels.background import BackgroundJob
    from standin.idle import idle_with_lock

    turns, polls = 100, 0
    job = BackgroundJob()
    job.start(lambda progress: [time.sleep(0) for _turn in range(turns)] and None)
    while job.running:
        idle_with_lock(0.001)
        job.poll()
        polls += 1
    assert polls < turns / 2, "each time that the work let go of the lock, it had to wait for a poll"


def test_work_that_looks_up_ends_by_itself(scene):
    from ACSegPanels.background import BackgroundJob

    job = BackgroundJob(Clock())
    job.start(work)
    job.cancel()
    assert follow(job)[-1].kind == "cancelled"
    assert not job.lingering


def test_work_that_never_looks_up_is_let_go_of(scene, gates):
    from ACSegPanels.background import PATIENCE, BackgroundJob

    gate, clock = gates(), Clock()
    job = BackgroundJob(clock)
    job.start(lambda progress: gate.wait() and "too late")
    job.cancel()
    clock.now += 0.9 * PATIENCE
    job.cancel()  # a second click starts no new wait
    assert job.poll() == []
    assert job.running
    clock.now += 0.2 * PATIENCE
    assert [event.kind for event in job.poll()] == ["cancelled"]
    assert not job.running
    assert job.lingering
    gate.set()
    until(lambda: not [*job.poll(), *([1] if job.lingering else [])])


def test_a_new_job_waits_for_what_was_let_go_of(scene, gates):
    from ACSegPanels.background import BackgroundJob

    gate, order = gates(), []
    first, second = BackgroundJob(), BackgroundJob()
    first.start(lambda progress: order.append(gate.wait() and "the first ended"))
    first.abandon()
    second.start(lambda progress: order.append("the second began"))
    until(lambda: any("waiting" in event.message for event in second.poll()))
    assert order == []
    gate.set()
    assert follow(second)[-1].kind == "done"
    assert order == ["the first ended", "the second began"]


def test_a_job_that_waits_can_be_cancelled(scene, gates):
    from ACSegPanels.background import BackgroundJob

    gate = gates()
    first, second = BackgroundJob(), BackgroundJob()
    first.start(lambda progress: gate.wait())
    first.abandon()
    second.start(lambda progress: pytest.fail("it must not begin"))
    second.cancel()
    assert follow(second)[-1].kind == "cancelled"


def test_a_second_job_is_refused_while_one_runs(scene):
    from ACSegPanels.background import BackgroundJob

    job = BackgroundJob()
    job.start(work)
    with pytest.raises(RuntimeError):
        job.start(work)
    job.cancel()
    assert follow(job)[-1].kind == "cancelled"


def test_the_collector_stays_on_the_main_thread_while_a_thread_works(scene, gates):
    """Also while one works that was let go of: it must not collect a widget either."""
    import gc

    from ACSegPanels.background import BackgroundJob

    gc.enable()
    go, hold = gates(), gates()
    jobs = [BackgroundJob(), BackgroundJob()]
    jobs[0].start(lambda progress: hold.wait())
    jobs[1].start(lambda progress: go.wait())
    assert not gc.isenabled()
    go.set()
    follow(jobs[1])
    jobs[0].abandon()
    assert jobs[0].poll() == []
    assert not gc.isenabled()
    hold.set()
    until(lambda: not (jobs[0].poll() or jobs[0].lingering))
    assert gc.isenabled()


@pytest.mark.skipif(sys.platform == "win32", reason="the fake worker is a script with a shebang")
class TestProcess:
    def test_one_that_ignores_the_cancel_is_ended_with_its_children(self, scene, tmp_path):
        """As PythonSlicer, a launcher: the interpreter at work is its child."""
        import psutil
        from ACSegPanels.process import PATIENCE, ProcessRunner

        body = (
            "import subprocess; print(json.dumps({'event': 'progress', 'fraction': 0.1}), flush=True);"
            "subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
        )
        clock = Clock()
        runner = ProcessRunner(fake_worker(tmp_path, body), clock=clock)
        runner.start("predict", {})
        until(lambda: any(event.kind == "progress" for event in runner.poll()))
        launcher = psutil.Process(runner._process.pid)
        until(lambda: launcher.children())
        (child,) = launcher.children()
        runner.cancel()
        clock.now += PATIENCE
        assert runner.poll() == []
        clock.now += 1
        assert follow(runner, 20)[-1].kind == "cancelled"
        until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)

    def test_what_keeps_its_state_has_the_time_for_it(self, scene, tmp_path):
        from ACSegPanels.process import ProcessRunner

        body = (
            "print(json.dumps({'event': 'progress', 'fraction': 0.1}), flush=True); sys.stdin.readline();"
            "asked = json.loads(sys.stdin.readline());"
            "print(json.dumps({'event': 'error', 'kind': 'ValueError', 'message': str(asked['patience'])}))"
        )
        runner = ProcessRunner(fake_worker(tmp_path, body), patience=20.0, clock=Clock())
        runner.start("train", {})
        until(lambda: any(event.kind == "progress" for event in runner.poll()))
        runner.cancel()
        assert follow(runner)[-1].message == "20.0"

    def test_before_it_has_begun_there_is_nothing_to_keep(self, scene, tmp_path):
        from ACSegPanels.process import PATIENCE, ProcessRunner

        body = (
            "sys.stdin.readline(); asked = json.loads(sys.stdin.readline());"
            "print(json.dumps({'event': 'error', 'kind': 'ValueError', 'message': str(asked['patience'])}))"
        )
        runner = ProcessRunner(fake_worker(tmp_path, body), patience=20.0, clock=Clock())
        runner.start("train", {})
        runner.cancel()
        assert follow(runner)[-1].message == str(PATIENCE)

    def test_an_abandoned_one_is_watched_to_its_end_and_then_tidied_up(self, scene, tmp_path):
        from ACSegPanels.process import ProcessRunner
        from ACSegPanels.task import Task
        from workbench import pump

        body = 'sys.stdin.readline(); sys.stdin.readline(); time.sleep(0.2); print(\'{"event": "cancelled"}\')'
        runner, tidied, told = ProcessRunner(fake_worker(tmp_path, body)), [], []
        runner.start("train", {})
        task = Task(runner, lambda report: report, lambda: tidied.append(runner.lingering))
        task.watch(onDone=told.append, onError=told.append)
        task.abandon()
        assert not task.running
        assert tidied == []
        pump(lambda: tidied)
        assert tidied == [False]
        assert told == []


STUCK = """
import sys, time
import ACSegLib.commands.main as main
from ACSegLib import worker
from ACSegLib.files.atomic import atomic_output

def stuck(command, options, progress):
    with atomic_output({target!r}) as temporary:
        temporary.write_text("half")
        progress(0.5, "stuck")
        time.sleep(600)

main.execute = stuck
sys.exit(worker.main())
"""


def test_a_worker_ends_itself_and_leaves_no_half_written_file(tmp_path):
    """In a call that does not look up, a large file say: by the cancel's own limit."""
    import json

    process = subprocess.Popen(
        [sys.executable, "-c", STUCK.format(target=str(tmp_path / "result.nrrd"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    options = {"inputs": ["x.seg.nrrd"], "output": "t.csv"}
    process.stdin.write(json.dumps({"command": "measure", "options": options}) + "\n")
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["message"] == "stuck"
    assert len(list(tmp_path.iterdir())) == 1
    process.stdin.write(json.dumps({"event": "cancel", "patience": 0.1}) + "\n")
    process.stdin.flush()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(output.splitlines()[-1]) == {"event": "cancelled"}
    assert list(tmp_path.iterdir()) == []
