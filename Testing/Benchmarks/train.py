"""How well networks learn in few minutes: hippocampus crops and simulated cells, nnU-Net v2 beside when given.

``python Testing/Benchmarks/train.py [--only hippocampus phantoms light gpu robustness] [--nnunet PYTHON]
[--json FILE]``

hippocampus  15 crops of the Medical Segmentation Decathlon (``hippocampus`` in the data folder): the first 11 by name
             to train on, the other 4 to score; 1 minute, and 6 minutes.
phantoms     12 simulated cells of 96^3 voxels, 8 to train on, 4 to score, 10 minutes each from dense labels, from every
             tenth slice, and from labels filled between those slices.
light        the usual network and a light one (``acseg train --light``) on the dense labels of these cells, one after
             the other, with each of --seeds; ``predict.py --cases speed`` has what the light one saves.
gpu          training steps of base 32 on 128^3 patches on a CUDA device, nnU-Net's network beside (``train_gpu.py``).
robustness   the tests of resuming, of two processes, of damaged and crafted files, and of memory or disk running out.

nnU-Net runs in the interpreter given by --nnunet, on the same crops for the longest of the lengths (see
``nnunet_peer.py``).
Dice is the mean over the scored volumes, on the labels' own grid, by ``ACSegLib.measure``. Minutes are wall-clock
minutes of training, so the figures hold for the machine printed with them and only if nothing else runs on it.

With --json every row is written as soon as it is measured; rows that the file holds already are kept, so that several
runs can fill one table. It ends with 1 if a target that could be measured was missed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import train_cases as cases  # noqa: E402
from harness import data_folder, machine, markdown_table, say  # noqa: E402

CASES = ("hippocampus", "phantoms", "light", "gpu", "robustness")
LABELS = ("dense", "sparse", "filled")
#: Minutes and voxels per side that the targets are meant for.
HIPPOCAMPUS_MINUTES, PHANTOM_MINUTES, PHANTOM_SIZE = (1.0, 6.0), 10.0, 96
MIN_AFTER_ONE_MINUTE, LEAD_OVER_NNUNET = 0.86, 0.02
MIN_ON_PHANTOMS = {"cytoplasm": 0.97, "bead": 0.90}
BEHIND_DENSE = {"sparse": 0.02, "filled": 0.01}
MIN_SPEED_OVER_NNUNET, MIN_BUSY = 1.3, 90.0
GPU_SIDE, GPU_STEPS = 128, 150
MARKS = {True: "ok", False: "MISSED", None: "not measured"}
Rows = dict[str, dict[str, Any]]
Line = tuple[str, str, str, str]


class Table:
    """The measured rows, kept in a JSON file from one run to the next."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.rows: Rows = json.loads(path.read_text())["rows"] if path and path.is_file() else {}

    def add(self, row: dict[str, Any]) -> None:
        """Keep a row, in the place of an older one of its name, and say it."""
        self.rows[row["name"]] = row
        say(f"{row['name']}: {describe(row)}")
        if self._path:
            self._path.write_text(json.dumps({"machine": machine(), "rows": self.rows}, indent=1))


def describe(row: Mapping[str, Any]) -> str:
    """What was measured, in words."""
    if "error" in row:
        return str(row["error"])
    if "passed" in row:
        return f"{row['passed']} tests passed in {row['seconds']:.0f} s"
    if "patches_per_s" in row:
        busy = f", GPU busy {row['busy']:.0f} %" if row["busy"] is not None else ""
        return f"{row['patches_per_s']:.2f} patches/s of {' x '.join(map(str, row['patch']))}{busy}"
    by_segment = ", ".join(f"{name} {value:.3f}" for name, value in row["dice"].items())
    return f"{row['mean']:.3f} ({by_segment}), {row['steps']} steps"


