"""Nothing leaves the computer, and no library that ACSeg uses leaves a number of the user behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Calls for a network are written to a file and refused, also in threads of their own; the loopback is no network.
WATCHED = """
import sys

def watch(event, arguments):
    if event == "socket.getaddrinfo":
        host = str(arguments[0])
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0])
    else:
        return
    if host not in ("localhost", "127.0.0.1", "::1"):
        with open({log!r}, "a") as stream:
            print(event, host, file=stream)
        raise OSError("no network in this test")

sys.addaudithook(watch)
"""


def run(tmp_path: Path, code: str) -> list[str]:
    """Run Python code as a user without any settings; what it asked of a network, and what it left in the home."""
    home, log = tmp_path / "home", tmp_path / "log"
    home.mkdir()
    outside = {k: v for k, v in os.environ.items() if k not in ("CI", "TF_BUILD", "JENKINS_URL")}
    places = {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home), "MPLCONFIGDIR": str(tmp_path)}
    script = WATCHED.format(log=str(log)) + code
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=outside | places | {"PYTHONIOENCODING": "utf-8"},
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    asked = log.read_text().splitlines() if log.exists() else []
    left = {path.relative_to(home).parts[0] for path in home.rglob("*")}
    return [*asked, *sorted(left - {".cache", ".config", ".local", "Library"})]


def test_openvino_is_imported_without_its_telemetry(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    code = """
from ACSegLib.heavy_imports import import_openvino
assert import_openvino().Core().available_devices
assert "openvino_telemetry" not in sys.modules
import time; time.sleep(1)
"""
    assert run(tmp_path, code) == []


def test_only_one_place_imports_openvino() -> None:
    found = re.compile(r"^\s*(?:import|from) openvino\b", re.MULTILINE)
    for folder in ("ACSeg", "ACSegLib"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not found.search(path.read_text(encoding="utf-8")), f"{path}: use import_openvino"


def test_a_study_asks_for_no_network(tmp_path: Path) -> None:
    code = """
from ACSegLib.commands.main import main
for line in (
    "phantom -o cells --count 1 --size 32 --every 8",
    "fill cells/images cells/sparse -o filled",
    "predict cells/images -o predicted --refine none",
    "compare predicted cells/truth -o scores.csv",
    "measure filled --image cells/images -o cells.csv",
    "report -o study.html --scores scores.csv --cells cells.csv",
):
    assert main(line.split()) == 0, line
"""
    assert run(tmp_path, code) == []
