"""The resident worker: does the work of one front end, and keeps what the next work starts from.

Lines to it, after ``{"serve": {"folders": [..]}}``:

========================================================================== =========================================
``{"event": "run", "job": n, "task": .., "message": .., "arrays": ..,``    begin a task of `ACSegLib.worker.tasks`
``"keep": name}``
``{"event": "cancel", "job": n, "patience": seconds}``                     stop it, for certain after this time
``{"event": "cancel", "job": n}``                                          its result is not needed
``{"event": "forget", "keep": name}``                                      drop the state of that name
========================================================================== =========================================

The lines from it are those of `ACSegLib.jobs` with ``"job": n``; a result carries ``"message"`` and ``"arrays"``, and
a cancel ``"ends": true`` where the process ends with it.

Long tasks are done one after the other on the main thread, short ones beside them on a thread of their own, and
commands in child processes, so that a crash of one leaves the state of the fills.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any, NoReturn

from ACSegLib.errors import Cancelled, explain
from ACSegLib.files.atomic import discard_open_outputs
from ACSegLib.jobs import CancelFlag, LineWriter, Progress, parse_line
from ACSegLib.json_values import Json
from ACSegLib.worker.arrays import ArrayFile, ArrayWriter, remove_abandoned, remove_folders
from ACSegLib.worker.process import EXIT_CANCELLED
from ACSegLib.worker.tasks import TASKS, Call, Lane
from ACSegLib.workflows.packing import Arrays

#: Seconds that running work may take to stop once the front end is gone.
_LAST_SECONDS = 1.0


class _Job:
    def __init__(self, request: Json, writer: LineWriter) -> None:
        self.number = int(request["job"])
        self.request = request
        self.cancel = CancelFlag()
        self.call: Call | None = None
        self._writer = writer
        self._lock, self._claimed = threading.Lock(), False

    def claim(self) -> bool:
        """Take the job, to do it or to drop it; False if it was taken before."""
        with self._lock:
            first, self._claimed = not self._claimed, True
        return first

    def send(self, event: str, **values: Any) -> None:
        self._writer.send(event, job=self.number, **values)

    def progress(self) -> Progress:
        return self._writer.progress(self.cancel, job=self.number)


class Server:
    """Serves the requests of one front end.

    Parameters
    ----------
    settings : mapping
        "folders": where arrays are exchanged, the best first.
    lines : iterator of str
        What the front end writes; its end is the end of the front end.
    writer : LineWriter
    """

    def __init__(self, settings: Json, lines: Iterator[str], writer: LineWriter) -> None:
        self._folders = [str(folder) for folder in settings["folders"]]
        self._lines, self._writer = lines, writer
        self._jobs: dict[int, _Job] = {}
        self._kept: dict[str, Any] = {}
        self._leaving = threading.Lock()
        self._queues: dict[Lane, queue.SimpleQueue[_Job | None]] = {lane: queue.SimpleQueue() for lane in Lane}

    def serve(self) -> NoReturn:
        """Work until the front end is gone, and end the process."""
        threading.Thread(target=self._read, name="requests", daemon=True).start()
        threading.Thread(target=self._work, args=(Lane.SHORT,), name="short tasks", daemon=True).start()
        self._writer.send("ready", pid=os.getpid())
        self._warm_up()
        self._work(Lane.LONG)
        self._leave()

    def _warm_up(self) -> None:
        """Import what the first task needs, while the person still draws."""
        try:
            import ACSegLib.fill
            import ACSegLib.measure.morphology  # noqa: F401

            remove_abandoned(self._folders)
        except ImportError as error:  # not every front end needs everything; a task says what is missing
            logging.getLogger("ACSeg").info("not installed: %s", error.name)

    # -- requests ---------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        for line in self._lines:
            request = parse_line(line)
            if request is None:
                continue
            if request["event"] == "run":
                self._begin(request)
            elif request["event"] == "cancel":
                self._cancel(request)
            elif request["event"] == "forget":
                self._kept.pop(str(request["keep"]), None)
        self._end()

    def _begin(self, request: Json) -> None:
        job = _Job(request, self._writer)
        task = TASKS.get(str(request["task"]))
        if task is None:
            job.send("error", kind="InputError", message=f"unknown task {request['task']!r}.")
            return
        self._jobs[job.number] = job
        if task.lane is Lane.CHILD:
            threading.Thread(target=self._do, args=(job,), name="command", daemon=True).start()
        else:
            self._queues[task.lane].put(job)

    def _cancel(self, request: Json) -> None:
        job = self._jobs.get(int(request["job"]))
        if job is not None:
            job.cancel.set()
            if job.claim():  # it still waits
                self._jobs.pop(job.number, None)
                job.send("cancelled")
                return
            if "patience" not in request:
                return
            patience = float(request["patience"])
            if job.call is not None:
                job.call.stop(patience)
            if TASKS[str(job.request["task"])].lane is not Lane.CHILD:
                timer = threading.Timer(patience, self._give_up, (job,))
                timer.daemon = True
                timer.start()

    def _give_up(self, job: _Job) -> None:
        """End the process where cancelled work goes on: it is in a call that does not look up."""
        if job.number in self._jobs:
            discard_open_outputs()
            job.send("cancelled", ends=True)
            sys.stderr.flush()
            os._exit(EXIT_CANCELLED)

    def _end(self) -> None:
        """The front end is gone: stop all work, leave nothing behind, and end."""
        for job in list(self._jobs.values()):
            job.cancel.set()
            if job.call is not None:
                job.call.stop(0.0)
        for lane in (Lane.LONG, Lane.SHORT):
            self._queues[lane].put(None)
        timer = threading.Timer(_LAST_SECONDS, self._leave)
        timer.daemon = True
        timer.start()
        if not self._jobs:
            self._leave()

    def _leave(self) -> NoReturn:
        with self._leaving:  # two threads that remove a folder at once keep each other from it on Windows
            discard_open_outputs()
            remove_folders(self._folders)
            sys.stderr.flush()
            os._exit(0)

    # -- work -------------------------------------------------------------------------------------------------------

    def _work(self, lane: Lane) -> None:
        while (job := self._queues[lane].get()) is not None:
            self._do(job)

    def _do(self, job: _Job) -> None:
        try:
            files = {name: ArrayFile.from_message(file) for name, file in job.request["arrays"].items()}
            if job.claim():
                self._answer(job, {name: file.take() for name, file in files.items()})
            else:
                for file in files.values():
                    file.discard()
        except (Cancelled, KeyboardInterrupt):
            job.send("cancelled")
        except Exception as error:
            sentence = explain(error)
            if sentence is None:
                traceback.print_exc(file=sys.stderr)
            kind = getattr(error, "kind", type(error).__name__)
            job.send("error", kind=kind, message=sentence or f"unexpected failure: {error}")
        finally:
            self._jobs.pop(job.number, None)
            sys.stderr.flush()

    def _answer(self, job: _Job, arrays: Arrays) -> None:
        request = job.request
        progress = job.progress()
        call = Call(dict(request["message"]), arrays, str(request.get("keep", "")), self._kept, progress)
        job.call = call
        message, results = TASKS[str(request["task"])].function(call)
        if job.cancel():
            raise Cancelled("cancelled")
        files = ArrayWriter(results, self._folders).write_all()
        job.send("result", message=message, arrays={name: file.message() for name, file in files.items()})
