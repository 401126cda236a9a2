"""Progress, cancellation and the line protocol."""

import io
import json
import threading
import time

import pytest

from ACSegLib.errors import Cancelled
from ACSegLib.jobs import CancelFlag, LineWriter, Progress, parse_line


def test_parts_map_onto_their_share_of_the_whole():
    seen = []
    progress = Progress(lambda fraction, message: seen.append((round(fraction, 6), message)))
    half = progress.part(0.5, 1.0)
    half(0.0, "a")
    half.part(0.5, 1.0)(0.5, "b")
    half(7.0, "c")  # beyond the end is the end
    assert seen == [(0.5, "a"), (0.875, "b"), (1.0, "c")]


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


def test_frequent_progress_is_thinned_but_messages_and_the_end_are_not():
    stream = io.StringIO()
    progress = LineWriter(stream).progress()
    for n in range(1000):
        progress(n / 1000, "solving")
    progress(0.9999, "writing")
    progress(1.0, "writing")
    events = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(events) < 500
    assert events[0] == {"event": "progress", "fraction": 0.0, "message": "solving"}
    assert [event["message"] for event in events[-2:]] == ["writing", "writing"]
    assert events[-1]["fraction"] == 1.0


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
    threading.Timer(0.05, flag.set).start()
    for _ in range(400):
        if flag():
            return
        time.sleep(0.01)
    pytest.fail("the flag was never seen")
