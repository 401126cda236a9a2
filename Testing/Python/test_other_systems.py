"""What Windows and macOS do otherwise than Linux, as far as it can be tried on any system."""

from __future__ import annotations

import ast
import errno
import io
import json
import mimetypes
import os
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
import psutil
import pytest

from ACSegLib.arrays import is_mapped
from ACSegLib.commands import batch
from ACSegLib.commands.main import main
from ACSegLib.commands.outputs import Output, check_outputs
from ACSegLib.commands.pairs import core_name
from ACSegLib.errors import Cancelled, FileError, InputError, MemoryLimitError, explain, is_broken_pipe
from ACSegLib.files import atomic, lazy, plain_paths, save_segmentation
from ACSegLib.files.atomic import atomic_output, require_writable_folder
from ACSegLib.files.content import beside
from ACSegLib.files.names import as_file_name, path_from, unfit_for_windows
from ACSegLib.files.tables import read_table
from ACSegLib.jobs import CancelFlag, LineWriter, Progress, cancel_on_signals
from ACSegLib.volume import Geometry, Segmentation
from ACSegLib.worker import process
from ACSegLib.worker.arrays import ArrayWriter

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    p for top in ("ACSegLib", "ACSeg") for p in (ROOT / top).rglob("*.py") if "node_modules" not in p.parts
)


