"""Measure the detector of labelled slices on dense reference labels: real ones, and simulated cells.

Three questions are asked for each reference, whole and for each of its segments: are the dense labels called dense; are
slices of every axis found again, for several distances and stacks of adjacent slices; and are labels in views turned
by a few degrees called oblique. The last lines give the cut shares that decide between dense and sparse labels
(`ACSegLib.labelled_slices.MIN_CUT_SHARE`).

Run ``python Testing/Benchmarks/labelled_slices.py``; ``--data`` or ``ACSEG_DATA`` names the folder of the real volumes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from harness import data_folder, markdown_table

from ACSegLib.axes import AXES
from ACSegLib.files import open_segmentation
from ACSegLib.labelled_slices import find_labelled_slices, mark_slices
from ACSegLib.phantom import simulate
from ACSegLib.slice_profiles import SliceProfile
from ACSegLib.volume import Segmentation

FILES = (
    "hippocampus/labels/*.nii*",
    "nuclei/nuclei_label.tif",
    "stardist3d_demo/mask*.tif",
    "fibsem_mito_mef/m1_8hpi.tif",
    "sxt_ins1e_masks/*.tif",
    "sxt_ins1e_masks/*.nrrd",
)
STEPS, STACKS, DEGREES = (3, 5, 8, 11, 20), (1, 2), (3, 4, 5, 6, 7)
MIN_VOXELS, MAX_SEGMENTS = 200, 6


def references(data: Path | None) -> Iterator[Segmentation]:
    """Dense labels."""
    for seed in range(4):
        yield simulate(64, seed=seed).truth
    for pattern in FILES if data is not None else ():
        for path in sorted((data or Path()).glob(pattern)):
            yield open_segmentation(path)


def masks(segmentation: Segmentation) -> Iterator[np.ndarray]:
    """All labels, and each of the first segments."""
    yield segmentation.occupied()
    for segment in segmentation.segments[:MAX_SEGMENTS]:
        yield segmentation.mask(segment)


def sparse(mask: np.ndarray) -> Iterator[tuple[str, list[int], np.ndarray]]:
    """Labels on slices, with the axis and the slices that hold any."""
    for a, axis in enumerate(AXES):
        for step in STEPS:
            for stack in STACKS:
                starts = range(step // 2, mask.shape[a], step)
                numbers = [n for s in starts for n in range(s, min(s + stack, mask.shape[a]))]
                labels = mask & mark_slices(mask.shape, {axis: numbers})
                used = np.flatnonzero(labels.any(axis=tuple(b for b in range(3) if b != a))).tolist()
                if stack < step - 1 and len(used) > 1:
                    yield axis, used, labels


def turned(mask: np.ndarray, degrees: float, step: int = 10) -> np.ndarray:
    """Labels on parallel planes in views that are turned about i."""
    k, j, _ = np.indices(mask.shape)
    height = k + np.tan(np.radians(degrees)) * (j - mask.shape[1] / 2)
    return mask & (np.rint(height) % step == step // 2)


def main() -> None:
    """Ask the three questions and print how often the answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the real volumes")
    options = parser.parse_args()
    wrong = {"dense": 0, "slices": 0, "slices, stray ones told": 0, "oblique": 0}
    asked = dict.fromkeys(wrong, 0)
    dense_shares, sparse_shares = [], []
    for segmentation in references(data_folder(options.data)):
        for mask in masks(segmentation):
            if mask.sum() < MIN_VOXELS or min(mask.shape) < 6:
                continue
            asked["dense"] += 1
            wrong["dense"] += not find_labelled_slices(mask).dense
            profiles = [SliceProfile.of(mask, a) for a in range(3)]
            dense_shares.append(max(p.cut_share(p.occupied) for p in profiles))
            for axis, numbers, labels in sparse(mask):
                found = find_labelled_slices(labels)
                asked["slices"] += 1
                wrong["slices"] += found.slices != {axis: numbers} or found.oblique
                told = sorted(found.slices.get(axis, []) + found.stray.get(axis, []))
                asked["slices, stray ones told"] += 1
                wrong["slices, stray ones told"] += told != numbers or found.oblique
                sparse_shares.append(SliceProfile.of(labels, AXES.index(axis)).cut_share(numbers))
            for degrees in DEGREES:
                labels = turned(mask, degrees)
                if np.ptp(np.flatnonzero(mask.any(axis=(0, 2)))) * np.tan(np.radians(degrees)) > 2:
                    asked["oblique"] += 1
                    wrong["oblique"] += find_labelled_slices(labels).problem("") is None
    print(markdown_table(["labels", "asked", "wrong"], [[name, asked[name], wrong[name]] for name in asked]))
    print(
        f"cut share of dense labels: {max(dense_shares):.2f} at most, 99 % below {np.percentile(dense_shares, 99):.2f}"
    )
    print(f"cut share of slices: {min(sparse_shares):.2f} at least, 99 % above {np.percentile(sparse_shares, 1):.2f}")


if __name__ == "__main__":
    main()
