"""What a correction of a fill gains where the slices that it was filled from are known, and what it loses where not.

Volumes are filled from every n-th slice of their truth. A simulated person draws the worst slice of the fill right, and
corrects; then the worst of the result, and so on. "Known": the segmentation knows its labelled slices, as fill and
correct write them. "Forgotten": it does not, as a segmentation from elsewhere. The last two columns have the voxels
that the first correction mended and spoiled beside the drawn slice, as shares of those that were wrong there.

    python Testing/Benchmarks/correct_fills.py --data ../shared/data
    python Testing/Benchmarks/correct_fills.py --data ../shared/data --only fibsem --corrections 1
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fill_cases
import harness
from correct_cases import Case, to_volume
from self_tuning_cases import real, simulated
from weak_predictions import mean_dice

from ACSegLib.slice_tags import with_labelled_slices
from ACSegLib.volume import Segmentation
from ACSegLib.workflows import CorrectRequest, FillRequest, run

KINDS = ("phantom", "instances", "hippocampus", "nuclei", "root_cells", "fibsem")


def cases(kind: str, options: argparse.Namespace) -> Iterator[fill_cases.Case]:
    """The volumes of a kind, each with the slices that it is filled from."""
    if kind == "phantom":
        for seed in range(options.seed, options.seed + options.count):
            yield fill_cases.phantom((options.size,) * 3, seed, every=16)
    elif kind == "instances":
        for seed in range(options.seed, options.seed + options.count):
            yield from simulated(seed, instances=True)
    elif kind == "fibsem":
        yield from [case for case in real(options.data, spare=options.seed > 0) if kind in case.name]
    else:
        yield from list(fill_cases.REAL[kind](options.data))[options.seed : options.seed + options.count]


def corrected(case: Case, filled: Segmentation, corrections: int, known: bool) -> tuple[list[float], str]:
    """Mean Dice after each correction, and what the first one mended and spoiled."""
    before, drawn, scores, shares = filled, [], [], ""
    for _ in range(corrections):
        if not known:
            before = with_labelled_slices(before, {})
        labels = before.labels.copy()
        drawn.append(case.worst_slice(labels, drawn))
        labels[drawn[-1]] = case.truth[drawn[-1]]
        after = replace(before, layers=(labels,))
        request = CorrectRequest(volume=case.volume, segmentation=before, corrected=after, slices={"k": [drawn[-1]]})
        before = run(request).segmentation
        scores.append(mean_dice(before.labels, case.truth))
        shares = shares or _shares(labels, before.labels, case.truth)
    return scores, shares


def _shares(labels: np.ndarray, result: np.ndarray, truth: np.ndarray) -> str:
    """Mended and spoiled voxels as shares of those that were wrong."""
    wrong, changed = labels != truth, labels != result
    counts = [np.count_nonzero(changed & wrong & (result == truth)), np.count_nonzero(changed & ~wrong)]
    return " / ".join(f"{n / max(np.count_nonzero(wrong), 1):.2f}" for n in counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the real volumes")
    parser.add_argument("--only", choices=KINDS)
    parser.add_argument("--count", type=int, default=3, help="phantoms, and volumes of the other kinds")
    parser.add_argument("--seed", type=int, default=0, help="of the first phantom, and number of the first volume")
    parser.add_argument("--size", type=int, default=72, help="voxels along a side of a phantom")
    parser.add_argument("--corrections", type=int, default=3)
    options = parser.parse_args()
    kinds = [options.only] if options.only else KINDS if options.data else KINDS[:2]
    rows = []
    for raw in (case for kind in kinds for case in cases(kind, options)):
        truth = raw.truth.astype(np.uint16)
        case = Case(raw.name, to_volume(raw), truth, truth)
        sparse = case.segmentation(raw.labels)
        axis = next(iter(raw.slices))
        filled = run(FillRequest(volume=case.volume, labels=sparse, axis=axis, slices=raw.slices[axis])).segmentation
        results = [corrected(case, filled, options.corrections, known) for known in (False, True)]
        texts = [" / ".join(f"{dice:.4f}" for dice in scores) for scores, _ in results]
        rows.append([case.name, f"{mean_dice(filled.labels, truth):.4f}", *texts, *(shares for _, shares in results)])
        print("  ".join(rows[-1]), flush=True)
    header = ["volume", "Dice of the fill", "forgotten", "known", "mended / spoiled, forgotten", "known"]
    print(harness.markdown_table(header, rows))


if __name__ == "__main__":
    main()
