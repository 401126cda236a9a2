"""Benchmark of the fill: every target side by side with its peers, in one run.

    python Testing/Benchmarks/fill.py --biomedisa PYTHON --json results.json

The peers are scikit-image's ``random_walker`` and, where it is installed, Biomedisa on an OpenCL driver. Each
measurement is a process of its own. Documentation/benchmarks.md says how to set the peers up and how to read the
tables.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import fmean
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import fill_cases  # noqa: E402
import harness  # noqa: E402
from fill_bench import Bench, gibibytes, wall  # noqa: E402
from fill_solvers import solvers  # noqa: E402
from fill_suggestion import suggestion  # noqa: E402


def small_phantom(bench: Bench) -> None:
    """128^3: time against both peers, Dice, thin structures, changed voxels, first run ever."""
    case = bench.phantom((64,) * 3 if bench.options.quick else (128,) * 3)
    cold = bench.measure(case, "acseg", "ACSeg, first run ever")
    ours = bench.acseg(case, bench.options.repeats)
    if "error" in ours:
        bench.target(case.name, "runs", ours["error"], False)
        return
    extra = wall(cold) - wall(ours)
    bench.target("first run ever", "<= 20 s more", f"{extra:.1f} s more", extra <= 20)
    biomedisa = bench.biomedisa(case)
    if "error" in biomedisa:
        bench.target(case.name, ">= 40 x faster than Biomedisa", biomedisa["error"], None)
    else:
        _against_biomedisa(bench, case, ours, biomedisa)
    for row in bench.random_walker(case):
        times = wall(row) / wall(ours)
        measured = f"{times:.1f} x ({harness.seconds(wall(ours))} s, {harness.seconds(wall(row))} s)"
        bench.target(case.name, f">= 5 x faster than {row['method']}", measured, times >= 5)
    beads = ours["dice"].get("bead")
    bench.target(case.name, "Dice of beads >= 0.95", str(beads), beads is not None and beads >= 0.95)
    bench.target(case.name, "0 labelled voxels changed", str(ours["changed"]), ours["changed"] == 0)


def _against_biomedisa(bench: Bench, case: fill_cases.Case, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    times = wall(theirs) / wall(ours)
    measured = f"{times:.0f} x ({harness.seconds(wall(ours))} s, {harness.seconds(wall(theirs))} s)"
    bench.target(case.name, ">= 40 x faster than Biomedisa", measured, times >= 40)
    gain = ours["dice"]["cell"] - theirs["dice"]["cell"]
    measured = f"{gain:+.4f} ({ours['dice']['cell']:.4f}, {theirs['dice']['cell']:.4f})"
    bench.target(case.name, "Dice of cell >= Biomedisa's + 0.003", measured, gain >= 0.003)
    mine, other = ours["thin_recall"], theirs["thin_recall"]
    bench.target(case.name, "filopodia recovered >= Biomedisa's", f"{mine:.3f}, {other:.3f}", mine >= other)


def medium_phantom(bench: Bench) -> None:
    """236 x 236 x 246: time against Biomedisa with 5 walks a voxel, memory."""
    case = bench.phantom((246, 236, 236), walks=5)
    ours = bench.acseg(case, bench.options.repeats)
    if "error" in ours:
        bench.target(case.name, "runs", ours["error"], False)
        return
    biomedisa = bench.biomedisa(case)
    bench.random_walker(case, (5000,))
    if "error" in biomedisa:
        bench.target(case.name, "<= 1/40 of Biomedisa's time", biomedisa["error"], None)
    else:
        times = wall(biomedisa) / wall(ours)
        measured = f"1/{times:.0f} ({harness.seconds(wall(ours))} s, {harness.seconds(wall(biomedisa))} s)"
        bench.target(case.name, "<= 1/40 of Biomedisa's time", measured, times >= 40)
    bench.target(case.name, "< 1.5 GiB", f"{gibibytes(ours):.2f} GiB", gibibytes(ours) < 1.5)


def large_phantom(bench: Bench) -> None:
    """472 x 472 x 491, three segments: time, memory, time a voxel against 128^3, and a refill after one slice."""
    case = bench.phantom((491, 472, 472), neighbour="segment")
    ours = bench.acseg(case)
    if "error" in ours:
        bench.target(case.name, "runs", ours["error"], False)
        return
    bench.target(case.name, "<= 120 s", f"{wall(ours):.1f} s", wall(ours) <= 120)
    bench.target(case.name, "<= 6 GiB", f"{gibibytes(ours):.2f} GiB", gibibytes(ours) <= 6)
    small_case = bench.phantom((128,) * 3)
    small = bench.acseg(small_case, bench.options.repeats)
    share = (wall(ours) / case.image.size) / (wall(small) / small_case.image.size)
    bench.target(case.name, "time a voxel <= 1.5 x that of 128^3", f"{share:.2f} x", share <= 1.5)
    refilled = bench.measure(case, "refill", "ACSeg, refill after one slice")
    time = wall(refilled)
    bench.target(case.name, "refill after one slice <= 4 s", refilled.get("error", f"{time:.2f} s"), time <= 4)


def real_set(name: str) -> Callable[[Bench], None]:
    """The row of one real data set: mean Dice against the better of the peers."""

    def run(bench: Bench) -> None:
        target = "mean Dice >= better peer + 0.01"
        data = harness.data_folder(bench.options.data)
        if data is None or not (data / fill_cases.FOLDERS[name]).is_dir():
            bench.target(name, target, "data set not found: see --data", None)
            return
        sets = list(fill_cases.REAL[name](data))[: 3 if bench.options.quick else None]
        dice: dict[str, list[float]] = {}
        for case in sets:
            rows = [bench.acseg(case), *bench.random_walker(case), bench.biomedisa(case)]
            for row in rows:
                if "error" not in row:
                    dice.setdefault(row["method"], []).append(row["mean_dice"])
        means = {method: fmean(values) for method, values in dice.items() if len(values) == len(sets)}
        _judge_real(bench, name, target, means)

    return run


def _judge_real(bench: Bench, name: str, target: str, means: dict[str, float]) -> None:
    listed = "; ".join(f"{method} {value:.4f}" for method, value in means.items())
    ours = means.pop("ACSeg", None)
    if ours is None:
        bench.target(name, target, "ACSeg did not end", False)
    elif not means:
        bench.target(name, target, f"{listed}; no peer", None)
    else:
        gain = ours - max(means.values())
        complete = any(method.startswith("Biomedisa") for method in means)
        bench.target(name, target, f"{gain:+.4f} ({listed})", (gain >= 0.01) if complete or gain < 0.01 else None)


CASES: dict[str, Callable[[Bench], None]] = {
    "128": small_phantom,
    "236": medium_phantom,
    "472": large_phantom,
    **{name: real_set(name) for name in fill_cases.REAL},
    "suggestion": suggestion,
    "solvers": solvers,
}
PEERS = ("random_walker", "biomedisa")
QUICK = ("128", "hippocampus", "sxt_cell")


def _names(known: Iterable[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = [name for name in text.split(",") if name and name != "none"]
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is not one of {', '.join(known)}")
        return names

    return parse


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--cases", type=_names(CASES), metavar="A,B", help=f"some of {', '.join(CASES)}; all by default")
    add("--peers", type=_names(PEERS), default=list(PEERS), metavar="A,B", help="both by default; or none")
    python_help = "a Python that can import biomedisa; else the environment variable ACSEG_BIOMEDISA"
    add("--biomedisa", default=os.environ.get("ACSEG_BIOMEDISA"), metavar="PYTHON", help=python_help)
    add("--platform", default="opencl_Portable_CPU", help="Biomedisa's platform (default: %(default)s)")
    add("--walks", type=int, help="Biomedisa's nbrw for every case (default: its own, 10; 5 at 236)")
    add("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    cache = Path(tempfile.gettempdir(), "acseg-benchmark")
    add("--cache", type=Path, default=cache, help="where simulated tomograms are kept (default: %(default)s)")
    add("--repeats", type=int, default=3, help="runs of ACSeg whose median counts (default: %(default)s)")
    reuse_help = "keep the peers' measurements in FILE and take from it those it has; by default all is measured anew"
    add("--reuse", type=Path, metavar="FILE", help=reuse_help)
    quick_help = f"small: {', '.join(QUICK)} only, a 64^3 phantom, three volumes of each set"
    add("--quick", action="store_true", help=quick_help)
    add("--json", type=Path, metavar="FILE", help="write machine, targets and measurements")
    return parser.parse_args(arguments)


def main() -> int:
    """Run the cases asked for, print both tables; 1 if a target that could be measured was missed."""
    options = parse_options()
    options.cache.mkdir(parents=True, exist_ok=True)
    bench = Bench(options)
    facts = harness.machine()
    for name in options.cases or (QUICK if options.quick else CASES):
        harness.say(name)
        CASES[name](bench)
    print(f"{facts['processor']}, {facts['cores']} cores, {facts['memory_GiB']} GiB; {facts['versions']}\n")
    print(bench.targets_table(), bench.rows_table(), *bench.notes, sep="\n\n")
    if options.json:
        results = {
            "machine": facts,
            "targets": [vars(t) for t in bench.targets],
            "measurements": bench.rows,
            "notes": bench.notes,
        }
        options.json.write_text(json.dumps(results, indent=1, default=str))
    return int(any(target.met is False for target in bench.targets))


if __name__ == "__main__":
    raise SystemExit(main())
