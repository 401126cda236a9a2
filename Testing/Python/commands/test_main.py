"""The shell command, mostly by real processes."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ACSegLib

sys.path.append(str(Path(__file__).parent))
from interrupted import run_interrupted

from ACSegLib.commands import COMMANDS, load
from ACSegLib.commands.main import main
from ACSegLib.commands.run_report import Results
from ACSegLib.files import save_volume
from ACSegLib.volume import Geometry, Volume


def acseg(*arguments, **settings):
    return subprocess.run(
        [sys.executable, "-m", "ACSegLib", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        **settings,
    )


def left_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_without_a_command_it_says_what_is_missing(capsys):
    assert main([]) == 2
    assert "COMMAND" in capsys.readouterr().err


def test_the_list_of_commands_has_a_summary_for_each(capsys):
    assert main(["--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for command in COMMANDS:
        if " " not in command:
            assert f"{command} {load(command).SUMMARY}" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_is_written_for_a_newcomer(command, capsys):
    assert main([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"usage: acseg {command}" in text
    assert "--json" in text
    assert "xample" in text  # an example to copy
    assert f"acseg {command}" in text.split("options:")[0].split("usage:")[1]
    module = load(command)
    assert 10 < len(module.SUMMARY) < 80
    assert module.SUMMARY[0].islower()
    assert module.SUMMARY[-1] != "."
    first = module.__doc__.strip().splitlines()[0]
    assert first in text


@pytest.mark.parametrize(
    "arguments",
    [["brew"], ["phantom", "-o", "x", "--colour", "red"], ["phantom"], ["phantom", "-o", "x", "--kind", "cat"]],
)
def test_unknown_words_end_with_2_and_a_hint(arguments, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    assert "acseg" in capsys.readouterr().err
    assert left_in(tmp_path) == []


def test_a_bad_value_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["phantom", "-o", "x", "--size", "4"]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("acseg: size must be")
    assert left_in(tmp_path) == []


def test_success_writes_the_report_tells_a_person_and_shows_progress_in_plain_lines(tmp_path):
    """Plain where it is no terminal."""
    done = acseg("phantom", "-o", tmp_path / "out", "--size", 24, "--json", tmp_path / "report.json")
    assert done.returncode == 0, done.stderr
    assert "acseg fill" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["command"] == "phantom"
    assert report["options"]["size"] == [24]
    assert report["results"]["outputs"]["images"] == str(tmp_path / "out" / "images")
    assert any("%" in line for line in done.stderr.splitlines())
    assert "\x1b" not in done.stderr
    assert "\r" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    """As with `acseg info image | head -1`: the pipe is closed before anything is written."""
    save_volume(Volume(np.zeros((3, 4, 5), np.uint8), Geometry()), tmp_path / "a.nrrd")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "ACSegLib", "info", str(tmp_path / "a.nrrd"), "--quiet"],
            stdout=pipe, stderr=subprocess.PIPE, text=True, timeout=120,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_work_goes_on_when_nobody_reads_its_progress(tmp_path):
    """As with `acseg convert a b 2>&1 | head -1`: the output is written, or the exit code tells of it."""
    save_volume(Volume(np.zeros((3, 4, 5), np.uint8), Geometry()), tmp_path / "a.nrrd")

    def unread(*words) -> int:
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "w") as pipe:
            command = [sys.executable, "-m", "ACSegLib", *map(str, words)]
            return subprocess.run(command, stdout=pipe, stderr=pipe, timeout=120).returncode

    assert unread("convert", tmp_path / "a.nrrd", tmp_path / "b.nrrd") == 0
    assert (tmp_path / "b.nrrd").exists()
    assert unread("convert", tmp_path / "none.nrrd", tmp_path / "c.nrrd") == 2


def test_json_alone_prints_nothing_but_the_report_and_quiet_is_quiet(tmp_path, capfd):
    assert main(["phantom", "-o", str(tmp_path / "out"), "--size", "24", "--quiet", "--json"]) == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out)["results"]["tomograms"][0]["name"] == "t-cell-0"
    assert printed.err == ""


def test_the_number_of_threads_can_be_limited_for_a_command():
    code = (
        "import ACSegLib.phantom as p\n"
        "from ACSegLib.compute import threads\n"
        "from ACSegLib.errors import InputError\n"
        "def count(*a, **k): raise InputError(f'threads: {threads()}')\n"
        "p.simulate = count\n"
        "from ACSegLib.commands.main import main\n"
        "main(['phantom', '-o', 'never', '--quiet', '--threads', '1'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.stderr == "acseg: threads: 1\n"
    refused = acseg("phantom", "-o", "never", "--threads", 0)
    assert refused.returncode == 2
    assert "'0' is not a whole number of 1 or more" in refused.stderr


def test_a_defect_shows_its_traceback_and_ends_with_1():
    code = (
        "import ACSegLib.phantom as p\n"
        "def broken(*a, **k): raise RuntimeError('boom')\n"
        "p.simulate = broken\n"
        "from ACSegLib.commands.main import main\n"
        "import sys; sys.exit(main(['phantom', '-o', 'never', '--quiet']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "boom" in done.stderr
    assert not os.path.exists("never")


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a single process")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_with_130_and_leaves_no_half_file(tmp_path, number):
    out = tmp_path / "out"
    arguments = ("phantom", "-o", out, "--size", 16, "--count", 20)
    done = run_interrupted(tmp_path, number, "", *arguments, count=25)
    assert done.returncode == 130, done.stderr
    assert "cancelled" in done.stderr
    assert "Traceback" not in done.stderr
    names = {path.stem for path in out.rglob("*.json")}
    assert 0 < len(names) < 20
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) == 5 * len(names), left_in(out)
    assert not any(path.name.startswith(".") for path in files)


@pytest.mark.skipif(sys.getfilesystemencoding() != "utf-8", reason="this locale has no such names of files")
@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "ascii:surrogateescape"])
def test_what_the_encoding_of_the_output_lacks_is_written_as_codes(tmp_path, encoding):
    """Windows writes to files and pipes in the code page of the country; the last is that of the locale C."""
    path = tmp_path / "\u65e5\u672c.nrrd"
    save_volume(Volume(np.zeros((3, 3, 3), np.uint8)), path)
    done = subprocess.run(
        [sys.executable, "-m", "ACSegLib", "info", str(path), "--quiet"],
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert rb"\u65e5\u672c.nrrd: NRRD" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a single process")
def test_ctrl_c_while_the_program_is_read_ends_it_without_a_traceback():
    code = (
        "import signal, sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'numpy': signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "sys.argv = ['acseg', 'info', 'cell.nrrd']\n"
        "from ACSegLib.__main__ import main\n"
        "print('listening', flush=True)\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (-signal.SIGINT, "listening", "")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a file")
def test_a_full_disk_ends_with_2_and_leaves_nothing(tmp_path):
    import resource

    def limit():  # makes the same kind of error as a full disk, in that process alone
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    arguments = ["phantom", "-o", tmp_path / "out", "--quiet", "--size"]
    assert acseg(*arguments, 16).returncode == 0  # the compiled code is in its cache now
    whole = left_in(tmp_path)
    done = acseg(*arguments, 32, "--seed", 1, preexec_fn=limit)
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert "t-cell-1.nrrd" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert left_in(tmp_path) == whole


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the address space")
@pytest.mark.parametrize("limit", [400 << 20, 450 << 20])
def test_too_little_address_space_for_openvino_is_one_sentence(limit, tmp_path):
    """OpenVINO ends the program, or raises errors of its own, if its libraries find no room."""
    pytest.importorskip("openvino")
    import resource

    image = np.random.default_rng(0).normal(size=(16, 16, 16)).astype(np.float32)
    save_volume(Volume(image, Geometry((100, 100, 100), unit="nm")), tmp_path / "a.nrrd")
    done = acseg(
        "predict", tmp_path / "a.nrrd", "-o", tmp_path / "b.nrrd", "--quiet",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "OpenVINO needs" in done.stderr or "memory" in done.stderr


def test_a_missing_package_is_named(monkeypatch, tmp_path, capsys):
    def missing(options, progress):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(load("phantom"), "run", missing)
    assert main(["phantom", "-o", str(tmp_path / "x")]) == 2
    assert "package torch; install it with" in capsys.readouterr().err


def test_a_module_of_our_own_that_is_missing_is_a_defect(monkeypatch, tmp_path):
    def missing(options, progress):
        raise ModuleNotFoundError("No module named 'ACSegLib.nothing'", name="ACSegLib.nothing")

    monkeypatch.setattr(load("phantom"), "run", missing)
    with pytest.raises(ModuleNotFoundError):
        main(["phantom", "-o", str(tmp_path / "x")])


def test_a_command_s_exit_code_is_passed_on(monkeypatch, tmp_path):
    monkeypatch.setattr(load("phantom"), "run", lambda options, progress: Results(exit_code=2))
    monkeypatch.setattr(load("phantom"), "describe", lambda results: "some files failed")
    assert main(["phantom", "-o", str(tmp_path / "x")]) == 2


def test_importing_commands_stays_light():
    heavy = "torch numba matplotlib vtk vtkmodules pandas sklearn skimage monai SimpleITK scipy openvino h5py"
    code = (
        "import sys, ACSegLib\n"
        "from ACSegLib.commands.main import build_parser\n"
        "build_parser(None)\n"
        f"print([name for name in {heavy.split()!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows closes no descriptor of a shell")
@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_a_program_without_a_console_does_its_work(tmp_path, closed):
    """As under pythonw, where Python has no standard streams."""
    save_volume(Volume(np.zeros((3, 4, 5), np.uint8), Geometry()), tmp_path / "a.nrrd")
    command = [sys.executable, "-m", "ACSegLib", "convert", str(tmp_path / "a.nrrd"), str(tmp_path / "b.nrrd")]
    environment = dict(os.environ, PYTHONPATH=str(Path(ACSegLib.__file__).parents[1]))
    script = " ".join(map(shlex.quote, command)) + f" {closed}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, timeout=120, env=environment)
    assert done.returncode == 0
    assert (tmp_path / "b.nrrd").exists()


def test_one_file_too_many_is_told_with_where_it_goes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["split", "cells.nrrd", "tomogram.nrrd"]) == 2
    told = capsys.readouterr().err
    assert "split takes LABELS by place, so 'tomogram.nrrd' is one too many" in told
    assert "--image" in told
