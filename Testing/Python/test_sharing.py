"""Processes that share the tests run each one exactly once, and end fixtures as pytest does."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from types import SimpleNamespace

from sharing import BEGINNING, SHARED_FOLDER, claimed, take_turns


def test_each_file_is_run_by_one_process(tmp_path: Path) -> None:
    items = [SimpleNamespace(path=Path(f"test_{n // 3}.py"), name=f"test {n}") for n in range(30)]
    both = zip_longest(claimed(items, tmp_path), claimed(items, tmp_path, 0.25))
    shares = [[item for item in share if item] for share in zip(*both, strict=True)]
    assert sorted(item.name for share in shares for item in share) == sorted(item.name for item in items)
    assert [share[0].name for share in shares] == ["test 0", "test 6"]
    assert not {item.path for item in shares[0]} & {item.path for item in shares[1]}


def test_each_test_is_told_which_one_follows() -> None:
    run: list[tuple[str, str | None]] = []
    hook = SimpleNamespace(
        pytest_runtest_protocol=lambda item, nextitem: run.append((item.name, nextitem and nextitem.name))
    )
    items = [SimpleNamespace(name=name, config=SimpleNamespace(hook=hook)) for name in "abc"]
    assert take_turns(SimpleNamespace(shouldfail=False, shouldstop=False), iter(items))
    assert run == [("a", "b"), ("b", "c"), ("c", None)]


def test_a_failure_in_any_process_is_a_failure_of_all(tmp_path: Path) -> None:
    own = Path(__file__).parent
    (tmp_path / "conftest.py").write_text((own / "conftest.py").read_text())
    for n in range(4):
        (tmp_path / f"test_{n}.py").write_text(f"import os\ndef test_it():\n    assert {n} != 3\n")
    environment = {name: value for name, value in os.environ.items() if name not in (SHARED_FOLDER, BEGINNING)}
    command = [sys.executable, str(own / "sharing.py"), "-q", "--rootdir", str(tmp_path), str(tmp_path)]
    done = subprocess.run(
        command, env={**environment, "PYTHONPATH": str(own)}, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "3 passed" in done.stdout.splitlines()[-1]
    assert "1 failed" in done.stdout.splitlines()[-1]