def run_hippocampus(
    table: Table, folder: Path, lengths: Sequence[float], python: str | None, keep: Path | None
) -> None:
    """All rows of the hippocampus crops."""
    pairs = cases.hippocampus(folder)
    training, scored = pairs[: cases.TRAINING_CROPS], pairs[cases.TRAINING_CROPS :]
    for minutes in lengths:
        name = f"hippocampus {minutes:g} min"
        table.add(cases.learn(name, training, scored, minutes, _kept(keep, name)))
        if python and minutes == max(lengths):
            table.add(cases.nnunet(python, training, scored, minutes))


def run_phantoms(table: Table, size: int, minutes: float, kinds: Sequence[str], keep: Path | None) -> None:
    """All rows of the simulated cells."""
    say(f"simulating {cases.TRAINING_PHANTOMS + cases.SCORED_PHANTOMS} cells of {size}^3")
    pairs = cases.phantoms(size)
    training, scored = pairs[: cases.TRAINING_PHANTOMS], pairs[cases.TRAINING_PHANTOMS :]
    for kind in kinds:
        used = training if kind == "dense" else cases.thinned(training, filled=kind == "filled")
        name = f"phantoms {kind}"
        row = cases.learn(name, used, scored, minutes, _kept(keep, name))
        table.add({**row, "size": size})


def run_light(table: Table, size: int, minutes: float, seeds: Sequence[int], keep: Path | None) -> None:
    """The usual network beside a light one, on the simulated cells."""
    pairs = cases.phantoms(size)
    training, scored = pairs[: cases.TRAINING_PHANTOMS], pairs[cases.TRAINING_PHANTOMS :]
    for seed in seeds:
        for network in ("usual", "light"):
            name = f"{network} network, seed {seed}"
            light = network == "light"
            row = cases.learn(name, training, scored, minutes, _kept(keep, name), light=light, seed=seed)
            table.add({**row, "size": size})


def _kept(folder: Path | None, name: str) -> Path | None:
    return folder / f"{name.replace(' ', '-')}.acseg" if folder else None


def targets(rows: Rows) -> list[Line]:
    """Each target: what it is, what was measured, and whether that is enough."""
    one, six = (rows.get(f"hippocampus {m:g} min") for m in HIPPOCAMPUS_MINUTES)
    peer = rows.get(f"nnU-Net v2 {HIPPOCAMPUS_MINUTES[1]:g} min", {})
    wanted = peer["mean"] + LEAD_OVER_NNUNET if "mean" in peer else None
    against = "nnU-Net v2 in the same minutes" + (f" ({peer['mean']:.3f})" if wanted else "")
    dense = rows.get("phantoms dense")
    asked = ", ".join(f"{name} >= {value}" for name, value in MIN_ON_PHANTOMS.items())
    found: list[tuple[str, str, Mapping[str, Any] | None, Callable[[Any], bool | None]]] = [
        ("hippocampus, 1 minute", f"mean Dice >= {MIN_AFTER_ONE_MINUTE}", one, _mean_of(MIN_AFTER_ONE_MINUTE)),
        ("hippocampus, 6 minutes", f"mean Dice >= {against} + {LEAD_OVER_NNUNET}", six, _mean_of(wanted)),
        ("phantoms, dense labels, 10 minutes", asked, dense, _good_phantoms),
    ]
    for kind, allowed in BEHIND_DENSE.items():
        target = f"each Dice within {allowed} of dense labels"
        judge = partial(_close, dense=dense, allowed=allowed)
        found.append((f"phantoms, {kind} labels, 10 minutes", target, rows.get(f"phantoms {kind}"), judge))
    target = f">= {MIN_SPEED_OVER_NNUNET} x nnU-Net's PlainConvUNet, GPU busy >= {MIN_BUSY:.0f} %"
    judge = partial(_fast, peer=rows.get("GPU nnU-Net"))
    found.append(("training step, base 32, 128^3 patches, one GPU", target, rows.get("GPU ACSeg"), judge))
    robust = "resume, 2 processes, damaged and crafted files, memory and disk"
    found.append((robust, "every test passes", rows.get("robustness"), lambda row: True))
    return [_line(*entry) for entry in found]


