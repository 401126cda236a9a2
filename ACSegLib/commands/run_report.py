"""The run report: what went in, with which options and versions, how long, how much memory, what came out."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Collection
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, ClassVar

from ACSegLib.errors import FileError, InputError
from ACSegLib.files.atomic import atomic_output
from ACSegLib.json_values import Json, to_json
from ACSegLib.version import __version__

_PACKAGES = (
    *("numpy", "scipy", "scikit-image", "SimpleITK", "numba", "torch", "monai", "openvino"),
    *("pandas", "pingouin", "matplotlib"),
)


def checksum(path: str | os.PathLike[str], check: Callable[[], None] = lambda: None) -> str:
    """SHA-256 of a file; of a folder, over the sorted names and contents of its files.

    Parameters
    ----------
    check : callable
        Called for each 8 MiB block read, so that a cancel is noticed.
    """
    digest = hashlib.sha256()
    path = Path(path)
    names = {"": path}
    if not path.is_file():
        names = {p.relative_to(path).as_posix(): p for p in path.rglob("*") if p.is_file()}
    for name, file in sorted(names.items()):
        digest.update(name.encode(errors="surrogateescape"))
        with open(file, "rb") as stream:
            while block := stream.read(1 << 23):
                check()
                digest.update(block)
    return digest.hexdigest()


def peak_memory() -> int | None:
    """Peak resident memory of this process in bytes."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024


def versions() -> dict[str, str]:
    """Versions of ACSeg, Python and those packages that are installed."""
    found = {"acseg": __version__, "python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@dataclasses.dataclass
class Results:
    """What a command gives: for each command a dataclass of its own, whose fields are the run report's "results".

    Attributes
    ----------
    outputs : dict of str to str
        What was written -> its path.
    exit_code : int
        2 if a part could not be done, else 0.
    """

    #: Fields that are in the report only where they hold something (not None, 0 or empty).
    optional: ClassVar[tuple[str, ...]] = ()

    outputs: dict[str, str] = dataclasses.field(default_factory=dict, kw_only=True)
    exit_code: int = dataclasses.field(default=0, kw_only=True)

    def to_dict(self) -> Json:
        """Give the results as plain JSON values."""
        values = {field.name: to_json(getattr(self, field.name)) for field in dataclasses.fields(self)}
        return {name: value for name, value in values.items() if value or name not in self.optional}


class RunReport:
    """Collects the report of one command run; see `finished`.

    Parameters
    ----------
    command : str
    options : dataclass
    checksums : bool
        Whether the report has checksums of the input files that the options name.
    """

    def __init__(self, command: str, options: Any, checksums: bool = True) -> None:
        self.command, self._checksums = command, checksums
        self.options = options
        self.started = datetime.now(timezone.utc)
        self._clock = time.perf_counter()
        self._cpu = time.process_time()

    def finished(self, results: Json) -> Json:
        """Give the report as plain JSON values; input files named in the options are checksummed."""
        values = dataclasses.asdict(self.options)
        options = to_json({name: "inf" if value == math.inf else value for name, value in values.items()})
        outputs = {str(Path(p).absolute()) for p in (results.get("outputs") or {}).values() if p}
        inputs = {}
        for value in options.values():
            for item in value if isinstance(value, list) else [value]:
                if (
                    self._checksums
                    and isinstance(item, str)
                    and item
                    and str(Path(item).absolute()) not in outputs
                    and os.path.exists(item)
                ):
                    inputs[item] = {"sha256": checksum(item), "bytes": _size(Path(item))}
        return {
            "command": self.command,
            "started": self.started.isoformat(timespec="seconds"),
            "options": options,
            "inputs": inputs,
            "versions": versions(),
            "seconds": round(time.perf_counter() - self._clock, 3),
            "cpu_seconds": round(time.process_time() - self._cpu, 3),
            "peak_memory_bytes": peak_memory(),
            "results": to_json(results),
        }


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def write_json(report: Json, path: str | os.PathLike[str]) -> None:
    """Write a report to a file, whole or not at all."""
    with atomic_output(path) as temporary:
        temporary.write_text(json.dumps(to_json(report), indent=2) + "\n", encoding="utf-8")


def read_options(path: str, command: str, known: Collection[str]) -> Json:
    """Read the options of a command from its run report, or from a JSON object that holds nothing else.

    Parameters
    ----------
    path : str
    command : str
    known : collection of str
        Names of its options.

    Raises
    ------
    FileError, InputError
        If the file is not such a report.
    """
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"--options {path}: cannot be read ({error.strerror}); check the name.") from error
    except ValueError as error:
        raise FileError(f"--options {path}: is not a JSON file; give a run report that --json wrote.") from error
    if not isinstance(report, dict):
        raise InputError(f"--options {path}: holds no options; give a run report that --json wrote.")
    written = report.get("command", command)
    if written != command:
        raise InputError(f"--options {path}: is the report of 'acseg {written}', not of 'acseg {command}'.")
    options = report.get("options", report)
    unknown = sorted(set(options) - set(known)) if isinstance(options, dict) else ["options"]
    if unknown:
        raise InputError(f"--options {path}: {command} has no option {unknown[0]!r}; take it out.")
    return options
