"""From which rivalry on should the outlines decide between segments that look alike (`constants.RIVALS`)?

    python Testing/Benchmarks/rivals.py --seeds 31-36
    python Testing/Benchmarks/rivals.py --seeds 31-36 --uneven

For each volume of `self_tuning_cases` with several segments the table has the largest rivalry of two segments, on
slices that were held out and on the training voxels; how often the outlines are wrong on slices left out, in relation
to the first one; the mean Dice of a fill where the outlines never decide; and how much higher it is in the fill, and
from some rivalries on with the settings of the fill. Below it is the same for each kind of volume.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from unittest.mock import patch

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import harness  # noqa: E402
from fill_cases import Case, score  # noqa: E402
from self_tuning import filled, labels_of  # noqa: E402
from self_tuning_cases import all_cases, unevenly_labelled  # noqa: E402

from ACSegLib.fill import constants  # noqa: E402
from ACSegLib.fill.pipeline import solve_slabs  # noqa: E402
from ACSegLib.fill.prior import screening  # noqa: E402
from ACSegLib.fill.prior.samples import collect_samples  # noqa: E402
from ACSegLib.fill.result import Assembly, FillResult  # noqa: E402
from ACSegLib.jobs import Progress  # noqa: E402

THRESHOLDS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45)


@dataclass(frozen=True)
class Row:
    """What the table says of one volume."""

    name: str
    held_out: float
    training: float
    outlines: float
    chosen: float
    without: float
    gains: list[float]

    def cells(self) -> list[str]:
        """The row as text."""
        shown = [f"{self.held_out:.3f}", f"{self.training:.3f}", f"{self.outlines:.2f}", f"{self.without:.4f}"]
        return [self.name, *shown, f"{self.chosen:+.4f}", *(f"{gain:+.4f}" for gain in self.gains)]


def judged(case: Case) -> Row | None:
    """Fill a case without and with rivals; None where the outlines decide nothing, or between undrawn neighbours."""
    result = filled(case)
    evidence = result.state.context.evidence
    if len(evidence.groups) < 3 or not evidence.outlines_decide or evidence.neighbours is not None:
        return None
    with patch.object(constants, "RIVALS", np.inf), patch.object(constants, "DOUBTFUL", np.inf):
        without = score(case, filled(case).segmentation.labels)["mean_dice"]
    screened = screening.screen(evidence, collect_samples(evidence), Progress())
    alike = screening.rivalries(screened.confusion())
    known: dict[str, float] = {}

    def dice(families: list[list[int]]) -> float:
        key = str(families)
        if key not in known:
            known[key] = mean_dice(case, result, families)
        return known[key]

    gains = [dice(screening.families_of(alike >= threshold)) - without for threshold in THRESHOLDS]
    chosen = score(case, result.segmentation.labels)["mean_dice"] - without
    largest, remembered = largest_pair(alike), screening.rivalries(result.state.context.classifier.confusion)
    errors = screening.outline_errors(evidence, screened.samples, Progress())[largest] / alike[largest]
    shown = float(alike[largest]), float(remembered[largest_pair(remembered)]), float(errors)
    return Row(case.name, *shown, chosen, without, gains)


def largest_pair(alike: np.ndarray) -> tuple[int, int]:
    """The two groups but background that are most alike."""
    pairs = np.triu(alike, 1)
    pairs[0] = -1
    a, b = np.unravel_index(int(pairs.argmax()), pairs.shape)
    return int(a), int(b)


def mean_dice(case: Case, result: FillResult, families: list[list[int]]) -> float:
    """Mean Dice with some families of rivals; all else is as in the fill."""
    context = result.state.context
    context = replace(context, evidence=replace(context.evidence, rivals=families))
    assembly = Assembly(context.evidence.classes.shape, 0)
    solve_slabs(context, context.evidence.slabs(), assembly, Progress())
    labels = context.evidence.orientation.leave(assembly.best)
    return score(case, labels_of(labels, result))["mean_dice"]


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """The volumes that were asked for."""
    first, _, last = options.seeds.partition("-")
    data = harness.data_folder(options.data)
    for seed in range(int(first), int(last or first) + 1):
        # the crops of the real volumes are the same for all seeds above 0
        members = unevenly_labelled(seed) if options.uneven else all_cases(data if seed == int(first) else None, seed)
        yield from (case for case in members if options.only in case.name)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="31")
    parser.add_argument("--uneven", action="store_true", help="few slices of simulated volumes, at uneven distances")
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    rows = []
    for case in cases(parser.parse_args()):
        if row := judged(case):
            harness.say(" | ".join(row.cells()))
            rows.append(row)
    numbers = ["held out", "training", "outlines", "without", "chosen", *(f"from {t:g}" for t in THRESHOLDS)]
    print(harness.markdown_table(["volume", *numbers], [row.cells() for row in rows]))
    kinds = defaultdict(list)
    for row in rows:
        kinds[row.name.split(",")[0].split("_")[0]].append(row)
    summary = []
    for kind, members in sorted(kinds.items()):
        rivalries = [sorted(getattr(row, name) for row in members) for name in ("held_out", "training", "outlines")]
        gains = np.mean([[row.chosen, *row.gains] for row in members], axis=0)
        spans = [f"{values[0]:.2f} to {values[-1]:.2f}" for values in rivalries]
        summary.append([kind, *spans, f"{fmean(r.without for r in members):.4f}", *(f"{g:+.4f}" for g in gains)])
    print(f"\n{harness.markdown_table(['kind', *numbers], summary)}")


if __name__ == "__main__":
    main()
