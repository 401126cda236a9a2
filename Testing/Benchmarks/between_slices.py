"""Measure what a fill makes of beads between the labelled slices, and which of them `--ignore-unlike` leaves out.

    python Testing/Benchmarks/between_slices.py                       # the training volumes of the learning curve
    python Testing/Benchmarks/between_slices.py --every 5 --cells 4

The volumes and inaccurate outlines are those of `acseg learning-curve --simulate`. Each row is a volume: its beads, how
many of them labelled slices show, the bead's Dice of the fill and of labels by hand on every slice, the share of the
beads' voxels that the fill takes for something else, and the share of these and of all other voxels that
`--ignore-unlike` leaves out.
"""

from __future__ import annotations

import argparse

import numpy as np
from harness import markdown_table, say
from scipy.ndimage import binary_dilation, label

from ACSegLib.fill import fill
from ACSegLib.fill.unlike import unlike_voxels
from ACSegLib.measure.overlap import overlap_counts, overlap_scores
from ACSegLib.phantom import label_slices, simulate

BEAD = 2
#: Smaller components of the truth are specks.
MIN_VOXELS = 10
HEADER = ("seed", "beads", "shown", "Dice, fill", "Dice, by hand", "% lost", "% of lost ignored", "% of others ignored")


def measure(seed: int, size: int, every: int, shake: float) -> list[float]:
    """The row of one volume."""
    phantom = simulate(size=size, seed=seed)
    drawn, slices = label_slices(phantom.truth, every=every, axis="k", shake=shake, seed=seed)
    by_hand, _ = label_slices(phantom.truth, every=1, axis="k", shake=shake, seed=seed + 1)
    result = fill(phantom.volume, drawn, axis="k", slices=slices)
    truth, filled = phantom.truth.labels == BEAD, result.segmentation.labels == BEAD
    parts = label(truth)[0]
    beads = [parts == n for n in range(1, parts.max() + 1) if np.count_nonzero(parts == n) >= MIN_VOXELS]
    shown = sum(bool((drawn.labels == BEAD)[binary_dilation(bead)].any()) for bead in beads)
    dice, hand = (overlap_scores(*overlap_counts(labels, truth))["dice"] for labels in (filled, by_hand.labels == BEAD))
    ignored, lost = unlike_voxels(phantom.volume, result.segmentation, result.known), truth & ~filled
    of_lost = 100 * float(ignored[lost].mean()) if lost.any() else float("nan")
    return [seed, len(beads), shown, dice, hand, 100 * lost.sum() / truth.sum(), of_lost, 100 * ignored[~truth].mean()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--every", type=int, default=10)
    parser.add_argument("--shake", type=float, default=1.0)
    options = parser.parse_args()
    rows = [measure(2 * n, options.size, options.every, options.shake) for n in range(options.cells)]
    mean = ["mean", *np.nanmean(np.array(rows)[:, 1:], axis=0)]
    say(markdown_table(HEADER, [[f"{v:.3g}" if isinstance(v, float) else v for v in row] for row in [*rows, mean]]))


if __name__ == "__main__":
    main()
