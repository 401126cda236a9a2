"""Progress, cancellation and the line protocol."""

import io
import json
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from ACSegLib import jobs
from ACSegLib.errors import Cancelled
from ACSegLib.jobs import CancelFlag, LineWriter, Progress, cancel_on_signals, keep_ctrl_c_from_children, parse_line


def test_parts_map_onto_their_share_of_the_whole():
    seen = []
    progress = Progress(lambda fraction, message: seen.append((round(fraction, 6), message)))
    half = progress.part(0.5, 1.0)
    half(0.0, "a")
    half.part(0.5, 1.0)(0.5, "b")
    half(7.0, "c")  # beyond the end is the end
    assert seen == [(0.5, "a"), (0.875, "b"), (1.0, "c")]


def recorded():
    """A Progress, and the fractions and messages that it reports."""
    seen = []
    return Progress(lambda fraction, message: seen.append((round(fraction, 6), message))), seen


def test_stages_share_the_whole_by_their_weights():
    progress, seen = recorded()
    stages = progress.part(0.0, 0.5).stages(read=1, features=3, write=0, solve=6)
    stages.read(1.0, "read")
    stages.features(0.5, "features")
    stages.write(0.0, "written")
    stages.write(1.0, "written")
    stages.solve(1.0, "solved")
    assert seen == [(0.05, "read"), (0.125, "features"), (0.2, "written"), (0.2, "written"), (0.5, "solved")]


def test_a_stage_that_was_not_named_is_an_error_that_names_the_others():
    stages = Progress().stages(read=1, solve=2)
    with pytest.raises(AttributeError, match="no stage 'sovle'; there are: read, solve"):
        stages.sovle(0.0)


@pytest.mark.parametrize("weights", [{}, {"read": 0}, {"read": -1, "solve": 2}])
def test_stages_without_weight_are_refused(weights):
    with pytest.raises(ValueError, match="stages need weights"):
        Progress().stages(**weights)


def test_each_item_has_its_part():
    progress, seen = recorded()
    for item, part in progress.each(["a", "b"], lambda name: f"at {name}"):
        part(0.5, item)
    assert seen == [(0.0, "at a"), (0.25, "a"), (0.5, "at b"), (0.75, "b")]


def test_progress_never_goes_back():
    """Neither within a part that begins again, nor where parts overlap or come in another order."""
    progress, seen = recorded()
    stages = progress.stages(first=1, second=1)
    for stage, fraction in ((stages.first, 0.8), (stages.first, 0.0), (stages.second, 0.2), (stages.first, 1.0)):
        stage(fraction, "")
    progress(0.1, "again")
    progress(1.0, "done")
    fractions = [fraction for fraction, _ in seen]
    assert fractions == [0.4, 0.4, 0.6, 0.6, 0.6, 1.0]


def test_cancelling_stops_every_part_at_its_next_call():
    flag = CancelFlag()
    progress = Progress(cancelled=flag)
    inner = progress.part(0, 0.5).part(0.2, 0.3)
    inner(0.1)
    flag.set()
    assert inner.is_cancelled()
    with pytest.raises(Cancelled):
        inner(0.2)
    with pytest.raises(Cancelled):
        progress.check()


def test_a_progress_that_nobody_watches_is_silent():
    Progress()(0.3, "message")
    Progress().metrics({"loss": 1.0})
    assert not Progress().is_cancelled()


def test_parts_pass_metrics_on():
    seen = []
    Progress(metrics=seen.append).part(0, 1).metrics({"loss": 0.5})
    assert seen == [{"loss": 0.5}]


@pytest.mark.parametrize("line", ["", "Epoch 3", "{not json", '{"no": "event"}', "[1, 2]", '"event"'])
def test_other_output_is_no_event(line):
    assert parse_line(line) is None


def test_events_are_one_json_object_a_line():
    stream = io.StringIO()
    writer = LineWriter(stream)
    writer.send("result", report={"text": "two\nlines", "path": io})
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1
    assert parse_line(lines[0])["report"]["text"] == "two\nlines"


def test_lines_of_many_threads_do_not_mix():
    stream = io.StringIO()
    writer = LineWriter(stream)
    threads = [
        threading.Thread(target=lambda n=n: [writer.send("metrics", values={"n": n}) for _ in range(200)])
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(events) == 800
    assert all(event["event"] == "metrics" for event in events)


def test_frequent_progress_is_thinned_but_messages_and_the_end_are_not(monkeypatch):
    seconds = 100.0
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: seconds))
    stream = io.StringIO()
    progress = LineWriter(stream).progress()
    for n in range(10):
        progress(n / 10, "solving")
    seconds += LineWriter.PROGRESS_INTERVAL + 0.001
    progress(0.95, "solving")
    progress(0.96, "writing")
    progress(1.0, "writing")
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    expected = [(0.0, "solving"), (0.95, "solving"), (0.96, "writing"), (1.0, "writing")]
    assert [(event["fraction"], event["message"]) for event in events] == expected


def test_a_reader_that_has_gone_away_cancels_the_work():
    class Broken(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    writer = LineWriter(Broken())
    progress = writer.progress()
    progress(0.1, "first")
    with pytest.raises(Cancelled):
        progress(0.2, "second")
    writer.send("result", report={})  # is dropped


def test_the_flag_is_seen_across_threads():
    flag = CancelFlag()
    thread = threading.Thread(target=flag.set)
    thread.start()
    thread.join(60)
    assert flag()


def run_python(code, **keywords):
    """Run a program in a process of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, **keywords)


def test_ctrl_c_stays_ignored_where_the_process_was_started_so():
    code = (
        "import signal; from ACSegLib.jobs import CancelFlag, cancel_on_signals\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "flag = CancelFlag(); cancel_on_signals(flag)\n"
        "signal.raise_signal(signal.SIGINT); print(flag())\n"
        "signal.raise_signal(signal.SIGTERM); print(flag())\n"
    )
    assert run_python(code).stdout.split() == ["False", "True"]


def test_a_handler_of_the_program_around_python_is_no_error(monkeypatch):
    """Python gives None for a handler that it did not set, and refuses to set None."""
    set_to = []
    monkeypatch.setattr(signal, "signal", lambda number, handler: set_to.append(handler))
    cancel_on_signals(CancelFlag())()
    assert set_to
    assert None not in set_to


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no mask of signals")
def test_a_child_does_not_hear_the_ctrl_c_of_its_parent():
    code = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))"
    with keep_ctrl_c_from_children():
        assert run_python(code).stdout.strip() == "True"
    assert run_python(code).stdout.strip() == "False"
