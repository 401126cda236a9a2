"""Fills of one cell whose neighbour, of the same look, nobody drew.

    python Testing/Benchmarks/neighbours.py --size 96 --every 15 --seeds 0-3
    python Testing/Benchmarks/neighbours.py --set NEIGHBOUR_RADIUS=3

For each simulated tomogram with a second cell that is background in the truth, the table has Dice and error of the
volume of the cell, Dice of the beads, and processor time; then the same where the slices without the cell are not
listed. ``--kind tight`` gives three tight cells of which one is drawn. ``--set`` changes a number of
`ACSegLib.fill.constants`.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from statistics import fmean

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import fill_cases  # noqa: E402
from self_tuning_cases import tight  # noqa: E402

from ACSegLib.fill import constants, fill  # noqa: E402
from ACSegLib.volume import Geometry, Segmentation, Volume  # noqa: E402


def cases(options: argparse.Namespace) -> list[fill_cases.Case]:
    """The volumes that were asked for."""
    first, _, last = options.seeds.partition("-")
    found = []
    for seed in range(int(first), int(last or first) + 1):
        if options.kind == "tight":
            image, truth = tight(seed, 1, options.size)
            found.append(
                fill_cases.thinned(f"tight cells, seed {seed}", image.astype(np.float32), truth, options.every)
            )
        else:
            shape = (options.size,) * 3
            found.append(fill_cases.phantom(shape, seed, options.every, neighbour="unlabelled"))
    return found


def measured(case: fill_cases.Case, listed: bool) -> tuple[float, float, float, float]:
    """Dice and relative error of the volume of the cell, Dice of the beads, and seconds of processor time."""
    slices = [k for k in case.slices["k"] if listed or case.truth[k].any()]
    geometry = Geometry(spacing=case.spacing, unit=case.unit)
    labels = Segmentation.from_labels(case.labels, geometry, {1: "cell", 2: "bead"})
    start = time.process_time()
    result = fill(Volume(case.image, geometry), labels, axis="k", slices=slices)
    seconds = time.process_time() - start
    dice = fill_cases.score(case, result.segmentation.labels)["dice"]
    found, wanted = (np.count_nonzero(a == 1) for a in (result.segmentation.labels, case.truth))
    return dice.get("cell", dice.get("1")), found / wanted - 1, dice.get("bead", np.nan), seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kind", choices=("phantom", "tight"), default="phantom")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--seeds", default="0-3")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER")
    options = parser.parse_args()
    for name, _, value in (item.partition("=") for item in options.set):
        setattr(constants, name, type(getattr(constants, name))(float(value)))
    rows = []
    for case in cases(options):
        row = [measured(case, listed) for listed in (True, False)]
        rows.append(row)
        parts = [f"Dice {d:.4f}, volume {100 * v:+.1f} %, beads {b:.3f}, {s:.2f} s" for d, v, b, s in row]
        print(f"{case.name}: {parts[0]}; empty slices not listed: {parts[1]}", flush=True)
    for n, name in enumerate(("all slices listed", "empty slices not listed")):
        dice, volume = [row[n][0] for row in rows], [abs(row[n][1]) for row in rows]
        print(f"{name}: mean Dice {fmean(dice):.4f}, lowest {min(dice):.4f}; volume {100 * fmean(volume):.1f} %")


if __name__ == "__main__":
    main()
