"""All tests, run by several processes at a time: ``python Testing/Python/sharing.py [ARGUMENTS OF PYTEST]``.

Most tests keep one core busy. Each process collects all tests, and claims one file of them after the other by making a
file of its name in a folder that they share. So none is left out, none runs twice, and nobody waits for the slowest.
They begin at different files: side by side, they would compile the same loops, each for itself.

pytest-xdist does the same. But each of its processes has one more thread that runs Python code, and beside it the event
loop of the stand-in, which keeps the interpreter's lock, ended three of five processes by a segmentation fault.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

#: Environment variable: the folder of the claims.
SHARED_FOLDER = "ACSEG_SHARED_TESTS"
#: Environment variable: which part of the files a process leaves for later, 0 to 1.
BEGINNING = "ACSEG_TESTS_BEGIN_AT"
#: Processes at most: each may take two GiB.
MOST_PROCESSES = 4


def claimed(items: Iterable[Any], folder: Path, beginning: float = 0.0) -> Iterator[Any]:
    """The items whose file is claimed now; those that another process claimed are left to it."""
    files = [(path, list(group)) for path, group in groupby(items, key=lambda item: item.path)]
    first = int(beginning * len(files))
    for path, group in files[first:] + files[:first]:
        claim = folder / f"{hashlib.sha256(str(path).encode()).hexdigest()}.claim"
        try:
            claim.touch(exist_ok=False)
        except FileExistsError:
            continue
        yield from group


def take_turns(session: Any, items: Iterator[Any]) -> bool:
    """Run items as pytest's own loop does, which needs to know the next one before it ends the fixtures of the last."""
    item = next(items, None)
    while item is not None:
        following = next(items, None)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
        item = following
    return True


def write_counts(reporter: Any, folder: Path) -> None:
    """Write how many tests passed, failed, ... in this process."""
    outcomes = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")
    counts = {name: len(reporter.stats[name]) for name in outcomes if reporter.stats.get(name)}
    (folder / f"{os.getpid()}.counts").write_text(json.dumps(counts))


def run_all(arguments: Sequence[str]) -> int:
    """Run all tests; what the first process tells is shown as it comes, the others' afterwards. Gives the exit code."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="acseg-tests-") as name:
        folder = Path(name)
        # threads that wait for others would keep a core from the other processes
        environment = {"OMP_WAIT_POLICY": "passive", **os.environ, SHARED_FOLDER: name}
        # the tests start hundreds of processes, each of which would compile the sources again
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
        number = max(1, min(os.cpu_count() or 1, MOST_PROCESSES))
        outputs = [(folder / f"{n}.txt").open("w+") for n in range(1, number)]
        processes = [
            subprocess.Popen(command, env={**environment, BEGINNING: str(n / number / 2)}, stdout=output)
            for n, output in enumerate([None, *outputs])
        ]
        try:
            codes = [process.wait() for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
        for output in outputs:
            output.seek(0)
            print(output.read())
            output.close()
        total: Counter[str] = Counter()
        for path in folder.glob("*.counts"):
            total.update(json.loads(path.read_text()))
    told = ", ".join(f"{count} {outcome}" for outcome, count in total.items())
    print(f"all {number} processes: {told or 'no test ran'} in {time.monotonic() - start:.0f} s")
    return max(codes, key=abs)


if __name__ == "__main__":
    sys.exit(run_all(sys.argv[1:]))
