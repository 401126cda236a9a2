"""Does labelling where `suggest_slices` says reach a Dice with fewer slices than even spacing does?

    python Testing/Benchmarks/fill_suggestion.py --cache suggestions.json

Run alone, it follows the suggestions on small volumes of all kinds (`self_tuning_cases`) and prints a table; 1 if a
volume needs more slices than even spacing. One even spacing may be lucky, so its slices are moved, too: suggestions
are also compared with the mean Dice of all these. ``--oracle`` draws, each time, the slice that raises the Dice most by
the truth: what suggestions can attain. ``--at-once 3`` draws three slices that one fill suggests.
``fill.py --cases suggestion`` follows suggestions on five large tomograms.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import harness  # noqa: E402
from fill_bench import Bench  # noqa: E402
from fill_cases import Case, drawn_mask  # noqa: E402
from self_tuning_cases import real, simulated, tomograms  # noqa: E402

#: Slices that are drawn before the first suggestion, evenly spaced.
_START = 1

#: Slices among which the oracle chooses, about. All of them would take hours.
_CANDIDATES = 20

#: Planes by which evenly spaced slices are moved.
_MOVES = (-2, -1, 0, 1, 2)

#: Suggestions are followed until so many times the slices of even spacing are drawn.
_LIMIT = 2

_TARGET = 0.6

#: Dices that differ by less count as the same.
_SAME = 0.0005


def suggestion(bench: Bench) -> None:
    """Five phantoms: the share of the slices of even spacing (every 20th) that following the suggestions takes.

    Dice is over the whole volume, labelled slices included, so that both ways are judged on the same voxels.
    """
    shares = []
    for seed in range(3 if bench.options.quick else 5):
        case = bench.phantom((64,) * 3 if bench.options.quick else (128,) * 3, seed=seed)
        even = case.slices["k"]
        wanted = _mean_dice(case, even)
        drawn, history = _follow_suggestions(case, wanted, _LIMIT * len(even))
        shares.append(len(drawn) / len(even) if history[-1] >= wanted else float("inf"))
        reached = "reached" if history[-1] >= wanted else "not reached"
        bench.target(
            f"suggestion, {case.name}",
            f"Dice of {len(even)} even slices, {wanted:.4f}",
            f"{reached} with {len(drawn)}: {', '.join(f'{value:.4f}' for value in history)}",
            shares[-1] <= _TARGET,
        )
    mean = fmean(shares)
    bench.target("suggestion, mean", "<= 60 % of the slices of even spacing", f"{100 * mean:.0f} %", mean <= _TARGET)


def _follow_suggestions(case: Case, wanted: float, limit: int, start: int = _START) -> tuple[list[int], list[float]]:
    """Draw `start` even slices, then each slice suggested, until the Dice is reached or `limit` slices are drawn."""
    from ACSegLib.fill import suggest_slices

    return _follow(case, wanted, limit, start, lambda drawn, result: suggest_slices(result, 1))


def _follow_oracle(case: Case, wanted: float, limit: int, start: int = _START) -> tuple[list[int], list[float]]:
    """Draw `start` even slices, then each slice that raises the Dice most."""
    step = max(1, round(len(case.truth) / _CANDIDATES))

    def best(drawn: list[int], result: object) -> list[int]:
        others = [k for k in range(step // 2, len(case.truth), step) if k not in drawn]
        return [max(others, key=lambda k: _mean_dice(case, sorted([*drawn, k])))] if others else []

    return _follow(case, wanted, limit, start, best)


def _follow(  # type: ignore[no-untyped-def]
    case: Case, wanted: float, limit: int, start: int, choose: Callable[..., list[int]]
) -> tuple[list[int], list[float]]:
    drawn, history = _first_slices(case, start), []
    while True:
        result = _fill(case, drawn)
        history.append(_dice(case, result.segmentation.labels))
        if history[-1] >= wanted or len(drawn) >= limit:
            return drawn, history
        chosen = choose(drawn, result)
        if not chosen:
            return drawn, history
        drawn = sorted({*drawn, *chosen})


def _first_slices(case: Case, count: int) -> list[int]:
    drawn = _evenly_spaced(case, count)
    if not case.truth[drawn].any():
        shown = np.flatnonzero(case.truth.any(axis=(1, 2)))
        drawn = [int(min(shown, key=lambda k: abs(k - len(case.truth) // 2)))]  # nobody starts beside all segments
    return drawn


def _evenly_spaced(case: Case, count: int) -> list[int]:
    return [len(case.truth) * (2 * n + 1) // (2 * count) for n in range(count)]


def _fill(case: Case, drawn: list[int]):  # type: ignore[no-untyped-def]
    from ACSegLib.fill import fill
    from ACSegLib.volume import Geometry, Segmentation, Volume

    geometry = Geometry(spacing=case.spacing, unit=case.unit)
    labels = np.where(drawn_mask(case.truth.shape, {"k": drawn}), case.truth, 0).astype(case.truth.dtype)
    names = {value: name for value, name in case.names.items() if (case.truth == value).any()}
    sparse = Segmentation.from_labels(labels, geometry, names)
    return fill(Volume(case.image, geometry, case.name), sparse, axis="k", slices=drawn)


def _mean_dice(case: Case, drawn: list[int]) -> float:
    return _dice(case, _fill(case, drawn).segmentation.labels)


def _dice(case: Case, found: np.ndarray) -> float:
    values = [value for value in np.unique(case.truth) if value]
    pairs = [(case.truth == value, found == value) for value in values]
    return fmean(2.0 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b)) for a, b in pairs)


@dataclass(frozen=True)
class Followed:
    """What following the suggestions on one volume took.

    Attributes
    ----------
    even : int
        Slices of even spacing.
    wanted : float
        Their Dice.
    moved : list of float
        Their Dice after each of `_MOVES`.
    drawn : list of int
        The slices that were drawn.
    history : list of float
        Dice with the first slices, and after each one more.
    """

    even: int
    wanted: float
    moved: list[float]
    drawn: list[int]
    history: list[float]

    def share(self, wanted: float) -> float:
        """Slices until a Dice was reached, over those of even spacing; infinity if it was not."""
        first = len(self.drawn) - len(self.history) + 1
        needed = (first + n for n, dice in enumerate(self.history) if dice >= wanted)
        return next(needed, float("inf")) / self.even


def volumes(data: Path | None, seed: int = 0) -> Iterator[Case]:
    """Volumes of all kinds whose whole truth is known, with evenly spaced slices; other crops with another seed."""
    yield from simulated(seed)
    yield from tomograms(seed)
    for case in real(data, spare=seed > 0) if data is not None else ():
        if list(case.slices) == ["k"]:
            yield case


def follow(case: Case, oracle: bool = False, start: int = _START) -> Followed:
    """Compare the evenly spaced slices of a case with suggested ones, or with those of the oracle."""
    even = case.slices["k"]
    wanted, last = _mean_dice(case, even), len(case.truth) - 1
    moved = [_mean_dice(case, [min(max(k + planes, 0), last) for k in even]) for planes in _MOVES]
    way = _follow_oracle if oracle else _follow_suggestions
    return Followed(len(even), wanted, moved, *way(case, max(wanted, fmean(moved)), _LIMIT * len(even), start))


def at_once(case: Case, count: int, start: int = _START) -> tuple[float, ...]:
    """Dice of evenly spaced slices, and of the first ones and `count` more that one fill suggests.

    These are chosen each as if those before it were labelled, or together.
    """
    from ACSegLib.fill.suggest import choose_together, expected_losses

    first = _first_slices(case, start)
    losses = expected_losses(_fill(case, first))
    single: list[int] = []
    for _ in range(count):
        single.append(int(np.argmax(losses.after(*single).gains())))
    ways = (_evenly_spaced(case, len(first) + count), [*first, *single], [*first, *choose_together(losses, count)])
    return tuple(_mean_dice(case, sorted(drawn)) for drawn in ways)


def _compare_at_once(cases: Iterator[Case], count: int, start: int) -> int:
    """Print the Dice of slices that one fill suggests; 1 if choosing them together lowers the mean."""
    rows = []
    for case in cases:
        rows.append(at_once(case, count, start))
        harness.say(f"{case.name} | " + " | ".join(f"{dice:.4f}" for dice in rows[-1]))
    even, single, together = np.mean(rows, axis=0)
    better, worse = (sum(sign * (row[2] - row[1]) > _SAME for row in rows) for sign in (1, -1))
    print(f"{len(rows)} volumes, mean Dice: evenly spaced {even:.4f}, one after the other {single:.4f}, ", end="")
    print(f"together {together:.4f} (higher on {better}, lower on {worse})")
    return int(together < single)


def main() -> int:
    """Follow the suggestions on each volume and print the table; 1 if even spacing needs fewer slices on any."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, metavar="FILE", help="keeps what was measured")
    parser.add_argument("--seed", type=int, default=0, help="of the simulated volumes (default: %(default)s)")
    parser.add_argument("--only", default="", help="volumes whose name holds one of these, separated by semicolons")
    parser.add_argument("--start", type=int, default=_START, help="slices before the first suggestion (%(default)s)")
    parser.add_argument("--oracle", action="store_true", help="draw the slices that raise the Dice most by the truth")
    parser.add_argument("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    parser.add_argument("--at-once", type=int, metavar="N", help="compare N slices that one fill suggests instead")
    options = parser.parse_args()
    parts = [part.strip() for part in options.only.split(";")]
    data = harness.data_folder(options.data)
    cases = (case for case in volumes(data, options.seed) if any(part in case.name for part in parts))
    if options.at_once:
        return _compare_at_once(cases, options.at_once, options.start)
    kept = json.loads(options.cache.read_text()) if options.cache and options.cache.exists() else {}
    rows, shares, robust = [], [], []
    for case in cases:
        if case.name not in kept:
            kept[case.name] = asdict(follow(case, options.oracle, options.start))
            if options.cache:
                options.cache.write_text(json.dumps(kept, indent=1))
        found = Followed(**kept[case.name])
        shares.append(found.share(found.wanted))
        robust.append(found.share(fmean(found.moved)))
        steps = ", ".join(f"{value:.3f}" for value in found.history)
        drawn = " ".join(str(k) for k in found.drawn)
        needed = [f"{share * found.even:g}" for share in (shares[-1], robust[-1])]
        dice = [f"{found.wanted:.4f}", f"{fmean(found.moved):.4f} ({min(found.moved):.4f} to {max(found.moved):.4f})"]
        rows.append([case.name, found.even, dice[0], needed[0], dice[1], needed[1], steps, drawn])
        harness.say(" | ".join(str(cell) for cell in rows[-1]))
    print(
        harness.markdown_table(
            ["volume", "even", "Dice", "needed", "Dice when moved", "needed", "Dice on the way", "slices drawn"], rows
        )
    )
    for title, each in (("even spacing", shares), ("the mean of even spacings, moved", robust)):
        more = sum(share > 1 for share in each)
        print(f"\nfor the Dice of {title}: median {np.median(each):.2f} of the slices; more on {more} of {len(each)}")
    return int(any(share > 1 for share in shares))


if __name__ == "__main__":
    raise SystemExit(main())
