"""What holds for all tests."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from sharing import BEGINNING, SHARED_FOLDER, claimed, take_turns, write_counts

#: A busy computer takes longer for an example than hypothesis allows.
hypothesis.settings.register_profile("any computer", deadline=None)
hypothesis.settings.load_profile("any computer")


def pytest_configure() -> None:
    """Take Ctrl-C, which a shell lets its background jobs ignore: the programs that tests interrupt inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def temporary_files_stay_together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put what the tests' programs leave, some of which are killed, where pytest removes old folders."""
    place = str(tmp_path_factory.mktemp("temporary"))
    before, tempfile.tempdir = tempfile.tempdir, place
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", place)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")  # the tests' servers, where a proxy leads to all others
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        yield
    tempfile.tempdir = before


def pytest_collection_finish() -> None:
    """Hide what collecting made from the garbage collector: it is kept to the end, and large to look through.

    And let the collector wait for the end of each test: by itself it begins in whichever thread makes objects, such as
    one that compiles a loop, and Qt ends the process where another thread than the main one deletes a widget.
    """
    gc.collect()
    gc.freeze()
    gc.disable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Collect what a test left: after the last one of a file all of it, else what is new.

    What is alive after a file, such as the packages that it imported, is not looked through again after the next ones.
    """
    result = yield
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()
    else:
        gc.collect(1)
    return result


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run only the files of tests that no other process runs, where several share the work."""
    folder = os.environ.get(SHARED_FOLDER)
    if not folder or session.testsfailed or session.config.option.collectonly:
        return None
    beginning = float(os.environ.get(BEGINNING, "0"))
    return take_turns(session, claimed(session.items, Path(folder), beginning))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell the process that started this one what came out."""
    if folder := os.environ.get(SHARED_FOLDER):
        write_counts(terminalreporter, Path(folder))
