"""The worker process, by real processes: progress, result, cancel, a front end that dies, errors."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from ACSegLib.jobs import parse_line

LONG = {"size": [96], "count": 500}


class Worker:
    """A running worker; `finish` gives its exit code and its events."""

    def __init__(self, request):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ACSegLib.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        line = request if isinstance(request, str) else json.dumps(request)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def next_event(self, kind):
        for line in self.process.stdout:
            event = parse_line(line)
            if event and event["event"] == kind:
                return event
        raise AssertionError(f"no {kind} event; stderr: {self.process.stderr.read()}")

    def send(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def finish(self):
        events = [json.loads(line) for line in self.process.stdout]
        code = self.process.wait(timeout=60)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            stream.close()
        return code, events


@pytest.fixture
def worker(tmp_path):
    made = []

    def start(request):
        made.append(Worker(request))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()
        for stream in (one.process.stdin, one.process.stdout, one.process.stderr):
            stream.close()


def left_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def whole_tomograms_only(folder):
    names = {path.name.split(".")[0] for path in folder.rglob("*.json")}
    files = [path for path in folder.rglob("*") if path.is_file()]
    return all(path.name.split(".")[0] in names for path in files) and len(files) == 5 * len(names)


def test_a_request_reports_progress_and_ends_with_the_result(worker, tmp_path):
    out = tmp_path / "out"
    running = worker({"command": "phantom", "options": {"output": str(out), "size": [24]}})
    code, events = running.finish()
    assert code == 0
    fractions = [event["fraction"] for event in events if event["event"] == "progress"]
    assert fractions == sorted(fractions)
    assert fractions[0] < 0.2
    assert events[-1]["event"] == "result"
    report = events[-1]["report"]
    assert report["command"] == "phantom"
    assert os.path.isfile(report["results"]["tomograms"][0]["files"]["image"])
    assert report["options"]["size"] == [24]
    assert report["seconds"] > 0


def test_the_worker_ends_by_itself_while_its_input_stays_open(worker, tmp_path):
    # A buffered read in another thread would make the interpreter abort here.
    running = worker({"command": "phantom", "options": {"output": str(tmp_path / "out"), "size": [24]}})
    running.next_event("result")
    assert running.process.wait(timeout=60) == 0


@pytest.mark.parametrize("how", ["cancel", "end of input", "SIGTERM"])
def test_cancelling_ends_within_a_second_and_leaves_no_half_output(worker, tmp_path, how):
    if how == "SIGTERM" and os.name == "nt":
        pytest.skip("Windows has no SIGTERM to handle")
    out = tmp_path / "out"
    running = worker({"command": "phantom", "options": {"output": str(out), **LONG}})
    running.next_event("progress")
    time.sleep(0.3)
    if how == "cancel":
        running.send("a library's print\n" + json.dumps({"event": "cancel"}))
    elif how == "end of input":
        running.process.stdin.close()
    else:
        running.process.send_signal(signal.SIGTERM)
    code = running.process.wait(timeout=30)
    events = [json.loads(line) for line in running.process.stdout]
    assert code == 130
    assert events[-1] == {"event": "cancelled"}
    assert not out.exists() or whole_tomograms_only(out), left_in(out)


@pytest.mark.parametrize(
    ("request_line", "words"),
    [
        ("not json", "not a line of JSON"),
        ("[]", "must be an object"),
        ({"command": "brew", "options": {}}, "unknown command 'brew'"),
        ({"command": "phantom", "options": {"output": "x", "colour": 1}}, "unknown option 'colour'"),
        ({"command": "phantom", "options": {}}, "option 'output' is missing"),
        ({"command": "phantom", "options": {"output": "x", "size": [4]}}, "at least 16"),
        ({"command": "phantom", "options": {"output": "x", "size": "big"}}, "--size"),
        ({"command": "phantom", "options": {"output": "x", "seed": "zero"}}, "--seed"),
    ],
)
def test_bad_requests_end_in_one_sentence(worker, tmp_path, monkeypatch, request_line, words):
    monkeypatch.chdir(tmp_path)
    code, events = worker(request_line).finish()
    assert code == 2
    assert events[-1]["event"] == "error"
    assert words in events[-1]["message"]
    assert left_in(tmp_path) == []


def test_a_front_end_that_closes_at_once_is_no_crash(worker):
    process = subprocess.run(
        [sys.executable, "-m", "ACSegLib.worker"],
        input="",
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    assert process.returncode == 2
    assert json.loads(process.stdout)["event"] == "error"


STUCK = """
import sys, time
import ACSegLib.commands.main as main
from ACSegLib.worker import __main__ as worker
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
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK.format(target=str(tmp_path / "result.nrrd"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
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