def _line(case: str, target: str, row: Mapping[str, Any] | None, judge: Callable[[Any], bool | None]) -> Line:
    if row is None:
        return case, target, "not run", MARKS[None]
    met = False if "error" in row else judge(row)
    return case, target, describe(row), MARKS[met]


def _mean_of(least: float | None) -> Callable[[Any], bool | None]:
    return lambda row: None if least is None else row["mean"] >= least


def _as_meant(row: Mapping[str, Any]) -> bool:
    """Whether a row of the phantoms was measured as the targets ask."""
    return row["minutes"] == PHANTOM_MINUTES and row["size"] == PHANTOM_SIZE


def _good_phantoms(row: Mapping[str, Any]) -> bool | None:
    if not _as_meant(row):
        return None
    return all(row["dice"].get(name, 0.0) >= least for name, least in MIN_ON_PHANTOMS.items())


def _close(row: Mapping[str, Any], dense: Mapping[str, Any] | None, allowed: float) -> bool | None:
    if dense is None or "error" in dense or not (_as_meant(row) and _as_meant(dense)):
        return None
    return all(row["dice"].get(name, 0.0) >= value - allowed for name, value in dense["dice"].items())


def _fast(row: Mapping[str, Any], peer: Mapping[str, Any] | None) -> bool | None:
    if peer is None or "error" in peer or row["device"] != "cuda" or row["busy"] is None:
        return None
    enough = row["patches_per_s"] >= MIN_SPEED_OVER_NNUNET * peer["patches_per_s"]
    return bool(enough and row["busy"] >= MIN_BUSY)


def rows_table(rows: Rows) -> str:
    """Every measurement as a Markdown table."""
    lines = []
    for name, row in rows.items():
        told = [f"{row[key]:.{digits}f}" if key in row else "" for key, digits in (("cpu_s", 0), ("predict_s", 2))]
        patch = " x ".join(str(n) for n in row.get("patch", []))
        lines.append((name, row.get("minutes", ""), describe(row), patch, *told))
    return markdown_table(("case", "minutes", "measured", "patch", "CPU s", "s/volume to predict"), lines)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument(
        "--minutes", type=float, nargs="+", default=HIPPOCAMPUS_MINUTES, help="lengths of the hippocampus runs"
    )
    parser.add_argument("--phantom-minutes", type=float, default=PHANTOM_MINUTES)
    parser.add_argument("--size", type=int, default=PHANTOM_SIZE, help="voxels per side of the phantoms")
    parser.add_argument("--labels", nargs="+", choices=LABELS, default=list(LABELS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1], help="of the trainings of light")
    parser.add_argument("--nnunet", metavar="PYTHON", help="interpreter with nnunetv2")
    parser.add_argument("--data", help="folder of the real volumes (default: ACSEG_DATA, ../shared/data)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the trained models here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the rows here, from one run to the next")
    return parser.parse_args()


def main() -> int:
    """Run what was asked for and print the tables."""
    options = arguments()
    table = Table(options.json)
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    if "hippocampus" in options.only:
        folder = data_folder(options.data)
        if folder is None or not (folder / "hippocampus").is_dir():
            say("hippocampus: left out, the data folder has no 'hippocampus' (give --data)")
        else:
            run_hippocampus(table, folder, options.minutes, options.nnunet, options.keep)
    if "phantoms" in options.only:
        run_phantoms(table, options.size, options.phantom_minutes, options.labels, options.keep)
    if "light" in options.only:
        run_light(table, options.size, options.phantom_minutes, options.seeds, options.keep)
    if "gpu" in options.only:
        import torch

        if torch.cuda.is_available():
            for row in cases.gpu(options.nnunet, "cuda", GPU_SIDE, GPU_STEPS):
                table.add(row)
        else:
            say("gpu: left out, PyTorch finds no CUDA device")
    if "robustness" in options.only:
        table.add(cases.robustness())
    lines = targets(table.rows)
    print(json.dumps(machine()), rows_table(table.rows), sep="\n\n", end="\n\n")
    print(markdown_table(("case", "target", "measured", "met"), lines))
    return int(any(line[3] == MARKS[False] for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
