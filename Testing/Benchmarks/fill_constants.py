"""Measure the constants of the fill (`ACSegLib.fill.constants`): each is varied alone, on volumes of four kinds.

The kinds are simulated tomograms, MR crops, a stack of nuclei with one segment each, and a stack with one segment for
all nuclei. The real ones are taken from the folder that ``--data`` or ``ACSEG_DATA`` names, and left out without it.
Every eighth slice of the reference is taken as labels (``--every``). The table has, for each value, the mean Dice of
the segments on the other slices, for each kind; of simulated tomograms also that of the cell, and the share of the
voxels of filopodia that is found; and the seconds of all fills.

Run ``python Testing/Benchmarks/fill_constants.py``, or name constants: ``fill_constants.py CONFUSED OUTLINE_MARGIN``.
Of few slices: ``fill_constants.py MAX_CURVED --size 128 --every 20 --seed 0 --count 10 --simulated``.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
from harness import data_folder, machine, markdown_table, say

from ACSegLib.files import open_segmentation, open_volume
from ACSegLib.fill import constants, fill
from ACSegLib.phantom import simulate
from ACSegLib.volume import Segmentation, Volume

#: Values of each constant that are compared; the one in use is among them.
VALUES = {
    "MIN_GAIN": (0.0, 0.004, 0.01),
    "TRUSTED_PRIOR": (0.9, 0.95, 1.0),
    "HIDDEN_UNITS": ((16, 12), (24, 16), (32, 24)),
    "STEPS": (500, 1000, 2000),
    "BATCH": (256, 512, 1024),
    "LEARNING_RATE": (0.01, 0.02, 0.04),
    "WEIGHT_DECAY": (0.0, 1e-3, 1e-2),
    "MAX_SAMPLES": (10_000, 40_000, 80_000),
    "HIDDEN_SHAPE_SHARE": (0.0, 0.1, 0.3),
    "MIN_GROUP_SHARE": (1e-9, 0.02, 0.05),
    "MAX_CURVED": (0, 6),
    "CONFUSED": (0.05, 0.1, 0.2, 1.1),
    "INSTANCE_WIDTH": (0.5, 2.0, 4.0),
    "OUTLINE_MARGIN": (0.0, 0.2, 0.4, 0.8),
    "FINE_SIGMA": (0.5, 1.0, 1.5),
    "LEVEL_SIGMAS": ((0.5, 0.7), (0.8, 1.0), (1.2, 1.5)),
    "IMAGE_PERCENTILES": ((0.0, 100.0), (0.1, 99.9), (1.0, 99.0)),
    "CLASS_PERCENTILES": ((0, 100), (2, 98), (5, 95)),
}


@dataclass(frozen=True)
class Case:
    """A volume, labels of every n-th slice, the reference with those slices masked (-1), and its filopodia."""

    volume: Volume
    labels: Segmentation
    hidden: np.ndarray
    slices: list[int]
    thin: np.ndarray | None = None

    @classmethod
    def of(cls, volume: Volume, reference: np.ndarray, every: int, thin: np.ndarray | None = None) -> Case:
        """With the first slice half a step from the border."""
        slices = list(range(every // 2, len(reference), every))
        labels = np.zeros_like(reference)
        labels[slices] = reference[slices]
        hidden = reference.astype(np.int64)
        hidden[slices] = -1
        return cls(volume, Segmentation.from_labels(labels, volume.geometry), hidden, slices, thin)


def simulated(seeds: range, size: int, every: int) -> list[Case]:
    """Simulated tomograms, with their filopodia."""
    made = [simulate(size, seed=seed) for seed in seeds]
    return [Case.of(p.volume, p.truth.labels, every, p.mask("filopodia")) for p in made]


def real(count: int, folder: Path, every: int) -> dict[str, list[Case]]:
    """The real volumes by kind."""
    crops = sorted((folder / "hippocampus" / "labels").glob("*.nii*"))[:count]
    image = open_volume(folder / "nuclei" / "nuclei.tif").array[:, :128, :128]
    nuclei = open_segmentation(folder / "nuclei" / "nuclei_label.tif").labels[:, :128, :128]
    instances = np.unique(nuclei, return_inverse=True)[1].reshape(nuclei.shape).astype(np.uint8)
    return {
        "MR crops": [
            Case.of(open_volume(folder / "hippocampus" / "images" / path.name), open_segmentation(path).labels, every)
            for path in crops
        ],
        "nuclei, each": [Case.of(Volume(image), instances, every)],
        "nuclei, all": [Case.of(Volume(image), (nuclei > 0).astype(np.uint8), every)],
    }


def scores_of(case: Case) -> tuple[float, float, float]:
    """Mean Dice of the segments on the slices that were not labelled, that of the first one, and filopodia found."""
    result = fill(case.volume, case.labels, axis="k", slices=case.slices, device="cpu").segmentation.labels
    filled = np.where(case.hidden < 0, -1, result.astype(np.int64))
    scores = []
    for value in [s.value for s in case.labels.segments]:
        sizes = np.count_nonzero(filled == value), np.count_nonzero(case.hidden == value)
        if sizes[1]:
            scores.append(2 * np.count_nonzero((filled == value) & (case.hidden == value)) / sum(sizes))
    thin = np.nan if case.thin is None else float(np.mean(filled[case.thin & (case.hidden >= 0)] == 1))
    return float(np.mean(scores)), scores[0], thin


@contextlib.contextmanager
def changed(name: str, value: object) -> Iterator[None]:
    """A constant with another value, in all modules that use it."""
    modules = [m for key, m in sys.modules.items() if key.startswith("ACSegLib.fill") and hasattr(m, name)]
    with contextlib.ExitStack() as stack:
        for module in modules:
            stack.enter_context(patch.object(module, name, value))
        yield


def main() -> None:
    """Fill all volumes with all values and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("constants", nargs="*", default=list(VALUES), help="constants to vary")
    parser.add_argument("--count", type=int, default=5, help="volumes of the first two kinds")
    parser.add_argument("--size", type=int, default=64, help="voxels along a side of a simulated tomogram")
    parser.add_argument("--every", type=int, default=8, help="distance of the labelled slices")
    parser.add_argument("--seed", type=int, default=900, help="of the first simulated tomogram")
    parser.add_argument("--simulated", action="store_true", help="no real volumes")
    parser.add_argument("--data", help="folder of the real volumes")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.count)
    kinds = {"simulated": simulated(seeds, options.size, options.every)}
    folder = None if options.simulated else data_folder(options.data)
    if folder is not None:
        kinds |= real(options.count, folder, options.every)
    scores_of(kinds["simulated"][0])  # compiles the loops
    rows = []
    for name in options.constants:
        for value in VALUES[name]:
            start = time.perf_counter()
            with changed(name, value):
                means = [np.mean([scores_of(c) for c in volumes], axis=0) for volumes in kinds.values()]
            used = " (in use)" if value == getattr(constants, name) else ""
            seconds = time.perf_counter() - start
            shown = f"{value:g}" if isinstance(value, (int, float)) else str(value)
            figures = [*means[0], *(m[0] for m in means[1:])]
            rows.append([name, shown + used, *(f"{s:.4f}" for s in figures), f"{seconds:.1f}"])
            say(" | ".join(rows[-1]))
    first, *others = kinds
    print(markdown_table(["constant", "value", first, "its cells", "its filopodia", *others, "seconds"], rows))
    print(f"every {options.every}th slice labelled; {machine()['processor']}")


if __name__ == "__main__":
    main()
