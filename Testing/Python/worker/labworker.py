"""A worker process with tasks for the tests of the transport: they echo, count, hang and crash."""

import ctypes
import os
import sys
import time
from pathlib import Path

from ACSegLib.errors import InputError
from ACSegLib.worker import __main__ as worker
from ACSegLib.worker import server
from ACSegLib.worker.tasks import TASKS, Lane, Task

server.Server._warm_up = lambda self: None


def echo(call):
    """Give everything back, and how often this was asked for."""
    count = call.kept.get(call.keep, 0) + 1
    call.kept[call.keep] = count
    return {**call.message, "count": count, "pid": os.getpid()}, call.arrays


def walk(call):
    """Go on until the file "go" exists, looking up all the time."""
    while not Path(call.message["go"]).exists():
        call.progress(0.5, "walking")
        time.sleep(0.001)
    return {}, {}


def hang(call):
    """Keep the interpreter, as a call into C may."""
    call.progress(0.5, "hanging")
    while True:
        if os.name == "nt":
            ctypes.PyDLL("kernel32").Sleep(100)
        else:
            ctypes.PyDLL(None).usleep(100_000)


def deaf(call):
    """Never look up, with a half-written file, until the file "go" exists."""
    from ACSegLib.files.atomic import atomic_output

    with atomic_output(call.message["output"]) as temporary:
        temporary.write_text("half")
        call.progress(0.5, "deaf")
        while True:
            time.sleep(0.01)


def crash(call):
    """End as a process does that the system ends."""
    call.progress(0.5, "crashing")
    os.kill(os.getpid(), int(call.message["signal"]))


def fail(call):
    """Fail as the message says."""
    kind = {"InputError": InputError, "MemoryError": MemoryError, "defect": KeyError}[call.message["kind"]]
    raise kind(call.message["text"])


TASKS.update({function.__name__: Task(function) for function in (echo, walk, hang, deaf, crash, fail)})
TASKS["beside"] = Task(echo, Lane.SHORT)

if __name__ == "__main__":
    while not all(Path(name).exists() for name in sys.argv[1:]):
        time.sleep(0.001)
    sys.exit(worker.main())
