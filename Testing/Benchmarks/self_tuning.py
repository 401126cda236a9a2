"""How good is the fill's own choice of the prior's strength and of the edge scale, on volumes of many kinds?

    python Testing/Benchmarks/self_tuning.py --cache grid.json

For each volume of `self_tuning_cases` the table has the mean Dice, on voxels that were not labelled, of the fill as it
chooses, of the best settings of a grid, and of the better of scikit-image's ``random_walker`` at beta 130 and 5000; the
cross-validation Dice; and the processor time, also as a multiple of that of a fill with the same settings given. The
grid and the peers need minutes; ``--cache`` keeps their scores, so that a change of the choice alone is judged within
one. ``--seed 1`` gives volumes on which nothing was tuned. ``--uneven`` labels three to five slices of simulated ones,
at uneven distances, and ``--few 3`` so many at even ones. ``--learned 0.3 0.1`` prints the mean Dice of learned edges
with these gammas instead, also of whole volumes and of simulated instances.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import fill_methods  # noqa: E402
import harness  # noqa: E402
from fill_cases import Case, nuclei, root_cells, score  # noqa: E402
from self_tuning_cases import all_cases, few_slices, simulated, unevenly_labelled  # noqa: E402

from ACSegLib.fill import FillResult, Settings, fill  # noqa: E402
from ACSegLib.fill.pipeline import solve_slabs  # noqa: E402
from ACSegLib.fill.result import Assembly  # noqa: E402
from ACSegLib.jobs import Progress  # noqa: E402
from ACSegLib.volume import Geometry, Segmentation, Volume  # noqa: E402

GAMMAS, EDGES = (0.01, 0.1, 1.0), (1.0, 3.0, 30.0)
#: The choice may cost so much Dice against the best of the grid.
MARGIN = 0.005
#: With the choice, the fill may take so many times the processor time of a fill with given settings.
MAX_TIMES = 2.0


def filled(case: Case, settings: Settings | None = None) -> FillResult:
    """The fill of a case, with every choice left to it unless settings are given."""
    geometry = Geometry(spacing=case.spacing, unit=case.unit)
    names = {value: f"label {value}" for value in range(1, int(case.truth.max()) + 1)}
    sparse = Segmentation.from_labels(case.labels, geometry, names)
    axis = next(iter(case.slices)) if len(case.slices) == 1 else "all"
    slices: Any = case.slices[axis] if len(case.slices) == 1 else case.slices
    return fill(Volume(case.image, geometry, case.name), sparse, axis=axis, slices=slices, settings=settings)


def timed(case: Case, settings: Settings | None = None) -> tuple[FillResult, float]:
    """The fill and its processor time in seconds, which other work on the computer hardly changes."""
    start = time.process_time()
    result = filled(case, settings)
    return result, time.process_time() - start


def grid_scores(case: Case) -> dict[str, float]:
    """Mean Dice of each settings of the grid; features and appearance are learned once."""
    first = filled(case, Settings(0.1, 3.0))
    pairs = [(gamma, edge) for gamma in GAMMAS for edge in EDGES]
    return {f"{gamma:g}, {edge:g}": dice_with(case, first, Settings(gamma, edge)) for gamma, edge in pairs}


def dice_with(case: Case, first: FillResult, settings: Settings) -> float:
    """Mean Dice of other settings, with what a first fill has learned."""
    context = replace(first.state.context, settings=settings)
    assembly = Assembly(context.evidence.classes.shape, 0)
    solve_slabs(context, context.evidence.slabs(), assembly, Progress())
    labels = context.evidence.orientation.leave(assembly.best)
    return score(case, labels_of(labels, first))["mean_dice"]


def learned_edges(cases: Iterator[Case], gammas: list[float]) -> list[list[str]]:
    """Rows of the table of learned edges: mean Dice as chosen, of gamma 1 with an edge scale, and of learned edges."""
    rows = []
    for case in cases:
        first = filled(case)
        if first.state.context.evidence.learned_edges is None:
            continue
        tried = [Settings(1.0, 3.0), *(Settings(gamma, 1.0, learned=True) for gamma in gammas)]
        dice = [score(case, first.segmentation.labels)["mean_dice"], *(dice_with(case, first, s) for s in tried)]
        rows.append([case.name, str(len(np.unique(case.truth)) - 1), *(f"{value:.4f}" for value in dice)])
        harness.say(" | ".join(rows[-1]))
    return rows


def labels_of(classes: np.ndarray, result: FillResult) -> np.ndarray:
    """Classes as the values of the case's truth."""
    seeds = result.state.seeds
    table = np.array([seeds.segments[rows[0]].value if rows else 0 for rows in seeds.table])
    return table[classes]


