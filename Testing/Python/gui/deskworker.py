"""The worker process of the tests of panels and effect: the real one, which a test may turn into a quick one."""

import sys
from pathlib import Path

from fakefill import FakeFill, QuickCommands

import ACSegLib.fill
from ACSegLib.worker import __main__ as worker
from ACSegLib.worker import child

FOLDER = Path(sys.argv[1])


def _put_in_place(name):
    """Let the library's function be the fake's while that is at work."""
    fake, real = FakeFill(FOLDER), getattr(ACSegLib.fill, name)
    setattr(ACSegLib.fill, name, lambda *a, **k: (getattr(fake, name) if fake.at_work else real)(*a, **k))


class Command(child.ChildCommand):
    """A command in a child process, or a quick one here."""

    def __init__(self, command, options):
        self._quick = (command, options)
        if not QuickCommands(FOLDER).at_work:
            super().__init__(command, options)
            self._quick = None

    def cancel(self, patience):
        if self._quick is None:
            super().cancel(patience)

    def follow(self, progress):
        if self._quick is None:
            return super().follow(progress)
        return QuickCommands(FOLDER).follow(*self._quick, progress)


if __name__ == "__main__":
    for function in ("fill", "refill", "suggest_slices"):
        _put_in_place(function)
    child.ChildCommand = Command
    sys.exit(worker.main())
