"""Packages that take seconds to import, imported so that a person can cancel meanwhile."""

from __future__ import annotations

import contextlib
import importlib
import threading
from collections.abc import Callable, Sequence

from ACSegLib.jobs import Progress, patiently


def import_packages(names: Sequence[str], progress: Progress) -> None:
    """Import packages in a thread of their own, and look for a cancel meanwhile.

    PyTorch takes two seconds to import, and ten on a busy computer. After a cancel the import goes on in the
    background: it does not keep a process from ending, and one that stays has the package for the next time.

    Parameters
    ----------
    names : sequence of str
        Modules, imported one after the other.
    progress : Progress

    Raises
    ------
    Cancelled
    Exception
        What an import raised.
    """

    def work() -> None:
        for name in names:
            importlib.import_module(name)

    patiently(work, progress.check)


def import_ahead(names: Sequence[str], then: Callable[[], object] = lambda: None) -> None:
    """Import packages in the background, for a step that needs them later and does something else first.

    What fails is left to the import of that step, which raises it.

    Parameters
    ----------
    names : sequence of str
        Modules, imported one after the other.
    then : callable, optional
        Called after them: the first compiled loop of a process takes as long as an import.
    """

    def work() -> None:
        with contextlib.suppress(Exception):
            for name in names:
                importlib.import_module(name)
            then()

    threading.Thread(target=work, name="imports ahead", daemon=True).start()
