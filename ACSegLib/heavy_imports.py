"""Packages that take seconds to import, imported so that a person can cancel meanwhile."""

from __future__ import annotations

import contextlib
import importlib
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType

from ACSegLib.compute import address_space_limit, require_address_space
from ACSegLib.jobs import Progress, patiently

#: What OpenVINO would report each import to a server with, under a number that it gives the user. It works without.
_TELEMETRY = "openvino_telemetry"


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

    What fails is left to the import of that step, which raises it. Where the address space is limited (``ulimit -v``),
    nothing is imported ahead: OpenBLAS, which SciPy holds, waits for ever if it finds none.

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

    if address_space_limit() is None:
        threading.Thread(target=work, name="imports ahead", daemon=True).start()


def import_openvino() -> ModuleType:
    """Import OpenVINO, without the telemetry that it sends by default; ACSeg sends nothing.

    Returns
    -------
    module
        The package openvino.

    Raises
    ------
    MemoryLimitError
        If ``ulimit -v`` leaves too little address space, which would end the program.
    ImportError
        If it is not installed.
    """
    require_address_space()
    with _hidden(_TELEMETRY):
        return importlib.import_module("openvino")


@contextlib.contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Let a package that nobody has imported yet seem not installed."""
    if name in sys.modules:  # it is the user's
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # what Python calls a module that must not be imported
    try:
        yield
    finally:
        del sys.modules[name]
