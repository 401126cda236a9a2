"""Starting and ending worker processes, on Linux, macOS and Windows."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

from ACSegLib.errors import FileError

#: Exit code after a cancel.
EXIT_CANCELLED = 130

#: What other work of a process is told that ended because some work did not stop.
RESTARTED = "The worker process had to be restarted, since other work did not stop: start again."

#: Keeps Windows from showing a console for a process.
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)

#: What PythonSlicer, a launcher, writes to the log where its interpreter was ended or crashed; its own exit code is 1.
_CRASHED = "exit abnormally"
#: Exit codes of a process that the system ended, by a signal or as a shell tells it; on Windows those of a process that
#: got no memory (STATUS_NO_MEMORY, STATUS_COMMITMENT_LIMIT).
_KILLED = {-9, 137, 0xC0000017, 0xC000012D}


def python_executable(home: str | os.PathLike[str] | None = None) -> str:
    """Give the Python that can import what this one can: PythonSlicer inside Slicer, else this interpreter.

    Parameters
    ----------
    home : path, optional
        Slicer's own folder.

    Raises
    ------
    FileError
        If this process is another program than Python, and PythonSlicer cannot be found.
    """
    name = "PythonSlicer.exe" if sys.platform == "win32" else "PythonSlicer"
    places = [str(Path(home) / "bin")] if home else []
    found = shutil.which(name, path=os.pathsep.join([*places, os.environ.get("PATH", os.defpath)]))
    if found is not None:
        return found
    if Path(sys.executable).name.lower().startswith(("python", "pypy")):
        return sys.executable
    raise FileError(
        f"the program {name}, Slicer's Python, is neither in {places[0] if places else 'a known folder'} nor on PATH; "
        "reinstall Slicer, or start it with its launcher."
    )


def start_python(arguments: list[str], log: IO[Any] | int, *, family: bool = True) -> subprocess.Popen[bytes]:
    """Start a Python process whose stdin and stdout are pipes of bytes.

    Parameters
    ----------
    arguments : list of str
        The program and its arguments.
    log : file or file descriptor
        Takes what it writes to stderr.
    family : bool
        Whether it is the first of a family that `end_family` ends; otherwise it belongs to this process's.
    """
    return subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        bufsize=0,
        env=_environment(),
        start_new_session=family and sys.platform != "win32",
        creationflags=_NO_WINDOW,
    )


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    library = str(Path(__file__).resolve().parents[2])
    paths = [library, *[p for p in environment.get("PYTHONPATH", "").split(os.pathsep) if p]]
    environment["PYTHONPATH"] = os.pathsep.join(dict.fromkeys(paths))
    environment["PYTHONUNBUFFERED"] = "1"
    return environment


def end_family(process: subprocess.Popen[bytes]) -> None:
    """End a process at once, and all that it has started: PythonSlicer is a launcher, the interpreter is its child."""
    if sys.platform == "win32":
        command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        with contextlib.suppress(OSError):  # not on the path
            subprocess.run(command, capture_output=True, check=False, creationflags=_NO_WINDOW)
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended meanwhile
        os.killpg(process.pid, signal.SIGKILL)


def explain_end(code: int | None, log: str = "") -> str:
    """Say why a process ended that should have gone on; its log tells what became of the child of a launcher."""
    if code is not None and sys.platform == "win32":
        code &= 0xFFFFFFFF  # a launcher gives the code of its child with a sign
    if code == 1 and _CRASHED in log:
        return (
            "The worker process crashed, or was ended by the system because memory ran out: close other programs, crop "
            "the volume, choose smaller patches, or use another device. Its last lines are in the log. The scene is "
            "not affected."
        )
    if code in _KILLED:
        return (
            "The worker process was ended by the system, most likely because memory ran out: close other programs, "
            "crop the volume, choose smaller patches, or use another device. The scene is not affected."
        )
    if code == EXIT_CANCELLED:
        return RESTARTED
    told = f"0x{code:X}" if code is not None and code >= 0xC0000000 else code  # as Windows writes its own
    return (
        f"The worker process ended unexpectedly (exit code {told}); its last lines are in the log. "
        "The scene is not affected."
    )
