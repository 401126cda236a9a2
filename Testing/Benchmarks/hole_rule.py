"""Measure what the rule on holes does alone: predictions of one network with and without it, on simulated cells.

    python Testing/Benchmarks/hole_rule.py cell.acseg [another.acseg ...] --size 64 --cells 4

The rule fills the holes of segments that had none in the training. With `--holes 0` a prediction leaves them open. For
each model, the table has means over the cells: Dice of the cytoplasm (segment 1) with and without the rule, the number
of holes (background that labels enclose) in both and in the truth, the voxels that the rule changed, and how many of
these it made right.
"""

from __future__ import annotations

import argparse

import numpy as np
from harness import markdown_table, say
from scipy.ndimage import binary_fill_holes, label

from ACSegLib.measure.overlap import overlap_counts, overlap_scores
from ACSegLib.network.model.pretrained import open_model
from ACSegLib.phantom import simulate
from ACSegLib.workflows import PredictRequest, run

#: Seeds of cells that no training of the documentation saw.
FIRST_SEED = 5001


def holes(labels: np.ndarray) -> int:
    """Number of regions of background that labels enclose."""
    inside = labels > 0
    return int(label(binary_fill_holes(inside) & ~inside)[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--cells", type=int, default=4)
    options = parser.parse_args()
    phantoms = [simulate(options.size, seed=FIRST_SEED + n) for n in range(options.cells)]
    rows = []
    for path in options.models:
        model = open_model(path)
        found: dict[str, list[float]] = {}
        for phantom in phantoms:
            truth = phantom.truth.labels
            closed, opened = (
                run(PredictRequest(volume=phantom.volume, model=model, holes=amount)).segmentation.labels
                for amount in (None, 0)
            )
            changed = closed != opened
            values = {
                "Dice, rule": overlap_scores(*overlap_counts(closed == 1, truth == 1))["dice"],
                "Dice, no rule": overlap_scores(*overlap_counts(opened == 1, truth == 1))["dice"],
                "holes, rule": holes(closed),
                "holes, no rule": holes(opened),
                "holes, truth": holes(truth),
                "changed": int(changed.sum()),
                "made right": int((closed == truth)[changed].sum()),
            }
            for name, value in values.items():
                found.setdefault(name, []).append(value)
        whole = [s.name for s in model.segments if s.id in model.segments_without_holes]
        row = {"model": path, "segments without holes": ", ".join(whole) or "none"}
        rows.append(row | {name: round(float(np.mean(values)), 4) for name, values in found.items()})
    say(markdown_table(list(rows[0]), [list(row.values()) for row in rows]))


if __name__ == "__main__":
    main()
