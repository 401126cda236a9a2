"""What the benchmarks share: a process for each measurement, machine facts, tables."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def data_folder(given: str | None) -> Path | None:
    """Folder of the real volumes: the option, ``ACSEG_DATA``, or ``../shared/data`` beside the repository."""
    for candidate in (given, os.environ.get("ACSEG_DATA"), ROOT.parent / "shared" / "data"):
        if candidate and Path(candidate).is_dir():
            return Path(candidate)
    return None


def machine() -> dict[str, Any]:
    """What a reader needs to judge the figures: processor, cores, memory, versions."""
    import psutil

    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line for line in cpuinfo.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    versions = {"python": platform.python_version()}
    for package in ("numpy", "scipy", "scikit-image", "numba", "torch", "scikit-learn"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_GiB": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(terse=True),
        "versions": versions,
    }


def run_process(
    command: Sequence[str], folder: Path, environment: dict[str, str] | None = None, timeout_s: float | None = None
) -> dict[str, Any]:
    """Run a measurement process that writes ``timing.json`` into `folder`; add the whole process's wall time.

    A process that fails gives ``{"error": last line it said}`` and not an exception: the other rows go on.
    """
    timing = folder / "timing.json"
    timing.unlink(missing_ok=True)
    started = time.perf_counter()
    variables = {**os.environ, **(environment or {})}
    try:
        done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"stopped after {timeout_s:.0f} s"}
    except OSError as error:
        return {"error": str(error)}
    (folder / "log.txt").write_text(done.stdout + done.stderr)
    if done.returncode != 0 or not timing.exists():
        said = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()
        return {"error": f"exit {done.returncode}: {said[-1]}"}
    return {**json.loads(timing.read_text()), "process_s": time.perf_counter() - started}


#: Folders of this run; they are removed as it ends.
_kept: list[tempfile.TemporaryDirectory[str]] = []


def folder_for_this_run(prefix: str) -> str:
    """An empty folder that is there until the benchmark ends."""
    _kept.append(tempfile.TemporaryDirectory(prefix=prefix))
    return _kept[-1].name


def fingerprint(value: Any) -> str:
    """Short digest of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Markdown table, columns padded so that it also reads well on a terminal."""
    cells = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def seconds(value: float | None) -> str:
    """A time for a table: three figures."""
    return "–" if value is None else f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ratio(numerator: float | None, denominator: float | None) -> str:
    """How many times, for a table."""
    if not numerator or not denominator:
        return "–"
    return f"{numerator / denominator:.1f} x"


def say(text: str) -> None:
    """Progress of the benchmark, apart from its table."""
    print(text, file=sys.stderr, flush=True)
