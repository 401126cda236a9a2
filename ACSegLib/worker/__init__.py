"""The process that does the work of a front end with an event loop: Slicer's panels and effect, and the browser.

Slicer's event loop keeps Python's interpreter lock, so that no thread works there. All work is therefore done in one
resident process (`Worker`). The front end starts it when it is first needed, and keeps it: its state serves refills.
Nothing here needs Qt or Slicer. The front end needs no thread: `Job.poll`, called by a timer, reads what has come.

>>> worker = Worker()
>>> job = worker.run("measure", message, arrays)
>>> while job.running:
...     for event in job.poll():
...         print(event.kind, event.fraction, event.message)

Arrays go by files in memory (`ACSegLib.worker.arrays`), everything else by lines of JSON (`ACSegLib.worker.server`).
The process ends with the front end, also when that is killed; it is replaced when it does not listen to a cancel.
"""

from ACSegLib.worker.client import Job, Reply, Worker
from ACSegLib.worker.events import Event

__all__ = ["Event", "Job", "Reply", "Worker"]
