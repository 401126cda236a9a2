"""The bench of the fill: runs methods on cases, keeps the measurements, and turns them into tables."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fill_cases as cases
import harness
import numpy as np

#: Beta of the random walker: the default, and one that suits noisy tomograms better. The better result counts.
BETAS = (130, 5000)
METHODS_SCRIPT = Path(__file__).with_name("fill_methods.py")
OWN_METHODS = ("acseg", "refill")


@dataclass
class Target:
    """One line of the table of targets; `met` is None where a peer or a data set is missing."""

    case: str
    target: str
    measured: str
    met: bool | None


@dataclass
class Bench:
    """Options, the measurements made so far, and the lines of the tables."""

    options: argparse.Namespace
    targets: list[Target] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    known: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.compiled = harness.folder_for_this_run("acseg-compiled-")
        reuse = self.options.reuse
        if reuse and reuse.exists():
            self.known = json.loads(reuse.read_text())

    def target(self, case: str, target: str, measured: str, met: bool | None) -> None:
        """Add a line to the table of targets."""
        self.targets.append(Target(case, target, measured, met))

    def phantom(self, shape: tuple[int, int, int], **parameters: Any) -> cases.Case:
        """A simulated tomogram; large ones take minutes to project, so they are kept in the cache folder."""
        return cases.phantom(shape, cache=self.options.cache, **parameters)

    def measure(self, case: cases.Case, method: str, title: str, **parameters: Any) -> dict[str, Any]:
        """Run one method on one case in a new process; gives a row of the table of measurements."""
        with tempfile.TemporaryDirectory(prefix="acseg-bench-") as place:
            folder = Path(place)
            job = case.job(folder, **parameters)
            key = harness.fingerprint([method, job, float(np.sum(case.image, dtype=np.float64))])
            if method not in OWN_METHODS and key in self.known:
                row = {**self.known[key], "reused": True}
            else:
                row = self._run(case, method, folder, job)
                self._keep(method, key, row)
        row = {"case": case.name, "method": title, **row}
        self.rows.append(row)
        harness.say("  " + describe(row))
        return row

    def _keep(self, method: str, key: str, row: dict[str, Any]) -> None:
        if self.options.reuse and method not in OWN_METHODS and "error" not in row:
            self.known[key] = row
            self.options.reuse.write_text(json.dumps(self.known, indent=1))

    def _run(self, case: cases.Case, method: str, folder: Path, job: dict[str, Any]) -> dict[str, Any]:
        (folder / "job.json").write_text(json.dumps(job, default=int))
        python, environment = sys.executable, {}
        if method in OWN_METHODS:
            environment = {"PYTHONPATH": str(harness.ROOT), "NUMBA_CACHE_DIR": job.get("compiled", self.compiled)}
        elif method == "biomedisa":
            python = self.options.biomedisa
            vendors = os.environ.get("OCL_ICD_VENDORS", "/etc/OpenCL/vendors")
            environment = {"OCL_ICD_VENDORS": vendors} if Path(vendors).is_dir() else {}
        row = harness.run_process([python, str(METHODS_SCRIPT), method, str(folder)], folder, environment)
        if "error" not in row:
            row.update(cases.score(case, np.load(folder / "result.npy")))
        report = folder / "report.json"
        if report.exists():
            row["report"] = json.loads(report.read_text())
        return row

    def acseg(self, case: cases.Case, repeats: int = 1) -> dict[str, Any]:
        """Our fill in `repeats` new processes, its compiled code on disk; gives the one of median time."""
        rows = [self.measure(case, "acseg", "ACSeg") for _ in range(repeats)]
        ended = sorted((row for row in rows if "error" not in row), key=wall)
        return ended[len(ended) // 2] if ended else rows[0]

    def random_walker(self, case: cases.Case, betas: tuple[int, ...] = BETAS) -> list[dict[str, Any]]:
        """scikit-image's random walker at each beta, those that ended; empty when not asked for."""
        if "random_walker" not in self.options.peers:
            return []
        rows = [self.measure(case, "random_walker", f"random_walker, beta {beta}", beta=beta) for beta in betas]
        return [row for row in rows if "error" not in row]

    def biomedisa(self, case: cases.Case) -> dict[str, Any]:
        """Biomedisa; a row that says so when it is not installed or not asked for."""
        walks = self.options.walks or case.walks
        title = f"Biomedisa, nbrw {walks}"
        if "biomedisa" not in self.options.peers:
            return {"case": case.name, "method": title, "error": "not asked for"}
        if not self.options.biomedisa:
            return {"case": case.name, "method": title, "error": "not installed"}
        return self.measure(case, "biomedisa", title, walks=walks, platform=self.options.platform)

    def targets_table(self) -> str:
        """Markdown table of the targets."""
        marks = {True: "yes", False: "NO", None: "not measured"}
        lines = [(t.case, t.target, t.measured, marks[t.met]) for t in self.targets]
        return harness.markdown_table(("case", "target", "measured", "met"), lines)

    def rows_table(self) -> str:
        """Markdown table of every measurement."""
        header = ("case", "method", "wall s", "CPU s", "process s", "peak GiB", "mean Dice", "Dice", "thin", "changed")
        return harness.markdown_table(header, [_cells(row) for row in self.rows])


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if "error" in row:
        return (row["case"], row["method"], row["error"], *[""] * 7)
    few = row["dice"] if len(row["dice"]) <= 4 else {}
    return (
        row["case"],
        row["method"] + (" (reused)" if row.get("reused") else ""),
        harness.seconds(wall(row)),
        harness.seconds(row["cpu_s"][0]),
        harness.seconds(row["process_s"]),
        f"{gibibytes(row):.2f}",
        f"{row['mean_dice']:.4f}",
        ", ".join(f"{name} {value:.3f}" for name, value in few.items()),
        f"{row['thin_recall']:.3f}" if "thin_recall" in row else "",
        str(row["changed"]),
    )


def wall(row: dict[str, Any]) -> float:
    """Wall time of the first call in its process, s; infinite where it failed."""
    return row["wall_s"][0] if "wall_s" in row else float("inf")


def gibibytes(row: dict[str, Any]) -> float:
    """Peak resident memory of the process."""
    return row["peak_bytes"] / 2**30


def describe(row: dict[str, Any]) -> str:
    """One line about one measurement."""
    if "error" in row:
        return f"{row['case']}: {row['method']}: {row['error']}"
    thin = f", thin {row['thin_recall']:.3f}" if "thin_recall" in row else ""
    return (
        f"{row['case']}: {row['method']}: {harness.seconds(wall(row))} s, {gibibytes(row):.2f} GiB, "
        f"mean Dice {row['mean_dice']:.4f}{thin}, changed {row['changed']}"
    )
