"""``acseg app`` from start to end: the address, the page, events, Ctrl-C, and what cannot be started."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from urllib.parse import urlsplit

import psutil
import pytest

pytest.importorskip("starlette")

from appcases import make_folder, page
from processes import has_ended, wait_until

from ACSegLib.commands.main import main


class Served:
    """A running ``acseg app``, and requests to it as a browser makes them."""

    def __init__(self, *arguments):
        command = [sys.executable, "-m", "ACSegLib", "app", "--no-browser", *map(str, arguments)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("ACSeg is at http://127.0.0.1:"), line + self.process.stderr.read()
        self.address = urlsplit(line.split()[-1])
        answer = self.request("GET", f"/?{self.address.query}")
        assert answer.status == 200
        self.cookie = answer.headers["set-cookie"].partition(";")[0]

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection(self.address.netloc, timeout=60)
        headers = {"Origin": f"http://{self.address.netloc}", "Cookie": getattr(self, "cookie", "")}
        connection.request(method, path, body, headers)
        return connection.getresponse()

    def json(self, method, path, body=None):
        return json.loads(self.request(method, path, body).read())

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        output, errors = self.process.communicate(timeout=60)
        return self.process.returncode, output, errors


@pytest.fixture
def served(tmp_path):
    server = Served(make_folder(tmp_path) / "ramp.nrrd", "--labels", tmp_path / "ball.seg.nrrd")
    yield server
    if server.process.poll() is None:
        server.process.kill()
        server.process.communicate()


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is sent as a signal")
def test_it_serves_the_image_to_this_computer_alone_and_ctrl_c_ends_it_and_its_worker(served, tmp_path):
    state = served.json("GET", "/api/state")
    assert state["volume"]["path"] == "ramp.nrrd"
    assert [s["name"] for s in state["labels"]["segments"]] == ["ball", "shell"]
    assert served.request("GET", "/").status == 200
    process = psutil.Process(served.process.pid)
    listening = {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}
    events = served.request("GET", "/api/events?client=tab-number-1")
    assert events.readline() == b"event: state\n"
    assert json.loads(events.readline().removeprefix(b"data: "))["writer"] == "tab-number-1"
    events.close()  # the tab is closed: another one may write
    while served.json("GET", "/api/state")["writer"]:
        time.sleep(0.01)
    served.request("POST", "/api/jobs/measure", "{}")
    family = process.children(recursive=True)
    assert family
    code, output, errors = served.stop()
    assert code == 0, errors
    assert str(tmp_path) in output
    wait_until(lambda: all(map(has_ended, family)))


@pytest.mark.skipif(os.name == "nt", reason="the process is killed by a signal")
def test_work_survives_a_killed_server(served, tmp_path):
    served.request("PUT", "/api/labels/z/0", bytes(1200))
    while served.json("GET", "/api/state")["autosave"]["pending"]:
        time.sleep(0.01)
    served.process.kill()
    served.process.communicate()
    with page(tmp_path, "ramp.nrrd") as client:
        state = client.get("/api/state").json()
        assert state["labels"]["labelled"]["z"] == [0]
        assert state["autosave"]["restored"] is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing.nrrd"], "missing.nrrd"),
        (["ramp.nrrd", "--root", "missing"], "missing"),
        (["ramp.nrrd", "--root", "other"], "--root"),
        ([".", "--labels", "ball.seg.nrrd"], "--labels"),
        (["notes.txt"], "notes.txt"),
    ],
)
def test_what_cannot_be_started_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(make_folder(tmp_path))
    (tmp_path / "other").mkdir()
    assert main(["app", "--no-browser", "--quiet", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert "\n" not in error


def test_answers_are_sent_without_waiting_for_more():
    """With Nagle's algorithm and delayed acknowledgements, each answer would take 40 ms: scrolling would stutter."""
    import asyncio
    import socket

    from ACSegLib.app.start import _socket

    async def nodelay():
        taken = asyncio.get_running_loop().create_future()

        async def accept(reader, writer):
            taken.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(accept, sock=_socket(0)) as server:
            _reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            answer = await taken
            writer.close()
        return answer

    assert asyncio.run(nodelay())


def test_a_port_in_use_is_one_sentence(tmp_path, capsys):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["app", str(make_folder(tmp_path)), "--no-browser", "--quiet", "--port", str(port)]) == 2
    assert f"--port {port} cannot be used" in capsys.readouterr().err
