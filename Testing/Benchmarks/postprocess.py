"""Measure the parameters of the rules after a walk (`ACSegLib.postprocess.rules.WalkParameters`) on simulated cells.

Each parameter is varied alone. Cells with debris and beads are simulated, every `EVERY`th slice is taken from the truth
as labels, and the volume is filled. The table has, for each value, means over the cells: Dice of cell and bead, the
error of the cell's surface-to-volume ratio, the share of the filopodia's voxels between labelled slices that is found,
and the voxels of components that touch no true voxel of their segment.

Run ``python Testing/Benchmarks/postprocess.py --cells 8``; ``--size`` and ``--seed`` choose other cells.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import fields, replace
from unittest.mock import patch

import numpy as np
from harness import machine, markdown_table, say

from ACSegLib.fill import fill
from ACSegLib.measure.overlap import overlap_counts, overlap_scores
from ACSegLib.measure.surface import surface_area
from ACSegLib.phantom import Phantom, label_slices, simulate
from ACSegLib.postprocess.rules import WALK, WalkParameters

EVERY = 10
CELL, BEAD = 1, 2
#: Values of each parameter that are compared; the one in use is among them.
VALUES = {
    "prior_share": (0.0, 0.15, 0.3, 0.45, 0.6),
    "thin_bonus": (0.0, 0.1, 0.2, 0.3),
    "component_probability": (0.0, 0.6, 0.7, 0.8, 0.9),
}
COLUMNS = ("cell Dice", "bead Dice", "ratio error %", "filopodia found %", "false components, voxels")


def scores(phantom: Phantom, parameters: WalkParameters) -> np.ndarray:
    """The figures of one fill with these parameters, in the order of `COLUMNS`."""
    labels, slices = label_slices(phantom.truth, every=EVERY)
    with patch("ACSegLib.fill.slab.WALK", parameters):
        result = fill(phantom.volume, labels, axis="k", slices=slices)
    filled, truth = result.segmentation.labels, phantom.truth.labels
    dice = [overlap_scores(*overlap_counts(filled == s, truth == s)[:3])["dice"] for s in (CELL, BEAD)]
    spacing = phantom.volume.geometry.spacing
    ratios = [surface_area(mask, spacing) / mask.sum() for mask in (filled == CELL, truth == CELL)]
    filopodia = phantom.mask("filopodia") & (truth == CELL)
    filopodia[list(slices)] = False
    found = np.mean(filled[filopodia] == CELL) if filopodia.any() else np.nan
    return np.array([*dice, 100 * (ratios[0] / ratios[1] - 1), 100 * found, false_voxels(filled, truth)])


def false_voxels(filled: np.ndarray, truth: np.ndarray) -> int:
    """Voxels of components that touch no true voxel of their segment."""
    from scipy import ndimage

    count = 0
    for segment in (CELL, BEAD):
        numbers, _ = ndimage.label(filled == segment, np.ones((3, 3, 3)))
        true = np.unique(numbers[truth == segment])
        count += int(np.count_nonzero(~np.isin(numbers, np.append(true, 0))))
    return count


def variants() -> Iterator[tuple[str, float, WalkParameters]]:
    """Each parameter's name with each of its values, the others as they are."""
    for field in fields(WALK):
        for value in VALUES[field.name]:
            yield field.name, value, replace(WALK, **{field.name: value})


def main() -> None:
    """Fill all cells with all values and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=8, help="simulated cells")
    parser.add_argument("--size", type=int, default=96, help="edge of a volume, in voxels")
    parser.add_argument("--seed", type=int, default=700, help="number of the first cell")
    options = parser.parse_args()
    phantoms = [simulate(options.size, seed=options.seed + n) for n in range(options.cells)]
    rows = []
    for name, value, parameters in variants():
        means = np.nanmean([scores(phantom, parameters) for phantom in phantoms], axis=0)
        used = " (in use)" if value == getattr(WALK, name) else ""
        rows.append([name, f"{value:g}{used}", *(f"{m:.4f}" if n < 2 else f"{m:.2f}" for n, m in enumerate(means))])
        say(" | ".join(rows[-1]))
    print(markdown_table(["parameter", "value", *COLUMNS], rows))
    print(f"{options.cells} cells of {options.size}^3, every {EVERY}th slice labelled; {machine()['processor']}")


if __name__ == "__main__":
    main()
