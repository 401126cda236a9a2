"""Score `acseg adapt`: the model before and after it was adapted, on what it was adapted to.

    python Testing/Benchmarks/adapt.py [--cases sxt_cell,revolved,style] [--minutes 10] [--model FILE]

sxt_cell    a real cell in a capillary: recall of the cell on its labelled planes, and the share of the glass and of the
            medium that is labelled cytoplasm.
revolved    sxt_mef_revolved: Dice along k.
style       simulated tomograms of a kind that no training of the pretrained model covers (heavy glass, low contrast,
            strong noise and blur, a wide missing wedge): adapted to one, scored on six others.

No case gives its labels to the adaptation.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

import harness  # noqa: E402
import numpy as np  # noqa: E402
from pretrained_model import GLASS_FROM, MEDIUM, Line, dice, open_array, open_labels  # noqa: E402

from ACSegLib.network.model.model_file import Model  # noqa: E402
from ACSegLib.volume import Volume  # noqa: E402
from ACSegLib.workflows import AdaptRequest, PredictRequest, run  # noqa: E402

#: Beyond the ranges of `ACSegLib.phantom.vary_packed`.
STYLE = {
    "holder": "capillary", "wall": True, "wall_thickness": 0.12, "capillary": 0.34, "medium": 0.2, "cytoplasm": 0.27,
    "nucleus": 0.24, "glass": 2.4, "noise": 0.25, "blur": 1.6, "missing_wedge": 70.0, "packing": 3, "filling": 0.5,
    "column": False, "cell_size": 0.7, "beads": 2, "bead_radius": (0.04, 0.07), "bead": 0.5,
}  # fmt: skip
STYLE_SEEDS = range(98_001, 98_008)
Scores = dict[str, float]


def predicted(model: Model, array: np.ndarray) -> np.ndarray:
    """Labels, as `acseg predict` gives them: 1 cytoplasm, 2 bead."""
    return run(PredictRequest(volume=Volume(array), model=model)).segmentation.labels


def sxt_cell(data: Path | None) -> tuple[np.ndarray, Callable[[Model], Scores]]:
    """The real cell."""
    assert data is not None
    folder = data / "sxt_cell_in_capillary"
    image, labels = open_array(folder / "cell.rec"), open_labels(folder / "cell.labels")
    medium = (labels == 0) & (image >= MEDIUM[0]) & (image <= MEDIUM[1])

    def score(model: Model) -> Scores:
        cells = predicted(model, image) == 1
        shares = {"recall": labels == 1, "glass": image > GLASS_FROM, "medium": medium}
        return {name: float(cells[where].mean()) for name, where in shares.items()}

    return image, score


def revolved(data: Path | None) -> tuple[np.ndarray, Callable[[Model], Scores]]:
    """One real slice, revolved."""
    assert data is not None
    folder = data / "sxt_mef_revolved"
    image, cells = open_array(folder / "4hpi_left_image.nrrd"), open_labels(folder / "4hpi_left_cells.nrrd") > 0
    return image, lambda model: {"Dice": dice(predicted(model, image) == 1, cells)}


def style(data: Path | None) -> tuple[np.ndarray, Callable[[Model], Scores]]:
    """Simulated tomograms of another style."""
    from ACSegLib.phantom import simulate, vary_packed

    first, *others = (simulate(64, seed=seed, recipe=vary_packed(seed, **STYLE)) for seed in STYLE_SEEDS)

    def score(model: Model) -> Scores:
        found = [(predicted(model, made.volume.array), made.truth.labels) for made in others]
        names = {"Dice of cytoplasm": 1, "Dice of bead": 2}
        return {n: fmean(dice(p == v, t == v) for p, t in found if (t == v).any()) for n, v in names.items()}

    return first.volume.array, score


CASES = {"sxt_cell": sxt_cell, "revolved": revolved, "style": style}


def main() -> int:
    """Run the cases asked for and print the table."""
    from ACSegLib.network.model.pretrained import open_model

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help=f"some of {', '.join(CASES)} (default: all)")
    parser.add_argument("--minutes", type=float, default=AdaptRequest.minutes, help="of each adaptation (default: 10)")
    parser.add_argument("--model", help="model to start from; default: the pretrained one")
    parser.add_argument("--data", help="folder of the real volumes; else ACSEG_DATA, or ../shared/data")
    options = parser.parse_args()
    data, lines = harness.data_folder(options.data), list[Line]()
    for name in options.cases.split(","):
        if data is None and name != "style":
            lines.append((name, "", "data set not found: see --data"))
            continue
        image, score = CASES[name](data)
        model = open_model(options.model)
        result = run(AdaptRequest(volumes=[Volume(image, name=name)], model=model, minutes=options.minutes))
        before, after = score(model), score(result.model)
        rows = [*((key, before[key], after[key]) for key in before)]
        rows += [(f"Dice of {key} on twins", result.before[key], result.after[key]) for key in result.after]
        for key, first, second in rows:
            lines.append((f"{name}: {key}", f"{first:.4f}", f"{second:.4f}"))
            harness.say(f"{name}: {key} {first:.4f} -> {second:.4f}")
        harness.say(f"{name}: {result.twins} twins, {result.steps} steps")
    facts = harness.machine()
    print(f"{facts['processor']}, {facts['cores']} cores; {facts['versions']}\n")
    print(harness.markdown_table((f"{options.minutes:g} minutes", "before", "after"), lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