@pytest.fixture
def windows(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")


# ---- processes ---------------------------------------------------------------------------------------------------


CHILD_OF_A_WORKER = """
import subprocess, sys
from ACSegLib.worker import __main__ as worker

def work(request, lines, writer):
    code = "import sys; print('read', repr(sys.stdin.read()))"
    return subprocess.run([sys.executable, "-c", code]).returncode

worker.run_command = work
sys.exit(worker.main())
"""


def test_children_of_a_worker_share_neither_its_requests_nor_its_protocol():
    """On Windows they would wait for ever, since a thread of the worker waits for requests."""
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    with subprocess.Popen([sys.executable, "-c", CHILD_OF_A_WORKER], text=True, encoding="utf-8", **pipes) as worker:
        worker.stdin.write(json.dumps({"command": "info"}) + "\n")
        worker.stdin.flush()  # and it stays open
        assert worker.wait(120) == 0
        assert (worker.stdout.read(), worker.stderr.read()) == ("", "read ''\n")


@pytest.mark.parametrize(
    ("error", "broken"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), True),
        (OSError(errno.EINVAL, "Invalid argument"), True),
        (OSError(errno.EINVAL, "Invalid argument", "a?b.nrrd"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (ValueError(), False),
    ],
)
def test_a_pipe_that_nobody_reads_is_known_on_windows(windows, error, broken):
    assert is_broken_pipe(error) is broken


def test_a_front_end_that_is_gone_cancels_the_work_on_windows(windows):
    class Unread(io.StringIO):
        def write(self, text):
            raise OSError(errno.EINVAL, "Invalid argument")

    progress = LineWriter(Unread()).progress()
    progress(0.1, "first")
    with pytest.raises(Cancelled):
        progress(0.2, "second")


def test_a_pool_has_no_more_processes_than_windows_permits_and_is_cancelled_as_it_starts(windows, monkeypatch):
    """Ctrl-C reaches a process there until it ignores it; a pool that lost one is broken."""
    cancel, made = CancelFlag(), []

    class Pool:
        def __init__(self, workers, *_, **__):
            made.append(workers)

        def submit(self, *_):
            if len(made) == 1:
                cancel.set()
            raise BrokenProcessPool

        def shutdown(self, **_):
            pass

    monkeypatch.setattr(batch, "ProcessPoolExecutor", Pool)
    items = [batch.Item("a", {})]
    with pytest.raises(Cancelled):
        next(batch.do_each(items, print, {}, 100, Progress(cancelled=cancel)))
    with pytest.raises(MemoryLimitError, match="worker process ended"):
        next(batch.do_each(items, print, {}, 8, Progress()))
    assert made == [61, 8]


@pytest.mark.parametrize(
    ("code", "words"), [(0xC0000017, "memory ran out"), (-1073741801, "memory ran out"), (0xC0000005, "0xC0000005")]
)
def test_the_end_of_a_process_is_explained_by_windows_own_codes(windows, code, words):
    assert words in process.explain_end(code)


def test_a_process_is_ended_where_windows_own_tool_for_it_is_not_found(windows, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as waiting:
        process.end_family(waiting)
        assert waiting.wait(60) != 0


def test_ctrl_break_cancels_as_ctrl_c_does(monkeypatch):
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGABRT, raising=False)  # which every system has
    flag = CancelFlag()
    restore = cancel_on_signals(flag)
    signal.raise_signal(signal.SIGBREAK)
    restore()
    assert flag()


def ignores_ctrl_c(item, settings, progress):
    """Work of a batch: whether the process that does it ignores Ctrl-C."""
    return [{"ignores": signal.getsignal(signal.SIGINT) is signal.SIG_IGN}]


def test_the_processes_of_a_batch_ignore_ctrl_c(tmp_path):
    items = [batch.Item(name, {}) for name in "ab"]
    outcomes = batch.run_batch(items, ignores_ctrl_c, {}, journal=tmp_path / "journal", workers=2)
    assert [row for outcome in outcomes for row in outcome.rows] == [{"ignores": True}] * 2


def test_within_slicer_itself_a_batch_starts_no_processes(tmp_path, monkeypatch):
    """Its interpreter is a launcher there, and a pool would wait for ever."""
    monkeypatch.setattr(sys, "executable", r"C:\Slicer\bin\PythonSlicer.exe".replace("\\", os.sep))
    monkeypatch.setattr(batch, "ProcessPoolExecutor", None)
    items = [batch.Item(name, {}) for name in "ab"]
    assert len(batch.run_batch(items, ignores_ctrl_c, {}, journal=tmp_path / "journal", workers=2)) == 2


# ---- files -------------------------------------------------------------------------------------------------------


def in_use(code=32):
    """Windows' error for a file that a program has open."""
    error = PermissionError(errno.EACCES, "The process cannot access the file")
    error.winerror = code
    return error


@pytest.fixture
def refusals(monkeypatch):
    """Renaming fails as often as the list says, and then works; no time passes between."""
    left, replace = [], os.replace

    def refuse(source, target):
        if left:
            raise left.pop()
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(atomic, "_PAUSE", 0)
    return left


def test_an_output_waits_until_a_virus_scanner_has_looked_at_it(tmp_path, refusals):
    refusals += [in_use(5), in_use(32)]
    with atomic_output(tmp_path / "a.csv") as temporary:
        temporary.write_text("whole", encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_a_table_that_is_open_in_another_program_is_told(tmp_path, refusals):
    refusals += [in_use()] * 1000
    told = pytest.raises(FileError, match=r"a\.csv: it is open in another program")
    with told, atomic_output(tmp_path / "a.csv") as temporary:
        temporary.touch()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_replaced_stays(tmp_path, refusals):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "old").touch()

    def write():
        with atomic_output(tmp_path / "a.zarr") as temporary:
            temporary.mkdir()
            refusals.extend([OSError(errno.EIO, "second renaming"), in_use()])

    with pytest.raises(FileError):
        write()
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == [
        "a.zarr",
        os.path.join("a.zarr", "old"),
    ]


NAMES = {
    "cell.seg.nrrd": "cell.seg.nrrd",
    "run2/cell 1": "run2-cell 1",
    r"C:\data\cell": "C--data-cell",
    "what?": "what-",
    "aux": "_aux",
    "NUL.nrrd": "_NUL.nrrd",
    "com1 .txt": "_com1 .txt",
    "console.nrrd": "console.nrrd",
    "cell.": "cell",
    " .": "_",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_made_such_that_windows_takes_them(name):
    made = as_file_name(name)
    assert made == NAMES[name]
    assert not unfit_for_windows(made)
    assert bool(unfit_for_windows(name)) == (made != name)


def test_a_name_that_windows_does_not_take_is_refused_before_the_work(tmp_path, windows):
    """A colon would write a stream of another file, and a name such as aux a device."""
    for name in ("cell:1.nrrd", "aux.nrrd"):
        with pytest.raises(FileError, match=r"on Windows.*; choose another name"):
            require_writable_folder(tmp_path / name)


def test_what_may_not_be_written_is_found_before_the_work_on_windows(tmp_path, windows, monkeypatch):
    require_writable_folder(tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.csv").touch()

    def refuse(*_, **__):
        raise PermissionError

    monkeypatch.setattr(atomic, "open", refuse, raising=False)
    with pytest.raises(FileError, match="open in another program, or write-protected"):
        require_writable_folder(tmp_path / "a.csv")
    monkeypatch.setattr(Path, "touch", refuse)
    with pytest.raises(FileError, match="no permission"):
        require_writable_folder(tmp_path / "b.csv")


def test_a_path_too_long_for_windows_is_told(tmp_path, windows):
    def write():
        with atomic_output(tmp_path / ("long" * 60)):
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    with pytest.raises(FileError, match="characters, too many for Windows"):
        write()


def test_a_received_array_gives_its_file_back_where_a_mapped_file_cannot_be_removed(tmp_path, monkeypatch):
    unlink, refusals = Path.unlink, [in_use(5)]

    def refuse(path, missing_ok=False):
        if refusals:
            raise refusals.pop()
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    array = ArrayWriter({"a": np.arange(5)}, [tmp_path]).write_all()["a"].take()
    part = array[1:3]
    del array
    assert len(list(tmp_path.iterdir())) == 1
    del part
    assert list(tmp_path.iterdir()) == []


def test_data_of_a_training_on_the_disk_leave_nothing_behind(tmp_path):
    """A folder with mapped files cannot be removed on Windows."""
    from ACSegLib.network.train.data import _on_disk

    array = np.arange(24.0).reshape(2, 3, 4)
    kept = _on_disk(array, tmp_path)
    assert is_mapped(kept)
    assert np.array_equal(kept, array)
    del kept
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(psutil.Process, "memory_maps"), reason="macOS does not tell what is mapped")
def test_a_checkpoint_that_was_read_can_be_replaced(tmp_path):
    """A mapped file cannot be replaced on Windows."""
    torch = pytest.importorskip("torch")
    from ACSegLib.network.train import checkpoint

    checkpoint.write_tensors({"a": torch.ones(9)}, "{}", tmp_path / "c")
    with pytest.MonkeyPatch.context() as patch:
        header = {"format": checkpoint._FORMAT, "version": checkpoint._VERSION, "state": {}, "plan": {}}
        patch.setattr(checkpoint.json, "loads", lambda text: header)
        patch.setattr(checkpoint.Plan, "from_json", lambda values: values)
        tensors = checkpoint.load_checkpoint(tmp_path / "c")[2]
    assert tensors["a"].sum() == 9
    assert str(tmp_path / "c") not in {place.path for place in psutil.Process().memory_maps()}


def test_itk_gets_short_names_where_it_does_not_find_others(tmp_path, monkeypatch):
    folder = tmp_path / "Müller"
    folder.mkdir()
    monkeypatch.setattr(plain_paths, "_has_code_page", lambda: False)
    assert plain_paths.plain_path(folder) == str(folder)
    monkeypatch.setattr(plain_paths, "_has_code_page", lambda: True)
    monkeypatch.setattr(plain_paths, "_short_name", lambda path: str(path).replace("Müller", "MLLER~1"))
    assert plain_paths.plain_path(folder) == str(tmp_path / "MLLER~1")
    assert plain_paths.plain_path(folder / "new.mha") == str(tmp_path / "MLLER~1" / "new.mha")
    monkeypatch.setattr(plain_paths, "_short_name", str)
    with pytest.raises(FileError, match="cannot use names with 'ü' on Windows"):
        plain_paths.plain_path(folder / "new.mha")


def test_temporary_names_are_plain(tmp_path):
    with atomic_output(tmp_path / "Zelle ä µ.seg.nrrd") as temporary:
        assert temporary.name.isascii()
        assert temporary.name.endswith(".seg.nrrd")
        temporary.touch()
    assert (tmp_path / "Zelle ä µ.seg.nrrd").exists()


def test_a_path_on_another_drive_is_named_as_a_whole(tmp_path, monkeypatch):
    assert path_from(tmp_path / "a" / "b.nrrd", tmp_path) == os.path.join("a", "b.nrrd")

    def other_drive(path, start):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", other_drive)
    assert path_from("b.nrrd") == os.path.abspath("b.nrrd")


def test_a_command_replaces_patterns_by_files_as_shells_of_windows_do_not(tmp_path, capsys):
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[2:4, 2:4, 2:4] = 1
    for name in ("a", "b", "[c]"):
        save_segmentation(Segmentation.from_labels(labels, Geometry(), {1: "bead"}), tmp_path / f"{name}.seg.nrrd")
    table, output = str(tmp_path / "t.csv"), ["-o", str(tmp_path / "t.csv"), "--quiet", "--workers", "1"]
    assert main(["measure", str(tmp_path / "?.seg.nrrd"), str(tmp_path / "[c].seg.nrrd"), *output]) == 0
    assert {row["volume_name"] for row in read_table(table)} == {"a", "b", "[c]"}
    assert main(["measure", str(tmp_path / "*.mrc"), *output]) == 2
    assert "*.mrc: there is no such file" in capsys.readouterr().err


def test_texts_are_written_and_read_in_a_named_encoding():
    """Windows' own is that of the country."""
    missing = [
        f"{path.relative_to(ROOT)}:{call.lineno}"
        for path in SOURCES
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and lacks_encoding(call)
    ]
    assert not missing


def lacks_encoding(call):
    """Whether a call reads or writes text, and names no encoding."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    given = {keyword.arg: getattr(keyword.value, "value", ...) for keyword in call.keywords}
    if "encoding" in given:
        return False
    if name in ("read_text", "write_text"):
        return len(call.args) == (name == "write_text")
    if name in ("open", "fdopen") and len(call.args) > isinstance(call.func, ast.Name):
        mode = getattr(call.args[-1], "value", None)
        return isinstance(mode, str) and set(mode) <= set("rwax+t")
    return name in ("run", "Popen", "check_output") and given.get("text") is True


def test_no_module_of_one_system_is_imported_before_it_is_known_to_be_there():
    here_alone = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "msvcrt", "winreg", "_winapi"}
    imported = [
        f"{path.relative_to(ROOT)}: {alias.name}"
        for path in [*SOURCES, *(ROOT / "Testing" / "Python").rglob("*.py")]
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in [*node.names, ast.alias(getattr(node, "module", None) or "")]
        if alias.name in here_alone
    ]
    assert not imported


def test_slicer_reads_the_descriptions_of_cli_modules_in_any_code_page():
    descriptions = list((ROOT / "ACSeg" / "CLI").rglob("*.xml"))
    assert descriptions
    assert all(path.read_bytes().isascii() for path in descriptions)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_clone_of_the_repository_fits_on_other_systems():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("no clone")
    names = listed.stdout.decode("utf-8").rstrip("\0").split("\0")
    assert len({name.casefold() for name in names}) == len(names)
    assert not [name for name in names if any(map(unfit_for_windows, name.split("/"))) or not name.isascii()]


def test_an_image_for_which_windows_reserves_no_memory_is_mapped_for_reading(tmp_path, monkeypatch):
    np.arange(24.0).tofile(tmp_path / "a.raw")
    memmap, modes = np.memmap, []

    def refuse(file, dtype, mode, *place):
        modes.append(mode)
        if mode == "c":
            error = OSError(errno.EINVAL, "The paging file is too small for this operation to complete")
            error.winerror = 1455
            raise error
        return memmap(file, dtype, mode, *place)

    monkeypatch.setattr(np, "memmap", refuse)
    assert lazy.mapped(tmp_path / "a.raw", float, 8, (3, 4)).sum() == sum(range(1, 13))
    assert modes == ["c", "r"]


def test_outputs_that_macos_takes_for_one_file_are_refused(tmp_path, monkeypatch):
    outputs = [Output(str(tmp_path / "Zelle \u00e4.csv")), Output(str(tmp_path / "zelle a\u0308.CSV"), "figures")]
    check_outputs(outputs, [])
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(InputError, match="given for two outputs"):
        check_outputs(outputs, [])


def test_an_image_and_labels_whose_accents_are_written_otherwise_are_a_pair():
    assert core_name("Zelle_\u00e4.nrrd") == core_name("Zelle_a\u0308_seg.nrrd")


def test_a_header_of_windows_finds_its_voxels(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.raw").touch()
    assert beside(tmp_path / "a.mhd", r"data\a.raw") == tmp_path / "data" / "a.raw"
    with pytest.raises(FileError, match="lies outside"):
        beside(tmp_path / "data" / "b.mhd", r"..\a.raw")


# ---- packages and the browser ------------------------------------------------------------------------------------


def test_what_windows_says_of_packages_and_memory_is_explained():
    assert "Visual C++" in explain(ImportError("DLL load failed while importing _C: not found"))
    for number, words in ((126, "Visual C++"), (1455, "not enough memory")):
        error = OSError(errno.EINVAL, "The paging file is too small")
        error.winerror = number
        assert words in explain(error)


def doubled(value):
    return 2 * value


def test_a_loop_whose_machine_code_cannot_be_kept_runs(monkeypatch):
    """Its path is too long for Windows, say."""
    caching = pytest.importorskip("numba.core.caching")
    from ACSegLib.compiled import compiled

    def refuse(*_):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(caching.Cache, "save_overload", refuse)
    assert compiled()(doubled)(4) == 8


def test_the_page_runs_whatever_type_windows_gives_its_files(tmp_path):
    pytest.importorskip("starlette")
    from starlette.testclient import TestClient

    from ACSegLib.app.folder import Folder
    from ACSegLib.app.server import STATIC, create_application
    from ACSegLib.app.session import Session

    mimetypes.add_type("text/plain", ".js")
    client = TestClient(create_application(Session(Folder(tmp_path))))
    scripts = list((STATIC / "assets").glob("*.js"))
    types = [client.get(f"/assets/{script.name}").headers["content-type"] for script in scripts]
    assert {kind.partition(";")[0] for kind in types} == {"text/javascript"}


def test_the_page_reaches_no_file_by_a_name_that_windows_reads_otherwise(tmp_path, windows):
    from ACSegLib.app.folder import Folder, _plain_name
    from ACSegLib.app.problems import ForbiddenError

    folder = Folder(tmp_path)
    assert folder.path("a/b.nrrd") == tmp_path / "a" / "b.nrrd"
    for name in ("a/b.nrrd:stream", "a/aux.nrrd", "a/b.nrrd."):
        with pytest.raises(ForbiddenError):
            folder.path(name)
    assert _plain_name("C:\\data\\aux.nrrd") == "_aux.nrrd"


def test_a_port_is_not_shared_where_windows_would(monkeypatch):
    pytest.importorskip("uvicorn")
    from ACSegLib.app.start import _socket

    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    with _socket(0) as bound:
        assert bound.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not bound.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        assert bound.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