def peer_scores(case: Case) -> dict[str, float]:
    """Mean Dice of scikit-image's random_walker."""
    scores = {}
    for beta in (130, 5000):
        job = {"slices": case.slices, "spacing": case.spacing, "beta": beta}
        run, dense = fill_methods.random_walker(job, case.image, case.labels)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scores[f"random_walker {beta}"] = score(case, dense(run()))["mean_dice"]
    return scores


def fingerprint(case: Case) -> str:
    """Of all that the scores of a case depend on but the code."""
    digest = hashlib.sha256(np.ascontiguousarray(case.image).tobytes())
    digest.update(np.ascontiguousarray(case.labels).tobytes())
    return f"{case.name} {digest.hexdigest()[:12]}"


def cached_scores(case: Case, cache: Path | None, peers: bool) -> dict[str, dict[str, float]]:
    """Scores of the grid and the peers, from the cache where it has them."""
    kept: dict[str, Any] = json.loads(cache.read_text()) if cache and cache.exists() else {}
    scores = kept.setdefault(fingerprint(case), {})
    parts = {"grid": grid_scores, **({"peers": peer_scores} if peers else {})}
    missing = [name for name in parts if name not in scores]
    for name in missing:
        scores[name] = parts[name](case)
    if cache and missing:
        cache.write_text(json.dumps(kept, indent=1))
    return scores


def chosen_cases(options: argparse.Namespace) -> Iterator[Case]:
    """The volumes that the options ask for."""
    if options.uneven:
        return unevenly_labelled(options.seed)
    if options.few:
        return few_slices(options.seed, options.few)
    data = harness.data_folder(options.data)
    if options.learned:  # instances and whole volumes as well
        whole = chain(nuclei(data), root_cells(data)) if data else iter(())
        return chain(all_cases(data, options.seed), simulated(options.seed, instances=True), whole)
    return all_cases(data, options.seed)


def main() -> int:
    """Judge every case, print the table; 1 if a choice is worse or slower than allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, metavar="FILE", help="keeps the scores of grid and peers")
    parser.add_argument("--peers", action="store_true", help="also run random_walker, which takes most of the time")
    parser.add_argument("--seed", type=int, default=0, help="0: the volumes tuned on; others: new ones")
    parser.add_argument("--uneven", action="store_true", help="few slices of simulated volumes, at uneven distances")
    parser.add_argument(
        "--few", type=int, metavar="COUNT", help="so many slices of simulated volumes, at even distances"
    )
    parser.add_argument(
        "--learned", type=float, nargs="+", metavar="GAMMA", help="compare learned edges with these gammas instead"
    )
    parser.add_argument("--only", default="", help="cases whose name holds this")
    parser.add_argument("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    options = parser.parse_args()
    cases = (case for case in chosen_cases(options) if options.only in case.name)
    if options.learned:
        header = [
            "volume",
            "segments",
            "chosen",
            "gamma 1, edge scale 3",
            *(f"learned, {g:g}" for g in options.learned),
        ]
        print(harness.markdown_table(header, learned_edges(cases, options.learned)))
        return 0
    rows, losses, walkers, times = [], [], [], []
    for case in cases:
        harness.say(case.name)
        kept = cached_scores(case, options.cache, options.peers)
        if not rows:
            filled(case)  # compiled code is loaded
        result, seconds = timed(case)
        times.append(seconds / timed(case, result.state.context.settings)[1])
        dice = score(case, result.segmentation.labels)["mean_dice"]
        report = result.report
        best = max(kept["grid"], key=kept["grid"].__getitem__)
        peer = max(kept.get("peers", {"none": 0.0}).values())
        losses.append(kept["grid"][best] - dice)
        walkers.append(peer - dice)
        shown = "-" if report.cross_validation_dice is None else f"{report.cross_validation_dice:.3f}"
        edge = "learned" if report.learned_edges else f"{report.edge:.2g}"
        chosen = f"{dice:.4f} ({report.gamma:.2g}, {edge})"
        grid = f"{kept['grid'][best]:.4f} ({best})"
        rows.append([case.name, chosen, grid, f"{peer:.4f}", shown, f"{seconds:.2f}", f"{times[-1]:.2f}"])
        harness.say(" | ".join(rows[-1]))
    header = ["volume", "chosen (gamma, edge)", "best of the grid", "random_walker", "cross-validation", "s", "times"]
    print(harness.markdown_table(header, rows))
    near = sum(loss <= MARGIN for loss in losses)
    beaten = sum(loss > 0 for loss in walkers)
    print(
        f"\nwithin {MARGIN} of the best of the grid: {near} of {len(losses)}; mean loss {fmean(losses):+.4f}, largest"
    )
    print(f"{max(losses):+.4f}; below random_walker: {beaten} of {len(walkers)}; largest {max(walkers):+.4f}")
    slow = sum(value > MAX_TIMES for value in times)
    print(f"processor time, times that with given settings: median {median(times):.2f}, largest {max(times):.2f}")
    return int(near < len(losses) or beaten > 0 or slow > 0)


if __name__ == "__main__":
    raise SystemExit(main())
