"""Measure the constants of the fill (`ACSegLib.fill.constants`): each is varied alone, on volumes of four kinds.

The kinds are simulated tomograms, MR crops, a stack of nuclei with one segment each, and a stack with one segment for
all nuclei. The real ones are taken from the folder that ``--data`` or ``ACSEG_DATA`` names, and left out without it.
Every ``EVERY``-th slice of the reference is taken as labels. The table has, for each value, the mean Dice of the
segments on the other slices, for each kind, and the seconds of all fills.

Run ``python Testing/Benchmarks/fill_constants.py``, or name constants: ``fill_constants.py CONFUSED OUTLINE_MARGIN``.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
from harness import data_folder, machine, markdown_table, say

from ACSegLib.files import open_segmentation, open_volume
from ACSegLib.fill import constants, fill
from ACSegLib.phantom import simulate
from ACSegLib.volume import Segmentation, Volume

EVERY = 8
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
    "CONFUSED": (0.05, 0.1, 0.2, 1.1),
    "INSTANCE_WIDTH": (0.5, 2.0, 4.0),
    "OUTLINE_MARGIN": (0.0, 0.2, 0.4, 0.8),
    "FINE_SIGMA": (0.5, 1.0, 1.5),
    "LEVEL_SIGMAS": ((0.5, 0.7), (0.8, 1.0), (1.2, 1.5)),
    "IMAGE_PERCENTILES": ((0.0, 100.0), (0.1, 99.9), (1.0, 99.0)),
    "CLASS_PERCENTILES": ((0, 100), (2, 98), (5, 95)),
}
Case = tuple[Volume, Segmentation, np.ndarray]


def case(volume: Volume, reference: np.ndarray) -> Case:
    """A volume, labels of every n-th slice, and the reference with those slices masked (-1)."""
    labels = np.zeros_like(reference)
    slices = slice(EVERY // 2, None, EVERY)
    labels[slices] = reference[slices]
    hidden = reference.astype(np.int64)
    hidden[slices] = -1
    return volume, Segmentation.from_labels(labels, volume.geometry), hidden


def cases(count: int, data: str | None) -> dict[str, list[Case]]:
    """The volumes by kind."""
    phantoms = [simulate(64, seed=900 + n) for n in range(count)]
    kinds = {"simulated": [case(p.volume, p.truth.labels) for p in phantoms]}
    folder = data_folder(data)
    if folder is None:
        return kinds
    crops = sorted((folder / "hippocampus" / "labels").glob("*.nii*"))[:count]
    kinds["MR crops"] = [
        case(open_volume(folder / "hippocampus" / "images" / path.name), open_segmentation(path).labels)
        for path in crops
    ]
    image = open_volume(folder / "nuclei" / "nuclei.tif").array[:, :128, :128]
    nuclei = open_segmentation(folder / "nuclei" / "nuclei_label.tif").labels[:, :128, :128]
    instances = np.unique(nuclei, return_inverse=True)[1].reshape(nuclei.shape).astype(np.uint8)
    kinds["nuclei, each"] = [case(Volume(image), instances)]
    kinds["nuclei, all"] = [case(Volume(image), (nuclei > 0).astype(np.uint8))]
    return kinds


def mean_dice(volume: Volume, labels: Segmentation, hidden: np.ndarray) -> float:
    """Mean Dice of the segments on the slices that were not labelled."""
    result = fill(volume, labels, axis="k", slices=list(range(EVERY // 2, len(hidden), EVERY)), device="cpu")
    filled = np.where(hidden < 0, -1, result.segmentation.labels.astype(np.int64))
    scores = []
    for value in [s.value for s in labels.segments]:
        sizes = np.count_nonzero(filled == value), np.count_nonzero(hidden == value)
        if sizes[1]:
            scores.append(2 * np.count_nonzero((filled == value) & (hidden == value)) / sum(sizes))
    return float(np.mean(scores))


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
    parser.add_argument("--data", help="folder of the real volumes")
    options = parser.parse_args()
    kinds = cases(options.count, options.data)
    mean_dice(*next(iter(kinds.values()))[0])  # compiles the loops
    rows = []
    for name in options.constants:
        for value in VALUES[name]:
            start = time.perf_counter()
            with changed(name, value):
                scores = [np.mean([mean_dice(*c) for c in volumes]) for volumes in kinds.values()]
            used = " (in use)" if value == getattr(constants, name) else ""
            seconds = time.perf_counter() - start
            shown = f"{value:g}" if isinstance(value, (int, float)) else str(value)
            rows.append([name, shown + used, *(f"{s:.4f}" for s in scores), f"{seconds:.1f}"])
            say(" | ".join(rows[-1]))
    print(markdown_table(["constant", "value", *kinds, "seconds"], rows))
    print(f"every {EVERY}th slice labelled; {machine()['processor']}")


if __name__ == "__main__":
    main()
